"""Array expressions as Python: what NumPy, JAX and PyTorch have in common, and what each must say for itself."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeAlias

from chainrule.emit.code import (
    Code,
    Level,
    atom,
    binary,
    call,
    difference,
    matrix_product,
    negative,
    power,
    product,
    quotient,
    total,
    written_dim,
)
from chainrule.emit.errors import EmitError
from chainrule.emit.expressions import (
    Einsum,
    Expr,
    Function,
    Indexed,
    Inserted,
    MatrixProduct,
    Number,
    Outer,
    Picked,
    Reduction,
    Repeated,
    Reshaped,
    Structured,
    Table,
    TensorDot,
    Transposed,
    Variable,
    name_of,
    ordered,
)
from chainrule.emit.names import Names
from chainrule.ir import Dim, DType, Shape, SymbolicDim, dim_product
from chainrule.primitives import (
    Add,
    Compare,
    Cos,
    Divide,
    Exp,
    Expm1,
    Log,
    Log1p,
    Multiply,
    Negate,
    Power,
    Primitive,
    Sin,
    Sqrt,
    Square,
    Subtract,
    Tanh,
)

Writing: TypeAlias = Callable[["ArrayWriter", Expr, Sequence[Code]], Code]
"""How a target writes one primitive, given the expression and its operands as they are written."""

CONSTANTS = {
    math.sqrt(2): "math.sqrt(2)",
    math.sqrt(2 * math.pi): "math.sqrt(2 * math.pi)",
    math.sqrt(2 / math.pi): "math.sqrt(2 / math.pi)",
    2 / math.sqrt(math.pi): "2 / math.sqrt(math.pi)",
    math.sqrt(math.pi): "math.sqrt(math.pi)",
    1 / math.sqrt(2): "math.sqrt(0.5)",
    1 / math.sqrt(2 * math.pi): "1 / math.sqrt(2 * math.pi)",
    math.pi: "math.pi",
    math.log(2): "math.log(2)",
}
"""Numbers that a reader knows better by what they are."""


def primitive_of(x: Expr) -> Primitive:
    """The primitive that `x` applies."""
    assert isinstance(x.operation, Function | Structured)
    return x.operation.primitive


class ArrayWriter(ABC):
    """Writes expressions for one function of the source; `available` are the arrays that its body can ask for shapes.

    `helpers` collects the names of functions that the source must bring along, `imports` what it must import, `sizes`
    the named sizes that it needs, by the names that they have in the source.
    """

    target: ClassVar[str]
    """What the target is called on the command line."""
    module: ClassVar[str]
    """The name under which the source knows the library."""
    line_limit: ClassVar[int] = 66
    """How long the right side of a line may be."""
    table: ClassVar[Mapping[type, Writing]]
    """The primitives beyond arithmetic."""

    def __init__(self, names: Names, available: Sequence[Expr], size_names: dict[str, str]) -> None:
        self.names = names
        self.available = list(available)
        self.size_names = size_names
        self.sizes: dict[str, str] = {}
        self.helpers: dict[str, None] = {}
        self.imports: dict[str, None] = {}
        self.about = ""
        self._written: dict[Expr, Code] = {}

    def write(self, root: Expr, about: str = "") -> Code:
        """`root` as code; `about` names the quantity it is part of, for an error."""
        self.about = about
        for part in ordered([root], stop=self._written):
            if part not in self._written:
                self._written[part] = self._code(part, [self._operand(part, operand) for operand in part.operands])
        return self._written[root]

    def _operand(self, x: Expr, operand: Expr) -> Code:
        """An operand of `x` as code: a number is made an array where `x` asks for what only arrays have."""
        code = self._written[operand]
        return self.array_of(code) if operand.is_number and isinstance(x.operation, _OF_ARRAYS) else code

    def array_of(self, number: Code) -> Code:
        """A number as an array without axes, in the dtype of the function."""
        return call(f"{self.module}.asarray", number, self.dtype())

    def _code(self, x: Expr, operands: Sequence[Code]) -> Code:
        operation = x.operation
        match operation:
            case Variable(name):
                return atom(name)
            case Number(value):
                return self.number(value)
            case Table():
                return self.table_literal(x, operation.rows)
            case Function() | Structured():
                return self._applied(x, operands)
            case Reduction():
                return self.reduction(x, operation, operands[0])
            case MatrixProduct():
                return matrix_product(*operands)
            case Outer():
                return call(f"{self.module}.outer", *operands)
            case TensorDot(axes):
                return self.tensordot(operands, axes)
            case Einsum():
                return call(f"{self.module}.einsum", f'"{subscripts(operation, x)}"', *operands)
            case Transposed(order):
                return self.transposed(operands[0], order)
            case Reshaped(shape):
                return call(f"{operands[0].at(Level.ATOM)}.reshape", *self.dims_for_reshape(shape))
            case Inserted(axes):
                return self._inserted(operands[0], axes, x.ndim)
            case Repeated(shape):
                return self.repeated(x, operands[0], shape)
            case Indexed(entries):
                return self.indexed(x.operands[0], operands[0], entries)
            case Picked():
                return self.picked(x.operands[1], *operands)

    # Primitives -----------------------------------------------------------------------------------------------------

    def _applied(self, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        if x.is_number and type(primitive) in _OF_NUMBERS:
            self.imports["math"] = None
            return call(f"math.{_OF_NUMBERS[type(primitive)]}", *operands)
        if isinstance(primitive, Compare):
            return binary(primitive.comparison, operands[0], operands[1], Level.COMPARISON)
        if isinstance(primitive, Negate) and _begins_with_condition(x.operands[0]):
            return Code(f"-({operands[0]})", Level.SIGN)  # a condition alone has no negative
        arithmetic = _ARITHMETIC.get(type(primitive))
        if arithmetic is not None:
            return arithmetic(*operands)
        writing = self.table.get(type(primitive))
        if writing is None:
            raise EmitError(
                f"{self.target} has no {type(primitive).__name__}, which {self.about or 'the function'} needs; "
                "write it with other functions, or choose another target"
            )
        return writing(self, x, operands)

    def number(self, value: float | int | bool | SymbolicDim) -> Code:
        """A number or a size."""
        if isinstance(value, SymbolicDim):
            return self.dim(value)
        if isinstance(value, bool):
            return atom(str(value))
        if math.isnan(value) or math.isinf(value):
            self.imports["math"] = None
            return (
                atom("math.nan") if math.isnan(value) else negative(atom("math.inf")) if value < 0 else atom("math.inf")
            )
        if value < 0:
            return negative(self.number(-value))
        if value in CONSTANTS:
            self.imports["math"] = None
            above, _, below = CONSTANTS[value].rpartition(" / ")
            if above in ("1", "2"):
                return quotient(atom(above), atom(below))
            return atom(CONSTANTS[value])
        return atom(
            str(int(value)) if value == int(value) and value < 1e15 else repr(float(value)).replace("e-0", "e-")
        )

    # Sizes and shapes -----------------------------------------------------------------------------------------------

    def dim(self, dim: Dim) -> Code:
        """A size; a name stands for what the source reads off a shape."""
        return written_dim(dim, self.size)

    def size(self, name: str) -> str:
        """The variable that holds the size called `name`."""
        if name not in self.size_names:
            taken = name in self.names
            self.size_names[name] = self.names.take(f"{name}_size" if taken else name)
        self.sizes[name] = self.size_names[name]
        return self.size_names[name]

    def shape(self, shape: Shape) -> Code:
        """A shape: that of an array at hand if one has it, else a tuple of sizes."""
        if any(isinstance(dim, SymbolicDim) for dim in shape):
            for x in self.available:
                if x.shape == shape:
                    return atom(f"{name_of(x)}.shape")
        dims = [str(self.dim(dim)) for dim in shape]
        return atom(f"({', '.join(dims)}{',' if len(dims) == 1 else ''})")

    def alike(self, shape: Shape) -> str | None:
        """An array of floats at hand that has this shape."""
        return next((name_of(x) for x in self.available if x.shape == shape and x.dtype.is_float), None)

    def dtype(self) -> str:
        """The dtype in which the function computes: that of one of its arrays."""
        floats = [x for x in self.available if x.dtype.is_float]
        if not floats:
            raise EmitError(f"{self.about or 'the function'} has no array of floats at hand that says its dtype")
        return f"{name_of(max(floats, key=lambda x: x.ndim > 0))}.dtype"

    def dims_for_reshape(self, shape: Shape) -> list[Code]:
        """Sizes for `reshape`: -1 for one that the others determine."""
        named = [k for k, dim in enumerate(shape) if isinstance(dim, SymbolicDim)]
        free = None
        if len(shape) == 1:
            free = 0
        elif named and dim_product(shape) != 0:
            free = max(named, key=lambda k: len(str(shape[k])))
        return [atom("-1") if k == free else self.dim(dim) for k, dim in enumerate(shape)]

    def axes(self, axes: Sequence[int], ndim: int) -> str | None:
        """An `axis` argument; None where it is all of them."""
        if len(axes) == ndim:
            return None
        return self.some_axes(axes, ndim)

    def some_axes(self, axes: Sequence[int], ndim: int) -> str:
        """An `axis` argument that is always written."""
        entries = [-1 if axis == ndim - 1 and ndim > 2 and len(axes) == 1 else axis for axis in axes]
        return str(entries[0]) if len(entries) == 1 else f"({', '.join(map(str, entries))})"

    def _inserted(self, x: Code, axes: tuple[int, ...], rank: int) -> Code:
        entries = ["None" if k in axes else ":" for k in range(rank)]
        last = max(axes)
        if last == rank - 1 and axes == (rank - 1,) and rank > 2:
            return atom(f"{x.at(Level.ATOM)}[..., None]")
        return atom(f"{x.at(Level.ATOM)}[{', '.join(entries[: last + 1])}]")

    def indexed(self, x: Expr, code: Code, entries: Sequence[Dim | tuple[Dim, Dim, int]]) -> Code:
        """Square brackets with positions and slices."""
        parts = [
            self.slice_text(*entry, size) if isinstance(entry, tuple) else str(self.dim(entry))
            for entry, size in zip(entries, x.shape, strict=True)
        ]
        while len(parts) > 1 and parts[-1] == ":":
            parts.pop()
        return atom(f"{code.at(Level.ATOM)}[{', '.join(parts)}]")

    def slice_text(self, start: Dim, size: Dim, stride: int, whole: Dim) -> str:
        """`a:b:step`; the ends of the axis are left out."""
        limit = start + size * stride
        first = "" if start == (whole - 1 if stride < 0 else 0) else str(self.dim(start))
        ends = limit == -1 or (isinstance(limit, int) and limit < 0) if stride < 0 else limit == whole
        if stride > 1 and not ends:
            ends = start + (size - 1) * stride + stride - 1 == whole - 1
        last = "" if ends else str(self.dim(limit))
        return f"{first}:{last}" + (f":{stride}" if stride != 1 else "")

    # What a target must say for itself ------------------------------------------------------------------------------

    @abstractmethod
    def reduction(self, x: Expr, operation: Reduction, operand: Code) -> Code: ...

    @abstractmethod
    def transposed(self, x: Code, order: tuple[int, ...]) -> Code: ...

    @abstractmethod
    def tensordot(self, operands: Sequence[Code], axes: tuple[tuple[int, ...], tuple[int, ...]]) -> Code: ...

    @abstractmethod
    def repeated(self, x: Expr, code: Code, shape: Shape) -> Code: ...

    @abstractmethod
    def picked(self, labels: Expr, x: Code, code: Code) -> Code: ...

    @abstractmethod
    def table_literal(self, x: Expr, rows: object) -> Code: ...


_OF_ARRAYS = (
    *(Structured, Reduction, Einsum, MatrixProduct, Outer, TensorDot),
    *(Transposed, Reshaped, Inserted, Indexed, Picked),
)
"""Operations that ask an operand for its shape, dtype or elements."""


def _begins_with_condition(x: Expr) -> bool:
    """Whether `x` is written as a product that begins with a condition."""
    while isinstance(x.operation, Function) and isinstance(x.operation.primitive, Multiply | Divide):
        x = x.operands[0]
    return x.dtype is DType.BOOL


_OF_NUMBERS: dict[type, str] = {
    Sqrt: "sqrt",
    Exp: "exp",
    Log: "log",
    Tanh: "tanh",
    Sin: "sin",
    Cos: "cos",
    Expm1: "expm1",
    Log1p: "log1p",
}
_ARITHMETIC: dict[type, Callable[..., Code]] = {
    Add: total,
    Subtract: difference,
    Multiply: product,
    Divide: quotient,
    Negate: negative,
    Square: lambda x: power(x, atom("2")),
    Power: power,
}


def subscripts(operation: Einsum, x: Expr) -> str:
    """The index string of an einsum, in the letters of the sizes where they are single and differ."""
    sizes: dict[int, Dim] = {}
    for labels, operand in zip(operation.inputs, x.operands, strict=True):
        sizes.update(zip(labels, operand.shape, strict=True))
    taken: set[str] = set()
    letters: dict[int, str] = {}
    for label, dim in sizes.items():
        name = str(dim)
        if len(name) == 1 and name.isascii() and name.isalpha() and name not in taken:
            letters[label] = name
            taken.add(name)
    spare = (letter for letter in "ijklmnopqrstuvwxyzabcdefgh" if letter not in taken)
    for label in sizes:
        if label not in letters:
            letters[label] = next(spare)
    text = ",".join("".join(letters[label] for label in labels) for labels in operation.inputs)
    return f"{text}->{''.join(letters[label] for label in operation.output)}"


def size_lines(needed: Mapping[str, str], arrays: Sequence[Expr]) -> tuple[list[str], list[str]]:
    """Lines that read the sizes in `needed` off the shapes of `arrays`, and the sizes that none of them has."""
    lines: list[str] = []
    left = dict(needed)
    for x in arrays:
        found = {
            str(dim): axis for axis, dim in enumerate(x.shape) if str(dim) in left and isinstance(dim, SymbolicDim)
        }
        if not found:
            continue
        name = name_of(x)
        if len(found) == 1:
            ((size, axis),) = found.items()
            lines.append(f"{left.pop(size)} = {name}.shape[{axis}]")
        else:
            entries = [left[str(dim)] if found.get(str(dim)) == axis else "_" for axis, dim in enumerate(x.shape)]
            lines.append(f"{', '.join(entries)} = {name}.shape")
            for size in found:
                left.pop(size)
    for x in arrays:
        for axis, dim in enumerate(x.shape):
            if isinstance(dim, SymbolicDim) and len(dim.terms) == 1:
                ((names, factor),) = dim.terms
                if len(names) == 1 and names[0] in left:  # 2·h as an axis says what h is
                    lines.append(f"{left.pop(names[0])} = {name_of(x)}.shape[{axis}] // {factor}")
    return lines, list(left)
