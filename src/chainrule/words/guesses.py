"""Names of other libraries, and those of this one: the mend for an unknown keyword or attribute."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from chainrule.words.errors import ArgumentError
from chainrule.words.suggestions import nearest

KEYWORDS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        ("lr", "rate", "eta", "eta0", "step_size", "learning_rate"), ("learning_rate_init", "learning_rate")
    ),
    **dict.fromkeys(
        ("n_epochs", "num_epochs", "nb_epoch", "n_iter", "iterations", "steps", "max_iter", "epochs"),
        ("max_iter", "epochs"),
    ),
    **dict.fromkeys(("batch", "batchsize", "bs", "minibatch_size"), ("batch_size",)),
    **dict.fromkeys(("seed", "random_state", "random_seed", "rng", "key"), ("random_state", "seed")),
    **dict.fromkeys(("hidden", "nonlinearity", "activations", "activation_fn", "act"), ("activation",)),
    **dict.fromkeys(
        ("hidden_layer_sizes", "hidden_sizes", "hidden_size", "layers", "layer_sizes", "units", "hidden_units"),
        ("hidden_layer_sizes", "sizes"),
    ),
    **dict.fromkeys(("parameters", "weights", "init"), ("params",)),
    **dict.fromkeys(("opt", "solver", "optim"), ("optimizer",)),
    **dict.fromkeys(("objective", "loss_fn", "criterion", "cost", "loss_function"), ("loss",)),
    **dict.fromkeys(
        ("validation_data", "validation_split", "valid", "val", "X_val", "eval_set", "val_data"), ("validation",)
    ),
    **dict.fromkeys(("early_stopping", "early_stopping_rounds", "n_iter_no_change"), ("patience",)),
    **dict.fromkeys(("verbose", "progress_bar", "disp"), ("progress", "report_every")),
    **dict.fromkeys(("callbacks", "hook"), ("callback",)),
    **dict.fromkeys(("n_jobs", "num_threads", "workers", "n_threads"), ("threads",)),
    **dict.fromkeys(("beta1", "beta2", "beta_1", "beta_2", "b1", "b2"), ("betas",)),
    **dict.fromkeys(("epsilon", "tol_eps"), ("eps",)),
    **dict.fromkeys(("l2", "weight_penalty", "decay", "wd"), ("weight_decay",)),
    **dict.fromkeys(("clipnorm", "max_norm", "grad_clip", "clip"), ("clip_norm",)),
    **dict.fromkeys(("mu", "beta"), ("momentum",)),
    **dict.fromkeys(("rho",), ("alpha",)),
    **dict.fromkeys(("T_max", "decay_steps", "total_steps"), ("steps",)),
    **dict.fromkeys(("gamma", "decay_rate"), ("factor",)),
    **dict.fromkeys(("wrt", "argnum", "arg"), ("argnums",)),
    **dict.fromkeys(("language", "locale"), ("lang",)),
    **dict.fromkeys(("mode", "style", "format"), ("form",)),
    **dict.fromkeys(("backend", "device"), ("engine",)),
    **dict.fromkeys(("axis", "dim"), ("axis",)),
}
"""For a keyword, the names that a function here may have for it, the likeliest first."""

ELSEWHERE: Final[dict[tuple[str, str], str]] = {
    ("fit", "learning_rate"): "the optimizer has it, as in optimizer=cr.Adam(learning_rate=0.01)",
    ("fit", "momentum"): "the optimizer has it, as in optimizer=cr.SGD(0.1, momentum=0.9)",
    ("fit", "weight_decay"): "the optimizer has it, as in optimizer=cr.AdamW(weight_decay=0.01)",
    ("begin_training", "learning_rate"): "the optimizer has it, as in optimizer=cr.Adam(learning_rate=0.01)",
    ("begin_training", "epochs"): "a session is advanced by them, as in begin_training(…).advance(epochs)",
    ("MLP", "hidden"): "give the widths of all layers in sizes, as in [2, 4, 1], and activation of the hidden ones",
    ("MLP", "hidden_layer_sizes"): "give the widths of all layers in sizes, as in MLP([2, 4, 1])",
    ("MLP", "learning_rate"): "fit has it, as in MLP([2, 4, 1]).fit(X, y, learning_rate=0.1)",
    ("MLP", "epochs"): "fit has it, as in MLP([2, 4, 1]).fit(X, y, epochs=100)",
    ("MLP", "optimizer"): "fit has it, as in MLP([2, 4, 1]).fit(X, y, optimizer=cr.Adam(0.01))",
    ("MultilayerPerceptron.fit", "epochs"): "the estimator has it as max_iter, as in MLPClassifier(max_iter=100)",
    ("MultilayerPerceptron.fit", "batch_size"): "the estimator has it, as in MLPClassifier(batch_size=64)",
    ("MultilayerPerceptron.fit", "learning_rate"): (
        "the estimator has it as learning_rate_init, as in MLPClassifier(learning_rate_init=0.01)"
    ),
    ("MultilayerPerceptron.fit", "validation"): "the arguments X_val and y_val are the rows for validation",
    ("MultilayerPerceptron.fit", "progress"): "the estimator has it, as in MLPClassifier(verbose=True)",
    ("MultilayerPerceptron.fit", "seed"): "the estimator has it as random_state, as in MLPClassifier(random_state=0)",
}
"""For a function and a keyword that it does not take, where that is said instead; by its first name in `KEYWORDS`."""


def keyword_error(title: str, name: str, known: Iterable[str]) -> ArgumentError:
    """Return the error for a keyword `name` that the function `title` with arguments `known` does not take.

    >>> str(keyword_error("Adam", "lr", ["learning_rate", "betas"]))
    "Adam takes no 'lr'; write learning_rate=…"
    >>> str(keyword_error("fit", "lr", ["epochs"]))
    "fit takes no 'lr'; the optimizer has it, as in optimizer=cr.Adam(learning_rate=0.01)"
    >>> str(keyword_error("Adam", "color", ["learning_rate", "betas"]))
    "Adam takes no 'color'; it takes learning_rate, betas"
    """
    known = list(known)
    names = KEYWORDS.get(name, ())
    elsewhere = next((ELSEWHERE[title, each] for each in (name, *reversed(names)) if (title, each) in ELSEWHERE), None)
    named = next((each for each in (*names, nearest(name, known)) if each in known), None)
    if elsewhere is not None:
        mend = elsewhere
    elif named is not None:
        mend = f"write {named}=…"
    else:
        mend = f"it takes {', '.join(known)}" if known else "it takes no keywords"
    return ArgumentError(f"{title} takes no {name!r}; {mend}")


def unknown_keyword(title: str, function: Callable[..., Any], given: Iterable[str]) -> ArgumentError | None:
    """Return the error for the first keyword in `given` that `function` does not take; None if it takes them all."""
    known = _keywords(inspect.unwrap(function))
    wrong = None if known is None else next((name for name in given if name not in known), None)
    return None if known is None or wrong is None else keyword_error(title, wrong, known)


@functools.cache
def _keywords(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """Return the names that `function` takes as keywords; None if it takes any, or if they are not known."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return None
    unnamed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
    return tuple(name for name, each in parameters.items() if each.kind not in unnamed and name != "self")


