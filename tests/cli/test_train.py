from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

Run = Callable[..., Result]
SCRIPT = Path(__file__).parents[2] / "examples" / "export_tables.py"


def write(name: str, text: str | bytes) -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def write_table(name: str, classes: bool, rows: int = 60) -> str:
    """A table that can be learnt: two features, and a target `t` of text or numbers."""
    X = np.random.default_rng(0).standard_normal((rows, 2))
    target = [("up" if a > 0 else "down") if classes else f"{3 * a - b:.4f}" for a, b in X]
    lines = [f"{a:.5f},{b:.5f},{t}" for (a, b), t in zip(X, target, strict=True)]
    return write(name, "\n".join(["a,b,t", *lines]) + "\n")


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables that `examples/export_tables.py` writes."""
    folder = tmp_path_factory.mktemp("tables")
    subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True, capture_output=True)
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
@pytest.mark.parametrize("seed", ["0", "1"])
def test_real_tables_are_learnt_clearly_better_than_trivially(
    run: Run, tables: Path, name: str, target: str, task: str, margin: float, seed: str
) -> None:
    result = run("train", str(tables / f"{name}.csv"), "--target", target, "--seed", seed, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["task"] == task
    score = "accuracy" if task == "classification" else "r2"
    assert record["score"][score] > record["trivial_score"][score] + margin
    assert record["held_out_rows"] == pytest.approx(0.2 * record["rows"], abs=2)


@pytest.mark.parametrize("classes", [True, False])
def test_train_save_and_predict(run: Run, classes: bool) -> None:
    write_table("data.csv", classes)
    trained = run("train", "data.csv", "--target", "t", "--save", "model.npz", "--hidden", "16,8")
    assert trained.exit_code == 0, trained.output
    assert ("2 classes" if classes else "Regression") in trained.stdout
    assert "Saved to model.npz." in trained.stdout
    assert "\x1b" not in trained.output
    assert max(map(len, trained.stdout.splitlines())) <= 80
    write("new.csv", "b,extra,a\n0,x,2\n0,y,-2\n")
    predicted = run("predict", "model.npz", "new.csv")
    assert predicted.exit_code == 0, predicted.output
    rows = list(csv.DictReader(predicted.stdout.splitlines()))
    if classes:
        assert [row["t"] for row in rows] == ["up", "down"]
        assert all(0.5 <= float(row["probability"]) <= 1 for row in rows)
    else:
        assert float(rows[0]["t"]) > 3
        assert float(rows[1]["t"]) < -3
    written = run("predict", "model.npz", "new.csv", "--output", "out.csv")
    assert written.stdout == "2 predictions of 't' written to out.csv.\n"
    assert Path("out.csv").read_text() == predicted.stdout
    assert sorted(path.name for path in Path().iterdir()) == ["data.csv", "model.npz", "new.csv", "out.csv"]


def test_a_saved_model_needs_no_pickle(run: Run) -> None:
    run("train", write_table("data.csv", False), "--target", "t", "--save", "model.npz")
    with np.load("model.npz", allow_pickle=False) as archive:
        header = json.loads(str(archive["header"]))
    assert header["features"] == ["a", "b"]


def test_few_whole_numbers_are_classes_unless_told_otherwise(run: Run) -> None:
    lines = [f"{k / 10},{k % 3}" for k in range(30)]
    write("data.csv", "\n".join(["x,t", *lines]))
    told = run("train", "data.csv", "--target", "t")
    assert "Classification into 3 classes: 0, 1, 2." in told.stdout
    assert "--task regression" in told.stdout
    asked = run("train", "data.csv", "--target", "t", "--task", "regression")
    assert "Regression" in asked.stdout


def test_columns_can_be_dropped(run: Run) -> None:
    lines = [f"name{k},{k},{2 * k}.5" for k in range(20)]
    write("data.csv", "\n".join(["who,x,t", *lines]))
    assert "column 'who' holds 'name0'" in run("train", "data.csv", "--target", "t").stderr
    assert run("train", "data.csv", "--target", "t", "--drop", "who").exit_code == 0
    assert "did you mean 'who'" in run("train", "data.csv", "--target", "t", "--drop", "whoo").stderr


def test_spreadsheet_exports_are_read(run: Run) -> None:
    """A byte-order mark, semicolons, Windows line ends, quotes, blank lines and Chinese names."""
    lines = [f'"{k}";{k % 7};"{"甲" if k % 2 else "乙"}"' for k in range(20)]
    write("data.csv", b"\xef\xbb\xbf" + "\r\n".join(["长度;b;类别", *lines, "", ""]).encode())
    result = run("train", "data.csv", "--target", "类别", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["features"] == ["长度", "b"]
    assert record["classes"] == ["乙", "甲"]
    assert record["rows"] == 20


def test_a_constant_feature_does_no_harm(run: Run) -> None:
    write("data.csv", "\n".join(["a,c,t", *(f"{k},5,{k}.5" for k in range(20))]))
    record = json.loads(run("train", "data.csv", "--target", "t", "--json").stdout)
    assert record["score"]["r2"] > 0.5


ROWS = "\n".join(f"{k},{k % 3},{k}.5" for k in range(10))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "data.csv is empty"),
        ("\n\n", "data.csv is empty"),
        ("a,b,t\n", "no rows"),
        ("1,2,3\n4,5,6\n", "no header"),
        ("a,a,t\n1,2,3\n", "2 columns are named 'a'"),
        ("a,,t\n1,2,3\n", "column 2 has no name"),
        ("a,b,t\n1,2,3\n1,2\n", "line 3 has 2 cells but the header has 3"),
        (f"a,b,t\n{ROWS}\n1,,3\n", "row 11 (line 12), column 'b' is empty"),
        (f"a,b,t\n{ROWS}\n1,nan,3\n", "row 11 (line 12), column 'b' holds 'nan'"),
        (f"a,b,t\n{ROWS}\n1,inf,3\n", "column 'b' holds 'inf', which is not finite"),
        (f"a,b,t\n{ROWS}\n1,two,3\n", "row 11 (line 12), column 'b' holds 'two', which is not a number"),
        (f"a,b,t\n{ROWS}\n1,2,x\n", "column 't' holds 'x', which is not a number"),
        (f"a,b,t\n{ROWS}\n1,2,\n", "column 't' is empty"),
        (f"a,b,T\n{ROWS}\n", "no column 't'; it has a, b, T; did you mean 'T'"),
        ("a,t\n1,u\n2,u\n3,u\n4,u\n5,u\n", "single class 'u'"),
        ("a,t\n1,1.5\n2,1.5\n3,1.5\n4,1.5\n5,1.5\n", "the one value 1.5"),
        ("a,t\n1,p\n2,q\n3,r\n4,s\n5,u\n", "too many for classes"),
        ("t\n1.5\n2.5\n3.5\n4.5\n5.5\n", "no column beside the target"),
        ("a,t\n1,1.5\n2,2.5\n", "at least 5"),
        (f"a,b,t\n{ROWS}\n1e300,2,3\n", "too large"),
        (b"a,t\n\xff\xfe,1\n", "not UTF-8"),
    ],
)
def test_bad_tables_are_refused_in_one_line(run: Run, text: str | bytes, words: str) -> None:
    write("data.csv", text)
    result = run("train", "data.csv", "--target", "t", "--save", "model.npz")
    refused(result, words)
    assert not Path("model.npz").exists()


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.csv", "--target", "t"], "missing.csv does not exist"),
        ([".", "--target", "t"], "is a folder"),
        (["data.csv"], "--target"),
        (["data.csv", "--target", "t", "--rate", "-1"], "--rate is -1"),
        (["data.csv", "--target", "t", "--rate", "0"], "--rate is 0"),
        (["data.csv", "--target", "t", "--rate", "fast"], "--rate"),
        (["data.csv", "--target", "t", "--epochs", "0"], "--epochs"),
        (["data.csv", "--target", "t", "--epochs", "-5"], "--epochs"),
        (["data.csv", "--target", "t", "--batch-size", "0"], "--batch-size"),
        (["data.csv", "--target", "t", "--hidden", "0"], "--hidden is '0'"),
        (["data.csv", "--target", "t", "--hidden", "8,-2"], "--hidden is '8,-2'"),
        (["data.csv", "--target", "t", "--hidden", ""], "--hidden is ''"),
        (["data.csv", "--target", "t", "--seed", "-1"], "--seed"),
        (["data.csv", "--target", "t", "--save", "no/model.npz"], "no folder no"),
        (["data.csv", "--target", "t", "--save", "."], "is a folder"),
        (["data.csv", "--target", "t", "--rate", "1e9"], "diverged"),
    ],
)
def test_bad_options_are_refused_in_one_line(run: Run, arguments: list[str], words: str) -> None:
    write_table("data.csv", False)
    refused(run("train", *arguments), words)


def test_a_failed_run_leaves_an_old_model_alone(run: Run) -> None:
    write_table("data.csv", False)
    write("model.npz", b"old")
    refused(run("train", "data.csv", "--target", "t", "--rate", "1e9", "--save", "model.npz"), "diverged")
    assert Path("model.npz").read_bytes() == b"old"


def test_bad_models_and_columns_are_refused_in_one_line(run: Run) -> None:
    write_table("data.csv", False)
    run("train", "data.csv", "--target", "t", "--save", "model.npz")
    write("wrong.csv", "a,bb\n1,2\n")
    write("text.csv", "a,b\n1,x\n")
    write("huge.csv", "a,b\n1e308,1e308\n")
    write("small.csv", "\n".join(["a,b,t", *(f"{k}e-9,{k % 3}e-9,{k}.5" for k in range(20))]))
    run("train", "small.csv", "--target", "t", "--activation", "relu", "--save", "relu.npz")
    write("junk.npz", b"PK\x03\x04 not a model")
    write("empty.npz", b"")
    np.savez("other.npz", x=np.zeros(3))
    np.save("array.npy", np.zeros(3))
    damaged = dict(np.load("model.npz"))
    np.savez("damaged.npz", **{**damaged, "W1": np.zeros((7, 7))})
    for model, data, words in [
        ("none.npz", "data.csv", "does not exist"),
        ("junk.npz", "data.csv", "is not a model"),
        ("empty.npz", "data.csv", "is not a model"),
        ("other.npz", "data.csv", "is not a model"),
        ("array.npy", "data.csv", "is not a model"),
        ("data.csv", "data.csv", "is not a model"),
        ("damaged.npz", "data.csv", "is damaged"),
        (".", "data.csv", "is a folder"),
        ("model.npz", "wrong.csv", "lacks the column 'b', which the model was trained on; did you mean 'bb'"),
        ("model.npz", "text.csv", "column 'b' holds 'x'"),
        ("relu.npz", "huge.csv", "too large for this model"),
        ("model.npz", "none.csv", "does not exist"),
    ]:
        refused(run("predict", model, data), words)
    refused(run("predict", "model.npz", "data.csv", "--output", "no/out.csv"), "no folder no")


def test_chinese_where_the_locale_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    write_table("data.csv", True)
    result = run("train", "data.csv", "--target", "t")
    assert "分类问题，共 2 类" in result.stdout
    assert "准确率" in result.stdout
    assert "accuracy" not in result.stdout
    assert "accuracy" in run("train", "data.csv", "--target", "t", "--lang", "en").stdout


def test_class_labels_stay_as_they_are_written(run: Run) -> None:
    """Spellings of one number are one class; numbers that a float cannot tell apart are two."""
    write("codes.csv", "\n".join(["a,t", *(f"{k},{('01', '02', '1.0')[k % 3]}" for k in range(30))]))
    assert "2 classes: 01, 02." in run("train", "codes.csv", "--target", "t", "--save", "codes.npz").stdout
    predicted = run("predict", "codes.npz", "codes.csv").stdout.splitlines()
    assert {row.split(",")[0] for row in predicted[1:]} <= {"01", "02"}
    long = [f"{k},{10**20 + k % 2}" for k in range(30)]
    write("long.csv", "\n".join(["a,t", *long]))
    assert f"2 classes: {10**20}, {10**20 + 1}." in " ".join(run("train", "long.csv", "--target", "t").stdout.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a;t\n" + "\n".join(f"{k};{k},25" for k in range(20)), "column 't' holds '0,25', a number with a comma"),
        ('a,t\n"1,000",2.5\n' + "\n".join(f"{k},{k}.5" for k in range(20)), "column 'a' holds '1,000', a number with"),
        (
            "a,t\n1_0,2.5\n" + "\n".join(f"{k},{k}.5" for k in range(20)),
            "column 'a' holds '1_0', which is not a number",
        ),
        ("a,t\n" + "\n".join(f"{k}e-300,{k}.5" for k in range(20)), "column 'a' holds numbers too small"),
    ],
)
def test_numbers_written_otherwise_are_refused_in_one_line(run: Run, text: str, words: str) -> None:
    write("data.csv", text)
    refused(run("train", "data.csv", "--target", "t"), words)


def test_a_place_that_cannot_be_written_is_refused_before_the_work(run: Run) -> None:
    write_table("data.csv", False)
    for path, words in [("", "is empty"), ("/proc/model.npz", "cannot be written")]:
        result = run("train", "data.csv", "--target", "t", "--save", path)
        refused(result, words)
        assert result.stdout == ""


def test_more_epochs_than_can_be_is_one_line(run: Run) -> None:
    write_table("data.csv", False)
    refused(run("train", "data.csv", "--target", "t", "--epochs", "9" * 20), "it should be at most")


def test_a_loss_that_grew_is_pointed_out(run: Run) -> None:
    rows = "\n".join(f"{k},{(k * 7) % 5},{k * 0.37 + (k % 3)}" for k in range(60))
    Path("grow.csv").write_text(f"a,b,t\n{rows}\n")
    result = run("train", "grow.csv", "--target", "t", "--rate", "1.5", "--epochs", "3", "--task", "regression")
    assert result.exit_code == 0, result.output
    assert "The loss grew" in result.stdout
