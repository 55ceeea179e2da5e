"""What a page shows: values as the reference has them, and as sources of an entry what a small change of it changes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.changed_values import ChangedValues
from support.gallery_samples import derived, page_of
from support.subprocesses import HANG

from chainrule.derivation import Record
from chainrule.derivation.points import bind_nodes
from chainrule.explorer.lines import Line, lines_of
from chainrule.explorer.page import unpacked
from chainrule.explorer.structures import of_function
from chainrule.gallery import GALLERY
from chainrule.ir import Input, topological_order

NODE = shutil.which("node")
STEP = 1e-5
"""The change of an entry, as the page makes it."""

pytestmark = pytest.mark.skipif(NODE is None, reason="no node is installed: what pages compute is not tested")


def computed(page: str) -> dict[str, Any]:
    """What the page computes for its first structure."""
    assert NODE is not None
    command = [NODE, str(Path(__file__).with_name("values.mjs"))]
    done = subprocess.run(
        command, input=json.dumps(unpacked(page)), capture_output=True, text=True, timeout=HANG, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found[0]


def symbols_of(record: Record) -> dict[str, Input]:
    """The symbol of every value of a record."""
    symbols = [*record.program.inputs, *record.derivative_symbols.values(), *record.abbreviation_claims]
    symbols += [stage.symbol for stage in record.backward.stages]
    symbols += [entry.cotangent for entry in record.backward.accumulations if isinstance(entry.cotangent, Input)]
    return {symbol.name: symbol for symbol in symbols}


def counting(line: Line, values: dict[str, NDArray[Any]], sizes: dict[str, int]) -> list[set[tuple[str, int]]]:
    """For each entry of a line, the entries of floats of which a small change changes it."""
    right = line.claim.right
    inputs = [node for node in topological_order([right]) if isinstance(node, Input)]
    bound = bind_nodes([right, *inputs], sizes)
    line_at = ChangedValues(bound[right], {bound[node]: values[node.name] for node in inputs})
    found: list[set[tuple[str, int]]] = [set() for _ in range(line_at.value.size)]
    for node in inputs:
        if not node.type.dtype.is_float:
            continue
        following = line_at.by(bound[node])
        for at, entry in enumerate(values[node.name].flat):
            above, below = (values[node.name].astype(float) for _ in range(2))
            step = STEP * max(1.0, abs(entry))
            above.flat[at] += step
            below.flat[at] -= step
            for result in np.flatnonzero(following(above) != following(below)):
                found[result].add((node.name, at))
    return found


@pytest.mark.parametrize("name", GALLERY)
def test_values_are_those_of_the_reference_and_sources_are_what_counts(name: str) -> None:
    derivation = derived(name)
    shown = computed(page_of(name))
    record, point = derivation.record, of_function(derivation, None, None).point
    values = {key: point(symbol) for key, symbol in symbols_of(record).items()}
    assert set(shown["values"]) <= set(values)
    for key, data in shown["values"].items():
        np.testing.assert_allclose(np.array(data, float), values[key].ravel(), 1e-12, 1e-14, err_msg=key)
    floats = {key for key, symbol in symbols_of(record).items() if symbol.type.dtype.is_float}
    for line, entries in zip(lines_of(record), shown["counting"], strict=True):
        expected = counting(line, values, dict(point.sizes))
        found = [{(key, at) for key, at in entry if key in floats} for entry in entries]
        assert found == expected, line.key
