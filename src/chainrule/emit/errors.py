"""Errors of export as source."""

from __future__ import annotations

from chainrule.words import ChainruleError


class EmitError(ChainruleError, ValueError):
    """A target lacks an operation, or information such as the number for a symbolic size."""


class UnverifiedError(EmitError):
    """The derivation, or the exported source, failed verification; nothing is returned."""
