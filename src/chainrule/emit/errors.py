"""What goes wrong when a backward pass is written out as source."""

from __future__ import annotations

from chainrule.ir import ChainruleError


class EmitError(ChainruleError, ValueError):
    """A target lacks an operation, or lacks something that it has to be told, such as the number behind a size."""
