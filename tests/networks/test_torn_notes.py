"""An interrupt between any two lines of the trainer's bookkeeping leaves a state that resumes with the same bits."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest

from chainrule.networks import Architecture, TrainingSettings, TrainingState, Validation, train
from chainrule.training import SGD, Adam

DRAWS = np.random.default_rng(0)
X = DRAWS.standard_normal((40, 3))
Y = DRAWS.integers(0, 2, 40)
NETWORK = Architecture(3, (4,), 2, loss="cross_entropy")
WATCHED = ("descent.py", "progress.py", "stopping.py", "evaluation.py", "interrupts.py", "engines/session.py")

RUNS: dict[str, tuple[TrainingSettings, Validation | None]] = {
    "plain": (TrainingSettings(Adam(0.01), epochs=5, batch_size=16), None),
    "validation": (
        TrainingSettings(Adam(0.01), epochs=5, batch_size=16, monitor="validation_loss", restore_best=True),
        Validation(X[:9], Y[:9]),
    ),
    "rates": (
        TrainingSettings(SGD(0.5), epochs=5, batch_size=16, tolerance=0.5, patience=0, plateau="divide"),
        None,
    ),
    "stopping": (TrainingSettings(SGD(0.5), epochs=9, batch_size=16, tolerance=0.05, patience=2), None),
}


class Interruption:
    """Ctrl-C once, before the line numbered `moment` among those of the trainer that are run."""

    def __init__(self, moment: int) -> None:
        self.moment, self.count = moment, 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.endswith(WATCHED):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.moment:
                signal.raise_signal(signal.SIGINT)
        return self


def interrupted(moment: int, name: str) -> tuple[TrainingState | None, int]:
    settings, validation = RUNS[name]
    tracing, before = Interruption(moment), sys.gettrace()
    sys.settrace(tracing)
    try:
        return train(NETWORK, NETWORK.initial(1), X, Y, None, settings, validation), tracing.count
    except KeyboardInterrupt:
        return None, tracing.count
    finally:
        sys.settrace(before)


def plain(state: TrainingState) -> dict[str, Any]:
    def bits(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return value.tobytes()
        return {key: bits(each) for key, each in value.items()} if isinstance(value, dict) else value

    return {name: bits(value) for name, value in vars(state).items() if name not in ("seconds", "threads", "reason")}


@pytest.mark.parametrize("name", RUNS)
def test_an_interrupt_between_any_two_lines(name: str) -> None:
    settings, validation = RUNS[name]
    whole = train(NETWORK, NETWORK.initial(1), X, Y, None, settings, validation)
    _, lines = interrupted(-1, name)
    assert lines > 150
    lost = 0
    for moment in range(1, lines + 1, 1 + lines // 150):
        state, _ = interrupted(moment, name)
        if state is None:
            lost += 1  # while the run was being prepared, or its end told
            continue
        if state.status == "interrupted":
            state = train(NETWORK, None, X, Y, None, settings, validation, resume=state)
        assert plain(state) == plain(whole), moment
    assert lost < 40, lost
