"""Detection of columns that identify or count their rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.arithmetic import Floats
from chainrule.tables.errors import listed
from chainrule.tables.features import Kind

CERTAIN_ROWS = 20
"""With fewer rows, numbers may count the rows by chance."""

_OWNERS = (
    "account|booking|case|claim|client|customer|device|employee|house|household|item|loan|member|object|order|participant"
    "|passenger|patient|person|policy|product|property|record|respondent|row|sample|session|student|subject|ticket"
    "|transaction|user"
)

_NAMES = (
    r"(^|.*[\s_.\-])(id|ids|uid|uuid|guid|oid|rowid|pk|key|no|nr|№)\.?",
    rf"({_OWNERS})id",
    r"(row|serial|seq(uence)?|record|sample|case|line|item|entry|obs(ervation)?|id)?[\s_.\-]*(index|idx|names?|num(ber)?|#)",
    r"row|rows|obs|observation|case|serial|s\.?no\.?|n°|编号|序号",
    r"unnamed: .*|level_\d+|__index_level_\d+__|\.\.\.\d+",
)
_NAME = re.compile("|".join(f"(?:{each})" for each in _NAMES), re.IGNORECASE)
_NOT_ALONE = re.compile(r"names?|num(ber)?", re.IGNORECASE)
_CAMEL = re.compile(r".*[a-z](Id|ID|Key|UUID|GUID)")
_MADE = re.compile(r"unnamed: .*|level_\d+|__index_level_\d+__|\.\.\.\d+", re.IGNORECASE)
"""Names that programs give to columns of row numbers; the values may repeat if rows were resampled."""


def names_rows(name: str) -> bool:
    """Whether the name of a column is that of an identifier.

    >>> [names_rows(name) for name in ("Id", "CUSTOMER ID", "rownames", "Unnamed: 0", "Sequence Number", "#")]
    [True, True, True, True, True, True]
    >>> [names_rows(name) for name in ("acid", "price index", "seq", "rank")]  # the last two may be places in an order
    [False, False, False, False]
    """
    name = name.strip()
    return bool(_CAMEL.fullmatch(name) or (_NAME.fullmatch(name) and not _NOT_ALONE.fullmatch(name)))


def counting(name: str, present: Floats, missing: bool, rows: NDArray[np.int64] | None, measures: bool) -> str:
    """Return the reason why whole numbers are an identifier, "" if they are not.

    `rows` are the row numbers of the cells, from 0; `measures` says that the name is that of a measured quantity, such
    as a time.
    """
    if len(present) < 2:
        return ""
    different = len(np.unique(present))
    if names_rows(name) and different == len(present):
        return "a different whole number in every row"
    if _MADE.fullmatch(name.strip()) and 2 * different > len(present):
        return "the number of a row"
    if missing or measures or rows is None or len(present) < CERTAIN_ROWS:
        return ""
    low, high = float(present.min()), float(present.max())
    first = float(present[0] - rows[0])
    if first in (0, 1) and (present == rows + first).all():
        return f"counts the rows, from {low:.0f} to {high:.0f}"
    last = float(present[-1] + rows[-1])
    if low in (0, 1) and (present == last - rows).all():
        return f"counts the rows, from {high:.0f} down to {low:.0f}"
    return ""


def keeping(kinds: Mapping[str, Kind]) -> str:
    """Describe the identifiers that are left out, and the option that keeps them.

    >>> keeping({"Row number": "number"})
    "'Row number' is left out, an identifier; --kind 'Row number=number' keeps it"
    """
    name, kind = next(iter(kinds.items()))
    wanted = quote(f"{name}={kind}")
    if len(kinds) == 1:
        return f"{name!r} is left out, an identifier; --kind {wanted} keeps it"
    names = listed([repr(name) for name in kinds], 8)
    return f"{names} are left out, identifiers; --kind keeps one, as in --kind {wanted}"
