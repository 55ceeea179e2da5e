r"""The words of a line of LaTeX: `\frac{a}{b}` gives those of `((a) / (b))`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chainrule.derivation.readback.tokens import FUNCTIONS, Token, Vocabulary, closing, joined_blocks, parted
from chainrule.derivation.readback.values import ReadingError, UnknownNotationError

_SPACES = re.compile(r"(?:\s|\\[,;!:]|\\quad|\{\}|&)+")
_COMMAND = re.compile(r"\\([A-Za-z]+)\s?")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SCALED = re.compile(r"\{(\d+(?:\.\d+)?) \\times 10\^\{(-?\d+)\}\}")
_SIGNS = {
    "odot": "⊙",
    "otimes": "⊗",
    "star": "⋆",
    "cdot": "·",
    "le": "≤",
    "ge": "≥",
    "ne": "≠",
    "land": "∧",
    "lor": "∨",
    "lnot": "¬",
    "langle": "⟨",
    "rangle": "⟩",
    "lfloor": "⌊",
    "rfloor": "⌋",
    "lceil": "⌈",
    "rceil": "⌉",
    "lvert": "|",
    "rvert": "|",
    "lVert": "‖",
    "rVert": "‖",
}
_FUNCTIONS = {
    name: name
    for name in ("exp", "ln", "sinh", "cosh", "tanh", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "max", "min")
}
_FUNCTIONS |= {"sigma": "σ", "sum": "Σ"}
_RAISED = {r"\top": "transpose", r"-\top": "inverse transpose"}
_OPENING = Token("sign", "(", tight=True)
_CLOSING = Token("sign", ")")


def latex_tokens(text: str, vocabulary: Vocabulary) -> Iterator[Token]:
    """Split `text` into tokens; raise ReadingError for unknown ones."""
    place, after_function = 0, False
    while place < len(text):
        if match := _SPACES.match(text, place):
            place = match.end()
            continue
        tokens, place = _next(text, place, vocabulary, after_function)
        after_function = bool(tokens) and (
            tokens[-1].kind == "function" or (after_function and tokens[-1].kind in ("primes", "below"))
        )
        yield from tokens


def _next(text: str, place: int, vocabulary: Vocabulary, after_function: bool) -> tuple[list[Token], int]:
    character = text[place]
    if character in "_^":
        return _script(text, place, vocabulary, after_function)
    if character == "'":
        end = place
        while text[end : end + 1] == "'":
            end += 1
        return [Token("primes", number=end - place)], end
    applied = _applied(text, place, vocabulary)
    if applied is not None:
        return applied
    named = _name(text, place, vocabulary)
    if named is not None:
        return named
    if match := _SCALED.match(text, place):
        return [Token("number", number=float(f"{match[1]}e{match[2]}"))], match.end()
    if match := _NUMBER.match(text, place):
        return [Token("number", match.group(), float(match.group()))], match.end()
    if character == "\\":
        return _command(text, place, vocabulary)
    if character == "{":
        end = closing(text, place, "{}")
        return [_OPENING, *latex_tokens(text[place + 1 : end], vocabulary), _CLOSING], end + 1
    if character in "()|,+-=<>/[]":
        return [Token("sign", "−" if character == "-" else character)], place + 1
    raise ReadingError(f"what is {text[place:]!r}?")


def _script(text: str, place: int, vocabulary: Vocabulary, after_function: bool) -> tuple[list[Token], int]:
    raised = text[place] == "^"
    if text[place + 1] != "{":
        raise ReadingError(f"no braces: {text[place:]!r}")
    end = closing(text, place + 1, "{}")
    inner = text[place + 2 : end]
    if not raised:
        return [Token("below" if after_function else "index", entries=_entries(inner))], end + 1
    if inner in _RAISED:
        return [Token("raised", _RAISED[inner])], end + 1
    if re.fullmatch(r"-?\d+", inner):
        return [Token("raised", "power", float(inner))], end + 1
    return [Token("sign", "^"), _OPENING, *latex_tokens(inner, vocabulary), _CLOSING], end + 1


def _entries(inner: str) -> tuple[str, ...]:
    """Split indices; single letters are adjacent."""
    entries = parted(inner)
    if len(entries) == 1 and re.fullmatch("[a-z]{2,}", entries[0]):
        return tuple(entries[0])
    return entries


def _applied(
    text: str, place: int, vocabulary: Vocabulary, marks: tuple[str, ...] = ()
) -> tuple[list[Token], int] | None:
    """Return the call of a function without a definition, or None."""
    for name in vocabulary.functions:
        end = place + len(name)
        if text.startswith(name, place) and text.startswith(("(", "'", "\\Bigl("), end):
            return [Token("applied", name, entries=marks)], end
    return None


def _marked(text: str, place: int, vocabulary: Vocabulary, marks: tuple[str, ...]) -> tuple[list[Token], int]:
    """Return a function without a definition after the marks of its derivative."""
    while text[place : place + 1] == " ":
        place += 1
    applied = _applied(text, place, vocabulary, marks)
    if applied is None:
        raise ReadingError(f"{text[place:]!r} is not a function that the page defines")
    return applied


def _name(text: str, place: int, vocabulary: Vocabulary) -> tuple[list[Token], int] | None:
    """Return a name with its subscripts, then indices; a function's name if a bracket follows."""
    head = _head(text, place, vocabulary)
    if head is None:
        return None
    end = place + len(head)
    while text[end : end + 1] == "'" and text[place : end + 1] in vocabulary.axes:
        end += 1
    head = text[place:end]
    command = head[1:] if head.startswith("\\") else ""
    called = command in _FUNCTIONS and text[end : end + 1] in ("(", "'")
    if called or (command in _FUNCTIONS and text.startswith("\\Bigl(", end)):
        if head in vocabulary.axes:
            raise ReadingError(f"{head} is a function and a name")
        return None
    if not text.startswith("_{", end):
        if head not in vocabulary.axes:
            return None
        return [Token("name", head)], end
    close = closing(text, end + 1, "{}")
    parts = parted(text[end + 2 : close])
    for count in range(len(parts), -1, -1):  # the longest defined name, then indices
        name = head if count == 0 else f"{head}_{{{','.join(parts[:count])}}}"
        if name not in vocabulary.axes:
            continue
        if count == len(parts):
            return [Token("name", name)], close + 1
        entries = _entries(",".join(parts[count:]))
        return [Token("name", name), Token("index", entries=entries)], close + 1
    return None


