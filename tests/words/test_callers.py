"""Tracebacks and warnings at the caller's line."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.words.callers import FULL, ROOT


def shapes_differ(X: Any, W: Any) -> Any:
    return np.sum(X @ W)


def data() -> dict[str, Any]:
    return {"X": np.ones((4, 5))}


CALLS: dict[str, Callable[[], Any]] = {
    "derive": lambda: cr.derive(shapes_differ, X="n d", W="h o"),
    "trace": lambda: cr.trace(shapes_differ, X="n d", W="h o"),
    "fit": lambda: cr.fit(shapes_differ, {"W": np.ones((3, 2))}, data()),
    "begin_training": lambda: cr.begin_training(shapes_differ, {"W": np.ones((3, 2))}, data()),
    "grad": lambda: cr.grad(shapes_differ, 1)(np.ones((4, 5)), np.ones((3, 2))),
    "value_and_grad": lambda: cr.value_and_grad(shapes_differ, 1)(np.ones((4, 5)), np.ones((3, 2))),
    "vjp": lambda: cr.vjp(shapes_differ, np.ones((4, 5)), np.ones((3, 2))),
    "gradient_report": lambda: cr.gradient_report(shapes_differ, {"W": np.ones((3, 2))}, data()),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_traceback_has_the_callers_lines_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FULL, raising=False)
    with pytest.raises(cr.ShapeError) as caught:
        CALLS[name]()
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert {frame.filename for frame in frames} == {__file__}
    assert frames[-1].line == "return np.sum(X @ W)"


def test_an_error_before_the_callers_code_ends_at_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FULL, raising=False)
    with pytest.raises(cr.TrainingError) as caught:
        cr.fit(shapes_differ, {"V": np.ones(3)}, data())
    (frame,) = traceback.extract_tb(caught.value.__traceback__)
    assert frame.line == 'cr.fit(shapes_differ, {"V": np.ones(3)}, data())'


def test_all_frames_are_kept_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FULL, "full")
    with pytest.raises(cr.ShapeError) as caught:
        CALLS["derive"]()
    assert traceback.extract_tb(caught.value.__traceback__)[-1].filename.startswith(ROOT)


def test_other_errors_keep_their_frames() -> None:
    def broken(X: Any) -> Any:
        raise LookupError("mine")

    with pytest.raises(LookupError) as caught:
        cr.derive(broken, X="n")
    assert any(frame.filename.startswith(ROOT) for frame in traceback.extract_tb(caught.value.__traceback__))


@pytest.mark.parametrize("through", ["fit", "MLP"])
def test_a_warning_is_at_the_callers_line(through: str) -> None:
    X, y = np.ones((6, 1)) * 1e3, np.ones((6, 1))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        if through == "fit":
            cr.fit("mean((X @ w - y)^2)", {"w": np.ones((1, 1))}, {"X": X, "y": y}, cr.SGD(10.0))
        else:
            cr.MLP([1, 1], seed=0).fit(X, y, optimizer=cr.SGD(10.0))
    assert [(entry.category, entry.filename) for entry in found] == [(cr.DivergenceWarning, __file__)]
