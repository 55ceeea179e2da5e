"""The arithmetic of numbers, signs, sums and repetition: the identities that are tried first."""

from __future__ import annotations

import operator
from collections.abc import Callable

from chainrule.calculus.rules import applied, is_coefficient, is_filled, is_scale, number_of, refilled, rule, scaled
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    DType,
    Input,
    Node,
    Shape,
    SymbolicDim,
    dim_product,
    dim_quotient,
    named_dim,
    parse_shape,
)
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    CumulativeSum,
    Diagonal,
    DiagonalMatrix,
    Divide,
    Exp,
    Mean,
    Multiply,
    Negate,
    Norm,
    OneHot,
    OverlapAdd,
    Permute,
    Reshape,
    Sqrt,
    Square,
    Subtract,
    Sum,
    Trace,
    Windows,
)


def _input(name: str, shape: str) -> Node:
    return Input(name, ArrayType(parse_shape(shape)))


def _x(shape: str = "n m") -> Node:
    return _input("x", shape)


def _y(shape: str = "n m") -> Node:
    return _input("y", shape)


def _size(name: str) -> Const:
    return Const(named_dim(name), _x().type)


def _filled(value: float, like: Node) -> Const:
    return Const(value, like.type)


_FOLDS: dict[type, Callable[..., float]] = {
    Add: operator.add,
    Subtract: operator.sub,
    Multiply: operator.mul,
    Divide: operator.truediv,
    Negate: operator.neg,
    Square: lambda x: x * x,
}


@rule("fold constants", Add, Subtract, Multiply, Divide, Negate, Square, examples=lambda: [
    Add()(_filled(2, _x()), _filled(3, _x())),
    Multiply()(_filled(2, _x()), _filled(3, _x())),
    Divide()(_filled(3, _x()), _filled(4, _x())),
    Negate()(_filled(3, _x())),
    Square()(_filled(3, _x())),
])  # fmt: skip
def _fold_constants(node: Apply) -> Node | None:
    sizes = [operand.value for operand in node.operands if isinstance(operand, Const) and operand.is_filled]
    if (
        isinstance(node.primitive, Multiply)
        and all(isinstance(size, SymbolicDim) for size in sizes)
        and len(sizes) == 2
    ):
        return Const(dim_product(size for size in sizes if isinstance(size, SymbolicDim)), node.type)
    numbers = [number_of(operand) for operand in node.operands]
    if any(number is None for number in numbers):
        return None
    values = [number for number in numbers if number is not None]
    if isinstance(node.primitive, Divide) and values[1] == 0:
        return None
    return Const(_FOLDS[type(node.primitive)](*values), node.type)


@rule("x + 0 → x", Add, Subtract, examples=lambda: [
    Add()(_x(), _filled(0, _x())),
    Add()(_filled(0, _x()), _x()),
    Subtract()(_x(), _filled(0, _x())),
    Subtract()(_filled(0, _x()), _x()),
])  # fmt: skip
def _add_zero(node: Apply) -> Node | None:
    x, y = node.operands
    if is_filled(y, 0):
        return x
    if is_filled(x, 0):
        return y if isinstance(node.primitive, Add) else Negate()(y)
    return None


@rule("1·x → x", Multiply, Divide, examples=lambda: [
    Multiply()(_x(), _filled(1, _x())),
    Multiply()(_filled(1, _x()), _x()),
    Divide()(_x(), _filled(1, _x())),
])  # fmt: skip
def _multiply_one(node: Apply) -> Node | None:
    x, y = node.operands
    if is_filled(y, 1):
        return x
    return y if is_filled(x, 1) and isinstance(node.primitive, Multiply) else None


@rule("0·x → 0", Multiply, Divide, Contract, examples=lambda: [
    Multiply()(_x(), _filled(0, _x())),
    Divide()(_filled(0, _x()), Exp()(_x())),
    Contract(((0, 1), (1, 2)), (0, 2))(_filled(0, _x("n m")), _y("m k")),
])  # fmt: skip
def _multiply_zero(node: Apply) -> Node | None:
    zero = node.operands[:1] if isinstance(node.primitive, Divide) else node.operands
    return Const(0, node.type) if any(is_filled(operand, 0) for operand in zero) else None


