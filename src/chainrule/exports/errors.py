"""Errors of exports, and loading of their optional libraries."""

from __future__ import annotations

from typing import Any

from chainrule.words import ChainruleError, MissingDependencyError


class ExportError(ChainruleError, ValueError):
    """A model cannot be written for a target; the message names the obstacle and an alternative."""


def load_onnx() -> Any:
    """Return the module `onnx`; raise MissingDependencyError, naming the command that installs it."""
    try:
        import onnx
    except ImportError:
        raise MissingDependencyError(
            "writing ONNX needs the package onnx; install it with pip install 'chainrule[onnx]'"
        ) from None
    return onnx
