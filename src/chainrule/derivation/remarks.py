"""Remarks on a derivation, each made only where it holds.

A remark that states an equation includes it as an expression that vanishes, and the record claims it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from chainrule.calculus import Accumulation, Backward, Contribution, Stage, beneath_arrangement, is_scale
from chainrule.ir import Apply, Const, Dim, Input, Node, SymbolicDim, applies, rebuild, topological_order
from chainrule.primitives import (
    Adjugate,
    Broadcast,
    Contract,
    Divide,
    Eigenvalues,
    Eigenvectors,
    ExponentialDerivative,
    ImaginaryFourier,
    Infix,
    LeftVector,
    LeftVectors,
    Log,
    Mean,
    Multiply,
    Notation,
    Number,
    OrthogonalFactor,
    Permute,
    PolarFactor,
    Postfix,
    PowerNotation,
    Primitive,
    RealFourier,
    Relu,
    Reshape,
    RightVector,
    RightVectors,
    Sigmoid,
    Softmax,
    Sqrt,
    Subtract,
    Sum,
    Symbol,
    Tanh,
    TriangularFactor,
)


@dataclass(frozen=True, eq=False)
class Observation:
    """A remark: `key` selects the sentence, `parts` fill it; it follows the step of `place`, or ends the derivation.

    `vanishing`, if given, is an expression that the remark states to be zero.
    """

    key: str
    parts: tuple[Node | Notation | str, ...] = ()
    place: Input | None = None
    vanishing: Node | None = None


def observations(backward: Backward, factors: Mapping[Stage, Node]) -> tuple[Observation, ...]:
    """Return the remarks on a backward pass; `factors` are the σ′(z) of each equation a = σ(z)."""
    found: list[Observation] = []
    said: set[str] = set()
    for entry in backward.accumulations:
        for observation in _of_step(backward, entry):
            if observation.key not in said:  # a remark is made once, where it first applies
                said.add(observation.key)
                found.append(observation)
    whole = (*_of_activations(backward, factors), *_of_shared_weights(backward), *_of_definitions(backward))
    return (*found, *whole)


def _of_step(backward: Backward, entry: Accumulation) -> Iterator[Observation]:
    contributions = entry.contributions
    if entry.merged is not None and len(contributions) == 1:
        yield from _cancellation(backward, entry, contributions[0])
    if len(contributions) == 1:
        yield from _softmax_rows(entry, contributions[0].stage)
        yield from _scaled_scores(entry, backward)
    centred = tuple(_centred(backward, entry))
    yield from () if centred else _identity_path(backward, entry)
    yield from _gated_path(backward, entry)
    yield from centred


def _cancellation(backward: Backward, entry: Accumulation, contribution: Contribution) -> Iterator[Observation]:
    """The derivative of a loss by an activation, times that of the activation: quotients cancel."""
    if not any(_quotients(rewrite.before) for rewrite in entry.rewrites) or _quotients(entry.merged):
        return
    symbol = contribution.stage.symbol
    divisors = {beneath_arrangement(node) for rewrite in entry.rewrites for node in _divisors(rewrite.before)}
    if symbol not in divisors:
        return
    if applies(contribution.stage.expression, Softmax) and _has_logarithm_of(backward, symbol):
        yield Observation("softmax cancels", (symbol,), entry.symbol)
    if applies(contribution.stage.expression, Sigmoid) and any(_is_complement(node, symbol) for node in divisors):
        yield Observation("sigmoid cancels", (symbol, entry.symbol), entry.symbol)


def _has_logarithm_of(backward: Backward, symbol: Input) -> bool:
    return any(
        applies(part, Log) and part.operands == (symbol,)
        for stage in backward.stages
        for part in topological_order([stage.expression])
    )


def _is_complement(node: Node, symbol: Input) -> bool:
    """Whether `node` is 1 − symbol."""
    match node:
        case Apply(Subtract(), (one, x)):
            return x is symbol and _literal(one) == 1
    return False


def _quotients(node: Node | None) -> bool:
    """Whether `node` has a divisor that is not a number."""
    return node is not None and any(True for _ in _divisors(node))


def _divisors(node: Node) -> Iterator[Node]:
    """Yield the divisors in `node`, except numbers."""
    for part in topological_order([node]):
        match part:
            case Apply(Divide(), (_, divisor)) if not is_scale(divisor):
                yield divisor


def _softmax_rows(entry: Accumulation, stage: Stage) -> Iterator[Observation]:
    """The gradient of the operand of a softmax sums to zero, since adding a constant there has no effect."""
    match stage.expression:
        case Apply(Softmax(axes), (x,)) if x is entry.symbol and x.type.ndim:
            total = Sum(axes)(entry.cotangent)
            yield Observation("softmax shift", (total, x, _sizes(entry.symbol, axes)), entry.symbol, total)


def _sizes(symbol: Input, axes: Sequence[int]) -> str:
    return "×".join(str(symbol.type.shape[axis]) for axis in axes)


def _scaled_scores(entry: Accumulation, backward: Backward) -> Iterator[Observation]:
    """A product divided by the root of the size over which it sums, as the operand of a softmax."""
    stage = next((each for each in backward.stages if each.symbol is entry.symbol), None)
    if stage is None or not applies(entry.contributions[0].stage.expression, Softmax):
        return
    for part in topological_order([stage.expression]):
        for product, root in _quotients_of(part):
            size = _summed_size(product)
            if size is not None and _is_root_of(root, size):
                yield Observation("scores", (product, Const(size, root.type.with_shape(()))), entry.symbol)
                return


def _quotients_of(node: Node) -> Iterator[tuple[Node, Node]]:
    """Yield (x, y) of x / y, also if it is written (1/y) · x."""
    match node:
        case Apply(Divide(), (x, y)):
            yield x, y
        case Apply(Multiply(), factors):
            for x, inverse in (factors, factors[::-1]):
                match beneath_arrangement(inverse):
                    case Apply(Divide(), (one, y)) if _literal(one) == 1:
                        yield x, y


def _summed_size(node: Node) -> Dim | None:
    """Return the size over which a product of two different factors sums, if there is only one."""
    match node:
        case Apply(Contract() as contract, (x, y)) if _untransposed(x) is not _untransposed(y):
            sizes = contract.sizes([x.type, y.type])
            summed = [size for label, size in sizes.items() if label not in contract.output]
            return summed[0] if len(summed) == 1 else None
    return None


def _untransposed(node: Node) -> Node:
    match node:
        case Apply(Permute(), (x,)):
            return x
    return node


def _is_root_of(node: Node, size: Dim) -> bool:
    """Whether `node` is √size, broadcast."""
    match beneath_arrangement(node):
        case Apply(Sqrt(), (x,)):
            return _literal(x) == size
        case Const(float(value)):
            return isinstance(size, int) and value == math.sqrt(size)
    return False


def _literal(node: Node) -> float | SymbolicDim | None:
    """Return the number or size that fills `node`, or None."""
    match beneath_arrangement(node):
        case Const(value):
            return value
    return None


def _identity_path(backward: Backward, entry: Accumulation) -> Iterator[Observation]:
    """A residual connection passes the gradient on unchanged, in addition to that of its branch."""
    for contribution in entry.contributions:
        if contribution.adjoint is contribution.cotangent and isinstance(contribution.cotangent, Input):
            beside = set(contribution.stage.operands) - {entry.symbol}
            if not beside.isdisjoint(_computed_from(backward, entry.symbol)):
                yield Observation("residual", (contribution.cotangent, entry.symbol), entry.symbol)
                return


def _computed_from(backward: Backward, symbol: Input) -> set[Input]:
    reached = {symbol}
    for stage in backward.stages:
        if not reached.isdisjoint(stage.operands):
            reached.add(stage.symbol)
    return reached


def _gated_path(backward: Backward, entry: Accumulation) -> Iterator[Observation]:
    """A gated state: its gradient is multiplied by the gate only."""
    gates = {stage.symbol for stage in backward.stages if applies(stage.expression, Sigmoid)}
    if len(entry.contributions) != 1 or entry.symbol not in backward.program.inputs:
        return
    (contribution,) = entry.contributions
    adjoint = contribution.adjoint
    if applies(adjoint, Multiply) and set(adjoint.operands) - {contribution.cotangent} <= gates:
        gate = next((factor for factor in adjoint.operands if factor in gates), None)
        if gate is not None and contribution.stage.symbol.type == entry.symbol.type:
            yield Observation("gate", (gate, contribution.stage.symbol, entry.symbol), entry.symbol)


def _centred(backward: Backward, entry: Accumulation) -> Iterator[Observation]:
    """A quantity that enters only minus its mean: adding a constant has no effect, so its gradient sums to 0."""
    symbol = entry.symbol
    uses = [stage for stage in backward.stages if symbol in stage.operands]
    for stage in uses:
        match _bare(stage.expression):
            case Apply(Mean(axes), (x,)) if x is symbol:
                pass
            case _:
                continue
        around = [other for other in backward.stages if other is not stage and stage.symbol in other.operands]
        if (
            around
            and {*uses} <= {stage, *around}
            and all(_only_centred(other.expression, symbol, stage.symbol) for other in around)
        ):
            total = Sum(axes)(entry.cotangent)
            difference = symbol - _repeated(stage.symbol, symbol, axes)
            yield Observation("centred", (total, symbol, difference, _sizes(symbol, axes)), symbol, total)


def _bare(node: Node) -> Node:
    """Return `node` without kept axes of size 1."""
    while applies(node, Broadcast, Reshape):
        (operand,) = node.operands
        if [size for size in node.type.shape if size != 1] != [size for size in operand.type.shape if size != 1]:
            return node
        node = operand
    return node


def _repeated(mean: Input, like: Input, axes: Sequence[int]) -> Node:
    """Return a mean over `axes`, kept or dropped, broadcast to the shape of its operand."""
    shape = like.type.shape
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    if mean.type.ndim == len(shape):
        mean_node: Node = Reshape(tuple(shape[axis] for axis in kept))(mean)
    else:
        mean_node = mean
    return Broadcast(shape, kept)(mean_node)


def _only_centred(expression: Node, symbol: Input, mean: Input) -> bool:
    """Whether `symbol` and its mean occur in `expression` only as their difference."""

    def difference(node: Node) -> Node | None:
        match node:
            case Apply(Subtract(), (x, y)) if x is symbol and beneath_arrangement(y) is mean:
                return Const(0, node.type)
        return None

    (rest,) = rebuild([expression], difference)
    return not {symbol, mean} & set(topological_order([rest]))


def _of_activations(backward: Backward, factors: Mapping[Stage, Node]) -> Iterator[Observation]:
    """The effect of several activations on a gradient."""
    merged = {
        c.stage
        for entry in backward.accumulations
        if entry.merged is not None
        for c in entry.contributions
        if factors.get(c.stage) not in topological_order([entry.merged])  # the derivative has cancelled
    }
    for primitive, key in ((Sigmoid, "vanishing sigmoid"), (Tanh, "vanishing tanh"), (Relu, "relu gate")):
        stages = {stage for stage in factors if applies(stage.expression, primitive)} - merged
        depth = _most_on_a_path(backward, partial(_comes_from, stages))
        if depth > 1:
            yield Observation(key, (str(depth), PowerNotation(Number(4), Number(-depth))))
        elif depth and primitive is not Tanh:
            yield Observation(key if primitive is Relu else key + " once")


def _of_shared_weights(backward: Backward) -> Iterator[Observation]:
    """A matrix that maps a state to the next, by which a path back multiplies repeatedly."""
    for weight in backward.wrt:
        if weight.type.ndim != 2 or weight.type.shape[0] != weight.type.shape[1]:
            continue
        for factor in (Postfix("ᵀ", _WEIGHT), _WEIGHT):
            times = _most_on_a_path(backward, partial(_multiplies_by, weight, factor))
            if times > 1:
                symbol = Symbol(weight.name)
                shown = Postfix("ᵀ", symbol) if isinstance(factor, Postfix) else symbol
                yield Observation("shared weight", (shown, str(times), weight))
                return


_DEFINED: Final[Mapping[str, tuple[type[Primitive], ...]]] = {
    "adjugate": (Adjugate,),
    "eigenvalues": (Eigenvalues, Eigenvectors),
    "singular values": (LeftVector, LeftVectors, PolarFactor, RightVector, RightVectors),
    "triangular factor": (OrthogonalFactor, TriangularFactor),
    "exponential": (ExponentialDerivative,),
    "Fourier": (ImaginaryFourier, RealFourier),
}
"""What a sentence defines, by its key."""


def _of_definitions(backward: Backward) -> Iterator[Observation]:
    """The definitions of functions of matrices, each for the first of its kind in a gradient."""
    parts = topological_order(backward.gradients)
    for key, kinds in _DEFINED.items():
        found = next((part for part in parts if applies(part, *kinds)), None)
        if found is not None:
            assert isinstance(found, Apply)
            yield Observation(key, (found.operands[0],))


_WEIGHT, _OTHER = Symbol("W"), Symbol("other")


def _multiplies_by(weight: Input, factor: Notation, contribution: Contribution) -> bool:
    """Whether the path from a state to the previous one is a product with `factor`, W or Wᵀ, and no other product."""
    products = [part for part in topological_order([contribution.adjoint]) if applies(part, Contract)]
    if len(products) != 1 or contribution.operand.type.shape != contribution.stage.symbol.type.shape:
        return False
    (product,) = products
    if len(product.operands) != 2 or weight not in product.operands:
        return False
    written = [_WEIGHT if operand is weight else _OTHER for operand in product.operands]
    shown = product.primitive.notation(written, [operand.type for operand in product.operands])
    return isinstance(shown, Infix) and shown.operator == "" and factor in shown.operands


def _comes_from(stages: set[Stage], contribution: Contribution) -> bool:
    return contribution.stage in stages


def _most_on_a_path(backward: Backward, counts: Callable[[Contribution], bool]) -> int:
    """Return the maximum number of contributions on one path from the loss that satisfy `counts`."""
    most: dict[Input, int] = {}
    for entry in backward.accumulations:
        found = [most.get(c.stage.symbol, 0) + counts(c) for c in entry.contributions]
        most[entry.symbol] = max(found, default=0)
    return max(most.values(), default=0)
