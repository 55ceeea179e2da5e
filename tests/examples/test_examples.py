"""Every script in `examples/` runs, and shows what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.subprocesses import HANG

EXAMPLES = Path(__file__).parents[2] / "examples"


def shown(tmp_path: Path, name: str, *arguments: str) -> str:
    """What a script prints; warnings are errors in it as they are here."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def column(text: str, row: str, number: int = -1) -> float:
    """A number in the line that begins with `row`."""
    line = next(line for line in text.splitlines() if line.startswith(row))
    return float(re.findall(r"\d+\.\d+", line)[number])


def test_every_example_is_tested() -> None:
    tested = set(re.findall(r'shown\(tmp_path, "(\w+)"', Path(__file__).read_text(encoding="utf-8")))
    assert tested == {path.stem for path in EXAMPLES.glob("*.py")}


def test_tables_are_written(tmp_path: Path) -> None:
    shown(tmp_path, "export_tables", str(tmp_path / "tables"))
    assert (tmp_path / "tables" / "iris.csv").read_text().splitlines()[0].endswith(",species")


def test_a_pipeline_gives_the_same_network(tmp_path: Path) -> None:
    text = shown(tmp_path, "pipeline_replacement")
    assert column(text, "chainrule") == column(text, "scikit-learn")
    difference = re.search(r"no weight differs by more than (\S+)", text)
    assert difference is not None
    assert float(difference[1]) < 1e-9


def test_class_weights_find_the_rare_class(tmp_path: Path) -> None:
    text = shown(tmp_path, "imbalanced_classes")
    assert column(text, "balanced ") > column(text, "as it is") + 0.2
    assert column(text, "focal loss") > column(text, "as it is") + 0.2


def test_quantiles_hold_what_they_should(tmp_path: Path) -> None:
    text = shown(tmp_path, "quantile_regression")
    inside, below = (int(share) for share in re.findall(r"(\d+)%", text))
    assert 80 <= inside <= 98
    assert 40 <= below <= 62
    assert "(111, 3)" in text


def test_calibration_lowers_the_log_loss(tmp_path: Path) -> None:
    text = shown(tmp_path, "calibrated_probabilities")
    assert column(text, "calibrated", 0) < column(text, "raw", 0)


def test_activations_of_ones_own(tmp_path: Path) -> None:
    text = shown(tmp_path, "custom_activation")
    for name in ("relu", "formula", "function", "one a layer"):
        assert column(text, name) > 0.8
    assert "1 − 2 z1²" in text
    assert "every line verified: True" in text


def test_a_search_on_dask_is_the_search_on_loky(tmp_path: Path) -> None:
    text = shown(tmp_path, "search_on_dask")
    assert "Dask, 2 workers" in text
    assert "the same scores: True" in text
    assert "the same restarts: True" in text


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    text = shown(tmp_path, "resume")
    assert "the checkpoint is of epoch 35" in text
    assert "the same bits as without a stop: True" in text


def test_curves_for_tensorboard(tmp_path: Path) -> None:
    text = shown(tmp_path, "tensorboard_logging", str(tmp_path / "runs"))
    assert column(text, "30 epochs") > 0.9
    assert list((tmp_path / "runs").glob("events.out.tfevents*"))


def test_onnx_says_what_the_estimator_says(tmp_path: Path) -> None:
    text = shown(tmp_path, "export_to_onnx")
    assert "outputs: label, probabilities" in text
    assert column(text, "accuracy") > 0.9
    difference = re.search(r"largest difference from the estimator: (\S+)", text)
    assert difference is not None
    assert float(difference[1]) < 1e-9
    assert "in C: wine_predict, wine_gradients, wine_train" in text
