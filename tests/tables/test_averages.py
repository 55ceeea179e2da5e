"""Categories whose levels are encoded by numbers: averages of the target, without the rows encoded, or their order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from support.exported import model_of

from chainrule.models.inspection import described
from chainrule.tables import (
    NO_LEVEL,
    UNKNOWN_LEVEL,
    Category,
    FrameSource,
    LevelNumbers,
    NumberTarget,
    Preprocessing,
    TableError,
    prepare,
)
from chainrule.tables.averages import FOLDS, fold_of
from chainrule.tables.features import KINDS

ROWS = 900
RANDOM = np.random.default_rng(3)
TOWNS = np.array([f"town {k}" for k in range(90)])
WORTH = RANDOM.standard_normal(90)
PLACES = RANDOM.integers(0, 90, ROWS)
TABLE = pl.DataFrame(
    {
        "town": [*TOWNS[PLACES][:-30], *[None] * 20, *(f"only {k}" for k in range(10))],
        "x": RANDOM.standard_normal(ROWS),
        "y": 10 + 3 * WORTH[PLACES] + RANDOM.standard_normal(ROWS),
    }
)


def test_a_training_row_takes_no_part_in_its_average() -> None:
    ready = prepare(FrameSource(TABLE), "y", dtype=np.float64, held_out=0.0)
    category, averages, _ = ready.preprocessing.features
    assert isinstance(category, Category)
    assert isinstance(averages, LevelNumbers)
    assert averages.columns == ("town: average",)
    column = ready.preprocessing.slices[1]
    assert ready.preprocessing.groups["town"] == slice(0, column.stop)

    assert isinstance(ready.target, NumberTarget)
    y = (TABLE["y"].to_numpy() - ready.target.mean) / ready.target.scale
    folds = fold_of(np.arange(ROWS), 0)
    (outcome,) = averages.scalings
    found = (ready.X[:, column] * outcome.scale + outcome.mean).ravel()
    level = averages.levels[0]
    of_level = (TABLE["town"] == level).fill_null(False).to_numpy()
    drawn = y[of_level].sum() / averages.numbers[0][0] - of_level.sum()
    for row in range(0, ROWS, 7):
        same = (TABLE["town"].eq_missing(TABLE["town"][row])).to_numpy()
        others = same & (folds != folds[row])
        wanted = y[others].sum() / (others.sum() + drawn) if same.sum() > 1 else 0.0
        assert found[row] == pytest.approx(wanted, abs=1e-9)
    assert set(folds.tolist()) == set(range(FOLDS))


def test_averages_are_drawn_towards_the_mean_of_all_and_tell_the_levels_apart() -> None:
    ready = prepare(FrameSource(TABLE), "y", dtype=np.float64)
    averages = ready.preprocessing.features[1]
    assert isinstance(averages, LevelNumbers)
    (other,) = averages.other
    assert other == pytest.approx(0.0, abs=1e-12)
    found = {level: row[0] for level, row in zip(averages.levels, averages.numbers, strict=True)}
    assert not any(level.startswith("only") for level in found)
    worth = [WORTH[int(level.split()[1])] for level in found]
    assert np.corrcoef(list(found.values()), worth)[0, 1] > 0.97
    assert np.std(list(found.values())) < np.std(3 * WORTH / np.std(TABLE["y"].to_numpy(), ddof=1))

    new = ready.preprocessing.encode(pl.DataFrame({"town": ["nowhere", "only 3", "town 4"], "x": [0.0] * 3}))
    column = ready.preprocessing.slices[1].start
    assert new[0, column] == new[1, column] != new[2, column]
    assert Preprocessing.from_json(ready.preprocessing.to_json()) == ready.preprocessing
    with pytest.raises(TableError, match="as many numbers for each level"):
        Preprocessing.from_json(ready.preprocessing.to_json().replace('"other": [', '"other": [1.0, ', 1))


def test_levels_that_do_not_differ_have_no_averages_and_classes_have_shares() -> None:
    noise = TABLE.with_columns(y=pl.Series(RANDOM.standard_normal(ROWS)))
    chance = prepare(FrameSource(noise), "y", kinds={"town": "category"}).preprocessing
    assert len([each for each in chance.features if isinstance(each, LevelNumbers)]) <= 1
    classes = TABLE.with_columns(y=pl.Series(np.where(TABLE["y"] > 12, "high", np.where(TABLE["y"] > 9, "mid", "low"))))
    three = prepare(FrameSource(classes), "y").preprocessing.features[1]
    assert three.columns == ("town: share of high", "town: share of low", "town: share of mid")
    two = prepare(FrameSource(classes.filter(pl.col("y") != "mid")), "y").preprocessing.features[1]
    assert two.columns == ("town: share of low",)


def test_levels_of_a_known_scale_have_their_order_as_a_number() -> None:
    table = pl.DataFrame({"size": ["XL", "s", "L", "M", None, "L"] * 10, "hue": ["red", "low", "high"] * 20})
    (category, order, hue) = Preprocessing.fit(table).features
    assert isinstance(category, Category)
    assert isinstance(hue, Category)
    assert isinstance(order, LevelNumbers)
    assert order.columns == ("size: order",)
    found = dict(zip(order.levels, order.arithmetic(np.arange(4)).ravel().tolist(), strict=True))
    assert sorted(found, key=found.__getitem__) == ["s", "M", "L", "XL"]
    np.testing.assert_allclose(np.diff(sorted(found.values())), 1 / np.std([3, 0, 2, 1, 2]))
    np.testing.assert_allclose(order.arithmetic(np.array([UNKNOWN_LEVEL, NO_LEVEL])), 0, atol=1e-12)


def test_a_description_of_a_model_has_the_kinds_of_columns_alone() -> None:
    found = described(model_of("regression")).columns
    assert {column.kind for column in found} <= set(KINDS)
    (numbers,) = [column for column in found if column.encoding.startswith("a and ")]
    assert numbers.kind == "category"
