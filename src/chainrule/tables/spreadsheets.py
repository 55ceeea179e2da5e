"""Spreadsheets: a sheet of an Excel or OpenDocument file, written as delimited text, which is read as such."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chainrule.files import scratch
from chainrule.tables.delimited import DelimitedSource
from chainrule.tables.dependency import is_panic, load_polars, without_panic_messages
from chainrule.tables.errors import TableError, listed
from chainrule.tables.streams import File, TextFile
from chainrule.words import MissingDependencyError, suggestion

if TYPE_CHECKING:
    import polars as pl

_MEMBERS = ("xl/workbook.xml", "xl/workbook.bin", "content.xml")
_TIME_ALONE = r"^1899-12-3[01] (\d\d:\d\d:\d\d)"
"""How the reader writes a cell with a time of day: on the day from which spreadsheets count."""
_WORDS = 100


def is_workbook(members: list[str]) -> bool:
    """Whether the files in a zip archive are those of a spreadsheet."""
    return any(name in members for name in _MEMBERS)


class SpreadsheetSource(DelimitedSource):
    """A sheet of a workbook; its rows are those of the sheet, so that places name its lines."""

    def __init__(self, file: File, sheet: str | None) -> None:
        workbook = _opened(file)
        names: list[str] = workbook.sheet_names
        name, frame = _chosen(file.path, workbook, names, sheet)
        self.sheet = name
        copy = scratch()
        _without_lines(frame).write_csv(copy.stream, include_header=False)
        copy.stream.flush()
        super().__init__(TextFile(File(file.path, copy.path, file.limits, copy)), ",")
        filled = [other for other in names if other != name]
        if sheet is None and filled:
            self._notes = (
                f"the sheet {name!r} of {file.path} is read; --sheet names another, of {listed(filled, 8)}",
                *self._notes,
            )

    @property
    def format(self) -> str:
        return "a spreadsheet"


def _opened(file: File) -> Any:
    try:
        import fastexcel
    except ImportError:
        raise MissingDependencyError(
            f"reading {file.path}, a spreadsheet, needs fastexcel; install it with pip install 'chainrule[files]', or "
            "save the sheet as CSV"
        ) from None
    try:
        with without_panic_messages():
            return fastexcel.read_excel(file.location)
    except (fastexcel.FastExcelError, OSError, ValueError) as error:
        raise _damaged(file.path, error) from None
    except BaseException as error:  # a panic is not an Exception
        if not is_panic(error):
            raise
        raise _damaged(file.path, error) from None


def _damaged(path: str, error: BaseException) -> TableError:
    words = re.sub(r"\s+", " ", str(error)).split("Context")[0].strip().rstrip(".:")[:_WORDS]
    if "assword" in words:
        return TableError(f"{path} has a password; save it without one")
    return TableError(f"{path} cannot be read as a spreadsheet ({words}); save the sheet as CSV")


def _chosen(path: str, workbook: Any, names: list[str], sheet: str | None) -> tuple[str, pl.DataFrame]:
    """Return the sheet that is named, or the first one with a table."""
    if sheet is not None and sheet not in names:
        raise TableError(f"{path} has no sheet {sheet!r}; it has {listed(names)}{suggestion(sheet, names)}")
    load_polars()
    for name in names if sheet is None else [sheet]:
        try:
            frame = workbook.load_sheet(name, header_row=None, dtypes="string").to_polars()
        except Exception as error:
            if sheet is None and len(names) > 1 and "worksheet" in str(error).lower():
                continue  # a sheet with a chart alone
            raise _damaged(path, error) from None
        if frame.width and frame.height > 1:
            return name, frame
    raise TableError(f"{path} has no sheet with rows; give one with a header and a row for each sample")


def _without_lines(frame: pl.DataFrame) -> pl.DataFrame:
    """Replace line breaks within cells, so that each row is one line, and write times of day as such."""
    cells = load_polars().all().str.replace_all(r"[\r\n]+", " ").str.replace(_TIME_ALONE, "${1}")
    return frame.select(cells)
