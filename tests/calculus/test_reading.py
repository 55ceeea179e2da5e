"""Rules that serve reading do not make an expression longer, nor add operations; values that have names are reused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus import RULES, TANGENT, operation_count, simplify, with_powers
from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.sums import centred_factors
from chainrule.ir import Apply, Node, topological_order
from chainrule.primitives import Broadcast, Contract, Mean, Sqrt, Sum, permute

READING = (
    "A C + B C → (A + B) C",
    "x − y − y → x − 2·y",
    "(Xᵀ + Y)ᵀ → X + Yᵀ",
    "A + (X + Y)ᵀ → A + Xᵀ + Yᵀ",
    "(Xᵀ + Y)ᵀ B → (X + Yᵀ) B",
    "Sᵀ → S for symmetric S",
    "(A⁻¹)⁻¹ → A",
    "(A B)⁻¹ A → B⁻¹",
    "(A B) x → A (B x)",
    "the number in a (bᵀ c) dᵀ in front",
    "A (x/s) → (A x)/s",
    "transpose past a number",
    "left factor first",
)


@pytest.mark.parametrize("name", READING)
def test_no_rule_of_reading_prints_longer(name: str) -> None:
    (rule,) = [rule for rule in RULES if rule.name == name]
    for example in rule.examples():
        assert isinstance(example, Apply)
        after = rule.rewrite(example)
        assert after is not None
        assert reading_cost(after) <= reading_cost(example)
        assert operation_count(after) <= operation_count(example)


def gradients(function: Callable[..., Any] | str, wrt: str | None = None, **shapes: str) -> dict[str, str]:
    """The lines in the box of gradients, by their left sides; the derivation is verified."""
    derivation = cr.derive(function, wrt=wrt, **shapes)
    outcome = derivation.verify()
    assert outcome.ok, outcome
    boxed = [line.strip("│ ") for line in derivation.text(detail="brief", width=120).splitlines() if line[:1] == "│"]
    return {left: right.split("  ")[0] for left, _, right in (line.partition(" = ") for line in boxed)}


def solve(A: Any, b: Any) -> Any:
    return np.sum(np.linalg.solve(A, b) ** 2)


def gain(P: Any, H: Any, R: Any) -> Any:
    S = H @ P @ H.T + R
    K = P @ H.T @ np.linalg.inv(S)
    return np.sum(K**2)


def product_by_name(A: Any, x: Any) -> Any:
    y = A @ x
    return np.sum(y**2) + x @ A @ x


def negated_residual(X: Any, w: Any, y: Any) -> Any:
    r = y - X @ w
    return r @ r + np.sum(np.exp(X @ w - y))


def scaled(X: Any) -> Any:
    S = X.T @ X / 10
    return np.sum(np.exp(S)) + np.sum(X @ X.T @ X)


def unrolled(x: Any, h: Any, W: Any, U: Any) -> Any:
    for _ in range(2):
        h = np.tanh(W @ x + U @ h)
    return np.sum(h)


def layer_norm(x: Any, g: Any, b: Any) -> Any:
    mu = x.mean(-1, keepdims=True)
    v = x.var(-1, keepdims=True)
    return (x - mu) / np.sqrt(v + 1e-5) * g + b


def unit(x: Any) -> Any:
    r = np.linalg.norm(x)
    return x / r


def normalized(x: Any) -> Any:
    r = np.sqrt(np.mean(x**2))
    return x / r


def joseph(K: Any, H: Any, P: Any) -> Any:
    M = np.eye(3) - K @ H
    return np.trace(M @ P @ M.T)


def margins(S: Any, y: Any) -> Any:
    correct = S[np.arange(4), y][:, None]
    return np.sum(np.maximum(0, S - correct + 1))


def test_the_result_of_a_solve_is_known() -> None:
    assert gradients(solve, A="n n", b="n") == {"∂L/∂A": "−2 A⁻ᵀ u uᵀ", "∂L/∂b": "2 A⁻ᵀ u"}


def test_a_gain_is_known_within_a_product() -> None:
    derivation = cr.derive(gain, wrt="R", P="n n", H="m n", R="m m")
    text = derivation.text(detail="brief")
    assert "∂L/∂S = −Kᵀ (∂L/∂K) S⁻ᵀ" in text
    assert derivation.verify().ok


def test_a_product_is_written_by_its_name() -> None:
    assert gradients(product_by_name, wrt="x", A="n n", x="n")["∂L/∂x"].count("A x") == 0


def test_what_is_negated_is_written_by_its_name() -> None:
    derivation = cr.derive(negated_residual, wrt="w", X="n d", w="d", y="n")
    assert "exp(−r)" in derivation.text(detail="brief")
    assert derivation.verify().ok


def test_common_factors_are_collected() -> None:
    assert gradients("(x'*A*x)/(x'*x)", wrt="x") == {"∂L/∂x": "((A + Aᵀ) x − 2 L · x) / (xᵀ x)"}
    assert gradients(unrolled, wrt="W", x="n", h="m", W="m n", U="m m") == {"∂L/∂W": "(δ2 + δ1) xᵀ"}
    assert gradients("tr(X*X'*X*X')", wrt="X", X="n d") == {"∂L/∂X": "4 X Xᵀ X"}
    assert gradients("norm(X'*X - M)^2", wrt="X", X="n d", M="d d") == {"∂L/∂X": "2 X (2 Xᵀ X − M − Mᵀ)"}


def test_transposes_are_distributed() -> None:
    found = gradients("norm(Y - X*U*V')^2 + c*norm(U*V')^2", wrt="V")
    assert found == {"∂L/∂V": "2 ((W Vᵀ − Y)ᵀ W + c · V Uᵀ U)"}
    found = gradients("-log(det(L*L')) + tr(S*L*L')", wrt="L", L="n n", S="n n")
    assert found == {"∂L2/∂L": "(S + Sᵀ) L − 2 L⁻ᵀ"}
    found = gradients("tr(W'*S*W) + mu*norm(W'*W - eye(d))^2", wrt="W", W="n d", S="n n")
    assert found == {"∂L/∂W": "(S + Sᵀ) W + 4 μ · W (Wᵀ W − I)"}


def test_centred_differences_are_kept() -> None:
    found = gradients(layer_norm, wrt="x", x="n d", g="d", b="d")
    assert "(x − μ) ⊙ (mean₁(u) 1ᵀ)" in found["∂L/∂x"]


def test_what_is_divided_by_a_statistic_is_written_by_its_name() -> None:
    assert gradients(unit, wrt="x", x="n") == {"∂L/∂x": "(∂L/∂Y − Y Yᵀ (∂L/∂Y)) / r"}
    assert gradients(normalized, wrt="x", x="n") == {"∂L/∂x": "(∂L/∂Y − mean(∂L/∂Y ⊙ Y) · Y) / r"}


def test_differences_have_one_orientation() -> None:
    found = gradients("exp(-0.5*(x - m)'*P*(x - m))", wrt="P", x="n", m="n", P="n n")
    assert found == {"∂L/∂P": "−½ L · (x − m) (x − m)ᵀ"}


def test_a_sum_with_the_identity_that_the_user_wrote_stays() -> None:
    assert gradients("norm(W'*W - eye(d))^2", wrt="W", W="n d") == {"∂L/∂W": "4 W (Wᵀ W − I)"}
    text = cr.derive(joseph, wrt="K", K="3 m", H="m 3", P="3 3").text(detail="brief")
    assert "∂L/∂M = M (P + Pᵀ)" in text
    assert gradients("logdet(S) + tr(inv(S)*C)", wrt="S", S="n n", C="n n") == {"∂L/∂S": "S⁻ᵀ − S⁻ᵀ Cᵀ S⁻ᵀ"}


def test_powers_are_written_as_such() -> None:
    assert gradients("exp(-norm(x - c)^2/(2*s^2))", wrt="s", x="n", c="n", s="")["∂L/∂s"] == "L · u / s³"


def test_roots_of_roots_beside_what_they_are_of_are_powers_of_one() -> None:
    x = some("x", "")
    first, second = Sqrt()(x), Sqrt()(Sqrt()(x))
    assert with_powers(first * x) is first**3
    assert with_powers(second * first * x) in (x * second**3, second**3 * x)
    assert with_powers(x / first) is x / first


def test_a_mean_is_left_out_of_a_change_only_beside_what_sums_to_zero() -> None:
    x, change = some_x("n"), some(f"{TANGENT}x", "n")
    mean, centred = Broadcast(x.type.shape, ())(Mean((0,))(change)), x - Broadcast(x.type.shape, ())(Mean((0,))(x))
    rewritten = centred_factors({}).rewrite
    assert rewritten(_sum(centred * (change - mean))) is _sum(centred * change)
    assert rewritten(_sum(x * (change - mean))) is None
    assert rewritten(_sum(centred * (change - x))) is None
    assert rewritten(_sum(centred * (some_y("n") - mean))) is None


def test_a_mean_that_differs_along_the_sum_stays() -> None:
    x, change = some_x("n m"), some(f"{TANGENT}x", "n m")
    of_rows, of_columns = Broadcast(x.type.shape, (0,)), Broadcast(x.type.shape, (1,))
    centred, rewritten = x - of_rows(Mean((1,))(x)), centred_factors({}).rewrite
    assert rewritten(_sum(centred * (change - of_rows(Mean((1,))(change))), 1)) is _sum(centred * change, 1)
    assert rewritten(_sum(centred * (change - of_columns(Mean((0,))(change))), 1)) is None


def _sum(x: Node, axis: int = 0) -> Apply:
    total = Sum((axis,))(x)
    assert isinstance(total, Apply)
    return total


def test_a_sum_does_not_become_a_multiple_of_a_mean() -> None:
    found = gradients(margins, S="4 3", y="4:int")["∂L/∂S"]
    assert "mean" not in found
    assert found.endswith("1 1ᵀ) ⊙ onehot(y)")


def test_what_would_be_longer_is_left_alone() -> None:
    x, y, z = some_x(), some_y(), some("z", "n m")
    for node in (
        permute(x + y, (1, 0)),
        permute(x - y, (1, 0)) @ z,
        z @ permute(x + y, (1, 0)),
        x @ some("v", "m") + z @ some("w", "m"),
    ):
        assert reading_cost(simplify(node)) == reading_cost(node)


def test_an_elementwise_square_of_a_square_matrix_is_marked() -> None:
    def powers(A: Any) -> Any:
        return np.sum(A**2 @ A)

    derivation = cr.derive(powers, A="n n")
    text = derivation.text(detail="brief")
    assert "(A ⊙ A) A" in text
    assert "A²" not in text
    assert derivation.verify().ok


def test_constants_are_exact() -> None:
    text = cr.derive(lambda x: np.sum(0.5 * x**2 + 0.5 * np.log(2 * np.pi)), x="n").text(detail="brief")
    assert "½ ln(2 π)" in text


def test_a_norm_cancels_its_square() -> None:
    assert gradients("norm(x)^3", wrt="x", x="n") == {"∂L/∂x": "3 ‖x‖ · x"}


@pytest.mark.parametrize(
    ("formula", "shapes"),
    [
        ("exp(-norm(x - c)^2/(2*s^2))", {"x": "n", "c": "n", "s": ""}),
        ("g'*s + 0.5*s'*H*s + (M/6)*norm(s)^3", {"g": "n", "s": "n", "H": "n n", "M": ""}),
        ("exp(-0.5*(x - m)'*P*(x - m))", {"x": "n", "m": "n", "P": "n n"}),
    ],
)
def test_no_two_rules_undo_each_other(formula: str, shapes: dict[str, str]) -> None:
    derivation = cr.derive(formula, wrt=next(iter(shapes)), **shapes)
    for entry in derivation.record.backward.accumulations:
        for rewrites in (entry.rewrites, *(contribution.rewrites for contribution in entry.contributions)):
            for place, rewrite in enumerate(rewrites):
                assert all(later.after is not rewrite.before for later in rewrites[place:]), rewrite.rule


def test_a_product_of_the_forward_pass_is_not_computed_in_another_order() -> None:
    derivation = cr.derive("0.5*(y - C*A*x)'*(y - C*A*x)", wrt="A", y="m", C="m n", A="n n", x="n")
    outputs = derivation.record.backward.gradient_program().outputs
    products = [node for node in topological_order(outputs) if isinstance(node, Apply)]
    assert sum(isinstance(node.primitive, Contract) for node in products) == 5  # C A, C A x, rᵀ r, Cᵀ r, … xᵀ
