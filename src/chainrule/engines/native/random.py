"""The counter-based random number generator as instructions, for scalars and vectors of counters."""

from __future__ import annotations

from chainrule.engines.native.text import REGISTER_TYPES, Function, Value, constant, width_of, with_element
from chainrule.ir import DType
from chainrule.primitives import THREEFRY_PARITY, THREEFRY_ROTATIONS, THREEFRY_ROUNDS, UNIFORM_BITS


def threefry(f: Function, key: tuple[Value, Value], counter: tuple[Value, Value]) -> tuple[Value, Value]:
    """Emit Threefry-2x64-20 of `counter` under `key`: four `i64`, or four vectors of one width."""
    type = counter[0].type
    width = width_of(type)
    rotate = f"llvm.fshl.v{width}i64" if width else "llvm.fshl.i64"

    def op(name: str, i: Value, j: Value | int) -> Value:
        right = constant(j, type) if isinstance(j, int) else j
        return f.let(type, f"{name} {i}, {right.text}")

    words = [*key, op("xor", op("xor", key[0], key[1]), THREEFRY_PARITY)]
    x, y = op("add", counter[0], words[0]), op("add", counter[1], words[1])
    for round in range(THREEFRY_ROUNDS):
        rotation = constant(THREEFRY_ROTATIONS[round % len(THREEFRY_ROTATIONS)], type)
        x = op("add", x, y)
        y = op("xor", f.call(type, rotate, y, y, rotation), x)
        if round % 4 == 3:
            injection = round // 4 + 1
            x = op("add", x, words[injection % 3])
            y = op("add", op("add", y, words[(injection + 1) % 3]), injection)
    return x, y


def uniform(f: Function, word: Value, dtype: DType) -> Value:
    """Convert the leading bits of an `i64`, or of a vector, to a float in [0, 1); the conversion is exact."""
    bits, target = UNIFORM_BITS[dtype], with_element(word.type, REGISTER_TYPES[dtype])
    leading = f.let(word.type, f"lshr {word}, {constant(64 - bits, word.type).text}")
    if dtype is DType.FLOAT32:  # before AVX-512, there is no vector conversion of 64-bit integers
        narrow = with_element(word.type, "i32")
        leading = f.let(narrow, f"trunc {leading} to {narrow}")
        number = f.let(target, f"sitofp {leading} to {target}")
    else:
        number = f.let(target, f"uitofp {leading} to {target}")
    return f.let(target, f"fmul {number}, {constant(2.0**-bits, target).text}")
