"""The values that a function receives during tracing.

A `Traced` stands for an array: operators, methods and NumPy functions applied to it build nodes. A `Size` stands for a
symbolic size, as in `X.shape[0]`: it is a dimension in a shape and a number in arithmetic.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import (
    ArrayType,
    Const,
    Dim,
    DType,
    DTypeError,
    Input,
    Node,
    ProgramError,
    ShapeError,
    SymbolicDim,
    dim_product,
    dim_quotient,
    rebuild,
    topological_order,
)
from chainrule.trace import arrangement, indexing
from chainrule.trace.buffers import Buffer
from chainrule.trace.complex_values import ComplexValue, complex_function, complex_ufunc, holds_complex
from chainrule.trace.fourier import TRANSFORMS
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.mapping import CALLING
from chainrule.trace.memory import Memory, View
from chainrule.trace.methods import METHODS
from chainrule.trace.operators import ArrayOperators, NumberOperators
from chainrule.trace.ranges import is_summed, stand_in
from chainrule.trace.recording import Recording, recording
from chainrule.trace.refusals import (
    as_array,
    as_branch,
    as_element,
    as_number,
    as_operand_of_class,
    as_size,
)
from chainrule.trace.source import length_asked, refusal, refused_by, relocated
from chainrule.trace.special import CALLS
from chainrule.trace.ufuncs import UFUNC_METHODS
from chainrule.trace.views import Sharing, index_keeps_order, keeps_order, sharing_of
from chainrule.trace.vocabulary import FUNCTIONS, checked_call, name_of, unsupported
from chainrule.trace.writers import WRITERS, add_at, overwrite_all, replace_elements

_SCALAR: Final = ArrayType(())

LONGEST_LOOP: Final = 10_000
"""The maximum length of an array that is iterated over."""


def build(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], target: Traced | None = None
) -> Any:
    """Apply a function of nodes to traced values, which may be nested in lists and tuples.

    `target` is an array that the function reads or writes itself. A shape or dtype error is raised again with its
    location in user code.
    """
    found = _found([args, kwargs], [] if target is None else [target])
    owner = _owner(found)
    strong = {value.memory.type.dtype for value in found if not value.weak}
    narrow = DType.FLOAT32 in strong and DType.FLOAT64 not in strong
    watching = sys.gettrace()
    sys.settrace(None)  # names occur only in user code, and tracing lines would double the time here
    try:
        result = function(
            *(unwrap(value, narrow) for value in args), **{key: unwrap(value, narrow) for key, value in kwargs.items()}
        )
    except (ShapeError, DTypeError, ProgramError) as error:
        raise relocated(error) from None
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        # An argument of an unsupported type, such as a string for an axis; no user code runs in here.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise refusal(f"these arguments cannot be recorded: {reason}") from error
    finally:
        sys.settrace(watching)
    return wrap(result, not strong, owner)


def _owner(values: Iterable[Traced]) -> Recording | None:
    """Return the innermost trace of `values`; raise TraceError if one has ended or is unrelated."""
    inner: Recording | None = None
    here = recording.get()
    for owner in {value.owner for value in values}:
        if owner is None:
            continue
        if not owner.alive or not (here is None or owner.encloses(here)):
            raise refusal(
                f"a value kept from another call of {owner.name} is used here, and stood for an argument of that call; "
                "keep arrays instead, computed outside of the function, or pass what is needed as an argument"
            )
        inner = owner if inner is None or owner.depth > inner.depth else inner
    return inner


def _found(values: Iterable[Any], found: list[Traced]) -> list[Traced]:
    """Append to `found` all traced values in `values`, including those in lists, tuples and dicts; return it."""
    for value in values:
        if type(value) is Buffer:
            value = value.content
        # Tested first: isinstance tests of other classes run code of a traced value.
        if isinstance(value, Traced):
            found.append(value)
        elif isinstance(value, list | tuple):
            _found(value, found)
        elif isinstance(value, dict):
            _found(value.values(), found)
    return found


def unwrap(value: Any, narrow: bool = False) -> Any:
    """Convert traced values and sizes (also in lists, tuples and slices) to nodes and dims.

    `narrow` converts numbers computed from sizes to float32, as NumPy does with Python numbers.
    """
    if type(value) is Buffer:
        value = value.content
    if isinstance(value, Traced):
        return _narrowed(value.node) if narrow and value.weak else value.node
    if isinstance(value, Size):
        return value.dim
    if isinstance(value, list):
        return [unwrap(entry, narrow) for entry in value]
    if isinstance(value, tuple):
        return tuple(unwrap(entry, narrow) for entry in value)
    if isinstance(value, slice):
        return slice(unwrap(value.start), unwrap(value.stop), unwrap(value.step))
    return value


def _narrowed(node: Node) -> Node:
    def narrowed(leaf: Node) -> Node | None:
        return Const(leaf.value, leaf.type.with_dtype(DType.FLOAT32)) if isinstance(leaf, Const) else None

    return rebuild([node], narrowed)[0]


def released(value: Any) -> Any:
    """As `unwrap`, for results and arguments of functions: values of an ended trace are rejected."""
    _owner(_found([value], []))
    return unwrap(value)


def wrap(value: Any, weak: bool = False, owner: Recording | None = None) -> Any:
    """Convert nodes to traced values that belong to `owner`, and symbolic sizes to `Size`."""
    if isinstance(value, Node):
        return Traced(value, weak and value.type.ndim == 0, owner)
    if isinstance(value, SymbolicDim):
        return Size(value)
    if isinstance(value, list):
        return [wrap(entry, weak, owner) for entry in value]
    if isinstance(value, tuple):
        entries = [wrap(entry, weak, owner) for entry in value]
        return type(value)._make(entries) if hasattr(value, "_make") else tuple(entries)
    return value


def _needs_number(use: str) -> Callable[..., NoReturn]:
    def method(self: Any, *args: object) -> NoReturn:
        raise as_size(self.dim, use)

    return method


def apply_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Trace a NumPy ufunc; raise TraceError if it is not supported."""
    if holds_complex(inputs):
        return complex_ufunc(ufunc, method, inputs, kwargs)
    if kwargs.get("out") is not None:
        out, chosen = kwargs.pop("out"), kwargs.pop("where", None)
        compute = partial(getattr(ufunc, method), *inputs, **kwargs)
        return into(out, chosen, ufunc.__name__, method != "__call__", compute)
    if method == "at" and ufunc in (np.add, np.subtract):
        target, index, values = inputs
        _target(target, "add.at").write(add_at, index, values if ufunc is np.add else -values)
        return None
    table = CALLS if method == "__call__" else UFUNC_METHODS.get(method, {})
    handler = table.get(ufunc.__name__)
    if handler is None:
        raise unsupported(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}")
    result = build(checked_call, (handler, ufunc.__name__, *inputs), kwargs)
    return _in_order(result, inputs)