@rule("number first", Multiply, examples=lambda: [
    Multiply()(_x(), _filled(2, _x())),
    Multiply()(_x(), Divide()(_filled(1, _x()), _size("n"))),
])  # fmt: skip
def _number_first(node: Apply) -> Node | None:
    x, y = node.operands
    return Multiply()(y, x) if is_scale(y) and not is_scale(x) else None


@rule("collect numbers", Multiply, Divide, examples=lambda: [
    Multiply()(_filled(0.5, _x()), Multiply()(_filled(2, _x()), _x())),
    Multiply()(_x(), Multiply()(_filled(2, _x()), _y())),
    Multiply()(Multiply()(_filled(2, _x()), _x()), _y()),
    Multiply()(_filled(2, _x()), Divide()(_filled(3, _x()), Exp()(_x()))),
    Divide()(Multiply()(_filled(2, _x()), _x()), _filled(4, _x())),
    Divide()(_x(), Multiply()(_filled(2, _x()), Exp()(_y()))),
])  # fmt: skip
def _collect_numbers(node: Apply) -> Node | None:
    x, y = node.operands
    if is_coefficient(node):
        return None
    scaled_x, scaled_y = scaled(x), scaled(y)
    if isinstance(node.primitive, Multiply):
        if number_of(x) is not None and scaled_y is not None:
            return Multiply()(Multiply()(x, scaled_y[0]), scaled_y[1])
        quotient = applied(y, Divide)
        if number_of(x) is not None and quotient is not None and number_of(quotient.operands[0]) is not None:
            return Divide()(Multiply()(x, quotient.operands[0]), quotient.operands[1])
        if not isinstance(x, Const) and scaled_y is not None:
            return Multiply()(scaled_y[0], Multiply()(x, scaled_y[1]))
        if scaled_x is not None and not isinstance(y, Const):
            return Multiply()(scaled_x[0], Multiply()(scaled_x[1], y))
    elif scaled_x is not None:
        return Multiply()(scaled_x[0], Divide()(scaled_x[1], y))
    elif scaled_y is not None:
        return Multiply()(Divide()(_filled(1, y), scaled_y[0]), Divide()(x, scaled_y[1]))
    return None


@rule("merge factors 2·(1/n) → 2/n", Multiply, examples=lambda: [
    Multiply()(_filled(2, _x()), Divide()(_filled(1, _x()), _size("n"))),
    Multiply()(Divide()(_filled(1, _x()), _size("n")), _filled(2, _x())),
])  # fmt: skip
def _merge_scales(node: Apply) -> Node | None:
    x, y = node.operands
    if not (is_scale(x) and is_scale(y)):
        return None
    (above, below), (more_above, more_below) = _quotient(x), _quotient(y)
    if below is None and more_below is None:
        return None
    divisor = below if more_below is None else more_below if below is None else Multiply()(below, more_below)
    assert divisor is not None
    return Divide()(Multiply()(above, more_above), divisor)


@rule("reduce a fraction of sizes", Divide, examples=lambda: [
    Divide()(_filled(2, _x()), Const(2 * named_dim("n"), _x().type)),
    Divide()(_filled(3, _x()), Const(6 * named_dim("n"), _x().type)),
])  # fmt: skip
def _reduce_fraction(node: Apply) -> Node | None:
    above, below = node.operands
    number = number_of(above)
    if number is None or number <= 1 or number % 1:
        return None
    rest = _reduced(below, int(number))
    return None if rest is None else Divide()(_filled(1, above), Const(rest, below.type))


def _quotient(scale: Node) -> tuple[Node, Node | None]:
    quotient = applied(scale, Divide)
    return (scale, None) if quotient is None else (quotient.operands[0], quotient.operands[1])


@rule("size as a number", Divide, examples=lambda: [
    Divide()(_x(), _size("n")),
])  # fmt: skip
def _divide_by_size(node: Apply) -> Node | None:
    x, size = node.operands
    if is_scale(size) and not is_scale(x) and not is_coefficient(x):
        return Multiply()(Divide()(_filled(1, size), size), x)
    return None


