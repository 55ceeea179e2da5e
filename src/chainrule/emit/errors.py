"""What goes wrong when a backward pass is written out as source."""

from __future__ import annotations

from chainrule.words import ChainruleError


class EmitError(ChainruleError, ValueError):
    """A target lacks an operation, or lacks something that it has to be told, such as the number behind a size."""


class UnverifiedError(EmitError):
    """The derivation, or the source that was written from it, did not pass its verification: nothing is given."""
