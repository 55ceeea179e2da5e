"""Tables of numbers from CSV files: UTF-8, a header, one row for each sample."""

from __future__ import annotations

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.errors import CommandError
from chainrule.files import file_errors
from chainrule.training import nearest

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
"""Cells that mean "no value", in lower case."""

_SHOWN = 30
_PIECE = 10_000


@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a file by column, as text; `lines` has the line in the file on which each row ends."""

    path: str
    columns: dict[str, list[str]]
    lines: list[int]

    @property
    def row_count(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> list[str]:
        """The cells of a column; raises CommandError, naming the nearest, where there is none of that name."""
        if name not in self.columns:
            raise CommandError(
                f"{self.path} has no column {name!r}; it has {_listed(list(self.columns))}{nearest(name, self.columns)}"
            )
        return self.columns[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as numbers; raises CommandError, naming row and column, for a cell that is none."""
        cells = self.column(name)
        try:
            values = np.array(list(map(float, cells)))
            if any("_" in cell for cell in cells):  # Python reads 1_000, tables do not mean it
                raise ValueError
        except ValueError:
            values = np.full(len(cells), np.nan)
        if not np.isfinite(values).all():
            self._refuse_cell(name, cells)
        return values

    def check_filled(self, name: str) -> None:
        """Raise CommandError, naming row and column, for a cell without a value."""
        for row, cell in enumerate(self.column(name)):
            if cell.lower() in MISSING:
                raise CommandError(self._empty(row, name, cell))

    def place(self, row: int, name: str) -> str:
        """Where a cell is, in words."""
        return f"{self.path}, row {row + 1} (line {self.lines[row]}), column {name!r}"

    def _empty(self, row: int, name: str, cell: str) -> str:
        what = f"holds {cell!r}" if cell else "is empty"
        return f"{self.place(row, name)} {what}; fill in a number or remove the row"

    def _refuse_cell(self, name: str, cells: Sequence[str]) -> None:
        for row, cell in enumerate(cells):
            if cell.lower() in MISSING:
                raise CommandError(self._empty(row, name, cell))
            number = as_number(cell)
            if has_decimal_comma(cell):
                raise CommandError(
                    f"{self.place(row, name)} holds {_short(cell)!r}, a number with a comma; write decimals with a "
                    "point and thousands without a mark"
                )
            if number is None:
                raise CommandError(
                    f"{self.place(row, name)} holds {_short(cell)!r}, which is not a number; write it as a number or "
                    "remove the column"
                )
            if not math.isfinite(number):
                raise CommandError(
                    f"{self.place(row, name)} holds {cell!r}, which is not finite; write a finite number"
                )


def as_number(cell: str) -> float | None:
    """The number that a cell holds, None for text."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def has_decimal_comma(cell: str) -> bool:
    """Whether a cell is a number but for its commas, as in `2,5` or `1,000.5`."""
    return "," in cell and as_number(cell.replace(",", "")) is not None


def read_table(path: str) -> Table:
    """Read a CSV file; raises CommandError for a file that is not a table, naming the line."""
    with file_errors(path):
        if os.path.isdir(path):
            raise IsADirectoryError
        with open(path, encoding="utf-8-sig", newline="") as stream:
            try:
                text = stream.read()
            except UnicodeDecodeError as error:
                raise CommandError(
                    f"{path} is not UTF-8 text (byte {error.object[error.start]:#04x}); save it as CSV in UTF-8"
                ) from None
    return _parse(path, text)


def _delimiter(text: str) -> str:
    """The separator of the header: a comma, unless it has none but has semicolons or tabs."""
    header = text.lstrip().partition("\n")[0]
    return next((separator for separator in ",;\t" if separator in header), ",")


def _parse(path: str, text: str) -> Table:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), skipinitialspace=True)
    try:
        rows = ((row, reader.line_num) for row in reader if len(row) > 1 or (row and row[0].strip()))
        first, _ = next(rows, ([], 0))
        if not first:
            raise CommandError(f"{path} is empty; give a CSV file with a header and one row for each sample")
        header = [name.strip() for name in first]
        _check_header(path, header)
        columns: dict[str, list[str]] = {name: [] for name in header}
        lines: list[int] = []
        # In pieces, since a million lists of cells alive at a time cost more than all the reading.
        while piece := list(islice(rows, _PIECE)):
            for row, line in piece:
                if len(row) != len(header):
                    raise CommandError(
                        f"{path}, line {line} has {len(row)} cells but the header has {len(header)}; give one for each "
                        "column"
                    )
            lines.extend(line for _, line in piece)
            for column, cells in zip(columns.values(), zip(*(row for row, _ in piece), strict=True), strict=True):
                column.extend(map(str.strip, cells))
    except csv.Error as error:
        raise CommandError(f"{path}, line {reader.line_num}: {error}; give a CSV file") from None
    if not lines:
        raise CommandError(f"{path} has a header but no rows; give one row for each sample")
    return Table(path, columns, lines)


def _check_header(path: str, header: Sequence[str]) -> None:
    if all(as_number(name) is not None for name in header):
        raise CommandError(f"{path} has no header: its first row holds only numbers; add a row with column names")
    for place, name in enumerate(header, start=1):
        if not name:
            raise CommandError(f"{path}: column {place} has no name in the header; give it one")
    for name, count in Counter(header).items():
        if count > 1:
            raise CommandError(f"{path}: {count} columns are named {name!r}; give each column a name of its own")


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])} and {len(names) - _SHOWN} more"


def _short(cell: str) -> str:
    return cell if len(cell) <= _SHOWN else cell[: _SHOWN - 1] + "…"
