"""Categories whose levels are words of a known scale, such as low, medium and high: their order as a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.tables.cells import read_levels
from chainrule.tables.features import NO_LEVEL, UNKNOWN_LEVEL, Category, LevelNumbers, Scaling
from chainrule.tables.fitting import mean_and_scale
from chainrule.tables.spellings import folded

if TYPE_CHECKING:
    import polars as pl

_SCALES = (
    "none/no; very low/lowest; low; medium/moderate/middle/mid/med/average/normal; high; very high/highest",
    "none; mild; moderate; severe; critical/very severe",
    "xxs/xx small/extra extra small; xs/x small/extra small; s/small; m/medium; l/large; xl/x large/extra large"
    "; xxl/2xl/xx large/extra extra large; xxxl/3xl; xxxxl/4xl; 5xl",
    "tiny; very small; small; medium/mid/average; large/big; very large; huge",
    "terrible; very poor/very bad; poor/bad; below average; fair/ok/average/typical/acceptable; above average; good"
    "; very good; excellent/great; outstanding",
    "much worse; worse/slightly worse/somewhat worse; same/the same/about the same"
    "; better/slightly better/somewhat better; much better",
    "strongly disagree; disagree; somewhat disagree/slightly disagree; neutral/neither/neither agree nor disagree"
    "; somewhat agree/slightly agree; agree; strongly agree",
    "very dissatisfied; dissatisfied/somewhat dissatisfied; neutral/neither; satisfied/somewhat satisfied"
    "; very satisfied",
    "very unlikely; unlikely/somewhat unlikely; neutral/neither; likely/somewhat likely; very likely",
    "never; rarely/seldom/almost never; sometimes/occasionally; often/frequently/usually; always/almost always",
    "not at all; a little/slightly/not very; somewhat/moderately; very/quite; extremely",
    "very easy; easy; medium/moderate/normal/intermediate; hard/difficult; very hard/very difficult",
    "novice/beginner; intermediate; advanced; expert",
    "primary; secondary; tertiary",
    "freshman; sophomore; junior; senior; graduate",
    "cold; cool/mild; warm; hot",
    "bronze; silver; gold; platinum; diamond",
    "first/1st; second/2nd; third/3rd; fourth/4th; fifth/5th",
    "daily; weekly; monthly; quarterly; yearly/annually",
)
"""Scales, each from its low end: levels are separated by semicolons, words for one level by slashes."""

_PLACES = [
    {word: place for place, words in enumerate(scale.split("; ")) for word in words.split("/")} for scale in _SCALES
]
FEWEST = 3


def order_of(levels: tuple[str, ...]) -> tuple[float, ...] | None:
    """Return the place of each level in a scale that has them all, without gaps; None if there is none.

    >>> order_of(("High", "low", "MEDIUM")), order_of(("L", "x-large", "S")), order_of(("red", "low", "high"))
    ((2.0, 0.0, 1.0), (1.0, 2.0, 0.0), None)
    >>> order_of(("low", "high")) is None  # a number more would say what one of the two does
    True
    """
    words = [folded(level.replace("-", " ").replace("_", " ")) for level in levels]
    for places in _PLACES:
        if all(word in places for word in words):
            found = sorted({places[word] for word in words})
            if len(found) >= FEWEST:
                return tuple(float(found.index(places[word])) for word in words)
    return None


def fit_order(category: Category, series: pl.Series) -> LevelNumbers | None:
    """Return the numbers of the levels of a category in their order, if it is known; scaled by its training rows."""
    order = order_of(category.levels)
    if order is None:
        return None
    places = read_levels(series, category.levels)[0]
    known = places[(places != NO_LEVEL) & (places != UNKNOWN_LEVEL)]
    mean, scale = mean_and_scale(np.array(order)[known])
    numbers = tuple((place,) for place in order)
    return LevelNumbers(category.name, category.levels, numbers, (mean,), (mean,), (Scaling("order", mean, scale),))
