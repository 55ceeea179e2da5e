"""The base classes of primitives. A primitive is a final frozen dataclass that states all of its rules.

Each of the five bases requires only the rules that cannot be derived:

`Linear`       jointly linear in the operands listed by `linear_operands`; its differential is itself
`Multilinear`  linear in each operand separately; its differential takes one operand at a time
`Elementwise`  its type follows from its operands, its differential from its partial derivatives
`Nonlinear`    the rest, such as a maximum over axes: states its differential
`Composite`    nonlinear, computed as an expression in other primitives, such as softmax: states its differential

Only the first two are ever transposed, since nothing nonlinear enters a linear program, and a `LinearComposite`, in the
operands in which it is linear, such as the right-hand side of a system. Each states how it is computed: a Composite by
`expand`, an Elementwise by `lower` on scalars, the others by `lower` for one element of the result.
Defining a concrete primitive without a rule raises in `__init_subclass__`. The bases are not ABCs, whose `isinstance`,
called at every match of a term, took a quarter of the time of a derivation. A primitive without parameters inherits
equality and repr (`eq=False, repr=False`), since generating them for each class took a fifth of the import time.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    DType,
    DTypeError,
    Node,
    ProgramError,
    ShapeError,
    SymbolicDim,
    bind_dim,
    shape_text,
)
from chainrule.primitives.emitter import Accessor, Emitter, Scalars
from chainrule.primitives.notation import Notation

S = TypeVar("S")
I = TypeVar("I")
Array = NDArray[Any]

REGISTRY: list[type[Primitive]] = []
"""Every concrete primitive, in order of definition."""


@dataclass(frozen=True)
class Example:
    """An application for the generated test suite; symbolic sizes are drawn.

    `domain[k]` bounds the values drawn for operand k (half-open for an integer operand). `diagonal` is added to the
    diagonal of every operand afterwards: a large one keeps a matrix far from singular. If it is `graded`, its multiples
    by 1, 2, 3, … are added, which keep eigenvalues and singular values apart.
    """

    primitive: Primitive
    operands: tuple[ArrayType, ...]
    domain: tuple[tuple[float, float], ...] = ()
    diagonal: float = 0.0
    graded: bool = False

    def with_diagonal(self, x: Array) -> Array:
        """Return an operand with `diagonal` added, if it holds matrices."""
        if not self.diagonal or x.ndim < 2:
            return x
        steps = 1 + np.arange(x.shape[-1]) if self.graded else 1
        return np.asarray(x + self.diagonal * steps * np.eye(*x.shape[-2:]), x.dtype)


class NotExpandableError(ProgramError):
    """A composite cannot be expanded at this size."""


class NeverExpandableError(NotExpandableError):
    """A composite cannot be expanded at any size."""


@dataclass(frozen=True)
class Primitive:
    """An operation; its fields are its static parameters."""

    is_pointwise: ClassVar[bool] = False
    """Whether an element of the result depends only on the operands' elements at the same place, not on the place."""

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if abstract:
            return
        stated = {name for base in cls.__mro__ for name in vars(base)}
        lacking = sorted(n for n in stated if getattr(getattr(cls, n), "__isabstractmethod__", False))
        if lacking:
            raise TypeError(f"the primitive {cls.__name__} lacks {', '.join(lacking)}")
        if any(base in REGISTRY for base in cls.__mro__[1:]):
            raise TypeError(f"{cls.__name__} derives from a concrete primitive; primitives are final")
        REGISTRY.append(cls)

    @classmethod
    @abstractmethod
    def examples(cls) -> Sequence[Example]:
        """Return applications for the generated test suite that cover the cases of each static parameter."""

    @abstractmethod
    def type(self, *operands: ArrayType) -> ArrayType:
        """Return the type of the result; raise ShapeError or DTypeError for invalid operands."""

    @abstractmethod
    def value(self, *operands: Array) -> Array:
        """The definition in NumPy, independent of `lower`, so that the two can be tested against each other."""

    @abstractmethod
    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        """Return the notation of the result, given that of the operands, in terms of whole arrays."""

    @abstractmethod
    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        """Return the tangent of the result, linear in `tangents`; None stands for a zero tangent."""

    def bind(self, sizes: Mapping[str, Dim], float_dtype: DType | None) -> Primitive:
        """Replace symbolic sizes in the parameters, and the float dtype, if the primitive has one."""
        changes: dict[str, Any] = {}
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            bound = _bind_parameter(value, sizes, float_dtype)
            if bound != value:
                changes[spec.name] = bound
        return dataclasses.replace(self, **changes) if changes else self

    def __call__(self, *operands: Node) -> Apply:
        return Apply(self, operands)


