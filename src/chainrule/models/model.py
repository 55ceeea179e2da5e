"""Trained models: the program of the prediction, its parameters, and the preprocessing of tables."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import recognize
from chainrule.charts import table_html
from chainrule.ir import ArrayType, DType, Program, SymbolicDim, cached_property, named_dim, refuse_subclass
from chainrule.models.errors import ModelError
from chainrule.models.limits import check_bound
from chainrule.networks import BLOCK, Architecture, loss_function, predict_in_blocks, prediction_function
from chainrule.tables import Batch, ClassTarget, Notes, NumberTarget, Preprocessing, Target, as_batch
from chainrule.trace import trace
from chainrule.words import ChainruleError

Array: TypeAlias = NDArray[Any]
Plain: TypeAlias = Mapping[str, Any]
"""Data that JSON can represent."""

INPUT = "X"
"""The input of a program that is not a parameter: encoded rows."""

PACKAGES = ("chainrule", "numpy", "llvmlite", "polars", "safetensors")


@dataclass(frozen=True, eq=False)
class Prediction:
    """The predictions of a model for some rows.

    Attributes
    ----------
    predictions
        Classes as a list of texts, or numbers (rows,), or (rows, outputs) if the model has several outputs.
    probabilities
        The probability of each class (rows, classes), in the order of `Model.classes`; None for a regression.

    """

    predictions: list[str] | NDArray[np.float64]
    probabilities: Array | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained model, as written by `save_model` and read by `load_model`.

    Attributes
    ----------
    program
        The prediction: inputs `X` (n, width) and the parameters, one output (n, outputs). The size n is symbolic.
    params
        A float array for each parameter.
    preprocessing
        Encodes the columns of a table as those of `X`; None for a model of arrays.
    target
        The predicted column, with its classes or its scale; None leaves outputs unchanged.
    loss
        The training loss, as a program.
    architecture
        The result of `Architecture.describe`.
    settings, metrics
        The settings and the scores of training, as readable plain data.
    versions
        The versions of the packages used in training.
    fingerprint
        The SHA-256 of the training table.
    trained
        The time of training, as in 2025-01-31T12:00:00Z.

    Raises
    ------
    ModelError
        If these are inconsistent.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> network = cr.MLP([2, 4, 1], seed=0)
    >>> model = cr.Model.of(network.architecture, network.params)
    >>> model.predict(np.ones((3, 2))).shape
    (3,)

    """

    program: Program
    params: Mapping[str, Array]
    preprocessing: Preprocessing | None = None
    target: Target | None = None
    loss: Program | None = None
    architecture: Plain = field(default_factory=dict)
    settings: Plain = field(default_factory=dict)
    metrics: Plain = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""
    trained: str = ""

    def __repr__(self) -> str:
        what = "" if self.target is None else f"of {self.target.name!r}, "
        count = sum(array.size for array in self.params.values())
        return (
            f"<Model {what}{self.width} inputs, {self.outputs} output{'s' * (self.outputs != 1)}, {count:,} parameters>"
        )

    def _repr_html_(self) -> str:
        rows = [
            [f"`{name}`", " × ".join(map(str, array.shape)), str(array.dtype)] for name, array in self.params.items()
        ]
        return table_html(repr(self)[1:-1], ["parameter", "shape", "dtype"], rows)

    def __post_init__(self) -> None:
        _check_program(self.program, self.params)
        width, outputs = self.width, self.outputs
        if self.preprocessing is not None and self.preprocessing.width != width:
            raise ModelError(
                f"the preprocessing gives {self.preprocessing.width} columns, and the program takes {width}"
            )
        if isinstance(self.target, ClassTarget):
            classes = len(self.target.classes)
            if outputs != classes and (outputs, classes) != (1, 2):
                raise ModelError(f"the program has {outputs} outputs for {classes} classes")
        for name in ("inputs", "outputs"):
            if name in self.architecture and self.architecture[name] != getattr(self, _OF[name]):
                raise ModelError(
                    f"the architecture has {self.architecture[name]} {name}, and the program {getattr(self, _OF[name])}"
                )
        if self.loss is not None:
            _check_loss(self.loss)

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        parameters: Mapping[str, Array],
        preprocessing: Preprocessing | None = None,
        target: Target | None = None,
        settings: Plain | None = None,
        metrics: Plain | None = None,
        fingerprint: str = "",
    ) -> Model:
        """Create the model of a network with parameters from `train`, with the current versions and time.

        >>> network = Architecture(2, (3,), 1, activations="tanh")
        >>> model = Model.of(network, network.initial(0))
        >>> model.predict_encoded(np.zeros((5, 2))).shape
        (5, 1)
        """
        wanted = [*architecture.params, *architecture.statistics]
        missing = [name for name in wanted if name not in parameters]
        if missing:
            raise ModelError(f"the parameters lack {missing[0]!r}")
        return cls(
            _prediction(architecture),
            {name: np.ascontiguousarray(parameters[name], architecture.dtype) for name in wanted},
            preprocessing,
            target,
            _loss(architecture),
            architecture.describe(),
            settings or {},
            metrics or {},
            package_versions(),
            fingerprint,
            datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )

    def with_parameters(self, parameters: Mapping[str, Array]) -> Model:
        """Return the model with other parameters; raise ModelError for other names or shapes."""
        dtype = self.program.input(INPUT).type.dtype.numpy
        kept = {name: np.ascontiguousarray(parameters[name], dtype) for name in self.params if name in parameters}
        return replace(self, params=kept)

    @property
    def width(self) -> int:
        """The number of columns of `X`."""
        return self.program.input(INPUT).type.with_shape(self.program.input(INPUT).type.shape[1:]).concrete_shape[0]

    @property
    def outputs(self) -> int:
        """The number of outputs for a row."""
        return int(self.program.outputs[0].type.with_shape(self.program.outputs[0].type.shape[1:]).concrete_shape[0])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the computation."""
        return self.program.input(INPUT).type.dtype.numpy

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of their probabilities; empty for a regression."""
        return self.target.classes if isinstance(self.target, ClassTarget) else ()

    @property
    def parameter_count(self) -> int:
        """The total number of trained parameters."""
        return sum(int(array.size) for array in self.params.values())

    def predict_encoded(self, X: Any) -> Array:
        """Return the outputs (rows, outputs) for encoded rows (rows, width), computed in blocks by the native engine.

        The prediction for a row does not depend on the others, so a long table may be predicted in pieces. Raises
        ModelError for an array of another shape, and for a row whose numbers are too large for the model.
        """
        outputs = self._outputs(X)
        _check_finite(outputs, "row {} of X".format)
        return outputs

    def _outputs(self, X: Any) -> Array:
        refuse_subclass(X)
        rows = np.asarray(X)
        if rows.ndim != 2 or rows.shape[1] != self.width or rows.dtype.kind not in "fiub":
            raise ModelError(
                f"X has the shape {rows.shape} and holds {rows.dtype}; the model takes numbers (rows, {self.width})"
            )
        return predict_in_blocks(self._block_program, self.params, rows)

    def predict_frame(self, data: Any, notes: Notes | None = None) -> Prediction:
        """Predict the rows of a table: a frame, a dict of columns, or a batch of a `Source`.

        Columns are found by name; `notes` collects values that no training row has. Raises TableError, naming the
        place, for a table that lacks a column or has an invalid cell; ModelError for a model without a preprocessing,
        and for a row whose numbers are too large for the model.
        """
        if self.preprocessing is None:
            raise ModelError("the model takes arrays, not tables; give an array to predict or predict_encoded")
        batch = data if isinstance(data, Batch) else as_batch(data)
        prediction = self.decoded(self._outputs(self.preprocessing.encode(batch, notes, self.dtype)))
        name = self.preprocessing.features[0].name
        numbers = prediction.predictions if prediction.probabilities is None else prediction.probabilities
        _check_finite(np.asarray(numbers), lambda row: batch.place(row, name).rpartition(", column")[0])
        return prediction

    def predict(self, data: Any) -> list[str] | Array:
        """Return the classes, or the numbers, for a table, or for an array (rows, inputs) if the model takes one.

        The classes of a model from an estimator are an array in the dtype of its labels, as from its own `predict`;
        those of a table are texts. It calls `predict_frame` or `predict_encoded`, and raises their errors.
        """
        if self.preprocessing is None:
            prediction = self.decoded(self.predict_encoded(data))
        else:
            prediction = self.predict_frame(data)
        if isinstance(self.target, ClassTarget) and self.target.dtype and prediction.probabilities is not None:
            labels: Array = self.target.labels[prediction.probabilities.argmax(axis=1)]
            return labels
        return prediction.predictions

    def decoded(self, outputs: Array) -> Prediction:
        """Convert outputs (rows, outputs) to classes with probabilities, or to numbers in the units of the target."""
        if isinstance(self.target, ClassTarget):
            shares = np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs
            return Prediction(self.target.decode(shares.argmax(axis=1)), shares)
        values = outputs[:, 0] if outputs.shape[1] == 1 else outputs
        if isinstance(self.target, NumberTarget):
            with np.errstate(over="ignore"):
                return Prediction(self.target.decode(values))
        return Prediction(np.asarray(values, float))

    def network(self) -> Architecture:
        """The architecture, for further training; raises ModelError if it has functions, which files cannot hold."""
        if not self.architecture:
            raise ModelError("the model has no description of its architecture")
        try:
            architecture = Architecture.from_description(self.architecture)
            shapes = {**architecture.params, **architecture.statistics}
        except ChainruleError as error:
            raise ModelError(f"the architecture cannot be reconstructed: {error}") from None
        except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
            raise ModelError(f"the architecture cannot be reconstructed: {type(error).__name__}, {error}") from None
        if shapes != {name: array.shape for name, array in self.params.items()}:
            raise ModelError("the parameters do not have the shapes that the architecture gives them")
        return architecture

    @cached_property
    def _block_program(self) -> Program:
        return self.program.bind({self.program.dim_names[0]: BLOCK})