def _head(text: str, place: int, vocabulary: Vocabulary) -> str | None:
    for head in vocabulary.longest_heads.get(text[place], ()):
        if text.startswith(head, place):
            after = text[place + len(head) :][:1]
            if not (re.search(r"\\[A-Za-z]+$", head) and after.isalpha()):
                return head
    return None


def _command(text: str, place: int, vocabulary: Vocabulary) -> tuple[list[Token], int]:
    match = _COMMAND.match(text, place)
    if match is None:
        raise ReadingError(f"what is {text[place:]!r}?")
    command, end = match[1], match.end()
    if command in ("Bigl", "Bigr", "bigl", "bigr", "left", "right"):
        return [], end
    if command == "mathbf" and text.startswith("{1}", end):
        return [Token("ones")], end + 3
    odd = _odd_name(text, place, vocabulary)
    if odd is not None:  # the second derivative, or ∇²L, is a name
        return [Token("name", odd)], place + len(odd)
    if command in ("frac", "tfrac"):
        upper, end = _group(text, end)
        lower, end = _group(text, end)
        if (second := f"{upper} / {lower}") in vocabulary.axes:
            return [Token("name", second)], end
        if upper.startswith("\\partial ") and lower.startswith("\\partial "):
            return _partial(upper + " / " + lower, 0, vocabulary)[0], end
        parts = [list(latex_tokens(part, vocabulary)) for part in (upper, lower)]
        quotient = [_OPENING, *parts[0], _CLOSING, Token("sign", "/"), _OPENING, *parts[1], _CLOSING]
        return [_OPENING, *quotient, _CLOSING], end
    if command == "sqrt":
        inner, end = _group(text, end)
        return [Token("function", "sqrt"), _OPENING, *latex_tokens(inner, vocabulary), _CLOSING], end
    if command == "partial" and text.startswith("_{", end):
        close = closing(text, end + 1, "{}")
        return _marked(text, close + 1, vocabulary, parted(text[end + 2 : close]))
    if command == "nabla":
        power = re.compile(r"\^\{?(\d+)\}?").match(text, end)
        return _marked(text, power.end() if power else end, vocabulary, ("1",) * int(power[1] if power else 1))
    if command == "partial":
        return _partial(text, place, vocabulary)
    if command == "begin" and text.startswith("{cases}", end):
        return _cases(text, end + len("{cases}"), vocabulary)
    if command == "begin" and text.startswith("{bmatrix}", end):
        return _blocks(text, end + len("{bmatrix}"), vocabulary)
    if command == "operatorname":
        name, end = _group(text, end)
        name = name.replace("\\_", "_")
        if name not in FUNCTIONS:
            raise UnknownNotationError(name)
        return [Token("function", name)], end
    if command == "mathrm":
        inner, end = _group(text, end)
        if inner == "NaN":
            return [Token("number", inner, float("nan"))], end
        if inner in ("true", "false"):
            return [Token("number", inner, float(inner == "true"))], end
        return [Token("mark", inner.replace("\\to ", "→").replace("{:}", ":"))], end
    if command == "infty":
        return [Token("number", number=float("inf"))], end
    if command == "pi":
        return [Token("number", number=3.141592653589793)], end
    if command == "ast":
        return [Token("mark", "∗")], end
    if command in _FUNCTIONS:
        return [Token("function", _FUNCTIONS[command])], end
    if command in _SIGNS:
        return [Token("sign", _SIGNS[command])], end
    raise ReadingError(f"what is \\{command}?")


