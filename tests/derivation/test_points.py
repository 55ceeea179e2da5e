"""Correct lines are verified at any scale, domain and size of terms; wrong ones are still detected."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import numpy as np
import pytest
from support.scaled_functions import FUNCTIONS

import chainrule as cr
from chainrule.calculus import Scan, rolled
from chainrule.derivation.claims import Claim
from chainrule.derivation.differences import derivative_at_zero
from chainrule.derivation.points import Evaluator, Values
from chainrule.derivation.verify import Verifier
from chainrule.ir import Apply, Const, DType, Input, Node, applies, topological_order
from chainrule.primitives import Multiply

SEEDS = int(os.environ.get("CHAINRULE_POINT_SEEDS", "1"))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_right_lines_are_verified(name: str) -> None:
    function, shapes = FUNCTIONS[name]
    derivation = cr.derive(function, **shapes)
    for seed in range(SEEDS):
        verification = derivation.verify(points=2, seed=seed)
        assert verification.ok, (seed, str(verification))


def test_results_of_a_recurrence_are_those_of_the_values_at_hand() -> None:
    program = rolled(cr.trace(lambda h, X: cr.scan(lambda h, x: (np.sin(h) * x, h + x), h, X)[1], h="", X="6"), {})
    assert any(applies(node, Scan) for node in program.nodes)
    evaluate, (h, X), (node,) = Evaluator(), program.inputs, program.outputs
    for start in (1.0, 2.0, 2.0):
        found = evaluate(node, {h: np.array(start), X: np.arange(1.0, 7.0)})
        np.testing.assert_allclose(found[:2], [start + 1, np.sin(start) + 2])


def test_a_value_is_the_same_where_what_does_not_move_is_computed_once() -> None:
    program = cr.trace(lambda x, y: np.sum(np.exp(x) * y + 2.0 * np.tanh(y)), x="3", y="3")
    bound = program.bind({}, DType.FLOAT64)
    evaluate, (x, y), (node,) = Evaluator(), bound.inputs, bound.outputs
    values: Values = {x: np.array([0.1, 0.2, 0.3]), y: np.array([1.0, -1.0, 2.0])}
    cases: list[list[Node]] = [[x], [y], [x, y], []]
    for moved in cases:
        new: Values = {each: values[each] + 0.5 for each in moved}
        part = evaluate.moving(node, moved, values)
        assert part(new) == evaluate(node, {**values, **new})
        assert part({each: values[each] for each in moved}) == evaluate(node, values)


HARD = ["masked_diagonal", "masked_attention", "infinitely_masked_attention", "causal_attention", "hot_exponentials"]
HARD += ["hot_softmax_regression", "hot_log_sum_exp", "gaussian_of_a_small_sigma", "high_power", "tiny_factor"]
HARD += ["huge_factor", "offsets_that_cancel", "saturated_sigmoids", "deep_tower", "entropy", "nearly_singular"]


@pytest.mark.parametrize("name", HARD)
def test_wrong_lines_are_caught(name: str) -> None:
    """Every differential, step and gradient with a relative error of 0.01 is detected."""
    function, shapes = FUNCTIONS[name]
    record = cr.derive(function, **shapes).record
    claims = list(record.claims)
    wrong = [k for k, claim in enumerate(claims) if claim.kind in ("differential", "chain", "gradient", "path")]
    for k in wrong:
        right = claims[k].right
        claims[k] = dataclasses.replace(claims[k], right=Multiply()(Const(1.01, right.type), right))
    outcome = Verifier(record, claims=claims).run(points=2)
    caught = {failure.line - 1 for failure in outcome.failures}
    zero = {k for k in wrong if _is_zero(claims[k])}
    assert caught >= set(wrong) - zero - {line - 1 for line in outcome.unchecked}
    assert len(outcome.unchecked) < len(wrong) / 4
    assert caught <= set(wrong)


def _is_zero(claim: Claim) -> bool:
    assert isinstance(claim.right, Apply)
    (_, value) = claim.right.operands
    return isinstance(value, Const) and bool(np.all(np.asarray(value.value) == 0))


@pytest.mark.parametrize("formula", ["sum(acosh(x))", "sum(ln(ln(x)))", "sum(ln(1 - x'*x))"])
def test_points_keep_away_from_the_border_of_the_domain(formula: str) -> None:
    """Also the first distribution that is tried, from which a point may come to lie beside the border."""
    derivation = cr.derive(formula, x="3")
    (x,) = derivation.record.program.inputs
    (loss,) = derivation.record.program.bind({}, DType.FLOAT64).outputs
    evaluate = Evaluator()
    for seed in range(25):
        verifier = Verifier(derivation.record, seed)
        at = verifier.value_of(x, verifier.point())
        for factor in (1 - 2.0**-7, 1 + 2.0**-7):
            moved: dict[Node, np.ndarray] = {
                node: at * factor for node in topological_order([loss]) if isinstance(node, Input)
            }
            assert np.isfinite(evaluate(loss, moved)), (seed, at)


def test_what_cannot_be_checked_is_said_to_be_so() -> None:
    verification = cr.derive(lambda x: np.sum(np.sqrt(-1 - x**2)), x="n").verify()
    assert not verification.ok
    assert not verification.failures
    assert verification.lines_checked == 0
    assert "could not be checked" in str(verification)
    assert "未能验证" in verification.text("zh")


def test_lines_that_fewer_points_decide_are_told_with_their_number() -> None:
    """Where an entry is positive, every digit of the loss is lost."""
    derivation = cr.derive(lambda x: np.sum(np.sin(x)) + 1e20 * (np.max(x) > 0), x="3")
    verification = derivation.verify(seed=3)
    assert verification.ok
    assert (verification.lines, verification.lines_checked, verification.points) == (12, 12, 3)
    assert set(verification.at_fewer_points) == {2, 7, 8, 9}
    assert set(verification.at_fewer_points.values()) <= {1, 2}
    assert "Decided at fewer points: line 2 (at " in str(verification)
    assert "只在较少的点上得到判定的行：第 2 行（" in verification.text("zh")
    whole = cr.derive(lambda x: np.sin(x), x="").verify()
    assert not whole.at_fewer_points
    assert "fewer" not in str(whole)


def test_lines_whose_every_digit_is_lost_are_said_not_to_be_checked() -> None:
    verification = cr.derive(lambda x: np.sum(np.sin(x)) + 1e20, x="n").verify(points=1)
    assert not verification.failures
    assert verification.unchecked
    assert f"ine {verification.unchecked[0]} could not be checked" in str(verification)


def test_a_plateau_on_both_sides_is_no_derivative() -> None:
    """Iterates of sin(s)·s fall to 0 from a step away, and move by their slope within it."""

    def along(step: float) -> np.ndarray[Any, Any]:
        return np.asarray(1.5 + 17 * step + step**2 if abs(step) < 1e-4 else 0.0)

    found, error = derivative_at_zero(along)
    assert abs(found - 17) < 1e-6
    assert error < 1e-5


def test_a_derivative_of_zero_is_found() -> None:
    found, _ = derivative_at_zero(lambda step: np.asarray([np.cos(step), step**2, 3.0]))
    assert np.all(found == 0)


@pytest.mark.parametrize(
    ("formula", "shapes"),
    [
        ("log(det(X'*X))", {"X": "n d"}),
        ("log(det(X*X'))", {"X": "n d"}),
        ("tr(inv(X'*C*X)*A)", {"X": "n d", "C": "n n", "A": "d d"}),
        ("det(X'*A*X)", {"X": "n d", "A": "n n"}),
        ("sum((inv(X'*X)*X'*y)^2)", {"X": "n d", "y": "n"}),
    ],
)
def test_matrices_that_are_inverted_have_full_rank(formula: str, shapes: dict[str, str]) -> None:
    verification = cr.derive(formula, **shapes).verify()
    assert verification.ok, str(verification)


@pytest.mark.parametrize(
    ("formula", "wrt", "seed"),
    [
        ("norm(y - X*inv(X'*X)*X'*y)^2", "X", 0),  # the residuals of least squares: Xᵀ r is 0 at every X
        ("tr(X*inv(X'*X)*X')", "X", 1),  # the rank of X
        ("norm(x / norm(x))", "x", 0),
        ("norm(x / norm(x))", "x", 1),
        ("sum(softmax(x))", "x", 0),
    ],
)
def test_what_is_zero_everywhere_is_verified(formula: str, wrt: str, seed: int) -> None:
    """Both sides of such lines are rounding errors alone, and have no digit in common."""
    assert cr.derive(formula, wrt).verify(seed=seed).ok


@pytest.mark.parametrize("formula", ["log(x - 1)", "sqrt(x - 1)", "log(log(x))", "log(x - y - 3)", "log(x - 100)"])
def test_points_are_not_at_the_edge_of_the_domain(formula: str) -> None:
    derivation = cr.derive(formula)
    verifier = Verifier(derivation.record)
    for _ in range(3):
        values = verifier.point()
        program = derivation.record.program
        moved: Values = {node: value * (1 - 2.0**-8) for node, value in values.items() if node in program.inputs}
        for point in (values, {**values, **moved}):
            assert np.isfinite(verifier.value_of(program.outputs[0], point))
    assert derivation.verify().ok
