"""Tables: files are read in batches, columns classified by kind and encoded as arrays of numbers.

Reading needs polars, which is loaded when it is first used.
"""

from chainrule.tables.arithmetic import civil, seconds_since_1970, weekday
from chainrule.tables.cells import FALSE_WORDS, LARGEST_LEVEL, MISSING_WORDS, TRUE_WORDS, numbers_of_levels
from chainrule.tables.columns import AS_ASKED
from chainrule.tables.conventions import Conventions, read_conventions
from chainrule.tables.databases import without_password
from chainrule.tables.dates import EPOCHS, parts_of_format
from chainrule.tables.dates import FORMATS as DATE_FORMATS
from chainrule.tables.dates import IN_PYTHON as DATE_REWRITES
from chainrule.tables.dates import MISSING as MISSING_DATE
from chainrule.tables.description import describe_target, target_from_json
from chainrule.tables.errors import EmptyTableError, TableError
from chainrule.tables.features import (
    NO_COLUMN,
    NO_LEVEL,
    UNKNOWN_LEVEL,
    Boolean,
    Category,
    Date,
    Feature,
    Kind,
    LeftOut,
    LevelNumbers,
    Number,
    Part,
    Scaling,
    Text,
)
from chainrule.tables.frames import as_frame
from chainrule.tables.kinds import Finding
from chainrule.tables.limits import UNLIMITED, VARIABLE, Limits
from chainrule.tables.notation import BOUNDS_IN_PYTHON as NUMBER_BOUNDS
from chainrule.tables.notation import DURATIONS_IN_PYTHON as NUMBER_DURATIONS
from chainrule.tables.notation import IN_PYTHON as NUMBER_REWRITES
from chainrule.tables.notation import PLAIN, Notation, Unit
from chainrule.tables.opening import open_table
from chainrule.tables.preparing import Prepared, prepare
from chainrule.tables.preprocessing import Notes, Preprocessing, as_batch, feature_values
from chainrule.tables.sources import Batch, FrameSource, Source
from chainrule.tables.spooling import joined
from chainrule.tables.targets import ClassTarget, NumberTarget, Target, Task

__all__ = [
    "AS_ASKED",
    "DATE_FORMATS",
    "DATE_REWRITES",
    "EPOCHS",
    "FALSE_WORDS",
    "LARGEST_LEVEL",
    "MISSING_DATE",
    "MISSING_WORDS",
    "NO_COLUMN",
    "NO_LEVEL",
    "NUMBER_BOUNDS",
    "NUMBER_DURATIONS",
    "NUMBER_REWRITES",
    "PLAIN",
    "TRUE_WORDS",
    "UNKNOWN_LEVEL",
    "UNLIMITED",
    "VARIABLE",
    "Batch",
    "Boolean",
    "Category",
    "ClassTarget",
    "Conventions",
    "Date",
    "EmptyTableError",
    "Feature",
    "Finding",
    "FrameSource",
    "Kind",
    "LeftOut",
    "LevelNumbers",
    "Limits",
    "Notation",
    "Notes",
    "Number",
    "NumberTarget",
    "Part",
    "Prepared",
    "Preprocessing",
    "Scaling",
    "Source",
    "TableError",
    "Target",
    "Task",
    "Text",
    "Unit",
    "as_batch",
    "as_frame",
    "civil",
    "describe_target",
    "feature_values",
    "joined",
    "numbers_of_levels",
    "open_table",
    "parts_of_format",
    "prepare",
    "read_conventions",
    "seconds_since_1970",
    "target_from_json",
    "weekday",
    "without_password",
]
