"""What exports raise, and where their optional libraries are loaded."""

from __future__ import annotations

from typing import Any

from chainrule.words import ChainruleError, MissingDependencyError


class ExportError(ChainruleError, ValueError):
    """A model cannot be written for a target; the message says what stands in the way, and what would do."""


def load_onnx() -> Any:
    """The module `onnx`; raises MissingDependencyError, naming the command that installs it."""
    try:
        import onnx
    except ImportError:
        raise MissingDependencyError(
            "writing ONNX needs the package onnx; install it with pip install 'chainrule[onnx]'"
        ) from None
    return onnx
