"""Scalars in JavaScript, where every number is a float64: the spelling of declarations, functions and conversions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

from chainrule.emit.code import Code, Level, atom, call
from chainrule.emit.js_functions import HELPERS, JS_MATH, JS_PRIMITIVES
from chainrule.emit.names import js_identifier
from chainrule.emit.scalars import ScalarWriter, Value, signed
from chainrule.ir import DType
from chainrule.primitives import UNIFORM_BITS, Comparison, MathFunction

JS_ARRAYS = {
    DType.FLOAT32: "Float32Array",
    DType.FLOAT64: "Float64Array",
    DType.INT64: "Int32Array",
    DType.BOOL: "Uint8Array",
}
"""The typed array of each dtype."""


class JsWriter(ScalarWriter):
    """The emitter for JavaScript."""

    functions: ClassVar[Mapping[type, str]] = JS_PRIMITIVES
    rows_from: ClassVar[int] = 2048  # no engine sums several elements of a row at once
    takes_apart: ClassVar[bool] = True  # a property read in an inner loop costs up to half of the time

    @staticmethod
    def identifier(label: str) -> str:
        return js_identifier(label)

    def member(self, structure: str, name: str) -> str:
        return f"{structure}.{name}"

    def taken_apart(self, structure: str, members: Mapping[str, str]) -> str:
        entries = (name if name == local else f"{name}: {local}" for name, local in members.items())
        return f"const {{ {', '.join(entries)} }} = {structure};"

    def fixed(self, name: str, value: Value) -> str:
        return f"const {name} = {value.code};"

    def variable(self, name: str, dtype: DType, value: Code | None = None) -> str:
        return f"let {name};" if value is None else f"let {name} = {value};"

    def loop(self, name: str, extent: Code) -> str:
        return f"for (let {name} = 0; {name} < {extent.at(Level.SUM)}; ++{name}) {{"

    def loop_back(self, name: str, last: Code) -> str:
        return f"for (let {name} = {last}; {name} >= 0; --{name}) {{"

    def quotient_of_integers(self, x: str, y: str) -> str:
        return self.floor_divided(x, y)

    def floor_divided(self, x: str, y: str) -> str:
        return f"Math.floor({x} / {y})"

    def comparison_sign(self, comparison: Comparison, dtype: DType) -> str:
        # A condition may be a boolean, or the 0 or 1 of an array.
        return {"==": "===", "!=": "!=="}.get(comparison, comparison) if dtype is not DType.BOOL else comparison

    def constant(self, value: float, dtype: DType) -> Value:
        if not dtype.is_float:
            return Value(signed(str(abs(int(value))), value < 0), dtype)
        if math.isnan(value):
            return Value(atom("NaN"), dtype)
        text = "Infinity" if math.isinf(value) else repr(abs(float(value))).removesuffix(".0")
        return Value(signed(text, math.copysign(1, value) < 0), dtype)

    def math(self, function: MathFunction, *x: Value) -> Value:
        name = JS_MATH[function]
        if name in HELPERS:
            self.helpers[name] = None
            name = f"{self.prefix}_{name}"
        return self.library(name, x)

    def library(self, name: str, operands: Sequence[Value]) -> Value:
        return Value(call(name, *(v.code for v in operands)), operands[0].dtype)

    def convert(self, x: Value, dtype: DType) -> Value:
        if x.dtype is dtype:
            return x
        if dtype is DType.BOOL:
            return self.compare("!=", x, self.constant(0, x.dtype))
        if x.dtype is DType.BOOL:
            return Value(Code(f"{x.code.at(Level.OR)} ? 1 : 0", Level.CHOICE), dtype)
        if dtype is DType.INT64:
            return Value(call("Math.trunc", x.code), dtype)
        return Value(call("Math.fround", x.code) if dtype is DType.FLOAT32 else x.code, dtype)

    def random_uniform(self, seed: Value, stream: Value, step: Value, place: Value, dtype: DType) -> Value:
        self.helpers["uniform"] = None
        words = [x.code for x in (seed, stream, step, place)]
        return Value(call(f"{self.prefix}_uniform", str(UNIFORM_BITS[dtype]), *words), dtype)
