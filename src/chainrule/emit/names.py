"""Names in source code: the user's names if valid, and new names that do not clash."""

from __future__ import annotations

import itertools
import keyword
import re
import unicodedata
from collections.abc import Container, Iterable, Sequence


class Names:
    """Allocates unique names."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._taken = set(reserved)

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def take(self, wanted: str) -> str:
        """Return `wanted` as an identifier, numbered if it is taken."""
        stem = identifier(wanted)
        numbered = itertools.chain([stem], (f"{stem}_{k}" for k in itertools.count(2)))
        name = next(name for name in numbered if name not in self._taken)
        self._taken.add(name)
        return name

    def release(self, name: str) -> None:
        """Release `name`."""
        self._taken.discard(name)

    def local(self, stem: str) -> str:
        """Return a name for an unnamed value: `stem`, or `stem2`, …."""
        numbered = itertools.chain([stem], (f"{stem}{k}" for k in itertools.count(2)))
        name = next(name for name in numbered if name not in self._taken)
        self._taken.add(name)
        return name

    def prefix(self, wanted: Iterable[str], prefixes: Iterable[str]) -> str:
        """Return the first of `prefixes` with which all names in `wanted` are free."""
        wanted = list(wanted)
        free = (p for p in prefixes if not any(identifier(p + name) in self._taken for name in wanted))
        return next(free, "grad__")


def identifier(text: str, reserved: Container[str] = ()) -> str:
    """Convert `text` to a Python identifier: invalid characters become `_`, and a keyword gets a trailing one.

    Letters are normalized as Python compares names, so that equivalent names are equal.
    """
    name = "".join(c if ("_" + c).isidentifier() else "_" for c in unicodedata.normalize("NFKC", text)) or "_"
    if not name.isidentifier():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in reserved else name


def ascii_identifier(text: str, is_member: bool = False) -> str:
    """Convert `text` to a C identifier: Greek letters by name, others by code.

    A structure member may have the name of a library function; a variable of that name would hide it.
    """
    letters = []
    for letter in unicodedata.normalize("NFKD", text):
        if letter.isascii():
            letters.append(letter)
            continue
        if unicodedata.combining(letter):
            continue
        name = unicodedata.name(letter, "")
        match = re.match(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)", name)
        if match is None:
            letters.append(f"u{ord(letter):x}")
        else:
            letters.append(match[2].lower() if match[1] == "SMALL" else match[2].capitalize())
    return identifier("".join(letters), _C_WORDS if is_member else _C_WORDS | _C_FUNCTIONS)


def js_identifier(text: str) -> str:
    """Convert `text` to a JavaScript identifier, a member's name in C unless JavaScript has the word for itself."""
    name = ascii_identifier(text, is_member=True)
    return f"{name}_" if name in _JS_WORDS else name


def member_names(names: Sequence[str]) -> dict[str, str]:
    """Return a distinct structure member for each name.

    >>> member_names(["age", "AGE ", "age_", "größe"])
    {'age': 'age', 'AGE ': 'AGE_', 'age_': 'age_', 'größe': 'groudfe'}
    """
    taken: set[str] = set()
    found = {}
    for name in names:
        stem = ascii_identifier(name, is_member=True)[:60]
        label, number = stem, 2
        while label in taken:
            label, number = f"{stem}_{number}", number + 1
        taken.add(label)
        found[name] = label
    return found


_C_WORDS = frozenset(
    """auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while bool true false
    class new delete this template operator private public protected virtual namespace using try catch throw errno NULL
    and or not xor bitand bitor compl and_eq or_eq xor_eq not_eq asm export mutable friend typename explicit typeid
    wchar_t nullptr constexpr decltype noexcept alignas alignof thread_local static_assert I""".split()  # noqa: SIM905
)
"""Keywords of C and C++."""

_C_FUNCTIONS = frozenset(
    """main y0 y1 yn j0 j1 jn gamma lgamma tgamma signgam exp exp2 log log2 log10 sqrt cbrt pow fabs erf erfc tanh sinh
    cosh sin cos tan expm1 log1p floor ceil round trunc fmin fmax fma hypot index""".split()  # noqa: SIM905
)
"""Names declared by the library headers."""

_JS_WORDS = frozenset(
    """arguments async await debugger eval export finally function implements import in instanceof interface let null of
    package super undefined var with yield NaN Infinity Math Float64Array Float32Array Int32Array Uint8Array""".split()  # noqa: SIM905
)
"""Words of JavaScript that C does not have, and names that the module uses."""
