"""What reading and writing models raises."""

from __future__ import annotations

from chainrule.words import ChainruleError


class ModelError(ChainruleError, ValueError):
    """A file is no model, is damaged, or is not read by this version; or a model cannot be written or does not fit."""