def _bind_parameter(value: Any, sizes: Mapping[str, Dim], float_dtype: DType | None) -> Any:
    if isinstance(value, SymbolicDim):
        return bind_dim(value, sizes)
    if isinstance(value, tuple):
        return tuple(_bind_parameter(entry, sizes, float_dtype) for entry in value)
    if isinstance(value, DType) and value.is_float and float_dtype is not None:
        return float_dtype
    return value


class Linear(Primitive, abstract=True):
    """Jointly linear in the operands at `linear_operands(…)`; the others (indices, masks) are constants."""

    def linear_operands(self, count: int) -> Sequence[int]:
        """Return which of `count` operands the map is linear in; by default all."""
        return range(count)

    @abstractmethod
    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        """Apply the adjoint with respect to operand number `operand` to `cotangent`.

        `operands` provide types, and the values of operands in which the map is not linear.
        """

    @abstractmethod
    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        """Return the element of the result at `index`."""

    def expand(self, *operands: Node) -> Node | None:
        """Return the value in fewer operations than elementwise, for generated code; None if impossible."""
        return None

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        active = set(self.linear_operands(len(operands)))
        if all(tangents[k] is None for k in active):
            return None
        filled = [
            operand if k not in active else tangent if (tangent := tangents[k]) is not None else zeros(operand.type)
            for k, operand in enumerate(operands)
        ]
        return Apply(self, tuple(filled))


class Multilinear(Primitive, abstract=True):
    """Linear in each operand if the others are constant."""

    @abstractmethod
    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        """Apply the adjoint of the map from operand number `operand` to the result to `cotangent`."""

    @abstractmethod
    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        """Return the element of the result at `index`."""

    def expand(self, *operands: Node) -> Node | None:
        """Return the value in other primitives, for generated code; None if it is computed directly."""
        return None

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        total: Node | None = None
        for k, tangent in enumerate(tangents):
            if tangent is not None:
                term = Apply(self, (*operands[:k], tangent, *operands[k + 1 :]))
                total = term if total is None else total + term
        return total


