"""Array expressions as Python source: the part common to NumPy, JAX and PyTorch, and the interface of each.

A target is a table: for each primitive a template, such as "{np}.maximum({}, 0)", or a function if a template does not
suffice. A ufunc that is not in the table is called as in NumPy; any other primitive is expanded.
"""

from __future__ import annotations

import math
import string
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from chainrule.emit.code import (
    Code,
    Level,
    atom,
    attribute,
    binary,
    call,
    difference,
    entries_of,
    matrix_product,
    method,
    negative,
    power,
    product,
    quotient,
    subscript,
    total,
    written_dim,
)
from chainrule.emit.errors import EmitError
from chainrule.emit.expressions import (
    Blank,
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
    Taken,
    TensorDot,
    Transposed,
    Variable,
    name_of,
    ordered,
)
from chainrule.emit.layout import Text
from chainrule.emit.names import Names
from chainrule.emit.numbers import written_number
from chainrule.emit.sharing import Repeat
from chainrule.ir import Dim, DType, Shape, SymbolicDim, dim_product
from chainrule.primitives import (
    Add,
    Compare,
    Divide,
    Multiply,
    Negate,
    Power,
    Primitive,
    Square,
    Subtract,
    Ufunc,
)

EntryWriter: TypeAlias = Callable[["ArrayWriter", Expr, Sequence[Code]], Code]
"""A function that writes one primitive, given the expression and its written operands."""

Entry: TypeAlias = str | EntryWriter
"""A template, which `ArrayWriter.filled` fills, or a function."""


@dataclass(frozen=True)
class Helper:
    """A helper function included in the source, with its imports."""

    text: str
    needs: tuple[str, ...] = ()


def primitive_of(x: Expr) -> Primitive:
    """Return the primitive of `x`."""
    assert isinstance(x.operation, Function | Structured)
    return x.operation.primitive


