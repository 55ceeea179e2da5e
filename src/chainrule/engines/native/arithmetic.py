"""The emitter protocol as LLVM instructions, for scalars and vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Never

from chainrule.engines.native import math, random
from chainrule.engines.native.text import (
    REGISTER_TYPES,
    Function,
    Value,
    constant,
    element_type,
    vector,
    width_of,
    with_element,
)
from chainrule.ir import Dim, DType, ProgramError
from chainrule.primitives import Comparison, IntegerOperation, MathFunction, ReductionKind

SUM_FLAGS = "reassoc"
"""The terms of a sum may be reordered; NaN and infinity follow IEEE 754. Products are fused by intrinsics."""

PRODUCT_FLAGS = "contract"
"""A product may be fused into a sum, but its factors are not reordered: x·x may overflow where (x·y)·x does not."""

FUSED_FLAGS = "contract"
"""A sum may be fused with a product but is not reordered.

LLVM 22 miscompiles sums that may be both reordered and fused if they share a product: with x·y in two of them and c
added to each, it turned a·b + x·y + c into a·b + x·y + 2·c in both.
"""

_FLOAT_PREDICATES = {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"}
_INTEGER_PREDICATES = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"}


def is_float(type: str) -> bool:
    """Whether the elements of a register type are floats."""
    return element_type(type) in ("double", "float")


def suffix(type: str) -> str:
    """The suffix of an intrinsic's name for `type`."""
    element = {"double": "f64", "float": "f32"}.get(element_type(type), element_type(type))
    width = width_of(type)
    return f"v{width}{element}" if width else element


