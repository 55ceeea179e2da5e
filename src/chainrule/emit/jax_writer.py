"""How JAX writes what it writes otherwise than NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from chainrule.emit.arrays import ArrayWriter, Writing, primitive_of
from chainrule.emit.code import Code, Level, atom, call, method, power, product, total
from chainrule.emit.expressions import Expr
from chainrule.emit.numpy_writer import NumPyWriter, padding, softmax_axes
from chainrule.emit.window_writer import JAX_WINDOWS
from chainrule.primitives import (
    Elu,
    Erf,
    Erfc,
    Gelu,
    GeluTanh,
    LeakyRelu,
    LogSoftmax,
    OneHot,
    Pad,
    Relu,
    ScatterAdd,
    Sigmoid,
    Softmax,
    Softplus,
    Where,
)


class JaxWriter(NumPyWriter):
    """Expressions in JAX."""

    target: ClassVar[str] = "jax"
    module: ClassVar[str] = "jnp"
    table: ClassVar[Mapping[type, Writing]]

    def log_sum_exp(self, operand: Code, options: dict[str, str]) -> Code:
        return call("jax.nn.logsumexp", operand, **options)


def _of_jax(name: str) -> Writing:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        return call(f"jax.{name}", *operands)

    return write


def _along_axes(name: str) -> Writing:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        return call(f"jax.nn.{name}", operands[0], axis=softmax_axes(writer, x) or "None")

    return write


def _where(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    # Numbers are weakly typed here: they take the dtype of what they meet.
    return call("jnp.where", *operands)


def _leaky_relu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, LeakyRelu)
    return call("jax.nn.leaky_relu", operands[0], str(writer.number(primitive.slope)))


def _elu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, Elu)
    return call("jax.nn.elu", operands[0], str(writer.number(primitive.alpha)))


def _gelu(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    writer.imports["math"] = None
    (z,) = operands
    return product(product(atom("0.5"), z), call("jax.scipy.special.erfc", f"-{z.at(Level.SIGN)} / math.sqrt(2)"))


def _gelu_tanh(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    writer.imports["math"] = None
    (z,) = operands
    cubic = total(z, product(atom("0.044715"), power(z, atom("3"))))
    return product(z, call("jax.nn.sigmoid", product(atom("2 * math.sqrt(2 / math.pi)"), cubic)))


def _one_hot(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, OneHot)
    # A row of the identity rather than jax.nn.one_hot, for which a label counted from the end is a row of zeros.
    rows = call("jnp.eye", writer.dim(primitive.size), dtype=writer.dtype())
    return atom(f"{rows}[{operands[0]}]")


def _scatter_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, ScatterAdd)
    like = writer.alike(x.shape)
    zeros = call("jnp.zeros_like", like) if like else call("jnp.zeros", writer.shape(x.shape), dtype=writer.dtype())
    places = ", ".join([*[":"] * primitive.axis, str(operands[1])])
    return call(f"{zeros}.at[{places}].add", operands[0])


def _pad(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    widths, places = padding(writer, x)
    if places is None:
        return call("jnp.pad", operands[0], widths)
    primitive = primitive_of(x)
    assert isinstance(primitive, Pad)
    parts = zip(primitive.low, primitive.high, primitive.interior, strict=True)
    entries = ", ".join(f"({writer.dim(low)}, {writer.dim(high)}, {interior})" for low, high, interior in parts)
    zero = call("jnp.array", "0", dtype=str(method(atom(operands[0].at(Level.ATOM)), "dtype"))[:-2])
    return call("jax.lax.pad", operands[0], zero, f"({entries}{',' if x.ndim == 1 else ''})")


JaxWriter.table = {
    **NumPyWriter.table,
    Elu: _elu,
    Erf: _of_jax("scipy.special.erf"),
    Erfc: _of_jax("scipy.special.erfc"),
    Gelu: _gelu,
    GeluTanh: _gelu_tanh,
    LeakyRelu: _leaky_relu,
    LogSoftmax: _along_axes("log_softmax"),
    OneHot: _one_hot,
    Pad: _pad,
    Relu: _of_jax("nn.relu"),
    ScatterAdd: _scatter_add,
    Sigmoid: _of_jax("nn.sigmoid"),
    Softmax: _along_axes("softmax"),
    Softplus: _of_jax("nn.softplus"),
    Where: _where,
    **JAX_WINDOWS,
}
