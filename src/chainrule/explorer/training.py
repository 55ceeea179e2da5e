"""The code by which a page trains: the passes in JavaScript, and for larger networks descent in WebAssembly."""

from __future__ import annotations

import math

from chainrule.derivation import Record, Valuation
from chainrule.emit import EmitError, descent_object, passes_object
from chainrule.engines import EngineError

_LARGE = 100_000
"""The number of entries of parameters, times rows, from which a page has WebAssembly; it takes some 30 kB."""


def training_code(record: Record, point: Valuation) -> str:
    """Return statements that export `passes` and `descent`, each null where there is none."""
    return f"export const passes = {_passes(record)};\nexport const descent = {_descent(record, point)};"


def _passes(record: Record) -> str:
    try:
        return passes_object(record)
    except EmitError:
        return "null"


def _descent(record: Record, point: Valuation) -> str:
    parameters = record.backward.wrt
    rows = max((point(node).shape[0] for node in record.program.inputs if point(node).ndim), default=1)
    if rows * sum(math.prod(point(node).shape) for node in parameters) < _LARGE:
        return "null"
    try:
        return descent_object(record, point.sizes)
    except (EmitError, EngineError):
        return "null"
