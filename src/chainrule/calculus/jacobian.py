"""The matrix of a linear map in closed form: Xᵀ diag(s) X, diag(p) − p pᵀ, Bᵀ ⊗ A, read off from dy = J dx.

The labelled products of a linear map are reduced label by label to matrices between the axes of dx and of dy. Matrices
are vectors of their columns: vec(A X B) = (Bᵀ ⊗ A) vec(X), and K vec(X) = vec(Xᵀ).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainrule.calculus.chain_sums import Weighted, as_chain, number_apart, with_common_factors, with_rows_as_products
from chainrule.calculus.chains import product_of_chain
from chainrule.calculus.collect import expanded
from chainrule.calculus.facts import Facts
from chainrule.calculus.matrices import MULTIPLY_OUT
from chainrule.calculus.networks import Labels, LinearTerm, NoClosedFormError, linear_terms
from chainrule.calculus.rules import RULES
from chainrule.calculus.simplify import Simplifier, simplify
from chainrule.calculus.terms import Term, common_factor, factors, product_of, with_powers
from chainrule.ir import Apply, ArrayType, Const, Dim, Input, Node, SymbolicDim, dim_product, named_dim, substitute
from chainrule.primitives import (
    Add,
    Broadcast,
    Concatenate,
    Contract,
    DiagonalMatrix,
    Kronecker,
    Multiply,
    Negate,
    Permute,
    Reshape,
    Subtract,
    Sum,
    Vec,
    commutation_matrix,
    identity,
    matmul,
)


def jacobian_matrix(
    linear_map: Node, tangent: Input, names: Mapping[Node, Node] | None = None, facts: Facts | None = None
) -> Node:
    """Return the matrix J of a linear map dy = J dx, or vec(dy) = J vec(dx) for matrices.

    A number has no axis: its derivative has the shape of what changes with it. Vectors that are joined have their
    matrices one below the other. `names` maps expressions to symbols that
    are written in their place among the numbers in front of matrices; `facts` are what is known of the symbols.

    Raises NoClosedFormError if there is none.
    """
    if max(linear_map.type.ndim, tangent.type.ndim) > 2:
        raise NoClosedFormError("an array of more than two axes has no matrix of its differential; see its elements")
    match linear_map:
        case Apply(Concatenate(0) as rows, vectors) if linear_map.type.ndim == 1:
            return rows(*(jacobian_matrix(vector, tangent, names, facts) for vector in vectors))
    if not tangent.type.ndim and linear_map.type.ndim:
        return _by_number(linear_map, tangent)
    if not tangent.type.ndim:
        return jacobian_tensor(linear_map, tangent)
    parts = [_part(term) for term in linear_terms(linear_map, tangent)]
    shape = tuple(dim_product(x.type.shape) for x in (linear_map, tangent) if x.type.ndim)
    total = _total(parts, tangent.type.with_shape(shape), names or {})
    known = [rule for rule in (facts.rules if facts else ()) if rule.name != MULTIPLY_OUT]
    replaced = {MULTIPLY_OUT, *(rule.name for rule in known)}
    return with_rows_as_products(Simplifier([*known, *(rule for rule in RULES if rule.name not in replaced)])(total))


def jacobian_tensor(linear_map: Node, tangent: Input) -> Node:
    """Return the coefficients of a linear map as an array with the axes of dy, then those of dx.

    Raises NoClosedFormError if an operation on the tangent has none.
    """
    match linear_map:
        case Apply(Concatenate() as joined, parts):
            return joined(*(jacobian_tensor(part, tangent) for part in parts))
    total: Node = Const(0, tangent.type.with_shape((*linear_map.type.shape, *tangent.type.shape)))
    for term in linear_terms(linear_map, tangent):
        total = total + _tensor(term, tangent.type)
    return expanded(simplify(total))


def transposed_matrix(matrix: Node) -> Node:
    """Return the transpose of a matrix in closed form, in which no symmetric factor is transposed."""
    match matrix:
        case Apply(Add() | Subtract() as sign, (x, y)):
            return sign(transposed_matrix(x), transposed_matrix(y))
    number, core = number_apart(simplify(Permute((1, 0))(matrix)))
    return with_rows_as_products(_added([(number, core)], matrix.type, {}))


def _by_number(linear_map: Node, tangent: Input) -> Node:
    """Return the derivative of an array by a number."""
    if linear_map.type.ndim > 1:
        return jacobian_tensor(linear_map, tangent)
    graphs = [(_graph(term), term.out[0]) for term in linear_terms(linear_map, tangent)]
    vectors = [_scaled(graph.scalar, graph.vectors.get(row, graph.ones(row, graph.scalar))) for graph, row in graphs]
    return simplify(_sum(vectors)) if vectors else Const(0, linear_map.type)


def _tensor(term: LinearTerm, like: ArrayType) -> Node:
    """Return the coefficients of one term, as one contraction."""
    fresh = max(term.sizes, default=0) + 1
    operands, inputs, columns = list[Node](), list[Labels](), list[int]()
    taken = set(term.out)
    for k, label in enumerate((*term.out, *term.into)):
        if k < len(term.out) and label not in term.out[:k]:
            continue
        if label in taken or label in columns or k < len(term.out):
            one = identity(term.sizes[label], like.dtype)
            operands.append(one)
            inputs.append((label, fresh + k))
            label = fresh + k
        columns.append(label)
    wanted = _first_labels(term.out, fresh, columns)
    operands = [*(node for node, labels in term.factors if labels), *operands]
    inputs = [*(labels for _, labels in term.factors if labels), *inputs]
    shape = tuple(term.sizes[label] for label in (*term.out, *term.into))
    known = {label for labels in inputs for label in labels}
    total: Node = Const(term.number, like.with_shape(()))
    for node, labels in term.factors:
        total = total if labels else total * node
    kept = tuple(label for label in wanted if label in known)
    if not operands:
        return Broadcast(shape, ())(total) if shape else total
    product: Node = (
        operands[0] if len(operands) == 1 and inputs[0] == kept else Contract(tuple(inputs), kept)(*operands)
    )
    axes = tuple(axis for axis, label in enumerate(wanted) if label in known)
    product = product if len(axes) == len(shape) else Broadcast(shape, axes)(product)
    return total * product


def _first_labels(out: Labels, fresh: int, columns: Sequence[int]) -> Labels:
    """Return the labels of the axes of a result: those of dy, repeated ones replaced, then those of dx."""
    seen = list[int]()
    replaced = iter(columns)
    for k, label in enumerate(out):
        seen.append(label if label not in out[:k] else next(replaced))
    return (*seen, *replaced)


# Reduction of one term to matrices between axes


@dataclass
class _Graph:
    """The factors of a term: numbers, a vector along a label, a matrix between two labels."""

    scalar: Node
    vectors: dict[int, Node]
    matrices: dict[Labels, Node]
    sizes: dict[int, Dim]

    def weigh(self, label: int, vector: Node) -> None:
        """Multiply by a vector along a label."""
        known = self.vectors.get(label)
        self.vectors[label] = vector if known is None else Multiply()(known, vector)

    def join(self, first: int, second: int, matrix: Node) -> None:
        """Multiply by a matrix between two labels."""
        if first == second:
            raise NoClosedFormError("a diagonal within a product")
        if (second, first) in self.matrices:
            first, second, matrix = second, first, Permute((1, 0))(matrix)
        known = self.matrices.get((first, second))
        self.matrices[first, second] = matrix if known is None else Multiply()(known, matrix)

    def matrix(self, row: int, column: int) -> Node | None:
        """Return the matrix with these labels of rows and columns, if there is one."""
        if (row, column) in self.matrices:
            return self.matrices[row, column]
        turned = self.matrices.get((column, row))
        return None if turned is None else Permute((1, 0))(turned)

    def ones(self, label: int, like: Node) -> Node:
        return Const(1, like.type.with_shape((self.sizes[label],)))


def _graph(term: LinearTerm) -> _Graph:
    kept = {*term.out, *term.into}
    dtype = ArrayType(()) if not term.factors else term.factors[0][0].type.with_shape(())
    graph = _Graph(Const(term.number, dtype), {}, {}, dict(term.sizes))
    for node, labels in term.factors:
        if len(labels) == 0:
            graph.scalar = Multiply()(graph.scalar, node)
        elif len(labels) == 1:
            graph.weigh(labels[0], node)
        elif len(labels) == 2:
            graph.join(*labels, node)
        else:
            raise NoClosedFormError("a product of an array of more than two axes has no matrix")
    pending = sorted({label for _, labels in term.factors for label in labels} - kept)
    while pending:
        degree = {label: sum(label in pair for pair in graph.matrices) for label in pending}
        label = min(pending, key=lambda each: (degree[each], each))
        _eliminate(graph, label, degree[label])
        pending.remove(label)
    return graph


def _eliminate(graph: _Graph, label: int, degree: int) -> None:
    """Sum over a label that at most two matrices have."""
    weight = graph.vectors.pop(label, None)
    pairs = [pair for pair in graph.matrices if label in pair]
    ends = [second if first == label else first for first, second in pairs]
    if degree == 0:
        assert weight is not None
        graph.scalar = Multiply()(graph.scalar, Sum((0,))(weight))
        return
    if degree > 2:
        raise NoClosedFormError("three matrices meet along one axis")
    matrices = [graph.matrix(end, label) for end in ends]
    for pair in pairs:
        del graph.matrices[pair]
    first = matrices[0]
    assert first is not None
    if degree == 1:
        graph.weigh(ends[0], Sum((1,))(first) if weight is None else matmul(first, weight))
        return
    second = matrices[1]
    assert second is not None
    middle: Node = Permute((1, 0))(second)
    if weight is not None:
        middle = matmul(_diagonal(graph, weight), middle)
    graph.join(ends[0], ends[1], matmul(first, middle))


@dataclass(frozen=True)
class _Part:
    """One term of a matrix: `scalar` times diag(`diagonal`), I if that is None, or times `matrix`, or a Kronecker
    product of `outer` and `inner`; `turned` if a commutation matrix follows.
    """

    scalar: Node
    kind: str
    diagonal: Node | None = None
    matrix: Node | None = None
    outer: Node | None = None
    inner: Node | None = None
    turned: Node | None = None


def _part(term: LinearTerm) -> _Part:
    graph = _graph(term)
    out, into = term.out, term.into
    if len(out) < 2 and len(into) < 2:
        return _between_vectors(graph, out, into)
    return _between_matrices(graph, out, into)


def _between_vectors(graph: _Graph, out: Labels, into: Labels) -> _Part:
    if not out:
        (column,) = into
        return _Part(graph.scalar, "full", matrix=graph.vectors.get(column, graph.ones(column, graph.scalar)))
    (row,), (column,) = out, into
    if row == column:
        return _Part(graph.scalar, "diagonal", graph.vectors.get(row))
    matrix = _block(graph, row, column)
    return _Part(graph.scalar, "full", matrix=matrix)


def _block(graph: _Graph, row: int, column: int) -> Node:
    """Return the matrix between two different labels; an outer product if no factor has both."""
    matrix = graph.matrix(row, column)
    if matrix is None:
        left, right = (graph.vectors.get(label, graph.ones(label, graph.scalar)) for label in (row, column))
        return Contract(((0,), (1,)), (0, 1))(left, right)
    if row in graph.vectors:
        matrix = matmul(_diagonal(graph, graph.vectors[row]), matrix)
    if column in graph.vectors:
        matrix = matmul(matrix, _diagonal(graph, graph.vectors[column]))
    return matrix


def _diagonal(graph: _Graph, vector: Node) -> Node:
    """Return the diagonal matrix of a vector, whose number goes to those of the term."""
    number, bare = number_apart(tidy(vector))
    graph.scalar = Multiply()(graph.scalar, number)
    return DiagonalMatrix()(bare)


def _between_matrices(graph: _Graph, out: Labels, into: Labels) -> _Part:
    """Return a Kronecker product, with the part along the second axes first, or an outer product of vectors."""
    if not out or not into:
        vector = _as_vector(graph, out or into)
        return _Part(graph.scalar, "full", matrix=vector)
    for rows, columns, turned in _placements(out, into):
        commutation = None
        if turned:
            commutation = commutation_matrix(graph.sizes[into[0]], graph.sizes[into[1]], graph.scalar.type.dtype)
        slots = [{label for label in pair if label is not None} for pair in zip(rows, columns, strict=True)]
        if _separate(graph, slots):
            inner, outer = [_in_slot(graph, *pair) for pair in zip(rows, columns, strict=True)]
            return _Part(graph.scalar, "kronecker", outer=outer, inner=inner, turned=commutation)
        if rows == columns and len(set(out)) == 2 and not graph.vectors and graph.matrix(*out) is not None:
            weight = graph.matrix(*out)
            assert weight is not None
            return _Part(graph.scalar, "diagonal", Vec()(weight), turned=commutation)
    if set(out).isdisjoint(into) and _separate(graph, [set(out), set(into)]):
        left, right = [_as_vector(graph, labels) for labels in (out, into)]
        return _Part(graph.scalar, "full", matrix=Contract(((0,), (1,)), (0, 1))(left, right))
    raise NoClosedFormError("the matrix is no sum of Kronecker products")


Slots = tuple[int | None, int | None]


def _placements(out: Labels, into: Labels) -> Iterator[tuple[Slots, Slots, bool]]:
    """Yield the axes of dy and of dx by place, a missing one as None, and whether those of dx are exchanged."""
    match out, into:
        case (a, b), (c, d):
            yield (a, b), (c, d), False
            yield (a, b), (d, c), True
        case (a, b), (c,):
            yield (a, b), (c, None), False
            yield (a, b), (None, c), False
        case (a,), (c, d):
            yield (a, None), (c, d), False
            yield (None, a), (c, d), False


def _separate(graph: _Graph, groups: Sequence[set[int]]) -> bool:
    """Whether no label is in two groups, and no matrix goes from one to another."""
    if not groups[0].isdisjoint(groups[1]):
        return False
    return all(any(set(pair) <= group for group in groups) for pair in graph.matrices)


def _in_slot(graph: _Graph, row: int | None, column: int | None) -> Node:
    """Return the matrix between the axes of dy and dx at one place; a missing axis has size 1."""
    like = graph.scalar
    if row is not None and row == column:
        weight = graph.vectors.get(row)
        return identity(graph.sizes[row], like.type.dtype) if weight is None else DiagonalMatrix()(weight)
    if row is not None and column is not None:
        return _block(graph, row, column)
    label = column if row is None else row
    assert label is not None
    vector = graph.vectors.get(label, graph.ones(label, like))
    return Reshape((1, graph.sizes[label]) if row is None else (graph.sizes[label], 1))(vector)


def _as_vector(graph: _Graph, labels: Labels) -> Node:
    """Return a vector, or a matrix as the vector of its columns."""
    if len(labels) == 1:
        return graph.vectors.get(labels[0], graph.ones(labels[0], graph.scalar))
    if len(set(labels)) == 1:
        vector = graph.vectors.get(labels[0])
        size = graph.sizes[labels[0]]
        return Vec()(identity(size, graph.scalar.type.dtype) if vector is None else DiagonalMatrix()(vector))
    return Vec()(_block(graph, *labels))


# Sums of terms


def _total(parts: Sequence[_Part], like: ArrayType, names: Mapping[Node, Node]) -> Node:
    """Return the sum of the parts: diagonals as one, Kronecker products with equal factors together."""
    summands = [*_diagonals(parts, like), *_kroneckers(parts)]
    summands += [(part.scalar, part.matrix) for part in parts if part.kind == "full" and part.matrix is not None]
    return _added(summands, like, names)


def _added(summands: Sequence[Weighted], like: ArrayType, names: Mapping[Node, Node]) -> Node:
    """Return a sum of numbers times arrays, with equal arrays together and common factors in front."""
    collected: dict[Node, Node] = {}
    for number, matrix in summands:
        more, core = number_apart(tidy(matrix) if matrix.type.ndim < 2 else simplify(matrix))
        (number,) = substitute([simplify(number * more)], names)
        core = product_of_chain(as_chain(core)) if core.type.ndim == 2 else core
        if core in collected:
            (number,) = substitute([simplify(collected[core] + number)], names)
        collected[core] = simplify(number)
    terms = [(number, core) for core, number in collected.items()]
    if len(terms) > 1 and len(like.shape) == 2:
        terms = with_common_factors(terms, lambda inner: _added(inner, inner[0][1].type, names))
    return _with_common_number([(_by_sizes(factors(number)), core) for number, core in terms], like)


def _by_sizes(term: Term) -> Term:
    """Return a number with the factors n of sizes such as n·n apart, which terms may have in common."""
    result = Term(term.number, ())
    for factor, exponent in term.powers:
        found: Term = Term(1, ((factor, exponent),))
        match factor:
            case Const(SymbolicDim(terms=((monomial, count),))) if len(monomial) > 1:
                found = Term(count, ()).to_the(exponent)
                for name in monomial:
                    found = found.times(Term(1, ((Const(named_dim(name), factor.type), exponent),)))
        result = result.times(found)
    return result


def _diagonals(parts: Sequence[_Part], like: ArrayType) -> list[Weighted]:
    found = list[Weighted]()
    for turned in dict.fromkeys(part.turned for part in parts if part.kind == "diagonal"):
        mine = [part for part in parts if part.kind == "diagonal" and part.turned is turned]
        vectors = [_scaled(part.scalar, part.diagonal) for part in mine if part.diagonal is not None]
        numbers = [part.scalar for part in mine if part.diagonal is None]
        if vectors:
            number, vector = number_apart(tidy(_sum(vectors)))
            found.append((number, _followed(DiagonalMatrix()(vector), turned)))
        if numbers:
            found.append((_sum(numbers), _followed(identity(like.shape[0], like.dtype), turned)))
    return found


def tidy(node: Node) -> Node:
    """Return a simplified elementwise product with equal factors as powers."""
    return with_powers(simplify(node))


def _kroneckers(parts: Sequence[_Part]) -> list[Weighted]:
    """Return Kronecker products; those that share their first or second factor are added."""
    pairs = [
        (simplify(_scaled(part.scalar, part.inner)), simplify(part.outer), part.turned)
        for part in parts
        if part.kind == "kronecker" and part.inner is not None and part.outer is not None
    ]
    for place in (1, 0):
        pairs = _joined(pairs, place)
    found = []
    for inner, outer, turned in pairs:
        number, bare = number_apart(inner)
        more, core = number_apart(outer)
        found.append((number * more, _followed(Kronecker()(core, bare), turned)))
    return found


Pair = tuple[Node, Node, Node | None]


def _joined(pairs: Sequence[Pair], place: int) -> list[Pair]:
    """Add the other factors of pairs that have the same factor at `place`."""
    groups: dict[tuple[Node, Node | None], list[Node]] = {}
    for first, second, turned in pairs:
        shared, other = (second, first) if place else (first, second)
        groups.setdefault((shared, turned), []).append(other)
    joined = list[Pair]()
    for (shared, turned), others in groups.items():
        total = simplify(_sum(others))
        joined.append((total, shared, turned) if place else (shared, total, turned))
    return joined


def _followed(matrix: Node, turned: Node | None) -> Node:
    return matrix if turned is None else matmul(matrix, turned)


def _scaled(number: Node, x: Node) -> Node:
    """Return number · x."""
    if isinstance(number, Const) and number.is_filled:
        return x if number.filled_with(1) else Multiply()(Const(number.value, x.type), x)
    return Multiply()(Broadcast(x.type.shape, ())(number), x) if x.type.ndim else Multiply()(number, x)


def _sum(nodes: Sequence[Node]) -> Node:
    total = nodes[0]
    for node in nodes[1:]:
        total = total + node
    return total


def _with_common_number(summands: Sequence[tuple[Term, Node]], like: ArrayType) -> Node:
    """Return the sum of number · array, with the common factor of the numbers in front, and positive terms first."""
    summands = sorted((each for each in summands if each[0].number), key=lambda each: each[0].number < 0)
    if not summands:
        return Const(0, like)
    common = common_factor([term for term, _ in summands])
    numbers = [abs(term.number) for term, _ in summands]
    if all(number.is_integer() for number in map(float, numbers)):
        common = Term(float(math.gcd(*map(int, numbers))), common.powers)
    if all(term.number < 0 for term, _ in summands):
        common = Term(-common.number, common.powers)
    total: Node | None = None
    for term, core in summands:
        rest = term.times(common.inverse())
        part = _scaled(_number(rest, like), core)
        if total is None:
            total = Negate()(part) if rest.number < 0 else part
        else:
            total = (Subtract() if rest.number < 0 else Add())(total, part)
    assert total is not None
    number = _number(common, like)
    return Negate()(_scaled(number, total)) if common.number < 0 else _scaled(number, total)


def _number(term: Term, like: ArrayType) -> Node:
    """Return a term without its sign, with equal factors as powers."""
    return simplify(with_powers(product_of(Term(abs(term.number), term.powers), like.with_shape(()))))
