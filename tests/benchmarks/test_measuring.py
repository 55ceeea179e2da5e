from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import coldstart, measure, scaling
from benchmarks.measure import BenchmarkError, Contender, Timing, interleave


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "PAUSE", 0.0)


def test_contenders_take_turns() -> None:
    called: list[str] = []

    def contender(name: str) -> Contender:
        def run() -> int:
            called.append(name)
            return len(called)

        return Contender(name, run)

    timings = interleave([contender("a"), contender("b")], rounds=3, least=0.0)
    assert called == ["a", "b"] * 4
    assert [len(timing.seconds) for timing in timings] == [3, 3]
    assert [timing.outcome for timing in timings] == [7, 8]


def test_a_contender_that_has_had_its_time_drops_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "MOST", 0.0)
    (timing,) = interleave([Contender("slow", lambda: None)], rounds=9, least=0.0)
    assert len(timing.seconds) == measure.FEWEST_ROUNDS


def test_short_runs_are_repeated() -> None:
    calls: list[int] = []
    interleave([Contender("short", lambda: calls.append(1))], rounds=1, least=0.005)
    assert len(calls) > 2


def test_programs_that_start_cold_train_the_same_network(tmp_path: Path) -> None:
    contenders, _ = coldstart.gather(tmp_path)
    timings = [Timing(contender.name, 0.0, (0.0,), contender.run()) for contender in contenders[:3]]
    assert [timing.name.partition(",")[0] for timing in timings] == ["chainrule", "chainrule", "NumPy"]
    coldstart.check_weights(timings)
    timings[1].outcome["W2"][0] += 1e-6
    with pytest.raises(BenchmarkError, match="another W2"):
        coldstart.check_weights(timings)


def axes(rows: list[float], threads: list[float]) -> dict[str, Any]:
    return {
        "rows": {"values": [1, 2, 4], "ours_seconds": rows},
        "threads": {"values": [1, 2], "ours_seconds": threads},
        "threads, small": {"values": [1, 2], "ours_seconds": [1.0, 1.0]},
    }


def test_the_checks_of_scaling() -> None:
    good = scaling.checks(axes([1.0, 2.0, 4.0], [1.0, 1.09]))
    assert all(check["holds"] for check in good.values())
    bad = scaling.checks(axes([1.0, 2.0, 5.0], [1.0, 1.2]))
    assert not any(check["holds"] for check in bad.values())
    np.testing.assert_allclose([check["worst"] for check in bad.values()], [0.25, 0.2], rtol=1e-12)
