"""Gradient descent as WebAssembly: under node, against the reference engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.emitted import assert_close, case_of
from support.gallery_samples import derived

from chainrule.deriving import derive
from chainrule.emit import EmitError, UnverifiedError, checking, wasm_source
from chainrule.emit.node import find_node, run_in_node
from chainrule.emit.wasm_source import WasmSource
from chainrule.engines import Loop, Run, get_engine
from chainrule.gallery import GALLERY
from chainrule.ir import Program

NODE = find_node() or ""
pytestmark = pytest.mark.skipif(not NODE, reason="node is not installed")
STEPS = """
const run = await open();
run.set(given);
results.losses = run.advance(4).losses;
for (const name of layout.states) results[`state ${name}`] = run.get(name);
"""


@pytest.mark.parametrize("name", GALLERY)
def test_steps_are_those_of_the_reference_engine(name: str) -> None:
    if derived(name).record.is_layer:
        with pytest.raises(EmitError, match="descends a loss, and a layer has none; write the layer for js"):
            derived(name).source("wasm")
        return
    drawn = case_of(name, engine="reference")
    source = WasmSource(drawn.derivation.record, name, drawn.sizes)
    given = {**drawn.arguments, source.rate: np.asarray(0.01)}
    state = {key: given[key] for key in source.parameters}
    data = {key: given[key] for key in (*source.constants, source.rate)}
    expected = get_engine("reference").run(Run(source.loop, state, data, 0), 4)
    found = run_in_node(NODE, source.text(), STEPS, given)
    assert_close(found["losses"], expected.losses, "the losses", 1e-12)
    for key, value in expected.state.items():
        assert_close(found[f"state {key}"], value.ravel(), key, 1e-12)


def test_the_text_says_how_it_is_called() -> None:
    def loss(learning_rate: Any, b: Any) -> Any:
        return np.sum((learning_rate - b) ** 2)

    source = derive(loss, ["learning_rate"], learning_rate="n", b="n").source("wasm", sizes={"n": 3})
    assert " *     run.set({ learning_rate, b, learning_rate_2: 0.1 });\n" in source
    assert " *     const learning_rate = run.get('learning_rate');\n" in source
    assert "export async function open(" in source


def test_what_there_is_no_descent_for() -> None:
    with pytest.raises(EmitError, match="WebAssembly has static sizes: give n, d numbers"):
        derived("linear_regression").source("wasm")
    with pytest.raises(EmitError, match="there is no size named m"):
        derived("linear_regression").source("wasm", sizes={"n": 2, "d": 2, "m": 1})


@pytest.mark.parametrize("has_node", [True, False])
@pytest.mark.parametrize("output", [0, 1])
def test_a_wrong_step_is_not_written(output: int, has_node: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(state: Any, rows: Any, constants: Any, steps: Mapping[int, Program], *rest: Any) -> Loop:
        outputs = list(steps[1].outputs)
        outputs[output] = 2 * outputs[output]
        return Loop(state, rows, constants, {1: replace(steps[1], outputs=tuple(outputs))}, *rest)

    derivation, sizes = derived("linear_regression"), {"n": 2, "d": 2}
    if not has_node:
        monkeypatch.setattr(checking, "find_node", lambda: None)
    assert derivation.source("wasm", sizes=sizes)
    monkeypatch.setattr(wasm_source, "Loop", wrong)
    with pytest.raises(UnverifiedError, match=r"the source in WebAssembly gives for .* is not what was derived"):
        derivation.source("wasm", sizes=sizes)
