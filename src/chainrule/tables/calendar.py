"""The calendar in whole numbers: from seconds since 1970 to the parts of a date.

All arithmetic is on int64, with division that rounds down, so that other languages can repeat it to the bit. Times are
in UTC where a zone is given, and as they are written where none is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Seconds: TypeAlias = NDArray[np.int64]

DAY = 86_400
MISSING = np.iinfo(np.int64).min
"""The seconds of a cell without a date."""


@dataclass(frozen=True)
class Civil:
    """Year, month (1 to 12) and day of the month (1 to 31), each an int64 array."""

    year: Seconds
    month: Seconds
    day: Seconds


def civil(days: Seconds) -> Civil:
    """The date that lies `days` after 1970-01-01 in the proleptic Gregorian calendar.

    Years are counted from March, so that the leap day is the last of a year, in eras of 400 years with 146,097 days
    each. Then, for the day d of an era (0 to 146,096) and the day e of a year (0 to 365), with // rounding down:

        year of era = (d − d // 1460 + d // 36524 − d // 146096) // 365
        e = d − (365 · year of era + year of era // 4 − year of era // 100)
        month from March = (5 e + 2) // 153

    >>> found = civil(np.array([0, 19_782, -1]))
    >>> found.year.tolist(), found.month.tolist(), found.day.tolist()
    ([1970, 2024, 1969], [1, 2, 12], [1, 29, 31])
    """
    shifted = days + 719_468  # from 0000-03-01
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    day = of_year - (153 * from_march + 2) // 5 + 1
    month = np.where(from_march < 10, from_march + 3, from_march - 9)
    return Civil(year + 400 * era + (month <= 2), month, day)


def weekday(days: Seconds) -> Seconds:
    """The day of the week, 0 for Monday to 6 for Sunday: (days + 3) mod 7, since 1970 began on a Thursday."""
    return np.asarray((days + 3) % 7, np.int64)
