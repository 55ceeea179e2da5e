"""The NumPy entries of all primitives, and helpers for those that NumPy lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from chainrule.emit.arrays import ArrayWriter, Helper, primitive_of
from chainrule.emit.code import Code, Level, atom, attribute, binary, call, entries_of, method, product, subscript
from chainrule.emit.decompositions import DECOMPOSITIONS, EXPONENTIAL, polar_factor_source, solved_in_numpy
from chainrule.emit.expressions import Expr, Reduction, Variable
from chainrule.emit.library import (
    LIBRARY,
    adjugate_source,
    concatenated,
    cumulative_sum,
    diagonal_matrix,
    on_matrices,
    overlap_add_source,
    pad,
    padded,
    triangle,
    window_parts,
)
from chainrule.emit.special_functions import SPECIAL_IN_NUMPY
from chainrule.ir import DType, Shape
from chainrule.primitives import (
    AddAlong,
    ArgMax,
    ArgMin,
    ArgSort,
    Cast,
    Concatenate,
    CumulativeSum,
    Diagonal,
    DiagonalMatrix,
    Elu,
    Erf,
    Erfc,
    ImaginaryFourier,
    LogSoftmax,
    MatrixExponential,
    Pad,
    RealFourier,
    Relu,
    ScatterAdd,
    Sigmoid,
    Softmax,
    Softplus,
    SpecialFunction,
    TakeAlong,
    Trace,
    Triangle,
    TriangularSolve,
    Where,
    Windows,
)


class NumPyWriter(ArrayWriter):
    """Writes expressions in NumPy."""

    target: ClassVar[str] = "numpy"
    module: ClassVar[str] = "np"
    imported: ClassVar[Mapping[str, str]] = {
        "np": "import numpy as np",
        "scipy": "import scipy.special",
        "sliding_window_view": "from numpy.lib.stride_tricks import sliding_window_view",
    }

    def reduction(self, x: Expr, operation: Reduction, operand: Code) -> Code:
        options: dict[str, str] = {}
        axes = self.axes(operation.axes, x.operands[0].ndim)
        if axes is not None:
            options["axis"] = axes
        if operation.keepdims:
            options["keepdims"] = "True"
        if operation.name == "logsumexp":
            return self.log_sum_exp(operand, options)
        if isinstance(x.operands[0].operation, Variable):
            return method(operand, operation.name, **options)
        return self.function(operation.name, operand, **options)

    def log_sum_exp(self, operand: Code, options: dict[str, str]) -> Code:
        """Ln Σ eˣ."""
        return self.helper("logsumexp", operand, **{"axis": "None", **options})

    def transposed(self, x: Code, order: tuple[int, ...]) -> Code:
        if order == (1, 0):
            return attribute(x, "T")
        if order == (*range(len(order) - 2), len(order) - 1, len(order) - 2):
            return method(x, "swapaxes", "-1", "-2")
        return method(x, "transpose", *map(str, order))

    def tensordot(self, operands: Sequence[Code], axes: tuple[tuple[int, ...], tuple[int, ...]]) -> Code:
        return self.function("tensordot", *operands, axes=entries_of([*map(entries_of, axes)]))

    def broadcast(self, code: Code, shape: Shape) -> Code:
        return self.function("broadcast_to", code, self.shape(shape))

    def new(self, name: str, *arguments: Code) -> Code:
        return self.function(name, *arguments, dtype=self.dtype())

    def blank(self, name: str, x: Expr, operands: Sequence[Code]) -> Code:
        """Write a new array, of conditions or integers if these are kept."""
        if operands and not isinstance(x.operands[0].operation, Variable):  # an element of an array that is kept
            return super().blank(name, x, operands)
        kept = "bool" if x.dtype is DType.BOOL else "int"
        # Whole numbers may be given where floats are declared; what is computed from them is kept as it is.
        like = operands[0] if operands else self.float_array() if x.dtype.is_float else None
        dtype = kept if like is None else self.function("result_type", like, "0.0")
        return self.function(f"{name}_like" if operands else name, *(operands or [self.shape(x.shape)]), dtype=dtype)

    def picked_from_rows(self, x: Code, labels: Code) -> Code:
        return subscript(self.function("take_along_axis", x, labels, axis="-1"), "...", "0")

    def table_literal(self, x: Expr, rows: object) -> Code:
        return self.function("array", repr(rows), **({"dtype": self.dtype()} if x.dtype.is_float else {}))


def _where(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Convert one of two numbers to the dtype of the function."""
    chosen = writer.function("where", *operands)
    if all(operand.is_number for operand in x.operands[1:]):
        return method(chosen, "astype", writer.dtype())
    return chosen


