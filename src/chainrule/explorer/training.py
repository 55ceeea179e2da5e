"""The code by which a page trains: the passes in JavaScript, and the steps of optimizers in WebAssembly."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from chainrule.derivation import Json, Record, Valuation
from chainrule.emit import EmitError, passes_object
from chainrule.engines import wasm_module
from chainrule.training import SGD, Adam, Optimizer, TrainingSession, open_session
from chainrule.words import ChainruleError

_LARGE = 10_000
"""The number of entries of parameters, times rows, from which any page has WebAssembly; it takes 20 kB or more."""

_OPTIMIZERS: Final[Mapping[str, Optimizer]] = {"sgd": SGD(1.0), "momentum": SGD(1.0, momentum=0.9), "adam": Adam(1.0)}
"""Those of the page, by their names there; the rate is set on the page."""


def training_code(record: Record, point: Valuation, is_compiled: bool) -> str:
    """Return statements that export `passes` and `descent`, each null where there is none.

    A small network has WebAssembly only if it `is_compiled`.
    """
    return f"export const passes = {_passes(record)};\nexport const descent = {_descent(record, point, is_compiled)};"


def _passes(record: Record) -> str:
    try:
        return passes_object(record)
    except EmitError:
        return "null"


def _descent(record: Record, point: Valuation, is_compiled: bool) -> str:
    """Return an object with the `sizes` and the `names` of inputs of WebAssembly, and `runs` by optimizer."""
    parameters = [node.name for node in record.backward.wrt]
    values = {node.name: np.asarray(point(node)) for node in record.program.inputs}
    rows = max((array.shape[0] for array in values.values() if array.ndim), default=1)
    if not is_compiled and rows * sum(math.prod(values[name].shape) for name in parameters) < _LARGE:
        return "null"
    try:
        runs = [f"{name}: {_run(record, values, each)}" for name, each in _OPTIMIZERS.items()]
    except ChainruleError:
        return "null"
    names: list[Json] = [*parameters, *(name for name in values if name not in parameters)]
    known = _json({"sizes": dict(point.sizes), "names": names})
    return f"{{ ...{known}, runs: {{ {', '.join(runs)} }} }}"


def _run(record: Record, values: Mapping[str, np.ndarray], optimizer: Optimizer) -> str:
    """Return an object with `open`, the name of the `rate`, numbers that are `fixed`, and the `counter` of steps."""
    params = {node.name: values[node.name] for node in record.backward.wrt}
    constants = {name: array for name, array in values.items() if name not in params}
    session = open_session(record.program, params, {}, optimizer, constants=constants, engine="reference")
    assert isinstance(session, TrainingSession)
    loop = session.run.loop
    kind = type(optimizer).__name__
    fixed: dict[str, Json] = {
        name: float(session.run.data[name])
        for name in loop.constants
        if name.startswith(f"{kind} ") and name != f"{kind} learning_rate"
    }
    counter = next((name for name in loop.state if session.run.state[name].dtype.kind == "i"), None)
    known = _json({"rate": f"{kind} learning_rate", "fixed": fixed, "counter": counter})
    return f"(() => {{\n{wasm_module(loop)}\nreturn {{ open, ...{known} }};\n}})()"


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
