"""Expressions in the notation of another program."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from chainrule.calculus import chain_of, is_column, is_row
from chainrule.derivation import Notator, Record, is_upstream, output_name, text_of
from chainrule.emit.dialects import Dialect
from chainrule.emit.errors import EmitError
from chainrule.emit.names import ascii_identifier
from chainrule.ir import Apply, Const, Dim, Input, Node, SymbolicDim, reading_order
from chainrule.primitives import (
    Abs,
    Add,
    Adjugate,
    Broadcast,
    Cast,
    Commutation,
    Compare,
    Concatenate,
    Contract,
    Determinant,
    Diagonal,
    DiagonalMatrix,
    Divide,
    DivideNoNan,
    Erf,
    Erfc,
    Inverse,
    Kronecker,
    LessOne,
    LogDeterminant,
    LogNoNan,
    Max,
    Maximum,
    Mean,
    Min,
    Minimum,
    Multiply,
    Negate,
    Norm,
    Permute,
    Power,
    Relu,
    Reshape,
    Sigmoid,
    Slice,
    Softmax,
    Square,
    Subtract,
    Sum,
    Trace,
    Ufunc,
    Vec,
    Where,
    exp,
)
from chainrule.words import shortened

SUM, PRODUCT, SIGN, POWER, ATOM = range(5)


class Written(NamedTuple):
    """A text with the precedence of its outermost operator."""

    text: str
    level: int


class _OnDemand(dict[str, str]):
    """The parts of a template, made when it has them."""

    def __init__(self, parts: Mapping[str, Callable[[], str]]) -> None:
        super().__init__()
        self._parts = parts

    def __missing__(self, name: str) -> str:
        return self._parts[name]()


class Speller:
    """Writes the expressions of a record in a dialect, and keeps the sizes that they name."""

    def __init__(self, record: Record, dialect: Dialect) -> None:
        self._dialect = dialect
        self._notator = Notator(record)
        self.sizes: dict[str, None] = {}

    def text(self, node: Node) -> str:
        """Return the text of an expression; raise EmitError for an operation that the dialect lacks."""
        return self._written(node).text

    def name(self, node: Input) -> str:
        """Return the name of a variable as the dialect has it."""
        name = f"d{output_name(node)}" if is_upstream(node) else node.name
        return ascii_identifier(name) if self._dialect.is_ascii else name

    # Expressions

    def _written(self, node: Node) -> Written:
        dialect = self._dialect
        if isinstance(node, Apply) and node.type.ndim and (number := self._number_of(node)) is not None:
            return self._filled(number, node.type.shape)
        match node:
            case Input():
                return Written(self.name(node), ATOM)
            case Const():
                return self._constant(node)
            case Apply(Add() as plus, (x, y)) | Apply(Subtract() as plus, (x, y)):
                return self._sum(isinstance(plus, Add), x, y)
            case Apply(Negate(), (x,)):
                return Written(f"-{self._at(x, PRODUCT)}", SIGN)
            case Apply(Multiply(), (x, y)):
                return self._product(x, y)
            case Apply(Divide() | DivideNoNan(), (x, y)):
                below = self._number_of(y)
                operator = "/" if below is not None or not node.type.ndim else dialect.over
                above = self._number_of(x)
                left = self._bracketed(above or self._written(x), PRODUCT)
                right = self._bracketed(below or self._written(y), SIGN)
                return Written(f"{left}{self._spaced(operator)}{right}", PRODUCT)
            case Apply(Square(), (x,)):
                return self._power(node, self._at(x, ATOM), Written("2", ATOM))
            case Apply(Power(), (x, y)):
                return self._power(node, self._at(x, ATOM), self._number_of(y) or self._written(y))
            case Apply(Contract(), _):
                return self._contraction(node)
            case Apply(Sum(axes), (x,)):
                return self._reduced(x, axes)
            case Apply(Mean(axes), (x,)) if len(axes) == x.type.ndim:
                sizes = [Written(self._size(size), SUM) for size in x.type.shape]
                count = "*".join(self._bracketed(size, PRODUCT if len(sizes) > 1 else SUM) for size in sizes)
                divisor = f"({count})" if len(sizes) > 1 else count
                return Written(f"{self._function('sum', x)}/{divisor}", PRODUCT)
            case Apply(Mean((axis,)), (x,)) if x.type.ndim == 2:
                total = self._bracketed(self._reduced(x, (axis,)), PRODUCT)
                return Written(f"{total}/{self._size(x.type.shape[axis])}", PRODUCT)
            case Apply(Norm(mean=True), (x,)) if node.type.ndim == 0 and x.type.ndim == 1:
                root = f"{dialect.functions['sqrt']}({self._size(x.type.shape[0])})"
                return Written(f"{self._function('norm', x)}/{root}", PRODUCT)
            case Apply(Max() | Min() as extremum, (x,)) if node.type.ndim == 0 and x.type.ndim == 1 and dialect.above:
                return Written(self._function(extremum.kind, x), ATOM)
            case Apply(Norm(mean=False), (x,)) if node.type.ndim == 0:
                if x.type.ndim == 2 and not dialect.adds_numbers:  # its norms are those of vectors
                    return Written(f"sqrt({self._of('tr', self._factors([(x, True), (x, False)]))})", ATOM)
                return Written(self._function("norm", x), ATOM)
            case Apply(Inverse(), (x,)) if x.type.ndim == 2:
                return Written(self._function("inv", x), ATOM)
            case Apply(Determinant(), (x,)) if x.type.ndim == 2:
                return Written(self._function("det", x), ATOM)
            case Apply(LogDeterminant(), (x,)) if x.type.ndim == 2:
                return Written(self._function("logdet", x), ATOM)
            case Apply(Adjugate(), (x, determinant)) if x.type.ndim == 2:
                return Written(f"{self._at(determinant, ATOM)}*{self._function('inv', x)}", PRODUCT)
            case Apply(Trace(), (x,)) if x.type.ndim == 2:
                return Written(self._function("tr", x), ATOM)
            case Apply(Diagonal(), (x,)) if x.type.ndim == 2:
                return Written(self._function("diag", x), ATOM)
            case Apply(DiagonalMatrix(), (x,)) if x.type.ndim == 1:
                return self._diagonal_matrix(x)
            case Apply(Broadcast(), _):
                return self._repeated(node)
            case Apply(Kronecker() | Vec() | Permute() | Reshape() | Slice() | Concatenate()):
                return self._arranged(node)
            case Apply():
                return self._elementwise(node)
        raise self._missing(node)

    def _arranged(self, node: Apply) -> Written:
        """Write an array whose elements are those of others."""
        dialect = self._dialect
        match node:
            case Apply(Kronecker(), (x, y)):
                return self._arrangement(node, "kron", x=self._sized(x), y=self._sized(y))
            case Apply(Vec(), (x,)):
                return self._arrangement(node, "vec", x=self.text(x))
            case Apply(Permute((1, 0)), (Apply(Reshape((columns, rows)), (x,)),)):
                sizes = {"n": self._size(rows), "m": self._size(columns)}
                return self._arrangement(node, "matrix", x=self.text(x), **sizes)
            case Apply(Permute((1, 0)), (x,)):
                return Written(f"{self._at(x, ATOM)}{dialect.transpose}", ATOM)
            case Apply(Reshape((1, _)), (x,)) if x.type.ndim == 1:
                if dialect.has_columns:
                    return Written(f"{self._at(x, ATOM)}{dialect.transpose}", ATOM)
                return Written(f"np.atleast_2d({self.text(x)})", ATOM)
            case Apply(Slice((start,), (size,), (1,)), (x,)) if dialect.slices_expressions or isinstance(x, Input):
                low, high = self._size(start + dialect.first_axis), self._size(start + size)
                return self._arrangement(node, "slice", x=self._at(x, ATOM), low=low, high=high)
            case Apply(Concatenate(), parts) if node.type.ndim == 1:
                return self._arrangement(node, "join", x=dialect.between.join(map(self.text, parts)))
        raise self._missing(node)

    def _arrangement(self, node: Apply, name: str, **parts: str) -> Written:
        template = self._dialect.arrangements.get(name)
        if template is None:
            raise self._missing(node)
        return Written(template.format(**parts), ATOM)

    def _sized(self, node: Node) -> str:
        """Write a matrix whose size cannot follow from what stands beside it."""
        match node:
            case Apply(DiagonalMatrix(), (Const() as ones,)) if ones.filled_with(1):
                return self._with_sizes(self._dialect.identity_of_size, ones.type.shape)
        return self.text(node)

    def _elementwise(self, node: Apply) -> Written:
        """Write a function, or what stands for it in all notations."""
        dialect = self._dialect
        match node:
            case Apply(LessOne(), (x,)):
                return self._sum(False, x, Const(1, x.type))
            case Apply(LogNoNan(), (x,)):
                return Written(self._call("log", self.text(x), node), ATOM)
            case Apply(Sigmoid(), (x,)):
                below = self._sum(True, Const(1, x.type), exp(-x))
                return Written(f"1{self._spaced(dialect.over if node.type.ndim else '/')}({below.text})", PRODUCT)
            case Apply(Softmax((0,)), (x,)) if x.type.ndim == 1:
                inner = self._call("exp", self.text(x), node)
                return Written(f"{inner}/{self._of('sum', inner)}", PRODUCT)
            case Apply(Relu(), (x,)) if dialect.above:
                return self._product_of_texts(self._above_zero(x), self._written(x), node)
            case Apply(Maximum(), (x, y)):
                return Written(self._extremum("max", x, y, node), ATOM)
            case Apply(Minimum(), (x, y)):
                return Written(self._extremum("min", x, y, node), ATOM)
            case Apply(Cast(), (Apply(Compare(), _) as comparison,)) if dialect.comparisons:
                return self._written(comparison)
            case Apply(Compare(comparison), (x, y)) if comparison in dialect.comparisons:
                return self._bracket(self._joined(dialect.comparisons[comparison], self._side(x), self._side(y)))
            case Apply(Where(), (condition, x, y)) if dialect.choice:
                parts = {"c": self.text(condition), "x": self._side(x).text, "y": self._side(y).text}
                return Written(dialect.choice.format(**parts), ATOM)
            case Apply(Softmax((1,)), (x,)) if x.type.ndim == 2 and dialect.row_sums:
                inner = self._call("exp", self.text(x), node)
                sums = dialect.row_sums.format(x=inner)
                return Written(f"{inner}{self._spaced(dialect.over)}{sums}", PRODUCT)
            case Apply(Erf() | Erfc() as function, (x,)):
                name = type(function).__name__.lower()
                if name in dialect.functions:
                    return Written(self._call(name, self.text(x), node), ATOM)
            case Apply(Abs() | Ufunc() as function, (x,)):
                name = "abs" if isinstance(function, Abs) else function.name
                if name in dialect.functions:
                    return Written(self._call(name, self.text(x), node), ATOM)
        raise self._missing(node)

    def _extremum(self, name: str, x: Node, y: Node, node: Node) -> str:
        arguments = f"{self._side(x).text}, {self._side(y).text}"
        if not self._dialect.has_columns:
            return f"np.{name}imum({arguments})"
        if not self._dialect.adds_numbers:
            raise self._missing(node)
        return self._dialect.call.format(f=name, x=arguments) if node.type.ndim else f"{name}({arguments})"

    def _above_zero(self, x: Node) -> Written:
        return self._bracket(self._joined(self._dialect.above, self._side(x), Written("0", ATOM)))

    def _missing(self, node: Node) -> EmitError:
        text = text_of(self._notator.of(node, explicit=True))
        if isinstance(node, Apply) and isinstance(node.primitive, Commutation):
            text = f"the commutation matrix {text}"
        return EmitError(
            f"{self._dialect.title} has no spelling of {shortened(text, 40)} here; write the derivation as text, or "
            "source with emit"
        )

    # Parts

    def _at(self, node: Node, level: int) -> str:
        return self._bracketed(self._written(node), level)

    @staticmethod
    def _bracketed(written: Written, level: int) -> str:
        return written.text if written.level >= level else f"({written.text})"

    @staticmethod
    def _bracket(text: str) -> Written:
        return Written(f"({text})", ATOM)

    @staticmethod
    def _spaced(operator: str) -> str:
        return operator if operator in ("*", "/") else f" {operator} "

    def _joined(self, operator: str, x: Written, y: Written) -> str:
        return f"{self._bracketed(x, SUM)} {operator} {self._bracketed(y, PRODUCT)}"

    def _side(self, node: Node) -> Written:
        """Write an operand of an elementwise operation; an array that repeats a number is the number."""
        return self._number_of(node) or self._written(node)

    def _number_of(self, node: Node) -> Written | None:
        """Write a number, also one that is repeated along an array; None for an array."""
        match node:
            case Const() if node.is_filled:
                return self._number(node)
            case Apply(Broadcast(axes=()), (x,)):
                return self._written(x)
            case Apply(Divide() | Multiply() as operation, (x, y)) if node.type.ndim:
                first, second = self._number_of(x), self._number_of(y)
                if first is not None and second is not None:
                    sign = "/" if isinstance(operation, Divide) else "*"
                    return Written(f"{self._bracketed(first, PRODUCT)}{sign}{self._bracketed(second, SIGN)}", PRODUCT)
        return self._written(node) if not node.type.ndim else None

    def _number(self, node: Const) -> Written:
        value = node.value
        if isinstance(value, SymbolicDim):
            return Written(self._size(value), ATOM if len(value.names) < 2 else SUM)
        assert isinstance(value, bool | int | float)
        if not math.isfinite(value):
            raise self._missing(node)
        text = repr(int(value)) if value == int(value) else repr(float(value))
        return Written(text, ATOM if value >= 0 else SIGN)

    def _size(self, size: Dim) -> str:
        if not isinstance(size, SymbolicDim):
            return str(size)
        self.sizes |= dict.fromkeys(sorted(size.names))
        parts: list[str] = []
        for monomial, coefficient in sorted(size.terms, key=reading_order):
            count = abs(coefficient)
            factors = [str(count)] if count != 1 or not monomial else []
            sign = "-" if coefficient < 0 else "+" if parts else ""
            parts.append(sign + "*".join([*factors, *monomial]))
        return "".join(parts)

    def _constant(self, node: Const) -> Written:
        if not node.is_filled:
            raise self._missing(node)
        if not node.type.ndim:
            return self._number(node)
        ones = self._ones(node.type.shape)
        return ones if node.filled_with(1) else self._filled(self._number(node), node.type.shape)

    def _ones(self, shape: Sequence[Dim]) -> Written:
        if not 1 <= len(shape) <= 2:
            title = self._dialect.title
            raise EmitError(f"{title} has arrays of one and two axes only here; write the derivation as text")
        template = self._dialect.ones if len(shape) == 1 else self._dialect.matrix_of_ones
        return Written(self._with_sizes(template, shape), ATOM)

    def _filled(self, number: Written, shape: Sequence[Dim]) -> Written:
        if number.text == "0" and len(shape) == 2 and self._dialect.matrix_of_zeros:
            return Written(self._with_sizes(self._dialect.matrix_of_zeros, shape), ATOM)
        if len(shape) == 1 and not self._dialect.adds_numbers:
            return Written(f"vector({number.text})", ATOM)
        return Written(f"{self._bracketed(number, PRODUCT)}*{self._ones(shape).text}", PRODUCT)

    def _with_sizes(self, template: str, shape: Sequence[Dim]) -> str:
        """Fill the sizes `{n}` and `{m}` in, as far as the template has them."""
        parts = {name: partial(self._size, size) for name, size in zip("nm", shape, strict=False)}
        return template.format_map(_OnDemand(parts))

    # Operations

    def _sum(self, is_plus: bool, x: Node, y: Node) -> Written:
        dialect = self._dialect
        left, right = self._number_of(x), self._number_of(y)
        mixed = (left is None) != (right is None)
        if mixed and not dialect.adds_numbers:
            left, right = (self._written(part) for part in (x, y))
        sign = (dialect.plus if is_plus else dialect.minus) if mixed else ("+" if is_plus else "-")
        first, second = left or self._written(x), right or self._written(y)
        return Written(f"{self._bracketed(first, SUM)} {sign} {self._bracketed(second, PRODUCT)}", SUM)

    def _product(self, x: Node, y: Node) -> Written:
        first, second = self._number_of(x), self._number_of(y)
        if first is not None or second is not None:
            number, other = (first, second or self._written(y)) if first is not None else (second, self._written(x))
            assert number is not None
            return Written(f"{self._bracketed(number, PRODUCT)}*{self._bracketed(other, PRODUCT)}", PRODUCT)
        return self._product_of_texts(self._written(x), self._written(y), x)

    def _product_of_texts(self, x: Written, y: Written, node: Node) -> Written:
        operator = self._spaced(self._dialect.times) if node.type.ndim else "*"
        return Written(f"{self._bracketed(x, POWER)}{operator}{self._bracketed(y, POWER)}", PRODUCT)

    def _power(self, node: Node, base: str, exponent: Written) -> Written:
        sign = self._dialect.power if node.type.ndim else self._dialect.scalar_power
        return Written(f"{base}{sign}{self._bracketed(exponent, ATOM)}", POWER)

    def _contraction(self, node: Node) -> Written:
        match node:
            case Apply(Contract(product=product), operands) if product is not None and not product.batch:
                left, right = operands[product.left.operand], operands[product.right.operand]
                if product.kind == "scaling":
                    return self._product(left, right)
                if product.kind == "trace" and not product.added:
                    factors = [(left, product.left.transposed), (right, product.right.transposed)]
                    return Written(self._of("tr", self._factors(factors)), ATOM)
                if product.kind == "rows":
                    inner = self._product_of_texts(self._written(left), self._written(right), left)
                    return self._row_sums(inner, left)
                if not product.added:
                    return self._chain(node)
        raise self._missing(node)

    def _chain(self, node: Node) -> Written:
        links = chain_of(node)
        if len(links) < 2:
            raise self._missing(node)
        if not self._dialect.has_columns:
            for place in range(1, len(links)):
                if is_column(links[place - 1]) and is_row(links[place]):
                    parts = (self._factors(links[:place]), self._factors(links[place:]))
                    return Written(f"np.outer({parts[0]}, {parts[1]})", ATOM)
        return Written(self._factors(links), PRODUCT)

    def _factors(self, links: Sequence[tuple[Node, bool]]) -> str:
        """Write a product of matrices; a vector has no transpose in NumPy."""
        texts: list[str] = []
        if len(links) == 1 and not self._dialect.has_columns and links[0][0].type.ndim == 1:
            return self.text(links[0][0])
        for node, turned in links:
            marked = turned and (node.type.ndim > 1 or self._dialect.has_columns)
            texts.append(f"{self._at(node, ATOM)}{self._dialect.transpose}" if marked else self._at(node, POWER))
        return self._spaced(self._dialect.product).join(texts)

    def _reduced(self, x: Node, axes: tuple[int, ...]) -> Written:
        if len(axes) == x.type.ndim:
            return Written(self._function("sum", x), ATOM)
        if x.type.ndim != 2:
            raise self._missing(x)
        if axes == (1,):
            return self._row_sums(self._written(x), x)
        text = self._bracketed(self._written(x), ATOM)
        if not self._dialect.has_columns:
            return Written(f"np.sum({self.text(x)}, axis=0)", ATOM)
        ones = self._ones(x.type.shape[:1])
        return Written(f"{text}{self._dialect.transpose}*{ones.text}", PRODUCT)

    def _row_sums(self, x: Written, node: Node) -> Written:
        if not self._dialect.has_columns:
            return Written(f"np.sum({x.text}, axis={node.type.ndim - 1})", ATOM)
        if node.type.ndim != 2:
            raise self._missing(node)
        ones = self._ones(node.type.shape[1:])
        return Written(f"{self._bracketed(x, POWER)}*{ones.text}", PRODUCT)

    def _repeated(self, node: Node) -> Written:
        match node:
            case Apply(Broadcast(axes=()), (x,)):
                return self._filled(self._written(x), node.type.shape)
            case Apply(Broadcast(axes=(axis,)), (x,)) if node.type.ndim == 2:
                ones = self._ones(node.type.shape[1 - axis : 2 - axis]).text
                first, second = (ones, self.text(x)) if axis == 1 else (self.text(x), ones)
                if not self._dialect.has_columns:
                    return Written(f"np.outer({first}, {second})", ATOM)
                vector = self._at(x, ATOM)
                turned = f"{vector}{self._dialect.transpose}" if axis == 1 else f"{ones}{self._dialect.transpose}"
                return Written(f"{ones}*{turned}" if axis == 1 else f"{vector}*{turned}", PRODUCT)
        raise self._missing(node)

    def _diagonal_matrix(self, x: Node) -> Written:
        identity = self._dialect.identity
        match x:
            case Const() if x.is_filled and x.value == 1:
                return Written(self._with_sizes(identity, x.type.shape), ATOM)
        return Written(self._of("matrix", self.text(x)), ATOM)

    # Calls

    def _function(self, name: str, x: Node) -> str:
        return self._of(name, self.text(x))

    def _of(self, name: str, argument: str) -> str:
        return self._dialect.matrices[name].format(x=argument)

    def _call(self, name: str, argument: str, node: Node) -> str:
        function = self._dialect.functions[name]
        return self._dialect.call.format(f=function, x=argument) if node.type.ndim else f"{function}({argument})"
