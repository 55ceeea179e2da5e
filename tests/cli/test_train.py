from __future__ import annotations

import csv
import itertools
import json
import math
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from chainrule.cli import trials
from chainrule.cli.live import Live
from chainrule.cli.trials import Standing
from chainrule.learners import Plan, learners, read_data
from chainrule.models import load_model
from chainrule.networks import jobs, train

Run = Callable[..., Result]
SCRIPT = Path(__file__).parents[2] / "examples" / "export_tables.py"


def write(name: str, text: str | bytes) -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def write_table(name: str, classes: bool, rows: int = 200) -> str:
    """Write a table that can be trained on: two features, and a target `t` of text or numbers."""
    X = np.random.default_rng(0).standard_normal((rows, 2))
    target = [("up" if a > 0 else "down") if classes else f"{3 * a - b:.4f}" for a, b in X]
    lines = [f"{a:.5f},{b:.5f},{t}" for (a, b), t in zip(X, target, strict=True)]
    return write(name, "\n".join(["a,b,t", *lines]) + "\n")


def trained(run: Run, *arguments: str) -> dict[str, Any]:
    result = run("train", *arguments, "--json")
    assert result.exit_code == 0, result.output
    record: dict[str, Any] = json.loads(result.stdout)
    return record


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables that `examples/export_tables.py` writes."""
    folder = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SCRIPT), str(folder)])
        runpy.run_path(str(SCRIPT), run_name="__main__")  # an interpreter of its own would load scikit-learn once more
    return folder


@pytest.mark.parametrize(
    ("name", "target", "task", "margin"),
    [
        ("iris", "species", "classification", 0.4),
        ("wine", "cultivar", "classification", 0.4),
        ("breast_cancer", "diagnosis", "classification", 0.2),
        ("diabetes", "progression", "regression", 0.25),
    ],
)
def test_real_tables_are_learnt_clearly_better_than_trivially(
    run: Run, tables: Path, name: str, target: str, task: str, margin: float
) -> None:
    record = trained(run, str(tables / f"{name}.csv"), "--target", target, "--seed", "1")
    assert record["task"] == task
    score = "accuracy" if task == "classification" else "r2"
    assert record["score"][score] > record["trivial_score"][score] + margin
    assert record["score"][score] > record["linear_score"][score] - 0.1
    assert record["held_out_rows"] == pytest.approx(0.2 * record["rows"], abs=2)
    parts = record["train_rows"] + record["validation_rows"] + record["held_out_rows"]
    assert parts == record["rows"]
    assert {column["name"] for column in record["importance"]} == set(record["features"])


@pytest.mark.parametrize("classes", [True, False])
def test_train_save_and_predict(run: Run, classes: bool) -> None:
    write_table("data.csv", classes)
    result = run("train", "data.csv", "--target", "t", "--save", "m.safetensors", "--hidden", "16,8")
    assert result.exit_code == 0, result.output
    assert ("2 classes" if classes else "Regression") in result.stdout
    assert "Saved to m.safetensors." in result.stdout
    assert "\x1b" not in result.output
    assert max(map(len, result.stdout.splitlines())) <= 80
    write("new.csv", "b,extra,a\n0,x,2\n0,y,-2\n")
    predicted = run("predict", "m.safetensors", "new.csv")
    assert predicted.exit_code == 0, predicted.output
    rows = list(csv.DictReader(predicted.stdout.splitlines()))
    if classes:
        assert [row["t"] for row in rows] == ["up", "down"]
        assert all(0.5 <= float(row["probability"]) <= 1 for row in rows)
    else:
        assert float(rows[0]["t"]) > 3
        assert float(rows[1]["t"]) < -3
    assert sorted(path.name for path in Path().iterdir()) == ["data.csv", "m.safetensors", "new.csv"]


@pytest.mark.parametrize("classes", [True, False])
def test_the_saved_network_is_learnt_from_all_rows(run: Run, classes: bool) -> None:
    write_table("data.csv", classes)
    options = ["data.csv", "--target", "t", "--hidden", "8", "--ensemble", "2", "--epochs", "30"]
    options += ["--class-weight", "up=2"] if classes else []
    record = trained(run, *options, "--save", "m")
    epochs = record["best_epoch"] or record["epochs"]
    assert record["refit"]["rows"] == 200
    assert record["refit"]["epochs"] == epochs
    before = trained(run, *options, "--save", "n", "--no-refit")
    assert before["refit"] is None
    assert before["score"] == record["score"]
    model = load_model("m")
    assert model.architecture["penalty_rows"] == 200
    assert model.params["W1"].shape == (2, 2, 8)

    plan = Plan.from_json(model.settings["plan"])
    data = read_data("data.csv", plan)
    X, y, weights = data.everything()
    assert len(X) == 200
    assert sorted(y.ravel().tolist()) == sorted([*data.y.ravel(), *data.y_choosing.ravel(), *data.y_held.ravel()])
    (learner,) = learners(plan, data)
    whole = replace(learner.architecture, penalty_rows=200)
    settings = replace(
        learner.settings, epochs=epochs, monitor="loss", patience=None, restore_best=False, tolerance=0.0
    )
    state = train(whole, whole.initial(0), X, y, weights, settings)
    for name, array in model.params.items():
        assert array.tobytes() == state.params[name].tobytes()


def test_few_whole_numbers_are_classes_unless_told_otherwise(run: Run) -> None:
    write("data.csv", "\n".join(["x,t", *(f"{k / 10},{k % 3}" for k in range(30))]))
    told = run("train", "data.csv", "--target", "t", "--epochs", "3", "--no-refit")
    assert "Classification into 3 classes: 0, 1, 2." in told.stdout
    assert "--task regression" in told.stdout
    asked = run("train", "data.csv", "--target", "t", "--task", "regression", "--epochs", "3", "--no-refit")
    assert "Regression" in asked.stdout


def test_columns_of_all_kinds_are_shown_with_what_becomes_of_them(run: Run) -> None:
    random = np.random.default_rng(0)
    rows = [
        f"u{k:04},{random.normal():.3f},{'Oslo' if k % 3 else 'Rome'},2024-0{1 + k % 9}-1{k % 9},7,"
        f"{'yes' if k % 2 else 'no'},{'' if k % 10 == 0 else k % 7},{'hi' if k % 3 else 'ho'}"
        for k in range(150)
    ]
    write("data.csv", "\n".join(["user_id,size,city,day,same,paid,gap,t", *rows]))
    kinds = ["--drop", "size", "--kind", "gap=category"]
    result = run("train", "data.csv", "--target", "t", *kinds, "--epochs", "20", "--no-refit")
    assert result.exit_code == 0, result.output
    table = result.stdout.partition("\n\n")[0].splitlines()
    shown = {line.split()[0]: line for line in table[1:]}
    assert "left out" in shown["user_id"]
    assert "identifier" in shown["user_id"]
    assert "dropped (left out)" in shown["size"]
    assert "constant (left out)" in shown["same"]
    assert "category" in shown["gap"]
    assert "yes or no" in shown["paid"]
    assert "date" in shown["day"]


def test_validation_file_replaces_the_rows_held_out(run: Run) -> None:
    write_table("data.csv", True, 100)
    write_table("more.csv", True, 90)
    record = trained(run, "data.csv", "--target", "t", "--validation", "more.csv", "--epochs", "30")
    assert (record["train_rows"], record["validation_rows"], record["held_out_rows"]) == (100, 0, 90)
    assert "rows of more.csv" in run("train", "data.csv", "--target", "t", "--validation", "more.csv").stdout


def test_a_validation_file_is_scored_whole_and_rows_to_stop_by_are_of_the_data(run: Run) -> None:
    write_table("data.csv", True, 400)
    write_table("more.csv", True, 90)
    arguments = ("data.csv", "--target", "t", "--validation", "more.csv", "--epochs", "9")
    record = trained(run, *arguments)
    assert record["held_out_rows"] == 90
    assert record["validation_rows"] == pytest.approx(0.08 * 400, abs=2)
    assert record["train_rows"] == 400 - record["validation_rows"]
    assert "all 90 of more.csv are scored" in " ".join(run("train", *arguments).stdout.split())


def test_a_search_keeps_the_best_on_validation(run: Run) -> None:
    write_table("data.csv", False, 200)
    options = [
        "--hidden",
        "1",
        "--hidden",
        "32",
        "--learning-rate",
        "0.0001",
        "--learning-rate",
        "0.01",
        "--save",
        "m.safetensors",
    ]
    record = trained(run, "data.csv", "--target", "t", "--epochs", "40", *options)
    tried = record["search"]
    assert [(each["hidden"], each["learning_rate"]) for each in tried] == [
        ("1", 0.0001),
        ("1", 0.01),
        ("32", 0.0001),
        ("32", 0.01),
    ]
    assert [each["kept"] for each in tried] == [each["score"] == max(t["score"] for t in tried) for each in tried]
    assert record["sizes"] == [2, int(next(each["hidden"] for each in tried if each["kept"])), 1]
    assert load_model("m.safetensors").params["W1"].shape == (8, 2, record["sizes"][1])
    shown = run("train", "data.csv", "--target", "t", "--epochs", "20", "--alpha", "0", "--alpha", "1").stdout
    assert "← kept" in shown


def test_a_search_within_a_time_begins_with_the_default_and_ends_in_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock takes a second here, so that a combination takes one."""
    write_table("data.csv", False, 200)
    found = []
    for seed in ("0", "1"):
        clock = itertools.count()
        monkeypatch.setattr(trials, "time", SimpleNamespace(monotonic=lambda clock=clock: next(clock)))
        arguments = ("--epochs", "2", "--ensemble", "1", "--hidden", "4", "--time", "9", "--seed", seed)
        record = trained(run, "data.csv", "--target", "t", "--threads", "1", *arguments)
        found.append([(each["hidden"], each["learning_rate"], each["alpha"]) for each in record["search"]])
    assert [len(set(each)) for each in found] == [3, 3]
    assert [each[0] for each in found] == [("4", 0.002, 3.0)] * 2
    assert found[0] != found[1]


