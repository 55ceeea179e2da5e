"""The words of a line of Unicode text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chainrule.derivation.readback.tokens import (
    FUNCTIONS,
    LOWERED,
    RAISED_DIGITS,
    SIGNS,
    VULGAR,
    Token,
    Vocabulary,
    closing,
    in_word,
    is_raised,
    joined_blocks,
    parted,
)
from chainrule.derivation.readback.values import ReadingError, UnknownNotationError

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:·10(?P<scale>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?")
_LABELS = re.compile(r"[^\W\d_]*(?:,[^\W\d_]*)*→[^\W\d_]*")
_WORDS = {"if": "if", "else": "else", "若": "if", "否则": "else"}


def text_tokens(text: str, vocabulary: Vocabulary) -> Iterator[Token]:
    """Split `text` into tokens; raise ReadingError for unknown ones."""
    place, operand, function = 0, False, False
    while place < len(text):
        tight = place > 0 and not text[place - 1].isspace()
        character = text[place]
        if character.isspace():
            place += 1
            continue
        if character == "[" and not ((operand or function) and tight):
            blocks = _blocks(text, place, vocabulary)
            if blocks is not None:
                tokens, place = blocks
                yield from tokens
                operand, function = True, False
                continue
        token, place = _token(text, place, vocabulary, operand, function, tight)
        operand = token.kind in ("number", "name", "index", "partial", "raised", "quotient") or token.text in (
            ")",
            "⌋",
            "⟩",
        )
        function = token.kind == "function" or (token.kind in ("primes", "below") and function)
        yield token


def _blocks(text: str, place: int, vocabulary: Vocabulary) -> tuple[list[Token], int] | None:
    """Return blocks, [A; B] or [A, B], as a call; None for ranges, such as the place of a piece among zeros."""
    end = closing(text, place, "[]")
    inner = text[place + 1 : end]
    if len(parted(inner, ":")) > 1:
        return None
    for name, sign in (("rows", ";"), ("columns", ",")):
        parts = parted(inner, sign)
        if len(parts) > 1:
            return joined_blocks(name, [text_tokens(part, vocabulary) for part in parts]), end + 1
    return None


def _token(
    text: str, place: int, vocabulary: Vocabulary, operand: bool, function: bool, tight: bool
) -> tuple[Token, int]:
    character = text[place]
    if character in "∂∇" and (odd := _odd_name(text, place, vocabulary)):  # ∂²L/∂x∂yᵀ and ∇²L are names
        return Token("name", odd, tight=tight), place + len(odd)
    if character == "∂" and text[place + 1 : place + 2] in LOWERED:
        end = place + 1
        while text[end : end + 1] in LOWERED:
            end += 1
        return _applied(text, end, vocabulary, tuple(LOWERED[each] for each in text[place + 1 : end]))
    if character == "∇":
        end = place + 1
        while is_raised(text[end : end + 1]):
            end += 1
        count = text[place + 1 : end].translate(RAISED_DIGITS)
        return _applied(text, end, vocabulary, ("1",) * int(count or 1))
    if character == "∂":
        return _partial(text, place, vocabulary)
    if character in VULGAR:
        return Token("number", number=VULGAR[character], tight=tight), place + 1
    if character == "∞":
        return Token("number", number=float("inf"), tight=tight), place + 1
    if character in LOWERED:
        end = place
        while end < len(text) and text[end] in LOWERED:
            end += 1
            while text[end : end + 1] == "′":
                end += 1
        letters = re.findall(".′*", text[place:end])
        return Token("below", entries=tuple(LOWERED[each[0]] + each[1:] for each in letters)), end
    if is_raised(character):
        end = place
        while end < len(text) and is_raised(text[end]):
            end += 1
        raised = text[place:end]
        if raised == "⁻ᵀ":
            return Token("raised", "inverse transpose"), end
        if raised[0] == "ᵀ":
            return Token("raised", "transpose"), place + 1
        digits = raised.rstrip("ᵀ")
        return Token("raised", "power", float(digits.translate(RAISED_DIGITS))), place + len(digits)
    if character == "[":
        end = closing(text, place, "[]")
        entries = parted(text[place + 1 : end])
        return Token("below" if function or not operand else "index", entries=entries, tight=tight), end + 1
    if character == "′":
        end = place
        while text[end : end + 1] == "′":
            end += 1
        return Token("primes", number=end - place), end
    if character == "∗":
        return Token("mark", "∗"), place + 1
    if character == "，":
        return Token("sign", ","), place + 1
    if character.isdigit() and (match := _NUMBER.match(text, place)):
        digits, _, scale = match.group().partition("·10")
        value = float(f"{digits}e{scale.translate(RAISED_DIGITS)}") if scale else float(digits)
        return Token("number", match.group(), value, tight=tight), match.end()
    if text.startswith("einsum(", max(0, place - 7)) and (match := _LABELS.match(text, place)):
        return Token("mark", match.group()), match.end()
    if character == "_" and text[place - 1 : place] == "‖":
        end = _end_of_word(text, place)
        return Token("index", entries=(text[place + 1 : end],), tight=True), end
    if in_word(character):
        return _word(text, place, vocabulary, tight)
    if odd := _odd_name(text, place, vocabulary):
        return Token("name", odd, tight=tight), place + len(odd)
    if character in SIGNS or character == "-":
        return Token("sign", "−" if character == "-" else character, tight=tight), place + 1
    raise ReadingError(f"what is {text[place:]!r}?")


def _odd_name(text: str, place: int, vocabulary: Vocabulary) -> str | None:
    """Return a name that is not a word, such as one with a space or a dot in it, or None."""
    for name in vocabulary.odd:
        if text.startswith(name, place) and not (in_word(name[-1]) and in_word(text[place + len(name) :][:1] or " ")):
            return name
    return None


def _end_of_word(text: str, place: int) -> int:
    while place < len(text) and in_word(text[place]):
        place += 1
    return place


def _word(text: str, place: int, vocabulary: Vocabulary, tight: bool) -> tuple[Token, int]:
    end = _end_of_word(text, place)
    word = text[place:end]
    marked = end
    while text[marked : marked + 1] == "′":
        marked += 1
    if word in vocabulary.functions and text[end : end + 1] in ("(", "′"):
        return Token("applied", word, tight=tight), end
    odd = _odd_name(text, place, vocabulary)
    if odd is not None and len(odd) > len(word):
        return Token("name", odd, tight=tight), place + len(odd)
    if word in FUNCTIONS and _is_called(text, end):
        return Token("function", word, tight=tight), end
    if text[place:marked] in vocabulary.axes:
        return Token("name", text[place:marked], tight=tight), marked
    if word in vocabulary.axes:
        return Token("name", word, tight=tight), end
    if word in FUNCTIONS:
        return Token("function", word, tight=tight), end
    if word in _WORDS:
        return Token("mark", _WORDS[word]), end
    if word in ("true", "false"):
        return Token("number", word, float(word == "true"), tight=tight), end
    if word == "NaN":
        return Token("number", word, float("nan"), tight=tight), end
    if word == "π":
        return Token("number", word, 3.141592653589793, tight=tight), end
    if word == "direct":
        return Token("mark", word), end
    if text[end : end + 1] == "(":
        raise UnknownNotationError(word)
    raise ReadingError(f"{word!r} is not a name that the page defines")


def _applied(text: str, place: int, vocabulary: Vocabulary, marks: tuple[str, ...]) -> tuple[Token, int]:
    """Return a function without a definition, after the marks of its derivative."""
    end = _end_of_word(text, place)
    if text[place:end] not in vocabulary.functions:
        raise ReadingError(f"{text[place:end]!r} is not a function that the page defines")
    return Token("applied", text[place:end], entries=marks), end


def _is_called(text: str, end: int) -> bool:
    """Whether a bracket follows, possibly after a subscript of a function."""
    while text[end : end + 1] == "′" or text[end : end + 1] in LOWERED:
        end += 1
    if text[end : end + 1] == "[":
        end = closing(text, end, "[]") + 1
    return text[end : end + 1] == "("


def _partial(text: str, place: int, vocabulary: Vocabulary) -> tuple[Token, int]:
    """Return ∂L/∂W as one token; a factor of the chain rule, ∂a/∂z, is a quotient."""
    of, place, inner = _differentiated(text, place + 1, vocabulary)
    if not text.startswith("/∂", place):
        raise ReadingError(f"∂{of} is divided by nothing")
    by, place, _ = _differentiated(text, place + 2, vocabulary, index=False)
    return Token("quotient" if inner else "partial", of, entries=(by,)), place


def _differentiated(text: str, place: int, vocabulary: Vocabulary, index: bool = True) -> tuple[str, int, bool]:
    name = _odd_name(text, place, vocabulary) or text[place : _end_of_word(text, place)]
    end = place + len(name)
    if index and text[end : end + 1] == "[":
        return name, closing(text, end, "[]") + 1, True
    return name, end, False