def into(out: Any, chosen: Any, name: str, exactly: bool, compute: Callable[[], Any]) -> Any:
    """Write what NumPy's function `name` computes to `out`, where a mask is true if there is one; return `out`."""
    (target,) = out if isinstance(out, tuple) else (out,)
    held = _target(target, name)
    result = compute()
    held.overwrite(
        result if chosen is None or chosen is True else np.where(chosen, result, held), f"np.{name}", exactly
    )
    return target


def _target(value: Any, name: str) -> Traced:
    """Return the traced array to which NumPy's function `name` writes; reject an array of plain numbers."""
    held = value.become_traced() if type(value) is Buffer else value
    if not isinstance(held, Traced):
        raise as_element(f"np.{name}")
    if not held.is_array:
        raise refusal(f"np.{name} writes into an array, and this is a number; write x = np.{name}(…)")
    return held


def _in_order(result: Any, sources: Iterable[Any]) -> Any:
    """Mark a result whose elements lie in the order of those of its sources."""
    if isinstance(result, Traced):
        result.memory.row_major = all(source.memory.row_major for source in _found(sources, []))
    return result


class _NumPyProtocols(NumberOperators):
    """The arithmetic and NumPy protocols shared by `Traced` and `Size`."""

    __slots__ = ()
    __pandas_priority__: Final = 10_000  # operators with data frames and their columns are handled here

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return apply_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(
        self, function: Callable[..., Any], types: object, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        name = name_of(function)
        calling = CALLING.get(function, TRANSFORMS.get(function))
        if holds_complex(args) or holds_complex(kwargs.values()):
            return complex_function(function, args, kwargs)
        if calling is not None:
            return checked_call(calling, name, *args, **kwargs)
        handler = FUNCTIONS.get(function)
        if kwargs.get("out") is not None:
            return into(kwargs.pop("out"), None, name, True, partial(function, *args, **kwargs))
        if function in WRITERS:
            _target(args[0], name).write(partial(checked_call, WRITERS[function], name), *args[1:], **kwargs)
            return None
        if handler is None:
            raise unsupported(name)
        result = record_call(handler, name, args, kwargs)
        sources = _found([args, kwargs], [])
        sharing = sharing_of(function, args, kwargs) if len(sources) == 1 and sources[0].is_array else None
        if sharing is None:
            return _in_order(result, sources) if keeps_order(function) else result

        def again(whole: Node) -> Any:
            return handler(*_with(sources[0], whole, args), **_with(sources[0], whole, kwargs))

        return _shared(result, sources[0], again, sharing)

    def __chainrule_call__(self, builder: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Entry point of the package's own functions for traced values; arrays in `args` become literals."""

        def on_operands(*operands: Any, **options: Any) -> Any:
            return builder(*(None if x is None else as_operand(x) for x in operands), **options)

        return build(on_operands, args, kwargs)

    def __pos__(self) -> Any:
        return self

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        raise as_array(sys._getframe(1))

    @classmethod
    def __torch_function__(cls, *args: object, **kwargs: object) -> NoReturn:
        raise refused_by("torch")


class Traced(ArrayOperators, _NumPyProtocols):
    """An array without known values, which belongs to the trace `owner`.

    `weak` marks a number computed from sizes, which adopts any float dtype. `isinstance` treats it as the corresponding
    NumPy array or scalar, so that a function takes the same branches as for arrays.
    """

    __slots__ = ("memory", "owner", "weak")
    __hash__ = None  # type: ignore[assignment]  # as for arrays: equality is elementwise

    def __new__(cls, node: Node, weak: bool = False, owner: Recording | None = None) -> Traced:
        if not isinstance(node, Node):  # type(x)(…)
            raise refusal(
                "the type of a traced value makes no arrays; write np.array(…) of numbers, or np.zeros_like(x)"
            )
        return object.__new__(_TracedArray if node.type.ndim else Traced)

    def __init__(self, node: Node, weak: bool = False, owner: Recording | None = None) -> None:
        object.__setattr__(self, "memory", Memory(node, row_major=isinstance(node, Input | Const)))
        object.__setattr__(self, "weak", weak)
        object.__setattr__(self, "owner", owner)

    memory: Memory | View
    weak: bool
    owner: Recording | None

    @property  # type: ignore[misc]  # read-only: it is what isinstance is told
    def __class__(self) -> type:
        held = self.memory.type
        return np.ndarray if held.ndim else held.dtype.numpy.type

    @property
    def is_array(self) -> bool:
        """Whether this is an array, which may be one without axes that is a view, rather than a number."""
        return self.memory.type.ndim > 0 or isinstance(self.memory, View)

    @property
    def node(self) -> Node:
        """The array as it is now, after all writes."""
        return self.memory.node

    def write(self, change: Callable[..., None], *args: Any, **options: Any) -> None:
        """Change the memory by a function of it and of the arguments."""
        here = recording.get()
        if self.owner is not None and self.owner is not here and self.owner.encloses(here):
            raise refusal(
                "this writes to an array of the function around it, which is recorded apart; pass the array as an "
                "argument, and return what is to be used of it"
            )
        build(partial(change, self.memory), args, options, self)

    def overwrite(self, result: Any, name: str, exactly: bool) -> None:
        """Replace all elements by the result of NumPy's function `name`, which is broadcast unless it fits exactly."""
        self.write(partial(overwrite_all, name, exactly), result)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        if name == "shape":
            raise refusal("an assignment to .shape changes an array in place; write x = x.reshape(…)")
        raise refusal(f"an array's attributes cannot be set, and this one's .{name} cannot either; use a variable")

    def __repr__(self) -> str:
        return f"Traced({self.memory.type})"

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(wrap(dim) for dim in self.memory.type.shape)

    @property
    def ndim(self) -> int:
        return self.memory.type.ndim

    @property
    def size(self) -> Any:
        return wrap(dim_product(self.memory.type.shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.memory.type.dtype.numpy

    @property
    def T(self) -> Any:
        return np.transpose(self)

    @property
    def flat(self) -> Any:
        return np.reshape(self, -1)

    @property
    def real(self) -> Any:
        return np.real(self)

    @property
    def imag(self) -> Any:
        return np.imag(self)

    @property
    def mT(self) -> Any:
        if self.ndim < 2:
            raise refusal("the matrix transpose .mT takes an array of two or more dimensions")
        return np.swapaxes(self, -1, -2)

    def __copy__(self) -> Traced:
        return Traced(self.node, self.weak, self.owner)

    def __deepcopy__(self, memo: object) -> Traced:
        return self.__copy__()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise refusal("this value has no numbers yet, so it cannot be saved; save arrays outside of the function")

    def __getitem__(self, index: Any) -> Any:
        key = unwrap(index)

        def select(whole: Node) -> Node:
            return indexing.getitem(whole, key)

        result = build(lambda _: self.memory.read(select, key), (index,), {}, self)
        if not indexing.is_view(key, result.ndim):
            return result
        order = self.memory.row_major and index_keeps_order(key)
        object.__setattr__(result, "memory", View(result.node, self.memory, select, key, row_major=order))
        return result

    def __setitem__(self, index: object, value: object) -> None:
        key = unwrap(index)
        view = value.memory if isinstance(value, Traced) else None
        if isinstance(view, View) and view.parent is self.memory and indexing.is_same(view.index, key):
            return  # the end of x[index] += y, which has written to the view x[index]
        if not self.is_array:
            raise refusal("a number has no elements to assign to; write x = value")
        self.write(replace_elements, index, value)

    def __bool__(self) -> NoReturn:
        parts = topological_order([self.node])
        sizes = [each.value for each in parts if isinstance(each, Const) and isinstance(each.value, SymbolicDim)]
        if sizes and not any(isinstance(each, Input) for each in parts):
            raise as_size(sizes[0], "this comparison")
        raise as_branch()

    def __float__(self) -> NoReturn:
        raise as_number("float")

    def __int__(self) -> NoReturn:
        raise as_number("int")

    def __complex__(self) -> NoReturn:
        raise as_number("complex")

    def __index__(self) -> NoReturn:
        raise as_number("int", sys._getframe(1))

    def __round__(self, digits: int | None = None) -> Any:
        return np.round(self, digits or 0)

    def __format__(self, specification: str) -> str:
        if not isinstance(specification, str) or specification:
            raise as_number("format")
        return repr(self)

    def tolist(self) -> NoReturn:
        raise as_number("item")

    def item(self, *args: object) -> NoReturn:
        raise as_number("item")

    def reshape(self, *shape: Any, **options: Any) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, **options)

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return np.transpose(self, order or None)

    def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
        if np.dtype(dtype).kind == "c":
            return ComplexValue(self.astype(np.float64), None)
        return build(checked_call, (arrangement.astype, "ndarray.astype", self, dtype, *args), options)

    def copy(self, *args: Any, **options: Any) -> Any:
        return _in_order(build(checked_call, (arrangement.copied, "ndarray.copy", self, *args), options), [])

    def flatten(self, *args: Any, **options: Any) -> Any:
        return _in_order(build(checked_call, (arrangement.flattened, "ndarray.flatten", self, *args), options), [])

    def fill(self, value: Any) -> None:
        self[...] = value

    def __getattr__(self, name: str) -> Any:
        function = METHODS.get(name)
        if function is not None:
            return partial(function, self)
        if not name.startswith("_") and hasattr(np.ndarray, name):
            raise as_operand_of_class() or unsupported(name, method=True)
        raise AttributeError(f"a traced value has no attribute {name!r}")


class _TracedArray(Traced):
    """A traced value with axes, and so a length, which `hasattr(x, "__len__")` distinguishes from a number."""

    __slots__ = ()
    __hash__ = None

    def __iter__(self) -> Iterator[Any]:
        length = self.memory.type.shape[0]
        if not isinstance(length, SymbolicDim) and length > LONGEST_LOOP:
            raise refusal(
                f"a loop over {length:,} elements would record as many operations; write operations on whole arrays"
            )
        if isinstance(length, SymbolicDim):
            if is_summed():
                return iter([np.sum(self, axis=0)])
            raise refusal(
                f"a loop over an axis of the named size {length} cannot be recorded; write operations on whole arrays, "
                "or give the size as a number, as in X=(4, 2)"
            )
        return (self[k] for k in range(length))

    def __len__(self) -> int:
        length = self.memory.type.shape[0]
        if isinstance(length, SymbolicDim):
            raise length_asked(length)
        return length

    def __contains__(self, value: object) -> NoReturn:
        raise as_branch()


class Size(_NumPyProtocols):
    """A symbolic size, or a polynomial of sizes: a dimension in shapes, a number in arithmetic."""

    __slots__ = ("dim",)

    def __init__(self, dim: SymbolicDim) -> None:
        self.dim: Final = dim

    def __repr__(self) -> str:
        return str(self.dim)

    def __hash__(self) -> int:
        return hash(self.dim)

    def __eq__(self, other: object) -> bool:
        return self.dim == _dim_of(other)

    def _number(self) -> Traced:
        return Traced(Const(self.dim, _SCALAR), weak=True)

    def __add__(self, other: Any) -> Any:
        dim = _dim_of(other)
        return wrap(self.dim + dim) if dim is not None else np.add(self._number(), other)

    def __sub__(self, other: Any) -> Any:
        dim = _dim_of(other)
        return wrap(self.dim - dim) if dim is not None else np.subtract(self._number(), other)

    def __rsub__(self, other: Any) -> Any:
        dim = _dim_of(other)
        return wrap(dim - self.dim) if dim is not None else np.subtract(other, self._number())

    def __mul__(self, other: Any) -> Any:
        dim = _dim_of(other)
        return wrap(self.dim * dim) if dim is not None else np.multiply(self._number(), other)

    __radd__ = __add__
    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        dim = _dim_of(other)
        quotient = None if dim is None else dim_quotient(self.dim, dim)
        if quotient is None:
            raise as_size(self.dim, f"// {other}")
        return wrap(quotient)

    def __neg__(self) -> Any:
        return np.negative(self._number())

    __mod__ = __rmod__ = _needs_number("%")
    __divmod__ = __rdivmod__ = _needs_number("divmod()")
    __rfloordiv__ = _needs_number("//")
    __and__ = __rand__ = _needs_number("&")
    __or__ = __ror__ = _needs_number("|")
    __xor__ = __rxor__ = _needs_number("^")
    __lshift__ = __rlshift__ = _needs_number("<<")
    __rshift__ = __rrshift__ = _needs_number(">>")
    __abs__ = _needs_number("abs()")
    __round__ = _needs_number("round()")

    def __format__(self, specification: str) -> str:
        if specification:
            raise as_size(self.dim, "a format")
        return str(self)

    def __float__(self) -> NoReturn:
        raise as_size(self.dim, "float()")

    def __index__(self) -> int:
        number = stand_in(self.dim)
        if number is None:
            raise as_size(self.dim, "this place")
        return number

    def __int__(self) -> NoReturn:
        raise as_size(self.dim, "int()")


def _shared(result: Any, source: Traced, again: Callable[[Node], Any], sharing: Sharing) -> Any:
    """Make a result, or each of several, a view of the array that it was made of."""
    if isinstance(result, list | tuple):
        return type(result)(_shared(each, source, partial(_entry, again, k), sharing) for k, each in enumerate(result))
    ordered = source.memory.row_major and sharing in (Sharing.CONTIGUOUS, Sharing.IN_ORDER)
    if sharing is Sharing.CONTIGUOUS and not ordered:
        sharing = Sharing.UNKNOWN
    view = View(result.node, source.memory, again, sharing=sharing, row_major=ordered)
    object.__setattr__(result, "memory", view)
    return result


def _entry(function: Callable[[Node], Any], place: int, whole: Node) -> Node:
    entry: Node = function(whole)[place]
    return entry


def _with(source: Traced, whole: Node, tree: Any) -> Any:
    """Return arguments of a NumPy function with `whole` in place of the traced value `source`."""
    value = tree.content if type(tree) is Buffer else tree
    if value is source:
        return whole
    if isinstance(value, list | tuple):
        return type(value)(_with(source, whole, entry) for entry in value)
    return (
        {key: _with(source, whole, each) for key, each in value.items()} if isinstance(value, dict) else unwrap(value)
    )


def as_constant(values: NDArray[Any]) -> Traced:
    """Return an array of numbers as a traced value of the current trace."""
    return Traced(as_node(values), owner=recording.get())


def is_size(value: object) -> bool:
    """Whether `value` is a symbolic size."""
    return isinstance(value, Size)


def holds_traced(value: object) -> bool:
    """Whether `value` is a traced value, or a list, tuple or dict that contains one at any depth."""
    return bool(_found([value], []))


def is_table(value: object) -> bool:
    """Whether `value` is an array, list or tuple of numbers or traced values, and no traced value itself."""
    return not isinstance(value, Traced) and type(value) is not Buffer and isinstance(value, np.ndarray | list | tuple)


def item_of_table(table: Any, index: Any) -> Any:
    """`table[index]`, recorded if the index holds traced values."""
    return build(indexing.item_of_table, (table, index), {}) if holds_traced(index) else table[index]


def length_of(function: Callable[[Any], Any], value: Any) -> Any:
    """`function(value)` where `len(value)` is written: of a traced value, the size of its first axis."""
    return value.shape[0] if function is len and isinstance(value, Traced) and value.ndim else function(value)


def record_call(handler: Callable[..., Any], name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Apply the handler of the NumPy function `name`."""
    return build(checked_call, (handler, name, *args), options)


def _dim_of(value: object) -> Dim | None:
    if isinstance(value, Size):
        return value.dim
    return int(value) if isinstance(value, int | np.integer) else None
