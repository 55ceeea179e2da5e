"""The object of an export: a program with its parameters, preprocessing and target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from numpy.typing import NDArray

from chainrule.emit import ascii_identifier, member_names
from chainrule.exports.errors import ExportError
from chainrule.ir import Dim, DType, Program, SymbolicDim, cached_property, concrete
from chainrule.models import Model
from chainrule.tables import ClassTarget, Preprocessing, Target
from chainrule.words import ChainruleError

Array = NDArray[Any]

ROWS = "n"
X = "X"


@dataclass(frozen=True)
class Subject:
    """A model to be exported.

    Attributes
    ----------
    name, stem
        An identifier, and the name of the file from which it is derived.
    program
        The prediction (n, outputs) from `X` (n, width) and the parameters; n is the only symbolic size.
    params
        The values of all inputs except `X`.
    preprocessing
        Encodes a table as `X`; None if the input of the model is `X`.
    target
        The target of the prediction; None for values without further decoding.
    loss
        The training loss, as a program of `X`, `y` and parameters; None if unknown.
    alpha
        The value of the input `alpha` of `loss`, if it has one.
    of_estimator
        Whether an estimator was fitted, so that the classes False and True are those of Python.

    """

    name: str
    program: Program
    params: Mapping[str, Array]
    preprocessing: Preprocessing | None
    target: Target | None
    version: str
    stem: str = "model"
    loss: Program | None = None
    alpha: float = 0.0
    of_estimator: bool = False

    @property
    def dtype(self) -> DType:
        """The dtype of the computation."""
        return self.program.input(X).type.dtype

    @property
    def width(self) -> int:
        """The number of columns of `X`."""
        return concrete(self.program.input(X).type.shape[1])

    @property
    def outputs(self) -> int:
        """The number of columns of the prediction."""
        return concrete(self.program.outputs[0].type.shape[1])

    @property
    def is_binary(self) -> bool:
        """Whether the output is a single probability, that of the second of two classes."""
        return isinstance(self.target, ClassTarget) and self.outputs == 1

    @cached_property
    def labels(self) -> tuple[str, ...] | tuple[int, ...] | tuple[float, ...]:
        """The classes in their type: whole numbers, floats, booleans or texts; empty without classes."""
        if not isinstance(self.target, ClassTarget):
            return ()
        classes = self.target.classes
        if self.target.dtype.startswith(("int", "uint")):
            return tuple(self.target.labels.tolist())
        if self.target.numeric:
            return _numbers(classes)
        return (False, True) if self.of_estimator and classes == ("False", "True") else classes

    @cached_property
    def members(self) -> dict[str, str]:
        """The names of the parameters in C."""
        return member_names(list(self.params))

    @property
    def learnt(self) -> tuple[str, ...]:
        """The trainable parameters, without the statistics of normalizations."""
        if self.loss is None:
            return tuple(self.params)
        inputs = {node.name for node in self.loss.inputs}
        return tuple(name for name in self.params if name in inputs)

    @cached_property
    def title(self) -> str:
        """A phrase that names the target and the inputs."""
        if self.target is None:
            what = "a prediction"
        else:
            kind = "the class" if isinstance(self.target, ClassTarget) else "the number"
            what = f"{kind} {self.target.name!r}"
        if self.preprocessing is None:
            return f"{what} from {self.width} numbers"
        count = len(self.preprocessing.by_column)
        return f"{what} from {count} {'column' if count == 1 else 'columns'} of a table"


def subject_of(model: Model, stem: str) -> Subject:
    """Return the subject for `model`; `stem` is the name of the file to write, without its ending."""
    name = ascii_identifier(stem)
    if name.startswith("_"):  # reserved in C
        name = f"model{name}"
    alpha = model.architecture.get("alpha", 0.0)
    return Subject(
        name,
        checked_program(model.program, model.params),
        model.params,
        model.preprocessing,
        model.target,
        metadata.version("chainrule"),
        stem,
        model.loss,
        float(alpha) if isinstance(alpha, int | float) else 0.0,
        "estimator" in model.settings,
    )


def _numbers(classes: tuple[str, ...]) -> tuple[int, ...] | tuple[float, ...]:
    """Parse `classes` as numbers: as 64-bit integers if all are written as whole numbers."""
    try:
        whole = tuple(int(label) for label in classes)
    except ValueError:
        return tuple(float(label) for label in classes)
    return whole if all(-(2**63) <= label < 2**63 for label in whole) else tuple(map(float, whole))


def checked_program(program: Program, parameters: Mapping[str, Array]) -> Program:
    """Replace all sizes except that of rows with numbers; raise ExportError if the program is not a prediction."""
    sizes: dict[str, Dim] = {}
    for node in program.inputs:
        if node.name == X:
            continue
        if node.name not in parameters:
            raise ExportError(f"the model has no values for its input {node.name}")
        for dim, size in zip(node.type.shape, parameters[node.name].shape, strict=True):
            if isinstance(dim, SymbolicDim) and len(dim.terms) == 1 and dim.terms[0][1] == 1:
                sizes[str(dim)] = size
    try:
        given = program.input(X)
        bound = program.bind(sizes)
    except ChainruleError as error:
        raise ExportError(f"the model's program is not a prediction from X: {error}") from None
    if given.type.ndim != 2 or len(bound.outputs) != 1 or bound.outputs[0].type.ndim != 2:
        raise ExportError("the model's program does not give an array (n, outputs) for one (n, columns)")
    rows, *rest = bound.input(X).type.shape
    if not isinstance(rows, SymbolicDim) or any(isinstance(dim, SymbolicDim) for dim in rest):
        raise ExportError("the model's program is for a fixed number of rows; give one for any number n of them")
    return bound.bind({str(rows): SymbolicDim((((ROWS,), 1),))})