def _cast(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Convert integers and conditions to floats of the function's dtype, floats to integers."""
    if not x.dtype.is_float:
        return method(operands[0], "astype", "bool" if x.dtype is DType.BOOL else "int")
    of_floats = x.operands[0].dtype.is_float
    dtype = attribute(atom(writer.use(writer.module)), x.dtype.value) if of_floats else writer.dtype()
    return method(operands[0], "astype", dtype)


def _elu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Clip the exponential's argument, so that it cannot overflow."""
    primitive = primitive_of(x)
    assert isinstance(primitive, Elu)
    (z,) = operands
    below = writer.function("expm1", writer.function("minimum", z, "0"))
    scaled = below if primitive.alpha == 1 else product(writer.number(primitive.alpha), below)
    return writer.function("where", binary(">", z, atom("0"), Level.COMPARISON), z, scaled)


def _scatter_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Write zeros to which each row is added at its index."""
    primitive = primitive_of(x)
    assert isinstance(primitive, ScatterAdd)
    before = [call("slice", "None")] * primitive.axis
    entries = [*before, *operands[1:]]
    where = entries_of(entries) if len(entries) > 1 else operands[1]
    return writer.helper("scatter_add", writer.shape(x.shape), where, operands[0])


def _windows(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Write NumPy's view of all windows, with slices for strides and dilations."""
    parts = window_parts(x)
    lengths = [writer.dim((size - 1) * dilation + 1) for _, _, size, _, dilation, _ in parts]
    axes = [part[0] for part in parts]
    shape, along = (str(each[0]) if len(each) == 1 else entries_of(each) for each in (lengths, axes))
    view = writer.helper("sliding_window_view", operands[0], shape, axis=along)
    entries = [":"] * x.ndim
    for j, (axis, count, _, stride, dilation, more) in enumerate(parts):
        if more:
            entries[axis] = f":{writer.dim((count - 1) * stride + 1)}" + (f":{stride}" if stride > 1 else "")
        elif stride > 1:
            entries[axis] = f"::{stride}"
        if dilation > 1:
            entries[x.ndim - len(parts) + j] = f"::{dilation}"
    while entries and entries[-1] == ":":
        entries.pop()
    return subscript(view, *entries) if entries else view


def _add_along(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Write zeros to which each element is added at its place along the axis."""
    primitive = primitive_of(x)
    assert isinstance(primitive, AddAlong)
    return writer.helper("add_along", writer.shape(x.shape), *operands, str(primitive.axis))


NumPyWriter.table = {
    **LIBRARY,
    **DECOMPOSITIONS,
    ImaginaryFourier: "{np}.fft.fft({}, axis={axis}).imag",
    MatrixExponential: "{expm}({})",
    AddAlong: _add_along,
    ArgMax: "{np}.argmax({}, {axis})",
    ArgMin: "{np}.argmin({}, {axis})",
    ArgSort: '{np}.argsort({}, {axis}, kind="stable")',
    Cast: _cast,
    Concatenate: concatenated("concatenate", "axis"),
    CumulativeSum: cumulative_sum("axis"),
    Diagonal: on_matrices("diagonal", "axis1", "axis2"),
    DiagonalMatrix: diagonal_matrix,
    Elu: _elu,
    Erf: "{erf}({})",
    Erfc: "{erfc}({})",
    LogSoftmax: "{log_softmax}({}, axis={axes})",
    Pad: padded(pad),
    RealFourier: "{np}.fft.fft({}, axis={axis}).real",
    Relu: "{np}.maximum({}, 0)",
    ScatterAdd: _scatter_add,
    Sigmoid: "{sigmoid}({})",
    Softmax: "{softmax}({}, axis={axes})",
    Softplus: "{np}.logaddexp(0, {})",
    TakeAlong: "{np}.take_along_axis({}, {}, {axis})",
    Trace: on_matrices("trace", "axis1", "axis2"),
    Triangle: triangle("k"),
    SpecialFunction: SPECIAL_IN_NUMPY,
    TriangularSolve: solved_in_numpy,
    Where: _where,
    Windows: _windows,
}

NumPyWriter.helpers = {
    "add_along": Helper(
        '''def add_along(shape, x, places, axis):
    """Zeros, to which each element of x is added at its place along an axis."""
    result = np.zeros(shape, x.dtype)
    index = list(np.indices(x.shape))
    index[axis] = places
    np.add.at(result, tuple(index), x)
    return result''',
        ("np",),
    ),
    "adjugate": Helper(adjugate_source("np", "bool"), ("np",)),
    "expm": Helper(EXPONENTIAL, ("math", "np")),
    "polar_factor": Helper(polar_factor_source("np"), ("np",)),
    "overlap_add": Helper(
        overlap_add_source(
            "np.zeros(shape, windows.dtype)",
            "np.ndindex(*windows.shape[len(shape) :])",
            "result[tuple(where)] += windows[(..., *place)]",
        ),
        ("np",),
    ),
    "sigmoid": Helper(
        '''def sigmoid(x):
    """The logistic function; the exponential sees no positive number, so none overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)''',
        ("np",),
    ),
    "erf": Helper(
        '''def erf(x):
    """The error function, element by element."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x)''',
        ("math", "np"),
    ),
    "erfc": Helper(
        '''def erfc(x):
    """1 - erf(x), element by element, accurate where that is small."""
    return np.vectorize(math.erfc, otypes=[x.dtype])(x)''',
        ("math", "np"),
    ),
    "softmax": Helper(
        '''def softmax(x, axis):
    """Exponentials over their sum; the shift by the maximum cancels, and prevents overflow."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)''',
        ("np",),
    ),
    "log_softmax": Helper(
        '''def log_softmax(x, axis):
    """The logarithm of the softmax, without forming the softmax, which may underflow."""
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))''',
        ("np",),
    ),
    "logsumexp": Helper(
        '''def logsumexp(x, axis, keepdims=False):
    """The logarithm of a sum of exponentials, shifted by the maximum so that none overflows."""
    peak = x.max(axis=axis, keepdims=True)
    total = np.log(np.exp(x - peak).sum(axis=axis, keepdims=True)) + peak
    return total if keepdims else total.squeeze(axis)''',
        ("np",),
    ),
    "scatter_add": Helper(
        '''def scatter_add(shape, index, x):
    """Zeros, to which x is added at an index; where the index repeats, so does the addition."""
    result = np.zeros(shape, x.dtype)
    np.add.at(result, index, x)
    return result''',
        ("np",),
    ),
    "place": Helper(
        '''def place(shape, index, x):
    """Zeros, with x at an index."""
    result = np.zeros(shape, x.dtype)
    result[index] = x
    return result''',
        ("np",),
    ),
}
