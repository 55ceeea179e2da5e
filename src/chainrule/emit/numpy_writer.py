"""How NumPy writes each primitive, and the functions that it lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from chainrule.emit.arrays import ArrayWriter, Writing, primitive_of
from chainrule.emit.code import Code, Level, atom, binary, call, method, power, product, total
from chainrule.emit.expressions import Expr, Number, Reduction, Variable
from chainrule.emit.matrix_writing import MATRICES
from chainrule.emit.window_writer import NUMPY_OVERLAP_ADD, NUMPY_WINDOWS
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


class NumPyWriter(ArrayWriter):
    """Expressions in NumPy."""

    target: ClassVar[str] = "numpy"
    module: ClassVar[str] = "np"

    def function(self, name: str, *operands: Code | str, **options: str) -> Code:
        """A function of the library."""
        return call(f"{self.module}.{name}", *operands, **options)

    def helper(self, name: str, *operands: Code | str, **options: str) -> Code:
        """A function that the source brings along."""
        self.helpers[name] = None
        return call(name, *operands, **options)

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
            return atom(f"{x.at(Level.ATOM)}.T")
        if order == (*range(len(order) - 2), len(order) - 1, len(order) - 2):
            return method(x, "swapaxes", "-1", "-2")
        return method(x, "transpose", *map(str, order))

    def tensordot(self, operands: Sequence[Code], axes: tuple[tuple[int, ...], tuple[int, ...]]) -> Code:
        left, right = (f"({', '.join(map(str, side))}{',' if len(side) == 1 else ''})" for side in axes)
        return self.function("tensordot", *operands, axes=f"({left}, {right})")

    def repeated(self, x: Expr, code: Code, shape: Shape) -> Code:
        if not x.operands[0].is_number:
            return self.function("broadcast_to", code, self.shape(shape))
        operation, like = x.operands[0].operation, self.alike(shape)
        value = operation.value if isinstance(operation, Number) else None
        name = "ones" if value == 1 else "zeros" if value == 0 else "full"
        given = [] if name != "full" else [code]
        if like is not None:
            return self.function(f"{name}_like", like, *given)
        return self.function(name, self.shape(shape), *given, dtype=self.dtype())

    def picked(self, labels: Expr, x: Code, code: Code) -> Code:
        if labels.ndim == 0:
            return atom(f"{x.at(Level.ATOM)}[{code}]")
        if labels.ndim == 1:
            return atom(f"{x.at(Level.ATOM)}[{self.module}.arange(len({code})), {code}]")
        chosen = self.function("take_along_axis", x, f"{code.at(Level.ATOM)}[..., None]", axis="-1")
        return atom(f"{chosen}[..., 0]")

    def table_literal(self, x: Expr, rows: object) -> Code:
        if x.dtype.is_float:
            return self.function("array", repr(rows), dtype=self.dtype())
        return self.function("array", repr(rows))

    table: ClassVar[Mapping[type, Writing]]


def library(name: str) -> Writing:
    """A function of the library, by name."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        return call(f"{writer.module}.{name}", *operands)

    return write


def brought(name: str) -> Writing:
    """A function that the source brings along."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        writer.helpers[name] = None
        return call(name, *operands)

    return write


def along_axes(name: str) -> Writing:
    """A function that the source brings along, of an array and axes."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        writer.helpers[name] = None
        return call(name, operands[0], axis=softmax_axes(writer, x) or "None")

    return write


def softmax_axes(writer: ArrayWriter, x: Expr) -> str | None:
    """The axes of a softmax as an argument; None where it is all of several."""
    primitive = primitive_of(x)
    assert isinstance(primitive, Softmax | LogSoftmax)
    axes = primitive.axes
    if len(axes) == 1:
        return "-1" if axes[0] == x.ndim - 1 else str(axes[0])
    return writer.axes(axes, x.ndim)


def infix(operator: str, level: Level) -> Writing:
    """An operator between the operands."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        return binary(operator, operands[0], operands[1], level)

    return write


def write_bitwise(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`x & y`, `x | y` or `x ^ y` of integers."""
    primitive = primitive_of(x)
    assert isinstance(primitive, Bitwise)
    symbol = {"and": "&", "or": "|", "xor": "^"}[primitive.operation]
    left, right = (operand.at(Level.SUM) for operand in operands)
    return Code(f"{left} {symbol} {right}", Level.BIT_AND if symbol == "&" else Level.BIT_OR)


