"""Tables: files read in batches, columns told apart by kind, and encoded as arrays of numbers.

Reading needs polars, which is loaded when it is first used.
"""

from chainrule.tables.errors import TableError
from chainrule.tables.features import (
    KINDS,
    NO_LEVEL,
    UNKNOWN_LEVEL,
    Boolean,
    Category,
    Date,
    Feature,
    Kind,
    LeftOut,
    Number,
    Part,
)
from chainrule.tables.preprocessing import Preprocessing
from chainrule.tables.targets import ClassTarget, NumberTarget, Target, Task

__all__ = [
    "KINDS",
    "NO_LEVEL",
    "UNKNOWN_LEVEL",
    "Boolean",
    "Category",
    "ClassTarget",
    "Date",
    "Feature",
    "Kind",
    "LeftOut",
    "Number",
    "NumberTarget",
    "Part",
    "Preprocessing",
    "TableError",
    "Target",
    "Task",
]