@rule("−x·(a − b) → x·(b − a)", Negate, examples=lambda: [
    Negate()(Multiply()(_x(), Subtract()(_x(), _y()))),
    Negate()(Multiply()(_filled(2, _x()), Multiply()(_x(), Subtract()(_x(), _y())))),
])  # fmt: skip
def _turn_difference(node: Apply) -> Node | None:
    """The sign goes into a difference of variables; 1 − y stays as it is."""
    product = applied(node.operands[0], Multiply)
    if product is None:
        return None
    x, y = product.operands
    difference = applied(y, Subtract)
    if difference is not None and not any(isinstance(operand, Const) for operand in difference.operands):
        return Multiply()(x, Subtract()(*difference.operands[::-1]))
    inner = applied(y, Multiply)
    turned = None if inner is None or not is_scale(x) else _turn_difference(Negate()(inner))
    return None if turned is None else Multiply()(x, turned)


@rule("−(−x) → x", Negate, examples=lambda: [
    Negate()(Negate()(_x())),
    Negate()(Subtract()(_x(), _y())),
    Negate()(Multiply()(_filled(2, _x()), Subtract()(_x(), _y()))),
])  # fmt: skip
def _double_negation(node: Apply) -> Node | None:
    product = scaled(node.operands[0])
    if product is not None and applied(product[1], Subtract) is not None:
        return Multiply()(product[0], Negate()(product[1]))
    inner = applied(node.operands[0], Negate, Subtract)
    if inner is None:
        return None
    if isinstance(inner.primitive, Negate):
        return inner.operands[0]
    return Subtract()(inner.operands[1], inner.operands[0])


@rule("(y − 1)/x → −(1 − y)/x", Divide, examples=lambda: [Divide()(Subtract()(_y(), _filled(1, _y())), Exp()(_x()))])
def _number_less_variable(node: Apply) -> Node | None:
    x, y = node.operands
    difference = applied(x, Subtract)
    if difference is None or number_of(difference.operands[1]) is None:
        return None
    return Negate()(Divide()(Subtract()(*difference.operands[::-1]), y))


@rule("x + (−y) → x − y", Add, Subtract, examples=lambda: [
    Add()(_x(), Negate()(_y())),
    Add()(Negate()(_x()), _y()),
    Subtract()(_x(), Negate()(_y())),
    Subtract()(Negate()(_x()), _y()),
    Add()(_x(), _filled(-2, _y())),
    Subtract()(_x(), _filled(-2, _y())),
])  # fmt: skip
def _add_negation(node: Apply) -> Node | None:
    x, y = node.operands
    opposite = _opposite(y)
    if opposite is not None and not is_scale(x):
        return (Subtract() if isinstance(node.primitive, Add) else Add())(x, opposite)
    negated = applied(y, Negate)
    if negated is not None:
        return (Subtract() if isinstance(node.primitive, Add) else Add())(x, negated.operands[0])
    negated = applied(x, Negate)
    if negated is None:
        return None
    if isinstance(node.primitive, Add):
        return Subtract()(y, negated.operands[0])
    return Negate()(Add()(negated.operands[0], y))


_ONE_OPERAND = (
    *(Sum, Mean, Broadcast, Permute, Reshape, Windows, OverlapAdd),
    *(CumulativeSum, Diagonal, DiagonalMatrix, Trace),
)
"""Linear in their one operand, so that signs and numbers can stand before them."""