def _odd_name(text: str, place: int, vocabulary: Vocabulary) -> str | None:
    """Return the longest name of several signs, such as that of a second derivative, or None."""
    return next((name for name in vocabulary.odd if name.startswith("\\") and text.startswith(name, place)), None)


def _group(text: str, place: int) -> tuple[str, int]:
    while text[place : place + 1] == " ":
        place += 1
    if text[place : place + 1] != "{":
        raise ReadingError(f"no braces: {text[place:]!r}")
    end = closing(text, place, "{}")
    return text[place + 1 : end], end + 1


def _partial(text: str, place: int, vocabulary: Vocabulary) -> tuple[list[Token], int]:
    """Return ∂L/∂W as one token, and its indices; a factor of the chain rule, ∂a/∂z, is a quotient."""
    of, place = _differentiated(text, place, vocabulary)
    match = re.compile(r"\s*/\s*").match(text, place)
    if match is None:
        raise ReadingError("∂ is divided by nothing")
    by, place = _differentiated(text, match.end(), vocabulary)
    if len(of) > 1:
        return [Token("quotient")], place
    return [Token("partial", of[0].text, entries=(by[0].text,)), *by[1:]], place


def _differentiated(text: str, place: int, vocabulary: Vocabulary) -> tuple[list[Token], int]:
    if not text.startswith("\\partial ", place):
        raise ReadingError(f"∂ is divided by {text[place:]!r}")
    named = _name(text, place + len("\\partial "), vocabulary)
    if named is None:
        raise ReadingError(f"{text[place:]!r} differentiates no name")
    return named


def _cases(text: str, place: int, vocabulary: Vocabulary) -> tuple[list[Token], int]:
    end = _end_of(text, place, "cases")
    first, second = _outermost(text[place:end], r" \\ ")
    value, condition = _outermost(first, " & ")
    otherwise, _ = _outermost(second, " & ")
    condition = re.sub(r"^\s*\\text\{[^}]*\}(\\;)?", "", condition)
    tokens = [_OPENING, _OPENING, *latex_tokens(value, vocabulary), _CLOSING, Token("mark", "if"), _OPENING]
    tokens += [*latex_tokens(condition, vocabulary), _CLOSING, Token("sign", ","), Token("mark", "else"), _OPENING]
    return [*tokens, *latex_tokens(otherwise, vocabulary), _CLOSING, _CLOSING], end + len(r"\end{cases}")


def _blocks(text: str, place: int, vocabulary: Vocabulary) -> tuple[list[Token], int]:
    """Return blocks, below or beside each other, as a call."""
    end = _end_of(text, place, "bmatrix")
    parts = [text[place:end]]
    for name, separator in (("rows", r" \\ "), ("columns", " & ")):
        while (split := _halves(parts[-1], separator)) is not None:
            parts[-1:] = split
        if len(parts) > 1:
            blocks = [latex_tokens(part, vocabulary) for part in parts]
            return joined_blocks(name, blocks), end + len(r"\end{bmatrix}")
    raise ReadingError(f"{text[place:end]!r} is neither a row nor a column of blocks")


def _end_of(text: str, place: int, environment: str) -> int:
    """Return the position at which the environment that begins before `place` ends."""
    opening, closing_ = rf"\begin{{{environment}}}", rf"\end{{{environment}}}"
    depth = 1
    for match in re.compile(f"{re.escape(opening)}|{re.escape(closing_)}").finditer(text, place):
        depth += 1 if match.group() == opening else -1
        if not depth:
            return match.start()
    raise ReadingError(f"{environment} that do not end")


def _outermost(text: str, separator: str) -> tuple[str, str]:
    """Split `text` at a separator outside of nested environments."""
    split = _halves(text, separator)
    if split is None:
        raise ReadingError(f"no {separator!r} in {text!r}")
    return split


def _halves(text: str, separator: str) -> tuple[str, str] | None:
    place = 0
    while (place := text.find(separator, place)) >= 0:
        before = text[:place]
        if before.count(r"\begin{") == before.count(r"\end{"):
            return before, text[place + len(separator) :]
        place += 1
    return None
