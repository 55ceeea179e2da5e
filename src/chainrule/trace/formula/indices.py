r"""Sums over indices, `\sum_{i=1}^n (y_i - w x_i)^2`: every `x_i` is a number, and the whole is written with arrays.

Below a sum, `x_i` stands for the vector x along the axis of i, and `A_{ij}` for a matrix; products go element by
element. Where the factors are those of a product of linear algebra, it is written as such: the sum over i and j of
`A_{ij} x_i y_j` is xᵀ A y. In `w^T x_i`, whose `x_i` must be a vector, the vectors are the rows of a matrix X.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard

from chainrule.trace.formula.contexts import Context
from chainrule.trace.formula.errors import Span
from chainrule.trace.formula.lexer import Token
from chainrule.trace.formula.syntax import Binary, Call, Name, Number, Option, Syntax, Unary, parts

_OF_ARRAYS = frozenset({
    "sum", "mean", "max", "min", "norm", "std", "var", "softmax", "log_softmax", "logsumexp", "dot", "inner", "tr",
    "det",
})  # fmt: skip
_PRODUCTS = (" ", "*", "·", ".*")
_ELEMENTWISE = {**dict.fromkeys(_PRODUCTS, ".*"), "/": "./", "^": ".^"}
_USUAL = frozenset("ijkl")
MOST_INDICES = 3


class Indices(Context):
    """A place in a formula, with the indices of the sums around it, outermost first."""

    _indices = ""

    def _summed(self, mark: Token, body: Syntax, own: str) -> Syntax:
        """Return the sum of `body` over the indices `own`, which are the last of those around it."""
        if mark.bound and own[0] in self._axes:
            self._sizes[mark.bound] = self._axes[own[0]]
        missing = [index for index in own if index not in self._letters(body)]
        span = mark.span.to(body.span)
        if missing:
            raise self._error(f"what is summed over {missing[0]} has no {missing[0]} in it; write n * (…)", mark.span)
        product = self._product_of_matrices(body, own, span)
        if product is not None:
            return product
        outer = len(self._indices) - len(own)
        if not outer and _is_sum_of_rows(body):
            return replace(body, options={}, span=span)
        if not outer:
            return self._call("sum", (body,), {}, mark.span, span)
        axes = tuple(range(-len(own), 0))
        return self._call("sum", (body,), {"axis": (axes, mark.span)}, mark.span, span)

    def _indexed(self, token: Token) -> Syntax | None:
        """Return the array that a name with indices stands for; None for a name without indices of the sums here."""
        stem, mark, letters = token.text.partition("_")
        if not (self._indices and mark) or token.text in self._given:
            return None
        if set(self._indices).isdisjoint(letters) and not set(letters) <= _USUAL:
            return None
        free = [letter for letter in letters if letter not in self._indices]
        if free == [letters] and stem in self._vectors:  # an element of a vector whose elements are summed over
            return None
        if free:
            raise self._error(
                f"{token.text} has the index {free[0]}, which is not summed over; write a sum over it, or whole arrays",
                token.span,
            )
        name = self._made(Name(stem, token.span))
        if len(letters) == 2 and letters[0] == letters[1]:
            name, letters = self._call("diag", (name,), {}, token.span, token.span), letters[0]
        if len(set(letters)) < len(letters):
            raise self._error(f"{token.text} has one index several times; write einsum for it", token.span)
        for axis, letter in enumerate(letters):
            self._axes.setdefault(letter, (stem, axis))
        options: dict[str, tuple[Option, Span]] = {"labels": (letters, token.span), "of": (self._indices, token.span)}
        return self._call("indexed", (name,), options, token.span, token.span)

    def _picked(self, token: Token) -> Syntax | None:
        r"""Return the element of a vector that z_y is beside `\sum_j e^{z_j}`; None for any other name."""
        stem, mark, below = token.text.partition("_")
        if not mark or stem not in self._vectors or len(below) != 1 or token.text in self._given | self._assigned:
            return None
        if below in self._summed_over:
            raise self._error(f"{token.text} stands outside the sum over {below}; write the sum around it", token.span)
        if below.isdigit():
            raise self._error(
                f"{token.text} may be an element of {stem}, counted from 0 or from 1, or a variable of its own; write "
                f"an index such as {stem}_k for the element, or state the shape of the variable",
                token.span,
            )
        name, index = self._made(Name(stem, token.span)), self._made(Name(below, token.span))
        return self._call("picked", (name, index), {}, token.span, token.span)

    def _element(self, operand: Syntax) -> Syntax:
        """Return the element `z[y]` of a vector; below a sum over i, `x[i]` is x_i."""
        token = self._take()
        span = operand.span.to(token.span)
        if token.text in self._summed_over:
            name = Token("name", f"{operand.name}_{token.text}", span) if isinstance(operand, Name) else None
            found = None if name is None else self._indexed(name)
            if found is None:
                raise self._error(f"only a name has the index {token.text} of a sum; write {token.text} below it", span)
            return found
        index = self._made(Name(token.text, token.span))
        return self._call("picked", (operand, index), {}, token.span, span)

    def _with_indices(self, operator: str, left: Syntax, right: Syntax, mark: Span) -> Syntax | None:
        """Return an operation below a sum, in which indexed values are numbers; None if neither has an index."""
        a, b = self._letters(left), self._letters(right)
        if not (a or b):
            return None
        if operator in (" ", "*", "·", "@"):
            if isinstance(left, Binary) and left.operator == ".*" and _is_row(left.right):  # y_i w' x_i
                return self._binary(".*", left.left, self._of_rows(left.right, right, mark), mark)
            if _is_row(left):
                return self._of_rows(left, right, mark)
            if _is_row(right):
                return self._binary(".*", left, right, mark)
        if not a or not b:
            self._numbers.update(_names(right if a else left))
        if operator in ("^", "**", ".^") and isinstance(right, Number) and right.value == 2 and _is_length(left):
            squares = self._binary(".^", left.arguments[0], right, mark)
            found = self._call("sum", (squares,), {"axis": (1, mark)}, mark, left.span.to(right.span))
            self._rows[found] = self._rows[left]
            return found
        return self._binary(_ELEMENTWISE.get(operator, operator), left, right, mark)

    def _letters(self, node: Syntax) -> dict[str, None]:
        """Return the indices in an expression, in their order."""
        if isinstance(node, Call) and node.function == "indexed":
            return dict.fromkeys(str(node.options["labels"][0]))
        found: dict[str, None] = dict.fromkeys(self._rows.get(node, ""))
        for part in parts(node):
            found |= self._letters(part)
        return found

    def _check_numbers(self, function: str, arguments: Sequence[Syntax], span: Span) -> None:
        """Raise FormulaError for a norm, or another function of whole arrays, of what are numbers below a sum."""
        if function in _OF_ARRAYS and any(map(self._letters, arguments)):
            raise self._error(
                f"below a sum over an index its terms are numbers, of which there is no {function}; write the sum with "
                "whole arrays, as in norm(Y - X*W)^2",
                span,
            )

    def _norm_of_rows(
        self, inner: Syntax, mark: Span, span: Span, options: dict[str, tuple[Option, Span]]
    ) -> Syntax | None:
        """Return the norms of the rows of a matrix, for ‖x_i − c‖ below a sum, whose x_i must be a vector.

        None if nothing in the norm has an index.
        """
        letters = self._letters(inner)
        if not letters:
            return None
        rows = self._with_rows(inner) if len(letters) == 1 else None
        if rows is None:
            self._check_numbers("norm", (inner,), span)
        assert rows is not None
        (letter,) = letters
        found = self._call("norm", (rows,), {**options, "axis": (1, mark)}, mark, span)
        self._rows[found] = letter
        return found

    def _with_rows(self, node: Syntax) -> Syntax | None:
        """Return sums of vectors x_i, c, W x_i and numbers times these with a row for each i; None for others."""
        match node:
            case Call("indexed", (Name() as name,)) if len(self._letters(node)) == 1:
                matrix = self._made(replace(name, name=name.name.upper()))
                self._axes[next(iter(self._letters(node)))] = (name.name.upper(), 0)
                return matrix
            case Binary("+" | "-", left, right):
                first, second = (self._with_rows(x) if self._letters(x) else x for x in (left, right))
                for term in (left, right):
                    if not self._letters(term):  # a vector, beside others, where it has been taken for a number
                        self._numbers.difference_update(_names(term))
                return None if first is None or second is None else replace(node, left=first, right=second)
            case Binary(".*" | " " | "*" | "@" | "·", Name() as factor, right) if not self._letters(factor):
                rows = self._with_rows(right)
                if rows is None:
                    return None
                self._numbers.discard(factor.name)
                if factor.name[:1].isupper():
                    return self._binary("@", rows, self._unary("'", factor, factor.span), node.mark)
                return self._binary("*", factor, rows, node.mark)
            case Unary("-", operand):
                inner = self._with_rows(operand)
                return None if inner is None else replace(node, operand=inner)
        return None

    def _with_sizes(self, node: Syntax) -> Syntax:
        """Return an expression in which the last value of an index, n in a sum up to n, is a size."""
        if isinstance(node, Name):
            array = self._sizes.get(node.name)
            if array is None or node.name in self._given | self._assigned:
                return node
            dim: dict[str, tuple[Option, Span]] = {"dim": (array[1] + 1, node.span)}
            return self._call("size", (Name(array[0], node.span),), dim, node.span, node.span)
        if isinstance(node, Binary):
            return replace(node, left=self._with_sizes(node.left), right=self._with_sizes(node.right))
        if isinstance(node, Unary):
            return replace(node, operand=self._with_sizes(node.operand))
        if isinstance(node, Call):
            return replace(node, arguments=tuple(map(self._with_sizes, node.arguments)))
        return node

    def _of_rows(self, left: Syntax, right: Syntax, mark: Span) -> Syntax:
        """Return the product of the rows of X with a vector, for `w^T x_i` and `x_i^T w`."""
        assert isinstance(left, Unary)
        vector, row = (left.operand, right) if not self._letters(left) else (right, left.operand)
        if (
            self._letters(vector)
            or not (isinstance(row, Call) and row.function == "indexed")
            or len(self._letters(row)) > 1
        ):
            raise self._error(
                "below a sum with indices a transpose is that of w' x_i only, with one vector for each i; write the "
                "sum with matrices, as in norm(Y - X*W)^2",
                left.span.to(right.span),
            )
        (name,) = row.arguments
        assert isinstance(name, Name)
        matrix = self._made(replace(name, name=name.name.upper()))
        (letter,) = self._letters(row)
        self._axes[letter] = (name.name.upper(), 0)
        product = self._binary("@", matrix, vector, mark)
        self._rows[product] = letter
        return product

    def _product_of_matrices(self, body: Syntax, own: str, span: Span) -> Syntax | None:
        """Return a product of linear algebra for a product of one matrix and vectors; None for any other sum."""
        factors = _factors(body)
        labels = ["".join(self._letters(factor)) for factor in factors]
        if any(not (isinstance(each, Call) and each.function == "indexed") for each in factors):
            return None
        names = [each.arguments[0] for each in factors if isinstance(each, Call)]
        matrices = [place for place, each in enumerate(labels) if len(each) == 2]
        vectors: dict[str, Syntax] = {}
        for each, name in zip(labels, names, strict=True):
            if len(each) == 1:
                known = vectors.get(each)
                vectors[each] = name if known is None else self._binary(".*", known, name, name.span)
        if len(matrices) != 1 or not all(1 <= len(each) <= 2 for each in labels):
            return None
        if not vectors.keys() <= set(labels[matrices[0]]):
            return None
        matrix, first, second = names[matrices[0]], labels[matrices[0]][0], labels[matrices[0]][1]
        mark = matrix.span
        if set(own) == {first, second} == vectors.keys():
            row = self._unary("'", vectors[first], span)
            return self._binary("@", self._binary("@", row, matrix, mark), vectors[second], mark)
        if vectors.keys() == set(own) and len(self._indices) == 2:
            turned = matrix if own == second else self._unary("'", matrix, mark)
            found = self._binary("@", turned, vectors[own], mark)
            self._rows[found] = first if own == second else second
            return found
        return None


def _is_length(node: Syntax) -> TypeGuard[Call]:
    """Whether an expression is the Euclidean norm of each row of a matrix."""
    order = node.options.get("ord", ("2", None))[0] if isinstance(node, Call) and node.function == "norm" else None
    return str(order) == "2" and isinstance(node, Call) and "axis" in node.options


def _is_sum_of_rows(node: Syntax) -> TypeGuard[Call]:
    return isinstance(node, Call) and node.function == "sum" and node.options.get("axis", (None,))[0] == 1


def _is_row(node: Syntax) -> bool:
    return isinstance(node, Unary) and node.operator == "'"


def _factors(node: Syntax) -> list[Syntax]:
    if isinstance(node, Binary) and node.operator == ".*":
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _names(node: Syntax) -> Iterator[str]:
    """Yield the variables of arithmetic; those within functions may be of any shape."""
    if isinstance(node, Name):
        yield node.name
    elif not isinstance(node, Call):
        for part in parts(node):
            yield from _names(part)
