"""Parameters in nested containers, losses that take them as one argument, and data by position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr

X = np.random.default_rng(0).normal(size=(20, 3))
Y = np.sin(X[:, :1])


@dataclass
class Layer:
    W: Any
    b: Any


class Pair(NamedTuple):
    first: Any
    second: Any


def drawn() -> tuple[list[Any], list[Any]]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(3, 4)), rng.normal(size=(4, 1))], [np.zeros(4), np.zeros(1)]


def flat(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    return np.mean((np.tanh(X @ W1 + b1) @ W2 + b2 - y) ** 2)


def reference() -> dict[str, Any]:
    W, b = drawn()
    params = {"W1": W[0], "b1": b[0], "W2": W[1], "b2": b[1]}
    return dict(cr.fit(flat, params, {"X": X, "y": Y}, epochs=7, batch_size=8).params)


def by_dicts(params: Any, X: Any, y: Any) -> Any:
    first, second = params["layers"]
    return flat(X, y, first["W"], first["b"], second["W"], second["b"])


def by_records(params: Any, X: Any, y: Any) -> Any:
    first, second = params
    return flat(X, y, first.W, first.b, second.W, second.b)


def by_list(params: Any, X: Any, y: Any) -> Any:
    return flat(X, y, *params)


def one_nested(X: Any, y: Any, layers: Any, last: Any) -> Any:
    return flat(X, y, layers[0]["W"], layers[0]["b"], last["W"], last["b"])


def layers() -> list[dict[str, Any]]:
    W, b = drawn()
    return [{"W": W[k], "b": b[k]} for k in range(2)]


def records() -> Pair:
    W, b = drawn()
    return Pair(Layer(W[0], b[0]), Layer(W[1], b[1]))


FORMS: dict[str, tuple[Any, Any, Any]] = {
    "dicts": (
        by_dicts,
        lambda: {"layers": layers()},
        lambda p: [p["layers"][0]["W"], p["layers"][0]["b"], p["layers"][1]["W"], p["layers"][1]["b"]],
    ),
    "records": (by_records, records, lambda p: [p.first.W, p.first.b, p.second.W, p.second.b]),
    "a list": (
        by_list,
        lambda: [layers()[0]["W"], layers()[0]["b"], layers()[1]["W"], layers()[1]["b"]],
        lambda p: p,
    ),
    "nested values": (
        one_nested,
        lambda: {"layers": layers()[:1], "last": layers()[1]},
        lambda p: [p["layers"][0]["W"], p["layers"][0]["b"], p["last"]["W"], p["last"]["b"]],
    ),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("data", [{"X": X, "y": Y}, (X, Y)], ids=["by name", "by position"])
def test_every_arrangement_trains_to_the_same_bits(name: str, data: Any) -> None:
    loss, make, leaves = FORMS[name]
    result = cr.fit(loss, make(), data, epochs=7, batch_size=8)
    assert type(result.params) is type(make())
    for found, expected in zip(leaves(result.params), reference().values(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_session_keeps_the_arrangement() -> None:
    session = cr.begin_training(by_dicts, {"layers": layers()}, (X, Y), cr.SGD(0.1), batch_size=8)
    session.advance(3)
    kept, place = session.params, session.position
    session.advance(2)
    later = session.params
    session.restore(kept, session.optimizer_state, place)
    session.advance(2)
    for first, second in zip(later["layers"], session.params["layers"], strict=True):
        np.testing.assert_array_equal(first["W"], second["W"])
    with pytest.raises(cr.TrainingError, match="another structure than at the start"):
        session.restore({"layers": layers()[:1]}, {})


def test_momentum_resumes_in_a_nested_structure() -> None:
    whole = cr.fit(by_dicts, {"layers": layers()}, (X, Y), cr.SGD(0.1, momentum=0.9), epochs=6, batch_size=8)
    part = cr.fit(by_dicts, {"layers": layers()}, (X, Y), cr.SGD(0.1, momentum=0.9), epochs=2, batch_size=8)
    rest = cr.fit(
        by_dicts,
        part.params,
        (X, Y),
        cr.SGD(0.1, momentum=0.9),
        epochs=4,
        batch_size=8,
        optimizer_state=part.optimizer_state,
        start=part.position,
    )
    np.testing.assert_array_equal(whole.params["layers"][1]["W"], rest.params["layers"][1]["W"])


def test_gradient_report_takes_the_same_arguments() -> None:
    report = cr.gradient_report(by_dicts, {"layers": layers()}, (X, Y))
    W, b = drawn()
    plain = cr.gradient_report(flat, {"W1": W[0], "b1": b[0], "W2": W[1], "b2": b[1]}, {"X": X, "y": Y})
    assert [factor.gain for factor in report.path] == [factor.gain for factor in plain.path]
    assert len(report.path) > 2
    assert {entry.name for entry in report.params} == {"layers_0_W", "layers_0_b", "layers_1_W", "layers_1_b"}


def fails(params: Any, data: Any, message: str, loss: Any = by_dicts) -> None:
    with pytest.raises(cr.TrainingError, match=message):
        cr.fit(loss, params, data)


def test_what_does_not_fit_is_named() -> None:
    fails({"layers": layers()}, (X,), "data has 1 arrays, and the loss takes X, y besides its parameters")
    fails({"layers": layers()}, (X, Y, Y), "data has 3 arrays")
    fails({"layers": [{"W": np.arange(3)}]}, (X, Y), "parameter 'W' holds int64")
    fails({"param": X}, {"X": X, "y": Y}, "takes 'params', which is not in params, data or constants")
    fails({}, (X, Y), "params is empty")


def test_a_misspelt_name_is_not_taken_for_a_structure() -> None:
    def loss(w: Any, X: Any, y: Any) -> Any:
        return np.mean((X @ w - y) ** 2)

    fails({"W": np.zeros((3, 1))}, {"X": X, "y": Y}, "takes 'w', which is not in params", loss)
