"""Softmax and sigmoid, then a logarithm of what labels pick, in many spellings: the gradient is p − onehot(y)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus import RULES, Simplifier, operation_count
from chainrule.calculus.labels import Picking, picking_rules
from chainrule.ir import Apply, ArrayType, DType, Input, Node, parse_shape, substitute, topological_order
from chainrule.primitives import Broadcast, Gather, OneHot, Softmax, Sum

Case = tuple[Callable[..., Any], dict[str, str], str]


def _published(X: Any, W: Any, b: Any, y: Any) -> Any:
    num = X.shape[0]
    scores = np.dot(X, W) + b
    exp_scores = np.exp(scores)
    probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
    correct_logprobs = -np.log(probs[range(num), y])
    return np.sum(correct_logprobs) / num


def _in_steps(z: Any, y: Any) -> Any:
    p = cr.softmax(z)
    picked = p[np.arange(z.shape[0]), y]
    logs = np.log(picked)
    return -np.mean(logs)


def _along(z: Any, y: Any) -> Any:
    p = cr.softmax(z)
    return -np.mean(np.log(np.take_along_axis(p, y[:, None], axis=1)))


def _kept_axis(z: Any, y: Any) -> Any:
    p = cr.softmax(z)
    picked = np.take_along_axis(p, y[:, None], axis=1)
    return -np.sum(np.log(picked))


def _one_hot_rows(z: Any, y: Any) -> Any:
    Y = cr.one_hot(y, z.shape[1])
    p = cr.softmax(z)
    return -np.mean(np.sum(Y * np.log(p), axis=1))


def _one_hot_in_the_loss(z: Any, y: Any) -> Any:
    p = cr.softmax(z)
    picked = np.sum(p * cr.one_hot(y, z.shape[1]), axis=1)
    return -np.sum(np.log(picked))


def _one_hot_columns(z: Any, y: Any) -> Any:
    e = np.exp(z)
    p = e / e.sum(axis=0)
    Y = cr.one_hot(y, z.shape[0]).T
    return -np.sum(Y * np.log(p)) / z.shape[1]


def _one_sample(z: Any, o: Any) -> Any:
    p = np.exp(z) / np.sum(np.exp(z))
    return -np.log(p[o])


def _one_sample_in_steps(z: Any, o: Any) -> Any:
    p = cr.softmax(z)
    picked = p[o]
    return -np.log(picked)


def _target(z: Any, y: Any) -> Any:
    p = cr.softmax(z)
    return -y @ np.log(p)


def _teacher(z: Any, t: Any, T: Any) -> Any:
    p = cr.softmax(t / T)
    q = cr.softmax(z / T)
    return -np.sum(p * np.log(q))


def _contrastive(S: Any) -> Any:
    P = cr.softmax(S)
    labels = np.arange(S.shape[0])
    return -np.mean(np.log(P[labels, labels]))


def _policy(z: Any, a: Any, A: Any) -> Any:
    p = cr.softmax(z)
    logp = np.log(p[np.arange(z.shape[0]), a])
    return -np.sum(A * logp)


def _focal(z: Any, y: Any) -> Any:
    p = cr.softmax(z)
    t = p[np.arange(z.shape[0]), y]
    return -np.sum((1 - t) ** 2 * np.log(t))


def _crossed(z: Any, y: Any) -> Any:
    s = cr.sigmoid(z)
    return -np.mean(y * np.log(s) + (1 - y) * np.log(1 - s))


ROWS = {"z": "n k", "y": "n:int"}
SPELLINGS: dict[str, Case] = {
    "as published": (_published, {"X": "n d", "W": "d c", "b": "c", "y": "n:int"}, "(1/n) (probs − onehot(y))"),
    "in steps": (_in_steps, ROWS, "∂L/∂z = (1/n) (p − onehot(y))"),
    "take_along_axis": (_along, ROWS, "∂L/∂z = (1/n) (p − onehot(y))"),
    "with a kept axis": (_kept_axis, ROWS, "∂L/∂z = p − onehot(y)"),
    "in one expression": (
        lambda z, y: -np.sum(np.log(cr.softmax(z)[np.arange(z.shape[0]), y])),
        ROWS,
        "∂L/∂z = softmax(z) − onehot(y)",
    ),
    "one-hot rows": (_one_hot_rows, ROWS, "∂L/∂z = (1/n) (p − Y)"),
    "rows of the identity": (
        lambda z, y: -np.sum(np.eye(z.shape[1])[y] * np.log(cr.softmax(z))) / z.shape[0],
        ROWS,
        "∂L/∂z = (1/n) (softmax(z) − onehot(y))",
    ),
    "weighted classes": (
        lambda z, y, w: -np.sum(w[y] * np.log(cr.softmax(z)[np.arange(z.shape[0]), y])),
        {**ROWS, "w": "k"},
        "∂L/∂z = (w[y] 1ᵀ) ⊙ (softmax(z) − onehot(y))",
    ),
    "labels in order": (
        lambda S: cr.cross_entropy(S, np.arange(S.shape[0])),
        {"S": "n n"},
        "∂L/∂S = (1/n) (softmax(S) − I)",
    ),
    "a sum beside one-hot rows": (_one_hot_in_the_loss, ROWS, "∂L/∂z = p − onehot(y)"),
    "one-hot columns": (_one_hot_columns, {"z": "k n", "y": "n:int"}, "∂L/∂z = (1/n) (p − Y)"),
    "one sample": (_one_sample, {"z": "v", "o": ":int"}, "∂L/∂z = p − onehot(o)"),
    "one sample in steps": (_one_sample_in_steps, {"z": "v", "o": ":int"}, "∂L/∂z = p − onehot(o)"),
    "one sample, logsumexp": (
        lambda z, o: -z[o] + np.log(np.sum(np.exp(z))),
        {"z": "v", "o": ":int"},
        "∂L/∂z = softmax(z) − onehot(o)",
    ),
    "any target": (_target, {"z": "v", "y": "v"}, "∂L/∂z = (Σ y) · p − y"),
    "another softmax": (_teacher, {"z": "v", "t": "v", "T": ""}, "∂L/∂z = (q − p) / T"),
    "the diagonal": (_contrastive, {"S": "n n"}, "∂L/∂S = (1/n) (P − I)"),
    "weighted": (_policy, {"z": "n k", "a": "n:int", "A": "n"}, "∂L/∂z = (A 1ᵀ) ⊙ (p − onehot(a))"),
    "focal": (_focal, ROWS, "∂L/∂z = ((∂L/∂t ⊙ t) 1ᵀ) ⊙ (onehot(y) − p)"),
    "sigmoid": (_crossed, {"z": "n", "y": "n"}, "∂L/∂z = (1/n) (s − y)"),
}


@pytest.mark.parametrize(("function", "shapes", "line"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_softmax_then_a_logarithm_leaves_a_difference(
    function: Callable[..., Any], shapes: dict[str, str], line: str
) -> None:
    wrt = [next(name for name in shapes if name in ("z", "S", "W"))]
    derivation = cr.derive(function, wrt=wrt, **shapes)
    assert line in derivation.text(detail="brief")
    assert derivation.verify().ok


@pytest.mark.parametrize(("function", "shapes", "line"), SPELLINGS.values(), ids=SPELLINGS)
def test_the_gradient_has_no_more_operations_than_its_chains(
    function: Callable[..., Any], shapes: dict[str, str], line: str
) -> None:
    record = cr.derive(function, wrt=[next(n for n in shapes if n in ("z", "S", "W"))], **shapes).record
    chains: dict[Node, Node] = {}
    merged: dict[Node, Node] = {}
    for entry in record.backward.accumulations:
        (chains[entry.cotangent],) = substitute([entry.chain], chains)
        (merged[entry.cotangent],) = substitute([entry.result], merged)
    last = record.backward.accumulations[-1].cotangent
    assert operation_count(merged[last]) <= operation_count(chains[last])


P = Input("p", ArrayType(parse_shape("n k")))
Y = Input("y", ArrayType(parse_shape("n"), DType.INT64))
PICKED = Input("picked", ArrayType(parse_shape("n")))
CHOSEN = OneHot(P.type.shape[1])(Y)
VALUE = Sum((1,))(P * CHOSEN)
DEFINITIONS: dict[Node, Node] = {P: Softmax((1,))(Input("z", P.type)), PICKED: VALUE}


def _repeated(x: Node, axis: int = 0) -> Node:
    return Broadcast(P.type.shape, (axis,))(x)


def _simplified(node: Node) -> Node:
    return Simplifier([*RULES, *picking_rules(DEFINITIONS)])(node)


def test_a_picked_value_is_written_by_its_name() -> None:
    assert _simplified(Sum((1,))(P * CHOSEN)) is PICKED
    assert _simplified(Sum((1,))(CHOSEN * P)) is PICKED
    assert _simplified(P * (CHOSEN / _repeated(PICKED))) is CHOSEN
    assert set(_simplified(P * CHOSEN).operands) == {_repeated(PICKED), CHOSEN}  # type: ignore[attr-defined]


def test_a_picked_value_of_something_else_keeps_its_own() -> None:
    other = Input("q", P.type)
    label = Input("k", Y.type)
    for node in (
        Sum((1,))(other * CHOSEN),
        Sum((1,))(P * OneHot(P.type.shape[1])(label)),
        Sum((1,))(P * P),
        other * (OneHot(P.type.shape[1])(label) / _repeated(PICKED)),
    ):
        assert PICKED not in topological_order([_simplified(node)]) or PICKED in topological_order([node])
    for node in (
        other * (CHOSEN / _repeated(PICKED)),
        P * (OneHot(P.type.shape[1])(label) / _repeated(PICKED)),
        P / (CHOSEN + _repeated(PICKED)),
    ):
        assert PICKED in topological_order([_simplified(node)])


def test_a_name_of_another_shape_is_brought_to_that_of_the_value() -> None:
    column = Input("picked", ArrayType(parse_shape("n 1")))
    value = Sum((1,))(P * CHOSEN)
    picking = Picking.of({column: Broadcast(column.type.shape, (0,))(value)})
    assert picking.names[value].type == value.type
    assert isinstance(picking.names[value], Apply)


def test_a_label_out_of_a_vector_is_a_lookup() -> None:
    z, o = Input("z", ArrayType(parse_shape("k"))), Input("o", ArrayType((), DType.INT64))
    named = Input("s", ArrayType(()))
    rules = picking_rules({named: Gather(0)(z, o)})
    assert Simplifier(rules)(Gather(0)(z, o)) is named
