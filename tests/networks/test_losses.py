"""Each loss against SciPy's or scikit-learn's formula, and its gradient against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.networks import (
    LOSS_TYPES,
    Absolute,
    Architecture,
    BinaryCrossEntropy,
    BinaryFocal,
    CrossEntropy,
    Focal,
    Gamma,
    Huber,
    LogCosh,
    Loss,
    NetworkError,
    Poisson,
    Quantile,
    Squared,
    Tweedie,
    loss_function,
    read_loss,
)
from chainrule.training import BroadcastWarning

special = pytest.importorskip("scipy.special")
metrics = pytest.importorskip("sklearn.metrics")

Array = NDArray[Any]
ROWS, OUTPUTS = 12, 3
RANDOM = np.random.default_rng(5)
X = RANDOM.standard_normal((ROWS, 4))
Z = RANDOM.standard_normal((ROWS, OUTPUTS))
WEIGHTS = RANDOM.uniform(0.1, 2, ROWS)
VALUES = RANDOM.standard_normal((ROWS, OUTPUTS))
COUNTS = RANDOM.poisson(1.5, (ROWS, OUTPUTS)).astype(float)
AMOUNTS = RANDOM.gamma(2.0, size=(ROWS, OUTPUTS))
LABELS = RANDOM.integers(0, OUTPUTS, ROWS)
SHARES = RANDOM.integers(0, 2, (ROWS, OUTPUTS)).astype(float)


def summed(metric: Callable[..., Any], factor: float = 1.0, **options: Any) -> Callable[[Array, Array, Array], float]:
    """A metric of scikit-learn's, of each output by itself, added up."""

    def reference(p: Array, y: Array, weights: Array) -> float:
        columns = range(p.shape[1])
        each = [metric(y[:, min(k, y.shape[1] - 1)], p[:, k], sample_weight=weights, **options) for k in columns]
        return factor * float(np.sum(each))

    return reference


def averaged(rows: Callable[[Array, Array], Array]) -> Callable[[Array, Array, Array], float]:
    return lambda p, y, weights: float(np.average(rows(p, y), weights=weights))


def pinballs(p: Array, y: Array, weights: Array) -> float:
    levels = (0.1, 0.5, 0.9)
    return float(
        sum(metrics.mean_pinball_loss(y[:, 0], p[:, k], sample_weight=weights, alpha=a) for k, a in enumerate(levels))
    )


def smoothed(p: Array, y: Array) -> Array:
    targets = np.full((ROWS, OUTPUTS), 0.2 / OUTPUTS)
    targets[np.arange(ROWS), y] += 0.8
    total: Array = special.rel_entr(targets, p).sum(axis=1) + special.entr(targets).sum(axis=1)
    return total


def focal(p: Array, y: Array) -> Array:
    chosen = p[np.arange(ROWS), y]
    return -((1 - chosen) ** 1.5) * np.log(chosen)


def binary_focal(p: Array, y: Array) -> Array:
    chosen = np.where(y > 0.5, p, 1 - p)
    total: Array = (-np.sqrt(1 - chosen) * np.log(chosen)).sum(axis=1)
    return total


