"""Conventional names for unnamed values: z and a of layers, u and v of compositions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Container, Iterator, Mapping, Sequence

from chainrule.ir import Apply, Const, Input, Node, Program, applies, topological_order
from chainrule.primitives import (
    Abstract,
    AbstractMap,
    Add,
    Broadcast,
    Cast,
    Compare,
    Composite,
    Contract,
    Divide,
    DivideNoNan,
    Elementwise,
    LogSoftmax,
    LogSumExp,
    Multiply,
    Negate,
    Nonlinear,
    Norm,
    Permute,
    Reshape,
    Slice,
    Softmax,
    Square,
    Subtract,
    Windows,
)

_LETTERS = "uvwstpq"
_FREE = (Broadcast, Cast, Permute, Reshape, Slice, Windows)
_NO_FUNCTIONS = (Divide, DivideNoNan, Compare)
"""Elementwise primitives that are written as operators."""
_WEIGHTED = (Elementwise, Softmax, Abstract, AbstractMap)
"""Functions whose values are weighted in W g(x); in A⁻¹ x the inverse is itself a factor of the product."""


def is_activation(primitive: object) -> bool:
    """Whether textbooks name the operand of a primitive z and its result a."""
    return isinstance(primitive, Elementwise) and primitive.is_activation


def name_activations(program: Program) -> Program:
    """Name the unnamed operands and results of activations z and a.

    An activation is a function of one argument whose operand depends directly on a matrix product, or is w x + b, or
    w x if the result is weighted in turn. The operand of a softmax is named too, and its result, P, if it is a factor
    of another product.
    """
    names = dict(program.names)
    taken = {node.name for node in program.inputs} | set(names.values())
    factors = {factor for node in program.nodes if applies(node, Contract) for factor in node.operands}
    weighted = {other for node in program.nodes for _, other in _weightings(node)}
    for node in program.nodes:
        if applies(node, Softmax, LogSoftmax, LogSumExp):
            _name_softmax(node, node in factors and node not in program.outputs, names, taken)
        if not isinstance(node, Apply) or node in program.outputs or not _is_layer(node, names, node in weighted):
            continue
        if node.operands[0] in names and node not in factors:  # a function of z in the loss is not a layer
            continue
        unnamed = [(part, letter) for part, letter in ((node.operands[0], "z"), (node, "a")) if part not in names]
        own_number = re.findall(r"\d+$", names.get(node, "") or names.get(node.operands[0], ""))
        for number in itertools.chain(own_number, map(str, itertools.count(1))):
            if taken.isdisjoint(letter + number for _, letter in unnamed):
                names.update((part, letter + number) for part, letter in unnamed)
                taken.update(letter + number for _, letter in unnamed)
                break
    return Program(program.inputs, program.outputs, names)


def _name_softmax(node: Apply, is_factor: bool, names: dict[Node, str], taken: set[str]) -> None:
    """Name the scores of a softmax, and its result if that is a factor."""
    wanted = [(node.operands[0], "z")] if _follows_product(node, names) else []
    if is_factor and isinstance(node.primitive, Softmax):
        wanted.append((node, "P" if node.type.ndim > 1 else "p"))
    for part, letter in wanted:
        if part not in names and isinstance(part, Apply):
            numbers = [int(name[1:]) for name in taken if re.fullmatch(letter + r"\d+", name)]
            numbered = (letter + str(number) for number in itertools.count(max(numbers, default=0) + 1))
            alone = [] if numbers else [letter]
            names[part] = next(name for name in itertools.chain(alone, numbered) if name not in taken)
            taken.add(names[part])


def _is_layer(node: Apply, names: Mapping[Node, str], is_weighted: bool) -> bool:
    if not is_activation(node.primitive):
        return False
    return _follows_product(node, names) or (
        {node.operands[0], node}.isdisjoint(names) and _is_weighted(node.operands[0], names, biased=not is_weighted)
    )


def _follows_product(node: Apply, names: Mapping[Node, str]) -> bool:
    """Whether the operand of `node` depends on a matrix product without a named value in between."""
    (operand,) = node.operands
    if not isinstance(operand, Apply) or {operand, node} <= names.keys():
        return False
    return any(
        applies(part, Contract) and (part is operand or part not in names)
        for part in [operand, *topological_order(operand.operands, stop=names)]
    )


def _weightings(node: Node) -> Iterator[tuple[Node, Node]]:
    """Yield w and x of a product w x, where w is a variable that x does not depend on."""
    match node:
        case Apply(Multiply(), (left, right)):
            for one, other in ((_bare(left), _bare(right)), (_bare(right), _bare(left))):
                if isinstance(one, Input) and not isinstance(other, Const) and one not in topological_order([other]):
                    yield one, other


def _is_weighted(node: Node, names: Container[Node], biased: bool) -> bool:
    """Whether `node` is like w x + b of single units: a product of a variable and another, if `biased` plus a term."""
    match _bare(node):
        case Apply(Add() | Subtract(), terms):
            return any(_is_weighted(term, names, biased=False) for term in terms if term not in names)
        case Apply(Multiply()) as product if not biased:
            return any(True for _ in _weightings(product))
    return False


def name_arguments(
    program: Program, wrt: Sequence[Input], undivided: Container[Node] = (), elsewhere: Collection[str] = ()
) -> Program:
    """Name each argument of a function that is an expression and depends on `wrt`, the outermost first.

    So `sin(exp(x)²)` is sin(u) with u = v² and v = exp(x), and a chain has a factor for every step. An argument that
    depends directly on a matrix product is z, as in a layer, and so is w x or w x + b in an activation. A squared
    difference is r, the residual. In W g(x), a product with a matrix, g(x) has a name too. Not named are the norm in
    ‖r‖², a difference of two names, a named value of the forward pass beside a number, as in ln(1 − p) or exp(½ v), and
    a part in `undivided`. No name is one of those `elsewhere`.
    """
    named = dict(program.names)
    names = dict(named)
    taken = {node.name for node in program.inputs} | set(names.values()) | set(program.dim_names) | set(elsewhere)
    depends = _dependent(program, wrt)
    for node in reversed(program.nodes):
        is_weighting = _is_weighting(node)
        if not isinstance(node, Apply) or not (_is_function(node.primitive) or is_weighting):
            continue
        for operand in node.operands:
            part = _bare(operand, names)
            if is_weighting and not (applies(part, *_WEIGHTED) and _is_function(part.primitive) and part.type.ndim):
                continue
            if part in names or part in program.outputs or part not in depends or not part.type.dtype.is_float:
                continue
            if part in undivided:
                continue
            if isinstance(node.primitive, Square | Norm) and _is_difference(part, names):
                continue
            if isinstance(node.primitive, Square) and applies(part, Norm):
                continue
            if _is_beside_number(part, named):
                continue
            names[part] = next(name for name in _candidates(node, part, names) if name not in taken)
            taken.add(names[part])
    return program if len(names) == len(program.names) else Program(program.inputs, program.outputs, names)


def _is_function(primitive: object) -> bool:
    """Whether a primitive is written as a function or a power of its operand, and is not linear."""
    return isinstance(primitive, Elementwise | Composite | Nonlinear) and not isinstance(primitive, _NO_FUNCTIONS)


def _is_weighting(node: Node) -> bool:
    """Whether `node` is a product in which a matrix is multiplied."""
    return applies(node, Contract) and node.type.ndim > 0 and any(part.type.ndim > 1 for part in node.operands)


def _is_difference(node: Node, names: Mapping[Node, str]) -> bool:
    """Whether `node` is the difference of two named values."""
    match node:
        case Apply(Subtract(), operands):
            return all(part in names or not isinstance(part, Apply) for part in map(_bare, operands))
    return False


def _is_beside_number(node: Node, named: Mapping[Node, str]) -> bool:
    """Whether `node` is a named value of the forward pass plus, minus or times a number, or its negative."""
    match node:
        case Apply(Add() | Subtract() | Multiply() | Divide() | Negate(), operands):
            parts = [part for part in operands if not isinstance(_bare(part), Const)]
            return len(parts) == 1 and (parts[0] in named or _bare(parts[0]) in named)
    return False


def _bare(node: Node, names: Container[Node] = ()) -> Node:
    """Return the operand beneath broadcasts, transposes and conversions, or the first part of it in `names`."""
    while node not in names and applies(node, *_FREE):
        (node,) = node.operands
    return node


def _dependent(program: Program, wrt: Sequence[Input]) -> set[Node]:
    """Return the applications that depend on an input in `wrt`."""
    found: set[Node] = set(wrt)
    for node in program.nodes:
        if isinstance(node, Apply) and not found.isdisjoint(node.operands):
            found.add(node)
    return found - set(wrt)


def in_case(node: Node, letters: str) -> str:
    """Return letters for `node`: capitals for a matrix made of matrices with capital names, as U = X + A."""
    matrices = [part for part in topological_order([node]) if isinstance(part, Input) and part.type.ndim > 1]
    are_capital = matrices and all(part.name[:1].isupper() for part in matrices)
    return letters.upper().replace("T", "") if node.type.ndim > 1 and are_capital else letters


def _candidates(function: Apply, part: Node, names: Mapping[Node, str]) -> Iterator[str]:
    """Yield names for the argument of `function`, the best first."""
    squared = isinstance(function.primitive, Square | Norm)
    letters: Sequence[str] = in_case(part, _LETTERS)
    if squared and applies(part, Subtract):
        letters = in_case(part, "r" + _LETTERS)
    elif not squared and len(function.operands) == 1 and _is_pre_activation(part, function, names):
        letters = "z" + in_case(part, _LETTERS)
        numbers = [int(name[1:]) for name in names.values() if re.fullmatch(r"z\d+", name)]
        yield from (f"z{max(numbers) + 1}" for _ in numbers[:1])
    yield from letters
    yield from (letters[0] + str(k) for k in itertools.count(1))


def _is_pre_activation(part: Node, function: Apply, names: Mapping[Node, str]) -> bool:
    """Whether the argument of `function` is named as that of a layer."""
    weighted = is_activation(function.primitive) and _is_weighted(part, names, biased=False)
    return weighted or _follows_product(function, names)
