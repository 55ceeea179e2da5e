"""Loop nests as functions: one for each stored value, which reads others and writes its own array.

The last axis of the result is the vector axis where every load allows it. A sum over further axes keeps its
accumulators in registers, for a tile of several rows and vectors of the result at once, which is how a matrix product
comes to use what it loads more than once. A sum along contiguous memory has vectors along the sum instead; what is left
(strided copies, places chosen at run time) goes element by element.

A nest touches its output in the order of its outermost loop: that loop is the place to divide among threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chainrule.engines.native.body import Body, depends, reduce_together, vectorises
from chainrule.engines.native.plan import Kernel
from chainrule.engines.native.symbolic import Affine, Expression, SymbolicEmitter, Variable, walk
from chainrule.engines.native.text import MEMORY_TYPES, POINTER, Function, Module, Value, integer
from chainrule.ir import DType

ROWS = 6
VECTORS = 2
"""A tile of 6 × 2 accumulators, 2 loaded vectors and one repeated scalar: fifteen of the sixteen registers of AVX."""

LEAST_REUSE = 4
"""How often each element must be used for a copy in the order of use to pay."""


@dataclass(frozen=True, eq=False)
class Packed:
    """A stored value copied into the order in which a kernel uses it."""

    size: int
    dtype: DType


def pack_operands(kernel: Kernel) -> tuple[list[tuple[Packed, Kernel]], Kernel]:
    """Copies that let the last axis of a reduction be its vector axis, and the kernel that reads them."""
    root = kernel.root
    if root.kind != "reduce" or not kernel.variables or kernel.variables[-1].extent < LEAST_REUSE:
        return [], kernel
    lane = kernel.variables[-1]
    times = math.prod(variable.extent for variable in kernel.variables)
    emit = SymbolicEmitter()
    copies: list[tuple[Packed, Kernel]] = []
    replaced: dict[Expression, Expression] = {}
    for use, count in walk(root, times):
        if use.kind != "load" or not isinstance(use.payload[1], Affine) or use in replaced:
            continue
        offset: Affine = use.payload[1]
        variables = [atom for atom, _ in offset.terms if isinstance(atom, Variable)]
        if offset.coefficient(lane) in (0, 1) or len(variables) < len(offset.terms):
            continue
        elements = math.prod(variable.extent for variable in variables)
        if count < LEAST_REUSE * elements:
            continue
        ordered = [variable for variable in variables if variable is not lane] + [lane]
        strides = [math.prod(v.extent for v in ordered[k + 1 :]) for k in range(len(ordered))]
        terms = sorted(zip(ordered, strides, strict=True), key=lambda term: term[0].serial)
        packed = Packed(elements, use.dtype)
        replaced[use] = emit.load(packed, Affine(tuple(terms), 0), use.dtype)
        copies.append((packed, Kernel(kernel.node, tuple(ordered), use)))
    changed = _replace(root, replaced, emit) if replaced else root
    if not vectorises(changed, lane):
        return [], kernel
    return copies, replace(kernel, root=changed)


def _replace(root: Expression, replaced: dict[Expression, Expression], emit: SymbolicEmitter) -> Expression:
    if root in replaced:
        return replaced[root]
    arguments = tuple(_replace(argument, replaced, emit) for argument in root.arguments)
    return emit.make(root.kind, root.dtype, *arguments, payload=root.payload)


class KernelWriter:
    """Writes one kernel: `void name(ptr out, ptr source, …)`, sources in the order of `sources`."""

    def __init__(self, module: Module, name: str, kernel: Kernel, sources: Sequence[object], vector_bytes: int) -> None:
        parameters = [("out", "ptr noalias"), *((f"source{k}", "ptr noalias readonly") for k in range(len(sources)))]
        self.function = Function(module, name, "void", parameters, "nounwind noinline", "internal")
        self.pointers = {source: Value(f"%source{k}", POINTER) for k, source in enumerate(sources)}
        self.kernel, self.dtype = kernel, kernel.root.dtype
        widest = max(use.dtype.numpy.itemsize for use, _ in walk(kernel.root))
        self.width = max(vector_bytes // widest, 1)
        self.strides = {
            variable: math.prod(v.extent for v in kernel.variables[k + 1 :])
            for k, variable in enumerate(kernel.variables)
        }

    def write(self) -> None:
        """The whole function."""
        variables, root = self.kernel.variables, self.kernel.root
        if variables and vectorises(root, variables[-1]):
            if root.kind == "reduce":
                self._tiles()
            else:
                self._nest(variables[:-1], {}, self._vectors)
        else:
            self._nest(variables, {}, self._element)
        self.function.do("ret void")
        self.function.finish()

    def _nest(
        self,
        variables: Sequence[Variable],
        places: dict[Variable, Value],
        inside: Callable[[dict[Variable, Value]], None],
    ) -> None:
        if not variables:
            inside(places)
            return
        with self.function.loop(variables[0].extent) as index:
            self._nest(variables[1:], {**places, variables[0]: index}, inside)

    def _element(self, places: dict[Variable, Value]) -> None:
        body = Body(self.function, self.pointers, places, reduction_width=self.width)
        body.store(body.value(self.kernel.root), self._target(places), self.dtype)

    def _target(self, places: dict[Variable, Value]) -> Value:
        f = self.function
        total = integer(0)
        for variable, place in places.items():
            stride = self.strides[variable]
            term = place if stride == 1 else f.integer_operation("mul nsw", place, stride)
            total = term if total.text == "0" else f.integer_operation("add nsw", total, term)
        return f.offset(Value("%out", POINTER), total, MEMORY_TYPES[self.dtype])

    def _vectors(self, places: dict[Variable, Value]) -> None:
        """The last axis, a vector at a time, and what is left of it as one shorter vector."""
        lane = self.kernel.variables[-1]

        def at(start: Value, widths: Sequence[int]) -> None:
            here = {**places, lane: start}
            body = Body(self.function, self.pointers, here, lane, widths[0])
            body.store(body.value(self.kernel.root), self._target(here), self.dtype)

        self._strip(lane.extent, [self.width], at)

    def _strip(self, extent: int, widths: list[int], at: Callable[[Value, Sequence[int]], None]) -> None:
        """Call `at` for every run of the given widths that fits in `extent`, then for the rest."""
        f, stride = self.function, sum(widths)
        whole = extent // stride * stride
        if whole:
            loop = f.open_loop(whole, step=stride)
            at(loop.index, widths)
            f.close_loop(loop)
        rest = extent - whole
        if rest:
            parts = [self.width] * (rest // self.width) + ([rest % self.width] if rest % self.width else [])
            start = whole
            if len(widths) > 1:
                at(integer(start), parts)
                return
            for part in parts:
                at(integer(start), [part])
                start += part

    def _tiles(self) -> None:
        *outer, lane = self.kernel.variables
        shared = [v for v in outer if self._reused_along(v, lane)]
        row = shared[-1] if shared else None
        others = [v for v in outer if v is not row]

        def tile(places: dict[Variable, Value], rows: int, start: Value, widths: Sequence[int]) -> None:
            bodies, targets = [], []
            for k in range(rows):
                first = start
                for width in widths:
                    here = {**places, lane: first}
                    if row is not None:
                        here[row] = self.function.integer_operation("add nuw nsw", places[row], k)
                    bodies.append(Body(self.function, self.pointers, here, lane, width))
                    targets.append(self._ordered(here))
                    first = self.function.integer_operation("add nuw nsw", first, width)
            for body, value, here in zip(bodies, reduce_together(bodies, self.kernel.root), targets, strict=True):
                body.store(value, self._target(here), self.dtype)

        def columns(places: dict[Variable, Value]) -> None:
            def at(start: Value, widths: Sequence[int]) -> None:
                if row is None:
                    tile(places, 1, start, widths)
                    return
                for rows, first, count in _runs(row.extent, _tile_rows(row.extent)):
                    loop = self.function.open_loop(first + rows * count, start=first, step=rows)
                    tile({**places, row: loop.index}, rows, start, widths)
                    self.function.close_loop(loop)

            self._strip(lane.extent, [self.width] * VECTORS, at)

        self._nest(others, {}, columns)

    def _ordered(self, places: dict[Variable, Value]) -> dict[Variable, Value]:
        return {variable: places[variable] for variable in self.kernel.variables}

    def _reused_along(self, row: Variable, lane: Variable) -> bool:
        """Whether a load of neighbouring lanes is the same for every `row`."""
        loads = [use for use, _ in walk(self.kernel.root) if use.kind == "load"]
        return any(depends(load, lane) and not depends(load, row) for load in loads)


def _tile_rows(extent: int) -> int:
    """The rows of a tile: as many as divide the extent, since what is left over is a second piece of code."""
    return next((rows for rows in range(ROWS, 3, -1) if extent % rows == 0), ROWS)


def _runs(extent: int, step: int) -> list[tuple[int, int, int]]:
    """(step, first, count) of the runs that cover `extent`: as many whole steps as fit, then one shorter."""
    whole, rest = divmod(extent, step)
    runs = [(step, 0, whole)] if whole else []
    return [*runs, (rest, whole * step, 1)] if rest else runs