def write_not(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`~x`."""
    return Code(f"~{operands[0].at(Level.SIGN)}", Level.SIGN)


def write_where(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`where(condition, x, y)`; of two numbers, in the dtype of the function."""
    chosen = call(f"{writer.module}.where", *operands)
    if all(operand.is_number for operand in x.operands[1:]):
        return method(chosen, "astype", writer.dtype())
    return chosen


def write_cast(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Integers and conditions as floats of the function's dtype, floats as integers."""
    if x.dtype.is_float:
        if x.operands[0].dtype.is_float:
            return method(operands[0], "astype", f"{writer.module}.{x.dtype.value}")
        return method(operands[0], "astype", writer.dtype())
    return method(operands[0], "astype", "bool" if x.dtype is DType.BOOL else "int")


def write_leaky_relu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`x` where positive, else its multiple."""
    primitive = primitive_of(x)
    assert isinstance(primitive, LeakyRelu)
    (z,) = operands
    positive = binary(">", z, atom("0"), Level.COMPARISON)
    return call(f"{writer.module}.where", positive, z, product(writer.number(primitive.slope), z))


def write_elu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """The exponential sees no positive x, so that it cannot overflow."""
    primitive = primitive_of(x)
    assert isinstance(primitive, Elu)
    (z,) = operands
    below = call(f"{writer.module}.expm1", call(f"{writer.module}.minimum", z, "0"))
    scaled = below if primitive.alpha == 1 else product(writer.number(primitive.alpha), below)
    return call(f"{writer.module}.where", binary(">", z, atom("0"), Level.COMPARISON), z, scaled)


def write_silu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`x * sigmoid(x)`."""
    writer.helpers["sigmoid"] = None
    return product(operands[0], call("sigmoid", operands[0]))


def write_gelu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`x` times the normal distribution function."""
    (z,) = operands
    writer.helpers["erfc"] = writer.imports["math"] = None
    return product(product(atom("0.5"), z), call("erfc", f"-{z.at(Level.SIGN)} / math.sqrt(2)"))


def write_gelu_tanh(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """The approximation in tanh: ½ (1 + tanh u) is σ(2u), which does not cancel in the tail."""
    (z,) = operands
    writer.imports["math"] = None
    cubic = total(z, product(atom("0.044715"), power(z, atom("3"))))
    writer.helpers["sigmoid"] = None
    return product(z, call("sigmoid", product(atom("2 * math.sqrt(2 / math.pi)"), cubic)))


def write_maximum_zero(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`maximum(x, 0)`."""
    return call(f"{writer.module}.maximum", operands[0], "0")


def write_softplus(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`logaddexp(0, x)`, which does not overflow."""
    return call(f"{writer.module}.logaddexp", "0", operands[0])


def write_concatenate(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """The operands one after another."""
    primitive = primitive_of(x)
    assert isinstance(primitive, Concatenate)
    options = {"axis": str(primitive.axis)} if primitive.axis else {}
    return call(f"{writer.module}.concatenate", f"[{', '.join(map(str, operands))}]", **options)


def write_gather(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """`x[indices]`, or the same further back."""
    primitive = primitive_of(x)
    assert isinstance(primitive, Gather)
    entries = [*[":"] * primitive.axis, str(operands[1])]
    return atom(f"{operands[0].at(Level.ATOM)}[{', '.join(entries)}]")


def write_one_hot(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Rows of the identity."""
    primitive = primitive_of(x)
    assert isinstance(primitive, OneHot)
    rows = call(f"{writer.module}.eye", writer.dim(primitive.size), dtype=writer.dtype())
    return atom(f"{rows}[{operands[0]}]")


def write_scatter_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Zeros, to which each row is added where its index says."""
    primitive = primitive_of(x)
    assert isinstance(primitive, ScatterAdd)
    writer.helpers["scatter_add"] = None
    where = (
        str(operands[1])
        if primitive.axis == 0
        else f"({', '.join([*['slice(None)'] * primitive.axis, str(operands[1])])})"
    )
    return call("scatter_add", writer.shape(x.shape), where, operands[0])


def padding(writer: ArrayWriter, x: Expr) -> tuple[str, str | None]:
    """The widths of a padding, and the places of the operand in the result where it has zeros in between."""
    primitive = primitive_of(x)
    assert isinstance(primitive, Pad)
    widths = [
        f"({writer.dim(low)}, {writer.dim(high)})" for low, high in zip(primitive.low, primitive.high, strict=True)
    ]
    places = None
    if any(primitive.interior):
        parts = zip(primitive.low, x.operands[0].shape, primitive.interior, x.shape, strict=True)
        places = ", ".join(_place(writer, *part) for part in parts)
    return f"({', '.join(widths)}{',' if len(widths) == 1 else ''})", places


def _place(writer: ArrayWriter, low: Dim, size: Dim, interior: int, whole: Dim) -> str:
    if interior == 0 and low == 0 and size == whole:
        return "slice(None)"
    if interior == 0:
        return f"slice({writer.dim(low)}, {writer.dim(low + size)})"
    return f"slice({writer.dim(low)}, {writer.dim(low + (size - 1) * (interior + 1) + 1)}, {interior + 1})"


def write_pad(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Zeros around, by the library; zeros in between, by a function that the source brings along."""
    widths, places = padding(writer, x)
    if places is None:
        return call(f"{writer.module}.pad", operands[0], widths)
    writer.helpers["place"] = None
    entries = f"({places},)" if x.ndim == 1 else f"({places})"
    return call("place", writer.shape(x.shape), entries, operands[0])


NumPyWriter.table = {
    **MATRICES,
    Abs: library("abs"),
    Bitwise: write_bitwise,
    Cast: write_cast,
    Concatenate: write_concatenate,
    Cos: library("cos"),
    Elu: write_elu,
    Erf: brought("erf"),
    Erfc: brought("erfc"),
    Exp: library("exp"),
    Expm1: library("expm1"),
    Gather: write_gather,
    Gelu: write_gelu,
    GeluTanh: write_gelu_tanh,
    LeakyRelu: write_leaky_relu,
    Log: library("log"),
    Log1p: library("log1p"),
    LogAddExp: library("logaddexp"),
    LogSoftmax: along_axes("log_softmax"),
    LogicalAnd: infix("&", Level.BIT_AND),
    LogicalNot: write_not,
    LogicalOr: infix("|", Level.BIT_OR),
    Maximum: library("maximum"),
    Minimum: library("minimum"),
    OneHot: write_one_hot,
    Pad: write_pad,
    Relu: write_maximum_zero,
    ScatterAdd: write_scatter_add,
    Sigmoid: brought("sigmoid"),
    Sign: library("sign"),
    Silu: write_silu,
    Sin: library("sin"),
    Softmax: along_axes("softmax"),
    Softplus: write_softplus,
    Sqrt: library("sqrt"),
    Tanh: library("tanh"),
    Where: write_where,
    **NUMPY_WINDOWS,
}

HELPERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "overlap_add": (NUMPY_OVERLAP_ADD, ()),
    "sigmoid": (
        '''def sigmoid(x):
    """The logistic function; the exponential sees no positive number, so none overflows."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)''',
        (),
    ),
    "erf": (
        '''def erf(x):
    """The error function, element by element."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x)''',
        ("math",),
    ),
    "erfc": (
        '''def erfc(x):
    """1 - erf(x), element by element, accurate where that is small."""
    return np.vectorize(math.erfc, otypes=[x.dtype])(x)''',
        ("math",),
    ),
    "softmax": (
        '''def softmax(x, axis):
    """Exponentials over their sum; the shift by the maximum cancels, and prevents overflow."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)''',
        (),
    ),
    "log_softmax": (
        '''def log_softmax(x, axis):
    """The logarithm of the softmax, without forming the softmax, which may underflow."""
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))''',
        (),
    ),
    "logsumexp": (
        '''def logsumexp(x, axis, keepdims=False):
    """The logarithm of a sum of exponentials, shifted by the maximum so that none overflows."""
    peak = x.max(axis=axis, keepdims=True)
    total = np.log(np.exp(x - peak).sum(axis=axis, keepdims=True)) + peak
    return total if keepdims else total.squeeze(axis)''',
        (),
    ),
    "scatter_add": (
        '''def scatter_add(shape, index, x):
    """Zeros, to which x is added at an index; where the index repeats, so does the addition."""
    result = np.zeros(shape, x.dtype)
    np.add.at(result, index, x)
    return result''',
        (),
    ),
    "place": (
        '''def place(shape, index, x):
    """Zeros, with x at an index."""
    result = np.zeros(shape, x.dtype)
    result[index] = x
    return result''',
        (),
    ),
}
"""The functions that the source brings along, and what each imports."""
