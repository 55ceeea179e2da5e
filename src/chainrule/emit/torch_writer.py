"""The PyTorch entries of all primitives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from chainrule.emit.arrays import ArrayWriter, EntryWriter, Helper, primitive_of
from chainrule.emit.code import Code, attribute, call, difference, entries_of, method, negative, subscript
from chainrule.emit.decompositions import DECOMPOSITIONS, polar_factor_source, solved_in_torch
from chainrule.emit.expressions import Expr, Reduction, Variable
from chainrule.emit.library import (
    LIBRARY,
    adjugate_source,
    concatenated,
    cumulative_sum,
    on_matrices,
    overlap_add_source,
    padded,
    triangle,
    window_parts,
)
from chainrule.emit.special_functions import SPECIAL_IN_TORCH
from chainrule.ir import Dim, DType, Shape
from chainrule.primitives import (
    AddAlong,
    ArgMax,
    ArgMin,
    ArgSort,
    Cast,
    Cbrt,
    Concatenate,
    CumulativeSum,
    Diagonal,
    DiagonalMatrix,
    Elu,
    Erf,
    Erfc,
    ImaginaryFourier,
    LeakyRelu,
    LogSoftmax,
    MatrixExponential,
    Maximum,
    Minimum,
    OneHot,
    Pad,
    RealFourier,
    Relu,
    Rint,
    ScatterAdd,
    Sigmoid,
    Silu,
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


class TorchWriter(ArrayWriter):
    """Writes expressions in PyTorch."""

    target: ClassVar[str] = "torch"
    module: ClassVar[str] = "torch"
    imported: ClassVar[Mapping[str, str]] = {"torch": "import torch"}
    line_limit: ClassVar[int] = 56  # a gradient's line continues: … if needs_W1 else None

    def reduction(self, x: Expr, operation: Reduction, operand: Code) -> Code:
        name = {"max": "amax", "min": "amin"}.get(operation.name, operation.name)
        options: dict[str, str] = {}
        everything = len(operation.axes) == x.operands[0].ndim
        if not everything or operation.keepdims or operation.name == "logsumexp":
            options["dim"] = self.some_axes(operation.axes, x.operands[0].ndim)
        if operation.keepdims:
            options["keepdim"] = "True"
        if isinstance(x.operands[0].operation, Variable):
            return method(operand, name, **options)
        return self.function(name, operand, **options)

    def transposed(self, x: Code, order: tuple[int, ...]) -> Code:
        if order == (1, 0):
            return attribute(x, "T")
        if order == (*range(len(order) - 2), len(order) - 1, len(order) - 2):
            return attribute(x, "mT")
        return method(x, "permute", *map(str, order))

    def tensordot(self, operands: Sequence[Code], axes: tuple[tuple[int, ...], tuple[int, ...]]) -> Code:
        return self.function("tensordot", *operands, dims=entries_of([*map(entries_of, axes)]))

    def broadcast(self, code: Code, shape: Shape) -> Code:
        return method(code, "expand", self.shape(shape))

    def array_of(self, number: Code) -> Code:
        return self.new("tensor", number)

    def new(self, name: str, *arguments: Code) -> Code:
        return method(self.float_array(), f"new_{name}", *arguments)

    def blank(self, name: str, x: Expr, operands: Sequence[Code]) -> Code:
        """Write a new array, of conditions or integers if these are kept."""
        if operands or x.dtype.is_float:
            return super().blank(name, x, operands)
        kept = "torch.bool" if x.dtype is DType.BOOL else "torch.long"
        return method(self.float_array(), f"new_{name}", self.shape(x.shape), dtype=kept)

    def picked_from_rows(self, x: Code, labels: Code) -> Code:
        return method(method(x, "gather", "-1", labels), "squeeze", "-1")

    def table_literal(self, x: Expr, rows: object) -> Code:
        if x.dtype.is_float:
            return self.new("tensor", Code(repr(rows)))
        return self.function("tensor", repr(rows), device=attribute(self.float_array(), "device"))

    def indexed(self, x: Expr, code: Code, entries: Sequence[Dim | tuple[Dim, Dim, int]]) -> Code:
        # Tensors have no negative slices; the elements are taken in order and flipped.
        turned: list[int] = []
        forwards: list[Dim | tuple[Dim, Dim, int]] = []
        for entry in entries:
            if isinstance(entry, tuple) and entry[2] < 0:
                start, size, stride = entry
                turned.append(sum(isinstance(e, tuple) for e in forwards))
                entry = (start + (size - 1) * stride, size, -stride)
            forwards.append(entry)
        whole = all(entry == (0, size, 1) for entry, size in zip(forwards, x.shape, strict=True))
        taken = code if whole else super().indexed(x, code, forwards)
        return method(taken, "flip", *map(str, turned)) if turned else taken


def _softmax(name: str) -> EntryWriter:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        assert isinstance(primitive, Softmax | LogSoftmax)
        if len(primitive.axes) == 1:
            return writer.function(name, operands[0], dim=writer.along(primitive.axes, x.ndim))
        axes = writer.some_axes(primitive.axes, x.ndim)
        logarithm = difference(operands[0], writer.function("logsumexp", operands[0], dim=axes, keepdim="True"))
        return logarithm if name == "log_softmax" else writer.function("exp", logarithm)

    return write


def _softplus(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    # The library's softplus is the identity above 20, accurate to only 9 digits.
    return negative(call("torch.nn.functional.logsigmoid", negative(operands[0])))


def _bounded(name: str, bound: str) -> EntryWriter:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        for k in (0, 1):
            if x.operands[k].is_number:
                return writer.function("clamp", operands[1 - k], **{bound: operands[k]})
        return writer.function(name, *operands)

    return write


def _where(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    condition, first, second = operands
    if all(operand.is_number for operand in x.operands[1:]):
        first = writer.new("tensor", first)
    return writer.function("where", condition, first, second)


def _cast(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if not x.dtype.is_float:
        return method(operands[0], "bool" if x.dtype is DType.BOOL else "long")
    dtype = f"torch.{x.dtype.value}" if x.operands[0].dtype.is_float else writer.dtype()
    return method(operands[0], "to", dtype)


def _one_hot(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, OneHot)
    device = attribute(writer.float_array(), "device")
    return subscript(
        writer.function("eye", writer.dim(primitive.size), dtype=writer.dtype(), device=device), operands[0]
    )


def _scatter_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, ScatterAdd)
    like, where = writer.alike(x.shape), entries_of(operands[1:])
    zeros = writer.function("zeros_like", like) if like else writer.new("zeros", writer.shape(x.shape))
    if primitive.axis == 0:
        return method(zeros, "index_put", where, operands[0], accumulate="True")
    # index_put requires the indexed axes first.
    here, front = _moved(primitive.axis, len(primitive.sizes))
    count = x.operands[1].ndim
    places = range(primitive.axis, primitive.axis + count)
    given = method(operands[0], "movedim", entries_of(places), entries_of(range(count)))
    added = method(method(zeros, "movedim", here, front), "index_put", where, given, accumulate="True")
    return method(added, "movedim", front, here)


def _moved(axis: int, count: int) -> tuple[str, str]:
    """Return the arguments of movedim for `count` axes from `axis` on, and those in front."""
    if count == 1:
        return str(axis), "0"
    return entries_of(range(axis, axis + count)), entries_of(range(count))


def _pad(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, Pad)
    pairs = list(zip(primitive.low, primitive.high, strict=True))
    while len(pairs) > 1 and pairs[0] == (0, 0):
        pairs.pop(0)
    widths = [writer.dim(width) for pair in reversed(pairs) for width in pair]
    return call("torch.nn.functional.pad", operands[0], entries_of(widths))


def _trace(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if x.ndim == 0:
        return writer.function("trace", operands[0])
    return method(writer.function("diagonal", operands[0], dim1="-2", dim2="-1"), "sum", dim="-1")


def _windows(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Apply `unfold` along each axis."""
    code = operands[0]
    for axis, count, size, stride, dilation, more in window_parts(x):
        code = method(code, "unfold", str(axis), writer.dim((size - 1) * dilation + 1), str(stride))
        if more:
            code = method(code, "narrow", str(axis), "0", writer.dim(count))
        if dilation > 1:
            code = subscript(code, "...", f"::{dilation}")
    return code


