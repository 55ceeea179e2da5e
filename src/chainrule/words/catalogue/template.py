"""Templates of messages: matched with a text, to find the values in it, and formatted with them."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["value", "repr", "code", "text", "grammar"]

_KINDS: Final[Mapping[tuple[str, str], Kind]] = {
    ("", ""): "value",
    ("r", ""): "repr",
    ("", "code"): "code",
    ("", "text"): "text",
    ("", "grammar"): "grammar",
}
_READINGS: Final = 256
"""The number of readings of one text that are considered."""

_QUOTED: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
_WORD: Final = re.compile(r"[A-Za-z]+")
_LETTER: Final = re.compile(r"[\u4e00-\u9fff]")
_WIDE: Final = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_OPEN: Final = re.compile(r"[A-Za-z0-9)\]'\"%]")
_CLOSE: Final = re.compile(r"[-A-Za-z0-9(\['\"@]")
_SENTENCE: Final = re.compile(r"[;:.?] |[;:]$")
_PROSE: Final = re.compile(r"[a-z]{2,} [a-z]{2,}")
_INNER: Final = re.compile(r"\w")
_GRAMMAR: Final = re.compile(r"[A-Za-z]*")


class Field(NamedTuple):
    """A place in a template for a part of a message.

    A `value` is inserted as it is, such as a name or a path; so is a `repr`, written `{name!r}`, within whose quotes
    nothing ends it, and `code`, written `{line:code}`, which alone may look like the end of a sentence. A `text`,
    written `{name:text}`, is a message itself, and translated. What only the grammar of English requires, a plural's s
    or an article, is `grammar`, written `{s:grammar}`, and has no translation. Fields of one name have one value.
    """

    name: str
    kind: Kind

    def suits(self, value: str, strictly: bool = False) -> bool:
        """Whether `value` does not look like sentences, where none are expected; if `strictly`, not like words."""
        if self.kind in ("code", "text") or (self.kind == "repr" and _QUOTED.fullmatch(value)):
            return True
        return not (_SENTENCE.search(value) or (strictly and _PROSE.search(value)))


class Template:
    """A text with fields in braces.

    >>> template = Template("{name!r} is {value}; there are {count} row{s:grammar}")
    >>> next(template.readings("'a; b' is 3; there are 2 rows"))
    {'name': "'a; b'", 'value': '3', 'count': '2', 's': 's'}
    >>> list(template.readings("'a; b' is 3"))
    []
    """

    def __init__(self, text: str) -> None:
        literals, fields, pending = [], [], ""
        for literal, name, spec, conversion in string.Formatter().parse(text):
            pending += literal
            if name is None:  # an escaped brace ends a literal
                continue
            literals.append(pending)
            fields.append(Field(name, _KINDS[conversion or "", spec or ""]))
            pending = ""
        self.literals: Final = (*literals, pending)
        self.fields: Final = tuple(fields)

    @cached_property
    def weight(self) -> int:
        """The number of letters that a text must have for this template."""
        return sum(map(len, self.literals))

    @cached_property
    def words(self) -> int:
        """The number of words of the literal parts."""
        return sum(len(_WORD.findall(literal)) for literal in self.literals)

    def formatted(self, values: Mapping[str, str], texts: Collection[str]) -> str:
        """Return the text with `values` in the fields; those in `texts` are spaced as the words around them.

        >>> Template("{what}不是矩阵").formatted({"what": "向量"}, {"what"})
        '向量不是矩阵'
        >>> Template("{what}不是矩阵").formatted({"what": "W"}, {"what"})
        'W 不是矩阵'
        """
        text = self.literals[0]
        for field, literal in zip(self.fields, self.literals[1:], strict=True):
            value = values[field.name]
            text = _spaced(_spaced(text, value), literal) if field.name in texts else text + value + literal
        return text

    def may_match(self, text: str) -> bool:
        """Whether the literal parts occur in `text`, in their order."""
        place = 0
        for literal in self.literals:
            place = text.find(literal, place)
            if place < 0:
                return False
            place += len(literal)
        return text.startswith(self.literals[0]) and text.endswith(self.literals[-1])

    def readings(self, text: str) -> Iterator[dict[str, str]]:
        """Yield the values of the fields for which the template is `text`, the shortest first values first."""
        if self.may_match(text):
            yield from islice(self._read(text, 0, len(self.literals[0]), {}), _READINGS)

    def _read(self, text: str, index: int, start: int, values: dict[str, str]) -> Iterator[dict[str, str]]:
        if index == len(self.fields):
            if start == len(text):
                yield dict(values)
            return
        name, after = self.fields[index].name, self.literals[index + 1]
        again = values.get(name)
        for end in self._ends(text, index, start):
            if again is None or text[start:end] == again:
                yield from self._read(text, index + 1, end + len(after), {**values, name: text[start:end]})

    def _ends(self, text: str, index: int, start: int) -> Iterator[int]:
        """Yield the places where the value of a field that begins at `start` may end."""
        after, kind = self.literals[index + 1], self.fields[index].kind
        if index == len(self.fields) - 1:
            places: Iterator[int] = iter([len(text) - len(after)] if text.endswith(after, start) else [])
        else:
            beside_text = self.fields[index + 1].kind == "text" and kind != "text"
            places = _places(text, after, start) if after else _boundaries(text, start, beside_text)
        quoted = _QUOTED.match(text, start) if kind == "repr" else None
        for place in places:
            if quoted is not None and place != quoted.end():
                continue
            if kind == "grammar" and not _GRAMMAR.fullmatch(text, start, place):
                return
            yield place


def _boundaries(text: str, start: int, beside_text: bool) -> Iterator[int]:
    """Yield the places from `start` at which a field may end beside another: not within a word; `start` last.

    A text beside a value does not begin with a word: it is a hint such as `; did you mean relu?`.
    """
    for place in range(start + 1, len(text) + 1):
        if not (_INNER.match(text, place) and (beside_text or _INNER.match(text, place - 1))):
            yield place
    yield start


def _spaced(before: str, after: str) -> str:
    """Join two texts, with a space between Chinese and Latin letters, and none beside Chinese."""
    left, right = before[-1:], after[:1]
    if _WIDE.match(left) and right == " " and _WIDE.match(after[1:2]):
        return before + after[1:]
    if _WIDE.match(right) and left == " " and _WIDE.match(before[-2:-1]):
        return before[:-1] + after
    between = (_LETTER.match(left) and _CLOSE.match(right)) or (_LETTER.match(right) and _OPEN.match(left))
    return f"{before} {after}" if between else before + after


def _places(text: str, part: str, start: int) -> Iterator[int]:
    """Yield the places from `start` at which `part` occurs in `text`."""
    place = text.find(part, start)
    while place >= 0:
        yield place
        place = text.find(part, place + 1)