def _check_finite(numbers: Array, place: Callable[[int], str]) -> None:
    """Raise ModelError, naming the row, for a prediction that is not finite."""
    bad = ~np.isfinite(numbers).all(axis=tuple(range(1, numbers.ndim)))
    if bad.any():
        raise ModelError(f"{place(int(bad.argmax()))} holds numbers too large for this model")


_OF = {"inputs": "width", "outputs": "outputs"}


def _check_program(program: Program, parameters: Mapping[str, Array]) -> None:
    """Raise ModelError unless it predicts one float array for each row from `X` and exactly these parameters."""
    inputs = {node.name: node.type for node in program.inputs}
    rows = inputs.pop(INPUT, None)
    if rows is None:
        raise ModelError(f"the program has no input {INPUT!r}, the rows to predict for")
    count = rows.shape[0] if rows.ndim == 2 else None
    if not isinstance(count, SymbolicDim) or count != named_dim(next(iter(count.names))) or not rows.dtype.is_float:
        raise ModelError(f"{INPUT} is {rows}; it should be floats (n, width), with a name for the number of rows")
    if not isinstance(rows.shape[1], int) or rows.shape[1] < 1:
        raise ModelError(f"{INPUT} is {rows}; its second size should be a number of at least 1")
    if len(program.outputs) != 1:
        raise ModelError(f"the program has {len(program.outputs)} outputs; it should have one, the prediction")
    output = program.outputs[0].type
    wide = output.ndim == 2 and isinstance(output.shape[1], int) and output.shape[1] >= 1
    if not wide or output.shape[0] != count or not output.dtype.is_float:
        raise ModelError(f"the prediction is {output}; it should be floats ({count}, outputs)")
    for name, type_ in inputs.items():
        if name not in parameters:
            raise ModelError(f"the parameters lack {name!r}, which the program takes")
        if not type_.is_concrete or not type_.dtype.is_float:
            raise ModelError(f"the parameter {name} is {type_}; it should be floats, with numbers for its sizes")
        array = parameters[name]
        if array.shape != type_.shape or array.dtype != type_.dtype.numpy:
            raise ModelError(f"{name} has the shape {array.shape} and holds {array.dtype}; the program takes {type_}")
        if not np.isfinite(array).all():
            raise ModelError(f"the parameter {name} holds numbers that are not finite")
    for name in parameters:
        if name not in inputs:
            raise ModelError(f"there is a parameter {name!r} that the program does not take")
    check_bound(program, {next(iter(count.names)): BLOCK})


