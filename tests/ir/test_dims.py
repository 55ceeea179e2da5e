"""Sizes are polynomials: their algebra agrees with that of the integers they stand for."""

from __future__ import annotations

import pickle
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.ir import (
    Dim,
    ShapeError,
    SymbolicDim,
    bind_dim,
    concrete,
    dim_product,
    dim_quotient,
    named_dim,
    parse_shape,
    shape_text,
)

NAMES = ("n", "m", "k")
SIZES = st.fixed_dictionaries({name: st.integers(1, 9) for name in NAMES})
LEAVES: st.SearchStrategy[Dim] = st.one_of(st.integers(-5, 5), st.sampled_from(NAMES).map(named_dim))


def combine(children: st.SearchStrategy[Dim]) -> st.SearchStrategy[Dim]:
    pairs = st.tuples(st.sampled_from("+-*"), children, children)
    return pairs.map(lambda t: t[1] + t[2] if t[0] == "+" else t[1] - t[2] if t[0] == "-" else t[1] * t[2])


DIMS: st.SearchStrategy[Dim] = st.recursive(LEAVES, combine, max_leaves=5)


def number(dim: Dim, sizes: Mapping[str, int]) -> int:
    return concrete(bind_dim(dim, sizes))


@given(a=DIMS, b=DIMS, sizes=SIZES)
def test_arithmetic_agrees_with_integers(a: Dim, b: Dim, sizes: dict[str, int]) -> None:
    x, y = number(a, sizes), number(b, sizes)
    assert number(a + b, sizes) == x + y
    assert number(a - b, sizes) == x - y
    assert number(a * b, sizes) == x * y
    assert number(dim_product([a, b, 2]), sizes) == 2 * x * y


@given(a=DIMS, b=DIMS, c=DIMS)
def test_equal_polynomials_are_equal_objects(a: Dim, b: Dim, c: Dim) -> None:
    assert (a + b) * c == a * c + b * c
    assert a + b == b + a
    assert a * b == b * a
    assert a - a == 0
    assert hash(a * b) == hash(b * a)


@given(a=DIMS)
def test_a_polynomial_without_names_is_a_number(a: Dim) -> None:
    if isinstance(a, SymbolicDim):
        assert a.names
    bound = bind_dim(a, dict.fromkeys(NAMES, 3))
    assert isinstance(bound, int)


@given(a=DIMS, b=DIMS, sizes=SIZES)
def test_quotients_are_exact(a: Dim, b: Dim, sizes: dict[str, int]) -> None:
    quotient = dim_quotient(a, b)
    if quotient is not None and b != 0:
        assert quotient * b == a
        assert number(quotient, sizes) * number(b, sizes) == number(a, sizes)


def test_quotients_that_exist_are_found() -> None:
    n, m = named_dim("n"), named_dim("m")
    assert dim_quotient(6 * n * m, 2 * n) == 3 * m
    assert dim_quotient(2 * n * m + 4 * n, 2 * n) == m + 2
    assert dim_quotient(n + 1, n + 1) == 1
    assert dim_quotient(0, n) == 0
    assert dim_quotient(12, 4) == 3
    for dividend, divisor in ((n, m), (n + 1, n), (3 * n, 2), (7, 2), (7, 0)):
        assert dim_quotient(dividend, divisor) is None


@given(a=DIMS)
def test_dims_survive_pickling(a: Dim) -> None:
    assert pickle.loads(pickle.dumps(a)) == a


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (named_dim("n"), "n"),
        (2 * named_dim("h"), "2·h"),
        (named_dim("n") - 1, "n-1"),
        (1 - named_dim("n"), "-n+1"),
        (named_dim("n") * named_dim("m") + named_dim("n"), "m·n+n"),
    ],
)
def test_text(dim: Dim, text: str) -> None:
    assert str(dim) == repr(dim) == text


def test_partial_binding_keeps_other_names() -> None:
    n, m = named_dim("n"), named_dim("m")
    assert bind_dim(n * m + n, {"n": 4}) == 4 * m + 4
    assert bind_dim(n, {"n": m + 1}) == m + 1


def test_concrete_refuses_a_name() -> None:
    assert concrete(3) == 3
    with pytest.raises(ShapeError, match="the size n has no value here"):
        concrete(named_dim("n"))


def test_shapes_are_read_and_written() -> None:
    n, d = named_dim("n"), named_dim("d")
    assert parse_shape("n d") == parse_shape(" n,d ") == (n, d)
    assert parse_shape("4 2") == (4, 2)
    assert parse_shape("") == ()
    assert [shape_text(shape) for shape in ((), (n,), (n, 2))] == ["()", "(n,)", "(n, 2)"]


@pytest.mark.parametrize("text", ["n-1", "2n", "-3", "n *", "1.5"])
def test_malformed_shapes_are_refused(text: str) -> None:
    with pytest.raises(ShapeError, match="is not a name for a size"):
        parse_shape(text)
