"""The error for reading and writing models."""

from __future__ import annotations

from chainrule.words import ChainruleError


class ModelError(ChainruleError, ValueError):
    """A file is not a model, is damaged or unsupported; or a model is inconsistent or cannot be written."""
