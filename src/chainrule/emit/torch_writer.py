"""How PyTorch writes each primitive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from chainrule.emit.arrays import ArrayWriter, Writing, primitive_of
from chainrule.emit.code import Code, Level, atom, call, difference, method, negative, power, product, total
from chainrule.emit.expressions import Expr, Number, Reduction, Variable
from chainrule.emit.matrix_writing import TORCH_MATRICES
from chainrule.emit.numpy_writer import (
    infix,
    library,
    padding,
    softmax_axes,
    write_bitwise,
    write_gather,
    write_not,
)
from chainrule.emit.window_writer import TORCH_OVERLAP_ADD, TORCH_WINDOWS
from chainrule.ir import Dim, DType, Shape
from chainrule.primitives import (
    Abs,
    Bitwise,
    Cast,
    Concatenate,
    Cos,
    Elu,
    Erf,
    Erfc,
    Exp,
    Expm1,
    Gather,
    Gelu,
    GeluTanh,
    LeakyRelu,
    Log,
    Log1p,
    LogAddExp,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    LogSoftmax,
    Maximum,
    Minimum,
    OneHot,
    Pad,
    Relu,
    ScatterAdd,
    Sigmoid,
    Sign,
    Silu,
    Sin,
    Softmax,
    Softplus,
    Sqrt,
    Tanh,
    Where,
)


class TorchWriter(ArrayWriter):
    """Expressions in PyTorch."""

    target: ClassVar[str] = "torch"
    module: ClassVar[str] = "torch"
    line_limit: ClassVar[int] = 56  # a gradient's line goes on: … if needs_W1 else None

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
        return call(f"torch.{name}", operand, **options)

    def transposed(self, x: Code, order: tuple[int, ...]) -> Code:
        if order == (1, 0):
            return atom(f"{x.at(Level.ATOM)}.T")
        if order == (*range(len(order) - 2), len(order) - 1, len(order) - 2):
            return atom(f"{x.at(Level.ATOM)}.mT")
        return method(x, "permute", *map(str, order))

    def tensordot(self, operands: Sequence[Code], axes: tuple[tuple[int, ...], tuple[int, ...]]) -> Code:
        left, right = (f"({', '.join(map(str, side))}{',' if len(side) == 1 else ''})" for side in axes)
        return call("torch.tensordot", *operands, dims=f"({left}, {right})")

    def repeated(self, x: Expr, code: Code, shape: Shape) -> Code:
        if not x.operands[0].is_number:
            return method(code, "expand", self.shape(shape))
        operation, like = x.operands[0].operation, self.alike(shape)
        value = operation.value if isinstance(operation, Number) else None
        name = "ones" if value == 1 else "zeros" if value == 0 else "full"
        given = [] if name != "full" else [code]
        if like is not None:
            return call(f"torch.{name}_like", like, *given)
        return self.new(name, self.shape(shape), *given)

    def array_of(self, number: Code) -> Code:
        return self.new("tensor", number)

    def new(self, name: str, *arguments: Code) -> Code:
        """A new tensor with the dtype and on the device of one at hand."""
        return call(f"{self.dtype().removesuffix('.dtype')}.new_{name}", *arguments)

    def picked(self, labels: Expr, x: Code, code: Code) -> Code:
        if labels.ndim == 0:
            return atom(f"{x.at(Level.ATOM)}[{code}]")
        if labels.ndim == 1:
            return atom(f"{x.at(Level.ATOM)}[torch.arange(len({code})), {code}]")
        return method(method(x, "gather", "-1", f"{code.at(Level.ATOM)}[..., None]"), "squeeze", "-1")

    def table_literal(self, x: Expr, rows: object) -> Code:
        if x.dtype.is_float:
            return self.new("tensor", atom(repr(rows)))
        device = self.dtype().removesuffix("dtype") + "device"
        return call("torch.tensor", repr(rows), device=device)

    def indexed(self, x: Expr, code: Code, entries: Sequence[Dim | tuple[Dim, Dim, int]]) -> Code:
        # A slice of a tensor cannot run backwards; the same elements in order are taken, and flipped.
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

    table: ClassVar[Mapping[type, Writing]]


def _softmax(name: str) -> Writing:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        assert isinstance(primitive, Softmax | LogSoftmax)
        if len(primitive.axes) == 1:
            return call(f"torch.{name}", operands[0], dim=softmax_axes(writer, x) or "-1")
        axes = writer.some_axes(primitive.axes, x.ndim)
        logarithm = difference(operands[0], call("torch.logsumexp", operands[0], dim=axes, keepdim="True"))
        return logarithm if name == "log_softmax" else call("torch.exp", logarithm)

    return write


def _softplus(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    # softplus of the library is the identity from 20 on, which is right to 9 digits.
    return negative(call("torch.nn.functional.logsigmoid", negative(operands[0])))


def _leaky_relu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, LeakyRelu)
    return call("torch.nn.functional.leaky_relu", operands[0], str(writer.number(primitive.slope)))


def _elu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, Elu)
    return call("torch.nn.functional.elu", operands[0], str(writer.number(primitive.alpha)))


def _gelu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    # gelu of the library has no correct digit in its negative tail, where 1 + erf cancels.
    writer.imports["math"] = None
    (z,) = operands
    return product(product(atom("0.5"), z), call("torch.erfc", f"-{z.at(Level.SIGN)} / math.sqrt(2)"))


def _gelu_tanh(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    writer.imports["math"] = None
    (z,) = operands
    cubic = total(z, product(atom("0.044715"), power(z, atom("3"))))
    return product(z, call("torch.sigmoid", product(atom("2 * math.sqrt(2 / math.pi)"), cubic)))


def _bounded(name: str, bound: str) -> Writing:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        for k in (0, 1):
            if x.operands[k].is_number:
                return call("torch.clamp", operands[1 - k], **{bound: str(operands[k])})
        return call(f"torch.{name}", *operands)

    return write


def _where(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if all(operand.is_number for operand in x.operands[1:]):
        assert isinstance(writer, TorchWriter)
        first = writer.new("tensor", operands[1])
        return call("torch.where", operands[0], first, operands[2])
    return call("torch.where", *operands)


def _cast(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    if x.dtype.is_float:
        if x.operands[0].dtype.is_float:
            return method(operands[0], "to", f"torch.{x.dtype.value}")
        return method(operands[0], "to", writer.dtype())
    return method(operands[0], "bool" if x.dtype is DType.BOOL else "long")


def _concatenate(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, Concatenate)
    options = {"dim": str(primitive.axis)} if primitive.axis else {}
    return call("torch.cat", f"[{', '.join(map(str, operands))}]", **options)


def _one_hot(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, OneHot)
    like = writer.dtype()
    rows = call("torch.eye", writer.dim(primitive.size), dtype=like, device=like.removesuffix("dtype") + "device")
    return atom(f"{rows}[{operands[0]}]")


def _scatter_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, ScatterAdd)
    assert isinstance(writer, TorchWriter)
    like = writer.alike(x.shape)
    zeros = call("torch.zeros_like", like) if like else writer.new("zeros", writer.shape(x.shape))
    if primitive.axis == 0:
        return method(zeros, "index_put", f"({operands[1]},)", operands[0], accumulate="True")
    # The indexed axis in front, as index_put wants it, and back again.
    moved = method(zeros, "movedim", str(primitive.axis), "0")
    count = x.operands[1].ndim
    source = tuple(range(primitive.axis, primitive.axis + count))
    given = method(operands[0], "movedim", _tuple(source), _tuple(range(count)))
    return method(
        method(moved, "index_put", f"({operands[1]},)", given, accumulate="True"), "movedim", "0", str(primitive.axis)
    )


def _tuple(entries: Sequence[int]) -> str:
    return f"({', '.join(map(str, entries))}{',' if len(entries) == 1 else ''})"


def _pad(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, Pad)
    _, places = padding(writer, x)
    if places is None:
        pairs = list(zip(primitive.low, primitive.high, strict=True))
        while len(pairs) > 1 and pairs[0] == (0, 0):
            pairs.pop(0)
        widths = ", ".join(f"{writer.dim(low)}, {writer.dim(high)}" for low, high in reversed(pairs))
        return call("torch.nn.functional.pad", operands[0], f"({widths})")
    writer.helpers["place"] = None
    return call("place", writer.shape(x.shape), f"({places},)" if x.ndim == 1 else f"({places})", operands[0])


TorchWriter.table = {
    **TORCH_MATRICES,
    Abs: library("abs"),
    Bitwise: write_bitwise,
    Cast: _cast,
    Concatenate: _concatenate,
    Cos: library("cos"),
    Elu: _elu,
    Erf: library("erf"),
    Erfc: library("erfc"),
    Exp: library("exp"),
    Expm1: library("expm1"),
    Gather: write_gather,
    Gelu: _gelu,
    GeluTanh: _gelu_tanh,
    LeakyRelu: _leaky_relu,
    Log: library("log"),
    Log1p: library("log1p"),
    LogAddExp: library("logaddexp"),
    LogSoftmax: _softmax("log_softmax"),
    LogicalAnd: infix("&", Level.BIT_AND),
    LogicalNot: write_not,
    LogicalOr: infix("|", Level.BIT_OR),
    Maximum: _bounded("maximum", "min"),
    Minimum: _bounded("minimum", "max"),
    OneHot: _one_hot,
    Pad: _pad,
    Relu: library("relu"),
    ScatterAdd: _scatter_add,
    Sigmoid: library("sigmoid"),
    Sign: library("sign"),
    Silu: library("nn.functional.silu"),
    Sin: library("sin"),
    Softmax: _softmax("softmax"),
    Softplus: _softplus,
    Sqrt: library("sqrt"),
    Tanh: library("tanh"),
    Where: _where,
    **TORCH_WINDOWS,
}

TORCH_HELPERS = {
    "overlap_add": TORCH_OVERLAP_ADD,
    "place": '''def place(shape, index, x):
    """Zeros, with x at an index."""
    result = x.new_zeros(shape)
    result[index] = x
    return result''',
}
"""The functions that the source brings along."""
