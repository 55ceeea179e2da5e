"""Models of every kind, with hostile tables, for export and comparison."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import (
    Boolean,
    Category,
    ClassTarget,
    Date,
    Feature,
    LevelNumbers,
    Number,
    NumberTarget,
    Part,
    Preprocessing,
    Scaling,
    Target,
    feature_values,
)

Array = NDArray[Any]

LEVELS = ("Oslo", "Ro'me", 'quo"te', "back\\slash", "new\nline", "ünï", "3", "??/", "*/", "%d{x}", "名前", "/*")
CELLS = [*LEVELS, "", "Bonn", "NA", "3.0", "ros", "Osl", "Osloo", "'", "\\", "\U0001f600"]
ROWS = len(CELLS)

PREPROCESSING = Preprocessing(
    (
        Number("a'g\"e\\\n", fill=30.0, mean=40.0, scale=10.0, flag_missing=True),
        Category("ci*/ty ??/", LEVELS, other=True, missing=True),
        LevelNumbers(
            "ci*/ty ??/",
            (*LEVELS, "ros"),
            tuple((0.5 * k, -1.0 / (k + 1)) for k in range(len(LEVELS) + 1)),
            (0.25, 0.125),
            (-0.75, 2.0),
            (Scaling("a", 3.0, 2.0), Scaling("b\n*/", -0.3, 1.0)),
        ),
        Number("int", fill=1.0, mean=-0.5, scale=2.0, unit=3.0),
        Boolean("o\tk", ("no", "yes"), 1.0, flag_missing=True),
        Date(
            "größe",
            "year-month-day",
            (Part("time", 19_000.0, 500.0), Part("year", 2020.0, 3.0), Part("month"), Part("day", 15.0, 8.0)),
            fill=1_600_000_000,
            flag_missing=True,
        ),
        Number("x", fill=0.0, mean=0.0, scale=1.0),
        Category("size", ("S", "M")),
        Date("when", "seconds since 1970", (Part("weekday"), Part("hour")), fill=-5),
        Boolean("W1", ("f", "t"), 0.0),
        Number("label", fill=-2.0, mean=1.0, scale=3.0, unit=0.5, flag_missing=True),
    )
)


def _cycled(values: list[Any]) -> list[Any]:
    return [values[k % len(values)] for k in range(ROWS)]


COLUMNS: dict[str, list[Any]] = {
    "a'g\"e\\\n": _cycled([1.5, None, 3e4, -5.0, 0.0]),
    "ci*/ty ??/": CELLS,
    "int": _cycled([-1e6, 2.0, None, 0.0, 1e12, -0.25, 5e-324]),
    "o\tk": _cycled(["yes", "no", "TRUE", "", "Y", "off", "NA"]),
    "größe": _cycled(
        ["2024-02-29 23:11:05", "1969-12-31 00:00:01", "", "2000-01-01 00:00:00", "1900-03-01", "2100-02-28"]
    ),
    "x": _cycled([0.0, 1.0, -2.0, 3.25]),
    "size": _cycled(["S", "M", "", "L"]),
    "when": _cycled([0, 86_399, -1, None, 951_827_696, -2_203_891_200]),
    "W1": _cycled(["t", "f", None]),
    "label": _cycled([1.0, None, -100.0]),
}
FRAME = pl.DataFrame(COLUMNS)
TAME = {
    **COLUMNS,
    "a'g\"e\\\n": _cycled([35.0, None, 52.0, 41.5]),
    "int": _cycled([-2.0, 2.0, None, 0.0, 5.0]),
    "label": _cycled([1.0, None, -1.0]),
    "größe": _cycled(["2022-02-28 23:11:05", "2020-12-31 00:00:01", "", "2021-03-01"]),
}
"""The same columns with numbers suitable for training."""

CLASSES = ("a", 'b"\\', "ü\n??/")
BINARY = ("no", "yes")
PRICE = NumberTarget("price ??/\\", mean=-100.5, scale=12.0)
WIDTH = PREPROCESSING.width

_SIX = ("silu", "leaky_relu", "softplus", "softsign", "linear", "sigmoid")

_CASES: dict[str, tuple[dict[str, Any], Target | None]] = {
    "regression": ({"hidden": (6,), "alpha": 0.1}, PRICE),
    "ensemble": (
        {
            "hidden": (5, 4),
            "outputs": 3,
            "loss": "cross_entropy",
            "normalization": "batch",
            "members": 3,
            "alpha": 0.1,
            "penalty_rows": 50,
        },
        ClassTarget("kind", CLASSES),
    ),
    "binary": (
        {"hidden": (4, 3), "activations": "tanh", "loss": "binary_cross_entropy"},
        ClassTarget("t", BINARY),
    ),
    "layers": (
        {"hidden": (5,), "outputs": 3, "activations": "gelu", "loss": "cross_entropy", "normalization": "layer"},
        ClassTarget("kind */", CLASSES),
    ),
    "batches": (
        {"hidden": (5, 4), "outputs": 3, "activations": "elu", "loss": "cross_entropy", "normalization": "batch"},
        ClassTarget("kind", CLASSES),
    ),
    "quantiles": (
        {"hidden": (4,), "outputs": 3, "activations": "selu", "loss": {"name": "quantile", "levels": [0.1, 0.5, 0.9]}},
        PRICE,
    ),
    "counts": ({"hidden": (4,), "activations": "mish", "loss": "poisson"}, NumberTarget("count")),
    "formulas": (
        {
            "hidden": (4,),
            "activations": "z * sigmoid(1.7 * z) + where(z > 0, sin(z), -log(1 + z^2))",
            "output_activation": "z + 0.1 * abs(z)^1.5",
            "loss": "abs(p - y)^1.5 + log(1 + (p - y)^2)",
        },
        PRICE,
    ),
    "deep": ({"hidden": (5,) * 6, "activations": _SIX, "outputs": 2, "loss": "huber"}, None),
    "single": (
        {"hidden": (6,), "outputs": 3, "activations": "gelu", "loss": "cross_entropy", "dtype": "float32"},
        ClassTarget("t", CLASSES),
    ),
    "single_number": ({"hidden": (3,), "activations": "softplus", "dtype": "float32"}, PRICE),
    "linear": ({"hidden": (), "outputs": 3, "loss": "focal"}, ClassTarget("t", CLASSES)),
    "arrays": (
        {"hidden": (4,), "outputs": 3, "loss": "cross_entropy", "inputs": 5},
        ClassTarget("t", ("0", "1", "2"), numeric=True),
    ),
}
CASES = tuple(_CASES)
_CASES |= {
    "dropout": ({"hidden": (4, 3), "dropout": 0.4, "inputs": 5}, PRICE),
    "dropout_single": ({"hidden": (4,), "dropout": 0.3, "inputs": 5, "dtype": "float32"}, PRICE),
}
ARRAYS = ("arrays", "dropout", "dropout_single")
"""The cases without a table."""
TOLERANCE = {"float64": 1e-9, "float32": 1e-5}

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
FLAGS = [
    *("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror"),
    *("-Wdouble-promotion", "-Wstrict-prototypes", "-Wundef", "-Wcast-qual"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
]


@cache
def model_of(case: str) -> Model:
    """Return the model of a case, with random parameters that all affect the result."""
    settings, target = _CASES[case]
    architecture = Architecture(**{"inputs": WIDTH, **settings})
    random = np.random.default_rng(3)
    parameters: dict[str, Array] = {}
    for name, array in architecture.initial(1).items():
        parameters[name] = array if name.startswith("W") else array + 0.3 * random.normal(size=array.shape)
    for name, shape in architecture.statistics.items():
        parameters[name] = random.uniform(0.5, 1.5, shape)
    return Model.of(architecture, parameters, None if case in ARRAYS else PREPROCESSING, target)


def expected(case: str) -> tuple[Any, Array | None]:
    """Return the predictions of the model for the table, and the probabilities of classes."""
    model = model_of(case)
    if model.preprocessing is None:
        found = model.decoded(model.predict_encoded(arrays()))
    else:
        found = model.predict_frame(FRAME)
    return found.predictions, found.probabilities


def arrays() -> Array:
    """Return rows for the model without a table."""
    return np.random.default_rng(8).normal(size=(ROWS, 5))


def cells(feature: Feature, columns: Mapping[str, Any] = COLUMNS) -> Array:
    """Return a column as C and ONNX take it: numbers, texts without surrounding blanks, seconds."""
    if isinstance(feature, Category | LevelNumbers | Boolean):
        return np.array(["" if cell is None else cell for cell in columns[feature.name]], object)
    return feature_values(feature, pl.Series(columns[feature.name]))


def assert_equal(case: str, predictions: Any, probabilities: Any) -> None:
    """Assert that the predictions of an export are those of the model."""
    wanted, shares = expected(case)
    tolerance = TOLERANCE[model_of(case).dtype.name]
    if shares is not None:
        np.testing.assert_allclose(probabilities, shares, rtol=0, atol=tolerance)
        assert [str(label) for label in predictions] == wanted
    else:
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(predictions, wanted, rtol=tolerance, atol=tolerance * scale)


def load(path: Path) -> Any:
    """Import the module in a file under a unique name."""
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}_{len(sys.modules)}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def docstring_example(source: str) -> str:
    """Return the example in the docstring of a module, as code."""
    import ast

    text = ast.get_docstring(ast.parse(source)) or ""
    lines = [line[4:] for line in text.split("\n") if line.startswith("    ") or not line.strip()]
    return "\n".join(lines)


def columns_as(kind: str) -> Mapping[str, Any]:
    """Return the table in another form: lists, arrays, a polars or pandas frame."""
    if kind == "lists":
        return COLUMNS
    if kind == "polars":
        return FRAME  # type: ignore[return-value]
    import pandas as pd

    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in COLUMNS.items()})  # type: ignore[no-any-return]


def run_c(folder: Path, body: list[str], headers: list[str], defines: str = "") -> list[list[float]]:
    """Return the numbers that a program prints, by line; nothing without a compiler."""
    lines = [
        "#include <stdio.h>",
        defines,
        *(f'#include "{name}.h"\n#include "{name}.h"' for name in headers),
        'static void put(double x) { printf("%.17g ", x); }',
        "int main(void) {",
        *body,
        "    (void)put;",
        "    return 0;",
        "}",
    ]
    (folder / "main.c").write_text("\n".join(lines))
    if COMPILER is None:
        return []
    subprocess.run(
        [COMPILER, *FLAGS, "main.c", "-o", "main", "-lm"], cwd=folder, check=True, capture_output=True, text=True
    )
    done = subprocess.run([folder / "main"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]
