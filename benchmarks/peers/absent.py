"""The error for peers that cannot be measured."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any


class AbsentError(Exception):
    """A peer is not installed, or does not support a job; the message names the reason and the remedy."""


def optional(module: str, package: str) -> Any:
    """Import an optional module; raise AbsentError, naming the package to install."""
    if find_spec(module.partition(".")[0]) is None:
        raise AbsentError(f"not installed (pip install {package})")
    return import_module(module)