CASES: list[tuple[Loss, Array, Callable[[Array, Array, Array], float]]] = [
    (Squared(), VALUES, summed(metrics.mean_squared_error, 0.5)),
    (Absolute(), VALUES, summed(metrics.mean_absolute_error)),
    (Huber(0.7), VALUES, averaged(lambda p, y: special.huber(0.7, p - y).sum(axis=1))),
    (LogCosh(), VALUES, averaged(lambda p, y: np.log(np.cosh(p - y)).sum(axis=1))),
    (Quantile(0.3), VALUES, summed(metrics.mean_pinball_loss, alpha=0.3)),
    (Quantile((0.1, 0.5, 0.9)), VALUES[:, :1], pinballs),
    (Poisson(), COUNTS, summed(metrics.mean_poisson_deviance, 0.5)),
    (Gamma(), AMOUNTS, summed(metrics.mean_gamma_deviance, 0.5)),
    (Tweedie(1.5), COUNTS, summed(metrics.mean_tweedie_deviance, 0.5, power=1.5)),
    (Tweedie(1.0), COUNTS, summed(metrics.mean_poisson_deviance, 0.5)),
    (Tweedie(2.0), AMOUNTS, summed(metrics.mean_gamma_deviance, 0.5)),
    (Tweedie(3.0), AMOUNTS, summed(metrics.mean_tweedie_deviance, 0.5, power=3.0)),
    (CrossEntropy(), LABELS, lambda p, y, weights: metrics.log_loss(y, p, sample_weight=weights, labels=[0, 1, 2])),
    (CrossEntropy(0.2), LABELS, averaged(smoothed)),
    (BinaryCrossEntropy(), SHARES, summed(metrics.log_loss, labels=[0, 1])),
    (BinaryCrossEntropy(0.3), SHARES, averaged(lambda p, y: _entropies(p, 0.7 * y + 0.15))),
    (Focal(1.5), LABELS, averaged(focal)),
    (Focal(0.0), LABELS, lambda p, y, weights: metrics.log_loss(y, p, sample_weight=weights, labels=[0, 1, 2])),
    (BinaryFocal(0.5), SHARES, averaged(binary_focal)),
]
NAMES = [repr(loss) for loss, *_ in CASES]
OUTPUT: dict[str, Callable[[Array], Array]] = {
    "linear": lambda z: z,
    "exp": np.exp,
    "sigmoid": special.expit,
    "softmax": lambda z: special.softmax(z, axis=1),
}


def _entropies(p: Array, t: Array) -> Array:
    total: Array = -(special.xlogy(t, p) + special.xlogy(1 - t, 1 - p)).sum(axis=1)
    return total


def network_of(loss: Any, **settings: Any) -> Architecture:
    return Architecture(4, (5,), OUTPUTS, activations="tanh", loss=loss, **settings)


def value_of(loss: Loss, y: Array, weights: Array | None) -> float:
    """The loss of a network whose logits are Z."""
    network = Architecture(OUTPUTS, (), OUTPUTS, loss=loss)
    params = {"W1": np.eye(OUTPUTS), "b1": np.zeros(OUTPUTS)}
    checked = network.checked_target(y, ROWS)
    if weights is None:
        return float(loss_function(network)(Z, checked, **params))
    return float(loss_function(network, weighted=True)(Z, checked, weights, **params))


@pytest.mark.parametrize(("loss", "y", "reference"), CASES, ids=NAMES)
def test_a_loss_is_what_its_formula_says(loss: Loss, y: Array, reference: Callable[..., float]) -> None:
    p = OUTPUT[loss.output](Z)
    assert value_of(loss, y, None) == pytest.approx(reference(p, y, np.ones(ROWS)), rel=1e-10)
    assert value_of(loss, y, WEIGHTS) == pytest.approx(reference(p, y, WEIGHTS), rel=1e-10)


@pytest.mark.parametrize(("loss", "y", "reference"), CASES, ids=NAMES)
def test_from_predictions_it_is_the_same_as_from_logits(loss: Loss, y: Array, reference: object) -> None:
    p = OUTPUT[loss.output](Z)
    np.testing.assert_allclose(loss.after(p, y), loss.before(Z, y), rtol=1e-9, atol=1e-12)


def gradient_error(network: Architecture, y: Array, weights: Array | None) -> float:
    """The largest difference between the gradient and central differences of the loss, over all weights."""
    params = network.initial(3)
    extra = () if weights is None else (weights,)
    function = loss_function(network) if weights is None else loss_function(network, weighted=True)
    names = list(params)
    arguments = (X, network.checked_target(y, ROWS), *extra, *((network.alpha,) if network.alpha else ()))
    first = len(arguments)
    gradients = cr.grad(function, argnums=tuple(range(first, first + len(names))))(*arguments, *params.values())
    worst = 0.0
    for name, gradient in zip(names, gradients, strict=True):
        for place in np.ndindex(params[name].shape):
            moved = []
            for step in (1e-6, -1e-6):
                changed = {**params, name: params[name].copy()}
                changed[name][place] += step
                moved.append(float(function(*arguments, *changed.values())))
            worst = max(worst, abs((moved[0] - moved[1]) / 2e-6 - gradient[place]) / (1 + abs(gradient[place])))
    return worst


