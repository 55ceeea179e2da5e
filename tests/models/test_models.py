"""A loaded model makes bitwise the same predictions as the saved one, and describes itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from support.subprocesses import script

from chainrule.engines import get_engine
from chainrule.ir import ArrayType, Const, Input, Program, named_dim
from chainrule.models import Model, ModelError, described, inspect_model, load_model, save_model
from chainrule.networks import Architecture, TrainingSettings, predict_rows, train
from chainrule.primitives import add, matmul
from chainrule.tables import (
    Boolean,
    Category,
    ClassTarget,
    Date,
    LeftOut,
    Notes,
    Number,
    NumberTarget,
    Part,
    Preprocessing,
    TableError,
)
from chainrule.training import Adam

RANDOM = np.random.default_rng(0)
PREPROCESSING = Preprocessing(
    (
        Number("age", fill=30.0, mean=40.0, scale=10.0, flag_missing=True),
        Number("income", fill=1e4, mean=2.5, scale=0.8, unit=1e3),
        Boolean("member", ("no", "yes"), fill=0.0),
        Category("city", ("Oslo", "Rome", "北京"), other=True, missing=True),
        Date("since", "year-month-day", (Part("year", 2000.0, 5.0), Part("month")), fill=0),
    ),
    (LeftOut("id", "identifier", "different in every row"), LeftOut("zero", "constant", "the same in every row")),
)
TABLE = {
    "age": ["30", "", "51.5", "18"],
    "income": ["12000", "0", "-5", "1e6"],
    "member": ["yes", "no", "", "yes"],
    "city": ["Rome", "北京", "Lima", ""],
    "since": ["2001-02-03", "1999-12-31", "", "2024-02-29"],
}
ARCHITECTURES = {
    "linear": Architecture(5, (), 2),
    "one layer": Architecture(5, (7,), 1, activations="tanh"),
    "single precision": Architecture(5, (33, 20), 3, dtype="float32"),
    "classes": Architecture(5, (8,), 3, loss="cross_entropy", activations="gelu"),
    "counts": Architecture(5, (8,), 2, loss="poisson"),
    "formulas": Architecture(5, (6,), 1, activations="z * sigmoid(1.7 * z)", loss="abs(p - y)^1.5"),
    "batch norm": Architecture(5, (9, 9), 2, normalization="batch", dropout=0.2, alpha=0.01),
    "layer norm": Architecture(5, (9, 9), 2, normalization="layer", dtype="float32"),
    "functions": Architecture(5, (6,), 1, activations=lambda z: z / (1 + z**2), loss=lambda p, y: (p - y) ** 4),
    "quantiles": Architecture(5, (6,), 3, loss={"name": "quantile", "levels": [0.1, 0.5, 0.9]}),
}


def model_of(network: Architecture, **more: Any) -> Model:
    """A model with random numbers in place of learnt ones, statistics among them."""
    params = network.initial(0)
    for name, shape in network.statistics.items():
        params[name] = RANDOM.random(shape).astype(network.dtype) + 0.5
    return Model.of(network, params, **more)


def again(model: Model, folder: Path) -> Model:
    path = str(folder / "model.safetensors")
    save_model(path, model)
    return load_model(path)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_predictions_are_the_same_bits_after_loading(tmp_path: Path, name: str) -> None:
    network = ARCHITECTURES[name]
    model = model_of(network)
    X = RANDOM.standard_normal((300, 5))
    expected = predict_rows(network, model.params, X)
    assert model.predict_encoded(X).tobytes() == expected.tobytes()
    loaded = again(model, tmp_path)
    assert loaded.predict_encoded(X).tobytes() == expected.tobytes()
    assert loaded.program.outputs == model.program.outputs
    assert loaded.loss is not None
    assert model.loss is not None
    assert loaded.loss.outputs == model.loss.outputs
    assert list(loaded.params) == list(model.params)
    for key, array in model.params.items():
        assert loaded.params[key].tobytes() == array.tobytes()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_native_engine_predicts_what_the_reference_does(name: str) -> None:
    model = model_of(ARCHITECTURES[name])
    X = RANDOM.standard_normal((20, 5)).astype(model.dtype)
    program = model.program.bind({"n": 20})
    (expected,) = get_engine("reference").compile(program)({"X": X, **model.params})
    tolerance = 100 * float(np.finfo(model.dtype).eps)
    assert np.allclose(model.predict_encoded(X), expected, rtol=tolerance, atol=tolerance)


@given(st.integers(0, 299), st.integers(0, 299), st.integers(0, 2**32 - 1))
def test_a_row_is_predicted_the_same_wherever_it_stands(first: int, last: int, seed: int) -> None:
    model = model_of(ARCHITECTURES["single precision"])
    X = np.random.default_rng(1).standard_normal((300, 5)).astype(np.float32)
    whole = model.predict_encoded(X)
    first, last = min(first, last), max(first, last)
    assert model.predict_encoded(X[first:last]).tobytes() == whole[first:last].tobytes()
    order = np.random.default_rng(seed).permutation(300)[:100]
    assert model.predict_encoded(X[order]).tobytes() == whole[order].tobytes()


def test_a_model_predicts_arrays_or_tables() -> None:
    network = Architecture(5, (7,), 1, activations="tanh")
    model = Model.of(network, network.initial(0))
    X = RANDOM.normal(size=(4, 5))
    np.testing.assert_array_equal(model.predict(X), model.predict_encoded(X)[:, 0])
    tall = Architecture(PREPROCESSING.width, (8,), 3, loss="cross_entropy")
    classes = Model.of(tall, tall.initial(0), PREPROCESSING, ClassTarget("kind", ("cat", "dog", "猫")))
    assert classes.predict(TABLE) == classes.predict_frame(TABLE).predictions


def test_a_model_is_shown_in_a_line() -> None:
    network = Architecture(5, (7,), 1, activations="tanh")
    model = Model.of(network, network.initial(0))
    assert repr(model) == "<Model 5 inputs, 1 output, 50 parameters>"


def test_files_of_the_same_model_are_the_same_bytes(tmp_path: Path) -> None:
    model = model_of(ARCHITECTURES["classes"], metrics={"accuracy": 0.9})
    for name in ("a", "b"):
        save_model(str(tmp_path / name), model)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    save_model(str(tmp_path / "c"), load_model(str(tmp_path / "a")))
    assert (tmp_path / "c").read_bytes() == (tmp_path / "a").read_bytes()


def test_everything_about_a_model_comes_back(tmp_path: Path) -> None:
    target = ClassTarget("kind", ("cat", "dog", "猫"))
    network = Architecture(PREPROCESSING.width, (8,), 3, loss="cross_entropy")
    metrics = {"accuracy": 0.75, "trivial": {"accuracy": 0.5}, "curve": [1.0, 0.5], "none": None, "nan": float("nan")}
    model = Model.of(network, network.initial(0), PREPROCESSING, target, {"epochs": 3}, metrics, "ab" * 32)
    loaded = again(model, tmp_path)
    assert loaded.preprocessing == PREPROCESSING
    assert loaded.target == target
    assert loaded.classes == target.classes
    assert loaded.architecture == network.describe()
    assert loaded.network() == network
    assert loaded.metrics == {**metrics, "nan": "nan"}
    assert (loaded.settings, loaded.fingerprint) == ({"epochs": 3}, "ab" * 32)
    assert (loaded.versions, loaded.trained) == (model.versions, model.trained)
    assert set(loaded.versions) >= {"python", "chainrule", "numpy", "llvmlite"}
    assert not loaded.params["W1"].flags.writeable


def test_classes_with_probabilities_for_a_table(tmp_path: Path) -> None:
    network = Architecture(PREPROCESSING.width, (8,), 3, loss="cross_entropy")
    model = model_of(network, preprocessing=PREPROCESSING, target=ClassTarget("kind", ("cat", "dog", "mouse")))
    notes = Notes()
    found = again(model, tmp_path).predict_frame(TABLE, notes)
    assert found.probabilities is not None
    assert found.probabilities.shape == (4, 3)
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert found.predictions == [model.classes[k] for k in found.probabilities.argmax(axis=1)]
    assert "Lima" in " ".join(notes.sentences())
    before = model.predict_frame(TABLE)
    assert before.probabilities is not None
    assert found.probabilities.tobytes() == before.probabilities.tobytes()
    with pytest.raises(TableError, match="lacks the column 'age'"):
        model.predict_frame({name: column for name, column in TABLE.items() if name != "age"})


def test_two_classes_of_one_output() -> None:
    network = Architecture(PREPROCESSING.width, (8,), 1, loss="binary_cross_entropy")
    model = model_of(network, preprocessing=PREPROCESSING, target=ClassTarget("won", ("no", "yes")))
    found = model.predict_frame(TABLE)
    assert found.probabilities is not None
    assert found.probabilities.shape == (4, 2)
    outputs = model.predict_encoded(PREPROCESSING.encode(TABLE, dtype=float))
    assert np.array_equal(found.probabilities[:, 1], outputs[:, 0])
    assert found.predictions == ["yes" if p > 0.5 else "no" for p in outputs[:, 0]]


def test_numbers_are_on_the_scale_of_the_target() -> None:
    target = NumberTarget("price", mean=100.0, scale=10.0)
    model = model_of(Architecture(PREPROCESSING.width, (8,), 1), preprocessing=PREPROCESSING, target=target)
    found = model.predict_frame(TABLE)
    assert found.probabilities is None
    raw = model.predict_encoded(PREPROCESSING.encode(TABLE, dtype=float))
    assert np.array_equal(np.asarray(found.predictions), raw[:, 0] * 10 + 100)
    several = model_of(Architecture(PREPROCESSING.width, (8,), 3), preprocessing=PREPROCESSING, target=target)
    assert np.shape(several.predict_frame(TABLE).predictions) == (4, 3)


def test_no_rows_are_no_predictions() -> None:
    assert model_of(ARCHITECTURES["classes"]).predict_encoded(np.empty((0, 5))).shape == (0, 3)


@pytest.mark.parametrize("X", [np.zeros(5), np.zeros((2, 4)), np.array([["a"] * 5]), np.zeros((2, 5, 1))])
def test_arrays_that_do_not_fit_are_refused(X: Any) -> None:
    with pytest.raises(ModelError, match=r"the model takes numbers \(rows, 5\)"):
        model_of(ARCHITECTURES["classes"]).predict_encoded(X)


def test_a_model_of_arrays_takes_no_tables() -> None:
    with pytest.raises(ModelError, match="give an array to predict"):
        model_of(ARCHITECTURES["linear"]).predict_frame(TABLE)


def test_functions_stay_in_the_program_but_not_in_the_architecture(tmp_path: Path) -> None:
    loaded = again(model_of(ARCHITECTURES["functions"]), tmp_path)
    assert loaded.predict_encoded(np.ones((2, 5))).shape == (2, 1)
    with pytest.raises(ModelError, match=r"cannot be reconstructed: .* give the function itself"):
        loaded.network()


def test_programs_of_ones_own_are_models_too(tmp_path: Path) -> None:
    """With an array literal in them, which is kept as a tensor."""
    X = Input("X", ArrayType((named_dim("rows"), 2)))
    W = Input("weights", ArrayType((2, 3)))
    offset = Const(np.arange(3.0), ArrayType((3,)))
    program = Program((X, W), (add(matmul(X, W), offset),))
    model = Model(program, {"weights": np.arange(6.0).reshape(2, 3)})
    loaded = again(model, tmp_path)
    assert np.array_equal(loaded.predict_encoded(np.eye(2)), np.arange(6.0).reshape(2, 3) + np.arange(3.0))
    with safe_open(str(tmp_path / "model.safetensors"), "np") as file:
        assert sorted(file.keys())[0].startswith("program.nodes[")


def test_any_tool_reads_the_weights(tmp_path: Path) -> None:
    model = model_of(ARCHITECTURES["batch norm"])
    path = tmp_path / "model.safetensors"
    save_model(str(path), model)
    with safe_open(str(path), "np") as file:
        assert set(file.keys()) == set(model.params)
        assert np.array_equal(file.get_tensor("W1"), model.params["W1"])
        description = json.loads(file.metadata()["chainrule"])
    assert description["format"] == "chainrule model"
    assert description["architecture"]["normalization"] == "batch"


def test_what_json_cannot_hold_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    network = ARCHITECTURES["linear"]
    for value, said in {
        lambda: 1: "metrics.x is a function, which a file cannot hold",
        object(): "metrics.x is of the type object, which a file cannot hold",
        "\ud800": "is not text in Unicode",
    }.items():
        with pytest.raises(ModelError, match=said):
            save_model(str(path), Model.of(network, network.initial(0), metrics={"x": value}))
    assert not path.exists()


def test_a_description_that_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    network = ARCHITECTURES["linear"]
    for metrics in ({"x": "y" * 10_000_000}, {"x": list(range(1_100_000))}):
        with pytest.raises(ModelError, match="keep fewer metrics and settings in it"):
            save_model(str(tmp_path / "model.safetensors"), Model.of(network, network.initial(0), metrics=metrics))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_would_not_be_read_is_not_written(tmp_path: Path) -> None:
    network = Architecture(PREPROCESSING.width, (), 1)
    model = Model.of(network, network.initial(0), PREPROCESSING, NumberTarget("price", 0.0, 0.0))
    with pytest.raises(ModelError, match=r"the model cannot be written: .*scale"):
        save_model(str(tmp_path / "model.safetensors"), model)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"W1": np.full((5, 2), np.nan)}, "W1 holds numbers that are not finite"),
        ({"W1": np.zeros((4, 2))}, r"W1 has the shape \(4, 2\)"),
        ({"V": np.zeros(2)}, "there is a parameter 'V'"),
    ],
)
def test_a_model_is_checked_as_it_is_made(change: dict[str, Any], said: str) -> None:
    model = model_of(ARCHITECTURES["linear"])
    with pytest.raises(ModelError, match=said):
        Model(model.program, {**model.params, **change})


def test_a_file_in_the_way_stays(tmp_path: Path) -> None:
    model = model_of(ARCHITECTURES["linear"])
    for path, said in {
        tmp_path: "is a folder; give a file",
        tmp_path / "none" / "model": "there is no folder",
        Path("/proc/model"): "no file can be made there",
    }.items():
        with pytest.raises(ModelError, match=said):
            save_model(str(path), model)
    assert list(tmp_path.iterdir()) == []


def test_a_description_in_words(tmp_path: Path) -> None:
    network = Architecture(
        PREPROCESSING.width, (8, 4), 3, activations=("tanh", "relu"), loss="cross_entropy", dropout=0.1, alpha=0.01
    )
    target = ClassTarget("kind", ("cat", "dog", "mouse"))
    path = str(tmp_path / "model.safetensors")
    save_model(path, Model.of(network, network.initial(0), PREPROCESSING, target, {}, {"accuracy": 0.5}))
    found = inspect_model(path)
    assert (found.task, found.target, found.classes) == ("classification", "kind", target.classes)
    assert found.network == f"{PREPROCESSING.width} → 8 tanh → 4 relu → 3 softmax"
    assert found.loss == "cross_entropy"
    assert found.regularization == ("dropout 0.1", "½ · 0.01 · ΣW² / rows")
    assert found.size == Path(path).stat().st_size
    assert [column.name for column in found.columns] == list(TABLE)
    assert found.columns[0].encoding == "(x − 40) / 10, missing as 30, and flagged"
    assert found.columns[1].encoding == "(sign(x) log(1 + |x| / 1000) − 2.5) / 0.8, missing as 10000"
    assert found.columns[2].encoding == "1 for yes, 0 for no, missing as no"
    assert found.columns[3].encoding == "0 or 1 for each of Oslo, Rome, 北京, any other, missing"
    assert found.columns[4].encoding == "year, month"
    assert found.left_out[0] == ("id", "different in every row")
    assert sum(len(column.encoded) for column in found.columns) == found.inputs == PREPROCESSING.width
    assert found.parameters == sum(array.size for array in network.initial(0).values())
    assert found.progress is None
    json.dumps(found.as_dict())


def test_losses_in_words() -> None:
    for loss, words in {
        "squared": "squared",
        "abs(p - y)^1.5": "abs(p - y)^1.5",
        "huber": "huber, delta 1",
    }.items():
        assert described(model_of(Architecture(5, (), 1, loss=loss))).loss == words
    quantiles = described(model_of(ARCHITECTURES["quantiles"]))
    assert quantiles.loss == "quantile, levels 0.1 and 0.5 and 0.9"


def test_a_model_predicts_the_same_bits_in_another_process(tmp_path: Path) -> None:
    network = Architecture(5, (16,), 2, activations="tanh")
    X = RANDOM.standard_normal((64, 5))
    state = train(network, network.initial(0), X, X[:, :2], settings=TrainingSettings(Adam(0.01), epochs=3))
    model = Model.of(network, state.learnt)
    save_model(str(tmp_path / "model.safetensors"), model)
    np.save(tmp_path / "X.npy", X)
    said = script(
        """
        import hashlib, sys
        import numpy as np
        from chainrule.models import load_model
        model = load_model(sys.argv[1])
        print(hashlib.sha256(model.predict_encoded(np.load(sys.argv[2])).tobytes()).hexdigest())
        """,
        str(tmp_path / "model.safetensors"),
        str(tmp_path / "X.npy"),
    )
    assert said.strip() == hashlib.sha256(model.predict_encoded(X).tobytes()).hexdigest()


def test_without_safetensors_one_line_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['safetensors'] = None\n"
        "from chainrule.models import load_model\n"
        "from chainrule import MissingDependencyError\n"
        "try: load_model('x')\nexcept MissingDependencyError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == (
        "models are kept in safetensors files; install what reads them with pip install 'chainrule[tables]'\n"
    )
