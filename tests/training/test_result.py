"""The result of `fit`: how it shows itself, and its file."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr

X = np.linspace(-1, 1, 12)
ROWS = {"x": X, "y": 2 * X}


def nested(params: Any, x: Any, y: Any) -> Any:
    return np.mean((params["line"][0] * x + params["line"][1] - y) ** 2)


def result(**settings: Any) -> cr.FitResult:
    params = {"line": (np.array(0.5), np.array(0.1))}
    return cr.fit(nested, params, ROWS, cr.SGD(0.1, momentum=0.9), epochs=4, validation=ROWS, **settings)


def test_a_saved_result_is_the_same(tmp_path: Path) -> None:
    saved, path = result(), str(tmp_path / "result.npz")
    saved.save(path)
    found = cr.FitResult.load(path)
    assert repr(found) == repr(saved)
    assert isinstance(found.params["line"], tuple)
    np.testing.assert_array_equal(found.params["line"][0], saved.params["line"][0])
    np.testing.assert_array_equal(found.history["validation_loss"], saved.history["validation_loss"])
    assert found.position == saved.position
    whole = cr.fit(nested, {"line": (np.array(0.5), np.array(0.1))}, ROWS, cr.SGD(0.1, momentum=0.9), epochs=7)
    rest = cr.fit(
        nested,
        found.params,
        ROWS,
        cr.SGD(0.1, momentum=0.9),
        epochs=3,
        optimizer_state=found.optimizer_state,
        start=found.position,
    )
    np.testing.assert_array_equal(rest.params["line"][1], whole.params["line"][1])


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "result.npz"
    with pytest.raises(cr.ChainruleError, match="does not exist"):
        cr.FitResult.load(str(path))
    for content in (b"", b"x" * 100):
        path.write_bytes(content)
        with pytest.raises(cr.TrainingError, match="is not a result of fit"):
            cr.FitResult.load(str(path))
    np.savez(path, w=np.ones(3))
    with pytest.raises(cr.TrainingError, match="is not a result of fit"):
        cr.FitResult.load(str(path))
    np.savez(path, w=np.array([{}], object))
    with pytest.raises(cr.TrainingError, match="is not a result of fit"):
        cr.FitResult.load(str(path))
    result().save(str(path))
    with np.load(path) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    described = json.loads(kept["description"].tobytes())
    for change, message in (
        ({"version": 9}, "has version 9 of the format"),
        ({"epochs": "many"}, "result.epochs is 'many'"),
        ({"status": "done"}, "result.status is 'done'"),
    ):
        text = json.dumps({**described, "chainrule result": {**described["chainrule result"], **change}})
        np.savez(path, **{**kept, "description": np.frombuffer(text.encode(), np.uint8)})
        with pytest.raises(cr.TrainingError, match=message):
            cr.FitResult.load(str(path))


def test_a_container_that_a_file_cannot_hold_is_named(tmp_path: Path) -> None:
    def loss(params: Any, x: Any) -> Any:
        return np.mean((params.w * x) ** 2)

    found = cr.fit(loss, SimpleNamespace(w=np.array(1.0)), (X,), epochs=1)
    with pytest.raises(cr.TrainingError, match="params hold a SimpleNamespace, which a file cannot hold"):
        found.save(str(tmp_path / "result.npz"))
    assert list(tmp_path.iterdir()) == []


def test_a_result_shows_itself() -> None:
    found = result()
    assert repr(found).startswith("<FitResult: finished after 4 epochs in ")
    assert "; loss 0.8" in repr(found)
    assert "; validation loss 0." in repr(found)
    page = found._repr_html_()
    assert page.count("<polyline") == 2
    assert "finished after 4 epochs" in page


def test_a_result_is_plotted() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = result()
    axes = found.plot()
    assert [line.get_label() for line in axes.get_lines()] == ["loss", "validation loss"]
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), found.history["loss"])
    assert found.plot(axes) is axes
    plt.close("all")