def _add_along(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, AddAlong)
    like = writer.alike(x.shape)
    zeros = writer.function("zeros_like", like) if like else writer.new("zeros", writer.shape(x.shape))
    return method(zeros, "scatter_add", str(primitive.axis), operands[1], operands[0])


TorchWriter.table = {
    **LIBRARY,
    **DECOMPOSITIONS,
    ImaginaryFourier: "torch.fft.fft({}, dim={axis}).imag",
    RealFourier: "torch.fft.fft({}, dim={axis}).real",
    MatrixExponential: "torch.linalg.matrix_exp({})",
    AddAlong: _add_along,
    ArgMax: "torch.argmax({}, {axis})",
    ArgMin: "torch.argmin({}, {axis})",
    ArgSort: "torch.argsort({}, dim={axis}, stable=True)",
    Cast: _cast,
    Cbrt: "{cbrt}({})",
    Concatenate: concatenated("cat", "dim"),
    CumulativeSum: cumulative_sum("dim"),
    Diagonal: on_matrices("diagonal", "dim1", "dim2"),
    DiagonalMatrix: "torch.diag_embed({})",
    Elu: "torch.nn.functional.elu({}, {alpha})",
    Erf: "torch.erf({})",
    Erfc: "torch.erfc({})",
    LeakyRelu: "torch.nn.functional.leaky_relu({}, {slope})",
    LogSoftmax: _softmax("log_softmax"),
    Maximum: _bounded("maximum", "min"),
    Minimum: _bounded("minimum", "max"),
    OneHot: _one_hot,
    Pad: padded(_pad),
    Rint: "torch.round({})",
    Relu: "torch.relu({})",
    ScatterAdd: _scatter_add,
    Sigmoid: "torch.sigmoid({})",
    Silu: "torch.nn.functional.silu({})",
    Softmax: _softmax("softmax"),
    Softplus: _softplus,
    TakeAlong: "torch.take_along_dim({}, {}, {axis})",
    Trace: _trace,
    Triangle: triangle("diagonal"),
    SpecialFunction: SPECIAL_IN_TORCH,
    TriangularSolve: solved_in_torch,
    Where: _where,
    Windows: _windows,
}
"""gelu is excluded: the library's has no correct digit in its negative tail, where 1 + erf cancels."""

TorchWriter.helpers = {
    "cbrt": Helper(
        '''def cbrt(x):
    """The cube root, also of negative numbers."""
    return torch.sign(x) * torch.abs(x) ** (1 / 3)''',
        ("torch",),
    ),
    "adjugate": Helper(adjugate_source("torch", "torch.bool"), ("torch",)),
    "polar_factor": Helper(polar_factor_source("torch"), ("torch",)),
    "overlap_add": Helper(
        overlap_add_source(
            "windows.new_zeros(shape)",
            "itertools.product(*map(range, windows.shape[len(shape) :]))",
            "result[tuple(where)] += windows[(..., *place)]",
        ),
        ("itertools",),
    ),
    "place": Helper(
        '''def place(shape, index, x):
    """Zeros, with x at an index."""
    result = x.new_zeros(shape)
    result[index] = x
    return result'''
    ),
}
