"""Write the forward pass; get the backward pass: derived line by line, every line checked, compiled to train fast.

Submodules are imported on first use, so that importing the package is fast.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from chainrule import interrupts as _interrupts  # noqa: F401  (first: the others take a while)
from chainrule.files import MODEL_FILES as _MODEL_FILES
from chainrule.functions import (
    arctan,
    arctan2,
    binary_cross_entropy,
    cosh,
    cross_entropy,
    dropout,
    elu,
    erf,
    expm,
    function,
    gelu,
    layer_norm,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    logdet,
    logsumexp,
    mean_squared_error,
    one_hot,
    polygamma,
    random_draws,
    random_normal,
    random_uniform,
    relu,
    rms_norm,
    sigmoid,
    silu,
    sinh,
    softmax,
    softplus,
    solve_triangular,
    take,
)
from chainrule.ir import PROGRAM_DISPLAYS as _PROGRAM_DISPLAYS
from chainrule.ir import DeclarationError, DTypeError, Program, ProgramError, ShapeError
from chainrule.layers import avg_pool1d, avg_pool2d, conv1d, conv2d, max_pool1d, max_pool2d
from chainrule.trace import FormulaError, TraceError, scan, trace
from chainrule.words import ArgumentError, ChainruleError, MissingDependencyError, use
from chainrule.words import attribute_message as _attribute_message
from chainrule.words import spoken as _spoken
from chainrule.words import translated as _translated

if TYPE_CHECKING:
    from collections.abc import Callable

    from chainrule import estimators as estimators
    from chainrule import gallery as gallery
    from chainrule.derivation import ValuesError, Verification, equations
    from chainrule.deriving import Derivation, DerivationError, derive
    from chainrule.engines import EngineError, ProcessError, join_processes
    from chainrule.explorer import ExploreError, Explorer, explore
    from chainrule.grading import Grade, GradeError, grade, grade_folder
    from chainrule.models import Model, ModelError, load_model, save_model
    from chainrule.networks import MLP, GradientReport, NetworkError, NeuralNetwork, gradient_report
    from chainrule.plots import PlotError, plot_decision_boundary
    from chainrule.training import (
        LBFGS,
        SGD,
        Adam,
        AdamW,
        BlockOrder,
        BroadcastWarning,
        DivergenceWarning,
        DividedOrder,
        FitResult,
        NAdam,
        Optimizer,
        OwnRows,
        RMSprop,
        TrainingError,
        TrainingSession,
        UndividedWarning,
        begin_training,
        fit,
        schedules,
    )
    from chainrule.transforms import GradientError, check_grads, grad, hessian, jacobian, jvp, value_and_grad, vjp

_HOME = {
    "chainrule.derivation": (
        "ValuesError",
        "Verification",
        "equations",
    ),
    "chainrule.deriving": (
        "Derivation",
        "DerivationError",
        "derive",
    ),
    "chainrule.engines": ("EngineError", "ProcessError", "join_processes"),
    "chainrule.explorer": (
        "ExploreError",
        "Explorer",
        "explore",
    ),
    "chainrule.grading": (
        "Grade",
        "GradeError",
        "grade",
        "grade_folder",
    ),
    "chainrule.models": (
        "Model",
        "ModelError",
        "load_model",
        "save_model",
    ),
    "chainrule.networks": (
        "MLP",
        "GradientReport",
        "NetworkError",
        "NeuralNetwork",
        "gradient_report",
    ),
    "chainrule.plots": (
        "PlotError",
        "plot_decision_boundary",
    ),
    "chainrule.training": (
        "LBFGS",
        "SGD",
        "Adam",
        "AdamW",
        "BlockOrder",
        "BroadcastWarning",
        "DivergenceWarning",
        "DividedOrder",
        "DividedOrder",
        "FitResult",
        "NAdam",
        "Optimizer",
        "OwnRows",
        "RMSprop",
        "TrainingError",
        "TrainingSession",
        "UndividedWarning",
        "begin_training",
        "fit",
        "schedules",
    ),
    "chainrule.transforms": (
        "GradientError",
        "check_grads",
        "grad",
        "hessian",
        "jacobian",
        "jvp",
        "value_and_grad",
        "vjp",
    ),
}
_ROOMS = {"estimators": "chainrule.estimators", "gallery": "chainrule.gallery"}
"""Packages that are imported when they are first used."""
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _import_module("importlib.metadata").version("chainrule")
    elif name in _MODULE_OF:
        value = getattr(_import_module(_MODULE_OF[name]), name)
    elif name in _ROOMS:
        value = _import_module(_ROOMS[name])
    elif name.startswith("_"):
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    else:
        known = [*__all__, *_ROOMS]
        numpy = _import_module("numpy")
        message = _attribute_message(name, known, lambda other: getattr(numpy, other, None))
        raise AttributeError(_translated(message, _spoken()), name=name)
    globals()[name] = value
    return value


def _program_display(writer: str) -> "Callable[[Program], str]":
    """Return a renderer of programs, which is imported when a program is first displayed."""

    def display(program: Program) -> str:
        text: str = getattr(_import_module("chainrule.derivation"), writer)(program)
        return text

    return display


_PROGRAM_DISPLAYS.update(
    {
        "text/plain": _program_display("equations"),
        "text/html": _program_display("program_html"),
        "text/latex": _program_display("program_latex"),
        "text/markdown": _program_display("program_markdown"),
    }
)


def _of_models(name: str) -> "Callable[..., object]":
    """Return a function of `chainrule.models`, which is imported when it is first called."""

    def call(*arguments: object) -> object:
        return getattr(_import_module("chainrule.models"), name)(*arguments)

    return call


_MODEL_FILES.update(save=_of_models("save_model"), load=_of_models("load_model"))


def __dir__() -> list[str]:
    return [*__all__, *_ROOMS, "__version__"]


__all__ = [
    "LBFGS",
    "MLP",
    "SGD",
    "Adam",
    "AdamW",
    "ArgumentError",
    "BlockOrder",
    "BroadcastWarning",
    "ChainruleError",
    "DTypeError",
    "DeclarationError",
    "Derivation",
    "DerivationError",
    "DivergenceWarning",
    "DividedOrder",
    "EngineError",
    "ExploreError",
    "Explorer",
    "FitResult",
    "FormulaError",
    "Grade",
    "GradeError",
    "GradientError",
    "GradientReport",
    "MissingDependencyError",
    "Model",
    "ModelError",
    "NAdam",
    "NetworkError",
    "NeuralNetwork",
    "Optimizer",
    "OwnRows",
    "PlotError",
    "ProcessError",
    "Program",
    "ProgramError",
    "RMSprop",
    "ShapeError",
    "TraceError",
    "TrainingError",
    "TrainingSession",
    "UndividedWarning",
    "ValuesError",
    "Verification",
    "arctan",
    "arctan2",
    "avg_pool1d",
    "avg_pool2d",
    "begin_training",
    "binary_cross_entropy",
    "check_grads",
    "conv1d",
    "conv2d",
    "cosh",
    "cross_entropy",
    "derive",
    "dropout",
    "elu",
    "equations",
    "erf",
    "explore",
    "expm",
    "fit",
    "function",
    "gelu",
    "grad",
    "grade",
    "grade_folder",
    "gradient_report",
    "hessian",
    "jacobian",
    "join_processes",
    "jvp",
    "layer_norm",
    "leaky_relu",
    "load_model",
    "log_sigmoid",
    "log_softmax",
    "logdet",
    "logsumexp",
    "max_pool1d",
    "max_pool2d",
    "mean_squared_error",
    "one_hot",
    "plot_decision_boundary",
    "polygamma",
    "random_draws",
    "random_normal",
    "random_uniform",
    "relu",
    "rms_norm",
    "save_model",
    "scan",
    "schedules",
    "sigmoid",
    "silu",
    "sinh",
    "softmax",
    "softplus",
    "solve_triangular",
    "take",
    "trace",
    "use",
    "value_and_grad",
    "vjp",
]
