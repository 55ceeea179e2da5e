"""JAX, which is an optional dependency, imported when the engine is first used."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from chainrule.words import MissingDependencyError

try:
    import jax
    import jax.numpy as jnp
    from jax import lax
except ImportError:
    raise MissingDependencyError(
        "engine=\"xla\" needs JAX; install it with pip install 'chainrule[xla]', for a GPU as JAX's documentation says"
    ) from None

__all__ = ["jax", "jnp", "lax", "wide"]


def wide() -> AbstractContextManager[Any]:
    """Return a context with 64-bit types, in which everything here is traced and called.

    JAX's own setting, which may be that of other code in the same process, is left as it is.
    """
    context: AbstractContextManager[Any] = jax.enable_x64(True)
    return context
