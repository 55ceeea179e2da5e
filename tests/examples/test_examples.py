"""Every script in `examples/` runs, and prints the expected results."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.subprocesses import HANG

EXAMPLES = Path(__file__).parents[2] / "examples"

Shown = Callable[..., str]


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shown:
    """Return the output of a script, run in this process to avoid repeated imports of scikit-learn."""

    def run(name: str, *arguments: str) -> str:
        script = str(EXAMPLES / f"{name}.py")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [script, *arguments])
        runpy.run_path(script, run_name="__main__")
        out, err = capfd.readouterr()
        assert err == ""
        return out

    return run


def column(text: str, row: str, number: int = -1) -> float:
    """A number in the line that begins with `row`."""
    line = next(line for line in text.splitlines() if line.startswith(row))
    return float(re.findall(r"\d+\.\d+", line)[number])


def test_every_example_is_tested() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    tested = set(re.findall(r'(?:shown\(|EXAMPLES / )"(\w+)', text))
    assert tested == {path.stem for path in EXAMPLES.glob("*.py")}


def test_tables_are_written(tmp_path: Path, shown: Shown) -> None:
    shown("export_tables", str(tmp_path / "tables"))
    assert (tmp_path / "tables" / "iris.csv").read_text().splitlines()[0].endswith(",species")


def test_a_pipeline_gives_the_same_network(shown: Shown) -> None:
    text = shown("pipeline_replacement")
    assert column(text, "chainrule") == column(text, "scikit-learn")
    difference = re.search(r"no weight differs by more than (\S+)", text)
    assert difference is not None
    assert float(difference[1]) < 1e-9


def test_class_weights_find_the_rare_class(shown: Shown) -> None:
    text = shown("imbalanced_classes")
    assert column(text, "balanced ") > column(text, "as it is") + 0.2
    assert column(text, "focal loss") > column(text, "as it is") + 0.2


def test_quantiles_hold_what_they_should(shown: Shown) -> None:
    text = shown("quantile_regression")
    inside, below = (int(share) for share in re.findall(r"(\d+)%", text))
    assert 80 <= inside <= 98
    assert 40 <= below <= 62
    assert "(111, 3)" in text


def test_calibration_lowers_the_log_loss(shown: Shown) -> None:
    text = shown("calibrated_probabilities")
    assert column(text, "calibrated", 0) < column(text, "raw", 0)


def test_activations_of_ones_own(shown: Shown) -> None:
    text = shown("custom_activation")
    for name in ("relu", "formula", "function", "one a layer"):
        assert column(text, name) > 0.8
    assert "∂L/∂z1 = ∂L/∂a1 ⊙ u ⊙ (1 − 2 z1²)" in text
    assert "every line verified: True" in text


def test_a_search_on_dask_is_the_search_in_one_process(tmp_path: Path) -> None:
    """Workers import the script that began them, so it runs as a user runs it."""
    command = [sys.executable, str(EXAMPLES / "search_on_dask.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Dask, 2 workers" in done.stdout
    assert "the same scores: True" in done.stdout
    assert "the same restarts: True" in done.stdout


def test_workers_of_dask_train_one_network(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "train_on_dask.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=HANG)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "2 workers: the loss went from 0.851 to 0.002" in done.stdout
    assert "the same parameters in both: True" in done.stdout
    assert "one process, the same up to rounding: True" in done.stdout


def test_two_processes_come_to_what_one_does(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "two_processes.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=HANG)
    assert done.returncode == 0, done.stderr
    together, alone = (line.partition(": ")[2] for line in done.stdout.splitlines())
    assert together == alone
    assert together.startswith("loss 0.")


def test_a_stopped_run_goes_on_to_the_same_bits(shown: Shown) -> None:
    text = shown("resume")
    assert "the checkpoint is of epoch 35" in text
    assert "bitwise identical to an uninterrupted run: True" in text


def test_curves_for_tensorboard(tmp_path: Path, shown: Shown) -> None:
    text = shown("tensorboard_logging", str(tmp_path / "runs"))
    assert column(text, "30 epochs") > 0.9
    assert list((tmp_path / "runs").glob("events.out.tfevents*"))


def test_onnx_says_what_the_estimator_says(shown: Shown) -> None:
    text = shown("export_to_onnx")
    assert "outputs: label, probabilities" in text
    assert column(text, "accuracy") > 0.9
    difference = re.search(r"largest difference from the estimator: (\S+)", text)
    assert difference is not None
    assert float(difference[1]) < 1e-9
    assert "in C: wine_predict, wine_gradients, wine_train" in text


def test_a_layer_is_derived_to_files(tmp_path: Path, shown: Shown) -> None:
    text = shown("derive_a_layer")
    assert "∂L/∂V = Xᵀ (∂L/∂h)" in text
    assert "every line verified: True" in text
    assert "= 0.25 · 0.5 = 0.125" in text
    assert "<math" in (tmp_path / "gated_layer.html").read_text(encoding="utf-8")
    assert "\\begin{document}" in (tmp_path / "gated_layer.tex").read_text(encoding="utf-8")


def test_answers_are_graded(shown: Shown) -> None:
    text = shown("grade_answers")
    assert "== right: right" in text
    assert "== a mean for a sum: wrong\n✗ 12  db1 = d1.mean(axis=0)" in text
    assert "The wrong operand: z1, where a1 belongs." in text


def test_the_code_is_taken(tmp_path: Path, shown: Shown) -> None:
    assert "rows of ∂L/∂x sum to 0" in shown("take_the_code")
    for name, content in {
        "layer_norm_numpy.py": "import numpy as np",
        "layer_norm_torch.py": "torch.autograd.Function",
        "layer_norm_jax.py": "custom_vjp",
        "layer_norm.h": "static",
    }.items():
        assert content in (tmp_path / name).read_text(encoding="utf-8")


def test_any_loss_is_fitted(shown: Shown) -> None:
    text = shown("fit_any_loss")
    assert "best epoch is the least: True" in text
    assert "read back the same: True" in text
    assert float(text.split("validation loss below ")[1].split()[0]) <= 0.5


def test_the_flow_of_gradients_is_reported(shown: Shown) -> None:
    text = shown("gradient_flow")
    assert re.search(r"^sigmoid +vanishing", text, re.MULTILINE)
    assert re.search(r"^relu +healthy", text, re.MULTILINE)
    assert "The gradient vanishes: between L and " in text


@pytest.mark.parametrize(("lang", "title"), [("en", "The chain rule"), ("zh", "链式法则")])
def test_a_lesson_is_written(lang: str, title: str, tmp_path: Path, shown: Shown) -> None:
    assert shown("lesson", lang) == f"written: lesson.{lang}.html\n"
    page = (tmp_path / f"lesson.{lang}.html").read_text(encoding="utf-8")
    assert f"1. {title}" in page
    assert page.count('class="chainrule"') == 3
    assert "0.5851" in re.sub("<[^>]*>", "", page)
