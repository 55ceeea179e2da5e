"""JSON that is read as a whole: a list of objects, or an object that holds one, or columns, as pandas writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chainrule.tables.errors import TableError
from chainrule.tables.jsonlines import flat, frame_of, lengths_of, what_is, without_lists
from chainrule.tables.sources import Batch, FrameSource, row_places
from chainrule.tables.streams import TextFile

Row = dict[str, Any]

_LIST = re.compile(r"\[\s*(\{|\])")
_NESTED_FIRST = re.compile(r'\{\s*"(?:[^"\\]|\\.)*"\s*:\s*[\[{]')
"""An object whose first value is a list or an object."""


class WholeJSONSource(FrameSource):
    """A file with one JSON value, or several ones that are written on several lines each."""

    nested = True

    def __init__(self, text: TextFile) -> None:
        self._said: list[str] = []
        rows = [flat(row) for row in _rows_of(text.path, _values(text), self._said)]
        lengths = lengths_of(rows)
        rows = [without_lists(row, lengths) for row in rows]
        keys = tuple(dict.fromkeys(key for row in rows for key in row))
        text.file.limits.check_columns(text.path, len(keys))
        frame = frame_of(keys, keys, rows)
        Batch(frame, 0, row_places(text.path, 0), text.path).check_lengths(text.file.limits)
        super().__init__(frame, text.path)

    @property
    def format(self) -> str:
        return "JSON"

    @property
    def notes(self) -> list[str]:
        return [*super().notes, *self._said]


def is_whole(beginning: str, named: bool, ended: bool) -> bool:
    r"""Whether text is JSON to read as a whole, and no JSON lines; `beginning` is all of it if it has `ended`.

    `named` says that the name of the file does not tell more than `.json`.

    >>> [is_whole(text, True, True) for text in ('[{"x": 1}]', '{"x": 1}', '{"x": {"0": 1}}', '{\n"x": 1}')]
    [True, False, True, True]
    """
    text = beginning.lstrip()
    if text.startswith("["):
        return named or _LIST.match(text) is not None
    line, _, rest = text.partition("\n")
    try:
        found = json.loads(line)
    except RecursionError:
        return False
    except ValueError as error:
        if "\n" not in text and not ended:
            return _NESTED_FIRST.match(text) is not None
        # A line that is cut off has its error at its end, any other one is a mistake in it.
        cut_off = isinstance(error, json.JSONDecodeError) and error.pos >= len(line.rstrip())
        return cut_off and bool(rest.strip())
    if rest.strip() or not ended or type(found) is not dict:
        return False
    return _inside(found) is not None or _is_columns(found)


def _values(text: TextFile) -> list[Any]:
    """Return the values of a file; more than one are objects."""
    content = b"".join(text.pieces()).decode("utf-8", "surrogatepass").removeprefix("\ufeff")
    decoder, place, found = json.JSONDecoder(), 0, []
    try:
        if not content.lstrip().startswith("{"):
            return [decoder.decode(content)]
        while place < len(content):
            if content[place].isspace():
                place += 1
                continue
            value, place = decoder.raw_decode(content, place)
            found.append(value)
    except RecursionError:
        raise TableError(f"{text.path} is nested too deeply; give a plain value for each key") from None
    except json.JSONDecodeError as error:
        raise TableError(
            f"{text.path}, line {error.lineno}, character {error.colno}: not JSON: {error.msg}; is the file whole?"
        ) from None
    except ValueError:
        raise TableError(f"{text.path} holds a number with too many digits; write it shorter") from None
    return found


def _rows_of(path: str, values: Sequence[Any], said: list[str]) -> list[Row]:
    """Return an object for each row of a table; append to `said` what was chosen."""
    value: Any = values[0] if len(values) == 1 else values
    if type(value) is dict:
        value = _rows_in(path, value, said)
    for k, row in enumerate(value, start=1):
        if type(row) is not dict:
            raise TableError(f"{path}, row {k:,} is {what_is(row)}; give a list of JSON objects, one for each sample")
    if not any(value):
        raise TableError(f"{path} is an empty list; give one JSON object for each sample")
    rows: list[Row] = value
    return rows


def _rows_in(path: str, value: Row, said: list[str]) -> list[Any]:
    """Return the rows of an object: those of a list in it, of its columns, or itself."""
    split = _split(value)
    if split is not None:
        return split
    names = _inside(value)
    if names:
        if len(names) > 1:
            shown = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
            raise TableError(f"{path} holds several lists of objects, {shown}; give a file with one of them")
        said.append(f"the rows of {path} are the list {names[0]!r} in it")
        return next(found for name, found in _lists(value) if name == names[0])
    if not _is_columns(value):
        return [value]
    columns = {name: cells if type(cells) is dict else dict(enumerate(cells)) for name, cells in value.items()}
    outer, inner = list(columns), list(next(iter(columns.values())))
    if _count(outer) and not _count(inner):  # an object for each row
        return list(columns.values())
    keys = dict.fromkeys(key for cells in columns.values() for key in cells)
    if any(type(cells) is list and len(cells) != len(keys) for cells in value.values()):
        raise TableError(f"{path} holds columns of different lengths; give each column a value for each row")
    return [{name: cells.get(key) for name, cells in columns.items()} for key in keys]


def _split(value: Row) -> list[Row] | None:
    """Return the rows of names in `columns` and lists of cells in `data`, or None."""
    names, data = value.get("columns"), value.get("data")
    if type(names) is not list or type(data) is not list or not all(type(row) is list for row in data):
        return None
    if not data or any(len(row) != len(names) for row in data):
        return None
    return [dict(zip(map(str, names), row, strict=True)) for row in data]


def _lists(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists of objects in an object, also in those within it, with their names."""
    for key, inner in value.items():
        if key == "schema" and "data" in value:  # as pandas writes a table
            continue
        if type(inner) is list and inner and all(type(row) is dict for row in inner):
            yield f"{prefix}{key}", inner
        elif type(inner) is dict:
            yield from _lists(inner, f"{prefix}{key}.")


def _inside(value: Mapping[str, Any]) -> list[str] | None:
    """Return the names of the lists of rows in an object; None if there are none."""
    return ["data"] if _split(dict(value)) is not None else [name for name, _ in _lists(value)] or None


def _is_columns(value: Mapping[str, Any]) -> bool:
    """Whether an object has a column for each key: a list of plain values, or an object of those by row."""
    columns = list(value.values())
    if not columns or any(type(cells) not in (list, dict) or not cells for cells in columns):
        return False
    if all(type(cells) is list for cells in columns):
        return not any(type(cell) in (list, dict) for cells in columns for cell in cells)
    if not all(type(cells) is dict for cells in columns):
        return False
    inner = list(columns[0])
    if _count(list(value)) and len({frozenset(cells) for cells in columns}) == 1:
        return True
    return _count(inner) or (len(columns) > 1 and all(list(cells) == inner for cells in columns))


def _count(keys: Sequence[Any]) -> bool:
    """Whether keys are whole numbers, as those of rows are."""
    return all(str(key).isdigit() for key in keys)
