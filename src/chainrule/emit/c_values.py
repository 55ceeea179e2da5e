"""Scalars in C: the spelling of declarations, numbers, functions of <math.h> and conversions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from chainrule.emit.code import Code, Level, atom, call
from chainrule.emit.names import ascii_identifier
from chainrule.emit.scalars import ScalarWriter, Value, signed
from chainrule.ir import DType
from chainrule.primitives import (
    UNIFORM_BITS,
    Arccos,
    Arccosh,
    Arcsin,
    Arcsinh,
    Arctan,
    Arctan2,
    Arctanh,
    Cbrt,
    Ceil,
    Cosh,
    Hypot,
    MathFunction,
    Rint,
    Sinh,
    Tan,
    Trunc,
)

C_TYPES = {DType.FLOAT32: "float", DType.FLOAT64: "double", DType.INT64: "int", DType.BOOL: "unsigned char"}
_LIBRARY: dict[MathFunction, str] = {"abs": "fabs", "power": "pow"}
_BROUGHT = ("sigmoid", "softplus")


class CWriter(ScalarWriter):
    """The emitter for C."""

    functions: ClassVar[Mapping[type, str]] = {
        Arccos: "acos",
        Arccosh: "acosh",
        Arcsin: "asin",
        Arcsinh: "asinh",
        Arctan: "atan",
        Arctan2: "atan2",
        Arctanh: "atanh",
        Cbrt: "cbrt",
        Ceil: "ceil",
        Cosh: "cosh",
        Hypot: "hypot",
        Rint: "rint",
        Sinh: "sinh",
        Tan: "tan",
        Trunc: "trunc",
    }
    has_nested_arrays = True

    @staticmethod
    def identifier(label: str) -> str:
        return ascii_identifier(label)

    def member(self, structure: str, name: str) -> str:
        return f"{structure}->{name}"

    def fixed(self, name: str, value: Value) -> str:
        return f"const {C_TYPES[value.dtype]} {name} = {value.code};"

    def variable(self, name: str, dtype: DType, value: Code | None = None) -> str:
        return f"{C_TYPES[dtype]} {name};" if value is None else f"{C_TYPES[dtype]} {name} = {value};"

    def quotient_of_integers(self, x: str, y: str) -> str:
        return f"(int)floor((double){x} / (double){y})"

    def loop(self, name: str, extent: Code) -> str:
        return f"for (int {name} = 0; {name} < {extent.at(Level.SUM)}; ++{name}) {{"

    def loop_back(self, name: str, last: Code) -> str:
        return f"for (int {name} = {last}; {name} >= 0; --{name}) {{"

    def constant(self, value: float, dtype: DType) -> Value:
        if dtype is DType.BOOL or dtype is DType.INT64:
            return Value(signed(str(abs(int(value))), value < 0), dtype)
        if math.isnan(value):
            return Value(atom("NAN" if dtype is DType.FLOAT32 else "(double)NAN"), dtype)
        if math.isinf(value):
            endless = "INFINITY" if dtype is DType.FLOAT32 else "(double)INFINITY"
            return Value(signed(endless, value < 0), dtype)
        text = repr(abs(float(np.float32(value) if dtype is DType.FLOAT32 else value)))
        if dtype is DType.FLOAT32:
            text = np.format_float_positional(np.float32(abs(value)), unique=True, trim="0")
            if len(text) > 14:
                text = np.format_float_scientific(np.float32(abs(value)), unique=True, trim="0")
            text += "f"
        return Value(signed(text, math.copysign(1, value) < 0), dtype)

    def math(self, function: MathFunction, *x: Value) -> Value:
        if function in _BROUGHT:
            self.helpers[function] = None
            return Value(call(f"{self.prefix}_{function}", *(v.code for v in x)), x[0].dtype)
        return self.library(_LIBRARY.get(function, function), x)

    def library(self, name: str, operands: Sequence[Value]) -> Value:
        ending = "f" if operands[0].dtype is DType.FLOAT32 else ""
        return Value(call(name + ending, *(v.code for v in operands)), operands[0].dtype)

    def convert(self, x: Value, dtype: DType) -> Value:
        if x.dtype is dtype:
            return x
        if x.dtype is DType.BOOL and dtype.is_float:
            one, zero = self.constant(1, dtype).code, self.constant(0, dtype).code
            return Value(Code(f"{x.code.at(Level.OR)} ? {one} : {zero}", Level.CHOICE), dtype)
        if dtype is DType.BOOL:
            return self.compare("!=", x, self.constant(0, x.dtype))
        return Value(Code(f"({C_TYPES[dtype]}){x.code.at(Level.ATOM)}", Level.SIGN), dtype)

    def random_uniform(self, seed: Value, stream: Value, step: Value, place: Value, dtype: DType) -> Value:
        self.helpers["random"] = None
        words = [f"(uint64_t)({x.code})" for x in (seed, stream, step, place)]
        bits = UNIFORM_BITS[dtype]
        word = f"{call(f'{self.prefix}_random', *words)} >> {64 - bits}"
        scale = self.constant(2.0**-bits, dtype).code
        return Value(Code(f"({C_TYPES[dtype]})({word}) * {scale}", Level.PRODUCT), dtype)