def _check_loss(loss: Program) -> None:
    if len(loss.outputs) != 1 or loss.outputs[0].type.shape != () or not loss.outputs[0].type.dtype.is_float:
        raise ModelError("the program of the loss does not give one number")


def _prediction(architecture: Architecture) -> Program:
    """Return the prediction for a symbolic number of rows."""
    types = _parameter_types(architecture, {**architecture.params, **architecture.statistics})
    return _traced(prediction_function(architecture), architecture, types)


def _loss(architecture: Architecture) -> Program:
    rows, dtype = named_dim("n"), _dtype(architecture)
    target = ArrayType((rows, architecture.loss.width(architecture.outputs)), dtype)
    if architecture.loss.kind == "labels":
        target = ArrayType((rows,), DType.INT64)
    types = {"y": target, **({"alpha": ArrayType((), dtype)} if architecture.alpha else {})}
    types |= _parameter_types(architecture, architecture.params)
    return _traced(loss_function(architecture), architecture, types)


def _traced(function: Callable[..., Any], architecture: Architecture, types: Mapping[str, ArrayType]) -> Program:
    dtype = _dtype(architecture)
    program = trace(function, **{INPUT: ArrayType((named_dim("n"), architecture.inputs), dtype), **types})
    recognized, _ = recognize(program.bind({}, dtype))
    return recognized


def _parameter_types(architecture: Architecture, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, ArrayType]:
    return {name: ArrayType(shape, _dtype(architecture)) for name, shape in shapes.items()}


def _dtype(architecture: Architecture) -> DType:
    return DType.of(np.dtype(architecture.dtype))


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect the numbers of a model."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
