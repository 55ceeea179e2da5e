"""Files are written completely or not at all, under any name; errors are one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exported import docstring_example, load, model_of

import chainrule as cr
from chainrule.exports import TARGETS, ExportError, export_model
from chainrule.files import FileError
from chainrule.models import Model, load_model, save_model
from chainrule.networks import Architecture
from chainrule.tables import ClassTarget, Date, Number, Part, Preprocessing

ENDINGS = {"onnx": ".onnx", "c": ".h", "numpy": ".py", "torch": ".py"}


def test_every_target_has_its_ending(tmp_path: Path) -> None:
    assert set(TARGETS) == set(ENDINGS)
    for target in TARGETS:
        with pytest.raises(ExportError, match=rf"net\.txt does not end in \{ENDINGS[target]}, as a file for {target}"):
            export_model(model_of("arrays"), target, tmp_path / "net.txt")
    with pytest.raises(ExportError, match="no target 'tflite'; it can be onnx, c, numpy, torch"):
        export_model(model_of("arrays"), "tflite", tmp_path / "net.tflite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", TARGETS)
def test_a_folder_that_is_not_there(target: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no folder"):
        export_model(model_of("arrays"), target, tmp_path / "nowhere" / f"net{ENDINGS[target]}")


@pytest.mark.parametrize("target", ["numpy", "torch"])
def test_two_files_appear_together_or_not_at_all(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails at the second file: the first does not appear, and existing files remain."""
    path = tmp_path / "net.py"
    export_model(model_of("arrays"), target, path)
    before = {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()}
    calls = []
    original = os.fsync

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(FileError, match="the disk is full"):
        export_model(model_of("linear"), target, path)
    monkeypatch.setattr(os, "fsync", original)
    assert calls
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["my-model", "2nd model", "class", "größe", 'a"b'])
def test_names_of_files_that_are_no_identifiers(name: str, tmp_path: Path) -> None:
    """C and ONNX accept any name; a module must be importable by its name."""
    for target in TARGETS:
        path = tmp_path / f"{name}{ENDINGS[target]}"
        if target in ("c", "onnx") or name == "größe":
            export_model(model_of("linear"), target, path)
        else:
            with pytest.raises(
                ExportError, match=r"cannot be imported: .* is not a Python identifier; call it, say, model"
            ):
                export_model(model_of("linear"), target, path)
    header = (tmp_path / f"{name}.h").read_text(encoding="utf-8")
    assert "static inline int _" not in header
    if name == "größe":
        export_model(model_of("linear"), "numpy", tmp_path / f"{name}.py")  # over that for torch, which not all have
        example = docstring_example((tmp_path / f"{name}.py").read_text(encoding="utf-8"))
        done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["numpy", "torch", "math"])
@pytest.mark.parametrize("target", ["numpy", "torch"])
def test_a_module_hides_no_other(name: str, target: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=rf"would hide Python's module {name}; call it, say, {name}_model.py"):
        export_model(model_of("linear"), target, tmp_path / f"{name}.py")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["numpy", "torch"])
@pytest.mark.parametrize("link", [False, True])
def test_the_weights_replace_no_model(target: str, link: bool, tmp_path: Path) -> None:
    """Not even one with the name of the weights, or to which this name is a link."""
    model = tmp_path / ("kept.model" if link else "net.npz")
    save_model(str(model), model_of("linear"))
    if link:
        (tmp_path / "net.npz").symlink_to(model)
    before = model.read_bytes()
    with pytest.raises(ExportError, match=r"net\.npz would be written, but holds a model; give the export another"):
        export_model(load_model(str(model)), target, tmp_path / "net.py")
    assert model.read_bytes() == before
    assert not (tmp_path / "net.py").exists()


