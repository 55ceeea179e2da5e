"""What a newcomer guesses works, or gets one sentence with the mend."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr

X = np.random.default_rng(0).normal(size=(6, 2))
Y = (X[:, :1] > 0) * 1.0
W = np.ones((2, 1))
PARAMS, DATA = {"W": W}, {"X": X, "y": Y}
SHAPES = {"X": "n d", "y": "n o", "W": "d o"}
c: Any = cr
"""The package, for calls that a type checker refuses too."""
MLPClassifier: Any = cr.estimators.MLPClassifier


def loss(X: Any, y: Any, W: Any) -> Any:
    return np.mean((cr.sigmoid(X @ W) - y) ** 2)


def of_scipy(name: str) -> Callable[..., Any]:
    special = importlib.import_module("scipy.special")

    def loss(X: Any, y: Any, W: Any) -> Any:
        return np.mean((getattr(special, name)(X @ W) - y) ** 2)

    return loss


def with_softmax(X: Any, y: Any, W: Any) -> Any:
    special = importlib.import_module("scipy.special")
    return np.mean((special.softmax(X @ W, axis=1) - y) ** 2)


def network() -> Any:
    return cr.MLP([2, 4, 1], seed=0)


WORKS: dict[str, Callable[[], Any]] = {
    "activation=cr.relu": lambda: cr.MLP([2, 4, 1], activation=cr.relu),
    "activation=np.tanh": lambda: cr.MLP([2, 4, 1], activation=np.tanh),
    "a formula as activation": lambda: cr.MLP([2, 4, 1], activation="z * sigmoid(z)"),
    "output=cr.softmax": lambda: cr.MLP([2, 4, 3], output=cr.softmax),
    "loss=cr.cross_entropy": lambda: cr.MLP([2, 4, 3], loss=cr.cross_entropy),
    "optimizer='Adam'": lambda: cr.fit(loss, PARAMS, DATA, optimizer="Adam", epochs=1),
    "shapes as tuples of names": lambda: cr.derive(loss, X=("n", "d"), y=("n", "o"), W=("d", "o")),
    "shapes as tuples": lambda: cr.derive(loss, X=("n", 2), y=("n", 1), W=(2, 1)),
    "shapes with commas": lambda: cr.derive(loss, X="n, d", y="(n, o)", W="[d, o]"),
    "arrays as shapes": lambda: cr.derive(loss, X=X, y=Y, W=W),
    "scipy.special.expit": lambda: cr.derive(of_scipy("expit"), X="n d", y="n o", W="d o"),
    "scipy.special.log_expit": lambda: cr.derive(of_scipy("log_expit"), X="n d", y="n o", W="d o"),
    "scipy.special.erf": lambda: cr.derive(of_scipy("erf"), X="n d", y="n o", W="d o"),
    "cr.estimators": lambda: c.estimators.MLPClassifier,
    "cr.gallery": lambda: c.gallery,
}


@pytest.mark.parametrize("name", WORKS)
def test_a_guess_that_works(name: str) -> None:
    if name.startswith("scipy"):
        pytest.importorskip("scipy")
    assert WORKS[name]() is not None


MENDED: list[tuple[Callable[[], Any], str]] = [
    (lambda: c.MLP(2, 4, 1), "sizes is 2; give the widths of all layers in a list, as in MLP([2, 4, 1])"),
    (lambda: c.MLP([2, 4, 1], hidden="relu"), "MLP takes no 'hidden'; give the widths of all layers in sizes"),
    (lambda: c.MLP(hidden_layer_sizes=(4,)), "MLP takes no 'hidden_layer_sizes'; give the widths of all layers"),
    (lambda: c.MLP([2, 4, 1], random_state=0), "MLP takes no 'random_state'; write seed=…"),
    (lambda: c.MLP([2, 4, 1], learning_rate=0.1), "fit has it, as in MLP([2, 4, 1]).fit(X, y, learning_rate=0.1)"),
    (lambda: network().fit(X, Y, lr=0.1), "MLP.fit takes no 'lr'; write learning_rate=…"),
    (lambda: network().fit(X, Y, n_epochs=3), "MLP.fit takes no 'n_epochs'; write epochs=…"),
    (lambda: network().fit(X, Y, validation_data=(X, Y)), "MLP.fit takes no 'validation_data'; write validation=…"),
    (lambda: network().fit(X, Y, validation=X), "validation is a ndarray; give a tuple of further rows, as in (X, y)"),
    (lambda: network().predict_proba(X), "the loss 'squared' has no classes"),
    (lambda: c.NeuralNetwork(2, 4, 1, random_state=0), "NeuralNetwork takes no 'random_state'; write seed=…"),
    (lambda: c.NeuralNetwork(2, 4, 1).train(X, Y, epochs=3, lr=0.1), "write learning_rate=…"),
    (lambda: c.Adam(lr=0.1), "Adam takes no 'lr'; write learning_rate=…"),
    (lambda: c.SGD(rate=0.1), "SGD takes no 'rate'; write learning_rate=…"),
    (lambda: c.Adam(beta1=0.8), "Adam takes no 'beta1'; write betas=…"),
    (lambda: c.Adam(learnig_rate=0.1), "write learning_rate=…"),
    (lambda: c.LBFGS(colour=1), "LBFGS takes no 'colour'; it takes memory, tolerance"),
    (lambda: c.schedules.Cosine(lr=0.1, steps=3), "Cosine takes no 'lr'; write learning_rate=…"),
    (lambda: c.fit(loss, PARAMS, DATA, lr=0.1), "the optimizer has it, as in optimizer=cr.Adam(learning_rate=0.01)"),
    (lambda: c.fit(loss, PARAMS, DATA, learning_rate=0.1), "fit takes no 'learning_rate'; the optimizer has it"),
    (lambda: c.fit(loss, PARAMS, DATA, n_epochs=1), "fit takes no 'n_epochs'; write epochs=…"),
    (lambda: c.fit(loss, PARAMS, DATA, verbose=True), "fit takes no 'verbose'; write progress=…"),
    (lambda: c.fit(loss, PARAMS, DATA, optimizer=cr.Adam), "optimizer is the class Adam; give an instance"),
    (lambda: c.fit(loss, X, Y), "params is a ndarray; give a dict from names to arrays"),
    (lambda: c.derive(loss), "the shape of 'X', a parameter of loss, is missing; give it by name, as in X=\"n d\""),
    (lambda: c.derive(loss, shapes=SHAPES), 'by the names of the arguments, as in X="n d"'),
    (lambda: c.derive(loss, X=["n", "d"], y="n o", W=["d", "o"]), "a list of 2 vectors; for one array write X='n d'"),
    (lambda: c.derive(loss, wrt=2, **SHAPES), "wrt is 2; name inputs, as in wrt=['X', 'y', 'W']"),
    (lambda: c.derive(loss, **SHAPES).latex(detials="brief"), "Derivation.latex takes no 'detials'; write detail=…"),
    (lambda: c.grad(loss, wrt="W"), "grad takes no 'wrt'; write argnums=…"),
    (lambda: c.grad(X), "grad takes a function, not a ndarray, and returns another"),
    (lambda: MLPClassifier(lr=0.1), "MLPClassifier takes no 'lr'; write learning_rate_init=…"),
    (lambda: MLPClassifier(epochs=3), "MLPClassifier takes no 'epochs'; write max_iter=…"),
    (lambda: MLPClassifier().fit(X, Y[:, 0], epochs=3), "as max_iter, as in MLPClassifier(max_iter=100)"),
]


@pytest.mark.parametrize(("guess", "words"), MENDED, ids=[words for _, words in MENDED])
def test_a_wrong_guess_gets_the_mend_in_one_sentence(guess: Callable[[], Any], words: str) -> None:
    with pytest.raises(cr.ChainruleError) as caught:
        guess()
    *place, message = str(caught.value).split("\n")
    assert words in message
    assert len(place) < 2


ATTRIBUTES = {
    "ReLU": "did you mean cr.relu?",
    "Relu": "did you mean cr.relu?",
    "adam": "did you mean cr.Adam?",
    "softmx": "did you mean cr.softmax?",
    "optimizers": "optimizers are in cr itself, as in cr.Adam(learning_rate=0.01)",
    "load": "write cr.load_model(path) for a model, or cr.FitResult.load(path)",
    "train": "write cr.fit(loss, params, data)",
    "gradient": "write cr.grad(function)",
    "backward": "write cr.derive(function",
    "Cosine": "write cr.schedules.Cosine",
    "MLPClassifier": "from chainrule.estimators import MLPClassifier",
    "mse_loss": "write cr.mean_squared_error",
    "exp": "write np.exp",
    "nn": "a network is a function in NumPy, or cr.MLP([2, 4, 1])",
    "jit": "cr.fit compiles the whole run by itself",
    "xyzzy": "dir(cr) lists the names that there are",
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_name_that_does_not_exist_gets_the_right_one(name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(cr, name)
    assert str(caught.value).startswith(f"there is no cr.{name}; ")
    assert ATTRIBUTES[name] in str(caught.value)


def test_every_suggested_name_exists() -> None:
    guesses = importlib.import_module("chainrule.words.guesses")
    for name in guesses.MODULE:
        assert name not in cr.__all__
    for mend in (*guesses.MODULE.values(), *guesses.ELSEWHERE.values()):
        for word in (
            mend.replace("(", " ").replace(")", " ").replace(",", " ").replace(";", " ").replace(":", " ").split()
        ):
            if word.startswith("cr.") and "{" not in word:
                found: Any = cr
                for part in word.removeprefix("cr.").split("."):
                    found = getattr(found, part)


def test_packages_are_completed() -> None:
    assert {"estimators", "gallery", "schedules"} <= set(dir(cr))


def test_an_unknown_dunder_is_plainly_missing() -> None:
    assert not hasattr(cr, "__wrapped__")


def test_scipys_functions_are_their_own_here() -> None:
    special = pytest.importorskip("scipy.special")
    z = np.linspace(-3, 3, 7)
    for name, ours in (("expit", cr.sigmoid), ("log_expit", cr.log_sigmoid), ("erf", cr.erf)):
        function = getattr(special, name)
        assert cr.trace(lambda x, f=function: f(x), x="n").outputs == cr.trace(ours, x="n").outputs
        np.testing.assert_allclose(function(z), ours(z), rtol=1e-14)


def test_a_function_of_another_library_is_named_at_the_users_line() -> None:
    pytest.importorskip("scipy")
    with pytest.raises(cr.TraceError) as caught:
        cr.derive(with_softmax, X="n d", y="n o", W="d o")
    place, words = str(caught.value).split("\n")
    assert Path(__file__).name in place
    assert "special.softmax(X @ W, axis=1)" in place
    assert words == (
        "  special.softmax is a function of scipy, which needs numbers, and there are none yet; write cr.softmax"
    )


def test_a_function_of_torch_is_named() -> None:
    # PyTorch asks each argument for this method before its own functions see them.
    torch = SimpleNamespace(sigmoid=operator.methodcaller("__torch_function__", None, (), (), {}))
    with pytest.raises(cr.TraceError, match=r"torch\.sigmoid is a function of torch, .* write cr\.sigmoid"):
        cr.derive(lambda x: np.sum(torch.sigmoid(x)), x="n")


def test_a_keyword_error_is_a_type_error_at_the_callers_line() -> None:
    with pytest.raises(TypeError) as caught:
        c.Adam(lr=0.1)
    trace, files = caught.value.__traceback__, []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    assert files == [__file__]


def test_a_type_error_of_the_users_own_function_is_kept() -> None:
    def wrong(W: Any, /, **options: Any) -> Any:
        return len(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len"):
        cr.grad(wrong)(W)
    with pytest.raises(TypeError, match="missing 1 required"):
        c.fit(loss, PARAMS)


@pytest.mark.parametrize(
    ("guess", "words"),
    [
        (lambda: cr.SGD(-1), "学习率为 -1；应为有限的正数或步数的函数"),
        (lambda: cr.SGD(0.1, momentum=2), "momentum 为 2；应为从 0 到小于 1 的数或步数的函数"),
        (lambda: cr.Adam(weight_decay=-1), "weight_decay 为 -1；应为不小于 0 的有限数或步数的函数"),
        (lambda: cr.Adam(color=1), "Adam 没有参数 'color'；它的参数有 learning_rate, betas, eps, "),  # type: ignore[call-arg]
        (lambda: cr.derive("x' S x", assume="T symmetric"), "assume 中的 'T' 不是函数的输入；函数的输入有 x, S"),
        (lambda: cr.derive("norm(A x - b)^2").text(at={"x": [1, 2]}), "还缺少 A (m×n), b (m) 的值；请一并给出"),
    ],
)
def test_a_wrong_guess_gets_the_mend_in_chinese(guess: Callable[[], Any], words: str) -> None:
    with pytest.raises(cr.ChainruleError) as error:
        guess()
    assert error.value.in_language("zh").startswith(words)
