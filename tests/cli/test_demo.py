from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

import chainrule as cr
from chainrule.cli import demo

Run = Callable[..., Result]
REFERENCE = json.loads((Path(__file__).parents[1] / "data" / "xor.json").read_text())


@pytest.mark.parametrize("arguments", [[], ["demo"]])
def test_the_whole_job(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    out = result.stdout
    parts = [
        "z1 = X W1 + b1",
        "∂L/∂W1",
        "Verified: ",
        "epoch 0 ",
        "epoch 4000",
        "epoch 8000",
        "end",
        "1 xor 1",
        "Time:",
    ]
    places = [out.index(part) for part in parts]
    assert places == sorted(places)
    for epoch, loss in REFERENCE[0]["loss"].items():
        assert f"epoch {epoch:4}".split()[1] in out
        assert f"{loss:.6f}" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "\x1b" not in result.output
    assert result.stderr == ""


@pytest.mark.parametrize("record", REFERENCE, ids=lambda record: f"seed {record['seed']}")
def test_one_json_object(run: Run, record: dict[str, object]) -> None:
    result = run("--json", "--seed", str(record["seed"]))
    answer = json.loads(result.stdout)
    assert answer["epochs"] == 10_000
    assert answer["loss"] == pytest.approx(record["loss"], rel=1e-9)
    assert answer["final_loss"] == pytest.approx(record["final_loss"], rel=1e-9)
    assert answer["predictions"] == pytest.approx(record["predictions"], rel=1e-9)
    assert answer["lines"] == answer["lines_checked"] > 10
    assert answer["worst_relative_error"] < 1e-12
    assert 0 < answer["train_seconds"] < 10
    for name, values in answer["weights"].items():
        np.testing.assert_allclose(values, record["final"][name], rtol=1e-9)  # type: ignore[index]


def test_settings(run: Run) -> None:
    answer = json.loads(
        run("--json", "--seed", "7", "--epochs", "500", "--learning-rate", "0.5", "--hidden", "6").stdout
    )
    assert answer["epochs"] == 500
    assert list(answer["loss"]) == ["0"]
    assert np.shape(answer["weights"]["W1"]) == (2, 6)


@pytest.mark.parametrize("form", ["path", "matrix", "index"])
def test_chinese(run: Run, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    result = run("--form", form, "--epochs", "10")
    assert result.exit_code == 0, result.output
    for words in ("反向传播", "验证", "均方误差", "预测", "用时"):
        assert words in result.stdout
    for words in ("Verified", "epoch", "Time"):
        assert words not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "--epochs"),
        (["--epochs", "-3"], "--epochs"),
        (["--learning-rate", "0"], "learning rate"),
        (["--learning-rate", "-0.1"], "learning rate"),
        (["--learning-rate", "nan"], "learning rate"),
        (["--hidden", "0"], "--hidden"),
        (["--seed", "-1"], "--seed"),
        (["--form", "verse"], "--form"),
        (["--nonsense"], "--nonsense"),
        (
            ["nonsense"],
            "there is no command 'nonsense'; there are demo, derive, emit, grade, explore, gallery, train, predict",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(run: Run, arguments: list[str], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr


def test_help_names_every_command(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in ("demo", "derive", "train", "predict"):
        assert f"  {command} " in result.stdout
        assert run(command, "--help").exit_code == 0


def test_a_long_run_is_told_in_few_lines(run: Run) -> None:
    record = json.loads(run("--json", "--epochs", "200000").stdout)
    assert len(record["loss"]) <= 20
    assert all(int(epoch) % 4000 == 0 for epoch in record["loss"])


def test_the_loss_is_shown_without_type_annotations(run: Run) -> None:
    result = run("demo", "--epochs", "10")
    assert "def two_layer_loss(X, y, W1, b1, W2, b2):" in result.stdout


def test_the_loop_in_plain_numpy_is_the_same_training() -> None:
    plain = demo.train_in_numpy(cr.NeuralNetwork(2, 4, 1, 0), 500, 0.1)
    network = cr.NeuralNetwork(2, 4, 1, 0)
    network.train(demo.X, demo.Y, 500, 0.1, None)
    for name, found in (("W1", network.weights_input_hidden), ("b2", network.bias_output)):
        np.testing.assert_allclose(plain[name], found, rtol=1e-9)
