"""What tables raise, and how messages quote cells and names."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.words import ChainruleError, shortened

SHOWN = 30
"""How many characters of a cell, and how many names, a message quotes."""


class TableError(ChainruleError, ValueError):
    """A table, a column or the description of a preprocessing is not what it should be; the message says where."""


class EmptyTableError(TableError):
    """A table has columns but no rows."""


def short(cell: str) -> str:
    """A cell as it is quoted in a message: on one line, and not long."""
    return repr(shortened(cell, SHOWN))


def listed(names: Sequence[str], most: int = SHOWN) -> str:
    """Names in a sentence, the first of them where there are many."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most:,} more"
