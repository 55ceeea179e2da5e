"""What the form of a Hessian proves: that it is symmetric, and positive semidefinite."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from chainrule.calculus import as_chain, is_symmetric, number_apart
from chainrule.derivation.second.hessian import SecondOrder
from chainrule.ir import Apply, Const, DType, Input, Node, Property, SymbolicDim, applies, cached_property
from chainrule.primitives import (
    Abs,
    Add,
    Broadcast,
    Cast,
    Contract,
    Cos,
    Cosh,
    Determinant,
    DiagonalMatrix,
    Divide,
    Exp,
    Inverse,
    Kronecker,
    Linear,
    Log,
    Log1p,
    LogAddExp,
    LogDeterminant,
    LogSoftmax,
    LogSumExp,
    Mean,
    Multilinear,
    Multiply,
    Norm,
    Permute,
    Power,
    Reshape,
    Sigmoid,
    Sin,
    Sinh,
    Softmax,
    Softplus,
    Sqrt,
    Square,
    Subtract,
    Sum,
    Tan,
    Tanh,
    identity,
)

_ANALYTIC = (
    *(Linear, Multilinear, Add, Subtract, Sum, Mean, Square, Exp, Sigmoid, Softmax, Softplus, LogSumExp, LogSoftmax),
    *(LogAddExp, Tanh, Sin, Cos, Sinh, Cosh, Determinant),
)
"""The primitives that are smooth functions everywhere."""
_PARTIAL = (Divide, Power, Tan, Log, Log1p, Sqrt, Norm, Inverse, LogDeterminant)
"""The primitives that are smooth where they and their derivatives are defined."""


@dataclass(frozen=True)
class CurvatureRemark:
    """A sentence on the Hessian; `why` is the key of its reason, `given` a number that must not be negative.

    Unless the loss is smooth `everywhere`, a sentence on convexity is one on convex sets where the loss is defined.
    """

    key: str
    why: str = ""
    given: Input | None = None
    everywhere: bool = True


class Curvature:
    """The remarks on the Hessian of one parameter; nothing is said of what is not proved."""

    def __init__(self, order: SecondOrder) -> None:
        self._order = order
        self._definitions: dict[Node, Node] = {s.symbol: s.expression for s in order.first.backward.stages}
        self._definitions |= {entry.symbol: entry.value for entry in order.first.abbreviations}
        self._symmetric = order.first.backward.facts.symmetric
        self._assumed: dict[Input, None] = {}

    @cached_property
    def remarks(self) -> tuple[CurvatureRemark, ...]:
        """The remarks, each with a proof from the form of H."""
        if len(self._order.parameters) != 1 or self._order.blocks[0].matrix is None:
            return ()
        matrix = self._order.blocks[0].matrix.right
        smooth, everywhere = self._smoothness()  # H says nothing of where it does not exist
        if matrix.type.ndim != 2:
            proved = smooth and self._is_nonnegative(matrix) and not self._assumed
            return (CurvatureRemark("convex number", everywhere=everywhere),) if proved else ()
        found = [CurvatureRemark("symmetric")] if is_symmetric(matrix, self._symmetric) else []
        kind = self._semidefinite(matrix) if smooth else None
        if kind is not None and len(self._assumed) < 2:
            given = next(iter(self._assumed), None)
            key = "semidefinite" if given is None else "semidefinite if"
            found.append(CurvatureRemark(key, kind, given, everywhere))
        return tuple(found)

    def _smoothness(self) -> tuple[bool, bool]:
        """Whether the loss is smooth wherever it and its derivatives are defined, and whether that is everywhere."""
        varying: set[Node] = set(self._order.parameters)
        everywhere = True
        nodes = self._order.first.program.nodes
        alone = {x for node in nodes if isinstance(node, Apply) and not applies(node, Square) for x in node.operands}
        alone |= set(self._order.first.program.outputs)
        for node in nodes:
            if not isinstance(node, Apply) or varying.isdisjoint(node.operands):
                continue
            varying.add(node)
            if applies(node, Norm) and node not in alone:  # ‖x‖² is smooth everywhere
                continue
            if not _is_total(node, varying):
                everywhere = False
                if not isinstance(node.primitive, _PARTIAL):
                    return False, False
        return True, everywhere

    def _semidefinite(self, matrix: Node) -> str | None:
        """Return the reason why a matrix is positive semidefinite, or None if nothing is proved."""
        number, core = number_apart(matrix)
        if core is not matrix:
            return self._semidefinite(core) if self._is_nonnegative(number) else None
        match matrix:
            case Apply(Add(), (x, y)):
                return "sum" if self._semidefinite(x) and self._semidefinite(y) else None
            case Apply(DiagonalMatrix(), (v,)):
                return "diagonal" if self._is_nonnegative(v) else None
            case Input() if self._has(matrix, Property.SEMIDEFINITE, Property.DEFINITE):
                return "declared"
            case Apply(Inverse(), (x,)) if self._semidefinite(x) == "declared":
                return "inverse"
            case Apply(Subtract(), (one, square)) if one is identity(matrix.type.shape[0], matrix.type.dtype):
                return "projection" if self._is_within_unit(square) else None
            case Apply(Kronecker(), (x, y)):
                return "Kronecker" if self._semidefinite(x) and self._semidefinite(y) else None
            case Apply(Subtract(), (Apply(DiagonalMatrix(), (p,)), square)):
                return "covariance" if _is_outer_square(square, p) and self._is_distribution(p) else None
            case Apply(Contract()):
                return self._congruence(matrix)
        return None

    def _congruence(self, matrix: Node) -> str | None:
        """Prove Mᵀ M ≥ 0 or Mᵀ D M ≥ 0 from the factors of a product, which read the same transposed and backwards."""
        chain = as_chain(matrix)
        for (left, turned), (right, other) in zip(chain[: len(chain) // 2], reversed(chain), strict=False):
            symmetric = left.type.ndim == 2 and is_symmetric(left, self._symmetric)
            if left is not right or (turned == other and not symmetric):
                return None
        if len(chain) % 2 == 0:
            return "Gram"
        return "congruent" if len(chain) > 1 and self._semidefinite(chain[len(chain) // 2][0]) else None

    def _is_within_unit(self, square: Node) -> bool:
        """Whether `square` is u uᵀ of a vector u that is not longer than 1, such as x xᵀ / ‖x‖²."""
        number, core = number_apart(square)
        match core, number:
            case Apply(Contract(((a,), (b,)), (_, _)), (v, other)), Apply(Divide(), (Const(1), s)):
                return v is other and a != b and self._bounds_square(s, v)
        return False

    def _bounds_square(self, s: Node, v: Node) -> bool:
        """Whether s ≥ vᵀ v, as the form shows."""
        match self._definitions.get(s, s):
            case Apply(Square(), (length,)):
                match self._definitions.get(length, length):
                    case Apply(Norm(), (x,)):
                        return x is v
                    case Apply(Sqrt(), (inside,)):
                        return self._bounds_square(inside, v)
            case Apply(Contract(((a,), (b,)), ()), (x, y)):
                return x is y is v and a == b
            case Apply(Sum((0,)), (Apply(Square(), (x,)),)):
                return x is v
            case Apply(Add(), (x, y)):
                pairs = (x, y), (y, x)
                return any(self._bounds_square(one, v) and self._is_nonnegative(more) for one, more in pairs)
        return False

    def _has(self, node: Input, *properties: Property) -> bool:
        """Whether an input is declared to have one of some properties."""
        return not set(properties).isdisjoint(self._order.first.program.properties(node))

    def _is_distribution(self, p: Node) -> bool:
        match self._definitions.get(p, p):
            case Apply(Softmax((0,))) as found:
                return found.type.ndim == 1
        return False

    def _is_nonnegative(self, node: Node) -> bool:
        """Whether no element is negative, as the form shows; inputs that are numbers are assumed to be so."""
        match self._definitions.get(node, node):
            case Const(float() | int() as value):
                return value >= 0
            case Const(SymbolicDim()):
                return True
            case Input() as symbol if self._has(symbol, Property.POSITIVE, Property.NONNEGATIVE, Property.SIMPLEX):
                return True
            case Input(_, type_) as symbol if type_.ndim == 0 and symbol in self._order.first.program.inputs:
                if symbol not in self._order.parameters:
                    self._assumed[symbol] = None
                    return True
            case Apply(Exp() | Square() | Sigmoid() | Softmax() | Softplus() | Abs() | Sqrt() | Norm()):
                return True
            case Apply(Cast(), (x,)):
                return x.type.dtype is DType.BOOL
            case Apply(Power(), (x, Const(float(n)))):
                return n % 2 == 0 or self._is_nonnegative(x)
            case Apply(Subtract(), (Const(1), p)):
                match self._definitions.get(p, p):
                    case Apply(Sigmoid() | Softmax()):
                        return True
            case Apply(Multiply() | Divide() | Add(), (x, y)):
                return self._is_nonnegative(x) and self._is_nonnegative(y)
            case Apply(Broadcast() | Reshape() | Permute() | Sum() | Mean(), (x,)):
                return self._is_nonnegative(x)
        return False


def _is_outer_square(node: Node, p: Node) -> bool:
    match node:
        case Apply(Contract(((a,), (b,)), (_, _)), (x, y)):
            return x is y is p and a != b
    return False


def _is_total(node: Apply, varying: Container[Node]) -> bool:
    """Whether an operation is smooth everywhere, in its operands that vary."""
    match node:
        case Apply(Divide(), (_, x)):
            return x not in varying
        case Apply(Power(), (_, Const(float() | int() as n))):
            return n >= 0 and n == int(n)
        case Apply(Log(), (x,)):
            return _is_positive(x)
    return isinstance(node.primitive, _ANALYTIC)


def _is_positive(node: Node) -> bool:
    match node:
        case Apply(Exp() | Sigmoid() | Softmax() | Softplus()):
            return True
        case Apply(Sum() | Mean() | Broadcast(), (x,)):
            return _is_positive(x)
        case Apply(Subtract(), (Const(1), Apply(Sigmoid()))):
            return True
        case Apply(Add(), (x, y)):
            return _is_positive(x) and _is_positive(y)
        case Const(float() | int() as value):
            return value > 0
    return False
