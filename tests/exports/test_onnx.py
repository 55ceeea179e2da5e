"""The graph in onnxruntime compared with the model: many rows and one, with any cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from support.exported import (
    CASES,
    COLUMNS,
    ROWS,
    TOLERANCE,
    arrays,
    assert_equal,
    cells,
    expected,
    model_of,
)
from support.spellings import LEVELS, SPELLED, TEXTS

import chainrule as cr
from chainrule.exports import ExportError, export_model
from chainrule.models import Model
from chainrule.networks import ACTIVATIONS, Architecture
from chainrule.tables import Boolean, Category, ClassTarget, LevelNumbers, Number, NumberTarget, Preprocessing, Scaling

Array = np.ndarray[Any, Any]


def session(model: Model, folder: Path) -> onnxruntime.InferenceSession:
    """The model as onnxruntime has it; warnings of it are errors."""
    (path,) = export_model(model, "onnx", folder / "net.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def feed(model: Model) -> dict[str, Array]:
    """The table as inputs of the graph."""
    if model.preprocessing is None:
        return {"X": arrays().astype(model.dtype)}
    return {feature.name: cells(feature)[:, None] for feature in model.preprocessing.features}


@pytest.mark.parametrize("case", CASES)
def test_predictions_are_those_of_the_model(case: str, tmp_path: Path) -> None:
    model = model_of(case)
    running = session(model, tmp_path)
    given = feed(model)
    found = running.run(None, given)
    if expected(case)[1] is not None:
        label, shares = found
        assert_equal(case, label.tolist(), shares)
        assert shares.dtype == model.dtype
    else:
        (values,) = found
        assert values.shape == (ROWS, model.outputs)
        assert_equal(case, values[:, 0] if model.outputs == 1 else values, None)
    for row in (0, 1, 2, 12, ROWS - 1):
        alone = running.run(None, {name: column[row : row + 1] for name, column in given.items()})
        for one, many in zip(alone, found, strict=True):
            if one.dtype == object:
                assert one.tolist() == many[row : row + 1].tolist()
            else:
                np.testing.assert_allclose(one, many[row : row + 1], rtol=TOLERANCE[model.dtype.name])
    nothing = running.run(None, {name: column[:0] for name, column in given.items()})
    assert all(len(each) == 0 for each in nothing)


def test_what_the_graph_says_of_itself(tmp_path: Path) -> None:
    model = model_of("layers")
    running = session(model, tmp_path)
    inputs = {each.name: (each.type, each.shape) for each in running.get_inputs()}
    assert list(inputs) == list(COLUMNS)
    assert inputs["int"] == ("tensor(double)", ["n", 1])
    assert inputs["size"] == ("tensor(string)", ["n", 1])
    assert inputs["when"] == ("tensor(int64)", ["n", 1])
    outputs = {each.name: (each.type, each.shape) for each in running.get_outputs()}
    # One of the columns is called label.
    assert outputs == {"label_2": ("tensor(string)", ["n"]), "probabilities": ("tensor(double)", ["n", 3])}
    loaded = onnx.load(str(tmp_path / "net.onnx"))
    onnx.checker.check_model(loaded, full_check=True)
    assert loaded.producer_name == "chainrule"
    assert "from 10 columns of a table" in loaded.doc_string
    said = {each.key: each.value for each in loaded.metadata_props}
    assert json.loads(said["columns"]) == list(COLUMNS)
    assert json.loads(said["classes"]) == list(model.classes)
    assert said["target"] == "kind */"
    assert json.loads(said["outputs"]) == list(outputs)
    assert {each.name for each in loaded.graph.initializer} >= {"W1_2", "b1", "gain1", "W2"}


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export_model(model_of("layers"), "onnx", path)
    first = path.read_bytes()
    export_model(model_of("layers"), "onnx", path)
    assert path.read_bytes() == first


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_activation(activation: str, dtype: str, tmp_path: Path) -> None:
    network = Architecture(4, (7,), 2, activations=activation, dtype=dtype)
    model = Model.of(network, network.initial(2))
    X = np.concatenate([arrays()[:, :4], [[1e3, -1e3, 50.0, -50.0], [0.0, -0.0, 1e-9, -1e-9]]]).astype(dtype)
    (found,) = session(model, tmp_path).run(None, {"X": X})
    wanted = model.predict_encoded(X)
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * np.abs(wanted).max())


def test_numbers_that_tables_refuse_go_through_as_they_do_in_numpy(tmp_path: Path) -> None:
    features = (Number("a", 1.0, 0.5, 2.0, flag_missing=True), Number("b", 0.0, 0.0, 1.0, unit=2.0))
    network = Architecture(3, (4,), 1, activations="tanh")
    model = Model.of(network, network.initial(4), Preprocessing(features))
    values = np.array([np.inf, -np.inf, 1e308, -1e308, 5e-324, -0.0, np.nan])
    encoded = np.hstack([features[0].arithmetic(values), features[1].arithmetic(values[::-1])])
    running = session(model, tmp_path)
    (found,) = running.run(None, {"a": values[:, None], "b": values[::-1][:, None]})
    np.testing.assert_allclose(found, model.predict_encoded(encoded), rtol=1e-12)


def test_a_wide_table_has_a_short_graph(tmp_path: Path) -> None:
    features = tuple(Number(f"x{k}", 0.0, 1.0, 2.0, flag_missing=k % 3 == 0) for k in range(300))
    preprocessing = Preprocessing((Category("first", ("a", "b")), *features))
    network = Architecture(preprocessing.width, (4,), 2, loss="cross_entropy")
    model = Model.of(network, network.initial(0), preprocessing, ClassTarget("t", ("p", "q")))
    running = session(model, tmp_path)
    random = np.random.default_rng(0)
    table: dict[str, Any] = {f"x{k}": random.normal(size=9) for k in range(300)}
    table["x7"][3] = table["x6"][2] = np.nan
    table["first"] = np.array(list("abcabcabc"), object)
    label, shares = running.run(None, {name: column[:, None] for name, column in table.items()})
    wanted = model.predict_frame({name: column.tolist() for name, column in table.items()})
    assert wanted.probabilities is not None
    np.testing.assert_allclose(shares, wanted.probabilities, rtol=0, atol=1e-12)
    assert label.tolist() == wanted.predictions
    assert len(onnx.load(str(tmp_path / "net.onnx")).graph.node) < 40


def test_what_onnx_cannot_say_is_named(tmp_path: Path) -> None:
    def prediction(X: Any, W: Any) -> Any:
        return X @ np.linalg.inv(W)

    program = cr.trace(prediction, X="n 30", W="30 30")  # too large to be written out
    model = Model(program, {"W": np.eye(30)})
    with pytest.raises(ExportError, match="ONNX has nothing for Inverse, which the model needs; export it as numpy"):
        export_model(model, "onnx", tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_onnx_has_no_operator_for_is_written_out(tmp_path: Path) -> None:
    def prediction(X: Any, W: Any) -> Any:
        return np.sinh(X @ np.linalg.inv(W)) * np.arctan2(X, X @ W)

    random = np.random.default_rng(0)
    W, X = random.normal(size=(3, 3)) + 3 * np.eye(3), random.normal(size=(5, 3))
    export_model(Model(cr.trace(prediction, X="n 3", W="3 3"), {"W": W}), "onnx", tmp_path / "net.onnx")
    (found,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"X": X})
    np.testing.assert_allclose(found, prediction(X, W), rtol=1e-12)


def test_other_spellings_mean_what_they_mean_to_the_model(tmp_path: Path) -> None:
    words = ["yes", " yes", "No ", " TRUE ", "1.00", "+1", "1e0", "01", "1.", "0.00", "-", "0e0", "perhaps"]
    words += ["\u00a0 yEs\u202f\u202f", "\u3000Nein", "oFF\u00a0", "yes no"]
    levels = ["1", "01", "1e0", " 1.0 ", "+1", "2.5", "2.50", "+2.5 ", "2", "x", " x ", "y", ""]
    levels += ["\u00a0x", "x\u202f", " \u00a0NA\u00a0", "x\u00a0x"]
    preprocessing = Preprocessing(
        (
            Boolean("w", ("no", "yes"), 1.0, flag_missing=True),
            Category("c", ("1", "2.5", "x"), other=True, missing=True),
        )
    )
    network = Architecture(preprocessing.width, (4,), 2, loss="cross_entropy")
    model = Model.of(network, network.initial(3), preprocessing, ClassTarget("t", ("a", "b")))
    _, found = session(model, tmp_path).run(
        None, {"w": np.array(words, object)[:, None], "c": np.array(levels, object)[:, None]}
    )
    wanted = model.predict_frame(pl.DataFrame({"w": words, "c": levels})).probabilities
    assert wanted is not None
    np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_every_spelling_of_a_number_means_what_it_means_to_the_model(tmp_path: Path) -> None:
    numbers = tuple((float(place),) for place in range(len(LEVELS)))
    numbered = LevelNumbers("c", LEVELS, numbers, (-2.0,), (-3.0,), (Scaling("place", 1.0, 0.5),))
    preprocessing = Preprocessing((SPELLED, numbered, Boolean("w", ("0", "1"), 1.0, flag_missing=True)))
    network = Architecture(preprocessing.width, (4,), 1)
    model = Model.of(network, network.initial(3), preprocessing, NumberTarget("t", 0.0, 1.0))
    cells = {"c": list(TEXTS), "w": list(TEXTS)}
    given = {name: np.array(texts, object)[:, None] for name, texts in cells.items()}
    (found,) = session(model, tmp_path).run(None, given)
    wanted = model.predict_frame(pl.DataFrame(cells)).predictions
    np.testing.assert_allclose(np.ravel(found), np.ravel(wanted), rtol=1e-9)
