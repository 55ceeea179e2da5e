"""Conversion of a formula with known shapes to a Program."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    DType,
    Input,
    Node,
    Operand,
    Program,
    named_dim,
    topological_order,
)
from chainrule.primitives import Kronecker, exp, identity, matmul, permute
from chainrule.trace.formula.errors import FormulaError, shown
from chainrule.trace.formula.inference import Settled
from chainrule.trace.formula.sizes import Kind
from chainrule.trace.formula.syntax import Binary, Call, Name, Number, Syntax, Unary, parts
from chainrule.trace.formula.typing import IDENTITIES, Subject, whole_exponent
from chainrule.trace.formula.vocabulary import VOCABULARY, call_numpy, matrix_power, repeated
from chainrule.trace.formula.words import CONSTANTS, canonical_name
from chainrule.trace.literals import as_node
from chainrule.trace.ufuncs import UFUNC_CALLS
from chainrule.words import ChainruleError

_UFUNC_OF = {
    "+": "add", "-": "subtract", "/": "divide", "./": "divide", ".*": "multiply", "^": "power", "**": "power",
    ".^": "power", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal", "==": "equal",
    "!=": "not_equal",
}  # fmt: skip
_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "·": lambda x, y: x * y,
    ".*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "./": lambda x, y: x / y,
    "^": math.pow,
    "**": math.pow,
    ".^": math.pow,
}


def elaborate(subject: Subject, settled: Settled) -> Program:
    """Build the program of the formula; the names of its equations name the intermediates."""
    return _Elaboration(subject, settled).program()


class _Elaboration:
    def __init__(self, subject: Subject, settled: Settled) -> None:
        self._subject = subject
        self._settled = settled
        self._typing = settled.typing
        self._inputs = {name: Input(node.name, settled.types[name]) for name, node in subject.variables.items()}
        self._scope: dict[str, Operand] = dict(self._inputs)
        self._values: dict[Syntax, Operand] = {}
        floats = {type_.dtype for type_ in settled.types.values() if type_.dtype.is_float}
        self._dtype = DType.FLOAT32 if floats == {DType.FLOAT32} else DType.FLOAT64

    def program(self) -> Program:
        names: dict[Node, str] = {}
        result: Operand = 0.0
        for statement, order in zip(self._subject.formula.statements, self._subject.orders, strict=True):
            for node in order:
                self._values[node] = self._checked(node)
            result = self._values[statement.value]
            if statement.name is not None:
                self._scope[canonical_name(statement.name)] = result
                if isinstance(result, Apply) and result not in names:
                    names[result] = statement.name
        last = self._subject.formula.statements[-1].value
        if not isinstance(result, Node) or not self._inputs:
            raise self._subject.formula.error("the formula has no variables, so there is nothing to derive", last.span)
        taken = {node.name for node in self._inputs.values()} | set(names.values())
        if isinstance(result, Apply) and result not in names and result.type.ndim == 0 and "L" not in taken:
            names[result] = "L"
        return Program(tuple(self._inputs.values()), (result,), _alive(result, names))

    def _checked(self, node: Syntax) -> Operand:
        try:
            value = self._value(node)
        except FormulaError:
            raise
        except ChainruleError as error:
            message = str(error).splitlines()[-1].strip()
            raise self._subject.formula.error(message, node.span) from None
        except (ArithmeticError, ValueError):
            raise self._subject.formula.error("this number does not exist or is too large", node.span) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise self._subject.formula.error("this number is too large", node.span)
        return value

    def _value(self, node: Syntax) -> Operand:
        if isinstance(node, Number):
            if self._typing.kinds[node] == Kind(()):
                return node.value
            return repeated(node.value, self._shape(node), self._dtype)
        if isinstance(node, Name):
            return self._name(node)
        if isinstance(node, Call):
            return self._call(node)
        operands = [self._values[part] for part in parts(node)]
        if isinstance(node, Unary):
            return self._unary(node, operands[0])
        return self._binary(node, *operands)

    def _name(self, node: Name) -> Operand:
        name = canonical_name(node.name)
        if name in self._scope:
            return self._scope[name]
        if node.name in IDENTITIES:
            return identity(self._shape(node)[0], self._dtype)
        if node.name in self._subject.sizes:
            return Const(named_dim(node.name), ArrayType((), self._dtype))
        return CONSTANTS[name]

    def _shape(self, node: Syntax) -> tuple[Dim, ...]:
        """Return the shape of a constant array, which fits the formula."""
        kind = self._typing.kinds[node]
        assert kind is not None
        shape = self._settled.shape(kind.sizes)
        if shape is None:
            text = self._subject.formula.text[node.span.start : node.span.end]
            raise self._subject.formula.error(
                f"the formula does not settle the size of {shown(text)}; write eye(n) or ones(n), and state a shape "
                "that has n",
                node.span,
            )
        return shape

    def _unary(self, node: Unary, x: Operand) -> Operand:
        if node.operator == "-":
            return -x if isinstance(x, float) else self._ufunc("negative", x)
        if node.operator in ("'", ".T"):
            return permute(x) if isinstance(x, Node) and x.type.ndim > 1 else x
        if isinstance(x, Node) and x.type.ndim > 1:
            return VOCABULARY["inv"].build(x)
        return 1 / x if isinstance(x, float) else self._ufunc("reciprocal", x)

    def _binary(self, node: Binary, x: Operand, y: Operand) -> Operand:
        arithmetic = _ARITHMETIC.get(node.operator)
        if isinstance(x, float) and isinstance(y, float) and arithmetic is not None:
            return arithmetic(x, y)
        meaning = self._typing.meanings.get(node)
        if node.operator == "@" or meaning == "matmul":
            return self._matrix_product(node.left, as_node(y))
        if meaning == "outer":
            return call_numpy(np.outer, as_node(x), as_node(y))
        if meaning == "kronecker":
            return Kronecker()(as_node(x), as_node(y))
        if meaning == "power":
            return matrix_power(as_node(x), whole_exponent(node) or 0)
        if meaning == "elementwise":
            return self._ufunc("multiply", x, y)
        if node.operator in ("^", "**", ".^") and self._is_e(node.left):
            return exp(as_node(y))
        return self._ufunc(_UFUNC_OF[node.operator], x, y)

    def _matrix_product(self, left: Syntax, y: Node) -> Node:
        """`left @ y`; in xᵀ A y (row, matrix, column), the matrix and the column are multiplied first."""
        kind = self._typing.kinds[left]
        if isinstance(left, Binary) and left.operator in (" ", "*") and y.type.ndim == 1 and kind is not None:
            scale, vector = self._typing.kinds[left.left], self._typing.kinds[left.right]
            if kind.row and scale is not None and not scale.rank and vector is not None and vector.rank == 1:
                return self._ufunc("multiply", self._values[left.left], self._matrix_product(left.right, y))
        is_product = isinstance(left, Binary) and (left.operator == "@" or self._typing.meanings.get(left) == "matmul")
        if y.type.ndim == 1 and kind is not None and kind.rank == 1 and kind.row and isinstance(left, Binary):
            inner = self._typing.kinds[left.right]
            if is_product and inner is not None and inner.rank == 2:
                return self._matrix_product(left.left, matmul(as_node(self._values[left.right]), y))
        return matmul(as_node(self._values[left]), y)

    @staticmethod
    def _ufunc(name: str, *operands: Operand) -> Node:
        node: Node = UFUNC_CALLS[name](*operands)
        return node

    def _is_e(self, node: Syntax) -> bool:
        return isinstance(node, Name) and node.name == "e" and "e" not in self._scope

    def _call(self, node: Call) -> Operand:
        application = self._subject.applications[node]
        arguments = [self._values[argument] for argument in application.arrays]
        if node.function in ("vector", "matrix"):
            return application.function.build(arguments[0], self._shape(node), self._dtype)
        return application.function.build(*arguments, **application.options)


def _alive(result: Node, names: Mapping[Node, str]) -> dict[Node, str]:
    """Return the names of the values that the result depends on."""
    needed = set(topological_order([result]))
    return {node: name for node, name in names.items() if node in needed}