@rule("sign outwards", Multiply, Divide, Contract, *_ONE_OPERAND, examples=lambda: [
    Multiply()(Negate()(_x()), _y()),
    Multiply()(_x(), Negate()(_y())),
    Multiply()(_filled(-2, _x()), _x()),
    Divide()(Negate()(_x()), _y()),
    Sum((0,))(Negate()(_x())),
    Contract(((0, 1), (1, 2)), (0, 2))(Negate()(_x()), _y("m k")),
])  # fmt: skip
def _sign_outwards(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        negated = applied(operand, Negate)
        if negated is not None:
            operands = (*node.operands[:k], negated.operands[0], *node.operands[k + 1 :])
            return Negate()(Apply(node.primitive, operands))
    if isinstance(node.primitive, Multiply):
        opposite = _opposite(node.operands[0])
        if opposite is not None:
            return Negate()(Multiply()(opposite, node.operands[1]))
    return None


def _opposite(scale: Node) -> Node | None:
    """The positive number of which `scale` is the negative."""
    number = number_of(scale)
    if number is not None:
        return Const(-number, scale.type) if number < 0 else None
    if isinstance(scale, Apply) and is_scale(scale):
        opposite = _opposite(scale.operands[0])
        return None if opposite is None else Apply(scale.primitive, (opposite, *scale.operands[1:]))
    return None


@rule("number outwards", Contract, *_ONE_OPERAND, examples=lambda: [
    Contract(((0, 1), (1, 2)), (0, 2))(Multiply()(_filled(2, _x()), _x()), _y("m k")),
    Sum((0,))(Multiply()(_filled(2, _x()), _x())),
    CumulativeSum(1)(Multiply()(_filled(2, _x()), _x())),
])  # fmt: skip
def _number_outwards(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        product = scaled(operand)
        if product is None or (isinstance(node.primitive, Broadcast) and is_coefficient(operand)):
            continue
        number, x = product
        inner = Apply(node.primitive, (*node.operands[:k], x, *node.operands[k + 1 :]))
        return Multiply()(refilled(number, inner.type), inner)
    return None


@rule("(Aᵀ)ᵀ → A", Permute, examples=lambda: [
    Permute((1, 0))(Permute((1, 0))(_x())),
    Permute((2, 0, 1))(Permute((2, 0, 1))(_x("n m k"))),
])  # fmt: skip
def _double_transpose(node: Apply) -> Node | None:
    inner = applied(node.operands[0], Permute)
    if inner is None:
        return None
    order = tuple(inner.primitive.order[axis] for axis in node.primitive.order)
    return inner.operands[0] if order == tuple(range(len(order))) else Permute(order)(inner.operands[0])


@rule("transpose of what is repeated", Permute, examples=lambda: [
    Permute((1, 0))(Reshape(parse_shape("n 1"))(_x("n"))),
    Permute((1, 0))(Broadcast(parse_shape("n m"), (0,))(_x("n"))),
    Permute((2, 0, 1))(Broadcast(parse_shape("n m k"), (0, 1))(_x("n m"))),
])  # fmt: skip
def _transpose_of_repeated(node: Apply) -> Node | None:
    """Repeated along the axes where they come to lie; or axes of size 1 made there."""
    (made,) = node.operands
    order = node.primitive.order
    repeated = applied(made, Broadcast)
    if repeated is not None:
        places = tuple(order.index(axis) for axis in repeated.primitive.axes)
        if places == tuple(sorted(places)):
            return Broadcast(node.type.shape, places)(repeated.operands[0])
    if applied(made, Reshape) is None:
        return None
    others = [axis for axis in order if made.type.shape[axis] != 1]
    return Reshape(node.type.shape)(made) if others == sorted(others) else None


@rule("compose sums and broadcasts", Sum, Broadcast, Reshape, examples=lambda: [
    Sum((0,))(Sum((1,))(_x())),
    Broadcast(parse_shape("k n m"), (1, 2))(Broadcast(parse_shape("n m"), (1,))(_x("m"))),
    Reshape(parse_shape("n"))(Reshape(parse_shape("1 n"))(_x("n 1"))),
    Reshape(parse_shape("n"))(Reshape(parse_shape("1 n"))(_x("n"))),
    Broadcast(parse_shape("n m"), (0, 1))(_x("n m")),
    Reshape(parse_shape("n"))(Broadcast(parse_shape("n 1"), (0,))(_x("n"))),
    Reshape(parse_shape("n m 1"))(Broadcast(parse_shape("n 1 m"), (2,))(_x("m"))),
    Broadcast(parse_shape("1 m"), (1,))(Reshape(parse_shape("m"))(_x("1 m"))),
    Broadcast(parse_shape("k 1 m"), (1, 2))(Reshape(parse_shape("1 m"))(_x("m"))),
])  # fmt: skip
def _compose(node: Apply) -> Node | None:
    (operand,) = node.operands
    if isinstance(node.primitive, Broadcast | Reshape) and operand.type.shape == node.primitive.shape:
        return operand
    repeated, reshaped = applied(operand, Broadcast), applied(operand, Reshape)
    if isinstance(node.primitive, Broadcast) and reshaped is not None:
        (source,) = reshaped.operands
        if source.type == node.type:
            return source
        axes = tuple(axis for axis, size in zip(node.primitive.axes, operand.type.shape, strict=True) if size != 1)
        if tuple(node.type.shape[axis] for axis in axes) == source.type.shape:
            return Broadcast(node.type.shape, axes)(source)
        return None
    if isinstance(node.primitive, Reshape) and repeated is not None:
        return _reshaped_repetition(node.primitive.shape, repeated)
    inner = applied(operand, type(node.primitive))
    if inner is None:
        return None
    source = inner.operands[0]
    if isinstance(node.primitive, Reshape):
        return Reshape(node.primitive.shape)(source)
    if isinstance(node.primitive, Broadcast):
        axes = tuple(node.primitive.axes[axis] for axis in inner.primitive.axes)
        return Broadcast(node.primitive.shape, axes)(source)
    remaining = [axis for axis in range(source.type.ndim) if axis not in inner.primitive.axes]
    axes = tuple(sorted((*inner.primitive.axes, *(remaining[axis] for axis in node.primitive.axes))))
    return Sum(axes)(source)


def _reshaped_repetition(shape: Shape, repeated: Apply) -> Node | None:
    """A repetition, of which axes of size 1 are dropped or added, as one that has the other axes at once."""
    (source,) = repeated.operands
    if source.type.size == repeated.type.size:
        return Reshape(shape)(source)
    before = [axis for axis, size in enumerate(repeated.type.shape) if size != 1]
    after = [axis for axis, size in enumerate(shape) if size != 1]
    if 1 in source.type.shape or [repeated.type.shape[axis] for axis in before] != [shape[axis] for axis in after]:
        return None
    return Broadcast(shape, tuple(after[before.index(axis)] for axis in repeated.primitive.axes))(source)


@rule("terms back to the axes that they had", Reshape, examples=lambda: [
    Reshape(parse_shape("1 m"))(Add()(Reshape(parse_shape("m"))(_x("1 m")), _y("m"))),
    Reshape(parse_shape("1 m"))(Subtract()(Add()(_y("m"), Reshape(parse_shape("m"))(_x("1 m"))), _y("m"))),
])  # fmt: skip
def _terms_back(node: Apply) -> Node | None:
    terms = [node.operands[0]]
    sums: list[Apply] = []
    while terms:
        total = applied(terms.pop(), Add, Subtract)
        if total is not None:
            sums.append(total)
            terms += total.operands
    sources = [each.operands[0] for total in sums for term in total.operands if (each := applied(term, Reshape))]
    if all(source.type != node.type for source in sources):
        return None
    return Apply(sums[0].primitive, tuple(Apply(node.primitive, (term,)) for term in sums[0].operands))


@rule("sum of one term → the term", Sum, Mean, CumulativeSum, examples=lambda: [
    Sum((0,))(_x("1 m")),
    Mean((1,))(_x("n 1")),
    CumulativeSum(0, reverse=True)(_x("1 m")),
])  # fmt: skip
def _sum_of_one_term(node: Apply) -> Node | None:
    (operand,) = node.operands
    axes = (node.primitive.axis,) if isinstance(node.primitive, CumulativeSum) else node.primitive.axes
    if all(operand.type.shape[axis] == 1 for axis in axes):
        return operand if operand.type == node.type else Reshape(node.type.shape)(operand)
    return None


@rule("repeat a literal", Broadcast, Reshape, Permute, Windows, examples=lambda: [
    Broadcast(parse_shape("n m"), (1,))(_filled(2, _x("m"))),
])  # fmt: skip
def _repeat_literal(node: Apply) -> Node | None:
    (operand,) = node.operands
    if isinstance(operand, Const) and operand.is_filled:
        return Const(operand.value, node.type)
    return refilled(operand, node.type) if is_scale(operand) else None


@rule("sum of equal terms", Sum, examples=lambda: [
    Sum((0, 1))(_filled(2, _x())), Sum((0,))(_filled(2, _x("3 m"))),
    Sum((0,))(Divide()(_filled(2, _x()), _size("n"))), Sum((0, 1))(Divide()(_filled(2, _x()), _size("m"))),
])  # fmt: skip
def _sum_of_equal_terms(node: Apply) -> Node | None:
    (operand,) = node.operands
    if not is_scale(operand):
        return None
    count = dim_product(operand.type.shape[axis] for axis in node.primitive.axes)
    repeated = refilled(operand, node.type)
    quotient = applied(repeated, Divide)
    if quotient is None:
        return Multiply()(repeated, Const(count, node.type))
    above, below = quotient.operands
    rest = _reduced(below, count)
    if rest is not None:
        return above if rest == 1 else Divide()(above, Const(rest, node.type))
    return Divide()(Multiply()(above, Const(count, node.type)), below)


def _reduced(divisor: Node, count: Dim) -> Dim | None:
    """What is left of a size below a fraction when `count`, above it, is cancelled."""
    if not isinstance(divisor, Const) or not isinstance(divisor.value, int | SymbolicDim):
        return None
    return dim_quotient(divisor.value, count)


@rule("x + x → 2·x", Add, examples=lambda: [Add()(_x(), _x())])
def _sum_with_itself(node: Apply) -> Node | None:
    x, y = node.operands
    return Multiply()(_filled(2, x), x) if x is y and not isinstance(x, Const) else None


@rule("x·x → x²", Multiply, examples=lambda: [Multiply()(_x(), _x())])
def _product_with_itself(node: Apply) -> Node | None:
    x, y = node.operands
    return Square()(x) if x is y and not isinstance(x, Const) else None


@rule("(√x)² → x", Square, examples=lambda: [
    Square()(Sqrt()(Exp()(_x()))),
    Square()(Norm((0,))(_x())),
    Square()(Norm((0, 1), mean=True)(_x())),
])  # fmt: skip
def _square_of_root(node: Apply) -> Node | None:
    root = applied(node.operands[0], Sqrt)
    if root is not None:
        return root.operands[0]
    norm = applied(node.operands[0], Norm)
    return None if norm is None else norm.primitive.squared(norm.operands[0])


@rule("x·(1/y) → x/y", Multiply, examples=lambda: [
    Multiply()(_x(), Divide()(_filled(1, _x()), Exp()(_y()))),
    Multiply()(Divide()(_filled(1, _x()), Exp()(_y())), _x()),
    Multiply()(_x(), Broadcast(parse_shape("n m"), (0,))(Divide()(_filled(1, _x("n")), Exp()(_y("n"))))),
])  # fmt: skip
def _multiply_reciprocal(node: Apply) -> Node | None:
    for x, y in (node.operands, node.operands[::-1]):
        repeated = applied(y, Broadcast)
        quotient = applied(y if repeated is None else repeated.operands[0], Divide)
        if quotient is None or is_scale(quotient) or is_scale(x) or not is_filled(quotient.operands[0], 1):
            continue
        if repeated is None:
            return Divide()(x, quotient.operands[1])
        if not is_coefficient(quotient):
            return Divide()(x, repeated.primitive(quotient.operands[1]))
    return None


@rule("labels sum to one", Sum, examples=lambda: [Sum((1,))(OneHot(4)(Const(2, _label_type())))])
def _one_hot_sum(node: Apply) -> Node | None:
    (operand,) = node.operands
    if applied(operand, OneHot) is None or node.primitive.axes != (operand.type.ndim - 1,):
        return None
    return Const(1, node.type)


def _label_type() -> ArrayType:
    return ArrayType(parse_shape("n"), DType.INT64)
