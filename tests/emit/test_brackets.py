"""Brackets: random expressions have the same value when they are written and evaluated."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.emit import code as writing
from chainrule.emit.code import Code, Level, atom, binary, difference, negative, power, product, quotient, total

Pair = tuple[Code, float]

LEAVES = st.sampled_from([(atom("a"), 1.7), (atom("b"), 0.6), (atom("c"), 2.3), (atom("2"), 2.0)])


def grown(children: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    def both(write: Any, value: Any) -> st.SearchStrategy[Pair]:
        return st.tuples(children, children).map(lambda p: (write(p[0][0], p[1][0]), value(p[0][1], p[1][1])))

    return st.one_of(
        both(total, lambda x, y: x + y),
        both(difference, lambda x, y: x - y),
        both(product, lambda x, y: x * y),
        both(quotient, lambda x, y: x / y if y else 0.0),
        children.map(lambda p: (negative(p[0]), -p[1])),
        children.map(lambda p: (power(p[0], atom("2")), p[1] ** 2)),
    )


@given(st.recursive(LEAVES, grown, max_leaves=12))
def test_written_expressions_mean_what_they_were(pair: Pair) -> None:
    written, value = pair
    try:
        found = eval(str(written), {"a": 1.7, "b": 0.6, "c": 2.3})
    except (ZeroDivisionError, OverflowError):
        return
    if math.isfinite(value) and abs(value) < 1e12:
        # Sums may cancel; a bracket that is missing changes more than the last digits.
        assert math.isclose(found, value, rel_tol=1e-6, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (product(atom("a"), product(atom("b"), atom("c"))), "a * b * c"),
        (quotient(atom("a"), product(atom("b"), atom("c"))), "a / (b * c)"),
        (difference(atom("a"), difference(atom("b"), atom("c"))), "a - (b - c)"),
        (total(atom("a"), difference(atom("b"), atom("c"))), "a + b - c"),
        (product(atom("a"), writing.matrix_product(atom("b"), atom("c"))), "a * (b @ c)"),
        (product(writing.matrix_product(atom("a"), atom("b")), atom("c")), "a @ b * c"),
        (writing.matrix_product(product(atom("a"), atom("b")), atom("c")), "(a * b) @ c"),
        (negative(negative(atom("a"))), "a"),
        (negative(total(atom("a"), atom("b"))), "-(a + b)"),
        (power(negative(atom("a")), atom("2")), "(-a) ** 2"),
        (binary("<", binary("<", atom("a"), atom("b"), Level.COMPARISON), atom("c"), Level.COMPARISON), "(a < b) < c"),
    ],
)
def test_brackets(found: Code, text: str) -> None:
    assert str(found) == text
