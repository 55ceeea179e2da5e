"""Simplification of what labels pick: p onehot(y) / p[y] is onehot(y), so softmax and logarithm leave p − onehot(y).

A one-hot vector has a single 1 along one axis. Beside it, another factor x has the value that is picked there, which is
Σ x ⊙ onehot(y), x[y] for one label, and the diagonal of x if the one-hot vectors are the rows of the identity. A value
that a name of the forward pass holds already is written by that name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from chainrule.calculus.examples import filled, some_x, some_y
from chainrule.calculus.rules import (
    Rule,
    beneath_arrangement,
    both_orders,
    is_scale,
    is_scaling,
    number_of,
    refilled,
    rule,
)
from chainrule.calculus.simplify import simplify
from chainrule.calculus.terms import (
    Term,
    factors,
    like_terms,
    operation_count,
    product_of,
    sum_of_terms,
    terms_of,
    with_common_factor,
)
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    DType,
    Node,
    applies,
    cached_property,
    named_dim,
    parse_shape,
    topological_order,
)
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    Diagonal,
    DiagonalMatrix,
    Divide,
    Exp,
    Gather,
    Multiply,
    Negate,
    OneHot,
    Permute,
    Reshape,
    ScatterAdd,
    Square,
    Subtract,
    Sum,
    Trace,
    cast,
    identity,
    positions,
)

_SUMS = (Add, Subtract)


@dataclass(frozen=True)
class Picking:
    """Which factors are one-hot vectors, and what they pick, given the definitions of some names."""

    definitions: Mapping[Node, Node] = field(default_factory=dict)
    names: Mapping[Node, Node] = field(default_factory=dict)
    """For each picked value that has a name: the name, in the shape of the value."""

    @staticmethod
    def of(definitions: Mapping[Node, Node]) -> Picking:
        """Return what the definitions of a forward pass pick."""
        names: dict[Node, Node] = {}
        for symbol, definition in definitions.items():
            value = simplify(beneath_arrangement(definition))
            if applies(value, Sum, Gather, Diagonal) and value.type.size == symbol.type.size:
                names[value] = symbol if value.type == symbol.type else simplify(Reshape(value.type.shape)(symbol))
        return Picking(definitions, names)

    @cached_property
    def has_names_of_labels(self) -> bool:
        """Whether a name stands for one-hot vectors."""
        return any(self.axis_of(symbol) is not None for symbol in self.definitions)

    def may_pick(self, node: Node) -> bool:
        """Whether a one-hot vector can be a factor in `node`."""
        return self.has_names_of_labels or _has_labels(node)

    def axis_of(self, node: Node) -> int | None:
        """Return the axis along which `node` holds one-hot vectors, or None."""
        last = node.type.ndim - 1
        match self.definitions.get(node, node):
            case Apply(OneHot()) | Apply(DiagonalMatrix(), (Const(1),)):
                return last
            case Apply(Permute(order), (Apply(OneHot()),)):
                return order.index(last)
        return None

    def reduced(self, term: Term) -> Term | None:
        """Return `term` with a factor beside a one-hot factor replaced by its picked value, if that is shorter."""
        powers = dict(term.powers)
        for chosen, exponent in term.powers:
            axis = self.axis_of(chosen) if exponent > 0 else None
            if axis is None:
                continue
            if exponent > 1:
                return term.times(Term(1, ((chosen, 1 - exponent),)))
            for x, power in term.powers:
                if power <= 0 or x is chosen or x.type != chosen.type:
                    continue
                for value, is_name in self._picked(x, chosen, axis):
                    repeated = Broadcast(x.type.shape, _without(axis, x.type.ndim))(value)
                    if is_name or powers.get(repeated, 0) < 0:
                        return term.times(Term(1, ((x, -1), (repeated, 1))))
        return None

    def _picked(self, x: Node, chosen: Node, axis: int) -> Iterator[tuple[Node, bool]]:
        """Yield the ways to write the value of x that `chosen` picks; the flag tells whether it is a name."""
        ways: list[Node] = []
        if x.type.dtype is chosen.type.dtype and x.type.dtype.is_float:
            ways = [Sum((axis,))(x * chosen), Sum((axis,))(chosen * x)]
        match self.definitions.get(chosen, chosen):
            case Apply(OneHot(), (place,)) if x.type.ndim == 1:
                ways.append(Gather(0)(x, place))
            case Apply(DiagonalMatrix()) if x.type.ndim == 2:
                ways.append(Diagonal()(x))
        for way in ways:
            name = self.names.get(way)
            if name is not None:
                yield name, True
        for way in ways:
            yield way, False


_WITHOUT_NAMES = Picking()
_labelled: WeakKeyDictionary[Node, bool] = WeakKeyDictionary()


def _has_labels(node: Node) -> bool:
    """Whether one-hot vectors, diagonal matrices or numbers added at places occur in `node`."""
    if node not in _labelled:
        for part in topological_order([node], stop=_labelled):
            if part not in _labelled:
                own = applies(part, OneHot, ScatterAdd, DiagonalMatrix)
                _labelled[part] = own or (isinstance(part, Apply) and any(_labelled[each] for each in part.operands))
    return _labelled[node]


def _without(axis: int, ndim: int) -> tuple[int, ...]:
    return tuple(k for k in range(ndim) if k != axis)


def _factors(node: Node) -> Term:
    """As `factors`, with a number that is added at one place, or a diagonal, as a multiple of one-hot vectors."""
    term = factors(node)
    for factor, exponent in term.powers:
        match factor:
            case Apply(ScatterAdd(0, size), (number, place)) if number.type.ndim == 0 and exponent == 1:
                split = factors(Broadcast(factor.type.shape, ())(number))
                chosen: Node = OneHot(size, factor.type.dtype)(place)
                term = term.times(Term(1, ((factor, -1), (chosen, 1)))).times(split)
            case Apply(DiagonalMatrix(), (diagonal,)) if exponent == 1 and number_of(diagonal) is None:
                if factor.type.ndim == 2:
                    split = factors(Broadcast(factor.type.shape, (0,))(diagonal))
                    chosen = identity(factor.type.shape[0], factor.type.dtype)
                    term = term.times(Term(1, ((factor, -1), (chosen, 1)))).times(split)
    return term


def picking_rules(definitions: Mapping[Node, Node]) -> tuple[Rule, ...]:
    """Return the rules of picked values for the names of a forward pass."""
    picking = Picking.of(definitions)

    def by_name(node: Apply) -> Node | None:
        found = picking.names.get(node)
        match node:
            case Apply(Sum() as total, (Apply(Multiply(), (x, y)),)) if found is None:
                found = picking.names.get(total(y * x))
        return found

    return (
        Rule("a picked value by its name", (Sum, Gather, Diagonal), by_name, list),
        Rule(BESIDE_LABELS, (Multiply, Divide), lambda node: _beside_labels(node, picking), list),
        Rule(MULTIPLIED_OUT, (Multiply, Divide), lambda node: _multiplied_out(node, picking), list),
    )


def _labels() -> Node:
    return Const(np.array([2, 0, 2]), ArrayType((3,), DType.INT64))


def _label() -> Node:
    return Const(1, ArrayType((), DType.INT64))


def _rows() -> Node:
    return OneHot(4)(_labels())


def _chosen_columns() -> Node:
    labels = Const(np.array([1, 0, 2, 1]), ArrayType((4,), DType.INT64))
    return Permute((1, 0))(OneHot(3)(labels))


def _columns(x: Node, axis: int = 1) -> Node:
    """Repeat a vector along an axis of the one-hot rows."""
    return Broadcast(parse_shape("3 4"), (1 - axis,))(x)


def _x() -> Node:
    return Exp()(some_x("3 4"))


BESIDE_LABELS = "x onehot(y) / x[y] → onehot(y)"
MULTIPLIED_OUT = "multiplied out where labels pick"


@rule("labels sum to one", Sum, examples=lambda: [
    Sum((1,))(_rows()),
    Sum((0,))(Permute((1, 0))(_rows())),
    Sum((1,))(identity(named_dim("n"))),
])  # fmt: skip
def _sum_of_one_hot(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes), (x,)) if axes == (_WITHOUT_NAMES.axis_of(x),):
            return Const(1, node.type)
    return None


@rule("sum of a diagonal matrix", Sum, Trace, examples=lambda: [
    Sum((1,))(DiagonalMatrix()(some_x("n"))),
    Sum((0,))(DiagonalMatrix()(some_x("n"))),
    Sum((1,))(some_x("n n") * identity(named_dim("n"))),
    Sum((0,))(identity(named_dim("n")) * some_x("n n")),
    Sum((0, 1))(DiagonalMatrix()(some_x("n"))),
    Trace()(DiagonalMatrix()(some_x("n"))),
    Sum((0, 1))(some_x("n n") * identity(named_dim("n"))),
])  # fmt: skip
def _sum_of_diagonal_matrix(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes), (Apply(DiagonalMatrix(), (diagonal,)) as matrix,)) if matrix.type.ndim == 2:
            return diagonal if len(axes) == 1 else Sum((0,))(diagonal)
        case Apply(Trace(), (Apply(DiagonalMatrix(), (diagonal,)) as matrix,)) if matrix.type.ndim == 2:
            return Sum((0,))(diagonal)
        case Apply(Sum(axes), (Apply(Multiply()) as product,)) if product.type.ndim == 2:
            for x, chosen in both_orders(product):
                match chosen:
                    case Apply(DiagonalMatrix(), (Const(1),)):
                        return Diagonal()(x) if len(axes) == 1 else Trace()(x)
    return None


@rule("I ⊙ I → I", Square, examples=lambda: [_rows() ** 2, identity(named_dim("n")) ** 2])
def _square_of_labels(node: Apply) -> Node | None:
    match node:
        case Apply(Square(), (x,)) if _WITHOUT_NAMES.axis_of(x) is not None:
            return x
    return None


@rule("onehot(0, 1, …) → I", OneHot, examples=lambda: [
    OneHot(named_dim("n"))(cast(positions(named_dim("n")), DType.INT64)),
    OneHot(3)(Const(np.arange(3), ArrayType((3,), DType.INT64))),
])  # fmt: skip
def _labels_in_order(node: Apply) -> Node | None:
    match node:
        case Apply(OneHot(size, dtype), (Const(value=np.ndarray() as labels),)) if isinstance(size, int):
            return identity(size, dtype) if np.array_equal(labels, np.arange(size)) else None
        case Apply(OneHot(size, dtype), (labels,)) if labels is cast(positions(size), DType.INT64):
            return identity(size, dtype)
    return None


@rule("I[y] → onehot(y)", Gather, examples=lambda: [
    Gather(0)(identity(named_dim("n")), _label()),
    Gather(0)(identity(named_dim("n")), _labels()),
])  # fmt: skip
def _rows_of_the_identity(node: Apply) -> Node | None:
    match node:
        case Apply(Gather(0), (Apply(DiagonalMatrix(), (Const(1),)) as rows, places)) if rows.type.ndim == 2:
            return OneHot(rows.type.shape[0], rows.type.dtype)(places)
    return None


@rule(BESIDE_LABELS, Multiply, Divide, examples=lambda: [
    _x() * (_rows() / _columns(Sum((1,))(_x() * _rows()))),
    (some_y("3 4") * _x() * _rows()) / _columns(Sum((1,))(_rows() * _x())),
    Exp()(some_x("4")) * ScatterAdd(0, 4)(1 / Gather(0)(Exp()(some_x("4")), _label()), _label()),
    (_x() * _chosen_columns()) / _columns(Sum((0,))(_x() * _chosen_columns()), 0),
    Exp()(some_x("n n")) * DiagonalMatrix()(some_y("n") / Diagonal()(Exp()(some_x("n n")))),
    _rows() * _rows(),
])  # fmt: skip
def _one_hot_beside(node: Apply) -> Node | None:
    return _beside_labels(node, _WITHOUT_NAMES)


def _beside_labels(node: Apply, picking: Picking) -> Node | None:
    if not picking.may_pick(node):
        return None
    term = _factors(node)
    found = picking.reduced(term)
    if found is None:
        return None
    while (further := picking.reduced(found)) is not None:
        found = further
    result = product_of(found, node.type)
    return result if operation_count(result) <= operation_count(node) else None


@rule(MULTIPLIED_OUT, Multiply, Divide, examples=lambda: [
    _x() * (1 - _rows() / _columns(Sum((1,))(_x() * _rows()))),
    (some_y("3 4") * _x()) * (some_x("3 4") - _rows() / _columns(Sum((1,))(_rows() * _x()))),
    Exp()(some_x("4")) * (2 - ScatterAdd(0, 4)(1 / Gather(0)(Exp()(some_x("4")), _label()), _label())),
])  # fmt: skip
def _multiplied_out_where_picked(node: Apply) -> Node | None:
    return _multiplied_out(node, _WITHOUT_NAMES)


def _multiplied_out(node: Apply, picking: Picking) -> Node | None:
    """Multiply a sum out if one of its terms picks, and the result is shorter."""
    if not picking.may_pick(node):
        return None
    term = factors(node)
    for total, exponent in term.powers:
        if exponent != 1 or not applies(total, *_SUMS):
            continue
        terms = terms_of(total)
        rest = term.times(Term(1, ((total, -1),)))
        found: list[Term] = []
        changed = False
        for each in terms:
            product = _factors(product_of(rest.times(each), node.type))
            while (further := picking.reduced(product)) is not None:
                product, changed = further, True
            found.append(product)
        if not changed:
            continue
        collected = like_terms(found)
        ways = (with_common_factor(collected, node.type), sum_of_terms(collected, node.type))
        result = min(ways, key=operation_count)
        if operation_count(result) <= operation_count(node):
            return result
    return None


@rule("onehot(i)ᵀ x → x[i]", Contract, examples=lambda: [
    OneHot(4)(_label()) @ some_x("4"),
    some_x("4") @ OneHot(4)(_label()),
    OneHot(4)(_label()) @ some_x("4 n"),
    some_x("n 4") @ OneHot(4)(_label()),
    ScatterAdd(0, 4)(some_y(""), _label()) @ some_x("4"),
    some_x("n 4") @ ScatterAdd(0, 4)(some_y(""), _label()),
])  # fmt: skip
def _product_with_one_hot(node: Apply) -> Node | None:
    """Look up instead of multiplying by a one-hot vector of one label."""
    if len(node.operands) != 2:
        return None
    for k, operand in enumerate(node.operands):
        match operand:
            case Apply(OneHot(), (place,)) if operand.type.ndim == 1:
                number: Node = Const(1, operand.type.with_shape(()))
            case Apply(ScatterAdd(0), (added, place)) if operand.type.ndim == 1 and added.type.ndim == 0:
                number = added
            case _:
                continue
        other, labels = node.operands[1 - k], node.primitive.inputs[1 - k]
        (label,) = node.primitive.inputs[k]
        kept = tuple(each for each in labels if each != label)
        if label in labels and node.primitive.output == kept:
            found = Gather(labels.index(label))(other, place)
            return found if number_of(number) == 1 else Broadcast(node.type.shape, ())(number) * found
    return None


@rule("a number added at one place → onehot", ScatterAdd, examples=lambda: [
    ScatterAdd(0, 4)(filled(1, ""), _label()),
    ScatterAdd(0, 4)(filled(-2, ""), _label()),
])  # fmt: skip
def _number_at_one_place(node: Apply) -> Node | None:
    match node:
        case Apply(ScatterAdd(0, size), (number, place)) if is_scale(number) and number.type.ndim == 0:
            chosen = OneHot(size, node.type.dtype)(place)
            return chosen if number_of(number) == 1 else refilled(number, node.type) * chosen
    return None


@rule("number out of a scatter-add", ScatterAdd, examples=lambda: [
    ScatterAdd(0, 4)(-some_x("3"), _labels()),
    ScatterAdd(0, 4)(2 * some_x("3"), _labels()),
    ScatterAdd(1, 4)(filled(-1, "n 3"), _labels()),
    ScatterAdd(0, 4, (4,))(2 * some_x("3"), _labels(), _labels()),
])  # fmt: skip
def _number_out_of_scatter(node: Apply) -> Node | None:
    match node:
        case Apply(ScatterAdd() as scatter, (Apply(Negate(), (x,)), *places)):
            return -scatter(x, *places)
        case Apply(ScatterAdd() as scatter, (Const(float(number)) as x, *places)) if number < 0:
            return -scatter(Const(-number, x.type), *places)
        case Apply(ScatterAdd() as scatter, (Apply(Multiply(), (c, x)), *places)) if is_scaling(c, x):
            return refilled(c, node.type) * scatter(x, *places)
    return None


@rule("diag(c) → c I", DiagonalMatrix, examples=lambda: [
    DiagonalMatrix()(filled(3, "n")),
    DiagonalMatrix()(filled(2, "n") / Const(named_dim("n"), ArrayType(parse_shape("n")))),
])  # fmt: skip
def _diagonal_of_a_number(node: Apply) -> Node | None:
    match node:
        case Apply(DiagonalMatrix(), (number,)) if is_scale(number) and number_of(number) != 1 and node.type.ndim == 2:
            return refilled(number, node.type) * identity(node.type.shape[0], node.type.dtype)
    return None