@pytest.mark.parametrize(("loss", "y", "reference"), CASES, ids=NAMES)
def test_its_gradient_is_that_of_its_values(loss: Loss, y: Array, reference: object) -> None:
    assert gradient_error(network_of(loss), y, None) < 1e-7
    assert gradient_error(network_of(loss, alpha=0.3), y, WEIGHTS) < 1e-7


@dataclass(frozen=True)
class _WrongSide(Quantile):
    name: ClassVar[str] = "wrong side"

    def after(self, p: Any, y: Any) -> Any:
        return super().after(y, p)


@dataclass(frozen=True)
class _NoHalf(Squared):
    name: ClassVar[str] = "no half"

    def after(self, p: Any, y: Any) -> Any:
        return (p - y) ** 2


@dataclass(frozen=True)
class _UnsmoothedFocus(Focal):
    name: ClassVar[str] = "wrong focus"

    def before(self, z: Any, y: Any) -> Any:
        return super().before(-z, y)


@pytest.mark.parametrize(
    ("wrong", "right"), [(_WrongSide(0.3), Quantile(0.3)), (_NoHalf(), Squared()), (_UnsmoothedFocus(1.5), Focal(1.5))]
)
def test_a_wrong_loss_is_noticed(wrong: Loss, right: Loss) -> None:
    ((_, y, reference),) = [case for case in CASES if case[0] == right]
    p = OUTPUT[wrong.output](Z)
    assert value_of(wrong, y, None) != pytest.approx(reference(p, y, np.ones(ROWS)), rel=1e-3)


def test_every_loss_is_among_the_cases() -> None:
    assert {type(loss) for loss, *_ in CASES} == set(LOSS_TYPES.values())


@pytest.mark.parametrize("name", sorted(LOSS_TYPES))
@pytest.mark.parametrize("size", [1.0, 1e3])
def test_nothing_overflows_far_out(name: str, size: float) -> None:
    loss = read_loss(name)
    network = Architecture(1, (), OUTPUTS, loss=loss)
    kinds = {"labels": np.array([0, 2]), "shares": np.eye(2, OUTPUTS), "values": np.ones((2, loss.width(OUTPUTS)))}
    params = {"W1": np.array([[-size, 0.5 * size, size]]), "b1": np.zeros(OUTPUTS)}
    exponential = loss.output == "exp"
    value, gradients = cr.value_and_grad(loss_function(network), argnums=(2, 3))(
        np.ones((2, 1)), kinds[loss.kind], params["W1"], params["b1"]
    )
    finite = np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)
    assert finite or (exponential and size > 700), (value, gradients)


@pytest.mark.parametrize(
    ("given", "same_as"),
    [
        ("0.5 * (p - y)^2", Squared()),
        ("0.5 * (y_hat - target)^2", Squared()),
        ("abs(prediction - y)", Absolute()),
        ("sum(0.5 * (p - y)^2) / 12", Squared()),
        ("log(cosh(p - y))", LogCosh()),
        (lambda p, y: np.abs(p - y), Absolute()),
        (lambda prediction, target: np.sum(0.5 * (prediction - target) ** 2, axis=1), Squared()),
    ],
)
def test_losses_of_ones_own(given: Any, same_as: Loss) -> None:
    own, named = network_of(given), network_of(same_as)
    params = named.initial(0)
    assert loss_function(own)(X, VALUES, **params) == pytest.approx(loss_function(named)(X, VALUES, **params))
    assert gradient_error(own, VALUES, None) < 1e-7
    if own.takes_weights:
        expected = loss_function(named, weighted=True)(X, VALUES, WEIGHTS, **params)
        assert loss_function(own, weighted=True)(X, VALUES, WEIGHTS, **params) == pytest.approx(expected)