class Arithmetic:
    """Emits the instructions of each operation; `width` is the number of lanes of constants (0: scalars).

    If `fuses`, an addition may be fused with a product. Whether it is depends on the other uses of the product, so only
    code that computes each value once may allow it: a value computed twice must be bitwise equal, for example to find a
    maximum again among its operands.
    """

    def __init__(self, function: Function, width: int = 0, fuses: bool = False) -> None:
        self.function, self.width = function, width
        self._sum_flags = FUSED_FLAGS if fuses else ""
        self._reduction_flags = FUSED_FLAGS if fuses else SUM_FLAGS

    def constant(self, value: float, dtype: DType) -> Value:
        return constant(value, vector(REGISTER_TYPES[dtype], self.width))

    def constant_like(self, value: float, x: Value) -> Value:
        return constant(value, x.type)

    def _binary(self, name: str, flags: str, x: Value, y: Value) -> Value:
        instruction = f"f{name} {flags}".rstrip() if is_float(x.type) else name
        return self.function.let(x.type, f"{instruction} {x}, {y.text}")

    def add(self, x: Value, y: Value) -> Value:
        return self._binary("add", self._sum_flags, x, y)

    def subtract(self, x: Value, y: Value) -> Value:
        return self._binary("sub", self._sum_flags, x, y)

    def multiply(self, x: Value, y: Value) -> Value:
        return self._binary("mul", PRODUCT_FLAGS, x, y)

    def divide(self, x: Value, y: Value) -> Value:
        return self.function.let(x.type, f"fdiv {x}, {y.text}")

    def negate(self, x: Value) -> Value:
        return self.function.let(x.type, f"fneg {x}" if is_float(x.type) else f"sub {x.type} zeroinitializer, {x.text}")

    def maximum(self, x: Value, y: Value) -> Value:
        name = "maximum" if is_float(x.type) else "smax"
        return self.function.call(x.type, f"llvm.{name}.{suffix(x.type)}", x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        name = "minimum" if is_float(x.type) else "smin"
        return self.function.call(x.type, f"llvm.{name}.{suffix(x.type)}", x, y)

    def combine(self, kind: ReductionKind, x: Value, y: Value) -> Value:
        """Emit one step of a reduction. The result is stored and never recomputed, so the step may be fused."""
        if kind == "sum":
            return self._binary("add", self._reduction_flags, x, y)
        return self.maximum(x, y) if kind == "max" else self.minimum(x, y)

    def across(self, kind: ReductionKind, x: Value) -> Value:
        """Reduce the lanes of a vector of floats to a scalar."""
        if not width_of(x.type):
            return x
        element, name = element_type(x.type), {"sum": "fadd", "max": "fmaximum", "min": "fminimum"}[kind]
        intrinsic = f"llvm.vector.reduce.{name}.{suffix(x.type)}"
        if kind != "sum":
            return self.function.call(element, intrinsic, x)
        self.function.module.declare(intrinsic, f"declare {element} @{intrinsic}({element}, {x.type})")
        zero = constant(-0.0, element)
        return self.function.let(element, f"call {SUM_FLAGS} {element} @{intrinsic}({zero}, {x})")

    def math(self, function: MathFunction, *x: Value) -> Value:
        if function == "abs" and not is_float(x[0].type):
            return self.function.call(x[0].type, f"llvm.abs.{suffix(x[0].type)}", x[0], constant(0, "i1"))
        return math.FUNCTIONS[function](*(math.Real(self.function, operand) for operand in x)).value

    def compare(self, comparison: Comparison, x: Value, y: Value) -> Value:
        result = with_element(x.type, "i1")
        if is_float(x.type):
            return self.function.let(result, f"fcmp {_FLOAT_PREDICATES[comparison]} {x}, {y.text}")
        predicate = _INTEGER_PREDICATES[comparison]
        if element_type(x.type) == "i1":
            predicate = predicate.replace("s", "u")
        return self.function.let(result, f"icmp {predicate} {x}, {y.text}")

    def logical_and(self, x: Value, y: Value) -> Value:
        return self.function.let(x.type, f"and {x}, {y.text}")

    def logical_or(self, x: Value, y: Value) -> Value:
        return self.function.let(x.type, f"or {x}, {y.text}")

    def logical_not(self, x: Value) -> Value:
        return self.function.let(x.type, f"xor {x}, {constant(1, x.type).text}")

    def integer(self, operation: IntegerOperation, x: Value, y: Value) -> Value:
        match operation:
            case "maximum":
                return self.maximum(x, y)
            case "minimum":
                return self.minimum(x, y)
            case "floor_divide":
                return self._floor_divided(x, y)[0]
            case "remainder":
                return self._floor_divided(x, y)[1]
        instruction = {"add": "add", "subtract": "sub", "multiply": "mul"}.get(operation, operation)
        return self.function.let(x.type, f"{instruction} {x}, {y.text}")

    def _floor_divided(self, x: Value, y: Value) -> tuple[Value, Value]:
        """Return quotient and remainder rounded down; 0 and 0 for a divisor of 0.

        The instruction is undefined for the divisor 0, and for −1 under the least integer, whose negative overflows.
        """
        zero, one = constant(0, x.type), constant(1, x.type)
        endless, negated = self.compare("==", y, zero), self.compare("==", y, constant(-1, x.type))
        divisor = self.select(self.logical_or(endless, negated), one, y)
        truncated = self.function.let(x.type, f"sdiv {x}, {divisor.text}")
        rest = self.function.let(x.type, f"srem {x}, {divisor.text}")
        mixed = self.function.let(x.type, f"xor {rest}, {divisor.text}")
        above = self.logical_and(self.compare("!=", rest, zero), self.compare("<", mixed, zero))
        quotient = self.select(above, self.subtract(truncated, one), truncated)
        remainder = self.select(above, self.add(rest, divisor), rest)
        quotient = self.select(negated, self.negate(x), quotient)
        return self.select(endless, zero, quotient), self.select(endless, zero, remainder)

    def select(self, condition: Value, x: Value | Callable[[], Value], y: Value | Callable[[], Value]) -> Value:
        then, otherwise = x() if callable(x) else x, y() if callable(y) else y
        return self.function.let(then.type, f"select {condition}, {then}, {otherwise}")

    def convert(self, x: Value, dtype: DType) -> Value:
        """Convert to another dtype; a number converts to a boolean as `x != 0`."""
        source, target = element_type(x.type), REGISTER_TYPES[dtype]
        if source == target:
            return x
        result = with_element(x.type, target)
        if target == "i1":
            return self.compare("!=", x, constant(0, x.type))
        if is_float(x.type) and target == "i64":
            return self._truncated(x, result)
        if is_float(x.type):
            name = "fptrunc" if target == "float" else "fpext"
        elif target == "i64":
            name = "zext"
        else:
            name = "uitofp" if source == "i1" else "sitofp"
        return self.function.let(result, f"{name} {x} to {result}")

    def _truncated(self, x: Value, result: str) -> Value:
        """Convert a float to an integer; NaN and out-of-range values give the least integer, as in NumPy.

        Without the test the result is undefined, and optimization could turn it into an index out of bounds.
        """
        bound = constant(2.0**63, x.type)
        magnitude = self.function.call(x.type, f"llvm.fabs.{suffix(x.type)}", x)
        fits = self.function.let(with_element(x.type, "i1"), f"fcmp olt {magnitude}, {bound.text}")
        known = self.function.let(x.type, f"select {fits}, {x}, {constant(-(2.0**63), x.type)}")
        return self.function.let(result, f"fptosi {known} to {result}")

    def random_uniform(self, seed: Value, stream: Value, step: Value, place: Value, dtype: DType) -> Value:
        """All four operands have the same width."""
        word, _ = random.threefry(self.function, (seed, stream), (step, place))
        return random.uniform(self.function, word, dtype)

    def apply(self, kind: str, payload: object, dtype: DType, operands: Sequence[Value]) -> Value:
        """Emit the operation of an `Expression` with this kind, payload and dtype."""
        leading = [payload] if kind in ("math", "compare", "integer") else []
        trailing = [dtype] if kind in ("convert", "random_uniform") else []
        result: Value = getattr(self, kind)(*leading, *operands, *trailing)
        return result


class Elementwise(Arithmetic):
    """The emitter for scalar functions, applied to whole vectors. It has no indices."""

    def _no_index(self) -> ProgramError:
        return ProgramError("an elementwise primitive's lowering uses an index; derive it from Linear or Nonlinear")

    def index(self, value: Dim) -> Never:
        raise self._no_index()

    def index_add(self, i: Never, j: Never) -> Never:
        raise self._no_index()

    def index_multiply(self, i: Never, j: Never) -> Never:
        raise self._no_index()

    def index_divide(self, i: Never, j: Never) -> Never:
        raise self._no_index()

    def index_remainder(self, i: Never, j: Never) -> Never:
        raise self._no_index()

    def index_compare(self, comparison: Comparison, i: Never, j: Never) -> Never:
        raise self._no_index()

    def index_of(self, x: Value) -> Never:
        raise self._no_index()

    def scalar_of(self, i: Never) -> Never:
        raise self._no_index()

    def reduce(self, kind: ReductionKind, extents: Sequence[Dim], body: Callable[[Sequence[Never]], Value]) -> Never:
        raise self._no_index()
