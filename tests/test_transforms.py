"""`grad` and the other transforms, with the calling conventions of JAX and autograd."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr

RANDOM = np.random.default_rng(7)


def loss(parameters: dict[str, Any], X: Any) -> Any:
    return np.sum(np.tanh(X @ parameters["W"] + parameters["b"]) ** 2)


PARAMETERS = {"W": RANDOM.standard_normal((3, 2)), "b": np.array([0.1, -0.2])}
X = RANDOM.standard_normal((4, 3))


def test_a_named_size_is_a_number_that_one_can_differentiate_at() -> None:
    def function(x: object) -> object:
        return cr.grad(lambda t: t * t)(x.shape[0]) * np.sum(x)  # type: ignore[attr-defined, call-overload]

    assert str(cr.equations(cr.trace(function, x="n"))) == "L = 2 n · (Σ x)"


def test_the_extreme_element_is_found_where_arithmetic_is_rewritten() -> None:
    for seed in range(50):  # (1/3)·x need not equal x/3, of which the maximum was taken
        x = np.random.default_rng(seed).normal(size=5)
        np.testing.assert_allclose(cr.grad(lambda x: np.max(x / 3))(x), (x == x.max()) / 3)


def test_gradient_has_the_structure_of_the_argument() -> None:
    value, gradient = cr.value_and_grad(loss)(PARAMETERS, X)
    assert value == loss(PARAMETERS, X)
    assert set(gradient) == {"W", "b"}
    assert gradient["W"].shape == (3, 2)
    both = cr.grad(loss, argnums=(0, 1))(PARAMETERS, X)
    assert isinstance(both, tuple)
    np.testing.assert_array_equal(both[0]["W"], gradient["W"])
    assert both[1].shape == X.shape
    assert cr.grad(loss, argnums=-1)(PARAMETERS, X).shape == X.shape


def test_named_tuples_lists_and_none() -> None:
    class Layer(NamedTuple):
        weight: Any
        bias: Any

    def f(layers: Any) -> Any:
        return sum(np.sum(layer.weight**2) for layer in layers)

    gradient = cr.grad(f)([Layer(np.ones(2), None), Layer(np.full(3, 2.0), None)])
    assert isinstance(gradient[0], Layer)
    np.testing.assert_array_equal(gradient[1].weight, np.full(3, 4.0))
    assert gradient[1].bias is None


def test_derivatives_of_derivatives() -> None:
    cube = cr.grad(lambda x: x**3)
    assert cr.grad(cube)(2.0) == pytest.approx(12.0)
    assert cr.grad(cr.grad(cr.grad(lambda x: np.exp(2 * x))))(0.0) == pytest.approx(8.0)
    mixed = cr.grad(lambda x: cr.grad(lambda y: x * y**3)(x) * x)
    assert mixed(2.0) == pytest.approx(4 * 3 * 8.0)


def test_jvp_and_vjp_are_adjoint() -> None:
    def f(x: Any) -> Any:
        return {"a": np.outer(np.sin(x), x), "b": cr.softmax(x)}

    x, dx = RANDOM.standard_normal(4), RANDOM.standard_normal(4)
    value, tangent = cr.jvp(f, (x,), (dx,))
    same, pull_back = cr.vjp(f, x)
    np.testing.assert_allclose(value["a"], same["a"])
    bars = {"a": RANDOM.standard_normal((4, 4)), "b": RANDOM.standard_normal(4)}
    (cotangent,) = pull_back(bars)
    left = np.sum(tangent["a"] * bars["a"]) + np.sum(tangent["b"] * bars["b"])
    assert left == pytest.approx(np.sum(cotangent * dx), rel=1e-12)


def test_hessian_vector_product_through_jvp_of_grad() -> None:
    A = RANDOM.standard_normal((3, 3))

    def f(x: Any) -> Any:
        return 0.5 * x @ A @ x

    x, v = RANDOM.standard_normal(3), RANDOM.standard_normal(3)
    _, product = cr.jvp(cr.grad(f), (x,), (v,))
    np.testing.assert_allclose(product, 0.5 * (A + A.T) @ v, rtol=1e-12)


def test_keyword_arguments_and_values_that_are_not_arrays() -> None:
    def f(x: Any, power: int, *, kind: str, scale: Any = 1.0) -> Any:
        assert kind == "sum"
        return scale * np.sum(x**2)

    np.testing.assert_allclose(cr.grad(f)(np.ones(2), 2, kind="sum", scale=3.0), [6.0, 6.0])


def test_float32_stays_float32() -> None:
    gradient = cr.grad(lambda x: np.sum(cr.sigmoid(x)))(np.zeros(3, np.float32))
    assert gradient.dtype == np.float32


def test_what_is_refused() -> None:
    with pytest.raises(cr.ProgramError, match="one scalar, not shape \\(3,\\)"):
        cr.grad(lambda x: 2 * x)(np.ones(3))
    with pytest.raises(cr.ProgramError, match="argnums names argument 1, but the call has 1"):
        cr.grad(lambda x: np.sum(x), argnums=1)(np.ones(3))
    with pytest.raises(cr.ProgramError, match="argument 0 of grad holds int64; convert it"):
        cr.grad(lambda x: np.sum(x * 1.0))(np.array([1, 2]))
    with pytest.raises(cr.ProgramError, match="structure of the primals"):
        cr.jvp(lambda x: x, (1.0,), ([1.0],))
    with pytest.raises(cr.ProgramError, match="cotangent has the shape"):
        cr.vjp(lambda x: x, np.ones(2))[1](np.ones(3))


def test_check_grads_accepts_what_is_right() -> None:
    cr.check_grads(loss, (PARAMETERS, X), order=2)
    cr.check_grads(lambda a: cr.layer_norm(a), (RANDOM.standard_normal((2, 5)),), order=2)


def test_a_pull_back_stays_at_the_point_of_its_value() -> None:
    x, scale = np.ones(3), np.full(3, 2.0)
    _, pull_back = cr.vjp(lambda y: scale * y**2, x)
    x -= 5.0
    scale += 1.0
    np.testing.assert_array_equal(pull_back(np.ones(3))[0], np.full(3, 4.0))


def test_check_grads_of_what_is_not_a_function_is_refused() -> None:
    rng = np.random.default_rng(0)

    def noisy(x: Any) -> Any:
        return np.sum(x * rng.normal())

    with pytest.raises(cr.ProgramError, match=r"noisy gives other values for the same arguments"):
        cr.check_grads(noisy, (np.ones(2),))
    cr.check_grads(lambda x: np.sum(cr.dropout(x, 0.5) ** 2), (np.ones(20),))


def test_check_grads_names_the_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.primitives import Tanh

    original = Tanh.partials
    monkeypatch.setattr(Tanh, "partials", lambda self, x, y: tuple(2 * p for p in original(self, x, y)))  # type: ignore[operator]
    with pytest.raises(cr.GradientError, match="order 1 in mode 'fwd' of tanh: the derivative gives"):
        cr.check_grads(np.tanh, (np.array([0.3]),))
    with pytest.raises(cr.GradientError, match="mode 'rev'"):
        cr.check_grads(np.tanh, (np.array([0.3]),), modes=("rev",))


def test_stable_at_a_thousand() -> None:
    x = np.array([-1000.0, 0.0, 1000.0])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(cr.softplus(x)))(x), [0.0, 0.5, 1.0])
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(cr.sigmoid(x)))(x), [0.0, 0.25, 0.0])
    np.testing.assert_allclose(cr.grad(lambda x: cr.logsumexp(x))(x), [0.0, 0.0, 1.0])
    np.testing.assert_allclose(cr.grad(lambda x: cr.log_softmax(x)[0])(x), [1.0, 0.0, -1.0])
    assert np.isfinite(cr.grad(lambda z: cr.binary_cross_entropy(z, np.array([1.0, 0.0, 0.0])))(x)).all()


def test_python_integers_that_are_not_differentiated_stay_integers() -> None:
    def repeated(x: Any, n: int) -> Any:
        for _ in range(n):
            x = 2 * x
        return np.sum(x)

    np.testing.assert_array_equal(cr.grad(repeated)(np.ones(2), 3), [8.0, 8.0])
    np.testing.assert_array_equal(cr.grad(repeated)(np.ones(2), n=3), [8.0, 8.0])
    np.testing.assert_array_equal(cr.grad(lambda x, i: np.sum(x[i:]))(np.ones(3), 2), [0.0, 0.0, 1.0])
    assert cr.grad(lambda x: x**3)(2) == 12.0
    assert cr.vjp(lambda x: x**2, 3)[1](1)[0] == 6.0


def test_a_method_leaves_its_instance_as_it_was() -> None:
    class Net:
        def __init__(self) -> None:
            self.W = np.ones((2, 1))

        def loss(self, X: Any) -> Any:
            self.z = X @ self.W
            return np.sum(self.z**2)

    net = Net()
    np.testing.assert_array_equal(cr.grad(net.loss)(np.ones((1, 2))), [[4.0, 4.0]])
    assert not hasattr(net, "z")


def dropped(x: Any) -> Any:
    return np.sum(cr.dropout(x, 0.75) ** 2)


def test_the_gradient_of_dropout_is_the_mask_and_its_scale() -> None:
    x = RANDOM.standard_normal(40)
    value, gradient = cr.value_and_grad(dropped)(x)
    with cr.random_draws():
        mask = cr.dropout(np.ones(40), 0.75)
    assert set(np.unique(mask)) == {0, 4}
    np.testing.assert_allclose(gradient, 2 * mask**2 * x)
    np.testing.assert_allclose(value, np.sum((mask * x) ** 2))
    np.testing.assert_allclose(cr.jvp(dropped, (x,), (x,))[1], gradient @ x)
    np.testing.assert_array_equal(cr.vjp(dropped, x)[1](1.0)[0], gradient)


def test_transformations_draw_as_random_draws_says() -> None:
    x = RANDOM.standard_normal(40)
    with cr.random_draws(5, 6):
        inside = cr.value_and_grad(dropped)(x)
        again = cr.value_and_grad(dropped)(x)
        _, pull_back = cr.vjp(dropped, x)
    with cr.random_draws(5, 6):
        assert inside[0] == dropped(x)
    assert inside[0] == again[0] != cr.value_and_grad(dropped)(x)[0]
    np.testing.assert_array_equal(pull_back(1.0)[0], inside[1])


def test_derivatives_of_what_draws_agree_with_differences() -> None:
    def noisy(x: Any, s: Any) -> Any:
        z = np.tanh(cr.dropout(x, 0.3)) + s * cr.random_normal(x.shape)
        return np.sum(z**3 * cr.random_uniform(x.shape[0])[:, None])

    arguments = (RANDOM.standard_normal((4, 3)), RANDOM.standard_normal(3))
    cr.check_grads(noisy, arguments)
    with cr.random_draws(2, 3):
        cr.check_grads(noisy, arguments, order=1)


def test_a_derivative_inside_draws_for_itself() -> None:
    ones = np.ones(40)
    nested = cr.grad(lambda x: np.sum(cr.dropout(x, 0.5) + cr.grad(lambda z: np.sum(cr.dropout(z, 0.5) ** 3))(x)))
    with cr.random_draws():
        first, second = cr.dropout(ones, 0.5), cr.dropout(ones, 0.5)
    np.testing.assert_allclose(nested(ones), first + 6 * second**3)


@pytest.mark.parametrize("values", [np.array([1, 2]), {"w": np.array([1, 2])}])
def test_whole_numbers_are_named_by_the_argument_that_holds_them(values: Any) -> None:
    def loss(k: Any, params: Any) -> Any:
        return k * np.sum((params["w"] if isinstance(params, dict) else params) ** 2)

    with pytest.raises(cr.ChainruleError, match=r"^argument 1 of grad holds int64; convert it with astype\(float\)$"):
        cr.grad(loss, argnums=1)(2.0, values)
