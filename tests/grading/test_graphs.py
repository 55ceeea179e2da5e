"""Graphs of values with closures, as micrograd's: mistakes inside are named where they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import made

import chainrule as cr

FORWARD = """
def forward(x1: "", x2: "", w1: "", w2: "", b: ""):
    n = x1 * w1 + x2 * w2 + b
    o = np.tanh(n)
    return o
"""
GRAPH = """
class Value:
    def __init__(self, data, _children=(), _op=''):
        self.data = data
        self.grad = 0.0
        self._backward = lambda: None
        self._prev = set(_children)

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other), '+')

        def _backward():
            self.grad += 1.0 * out.grad
            other.grad += 1.0 * out.grad
        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other), '*')

        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out

    def tanh(self):
        x = self.data
        t = (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)
        out = Value(t, (self,), 'tanh')

        def _backward():
            self.grad += (1 - t ** 2) * out.grad
        out._backward = _backward
        return out

    def backward(self):
        topo = []
        visited = set()

        def build_topo(v):
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build_topo(child)
                topo.append(v)
        build_topo(self)
        self.grad = 1.0
        for node in reversed(topo):
            node._backward()


def step(x1, x2, w1, w2, b):
    x1, x2, w1, w2, b = Value(x1), Value(x2), Value(w1), Value(w2), Value(b)
    n = x1 * w1 + x2 * w2 + b
    o = n.tanh()
    o.backward()
    return {"x1": x1.grad, "x2": x2.grad, "w1": w1.grad, "w2": w2.grad, "b": b.grad}
"""
NAMES = ("x1", "x2", "w1", "w2", "b")
MISTAKES = [
    ("self.grad += (1 - t ** 2) * out.grad", "self.grad += (1 - t) * out.grad", "power"),
    ("self.grad += (1 - t ** 2) * out.grad", "self.grad += (1 - x ** 2) * out.grad", "operand"),
    ("self.grad += other.data * out.grad", "self.grad += self.data * out.grad", "operand"),
    ("other.grad += self.data * out.grad", "other.grad += self.data * out.data", "operand"),
    ("other.grad += self.data * out.grad", "other.grad += out.grad", "missing operand"),
    ("other.grad += 1.0 * out.grad", "other.grad -= 1.0 * out.grad", "sign"),
    ("other.grad += 1.0 * out.grad", "self.grad += 1.0 * out.grad", "target"),
    ("self.grad = 1.0", "self.grad = 2.0", "factor"),
    ("for node in reversed(topo):", "for node in topo:", "rounds"),
]


def test_a_graph_of_values_is_right(tmp_path: Path) -> None:
    assert cr.grade(made(GRAPH, "step", tmp_path), made(FORWARD, "forward", tmp_path), wrt=NAMES).right


@pytest.mark.parametrize(("right", "wrong", "kind"), MISTAKES, ids=[wrong for _, wrong, _ in MISTAKES])
def test_a_mistake_in_a_closure_is_named_there(right: str, wrong: str, kind: str, tmp_path: Path) -> None:
    answer = made(GRAPH.replace(right, wrong), "step", tmp_path)
    grade = cr.grade(answer, made(FORWARD, "forward", tmp_path), wrt=NAMES)
    first = grade.first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.source == wrong
    assert first.diagnosis.kind == kind
    shown = {line.source for line in grade.lines if line.status == "also wrong"}
    assert not shown
    assert first.diagnosis.code in ("", right) or kind in ("factor", "missing operand")


SHARED = """
def forward(a: "", b: ""):
    c = a * b + a
    d = c * a
    return d
"""
TWICE = (
    GRAPH.partition("def step")[0]
    + """
def step(a, b):
    a, b = Value(a), Value(b)
    c = a * b + a
    d = c * a
    d.backward()
    return {"a": a.grad, "b": b.grad}
"""
)


@pytest.mark.parametrize("owner", ["self.grad += other.data", "other.grad += 1.0"])
def test_a_gradient_that_a_node_does_not_accumulate_is_named(owner: str, tmp_path: Path) -> None:
    answer = made(TWICE.replace(owner, owner.replace("+=", "=")), "step", tmp_path)
    first = cr.grade(answer, made(SHARED, "forward", tmp_path), wrt=("a", "b")).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.source.startswith(owner.replace("+=", "="))
    assert first.diagnosis.kind == "missing term"
    assert first.diagnosis.code.startswith(owner)