class Elementwise(Primitive, abstract=True):
    """A function of scalars, applied to operands of one shape; `domain` bounds each operand in generated tests."""

    is_pointwise: ClassVar[bool] = True
    arity: ClassVar[int] = 1
    is_activation: ClassVar[bool] = False
    """Whether its operand is conventionally called z, its result a and its derivative written with a prime."""
    domain: ClassVar[tuple[tuple[float, float], ...]] = ((-3.0, 3.0),)

    @abstractmethod
    def partials(self, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
        """Return ∂result/∂operand for each operand, as expressions; None if it is zero everywhere."""

    @abstractmethod
    def lower(self, emit: Scalars[S], *operands: S) -> S:
        """Return the result for one element of each operand."""

    def result_dtype(self, dtypes: Sequence[DType]) -> DType:
        """Return the dtype of the result; for a float operation, the common dtype of the operands."""
        name = type(self).__name__.lower()
        for dtype in dtypes:
            if not dtype.is_float:
                raise DTypeError(f"{name} takes floats, not {dtype.value}; convert integers with astype(float)")
            if dtype != dtypes[0]:
                raise DTypeError(f"{name} mixes {dtypes[0].value} and {dtype.value}")
        return dtypes[0]

    def type(self, *operands: ArrayType) -> ArrayType:
        if len(operands) != self.arity:
            raise ProgramError(f"{type(self).__name__} takes {self.arity} operands, not {len(operands)}")
        for operand in operands[1:]:
            if operand.shape != operands[0].shape:
                raise ShapeError(f"shapes {shape_text(operands[0].shape)} and {shape_text(operand.shape)} differ")
        return ArrayType(operands[0].shape, self.result_dtype([operand.dtype for operand in operands]))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        total: Node | None = None
        for partial, tangent in zip(self.partials(operands, result), tangents, strict=True):
            if tangent is not None and partial is not None:
                term = partial * tangent
                total = term if total is None else total + term
        return total

    @classmethod
    def examples(cls) -> Sequence[Example]:
        operand = ArrayType((_N, _M))
        return [Example(cls(), (operand,) * cls.arity, cls.domain)]


class Nonlinear(Primitive, abstract=True):
    """Neither linear nor elementwise; computed element by element. States its differential."""

    @abstractmethod
    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        """Return the element of the result at `index`."""


class Composite(Primitive, abstract=True):
    """Neither linear nor elementwise; computed as an expression in other primitives. States its differential."""

    @abstractmethod
    def expand(self, *operands: Node) -> Node:
        """Return the same value, of the same type, as an expression in primitives of the other kinds.

        Raises NotExpandableError for sizes at which it is not expanded.
        """

    def is_called(self, *operands: ArrayType) -> bool:
        """Whether an engine that can call `value` calls it at these sizes, since `expand` takes more operations."""
        return False


class Several(Composite, abstract=True):
    """One of several results of a computation, which are found together: the loop of a scan has many.

    Its nodes differ only in the number of the result, `output`; those with the same `together` and operands belong to
    one computation. A computation whose results are linear in some operands is transposed as a whole.
    """

    output: int

    @property
    @abstractmethod
    def together(self) -> Hashable:
        """What the primitives of all results of one computation have in common."""

    @abstractmethod
    def values(self, *operands: Array) -> Sequence[Array]:
        """Return all results."""

    @abstractmethod
    def transposed(
        self, operands: Sequence[Node], cotangents: Mapping[int, Node], places: Collection[int]
    ) -> Mapping[int, Node]:
        """Return the cotangents of the operands at `places`, given those of the results; what is absent is zero.

        Raises ProgramError if the results are not linear in these operands.
        """

    def value(self, *operands: Array) -> Array:
        return self.values(*operands)[self.output]


class LinearComposite(Composite, abstract=True):
    """A composite that is linear in each of the operands in `linear_operands` if all others are constant."""

    @abstractmethod
    def linear_operands(self, count: int) -> Sequence[int]:
        """Return in which of `count` operands the map is linear."""

    @abstractmethod
    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        """Apply the adjoint of the map from operand number `operand` to the result to `cotangent`."""


_N: Dim = SymbolicDim(((("n",), 1),))
_M: Dim = SymbolicDim(((("m",), 1),))


def zeros(type: ArrayType) -> Node:
    """Return the zero of a type."""
    return Const(0, type)


def same_type(primitive: Primitive, operands: Sequence[ArrayType], count: int) -> ArrayType:
    """Return the common type of `count` float operands; raise if they differ."""
    if len(operands) != count:
        raise ProgramError(f"{type(primitive).__name__} takes {count} operands, not {len(operands)}")
    for operand in operands:
        if not operand.dtype.is_float:
            raise DTypeError(f"{type(primitive).__name__.lower()} takes floats, not {operand.dtype.value}")
        if operand.shape != operands[0].shape:
            raise ShapeError(f"shapes {shape_text(operands[0].shape)} and {shape_text(operand.shape)} differ")
        if operand.dtype != operands[0].dtype:
            raise DTypeError(
                f"{type(primitive).__name__.lower()} mixes {operands[0].dtype.value} and {operand.dtype.value}"
            )
    return operands[0]