def test_a_formula_with_a_softmax_takes_rows_of_shares() -> None:
    network = network_of("-sum(y * log(p), 1)", output_activation="softmax")
    shares = np.eye(OUTPUTS)[LABELS]
    params = network.initial(0)
    expected = loss_function(network_of("cross_entropy"))(X, LABELS, **params)
    assert loss_function(network)(X, shares, **params) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("huberr", "did you mean 'huber'"),
        ("hinge", "or a formula in p and y"),
        ("(p - q)^2", "uses 'q'; a formula here is in p or y_hat or prediction and y or target"),
        ("p - y_hat", "p and y_hat, which are the same"),
        ("y^2", "does not use the prediction"),
        ("p @ transpose(y)", "should give a number for each output"),
        (lambda p, y: np.sum(p - y, axis=0), "should give a number for each output"),
        (3, "give a name such as 'squared'"),
        (Huber, r"give an instance, as in Huber\(\)"),
        ({"name": "huber", "epsilon": 1.0}, "a parameter of huber is 'epsilon'"),
        ({"name": "function mine"}, "give the function itself"),
    ],
)
def test_what_is_no_loss_is_refused(given: Any, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        network_of(given)


@pytest.mark.filterwarnings("error")
def test_a_prediction_that_meets_every_target_is_warned_of() -> None:
    with pytest.warns(BroadcastWarning, match="every row of the targets"):
        Architecture(4, (), 1, loss=lambda p, y: np.mean((p[:, 0] - y) ** 2))
    Architecture(4, (), 1, loss=lambda p, y: np.mean((p[:, 0] - y[:, 0]) ** 2))
    Architecture(4, (), 1, loss=lambda p, y: np.mean(np.maximum(0, 1 - (p - p.T) * np.sign(y - y.T))))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Huber(0.0),
        lambda: Quantile(1.0),
        lambda: Quantile(()),
        lambda: Tweedie(0.5),
        lambda: CrossEntropy(1.0),
        lambda: Focal(-1.0),
        lambda: Huber("wide"),  # type: ignore[arg-type]
    ],
)
def test_parameters_out_of_range_are_refused(make: Callable[[], Loss]) -> None:
    with pytest.raises(NetworkError):
        make()


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        (Poisson(), -(VALUES**2), "of at least 0"),
        (Gamma(), 0 * AMOUNTS, "above 0"),
        (Tweedie(1.5), -AMOUNTS, "of at least 0"),
        (CrossEntropy(), LABELS + 1, "takes 0 to 2"),
        (BinaryCrossEntropy(), SHARES * 2, "from 0 to 1"),
        (BinaryFocal(), SHARES / 2, "0 or 1"),
    ],
)
def test_targets_that_a_loss_is_not_made_for_are_refused(loss: Loss, y: Array, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        network_of(loss).checked_target(y, ROWS)


@pytest.mark.parametrize("loss", [loss for loss, *_ in CASES], ids=repr)
def test_a_description_is_read_again(loss: Loss) -> None:
    assert read_loss(loss.describe()) == loss
    assert read_loss(read_loss("(p - y)^4").describe()) == read_loss("(p - y)^4")


@pytest.mark.parametrize(
    ("given", "named", "y"),
    [
        ("-sum(y * log(p), 1)", CrossEntropy(), LABELS),
        (lambda p, y: -np.sum(y * np.log(p), axis=-1), CrossEntropy(), LABELS),
        ("-y * log(p) - (1 - y) * log(1 - p)", BinaryCrossEntropy(), SHARES),
        (lambda p, y: -y * np.log(p) - (1 - y) * np.log1p(-p), BinaryCrossEntropy(), SHARES),
        (lambda p, y: -(y * np.log(p) + (1.0 - y) * np.log(1.0 - p)), BinaryCrossEntropy(), SHARES),
        ("p - y * log(p)", Poisson(), COUNTS),
    ],
)
def test_logarithms_of_predictions_are_computed_from_logits(given: Any, named: Loss, y: Array) -> None:
    own, theirs = network_of(given, output_activation=named.output), network_of(named)
    params = theirs.initial(0)
    params["W2"] = params["W2"] * (1.0 if named.output == "exp" else 1000.0)
    wanted = np.eye(OUTPUTS)[y] if y is LABELS else y
    first, second = (
        cr.value_and_grad(loss_function(network), argnums=(2, 4))(X, target, *params.values())
        for network, target in ((own, wanted), (theirs, y))
    )
    if named.output != "exp":
        assert first[0] > 100
        assert first[0] == pytest.approx(second[0], rel=1e-12)
    for mine, other in zip(first[1], second[1], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)
