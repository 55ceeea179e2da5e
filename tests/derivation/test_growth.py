"""Long expressions without names: the size of the output, and the work, are proportional to the program."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus import collect
from chainrule.derivation import boxes
from chainrule.derivation.boxes import Box, Break, Pieces, break_lines, row

Step = Callable[[Any, Any], Any]

FAMILIES: dict[str, Step] = {
    "squares": lambda a, x: 0.1 * a * a,
    "sums": lambda a, x: a + a,
    "products": lambda a, x: np.tanh((a + x) * a),
    "matrix products": lambda a, x: np.outer(x, x) @ a + a,
    "activations": lambda a, x: np.tanh(a) * a,
    "gates": lambda a, x: np.tanh(a) * x,
    "softmax": lambda a, x: cr.softmax(a) * x,
    "scales": lambda a, x: 0.1 * a * np.sum(a * x),
}


def nested(step: Step, count: int) -> Callable[[Any], Any]:
    """Return `step` applied `count` times, without intermediate names."""
    return lambda x: np.sum(functools.reduce(lambda a, _: step(a, x), range(count), x))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_nest_is_written_in_proportion_to_its_depth(family: str) -> None:
    derivation = cr.derive(nested(FAMILIES[family], 10), wrt=["x"], x="n")
    assert derivation.verify().ok
    assert len(str(derivation)) < 12_000


def test_names_are_given_where_there_is_too_much_to_write() -> None:
    def function(x: Any, t1: Any) -> Any:
        return np.sum(functools.reduce(lambda a, _: (a + t1) * a, range(9), x))

    derivation = cr.derive(function, wrt=["x"], x="n", t1="n")
    names = set(derivation.record.program.names.values())
    assert {"t2", "t3"} <= names
    assert "t1" not in names
    short = cr.derive(nested(FAMILIES["products"], 3), wrt=["x"], x="n")
    assert set(short.record.program.names.values()) == {"L"}


def test_shared_arithmetic_is_looked_at_once() -> None:
    program = cr.trace(lambda x: functools.reduce(lambda a, _: a + a * x, range(200), x), x="n")
    assert collect.arithmetic_leaves(program.outputs[0]) == {}  # 2²⁰⁰ occurrences of x
    few = cr.trace(lambda x, y: (x + y) * (x + y) / y, x="n", y="n")
    assert collect.arithmetic_leaves(few.outputs[0]) == dict(zip(few.inputs, (2, 3), strict=True))


def test_each_part_of_a_nest_is_measured_a_few_times_when_lines_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: Pieces = [Box("x", 1)]
    for _ in range(60):
        inner = [Break(p.depth + 10, p.flat) if isinstance(p, Break) else p for p in pieces]
        pieces = [Box("tanh(", 5), *inner, Box(")", 1), Break(2), Box("⊙ x", 3)]
    measured = 0

    def measure(parts: Sequence[Box | Break]) -> Box:
        nonlocal measured
        measured += 1
        return row(parts)

    monkeypatch.setattr(boxes, "row", measure)
    lines = break_lines(pieces, 40)
    assert "".join(line.text.strip() for line in lines).replace(" ", "") == row(pieces).text.replace(" ", "")
    assert measured < 40 * len(pieces)
