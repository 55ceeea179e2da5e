"""`chainrule inspect` and `chainrule export` on a model that `chainrule train` wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

Run = Callable[..., Result]


@pytest.fixture
def model(run: Run) -> str:
    random = np.random.default_rng(0)
    lines = [f"{random.normal():.4f},{'Oslo' if k % 2 else 'Rome'},{k * 1.5}" for k in range(60)]
    Path("data.csv").write_text("\n".join(["size,city,t", *lines]) + "\n")
    options = ["--epochs", "5", "--hidden", "8,4", "--save", "m.safetensors"]
    assert run("train", "data.csv", "--target", "t", *options).exit_code == 0
    return "m.safetensors"


def test_inspect_says_what_is_predicted_from_what_and_how_well(run: Run, model: str) -> None:
    result = run("inspect", model)
    assert result.exit_code == 0, result.output
    assert "predicts 't', a number, from 2 columns" in result.stdout
    assert "3 → 8 relu → 4 relu → 1 linear" in result.stdout
    assert "RMSE" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "5 epochs done; train more with --resume m.safetensors --epochs 10" in result.stdout
    record = json.loads(run("inspect", model, "--json").stdout)
    assert record["target"] == "t"
    assert record["metrics"]["held out"].keys() == {"r2", "rmse", "mae"}
    assert record["settings"]["plan"]["hidden"] == [[8, 4]]
    assert "数值" in run("inspect", model, "--lang", "zh").stdout


@pytest.mark.parametrize(
    ("target", "name"), [("numpy", "net.py"), ("torch", "net.py"), ("onnx", "net.onnx"), ("c", "net.h")]
)
def test_export_writes_what_it_says(run: Run, model: str, target: str, name: str) -> None:
    result = run("export", model, "--to", target, "--output", name)
    assert result.exit_code == 0, result.output
    assert f"{name} written" in result.stdout
    record = json.loads(run("export", model, "--to", target, "--output", name, "--json").stdout)
    assert name in record["files"]
    assert all(Path(path).stat().st_size == size for path, size in record["files"].items())
