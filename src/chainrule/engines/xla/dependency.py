"""JAX, which is an optional dependency, imported when the engine is first used."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import Any

from chainrule.engines.launching import is_one_of_several
from chainrule.words import MissingDependencyError

# If another process ends, JAX writes some 20 lines and aborts; `ending` writes one. The level is read when JAX is
# imported, which sets it to 1 where nothing is set: the process that started this one may have done so.
if is_one_of_several(os.environ) and os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "4"

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
