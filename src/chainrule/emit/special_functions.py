"""Table entries for the functions that SciPy computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chainrule.emit.arrays import ArrayWriter, primitive_of
from chainrule.emit.code import Code, call
from chainrule.emit.errors import EmitError
from chainrule.emit.expressions import Expr
from chainrule.primitives import SpecialFunction

_BESSEL = {("iv", 0): "i0", ("iv", 1): "i1", ("ive", 0): "i0e", ("ive", 1): "i1e"}
_JAX_HAS = ("gamma", "betainc", "exp1", "expi", "spence")
_IN_TORCH = {
    **{("jv", 0): "bessel_j0", ("jv", 1): "bessel_j1", ("yv", 0): "bessel_y0", ("yv", 1): "bessel_y1"},
    **{("kv", 0): "modified_bessel_k0", ("kv", 1): "modified_bessel_k1"},
    **_BESSEL,
}
_PLAIN = ("gammaln", "digamma", "erfinv", "ndtri", "log_ndtr", "gammainc", "gammaincc")


def _spelled(primitive: SpecialFunction, names: Mapping[tuple[str, int], str], plain: Sequence[str]) -> str | None:
    return primitive.name if primitive.name in plain else names.get((primitive.name, primitive.order))


def _writer(
    library: str, root: str, module: str, spelled: Callable[[SpecialFunction], str | None]
) -> Callable[[ArrayWriter, Expr, Sequence[Code]], Code]:
    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        assert isinstance(primitive, SpecialFunction)
        writer.use(root)
        name = spelled(primitive)
        if name is not None:
            return call(f"{module}.{name}", *operands)
        if primitive.name == "gammainc_a":
            raise EmitError(f"{library} has no derivative of gammainc by its first argument; leave that one out of wrt")
        if primitive.name == "polygamma" or (library == "SciPy" and primitive.has_order):
            return call(f"{module}.{primitive.name}", str(primitive.order), *operands)
        name = f"{primitive.name}({primitive.order}, x)" if primitive.has_order else primitive.name
        raise EmitError(f"{library} has no function {name}; write the source for NumPy")

    return write


SPECIAL_IN_NUMPY = _writer("SciPy", "scipy", "scipy.special", lambda f: None if f.has_order else f.name)
SPECIAL_IN_JAX = _writer("JAX", "jax", "jax.scipy.special", lambda f: _spelled(f, _BESSEL, (*_PLAIN, *_JAX_HAS)))
SPECIAL_IN_TORCH = _writer("PyTorch", "torch", "torch.special", lambda f: _spelled(f, _IN_TORCH, (*_PLAIN, "erfcx")))