class ArrayWriter(ABC):
    """Writes the expressions of one function; `available` are arrays whose shapes the body can read.

    `uses` collects the names to import or include, `sizes` the symbolic sizes that are read, by their names in the
    source.
    """

    target: ClassVar[str]
    """The name of the target on the command line."""
    module: ClassVar[str]
    """The library's name in the source."""
    line_limit: ClassVar[int] = 66
    """Maximum length of the right-hand side of a line."""
    table: ClassVar[Mapping[type, Entry]]
    """The entries for primitives beyond arithmetic."""
    helpers: ClassVar[Mapping[str, Helper]]
    """The available helper functions, in order."""
    imported: ClassVar[Mapping[str, str]]
    """The import statements of library names; other names are modules of the standard library."""

    def __init__(self, names: Names, available: Sequence[Expr], size_names: dict[str, str]) -> None:
        self.names = names
        self.available = list(available)
        self.size_names = size_names
        self.sizes: dict[str, str] = {}
        self.uses: dict[str, None] = {}
        self.about = ""
        self._written: dict[Expr, Code] = {}

    def write(self, root: Expr, about: str = "") -> Code:
        """Write `root`; `about` names the quantity it belongs to, for error messages."""
        self.about = about
        for part in ordered([root], stop=self._written):
            if part not in self._written:
                self._written[part] = self._code(part, [self._operand(part, operand) for operand in part.operands])
        return self._written[root]

    def _operand(self, x: Expr, operand: Expr) -> Code:
        """Write an operand of `x`; a number is converted to an array if `x` requires one."""
        code = self._written[operand]
        return self.array_of(code) if operand.is_number and isinstance(x.operation, _OF_ARRAYS) else code

    def array_of(self, number: Code) -> Code:
        """Write a number as a zero-dimensional array in the dtype of the function."""
        return self.function("asarray", number, self.dtype())

    def use(self, name: str) -> str:
        """Return `name`, and record that the source needs it."""
        self.uses[name] = None
        return name

    def function(self, name: str, *operands: Code | str, **options: Code | str) -> Code:
        """Return the name of a library function."""
        return call(f"{self.use(self.module)}.{name}", *operands, **options)

    def helper(self, name: str, *operands: Code | str, **options: Code | str) -> Code:
        """Return the name of a helper function."""
        return call(self.use(name), *operands, **options)

    @classmethod
    def entry(cls, primitive: Primitive) -> Entry | None:
        """Return the entry of the target for a primitive; None if there is none."""
        found = cls.table.get(type(primitive), _ARITHMETIC.get(type(primitive)))
        if found is None and isinstance(primitive, Ufunc):
            return f"{{np}}.{primitive.name}({', '.join(['{}'] * primitive.arity)})"
        return found

    @classmethod
    def knows(cls, primitive: Primitive) -> bool:
        """Whether the target has an entry for a primitive, so that it need not be expanded."""
        return cls.entry(primitive) is not None

    def _code(self, x: Expr, operands: Sequence[Code]) -> Code:
        operation = x.operation
        match operation:
            case Variable(name):
                return atom(name)
            case Number(value):
                return self.number(value, x.dtype)
            case Table():
                return self.table_literal(x, operation.rows)
            case Function() | Structured():
                return self._applied(x, operands)
            case Reduction():
                return self.reduction(x, operation, operands[0])
            case MatrixProduct():
                return matrix_product(*operands)
            case Outer():
                return self.function("outer", *operands)
            case TensorDot(axes):
                return self.tensordot(operands, axes)
            case Einsum():
                return self.function("einsum", f'"{subscripts(operation, x)}"', *operands)
            case Transposed(order):
                return self.transposed(operands[0], order)
            case Reshaped(shape):
                return method(operands[0], "reshape", *self.dims_for_reshape(shape))
            case Inserted(axes):
                return self._inserted(operands[0], axes, x.ndim)
            case Repeated(shape):
                return self.repeated(x, operands[0], shape)
            case Blank(is_zero):
                return self.blank("zeros" if is_zero else "empty", x, operands)
            case Indexed(entries):
                return self.indexed(x.operands[0], operands[0], entries)
            case Picked():
                return self.picked(x.operands[1], *operands)

    # Primitives -----------------------------------------------------------------------------------------------------

    def _applied(self, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        if x.is_number and isinstance(primitive, Ufunc) and hasattr(math, _of_math(primitive)):
            return call(f"{self.use('math')}.{_of_math(primitive)}", *operands)
        if isinstance(primitive, Negate) and _begins_with_condition(x.operands[0]):
            whole = Code(f"({operands[0]})")  # conditions have no unary minus
            return Code(f"-{whole}", Level.SIGN, (("-", whole),))
        entry = self.entry(primitive)
        if entry is None:
            raise EmitError(
                f"{self.target} has no {type(primitive).__name__}, which {self.about or 'the function'} needs; "
                "write it with other functions, or choose another target"
            )
        return self.filled(entry, x, operands) if isinstance(entry, str) else entry(self, x, operands)

    def filled(self, template: str, x: Expr, operands: Sequence[Code]) -> Code:
        """Fill a template with the operands of `x`, by position, and further fields by name.

        `{np}` is the library, `{math}` that module, `{dtype}` that of the function; the name of a helper is that
        helper, that of a parameter of the primitive its value, as `{axes}` (None for all axes). The format
        specification is the required precedence, as in `{0:ATOM}.T`.
        """
        return Code(string.Formatter().vformat(template, operands, _Fields(self, x)))

    def number(self, value: float | int | bool | SymbolicDim, dtype: DType = DType.FLOAT64) -> Code:
        """Write a number or a size; a float32 with enough digits to identify it."""
        if isinstance(value, SymbolicDim):
            return self.dim(value)
        return written_number(value, dtype, self.use)

    # Sizes and shapes -----------------------------------------------------------------------------------------------

    def dim(self, dim: Dim) -> Code:
        """Write a dimension; a symbolic size is a variable read from a shape."""
        return written_dim(dim, self.size)

    def size(self, name: str) -> str:
        """Return the variable of the size called `name`."""
        if name not in self.size_names:
            taken = name in self.names
            self.size_names[name] = self.names.take(f"{name}_size" if taken else name)
        self.sizes[name] = self.size_names[name]
        return self.size_names[name]

    def shape(self, shape: Shape) -> Code:
        """Write a shape: that of an available array if possible, else a tuple of sizes."""
        if any(isinstance(dim, SymbolicDim) for dim in shape):
            for x in self.available:
                if x.shape == shape:
                    return atom(f"{name_of(x)}.shape")
        return Code(entries_of([self.dim(dim) for dim in shape]))

    def alike(self, shape: Shape) -> str | None:
        """Return an available float array of this shape."""
        return next((name_of(x) for x in self.available if x.shape == shape and x.dtype.is_float), None)

    def dtype(self) -> Code:
        """Return the dtype in which the function computes, read from one of its arrays."""
        return attribute(self.float_array(), "dtype")

    def float_array(self) -> Code:
        """Return an available float array, preferably with axes."""
        floats = [x for x in self.available if x.dtype.is_float]
        if not floats:
            raise EmitError(f"{self.about or 'the function'} has no array of floats at hand that says its dtype")
        return atom(name_of(max(floats, key=lambda x: x.ndim > 0)))

    def dims_for_reshape(self, shape: Shape) -> list[Code]:
        """Write sizes for `reshape`: -1 for one that the others determine."""
        if not shape:
            return [atom("()")]
        named = [k for k, dim in enumerate(shape) if isinstance(dim, SymbolicDim)]
        free = None
        if len(shape) == 1:
            free = 0
        elif named and dim_product(shape) != 0:
            free = max(named, key=lambda k: len(str(shape[k])))
        return [atom("-1") if k == free else self.dim(dim) for k, dim in enumerate(shape)]

    def axes(self, axes: Sequence[int], ndim: int) -> str | None:
        """Write an `axis` argument; None for all axes."""
        if len(axes) == ndim:
            return None
        return self.some_axes(axes, ndim)

    def some_axes(self, axes: Sequence[int], ndim: int) -> str:
        """Write an explicit `axis` argument."""
        entries = [-1 if axis == ndim - 1 and ndim > 2 and len(axes) == 1 else axis for axis in axes]
        return str(entries[0]) if len(entries) == 1 else entries_of(entries)

    def along(self, axes: Sequence[int], ndim: int) -> str:
        """Write the `axis` argument of a function along axes; None for all of several."""
        if len(axes) == 1:
            return "-1" if axes[0] == ndim - 1 else str(axes[0])
        return self.axes(axes, ndim) or "None"

    def _inserted(self, x: Code, axes: tuple[int, ...], rank: int) -> Code:
        entries = ["None" if k in axes else ":" for k in range(rank)]
        last = max(axes)
        if last == rank - 1 and axes == (rank - 1,) and rank > 2:
            return subscript(x, "...", "None")
        return subscript(x, *entries[: last + 1])

    def repeated(self, x: Expr, code: Code, shape: Shape) -> Code:
        """Write the broadcast of `x` to a shape."""
        if not x.operands[0].is_number:
            return self.broadcast(code, shape)
        operation, like = x.operands[0].operation, self.alike(shape)
        value = operation.value if isinstance(operation, Number) else None
        name = "ones" if value == 1 else "zeros" if value == 0 else "full"
        given = [] if name != "full" else [code]
        return self.function(f"{name}_like", like, *given) if like else self.new(name, self.shape(shape), *given)

    def blank(self, name: str, x: Expr, operands: Sequence[Code]) -> Code:
        """Write a new array of floats."""
        if operands:
            return self.function(f"{name}_like", *operands)
        return self.new(name, self.shape(x.shape))

    def picked(self, labels: Expr, x: Code, code: Code) -> Code:
        """Write the elements along the last axis selected by labels."""
        if labels.ndim == 0:
            return subscript(x, code)
        if labels.ndim == 1:
            return subscript(x, self.function("arange", call("len", code)), code)
        return self.picked_from_rows(x, subscript(code, "...", "None"))

    def indexed(self, x: Expr, code: Code, entries: Sequence[Taken]) -> Code:
        """Write an index of positions and slices."""
        parts = [
            self.slice_text(*entry, size) if isinstance(entry, tuple) else str(self.dim(entry))
            for entry, size in zip(entries, x.shape, strict=True)
        ]
        while len(parts) > 1 and parts[-1] == ":":
            parts.pop()
        return subscript(code, *parts)

    def slice_text(self, start: Dim, size: Dim, stride: int, whole: Dim) -> str:
        """Write `a:b:step`; the ends of the axis are omitted."""
        limit = start + size * stride
        first = "" if start == (whole - 1 if stride < 0 else 0) else str(self.dim(start))
        ends = limit == -1 or (isinstance(limit, int) and limit < 0) if stride < 0 else limit == whole
        if stride > 1 and not ends:
            ends = start + (size - 1) * stride + stride - 1 == whole - 1
        last = "" if ends else str(self.dim(limit))
        return f"{first}:{last}" + (f":{stride}" if stride != 1 else "")

    # Lines ----------------------------------------------------------------------------------------------------------

    def assignment(self, place: Expr, value: str, adds: bool) -> str:
        """Write the line that assigns a value to a variable or an element of one, or adds it."""
        return f"{self.write(place)} {'+=' if adds else '='} {value}"

    def loop(self, repeat: Repeat, lines: Sequence[Text], carried: Sequence[str]) -> list[Text]:
        """Write a loop of `lines`; `carried` are the variables among those assigned that are defined in front of it."""
        places = call("range", str(repeat.count))
        head = f"for {self.size(repeat.place)} in {call('reversed', places) if repeat.reverse else places}:"
        return [Text(head), *(Text(f"    {line.code}", line.comment) for line in lines)]

    # Required of each target ----------------------------------------------------------------------------------------

    @abstractmethod
    def reduction(self, x: Expr, operation: Reduction, operand: Code) -> Code: ...

    @abstractmethod
    def transposed(self, x: Code, order: tuple[int, ...]) -> Code: ...

    @abstractmethod
    def tensordot(self, operands: Sequence[Code], axes: tuple[tuple[int, ...], tuple[int, ...]]) -> Code: ...

    @abstractmethod
    def broadcast(self, code: Code, shape: Shape) -> Code:
        """Write an array broadcast to a shape."""

    @abstractmethod
    def new(self, name: str, *arguments: Code) -> Code:
        """Write a new array, such as `zeros`, in the dtype and on the device of the function's arrays."""

    @abstractmethod
    def picked_from_rows(self, x: Code, labels: Code) -> Code:
        """Write the selection of one element per row; the labels have a last axis of size 1."""

    @abstractmethod
    def table_literal(self, x: Expr, rows: object) -> Code: ...


_OF_ARRAYS = (
    *(Structured, Reduction, Einsum, MatrixProduct, Outer, TensorDot),
    *(Transposed, Reshaped, Inserted, Indexed, Picked),
)
"""Operations that require an operand with a shape, a dtype or elements."""


def _begins_with_condition(x: Expr) -> bool:
    """Whether `x` is written as a product that begins with a condition."""
    match x:
        case Expr(Function(Multiply() | Divide()), (first, _)):
            return _begins_with_condition(first)
    return x.dtype is DType.BOOL


_MATH = {
    **{f"arc{name}": f"a{name}" for name in ("cos", "cosh", "sin", "sinh", "tan", "tan2", "tanh")},
    **{"remainder": "", "floor_divide": "", "rint": "", "sinc": ""},
}
"""Names in the module math, where they differ from NumPy's; it has no name for the empty ones."""


def _of_math(primitive: Ufunc) -> str:
    """Return the name of a ufunc in the module math."""
    return _MATH.get(primitive.name, primitive.name)


class _Fields(Mapping[str, object]):
    """The named fields of a template."""

    def __init__(self, writer: ArrayWriter, x: Expr) -> None:
        self.writer, self.x = writer, x

    def __getitem__(self, name: str) -> object:
        writer = self.writer
        if name == "np":
            return writer.use(writer.module)
        if name == "dtype":
            return writer.dtype()
        if name == "math" or name in writer.helpers:
            return writer.use(name)
        value: Any = getattr(primitive_of(self.x), name)
        if name == "axes":
            return writer.along(value, self.x.ndim)
        return writer.number(value) if isinstance(value, float) else writer.dim(value)

    def __iter__(self) -> Iterator[str]:
        return iter(vars(primitive_of(self.x)))

    def __len__(self) -> int:
        return len(vars(primitive_of(self.x)))


def _of_codes(write: Callable[..., Code]) -> EntryWriter:
    return lambda writer, x, operands: write(*operands)


def _compare(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, Compare)
    return binary(primitive.comparison, operands[0], operands[1], Level.COMPARISON)


_ARITHMETIC: dict[type, EntryWriter] = {
    Add: _of_codes(total),
    Subtract: _of_codes(difference),
    Multiply: _of_codes(product),
    Divide: _of_codes(quotient),
    Negate: _of_codes(negative),
    Square: _of_codes(lambda x: power(x, atom("2"))),
    Power: _of_codes(power),
    Compare: _compare,
}


def subscripts(operation: Einsum, x: Expr) -> str:
    """Return the index string of an einsum, using the letters of the sizes if they are single and distinct."""
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
