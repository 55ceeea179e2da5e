"""Numbers as people write them: marks for decimals and thousands, units, signs, and what stands for no value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from chainrule.exports import export_model
from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import (
    Conventions,
    FrameSource,
    Notation,
    Number,
    NumberTarget,
    Preprocessing,
    TableError,
    Unit,
    as_frame,
    feature_values,
    open_table,
    prepare,
    read_conventions,
)

VALUES = [1234.5, -0.25, 98765432.0, 7.0, 12.5, -1200.0, 1000.0, 33.25, 640.0, 5.5, 2500.0, 81.0]
"""No cell of these is a whole number of thousands with three decimals alone."""


def indian(text: str) -> str:
    head, tail = text[:-3], text[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return ",".join([*groups, tail]) if head else tail


def written(value: float, style: str) -> str:
    english = f"{value:,.2f}"
    whole, _, decimals = f"{abs(value):.2f}".partition(".")
    swapped = english.translate(str.maketrans(",.", ".,"))
    return {
        "german": swapped,
        "english": english,
        "swiss": english.replace(",", "’"),
        "french": swapped.replace(".", "\u202f"),
        "indian": f"{'-' if value < 0 else ''}{indian(whole)}.{decimals}",
        "plain": f"{value:.2f}",
        "accounting": f"({abs(value):,.2f})" if value < 0 else english,
        "unicode minus": english.replace("-", "−"),
        "trailing minus": f"{abs(value):.2f}-" if value < 0 else f"{value:.2f}",
        "percent": f"{value:.2f} %",
        "dollars": f"-${abs(value):,.2f}" if value < 0 else f"${value:,.2f}",
        "euros": f"{swapped} €",
        "kilograms": f"{value:.2f} kg",
        "amounts": f"€{value / 1e6!r}M" if value > 1e6 else f"€{value / 1e3!r}K" if value > 900 else f"€{value!r}",
        "coded": f"CHF {english.replace(',', chr(39))}",
    }[style]


STYLES = {
    "german": Notation(",", "."),
    "english": Notation(".", ","),
    "swiss": Notation(".", "'"),
    "french": Notation(",", " "),
    "indian": Notation(".", ","),
    "accounting": Notation(".", ","),
    "unicode minus": Notation(".", ","),
    "trailing minus": Notation(),
    "percent": Notation(unit="%"),
    "dollars": Notation(".", ",", "$"),
    "euros": Notation(",", ".", "€"),
    "kilograms": Notation(unit="kg"),
    "coded": Notation(".", "'", "CHF"),
    "amounts": Notation(unit="€", others=(Unit("€…K", 1e3), Unit("€…M", 1e6))),
}


def column(cells: list[str]) -> Any:
    return as_frame({"a": [*cells, *cells], "b": [f"{k}.5" for k in range(2 * len(cells))]})


@pytest.mark.parametrize("style", STYLES)
def test_a_column_is_read_in_its_own_notation_and_so_are_new_rows_and_exports(style: str, tmp_path: Path) -> None:
    table = column([written(value, style) for value in VALUES])
    preprocessing = Preprocessing.from_json(Preprocessing.fit(table).to_json())
    feature = preprocessing.features[0]
    assert isinstance(feature, Number)
    assert feature.notation == STYLES[style]
    np.testing.assert_array_equal(feature_values(feature, table["a"]), [*VALUES, *VALUES])
    architecture = Architecture(preprocessing.width, (2,), 1)
    model = Model.of(architecture, architecture.initial(0), preprocessing)
    (module, *_) = export_model(model, "numpy", str(tmp_path / "net.py"))
    scope: dict[str, Any] = {"__name__": "net", "__file__": module}
    exec(compile(Path(module).read_text(), module, "exec"), scope)
    found = np.asarray(scope["predict"]({name: table[name].to_list() for name in ("a", "b")})).ravel()
    np.testing.assert_allclose(found, np.ravel(model.predict_frame(table).predictions), rtol=1e-5)


def test_marks_that_one_column_leaves_open_are_decided_by_the_others() -> None:
    cells = {"open": [f"{k},{k:03}" for k in range(101, 121)], "x": [f"{k}" for k in range(20)]}
    thousands = Preprocessing.fit(as_frame(cells)).features[0]
    assert isinstance(thousands, Number)
    assert thousands.notation == Notation(".", ",")
    decimals = Preprocessing.fit(as_frame({**cells, "sure": [f"{k},5" for k in range(20)]})).features[0]
    assert isinstance(decimals, Number)
    assert decimals.notation == Notation(",")


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["€1.2M", "€560K", "€0", "€75", "-€2M"], [1.2e6, 5.6e5, 0.0, 75.0, -2e6]),
        (["€1.2M", "€56.5M", "€3m"], [1.2e6, 56.5e6, 3e6]),
        (["1,2 Mio. €", "560 Tsd. €", "0,5 Mrd. EUR"], [1.2e6, 5.6e5, 5e8]),
        (["US$ 3 bn", "$1.5 million", "USD 200,000", "($2M)"], [3e9, 1.5e6, 2e5, -2e6]),
        (["₹1.2 Cr", "₹45 Lakh", "₹45,00,000", "12"], [1.2e7, 4.5e6, 4.5e6, 12.0]),
    ],
)
def test_amounts_of_a_currency_in_thousands_and_millions_are_told_from_the_column(
    cells: list[str], values: list[float]
) -> None:
    feature = Preprocessing.fit(column(cells)).features[0]
    assert isinstance(feature, Number)
    np.testing.assert_allclose(feature_values(feature, pl.Series(cells)), values)


def test_marks_can_be_stated() -> None:
    frame = as_frame({"a": [f"{k},{k:03}" for k in range(101, 141)], "y": ["p", "q"] * 20})
    source = FrameSource(frame)
    asked = prepare(source, "y", conventions=read_conventions(decimal="comma"))
    feature = asked.preprocessing.features[0]
    assert isinstance(feature, Number)
    assert feature.notation.decimal == ","
    with pytest.raises(TableError, match="the decimal mark is 'x'; give comma or point"):
        read_conventions(decimal="x")
    with pytest.raises(TableError, match="both"):
        read_conventions(decimal=",", thousands="comma")


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        ([*map(str, range(40)), "-999", "-999"], 2),
        ([*map(str, range(40)), "9999", "9999", "9999"], 3),
        ([*map(str, range(40)), "-999"], 0),
        ([*map(str, range(60, 100)), "99", "99"], 0),
        ([*(f"{k}.5" for k in range(40)), "unknown"], 1),
        ([*(f"{k}.5" for k in range(40)), "#DIV/0!", "#N/A"], 2),
    ],
)
def test_what_stands_for_no_value_among_numbers_is_missing_and_said(cells: list[str], missing: int) -> None:
    table = as_frame({"a": cells, "y": ["p", "q"] * (len(cells) // 2) + ["p"] * (len(cells) % 2)})
    prepared = prepare(FrameSource(table), "y")
    feature = next(each for each in prepared.preprocessing.features if each.name == "a")
    assert isinstance(feature, Number)
    encoded = feature.arithmetic(feature_values(feature, table["a"]))
    assert encoded.shape[1] == 1 + bool(missing)
    assert (encoded[:, 1].sum() if missing else 0) == missing
    assert bool(missing) == any("is taken for no value" in note for note in prepared.notes)


def test_a_number_for_no_value_is_one_in_typed_columns_and_can_be_kept() -> None:
    table = as_frame({"a": [*range(30), -999, -999], "y": ["p", "q"] * 16})
    feature = prepare(FrameSource(table), "y").preprocessing.features[0]
    assert isinstance(feature, Number)
    assert feature.sentinels == (-999.0,)
    assert Number("a", 1.0, 0.0, 1.0, None, True, (), (-999.0,)).arithmetic(np.array([-999.0])).tolist() == [[1.0, 1.0]]
    kept = prepare(FrameSource(table), "y", kinds={"a": "number"}).preprocessing.features[0]
    assert isinstance(kept, Number)
    assert kept.sentinels == ()
    words = Conventions(missing=("7", "n/v"))
    told = prepare(FrameSource(table), "y", kinds={"a": "number"}, conventions=words).preprocessing.features[0]
    assert isinstance(told, Number)
    assert told.sentinels == (7.0,)


def test_a_target_has_a_notation_too(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a;y\n" + "".join(f"{k % 7};{k}.{k * 7:03},5 €\n" for k in range(14, 90)), "utf-8")
    prepared = prepare(open_table(str(path)), "y")
    assert isinstance(prepared.target, NumberTarget)
    assert prepared.target.notation == Notation(",", ".", "€")
    assert prepared.target.encode(pl.Series(["14.098,5 €"])) == pytest.approx(
        (14098.5 - prepared.target.mean) / prepared.target.scale
    )


def test_two_notations_in_one_column_are_refused() -> None:
    cells = [f"{k},5" if k % 2 else f"{k}.5" for k in range(30)]
    with pytest.raises(TableError, match="a number with a decimal comma; write all numbers of the column alike"):
        Preprocessing.fit(as_frame({"a": cells}))
