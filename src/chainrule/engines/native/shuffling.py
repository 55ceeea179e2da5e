"""Generated code that draws the order of the rows."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.native.machine import MachineCode, build
from chainrule.engines.native.random import threefry
from chainrule.engines.native.text import (
    INTEGER,
    POINTER,
    Function,
    Module,
    Value,
    constant,
    constant_vector,
    integer,
    vector,
)
from chainrule.engines.shuffle import STREAM

DRAWS = 4
"""The number of random words that are drawn together."""


def permutations(seed: int, epochs: range, rows: int) -> NDArray[np.int64]:
    """Return `engines.shuffle.permutation` for each of `epochs`, an array (epochs, rows), about 100 times faster."""
    orders = np.empty((len(epochs), rows), np.int64)
    _, shuffle = _compiled()
    for order, epoch in zip(orders, epochs, strict=True):
        shuffle(order.ctypes.data, rows, seed & _WORD, epoch & _WORD)
    return orders


_WORD = (1 << 64) - 1


@cache
def _compiled() -> tuple[MachineCode, Any]:
    """The code, which must stay alive, and its function."""
    module = Module()
    write_shuffle(module, linkage="")
    code = build(str(module))
    return code, code.function("shuffle", 4)


def write_shuffle(module: Module, linkage: str = "internal") -> None:
    """Write `shuffle(order, n, seed, epoch)`: the same permutation as `engines.shuffle.permutation`."""
    f = Function(
        module,
        "shuffle",
        "void",
        [("order", "ptr noalias"), ("n", INTEGER), ("seed", INTEGER), ("epoch", INTEGER)],
        attributes="nounwind noinline",
        linkage=linkage,
    )
    order, n, seed, epoch = Value("%order", POINTER), *(Value(f"%{name}", INTEGER) for name in ("n", "seed", "epoch"))
    with f.loop(n) as i:
        f.store(i, f.offset(order, i, INTEGER))
    last = f.integer_operation("sub", n, 1)
    rest = f.let(INTEGER, f"urem {last}, {DRAWS}")
    whole = f.integer_operation("sub", last, rest)
    for stop, start, lanes in ((whole, integer(0), DRAWS), (last, whole, 0)):
        names = f.fresh_label("exchange"), f.fresh_label("after")
        f.branch(f.let("i1", f"icmp ult {start}, {stop.text}"), *names)
        f.label(names[0])
        loop = f.open_loop(stop, start=start, step=lanes or 1)
        _exchange(f, order, f.integer_operation("sub", last, loop.index), seed, epoch, lanes)
        f.close_loop(loop)
        f.jump(names[1])
        f.label(names[1])
    f.do("ret void")
    f.finish()


def _exchange(f: Function, order: Value, first: Value, seed: Value, epoch: Value, lanes: int) -> None:
    """Exchange row `first`, and the `lanes` − 1 before it, each with a random row that is not behind it."""
    type = vector(INTEGER, lanes)

    def broadcast(value: Value) -> Value:
        if not lanes:
            return value
        single = f.let(type, f"insertelement {type} poison, {value}, i64 0")
        return f.let(type, f"shufflevector {single}, {type} poison, <{lanes} x i32> zeroinitializer")

    places = broadcast(first)
    if lanes:
        places = f.let(type, f"sub {places}, {constant_vector(list(range(lanes)), INTEGER).text}")
    draws, _ = threefry(f, (broadcast(seed), constant(STREAM, type)), (broadcast(epoch), places))
    for lane in range(lanes or 1):
        draw = f.let(INTEGER, f"extractelement {draws}, i64 {lane}") if lanes else draws
        i = f.integer_operation("sub", first, lane)
        bound = f.integer_operation("add", i, 1)
        wide = [f.let("i128", f"zext {value} to i128") for value in (draw, bound)]
        product = f.let("i128", f"mul nuw {wide[0]}, {wide[1].text}")
        high = f.let("i128", f"lshr {product}, 64")
        j = f.let(INTEGER, f"trunc {high} to i64")
        pointers = [f.offset(order, index, INTEGER) for index in (i, j)]
        entries = [f.load(INTEGER, pointer) for pointer in pointers]
        f.store(entries[1], pointers[0])
        f.store(entries[0], pointers[1])
