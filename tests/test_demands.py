"""Labels and targets outside of the documented range are refused with their place, wherever the numbers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.functions import log_softmax

LOGITS = np.random.default_rng(0).normal(size=(4, 3))
BAD = np.array([0, 1, 2, -1])


def loss(X: Any, y: Any, W: Any) -> Any:
    return cr.cross_entropy(X @ W, y)


def hot(X: Any, y: Any, W: Any) -> Any:
    return -np.mean(np.sum(cr.one_hot(y, 3) * log_softmax(X @ W), axis=-1))


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("function", [loss, hot])
@pytest.mark.parametrize(("label", "batch_size"), [(-1, None), (3, None), (-1, 2), (3, 3)])
def test_labels_of_fit(engine: str, function: Any, label: int, batch_size: int | None) -> None:
    y = np.array([0, 1, 2, label])
    program = cr.trace(function, X="n d", y="n:int", W="d 3")
    for given in (function, program):
        with pytest.raises(cr.ProgramError, match=rf"takes labels from 0 to 2, but y\[3\] is {label}; .*weight 0"):
            cr.fit(given, {"W": np.zeros((2, 3))}, {"X": np.ones((4, 2)), "y": y}, batch_size=batch_size, engine=engine)
    with pytest.raises(cr.ProgramError, match=r"y\[3\] is"):
        cr.fit(loss, {"W": np.zeros((2, 3))}, {"X": np.ones((4, 2)), "y": y}, cr.LBFGS())


def test_labels_elsewhere() -> None:
    message = r"takes labels from 0 to 2, but .*\[3\] is -1"
    for attempt in (
        lambda: cr.cross_entropy(LOGITS, BAD),
        lambda: cr.one_hot(BAD, int(np.int64(3))),
        lambda: cr.grad(cr.cross_entropy)(LOGITS, BAD),
        lambda: cr.grad(lambda z: cr.cross_entropy(z, BAD))(LOGITS),
        lambda: cr.vjp(lambda z, y: cr.cross_entropy(z, y), LOGITS, BAD),
        lambda: cr.trace(lambda z: cr.cross_entropy(z, [0, 1, 2, -1]), z="4 3"),
        lambda: cr.grad(lambda z: np.sum(cr.grad(lambda z: cr.cross_entropy(z, BAD))(z) ** 2))(LOGITS),
    ):
        with pytest.raises(cr.ProgramError, match=message):
            attempt()
    np.testing.assert_array_equal(
        cr.vjp(lambda x, i: x[i], LOGITS, BAD)[0], LOGITS[BAD]
    )  # an index counts from the end


def test_the_mend_leaves_rows_out() -> None:
    w = (BAD >= 0).astype(float)
    y, z, k = np.maximum(BAD, 0), LOGITS, 3
    mended = -np.sum(w * np.sum(cr.one_hot(y, k) * cr.log_softmax(z), axis=-1)) / np.sum(w)
    np.testing.assert_allclose(mended, cr.cross_entropy(LOGITS[:3], BAD[:3]))


@pytest.mark.parametrize("target", [-1.0, 2.0, np.nan])
def test_targets_of_binary_cross_entropy(target: float) -> None:
    z, y = np.zeros(3), np.array([0.0, target, 0.5])
    for attempt in (
        lambda: cr.binary_cross_entropy(z, y),
        lambda: cr.grad(cr.binary_cross_entropy)(z, y),
        lambda: cr.fit(lambda z, y: cr.binary_cross_entropy(z * y * 0, y), {"z": 1.0}, {"y": y}),
        lambda: cr.fit(lambda z, y: cr.binary_cross_entropy(z * y * 0, y * 1.5), {"z": 1.0}, {"y": y}, batch_size=2),
    ):
        with pytest.raises(cr.ChainruleError, match=r"(binary_cross_entropy takes targets|'y' is not finite)"):
            attempt()
    with pytest.raises(cr.ChainruleError, match=r"y('.*: y)?\[1, 0\] is"):
        cr.MLP([2, 3, 1], output="sigmoid", seed=0).fit(np.ones((3, 2)), y, epochs=1)


def test_targets_that_are_computed() -> None:
    y = np.array([-1.0, 1.0, 1.0])
    right = cr.fit(lambda z, y: cr.binary_cross_entropy(z * np.abs(y), (y + 1) / 2), {"z": 0.0}, {"y": y}, epochs=1)
    assert right.status == "finished"
    with pytest.raises(cr.ProgramError, match=r"targets\[2\] is 2"):
        cr.fit(lambda z, y: cr.binary_cross_entropy(z * y, 2 * y), {"z": 0.0}, {"y": np.array([0.0, 0.5, 1.0])})
    teacher = cr.fit(lambda z, y: cr.binary_cross_entropy(z * y, 2 + cr.sigmoid(z * y)), {"z": 0.0}, {"y": y}, epochs=1)
    assert teacher.status == "finished"  # what depends on parameters has no value beforehand
