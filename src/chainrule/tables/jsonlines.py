"""JSON lines: an object on each line. An object within an object is columns of its own, `outer.inner`.

A list of numbers that is as long in every row is columns too, `outer.0`; another list is a text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import TableError, listed, short
from chainrule.tables.sources import Batch, Fingerprint, Source
from chainrule.tables.streams import PIECE, TextFile
from chainrule.words import suggestion

if TYPE_CHECKING:
    import polars as pl

_WHOLE = 2**63


class JSONLinesSource(Source):
    """A file of JSON lines. Its columns are the keys of the first lines; an absent key is a missing cell."""

    nested = True

    def __init__(self, text: TextFile) -> None:
        self._text = text
        names: dict[str, None] = {}
        pieces = text.pieces()
        first = next(pieces, b"")
        while b"\n" not in first and (piece := next(pieces, b"")):
            first += piece
            self._check_line(first, 1)
        whole = first[: first.rfind(b"\n") + 1] or first
        rows = _rows(text.path, whole, 1, None)[0]
        self._lengths = lengths_of([*rows, *_last(first[len(whole) :])])
        for row in rows:
            names.update(dict.fromkeys(without_lists(row, self._lengths)))
        if not whole.strip():
            raise TableError(f"{text.path} is empty; give one JSON object on each line, one for each sample")
        text.file.limits.check_columns(text.path, len(names))
        super().__init__(text.path, list(names))
        self._keys = tuple(names)

    @property
    def format(self) -> str:
        return "JSON lines"

    def batches(self) -> Iterator[Batch]:
        hashing = Fingerprint(self.names)
        pieces = self._text.pieces(PIECE // 2)
        block, line, first_row, ended = b"", 1, 0, False
        while not ended:
            piece = next(pieces, b"")
            hashing.add(piece)
            ended = not piece
            block += piece
            end = len(block) if ended else block.rfind(b"\n") + 1
            whole, block = block[:end], block[end:]
            self._check_line(block, line + whole.count(b"\n"))
            rows, lines = _rows(self.path, whole, line, self._keys, self._lengths)
            line += whole.count(b"\n")
            if rows:
                frame = frame_of(self._keys, self.names, rows)
                batch = Batch(frame, first_row, self._places(first_row, lines), self.path)
                batch.check_lengths(self._text.file.limits)
                yield batch
                first_row += len(rows)
        self.digest = hashing.digest()

    def _check_line(self, start: bytes, line: int) -> None:
        most = self._text.file.limits.record
        if most is not None and len(start) > most and b"\n" not in start:
            raise self._text.file.limits.too_long_record(f"{self._text.path}, line {line}")

    def _places(self, first_row: int, lines: Sequence[int]) -> Any:
        path = self.path
        return lambda k, name: f"{path}, row {first_row + k + 1:,} (line {lines[k]:,}), column {name!r}"


def flat(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return an object with those within it as keys of their own.

    >>> flat({"size": 3, "place": {"x": 1, "y": 2}})
    {'size': 3, 'place.x': 1, 'place.y': 2}
    """
    if not prefix and dict not in map(type, row.values()):
        return dict(row)
    found: dict[str, Any] = {}
    for key, value in row.items():
        found.update(flat(value, f"{prefix}{key}.") if type(value) is dict else {f"{prefix}{key}": value})
    return found


def _last(text: bytes) -> list[dict[str, Any]]:
    """Return the object of a line without an end, if it is one."""
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [flat(row)] if type(row) is dict else []


