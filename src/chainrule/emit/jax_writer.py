"""The entries in which JAX differs from NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from chainrule.emit.arrays import ArrayWriter, Helper, primitive_of
from chainrule.emit.code import Code, attribute, call, entries_of, method, subscript
from chainrule.emit.decompositions import IN_JAX, polar_factor_source, solved_in_jax
from chainrule.emit.expressions import Expr, Indexed
from chainrule.emit.layout import Text
from chainrule.emit.library import adjugate_source, overlap_add_source, pad, window_parts
from chainrule.emit.numpy_writer import NumPyWriter
from chainrule.emit.sharing import Repeat
from chainrule.emit.special_functions import SPECIAL_IN_JAX
from chainrule.primitives import (
    Elu,
    Erf,
    Erfc,
    LeakyRelu,
    LogSoftmax,
    Pad,
    Relu,
    ScatterAdd,
    Sigmoid,
    Softmax,
    Softplus,
    SpecialFunction,
    TriangularSolve,
    Where,
    Windows,
)


class JaxWriter(NumPyWriter):
    """Expressions in JAX."""

    target: ClassVar[str] = "jax"
    module: ClassVar[str] = "jnp"
    imported: ClassVar[Mapping[str, str]] = {"jax": "import jax", "jnp": "import jax.numpy as jnp"}

    def log_sum_exp(self, operand: Code, options: dict[str, str]) -> Code:
        return call("jax.nn.logsumexp", operand, **options)

    def blank(self, name: str, x: Expr, operands: Sequence[Code]) -> Code:
        """Write a new array; JAX has gradients by floats only."""
        if operands and name == "zeros":
            return self.function("zeros_like", *operands)
        return super().blank(name, x, operands)

    def assignment(self, place: Expr, value: str, adds: bool) -> str:
        """Write a line; an array is not modified, but has another with this element in its place."""
        if not isinstance(place.operation, Indexed):
            return super().assignment(place, value, adds)
        (array,) = place.operands
        name = self.write(array)
        element = self.indexed(array, attribute(name, "at"), place.operation.entries)
        return f"{name} = {method(element, 'add' if adds else 'set', value)}"

    def loop(self, repeat: Repeat, lines: Sequence[Text], carried: Sequence[str]) -> list[Text]:
        """Write a scan, whose body is traced once, with `carried` as what a step hands on to the next."""
        place, order = self.size(repeat.place), {"reverse": "True"} if repeat.reverse else {}
        names = ", ".join(carried) if len(carried) > 1 else entries_of(carried)
        counted = self.function("arange", str(repeat.count))
        scan = call(f"{self.use('jax')}.lax.scan", "step", entries_of(carried), counted, **order)
        return [
            Text(f"def step(carry, {place}):"),
            Text(f"    {names} = carry"),
            *(Text(f"    {line.code}", line.comment) for line in lines),
            Text(f"    return {self.use('as_carried')}({entries_of(carried)}, carry), None"),
            Text(f"carry, _ = {scan}"),
            Text(f"{names} = carry"),
        ]


def _scatter_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, ScatterAdd)
    like = writer.alike(x.shape)
    zeros = writer.function("zeros_like", like) if like else writer.new("zeros", writer.shape(x.shape))
    return method(subscript(attribute(zeros, "at"), *[":"] * primitive.axis, *operands[1:]), "add", operands[0])


def _pad(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, Pad)
    if not any(primitive.interior):
        return pad(writer, x, operands)
    parts = zip(primitive.low, primitive.high, primitive.interior, strict=True)
    entries = [entries_of([writer.dim(low), writer.dim(high), interior]) for low, high, interior in parts]
    zero = writer.function("array", "0", dtype=attribute(operands[0], "dtype"))
    return call("jax.lax.pad", operands[0], zero, entries_of(entries))


def _windows(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    axes, counts, sizes, strides, dilations = zip(*[part[:5] for part in window_parts(x)], strict=True)
    columns = [axes, [*map(writer.dim, counts)], [*map(writer.dim, sizes)], strides, dilations]
    return writer.helper("windows", operands[0], *map(entries_of, columns))


JaxWriter.table = {
    **NumPyWriter.table,
    **IN_JAX,
    Elu: "jax.nn.elu({}, {alpha})",
    Erf: "jax.scipy.special.erf({})",
    Erfc: "jax.scipy.special.erfc({})",
    LeakyRelu: "jax.nn.leaky_relu({}, {slope})",
    LogSoftmax: "jax.nn.log_softmax({}, axis={axes})",
    Pad: _pad,
    Relu: "jax.nn.relu({})",
    ScatterAdd: _scatter_add,
    Sigmoid: "jax.nn.sigmoid({})",
    Softmax: "jax.nn.softmax({}, axis={axes})",
    Softplus: "jax.nn.softplus({})",
    SpecialFunction: SPECIAL_IN_JAX,
    TriangularSolve: solved_in_jax,
    Where: "{np}.where({}, {}, {})",  # numbers are weakly typed and adopt the dtype of other operands
    Windows: _windows,
}

JaxWriter.helpers = {
    "as_carried": Helper(
        '''def as_carried(values, carry):
    """The values of a step in the types in which it received them, also where inputs are of several precisions."""
    return jax.tree.map(lambda value, before: value.astype(before.dtype), values, carry)''',
        ("jax",),
    ),
    "add_along": Helper(
        '''def add_along(shape, x, places, axis):
    """Zeros, to which each element of x is added at its place along an axis."""
    index = list(jnp.indices(x.shape))
    index[axis] = places
    return jnp.zeros(shape, x.dtype).at[tuple(index)].add(x)''',
        ("jnp",),
    ),
    "windows": Helper(
        '''def windows(x, axes, counts, sizes, strides, dilations):
    """Sliding windows along axes; the places within each are new last axes."""
    geometry = zip(axes, counts, sizes, strides, dilations, strict=True)
    for axis, count, size, stride, dilation in geometry:
        places = stride * jnp.arange(count)[:, None] + dilation * jnp.arange(size)
        x = jnp.moveaxis(jnp.take(x, places, axis=axis), axis + 1, -1)
    return x''',
        ("jnp",),
    ),
    "adjugate": Helper(adjugate_source("jnp", "bool"), ("jnp",)),
    "polar_factor": Helper(polar_factor_source("jnp"), ("jnp",)),
    "overlap_add": Helper(
        overlap_add_source(
            "jnp.zeros(shape, windows.dtype)",
            "itertools.product(*map(range, windows.shape[len(shape) :]))",
            "result = result.at[tuple(where)].add(windows[(..., *place)])",
        ),
        ("itertools", "jnp"),
    ),
}
