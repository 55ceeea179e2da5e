"""Meanings of variable names in answers: `dW2`, `grad_W2` and `∂W2` are gradients, `delta2` is that of z2."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from chainrule.cage import called, folded
from chainrule.trace import canonical_name

_PREFIXES = re.compile(
    r"(?:∂\w+?/∂|d\w+?/d|∂L_∂|dL/d|dL_d|dLd|dloss_d|dcost_d|d[JECjlec]_d|grads?_?|gradient_(?:of_)?|g_|nabla_?|∇|∂|delta_?|δ_?|del_?|d_|d)(?=.)"
)
_SUFFIXES = re.compile(r"(?<=.)(?:_?grads?|_?gradient|_?bar|_?delta|_?δ|_d|_g)$")
TARGETS = frozenset({"y", "ys", "t", "target", "targets", "labels", "label", "y_true", "ytrue"})
_MASKS = frozenset({"mask", "q", "p"})
_DROPPING = frozenset({"drop", "dropout", "keep", "kept"})
OUTPUTS = frozenset(
    {"output", "outputs", "out", "y_hat", "yhat", "y_pred", "ypred", "pred", "prediction", "predictions"}
)
UPSTREAM = frozenset(
    {"dout", "upstream", "grad_output", "grad_out", "g", "dy", "delta", "grad", "d_out", "doutput", "gy"}
)
CONTAINERS = frozenset(
    {"cache", "params", "parameters", "p", "weights", "memory", "ctx", "state", "model", "data", "saved"}
)
COUNTS = frozenset(
    {"n", "m", "b", "N", "batch", "batch_size", "B", "num_samples", "samples", "bs", "n_samples", "num_train"}
    | {"num_examples", "n_examples", "M", "batchsize", "n_batch"}
)
DATA = frozenset(
    {"x", "data", "input", "inputs", "img", "image", "images", "features", "sample", "samples", "l0", "a0", "layer0"}
    | {"inp", "batch", "xs", "tokens", "z0", "h0", "c0", "hprev", "hprevious", "state", "context", "obs", "noise"}
)
"""Names of data, without case, underscores and the suffixes of parts of a data set."""
HYPERPARAMETERS = frozenset(
    {
        "reg",
        "eps",
        "epsilon",
        "lam",
        "lamda",
        "lambda",
        "lambd",
        "l1",
        "l2",
        "alpha",
        "momentum",
        "decay",
        "weightdecay",
    }
    | {"regcoeff", "regularization", "regstrength", "c", "margin", "temperature", "temp", "scale", "delta", "mu", "rho"}
    | {"keepprob", "rate", "p", "gammareg", "penalty", "n", "m", "t", "k"}
)
"""Names of numbers that are chosen rather than learnt."""
_WEIGHT = re.compile(
    r"(?:[wvub]_\w+|[wvu][a-z]{0,2}\d*|b[a-z]?\d*|theta\d*|θ\d*|gamma\d*|beta\d*|syn\d+|(?:coef|intercept|kernel|filter)s?\d*"
    r"|.*(?:weight|bias|param|embedding)(?:s|es)?\d*|bn(?:gain|bias))"
)
_PART = re.compile(r"_?(?:train|batch|test|one_?hot|data|set|vector|vec)$", re.IGNORECASE)
_NEW = re.compile(r"^(?:new|next|updated|upd)_?(?=.)|(?<=.)_?(?:new|next|updated|upd)$", re.IGNORECASE)
_HOLDERS = re.compile(r"_*(?:grad|nabla|d_?param|deriv)", re.IGNORECASE)
_LOSSES = frozenset({"loss", "cost", "l", "j", "e", "error", "totalloss", "totalcost", "mse", "objective", "nll"})


def gradient_of(name: str, known: Collection[str]) -> str | None:
    """Return the variable of a gradient's name: W2 for `dW2`, z2 for `delta2` and `d2`; None if there is none.

    A derivative, as equations have it, may be one by a component: W2 for `∂E/∂W2_jk`, theta for `∂J/∂θ_j`.

    >>> gradient_of("dJ_dW1", ["W1"]), gradient_of("∂C/∂W₂_jk", ["W1", "W2"]), gradient_of("∂J/∂θ_j", ["theta"])
    ('W1', 'W2', 'theta')
    """
    if "/" in name:
        plain = re.sub(r"_[a-z]{1,3}$", "", canonical_name(name).rpartition("/")[2].removeprefix("∂").removeprefix("d"))
        found = called(plain, known) or next((each for each in known if canonical_name(each) == plain), None)
        if found is not None:
            return found
    for rest in _rests(name):
        found = called(rest, known)
        if found is not None:
            return found
        if re.fullmatch(r"_?\d+", rest):
            found = called("z" + rest.strip("_"), known)
            if found is not None:
                return found
    return None


def without_newness(name: str) -> str:
    """Return the name of what a variable is the next value of: `W1` for `W1_new`; "" for other names.

    >>> without_newness("new_W1"), without_newness("b_updated"), without_newness("W1")
    ('W1', 'b', '')
    """
    rest = _NEW.sub("", name)
    return "" if rest == name else rest


def is_target(name: str) -> bool:
    """Whether an input's name may be that of labels or class weights: `y`, `t2`, `target_1`, `y_onehot`, `mask`."""
    plain = re.sub(r"(_?(one_?hot|train|batch))?_?\d*$", "", name.casefold())
    return plain in TARGETS or plain in _MASKS


