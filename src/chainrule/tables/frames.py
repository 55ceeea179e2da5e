"""Polars frames: conversion from other tables to supported types, and columns selected by exact name."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from shlex import quote
from typing import TYPE_CHECKING, Any, cast

from chainrule.tables.dependency import is_panic, load_polars, without_panic_messages
from chainrule.tables.errors import TableError

if TYPE_CHECKING:
    import polars as pl


_EXTENSIONS = {"arrow.bool8": "Boolean", "arrow.json": "String"}
"""Extension types of Arrow, by the polars type of their storage that has the same meaning."""


def as_frame(data: Any) -> pl.DataFrame:
    """Convert a polars, pandas or Arrow frame, or a dict of columns, to a polars frame; raise TableError for others.

    >>> as_frame({"x": [1, 2]}).shape
    (2, 1)
    """
    frame = _as_frame(data)
    unnamed = named(frame.columns)
    plain = [_plain(series).alias(name) for series, name in zip(frame.iter_columns(), unnamed, strict=True)]
    return cast("pl.DataFrame", load_polars().DataFrame(plain))


def named(names: Sequence[str]) -> list[str]:
    """Give each column a name of its own, as pandas does: `Unnamed: k` for the column k from 0, `x.1` for a second x.

    >>> named(["", "x", "", "x"])
    ['Unnamed: 0', 'x', 'Unnamed: 2', 'x.1']
    """
    found: dict[str, None] = {}
    for place, name in enumerate(names):
        new = name or f"Unnamed: {place}"
        while not name and new in names:
            new += "."
        count = 1
        while new in found:
            new = f"{name}.{count}"
            count += 1
            new = f"{new}." if new in names else new
        found[new] = None
    return list(found)


def without(frame: pl.DataFrame, names: Container[str]) -> pl.DataFrame:
    """Remove columns by exact name. polars would read a name such as ^x$ as a pattern."""
    kept = [series for series in frame.iter_columns() if series.name not in names]
    return cast("pl.DataFrame", load_polars().DataFrame(kept))


def with_column(frame: pl.DataFrame, name: str, cells: pl.Series) -> pl.DataFrame:
    """Replace the cells of a column."""
    kept = [cells.alias(name) if series.name == name else series for series in frame.iter_columns()]
    return cast("pl.DataFrame", load_polars().DataFrame(kept))


def cells_of(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return the cells of a column, renamed.

    Most methods of a series are computed as expressions of its name, which polars reads as a pattern if it starts with
    ^ and ends with $.
    """
    return frame.get_column(name).alias("cells")


def text_bytes(series: pl.Series) -> int:
    """Return the total bytes of the texts of a column; 0 for other types."""
    pl, cells = load_polars(), series.alias("cells")
    if cells.dtype == pl.String:
        return int(cells.str.len_bytes().sum())
    return int(cells.cat.len_bytes().sum()) if cells.dtype in (pl.Categorical, pl.Enum) else 0


def _plain(series: pl.Series) -> pl.Series:
    """Convert a column of a known extension type to the type of its storage."""
    kind: Any = series.dtype
    wanted = _EXTENSIONS.get(kind.ext_name()) if hasattr(kind, "ext_name") else None
    if wanted is None:
        return series
    storage: Any = cast("Any", series).ext.storage()
    return cast("pl.Series", storage.cast(getattr(load_polars(), wanted)))


def not_plain(series: pl.Series, name: str) -> str:
    """Describe cells of unsupported types, such as lists, structures or bytes; return "" for supported ones."""
    pl = load_polars()
    kind: Any = series.dtype
    if kind.is_nested():
        what = "a list or an object"
    elif kind == pl.Binary:
        what = "bytes"
    elif kind.is_numeric() or kind.is_temporal() or kind in _plain_types(pl):
        return ""
    else:
        what = f"a value of the type {kind.ext_name() if hasattr(kind, 'ext_name') else kind}"
    return f"holds {what}; give a plain value in each cell, or leave the column out (--drop {quote(name)})"


def _plain_types(pl: Any) -> tuple[Any, ...]:
    return (pl.String, pl.Boolean, pl.Null, pl.Categorical, pl.Enum)


def _as_frame(data: Any) -> pl.DataFrame:
    """Convert `data` to a polars frame without changing its columns."""
    frames = load_polars()
    if isinstance(data, frames.DataFrame):
        return cast("pl.DataFrame", data)
    if isinstance(data, frames.LazyFrame):
        return cast("pl.DataFrame", data.collect())
    what = type(data).__name__
    try:
        if isinstance(data, Mapping):
            with without_panic_messages():
                return cast("pl.DataFrame", frames.DataFrame(dict(data), strict=False))
        import narwhals

        with without_panic_messages():
            return cast("pl.DataFrame", narwhals.from_native(data, eager_only=True).to_polars())
    except ImportError:
        raise TableError(f"a {what} cannot be read without narwhals and pyarrow; give a polars frame") from None
    except (TypeError, ValueError, NotImplementedError, frames.exceptions.PolarsError) as error:
        words = str(error).splitlines()[0].rstrip(".") if str(error) else "it is none"
        raise TableError(f"a {what} cannot be read as a table ({words}); give a frame or a dict of columns") from None
    except BaseException as error:  # a panic is not an Exception
        if not is_panic(error):
            raise
        raise TableError(
            f"a {what} has a column of a type that polars does not read; cast it, or leave it out"
        ) from None