MODULE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("optimizers", "optim", "optimisers"), "optimizers are in cr itself, as in cr.Adam(learning_rate=0.01)"
    ),
    **dict.fromkeys(("losses", "loss"), "a loss is NumPy code, such as np.mean((p - y) ** 2), or cr.cross_entropy"),
    **dict.fromkeys(("activations",), "activations are in cr itself, as cr.relu and cr.sigmoid"),
    **dict.fromkeys(
        ("nn", "Sequential", "Linear", "Dense", "Module", "layers", "Layer", "Model.fit", "Network"),
        "a network is a function in NumPy, or cr.MLP([2, 4, 1])",
    ),
    "load": "write cr.load_model(path) for a model, or cr.FitResult.load(path) for the result of a fit",
    "save": "write cr.save_model(path, network) for a network, or result.save(path) for the result of a fit",
    **dict.fromkeys(
        ("MLPClassifier", "MLPRegressor"), "it is in cr.estimators: from chainrule.estimators import {name}"
    ),
    **dict.fromkeys(("Cosine", "StepDecay", "InverseScaling", "LinearWarmup"), "write cr.schedules.{name}"),
    **dict.fromkeys(("CosineAnnealingLR", "CosineDecay", "lr_scheduler"), "write cr.schedules.Cosine"),
    **dict.fromkeys(("mse", "mse_loss", "MSELoss", "squared_error", "l2_loss"), "write cr.mean_squared_error"),
    **dict.fromkeys(("bce", "BCELoss", "BCEWithLogitsLoss", "log_loss"), "write cr.binary_cross_entropy"),
    **dict.fromkeys(("CrossEntropyLoss", "nll_loss", "softmax_cross_entropy"), "write cr.cross_entropy"),
    **dict.fromkeys(("train", "minimize", "optimize", "fit_model"), "write cr.fit(loss, params, data)"),
    **dict.fromkeys(("gradient", "diff", "differentiate", "autograd", "gradients"), "write cr.grad(function)"),
    **dict.fromkeys(
        ("backward", "backprop", "explain", "derivative", "symbolic"), 'write cr.derive(function, X="n d", …)'
    ),
    **dict.fromkeys(("verify", "check"), "write cr.derive(function, …).verify()"),
    "gradcheck": "write cr.check_grads(function, args)",
    **dict.fromkeys(("codegen", "generate", "to_torch", "to_c"), 'write cr.derive(function, …).source("torch")'),
    "predict": "a network has it, as in network.predict(X)",
    "plot": "results have it, as in cr.fit(…).plot(), and there is cr.plot_decision_boundary(model, X, y)",
    **dict.fromkeys(("jit", "compile"), "cr.fit compiles the whole run by itself"),
    **dict.fromkeys(("array", "tensor", "Tensor", "Variable"), "arguments are NumPy's arrays, as np.array makes them"),
    **dict.fromkeys(("np", "numpy"), "write import numpy as np; a loss is plain NumPy"),
    **dict.fromkeys(("swish", "SiLU"), "write cr.silu"),
    **dict.fromkeys(("logistic", "expit"), "write cr.sigmoid"),
    **dict.fromkeys(("set_language", "lang", "language"), 'write cr.use(lang="zh")'),
    **dict.fromkeys(("normal", "randn"), "write cr.random_normal(shape)"),
    "rand": "write cr.random_uniform(shape)",
}
"""What to write instead of a name that the package does not have."""


def attribute_message(name: str, known: Iterable[str], numpy: Callable[[str], object]) -> str:
    """Return the message for `cr.name`, which does not exist; `numpy` finds an attribute of NumPy.

    >>> attribute_message("ReLU", ["relu", "tanh"], lambda name: None)
    'there is no cr.ReLU; did you mean cr.relu?'
    >>> attribute_message("exp", ["erf"], lambda name: abs)
    'there is no cr.exp; write np.exp, which is recorded as it is'
    """
    same = next((each for each in known if each.casefold() == name.casefold()), None)
    if name in MODULE and same is None:
        mend = MODULE[name].format(name=name)
    elif same is None and callable(numpy(name)):
        mend = f"write np.{name}, which is recorded as it is"
    else:
        near = same or nearest(name, known, 0.7)
        mend = f"did you mean cr.{near}?" if near else "dir(cr) lists the names that there are"
    return f"there is no cr.{name}; {mend}"