def is_mask(name: str) -> bool:
    """Whether an input's name is that of a mask, as of dropout: `mask2`, `dropout_mask`, `D1`."""
    plain = name.casefold().rstrip("_0123456789")
    return plain in _DROPPING or "mask" in plain or re.fullmatch(r"D_?\d+", name) is not None


def is_loss_name(name: str) -> bool:
    """Whether a returned value's name is that of a loss."""
    return folded(name) in _LOSSES


def is_label(name: str) -> bool:
    """Whether a name is that of labels: `y_train`, `targets`, `labels_1`."""
    plain = _PART.sub("", name.casefold()).rstrip("_0123456789")
    return plain in TARGETS or "label" in plain


def is_data(name: str) -> bool:
    """Whether an input's name is that of data: `X_train`, `img`, `layer_0`, `inputs`, `labels`."""
    plain = folded(_PART.sub("", name))
    if plain in DATA or plain.rstrip("0123456789") in ("x", "input", "inputs"):
        return True
    return is_target(name) or is_label(name) or is_mask(name)


def is_hyperparameter(name: str) -> bool:
    """Whether the name of a number is that of one that is chosen, such as a regularizer's factor."""
    plain = folded(name)
    return plain in HYPERPARAMETERS or plain.startswith(("reg", "lambda", "lamda", "λ"))


def is_weight(name: str) -> bool:
    """Whether an input's name is that of a parameter: `W1`, `b`, `w_i_h`, `theta`, `weights_0_1`, `gamma`."""
    return _WEIGHT.fullmatch(name.casefold().strip("_")) is not None or _WEIGHT.fullmatch(folded(name)) is not None


def is_numbered_gradient(name: str) -> bool:
    """Whether `name` is that of the gradient of a layer, such as `d3` and `delta3`."""
    return any(re.fullmatch(r"_?\d+", rest) for rest in _rests(name))


def holds_gradients(path: Iterable[object]) -> bool:
    """Whether a path leads into a dict or list that is named as one of gradients: `self.gradients`, `grads`."""
    return any(_HOLDERS.match(str(step)) for step in path)


def is_gradient_name(name: str) -> bool:
    """Whether `name` has the form of that of a gradient: `dW`, `grad_b`, `delta2`."""
    return any(True for _ in _rests(name))


def _rests(name: str) -> Iterable[str]:
    """Yield the rest of `name` without its prefix or suffix of a gradient, longest first."""
    seen: dict[str, None] = {}
    for pattern in _PREFIXES.pattern.removeprefix("(?:").removesuffix(")(?=.)").split("|"):
        match = re.match(f"(?:{pattern})(?=.)", name)
        if match:
            seen[name[match.end() :]] = None
    suffix = _SUFFIXES.search(name)
    if suffix:
        seen[name[: suffix.start()]] = None
    return sorted(seen, key=len)
