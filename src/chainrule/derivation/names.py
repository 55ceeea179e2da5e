"""Notation of the user's names: a letter or a word, and its subscripts.

`W1` is W with the subscript 1, `a_hidden` is a with hidden, and names of Greek letters stand for the letters.
"""

from __future__ import annotations

import re
from functools import lru_cache

from chainrule.primitives import Mark, Symbol

GREEK = {
    "alpha": "α",
    "beta": "β",
    "gamma": "γ",
    "delta": "δ",
    "epsilon": "ε",
    "zeta": "ζ",
    "eta": "η",
    "theta": "θ",
    "iota": "ι",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nu": "ν",
    "xi": "ξ",
    "pi": "π",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "upsilon": "υ",
    "phi": "φ",
    "chi": "χ",
    "psi": "ψ",
    "omega": "ω",
    "Gamma": "Γ",
    "Delta": "Δ",
    "Theta": "Θ",
    "Lambda": "Λ",
    "Xi": "Ξ",
    "Pi": "Π",
    "Sigma": "Σ",
    "Phi": "Φ",
    "Psi": "Ψ",
    "Omega": "Ω",
}

_SPELLED = {**GREEK, **dict.fromkeys(("lam", "lambd", "lmbda"), "λ"), "eps": "ε"}
"""Words that stand for Greek letters, with those in use since `lambda` is a word of Python."""


@lru_cache(4096)
def name_parts(name: str) -> tuple[str, tuple[str, ...]]:
    """Split a name into its base and its subscripts; a name of another form has none.

    A letter after a usual letter of weights, biases and pre-activations is a subscript too.

    >>> name_parts("theta_hidden2")
    ('θ', ('hidden2',))
    >>> name_parts("WQ")
    ('W', ('Q',))
    >>> name_parts("hₜ₋₁")
    ('h', ('t-1',))
    """
    if (step := _STEP.search(name)) is not None:
        base, parts = name_parts(name[: step.start()]) if step.start() else ("", ())
        return base, (*parts, step.group().translate(_LEVEL))
    first, *rest = [part for part in name.split("_") if part] or [name]
    match = re.fullmatch(r"((?:[^\W\d_][\u0300-\u036f\u20d7]*)+)(\d*)", first)
    if match is None:
        return name, ()
    letters, digits = match.groups()
    if re.fullmatch(r"[WUVbz][A-Za-z]", letters):
        letters, digits = letters[0], letters[1] + digits
    return _SPELLED.get(letters, letters), (*([digits] if digits else []), *(_SPELLED.get(part, part) for part in rest))


@lru_cache(4096)
def with_greek_letters(name: str) -> str:
    """Return a name as typed, with Greek letters for the words that stand for them.

    >>> with_greek_letters("sigma_max2"), with_greek_letters("beta1"), with_greek_letters("lambda_")
    ('σ_max2', 'β1', 'λ')
    """
    parts = [re.fullmatch(r"([A-Za-z]+)(\d*)", part) for part in name.split("_")]
    words = [
        part if m is None else _SPELLED.get(m[1], m[1]) + m[2] for part, m in zip(name.split("_"), parts, strict=True)
    ]
    spelled = "_".join(words)
    return spelled.rstrip("_") if spelled != name else name


_STEP = re.compile("[ₜ₊₋₀-₉]+$")
"""The subscript of a value in a step of a recurrence, as in hₜ₋₁ or h₂₈."""

_LEVEL = str.maketrans("ₜ₊₋₀₁₂₃₄₅₆₇₈₉", "t+-0123456789")
_LOWERED = str.maketrans("t+-0123456789", "ₜ₊₋₀₁₂₃₄₅₆₇₈₉")


def at_step(name: str, step: str) -> str:
    """Return the name of a value in a step of a recurrence, without another step in it.

    >>> at_step("z1", "t"), at_step("hₜ", "t+1"), at_step("h", "28")
    ('z1ₜ', 'hₜ₊₁', 'h₂₈')
    """
    return _STEP.sub("", name) + step.translate(_LOWERED)


def step_of(name: str) -> str:
    """Return the step in a name: `t`, `t-1`, a number, or "" if there is none."""
    found = _STEP.search(name)
    return "" if found is None else found.group().translate(_LEVEL)


def shown_name(symbol: Symbol) -> str:
    r"""Return the name of a symbol as all formats write it, before their escapes.

    A name that is not an identifier, such as a key of a dict, is quoted, since `a − b` would read as a difference.
    Within it, a character that does not print, or that would end the quotation, is written as its code.

    >>> shown_name(Symbol("layer.weight")), shown_name(Symbol("a − b")), shown_name(Symbol("a\\n"))
    ('layer.weight', '“a − b”', '“a\\\\n”')
    """
    name = symbol.name
    if isinstance(symbol, Mark) or _reads_as_name(name):
        return name
    return "“" + "".join(c if c.isprintable() and c not in _QUOTING else _code(c) for c in name) + "”"


_QUOTING = frozenset("“”`\\")


def _reads_as_name(name: str) -> bool:
    """Whether `name` is an identifier, apart from dots and primes."""
    bare = _STEP.sub("", name)
    return ("_" + bare.replace(".", "").replace("′", "")).isidentifier() and name[:1] not in ("", ".")


def _code(character: str) -> str:
    code = ord(character)
    return "\\\\" if character == "\\" else f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def is_shape(text: str) -> bool:
    """Whether a piece of a sentence is a shape, such as `n×h`, `(h×n)(n×o) = h×o` or a single letter."""
    return re.fullmatch(r"[A-Za-z]|(?=.*[×=])[\w×·()=+, -]+", text) is not None and text.translate(_SIGNS).isascii()


def shape_words(text: str) -> list[tuple[str, bool]]:
    """Split a shape into names and other characters, marked by whether they are names; empty for other text.

    >>> shape_words("n×2")
    [('n', True), ('×', False), ('2', False)]
    """
    words = re.findall(r"[^\W\d]\w*|.", text) if is_shape(text) else []
    return [(word, word[0].isalpha() or word[0] == "_") for word in words]


_SIGNS = str.maketrans("×·", "xx")
