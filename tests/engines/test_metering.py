"""Cycles counted around the parts of a step."""

from __future__ import annotations

import numpy as np
import pytest
from support.handwritten import initial, network_loop, random_data

from chainrule.engines import EngineError, Run
from chainrule.engines.native import NativeEngine
from chainrule.engines.native.compilation import write_loop
from chainrule.engines.native.target import host, parse_target

SIZES = (20, 64, 2)


def test_every_part_of_a_step_is_counted() -> None:
    loop, state = network_loop(64, 32, sizes=SIZES), initial(0, SIZES)
    if not host().is_x86:
        with pytest.raises(EngineError, match="x86"):
            NativeEngine().metered(Run(loop, state, random_data(64, SIZES), 0), 2, 1)
        return
    for threads in (1, 2):
        parts = NativeEngine().metered(Run(loop, state, random_data(64, SIZES), 0), 2, threads)
        assert all(len(cycles) == threads for _, cycles in parts)
        assert any("64 × 2" in label or "32 × 2" in label for label, _ in parts)
        products = [sum(cycles) for label, cycles in parts if "sums over" in label]
        assert min(products) > 0
        assert sum(label.startswith("waiting") for label, _ in parts) == write_loop(loop).phases


def test_counting_changes_no_result_and_is_not_there_unless_asked_for() -> None:
    loop = network_loop(64, 32, sizes=SIZES)
    assert "readcyclecounter" not in write_loop(loop).text
    assert "readcyclecounter" in write_loop(loop, metered=True).text
    state = initial(0, SIZES)
    before = {name: value.copy() for name, value in state.items()}
    if host().is_x86:
        NativeEngine().metered(Run(loop, state, random_data(64, SIZES), 0), 1, 1)
    assert all(np.array_equal(state[name], before[name]) for name in state)


def test_other_processors_are_refused() -> None:
    loop = network_loop(64, 32, sizes=SIZES)
    with pytest.raises(EngineError, match="x86"):
        NativeEngine(target=parse_target("aarch64")).metered(
            Run(loop, initial(0, SIZES), random_data(64, SIZES), 0), 1, 1
        )
