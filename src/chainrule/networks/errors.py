"""The error class of networks."""

from __future__ import annotations

from chainrule.words import ChainruleError


class NetworkError(ChainruleError, ValueError):
    """Sizes, names, targets or settings of a network are invalid or inconsistent."""
