"""Symmetric matrices are not transposed: within the transpose of S⁻¹ x, which is xᵀ S⁻¹."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from chainrule.primitives import Notation, Postfix, Symbol

_PLAIN = {"ᵀ": None, "⁻ᵀ": "⁻¹"}
T = TypeVar("T")


def untransposed(notation: Notation, symmetric: Set[Symbol]) -> Notation:
    """Return `notation` with S for Sᵀ and S⁻¹ for S⁻ᵀ, for each of the `symmetric` names."""
    return _rewritten(notation, symmetric) if symmetric else notation


def _rewritten(part: T, symmetric: Set[Symbol]) -> T:
    if isinstance(part, tuple):
        return tuple(_rewritten(each, symmetric) for each in part)  # type: ignore[return-value]
    if not is_dataclass(part) or isinstance(part, type):
        return part
    if isinstance(part, Postfix) and part.operand in symmetric and part.operator in _PLAIN:
        mark = _PLAIN[part.operator]
        return part.operand if mark is None else replace(part, operator=mark)  # type: ignore[return-value]
    changed = {field.name: _rewritten(getattr(part, field.name), symmetric) for field in fields(part)}
    return replace(part, **changed)
