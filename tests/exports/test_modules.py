"""The modules for NumPy and PyTorch beside the model: read as source everywhere, run where their library is there."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.exported import CASES, FRAME, arrays, assert_equal, columns_as, docstring_example, expected, load, model_of
from support.spellings import SPELLED, TEXTS

from chainrule.exports import export_model
from chainrule.models import Model
from chainrule.networks import Architecture
from chainrule.tables import ClassTarget, Notation, Number, NumberTarget, Preprocessing
from chainrule.words import ChainruleError

HAS_TORCH = importlib.util.find_spec("torch") is not None
TARGETS = ("numpy", "torch") if HAS_TORCH else ("numpy",)


@pytest.mark.parametrize("target", ["numpy", "torch"])
def test_the_source_is_python_that_a_linter_likes(target: str, tmp_path: Path) -> None:
    for case in CASES:
        path, weights = export_model(model_of(case), target, tmp_path / f"{case}.py")
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert "predict" in names
        assert ("probabilities" in names) == (expected(case)[1] is not None)
        with np.load(weights, allow_pickle=False) as found:
            assert set(found.files) == set(model_of(case).params)
    assert {path.name for path in tmp_path.iterdir()} == {f"{case}{end}" for case in CASES for end in (".py", ".npz")}
    rules = "E7,E9,F,B,I,SIM,UP,RET"
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--quiet",
        f"--select={rules}",
        "--ignore=UP017,SIM108,RET504",
        str(tmp_path),
    ]
    assert subprocess.run(command, capture_output=True, text=True).stdout == ""


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_predictions_are_those_of_the_model(case: str, target: str, tmp_path: Path) -> None:
    path, _ = export_model(model_of(case), target, tmp_path / "net.py")
    module = load(Path(path))
    kinds = ["lists", "polars", "pandas"] if case == "layers" else ["lists"]
    for kind in kinds:
        given = arrays() if case == "arrays" else columns_as(kind)
        shares = module.probabilities(given) if expected(case)[1] is not None else None
        assert_equal(case, module.predict(given), shares)


@pytest.mark.parametrize("target", TARGETS)
def test_one_row_is_as_good_as_many(target: str, tmp_path: Path) -> None:
    module = load(Path(export_model(model_of("layers"), target, tmp_path / "net.py")[0]))
    whole = module.probabilities(FRAME)
    for row in (0, 4, FRAME.height - 1):
        single = module.probabilities({name: FRAME[name][row : row + 1].to_list() for name in FRAME.columns})
        np.testing.assert_allclose(single, whole[row : row + 1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", ["layers", "arrays"])
def test_the_example_runs_from_its_folder(case: str, target: str, tmp_path: Path) -> None:
    path, _ = export_model(model_of(case), target, tmp_path / "net.py")
    example = docstring_example(Path(path).read_text(encoding="utf-8"))
    assert "from net import predict" in example
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[")


def test_numpy_needs_nothing_of_ours(tmp_path: Path) -> None:
    export_model(model_of("layers"), "numpy", tmp_path / "net.py")
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['chainrule', 'polars', 'scipy', 'llvmlite'])); import net; "
        "print(net.CLASSES[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "a\n", done.stderr


def test_weights_of_another_export_are_refused(tmp_path: Path) -> None:
    path, weights = export_model(model_of("layers"), "numpy", tmp_path / "net.py")
    other = Path(export_model(model_of("batches"), "numpy", tmp_path / "other.py")[1])
    Path(weights).write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match="does not belong to this module; export the model again"):
        load(Path(path))


def test_a_table_that_lacks_a_column_is_refused(tmp_path: Path) -> None:
    module = load(Path(export_model(model_of("layers"), "numpy", tmp_path / "net.py")[0]))
    with pytest.raises(KeyError, match="lacks the column 'size'"):
        module.predict({name: FRAME[name] for name in FRAME.columns if name != "size"})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", ["regression", "single_number"])
def test_what_the_model_refuses_is_refused_with_its_place(case: str, target: str, tmp_path: Path) -> None:
    model = model_of(case)
    module = load(Path(export_model(model, target, tmp_path / "net.py")[0]))
    cells = [
        "1_000",
        "inf",
        "-Infinity",
        "\u0661\u0662",
        "1e999",
        "0x10",
        "1,5",
        "1e3f",
        *(["1e39"] if "s" in case[0] else []),
    ]
    for cell in cells:
        table = {name: FRAME[name].to_list() for name in FRAME.columns} | {
            "x": ["1.5", cell] + [""] * (FRAME.height - 2)
        }
        with pytest.raises(ChainruleError, match="row 2, column 'x'"):
            model.predict_frame(pl.DataFrame(table, strict=False))
        with pytest.raises(ValueError, match=r"row 2, column 'x' holds .*(not a finite number|too far from)"):
            module.predict(table)
    far = {name: FRAME[name].to_list() for name in FRAME.columns} | {"x": [0.0, np.inf] + [0.0] * (FRAME.height - 2)}
    with pytest.raises(ValueError, match="row 2, column 'x' holds inf, too far from the 0 ± 1 of training"):
        module.predict(far)
    table = {name: FRAME[name].to_list() for name in FRAME.columns} | {"größe": ["", "", "tomorrow"] * FRAME.height}
    with pytest.raises(ValueError, match="row 3, column 'größe' holds 'tomorrow', which is not a date"):
        module.predict(table)


@pytest.mark.parametrize("target", TARGETS)
def test_numbers_are_read_as_the_model_reads_them(target: str, tmp_path: Path) -> None:
    model = model_of("layers")
    module = load(Path(export_model(model, target, tmp_path / "net.py")[0]))
    spellings = [" 1 ", "+1.5", "-.5", "2.", "1E3", "1e-3", "007", "NA", ""]
    cells = [spellings[k % len(spellings)] for k in range(FRAME.height)]
    table = FRAME.with_columns(pl.Series("x", cells))
    assert model.preprocessing is not None
    np.testing.assert_allclose(module.encode(table), model.preprocessing.encode(table), rtol=1e-6)


@pytest.mark.parametrize("target", TARGETS)
def test_durations_are_read_as_the_model_reads_them(target: str, tmp_path: Path) -> None:
    """Of clocks and in words, to the bit of what is expected, with refusals of what is neither."""
    seconds = {
        "3:45": 225.0, "-1:02:30.5": -3750.5, "1h20m": 4800.0, "2 d 45 min": 175_500.0, "-5 days, 3:04:05": -420_955.0,
        "-5 days 3:04:05": -443_045.0, "-1 days +23:00:00": -3600.0, "0 days 01:02:03.5": 3723.5,
        "2 days -01:00:00": 169_200.0,
        "-1 days -00:00:30": -86_430.0, "+1 days +00:00:30": 86_430.0,
        "PT1H20M": 4800.0, "P1DT0.25S": 86_400.25, "90 s": 90.0,
    }  # fmt: skip
    preprocessing = Preprocessing((Number("d", 0.0, 0.0, 1.0, notation=Notation(duration=True)),))
    network = Architecture(1, (), 1)
    module = load(
        Path(export_model(Model.of(network, network.initial(0), preprocessing), target, tmp_path / "d.py")[0])
    )
    for encode in (module.encode, partial(preprocessing.encode, dtype=np.float64)):
        np.testing.assert_array_equal(np.asarray(encode({"d": [*seconds]}))[:, 0], [*seconds.values()])
        for wrong in (
            "P",
            "PT",
            "h",
            "1h20",
            "1:2:3:4:5",
            "20m1h",
            "1 mute",
            "2 hou",
            "-1:+2:+3:4",
            "1 day +-02:00:00",
        ):
            with pytest.raises(ValueError, match="which is not a"):
                encode({"d": ["1:30", wrong]})


def test_every_spelling_of_a_number_is_the_level_that_it_is_to_the_model(tmp_path: Path) -> None:
    preprocessing = Preprocessing((SPELLED,))
    network = Architecture(preprocessing.width, (2,), 1)
    model = Model.of(network, network.initial(0), preprocessing, NumberTarget("t", 0.0, 1.0))
    module = load(Path(export_model(model, "numpy", tmp_path / "net.py")[0]))
    np.testing.assert_array_equal(module.encode({"c": list(TEXTS)}), preprocessing.encode({"c": list(TEXTS)}))


def test_a_word_that_is_neither_yes_nor_no_is_missing_as_it_is_in_the_model(tmp_path: Path) -> None:
    model = model_of("layers")
    module = load(Path(export_model(model, "numpy", tmp_path / "net.py")[0]))
    odd = FRAME.with_columns(pl.Series("W1", ["maybe", "2"] * FRAME.height)[: FRAME.height])
    assert model.preprocessing is not None
    np.testing.assert_allclose(module.encode(odd), model.preprocessing.encode(odd), rtol=1e-6)


if HAS_TORCH:

    @pytest.mark.parametrize("case", ["layers", "batches", "formulas", "single"])
    def test_gradients_flow_to_what_is_learnt(case: str, tmp_path: Path) -> None:
        import torch

        model = model_of(case)
        module = load(Path(export_model(model, "torch", tmp_path / "net.py")[0]))
        learnt = {name for name, _ in module.network.named_parameters()}
        assert learnt == {name for name in model.params if not name.startswith(("mean", "variance"))}
        encoded = torch.from_numpy(module.encode(FRAME)).requires_grad_()
        module.network(encoded).square().sum().backward()
        assert encoded.grad is not None
        assert all(bool(p.grad.abs().sum() > 0) for p in module.network.parameters())
        assert set(module.network.state_dict()) == set(model.params)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("outputs", "functions"), [(1, ("predict",)), (3, ("predict", "probabilities"))])
def test_a_row_that_is_too_large_is_refused(
    target: str, outputs: int, functions: tuple[str, ...], tmp_path: Path
) -> None:
    network = Architecture(2, (), outputs, loss="cross_entropy" if outputs > 1 else "squared")
    parameters = {"W1": np.full((2, outputs), 1e300), "b1": np.zeros(outputs)}
    classes = ClassTarget("t", ("a", "b", "c")) if outputs > 1 else None
    path, _ = export_model(Model.of(network, parameters, None, classes), target, tmp_path / "net.py")
    module = load(Path(path))
    for name in functions:
        with pytest.raises(ValueError, match="row 1 holds numbers too large for this model"):
            getattr(module, name)(np.array([[0, 0], [1e200, 0]]))
        assert len(getattr(module, name)(np.zeros((0, 2)))) == 0
