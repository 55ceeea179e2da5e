"""Each rule of simplification is tested on its examples: it matches, and the value is unchanged."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from chainrule.calculus import RULES, Rule, Simplifier, recognize, simplify
from chainrule.calculus.terms import factors
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    DType,
    Input,
    Node,
    Program,
    ShapeError,
    named_dim,
    parse_shape,
    substitute,
    topological_order,
)
from chainrule.primitives import (
    Add,
    Broadcast,
    Compare,
    Exp,
    Max,
    Mean,
    Multiply,
    Negate,
    Permute,
    Softmax,
    Softplus,
    Square,
    Subtract,
    Sum,
    Where,
    evaluate_nodes,
)

SIZES = {"n": 3, "m": 4, "k": 2}


def values_of(nodes: list[Node], seed: int) -> list[np.ndarray[Any, Any]]:
    inputs = tuple(dict.fromkeys(node for node in topological_order(nodes) if isinstance(node, Input)))
    program = Program(inputs, tuple(nodes)).bind(SIZES)
    random = np.random.default_rng(seed)
    values = {node: random.standard_normal(node.type.concrete_shape) for node in program.inputs}
    found = evaluate_nodes(program.outputs, values)
    return [found[node] for node in program.outputs]


CASES = [
    pytest.param(rule, example, id=f"{rule.name}-{place}")
    for rule in RULES
    for place, example in enumerate(rule.examples())
]


@pytest.mark.parametrize(("rule", "example"), CASES)
def test_rule_fires_and_keeps_the_value(rule: Rule, example: Node) -> None:
    assert isinstance(example.primitive, rule.primitives)  # type: ignore[attr-defined]
    after = rule.rewrite(example)  # type: ignore[arg-type]
    assert after is not None
    assert after is not example
    assert after.type == example.type
    for seed in range(3):
        left, right = values_of([example, after], seed)
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-12)


def variants(example: Node) -> Iterator[Node]:
    """Yield the example with one part changed: operands exchanged, another number, sign, axis or permutation."""
    for part in topological_order([example]):
        changed: list[Node] = []
        match part:
            case Apply((Add() | Subtract()) as plus, (x, y)):
                changed = [plus(y, x), Subtract()(x, y), Add()(x, y)]
            case Apply(primitive, (x, y)) if x.type == y.type:
                changed = [Apply(primitive, (y, x))]
            case Const(float()):
                changed = [Const(c, part.type) for c in (-2.0, 1.0, 3.0)]
            case Apply((Sum() | Mean() | Softmax() | Max()) as reduction, (x,)):
                axes = [(axis,) for axis in range(x.type.ndim)]
                changed = [Apply(dataclasses.replace(reduction, axes=each), (x,)) for each in axes]
            case Apply(Permute(order), (x,)):
                changed = [Permute(each)(x) for each in itertools.permutations(order)]
        for other in changed:
            with contextlib.suppress(ShapeError):  # the parent may require the original shape
                (variant,) = substitute([example], {part: other})
                if variant is not example and isinstance(variant, Apply):
                    yield variant


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_is_like_an_example_keeps_its_value_or_is_left_alone(rule: Rule) -> None:
    """A pattern that ignores a number, an order or a sign of its identity is detected."""
    for variant in (variant for example in rule.examples() for variant in variants(example)):
        after = rule.rewrite(variant) if isinstance(variant.primitive, rule.primitives) else None  # type: ignore[attr-defined,arg-type]
        if after is not None:
            left, right = values_of([variant, after], 0)
            np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-12)


def test_a_multiple_of_what_is_clipped_is_compared_in_vain() -> None:
    (rule,) = [rule for rule in RULES if rule.name == "clip is flat where it changes its argument"]
    for example in rule.examples():
        match example:
            case Apply(Where(), (Apply(Compare() as compare, (x, y)), chosen, other)):
                assert rule.rewrite(Where()(compare(2 * x, y), chosen, other)) is None
                assert rule.rewrite(Where()(compare(x * x, y), chosen, other)) is None
            case _:
                pytest.fail(f"{example!r} is no choice")


def test_every_rule_has_an_example_for_each_primitive_family() -> None:
    assert all(rule.examples() for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_wrong_rule_would_be_noticed(rule: Rule) -> None:
    """Adding one to the result of a rule changes the value on its examples."""
    changed = []
    for example in rule.examples():
        after = rule.rewrite(example)  # type: ignore[arg-type]
        assert after is not None
        left, right = values_of([example, Add()(Const(1, after.type), after)], 0)
        changed.append(not np.allclose(left, right))
    assert all(changed)


def matrix(name: str) -> Input:
    return Input(name, ArrayType(parse_shape("n m")))


def test_half_times_two_is_gone() -> None:
    x = matrix("x")
    assert simplify(0.5 * (2 * x)) is x


def test_softmax_gradient_factors() -> None:
    p, g = Exp()(matrix("p")), matrix("g")
    assert isinstance(simplify(p * g - p * Exp()(g)).primitive, Multiply)  # type: ignore[attr-defined]


def test_sigmoid_and_cross_entropy_cancel() -> None:
    y, a = matrix("y"), Exp()(matrix("z"))
    gradient = (-(y / a) + (1 - y) / (1 - a)) * (a * (1 - a))
    assert simplify(gradient) is a - y


def test_every_application_is_recorded() -> None:
    x = matrix("x")
    simplifier = Simplifier()
    result = simplifier(Negate()(Negate()(Multiply()(Const(1, x.type), x))))
    assert result is x
    assert [rewrite.rule for rewrite in simplifier.rewrites] == ["1·x → x", "−(−x) → x"]
    for rewrite in simplifier.rewrites:
        left, right = values_of([rewrite.before, rewrite.after], 1)
        np.testing.assert_array_equal(left, right)


def test_simplification_is_idempotent_and_terminates_on_random_expressions() -> None:
    random = np.random.default_rng(0)
    leaves: list[Node] = [matrix("x"), matrix("y"), Const(2, matrix("x").type), Const(1, matrix("x").type)]
    size = Const(named_dim("n"), matrix("x").type)
    operations: list[Callable[[Node, Node], Node]] = [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a * b,
        lambda a, b: -a,
        lambda a, b: Square()(a),
        lambda a, b: a / Exp()(b),
    ]
    for _ in range(150):
        pool = [*leaves, 1 / size]
        for _ in range(8):
            a, b = (pool[k] for k in random.integers(0, len(pool), 2))
            pool.append(operations[random.integers(0, len(operations))](a, b))
        expression = pool[-1]
        once = simplify(expression)
        left, right = values_of([expression, once], 2)
        np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9 * max(1.0, float(np.max(np.abs(left)))))
        assert simplify(once) is once


def test_sum_of_labels_and_add_types() -> None:
    x = matrix("x")
    assert simplify(Sum((0, 1))(Const(0, x.type))).type == ArrayType((), DType.FLOAT64)
    assert simplify(Add()(x, Const(0, x.type))) is x


def test_arithmetic_of_sums_that_are_factors_keeps_its_value() -> None:
    """The sum that is left of a common factor may be that factor itself, as in (1 + x) + x (1 + x)."""
    x, y = (Input(name, ArrayType(())) for name in "xy")
    sums = [1 + x, 1 - x]
    values: dict[Node, Any] = {x: np.float64(1.37), y: np.float64(0.61)}
    for one, other in itertools.product(sums, repeat=2):
        for cofactor in (x, -y):
            for node in (
                one + cofactor * other,
                one - cofactor * other,
                y * one + y * cofactor * other,
                1 / one + cofactor / other,
                one / other + one / (other * other),
                cofactor / one - 1 / (one * other),
            ):
                found = evaluate_nodes([node, after := simplify(node)], values)
                np.testing.assert_allclose(found[after], found[node], rtol=1e-12, atol=1e-14)


def test_what_a_rule_does_not_match_is_remembered_only_of_the_node_alone() -> None:
    """A named value is kept, so that the sum is softplus(a b) only where (−a) b has no name."""
    a, b = (Input(name, ArrayType(())) for name in "ab")
    opposite = (-a) * b
    total = a * b + Softplus()(opposite)
    for names, expected in (({opposite: "u"}, total), ({}, Softplus()(a * b)), ({opposite: "u"}, total)):
        assert recognize(Program((a, b), (total,), names))[0].outputs == (expected,)


def test_a_rule_that_leaves_a_node_is_asked_once_about_it() -> None:
    x = Input("x", ArrayType(()))
    asked: list[Node] = []

    def remembers(node: Apply) -> None:
        asked.append(node)

    for bit, times in ((1 << len(RULES), 1), (0, 2)):
        asked.clear()
        node = Exp()(x + bit)
        for _ in range(2):
            Simplifier([Rule("none", (Exp,), remembers, lambda: [], bit)])(node)
        assert asked == [node] * times


def test_what_is_remembered_of_a_product_keeps_nothing_alive() -> None:
    x = Input("x", ArrayType((3,)))
    makers: tuple[Callable[[], Node], ...] = (
        lambda: x * (x + 1),
        lambda: -((x / 2) ** 3),
        lambda: Broadcast((3, 3), (1,))(x),
        lambda: (x - 1) ** x,
    )
    for make in makers:
        node = make()
        assert factors(node) == factors(node)
        seen = weakref.ref(node)
        del node
        assert seen() is None