def lengths_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the length of the lists of each key that holds nothing but lists of numbers, all as long, or null.

    >>> lengths_of([{"x": [1, 2.5], "y": [1]}, {"x": [3, 4], "y": [1, 2]}])
    {'x': 2}
    """
    found: dict[str, int] = {}
    for row in rows:
        for key, value in row.items():
            if value is None:
                continue
            numbers = type(value) is list and all(type(item) in (int, float) for item in value)
            length = len(value) if numbers else 0
            if found.setdefault(key, length) != length:
                found[key] = 0
    return {key: length for key, length in found.items() if length}


def without_lists(row: Mapping[str, Any], lengths: Mapping[str, int], where: str = "") -> dict[str, Any]:
    """Return an object with the numbers of its lists as keys of their own, and the text of other lists; [] is null.

    >>> without_lists({"x": [1, 2.5], "tags": ["a", "b"], "parts": [{"n": 1}], "y": []}, {"x": 2})
    {'x.0': 1, 'x.1': 2.5, 'tags': 'a, b', 'parts': '[{"n": 1}]', 'y': None}

    Raises TableError for a list of another length than `lengths` has, in the place `where`.
    """
    if not lengths and list not in map(type, row.values()):
        return dict(row)
    found: dict[str, Any] = {}
    for key, value in row.items():
        length = lengths.get(key)
        if length is not None:
            items = [None] * length if value is None else value
            if type(items) is not list or len(items) != length:
                held = what_is(items)
                raise TableError(
                    f"{where}, column {key!r} holds {held}, where the first rows have lists of {length} numbers"
                )
            found.update((f"{key}.{k}", item) for k, item in enumerate(items))
        elif type(value) is not list:
            found[key] = value
        elif any(type(item) in (list, dict) for item in value):
            found[key] = json.dumps(value, ensure_ascii=False)
        else:
            found[key] = ", ".join(map(_text, value)) or None
    return found


def frame_of(keys: Sequence[str], names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return the values of `keys` in objects as columns with these names."""
    frames = load_polars()
    columns = []
    for key, name in zip(keys, names, strict=True):
        cells = [row.get(key) for row in rows]
        columns.append(_series(frames, name, cells, set(map(type, cells)) - {type(None)}))
    frame: pl.DataFrame = frames.DataFrame(columns)
    return frame


def _series(pl: Any, name: str, cells: list[Any], kinds: set[type]) -> Any:
    if kinds == {str}:
        return pl.Series(name, cells, dtype=pl.String)
    if kinds == {bool}:
        return pl.Series(name, cells, dtype=pl.Boolean)
    if kinds == {int} and all(cell is None or -_WHOLE <= cell < _WHOLE for cell in cells):
        return pl.Series(name, cells, dtype=pl.Int64)
    if kinds == {int}:  # as text, since float64 would not distinguish large ones
        return pl.Series(name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, [None if cell is None else _float(cell) for cell in cells], dtype=pl.Float64)
    return pl.Series(name, [None if cell is None else _text(cell) for cell in cells], dtype=pl.String)


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell)


def _rows(
    path: str, block: bytes, line: int, names: Sequence[str] | None, lengths: Mapping[str, int] | None = None
) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the objects of `block` and their lines, counted from `line`; their lists as they are without `lengths`."""
    texts = block.split(b"\n")
    places = [k for k, text in enumerate(texts) if text and not text.isspace()]
    try:
        found = json.loads(b"[" + b",".join(texts[k] for k in places) + b"]")
        if len(found) != len(places):
            raise ValueError
    except (ValueError, RecursionError):
        found = [_object(path, texts[k], line + k) for k in places]
    known = None if names is None else set(names)
    for k, row in zip(places, found, strict=True):
        if type(row) is not dict:
            raise TableError(f"{path}, line {line + k} holds {what_is(row)}; give one JSON object on each line")
    found = [flat(row) for row in found]
    if lengths is not None:
        found = [without_lists(row, lengths, f"{path}, line {line + k}") for k, row in zip(places, found, strict=True)]
    for k, row in zip(places, found, strict=True):
        if known is not None and not known.issuperset(row):
            name = next(name for name in row if name not in known)
            raise TableError(
                f"{path}, line {line + k} has the key {name!r}, which the first lines do not have; they have "
                f"{listed(names or ())}{suggestion(name, known)}"
            )
    return found, [line + k for k in places]


def _object(path: str, text: bytes, line: int) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise TableError(f"{path}, line {line} is nested too deeply; give a plain value for each key") from None
    except json.JSONDecodeError as error:
        held = short(text.decode(errors="replace"))
        raise TableError(f"{path}, line {line}, character {error.pos + 1}: {held} is not JSON: {error.msg}") from None
    except ValueError:
        raise TableError(f"{path}, line {line} holds a number with too many digits; write it shorter") from None


def what_is(value: Any) -> str:
    """Describe a JSON value that is no object."""
    names = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a value")
