"""Errors of tables, and quotation of cells and names in messages."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.words import ChainruleError, shortened

SHOWN = 30
"""The number of characters of a cell, and of names, that a message quotes."""


class TableError(ChainruleError, ValueError):
    """A table, a column or the description of a preprocessing is invalid; the message names the place."""


class EmptyTableError(TableError):
    """A table has columns but no rows."""


def short(cell: str) -> str:
    """Quote a cell for a message: on one line, shortened."""
    return repr(shortened(cell, SHOWN))


def listed(names: Sequence[str], most: int = SHOWN) -> str:
    """Join names for a sentence, at most `most` of them."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"
