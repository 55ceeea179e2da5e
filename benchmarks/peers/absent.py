"""Peers that cannot be measured here say why."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any


class AbsentError(Exception):
    """A peer is not installed, or has no form of a job; the message says which, and what would help."""


def optional(module: str, package: str) -> Any:
    """An optional module; raises AbsentError, naming what to install."""
    if find_spec(module.partition(".")[0]) is None:
        raise AbsentError(f"not installed (pip install {package})")
    return import_module(module)