def test_a_search_side_by_side_is_as_one_after_the_other(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of two networks takes longest."""
    write_table("data.csv", False, 200)
    options = ("--hidden", "64", "--hidden", "2", "--alpha", "0", "--alpha", "1", "--epochs", "9", "--ensemble", "1")
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(jobs, "available_threads", lambda threads=threads: threads)
        record = trained(run, "data.csv", "--target", "t", *options, "--save", f"m{threads}")
        found.append([record[key] for key in ("search", "score", "loss_curve", "sizes")])
    assert found[0] == found[1]
    one, three = (load_model(f"m{threads}").params for threads in (1, 3))
    for name, array in one.items():
        np.testing.assert_array_equal(array, three[name])


def test_a_combination_with_fewer_threads_is_expected_to_take_longer() -> None:
    """Fifteen seconds are left; one took ten, with two threads."""
    learner = SimpleNamespace(settings=SimpleNamespace(engine="native"))
    found = Standing(best=0)
    search = trials._Search([learner], None, Live(), 2, found, None, math.inf, 15.0)  # type: ignore[list-item, arg-type]
    assert search.has_time(1)
    search.durations.append((10.0, 2))
    assert search.has_time(2)
    assert not search.has_time(1)


def test_a_search_within_a_time_is_among_what_is_given(run: Run) -> None:
    write_table("data.csv", False, 200)
    arguments = ("--epochs", "2", "--time", "1000", "--hidden", "4", "--learning-rate", "0.01")
    record = trained(run, "data.csv", "--target", "t", *arguments, "--alpha", "1", "--alpha", "2", "--ensemble", "1")
    tried = [(each["hidden"], each["learning_rate"], each["alpha"]) for each in record["search"]]
    assert tried == [("4", 0.01, 1.0), ("4", 0.01, 2.0)]
    refused = run("train", "data.csv", "--target", "t", "--time", "0")
    assert refused.exit_code == 2
    assert "--time" in refused.stderr


def test_a_formula_is_a_loss_in_the_targets_own_units(run: Run) -> None:
    """An asymmetric loss moves predictions up; a wide margin in the target's units leaves nothing to learn."""
    write("data.csv", "\n".join(["x,t", *(f"{k % 17},{1000 + 100 * ((k * 7919) % 13)}.5" for k in range(300))]))
    write("new.csv", "x\n3\n8\n")
    found = {}
    for loss in ("maximum(9*(y - p), p - y)", "maximum(y - p, 9*(p - y))"):
        result = run("train", "data.csv", "--target", "t", "--loss", loss, "--save", "m", "--learning-rate", "0.01")
        assert result.exit_code == 0, result.output
        rows = csv.DictReader(run("predict", "m", "new.csv").stdout.splitlines())
        found[loss] = np.array([float(row["t"]) for row in rows])
    high, low = found.values()
    assert (low > 900).all()
    assert (low + 300 < high).all()
    assert (high < 2500).all()
    wide = run("train", "data.csv", "--target", "t", "--loss", "maximum(abs(p - y) - 5000, 0)", "--json")
    assert json.loads(wide.stdout)["score"]["loss"] == 0


def test_losses_with_parameters_and_several_quantiles(run: Run) -> None:
    write_table("data.csv", False, 200)
    record = trained(run, "data.csv", "--target", "t", "--loss", "quantile(0.1, 0.5, 0.9)", "--save", "m")
    assert record["sizes"][-1] == 3
    assert 0.5 < record["score"]["coverage"] <= 1
    header = run("predict", "m", "data.csv").stdout.splitlines()[0]
    assert header == "t q0.1,t q0.5,t q0.9"
    assert trained(run, "data.csv", "--target", "t", "--loss", "huber(2)", "--epochs", "5")["settings"]["loss"]
    write("counts.csv", "\n".join(["x,t", *(f"{k % 9},{k % 40}" for k in range(200))]))
    counts = trained(run, "counts.csv", "--target", "t", "--loss", "poisson", "--task", "regression", "--save", "c")
    assert counts["settings"]["loss"] == "poisson"
    rows = list(csv.DictReader(run("predict", "c", "counts.csv").stdout.splitlines()))
    assert 10 < np.mean([float(row["t"]) for row in rows]) < 30


def test_a_formula_for_classes_is_of_probabilities(run: Run) -> None:
    write_table("data.csv", True)
    record = trained(
        run, "data.csv", "--target", "t", "--loss", "(p - y)^2", "--epochs", "100", "--learning-rate", "0.01"
    )
    assert record["score"]["accuracy"] > 0.85


def test_class_weights_find_more_of_a_rare_class(run: Run) -> None:
    random = np.random.default_rng(0)
    rows = [(x, "rare" if x + 1.2 * random.normal() > 2 else "usual") for x in random.normal(size=2000)]
    write("data.csv", "\n".join(["x,t", *(f"{x:.4f},{t}" for x, t in rows)]))
    plain = trained(run, "data.csv", "--target", "t", "--epochs", "40")
    weighted = trained(run, "data.csv", "--target", "t", "--epochs", "40", "--class-weight", "balanced")
    named = trained(run, "data.csv", "--target", "t", "--epochs", "40", "--class-weight", "rare=20")
    assert any("--class-weight balanced" in sentence for sentence in plain["advice"])
    for record in (weighted, named):
        assert record["score"]["balanced accuracy"] > plain["score"]["balanced accuracy"] + 0.1


@pytest.mark.parametrize("solver", ["adamw", "nadam", "rmsprop", "sgd", "lbfgs"])
def test_every_solver_learns(run: Run, solver: str) -> None:
    write_table("data.csv", False, 200)
    assert trained(run, "data.csv", "--target", "t", "--solver", solver, "--hidden", "16")["score"]["r2"] > 0.9


@pytest.mark.parametrize(
    "options",
    [
        ["--dropout", "0.2"],
        ["--normalization", "layer"],
        ["--normalization", "batch"],
        ["--activation", "z * sigmoid(z)"],
        ["--activation", "tanh"],
        ["--hidden", "none"],
        ["--output-activation", "10 * tanh(z)"],
    ],
)
def test_networks_of_all_kinds_learn_and_predict_alike_after_saving(run: Run, options: list[str]) -> None:
    write_table("data.csv", False, 200)
    record = trained(run, "data.csv", "--target", "t", "--learning-rate", "0.01", "--save", "m", *options)
    assert record["score"]["r2"] > 0.8
    assert run("predict", "m", "data.csv").exit_code == 0
    assert "W1" in load_model("m").params


def test_the_same_seed_gives_the_same_file_on_any_number_of_threads(run: Run) -> None:
    write_table("data.csv", True)
    found = []
    for threads in ("1", "2"):
        trained(run, "data.csv", "--target", "t", "--epochs", "20", "--threads", threads, "--save", "m")
        found.append({name: array.tobytes() for name, array in load_model("m").params.items()})
    assert found[0] == found[1]


def test_spreadsheet_exports_are_read(run: Run) -> None:
    """A byte-order mark, semicolons, Windows line ends, quotes, blank lines and Chinese names."""
    lines = [f'"{k % 11}.5";{k % 7};"{"甲" if k % 2 else "乙"}"' for k in range(40)]
    write("data.csv", b"\xef\xbb\xbf" + "\r\n".join(["长度;b;类别", *lines, "", ""]).encode())
    record = trained(run, "data.csv", "--target", "类别", "--epochs", "5", "--no-refit")
    assert record["features"] == ["长度", "b"]
    assert sorted(record["classes"]) == ["乙", "甲"]
    assert record["rows"] == 40


def test_few_rows_are_trained_on_without_rows_to_stop_by(run: Run) -> None:
    record = trained(run, write_table("data.csv", False, 30), "--target", "t", "--epochs", "20")
    assert (record["validation_rows"], record["train_rows"], record["held_out_rows"]) == (0, 24, 6)


def test_it_is_said_when_a_linear_model_does_as_well(run: Run) -> None:
    write("data.csv", "\n".join(["x,z,t", *(f"{k},{(k * 31) % 17},{2.5 * k + 1}" for k in range(0, 999, 7))]))
    result = run("train", "data.csv", "--target", "t", "--epochs", "5", "--no-refit")
    assert "the linear model, which is simpler, does better" in " ".join(result.stdout.split())
    flat = run("train", "data.csv", "--target", "t", "--epochs", "5", "--hidden", "none", "--no-refit")
    assert "a linear model" not in flat.stdout


def test_a_page_has_it_all_and_asks_for_nothing(run: Run) -> None:
    write_table("data.csv", True)
    result = run("train", "data.csv", "--target", "t", "--epochs", "20", "--report", "r.html", "--lang", "zh")
    assert result.exit_code == 0, result.output
    page = Path("r.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "<math" in page
    assert 'lang="zh-Hans"' in page
    assert "http" not in page.replace("http://www.w3.org/1998/Math/MathML", "")
    assert "<script" not in page


def test_where_gradients_vanish_it_is_said(run: Run) -> None:
    write_table("data.csv", True)
    deep = ["--hidden", ",".join(["6"] * 6), "--activation", "sigmoid"]
    result = run("train", "data.csv", "--target", "t", "--epochs", "20", *deep)
    assert result.exit_code == 0, result.output
    assert "The gradient vanishes" in result.stdout


def test_chinese_where_the_locale_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    write_table("data.csv", True)
    result = run("train", "data.csv", "--target", "t", "--epochs", "5")
    assert "分类问题，共 2 类" in result.stdout
    assert "准确率" in result.stdout
    assert "accuracy" not in result.stdout
    assert "accuracy" in run("train", "data.csv", "--target", "t", "--lang", "en", "--epochs", "5").stdout


def test_class_labels_stay_as_they_are_written(run: Run) -> None:
    """Spellings of one number are one class; numbers that a float cannot tell apart are two."""
    write("codes.csv", "\n".join(["a,t", *(f"{k % 9},{('01', '02', '1.0')[k % 3]}" for k in range(40))]))
    record = trained(run, "codes.csv", "--target", "t", "--save", "codes", "--epochs", "5")
    assert len(record["classes"]) == 2
    predicted = run("predict", "codes", "codes.csv").stdout.splitlines()
    assert {row.split(",")[0] for row in predicted[1:]} <= set(record["classes"])


def test_a_loss_that_grew_is_pointed_out(run: Run) -> None:
    write_table("data.csv", False, 60)
    options = ["--learning-rate", "1", "--epochs", "5", "--solver", "sgd", "--hidden", "8", "--activation", "tanh"]
    options += ["--ensemble", "1"]
    result = run("train", "data.csv", "--target", "t", *options)
    assert result.exit_code == 0, result.output
    assert "The loss grew" in result.stdout


def test_the_password_of_a_database_is_told_nowhere(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": np.arange(40.0), "t": np.arange(40.0) % 7})
    monkeypatch.setattr(polars, "read_database_uri", lambda query, address, engine: frame)
    address = ["train", "postgresql://me:secret@host/data", "--query", "SELECT * FROM t", "--target", "t"]
    result = run(*address, "--epochs", "2", "--hidden", "3", "--ensemble", "1", "--save", "m", "--report", "r.html")
    assert result.exit_code == 0, result.output
    assert "postgresql://me@host/data" in result.stdout
    for told in (result.output.encode(), Path("m").read_bytes(), Path("r.html").read_bytes()):
        assert b"secret" not in told


def test_the_password_for_the_rows_of_the_scores_is_not_kept_and_may_be_given_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": np.arange(40.0), "t": np.arange(40.0) % 7})
    addresses: list[str] = []

    def read(query: str, address: str, engine: str) -> object:
        addresses.append(address)
        return frame

    monkeypatch.setattr(polars, "read_database_uri", read)
    held = ["--validation", "postgresql://me:secret@host/held"]
    train = ["train", "postgresql://host/data", "--query", "SELECT * FROM t", "--target", "t"]
    settings = ["--epochs", "2", "--hidden", "3", "--ensemble", "1", "--no-refit", "--report", "r.html"]
    results = [run(*train, *held, *settings, "--save", "m")]
    results.append(run(*train, *held, "--resume", "m", "--epochs", "3", "--report", "r.html"))
    assert addresses == ["postgresql://host/data", held[1]] * 2
    for result in results:
        assert result.exit_code == 0, result.output
        assert "postgresql://me@host/held" in result.stdout
    for told in (results[1].output.encode(), Path("m").read_bytes(), Path("r.html").read_bytes()):
        assert b"secret" not in told
    other = run(*train, "--validation", "postgresql://me:secret@host/other", "--resume", "m", "--epochs", "4")
    assert "--validation differs from the checkpoint" in other.stderr