@pytest.mark.parametrize("target", TARGETS)
def test_an_export_replaces_no_model(target: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{ENDINGS[target]}"
    save_model(str(path), model_of("linear"))
    before = path.read_bytes()
    with pytest.raises(ExportError, match="would be written, but holds a model"):
        export_model(model_of("linear"), target, path)
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {path.name: before}


def test_arrays_of_somebody_else_stay(tmp_path: Path) -> None:
    """Weights of an export to the same name are replaced, all other files are not."""
    path = tmp_path / "net.py"
    weights = tmp_path / "net.npz"
    export_model(model_of("linear"), "numpy", path)
    export_model(model_of("layers"), "torch", path)
    export_model(model_of("linear"), "numpy", tmp_path / "other.py")
    np.savez(tmp_path / "mine.npz", x=np.arange(3))
    for content in (b"words", (tmp_path / "mine.npz").read_bytes(), (tmp_path / "other.npz").read_bytes()):
        weights.write_bytes(content)
        with pytest.raises(ExportError, match=r"to .*net\.npz, which holds something else; give the export another"):
            export_model(model_of("linear"), "numpy", path)
        assert weights.read_bytes() == content


def test_a_model_of_any_program_leaves(tmp_path: Path) -> None:
    """A program that no architecture made, with named sizes and a parameter called as something of the module's."""

    def prediction(X: Any, predict: Any, np_: Any) -> Any:
        hidden = np.maximum(X @ predict, 0.0)
        return np.concatenate([hidden, cr.softmax(hidden @ np_)], axis=1)

    random = np.random.default_rng(0)
    parameters = {"predict": random.normal(size=(3, 4)), "np_": random.normal(size=(4, 2))}
    model = Model(cr.trace(prediction, X="rows 3", predict="3 4", np_="4 2"), parameters)
    X = random.normal(size=(5, 3))
    wanted = model.predict_encoded(X)
    module = load(Path(export_model(model, "numpy", tmp_path / "net.py")[0]))
    np.testing.assert_allclose(module.predict(X), wanted, rtol=1e-12)
    header = Path(export_model(model, "c", tmp_path / "net.h")[0]).read_text(encoding="utf-8")
    assert "net_predict(const double *x, double *values)" in header


DATES = {
    "year-month-day": [
        *("2024-02-29", "1969-12-31 23:59:59.75", "2001-01-01T01:02:03+02:00", "2024-02-29 10:11 +0530"),
        *("2024-02-29T10:11:12.5+05:30", "2024-02-29 10:11Z", "2024-02-29 10:11:12 +05", "2024-02-29T10:11:12-05"),
    ],
    "year/month/day": ["2024/02/29 10:11", "1900/03/01"],
    "yearmonthday": ["20240229"],
    "day.month.year": ["29.02.2024", "01.02.2003 04:05:06"],
    "month/day/year": ["02/29/2024 11:12:13 PM", "12/31/1999"],
    "day/month/year": ["29/02/2024", "31/12/1999 23:59"],
    "day/month/yy": ["29/02/24", "31/12/99"],
    "day name year": ["29-Feb-2024", "1 March 1999"],
    "name day, year": ["Feb 29, 2024", "December 31, 1999"],
    "seconds since 1970": ["1700000000", "-1.5"],
    "milliseconds since 1970": ["1700000000123", "-1"],
}


@pytest.mark.parametrize("form", DATES)
def test_dates_are_read_as_tables_read_them(form: str, tmp_path: Path) -> None:
    parts = (Part("time", 19_000.0, 500.0), Part("year", 2020.0, 3.0), Part("month"), Part("day"), Part("hour"))
    date = Date("when", form, (*parts, Part("weekday")), fill=951_782_400, flag_missing=True)
    preprocessing = Preprocessing((date, Number("x", 0.0, 0.0, 1.0)))
    network = Architecture(preprocessing.width, (3,), 2, loss="cross_entropy")
    model = Model.of(network, network.initial(0), preprocessing, ClassTarget("t", ("a", "b")))
    path = Path(export_model(model, "numpy", tmp_path / "net.py")[0])
    cells = [*DATES[form], "", "NA"]
    table = {"when": cells, "x": [0.0] * len(cells)}
    found = load(path).encode(table)
    np.testing.assert_allclose(found, preprocessing.encode(table, dtype=np.float64), rtol=0, atol=1e-12)
    example = docstring_example(path.read_text(encoding="utf-8"))
    done = subprocess.run([sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
