"""Tables that others made, as frames of polars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from chainrule.tables.errors import TableError, load_polars

if TYPE_CHECKING:
    import polars as pl


def as_frame(data: Any) -> pl.DataFrame:
    """A frame of polars from one of polars, pandas or Arrow, or from a dict of columns; raises TableError for others.

    >>> as_frame({"x": [1, 2]}).shape
    (2, 1)
    """
    frames = load_polars()
    if isinstance(data, frames.DataFrame):
        return cast("pl.DataFrame", data)
    if isinstance(data, frames.LazyFrame):
        return cast("pl.DataFrame", data.collect())
    what = type(data).__name__
    try:
        if isinstance(data, Mapping):
            return cast("pl.DataFrame", frames.DataFrame(dict(data), strict=False))
        import narwhals

        return cast("pl.DataFrame", narwhals.from_native(data, eager_only=True).to_polars())
    except ImportError:
        raise TableError(f"a {what} cannot be read without narwhals and pyarrow; give a polars frame") from None
    except (TypeError, ValueError, frames.exceptions.PolarsError) as error:
        words = str(error).splitlines()[0].rstrip(".") if str(error) else "it is none"
        raise TableError(f"a {what} cannot be read as a table ({words}); give a frame or a dict of columns") from None
