"""L-BFGS: SciPy's search on the compiled loss and gradient, over all rows at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import backward
from chainrule.engines import START, Engine, Outcome, first_non_finite
from chainrule.interrupts import Interrupt, deferred, interruptible
from chainrule.ir import Program
from chainrule.training.errors import non_negative_number, positive_integer
from chainrule.training.implicit import SEED, STEP, seed_value
from chainrule.words import MissingDependencyError

Array = NDArray[Any]
Report = Callable[[int, NDArray[np.float64]], object]
OnIteration = Callable[[dict[str, Array], float], object]

_REPORT_INTERVAL = 0.1
_LEAST_GAIN = 64
"""The search ends where an iteration lowers the loss by less than this many roundings of it."""


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS (Liu and Nocedal 1989, algorithm 2.1), by SciPy: for smooth losses over data that fit in one batch.

    An epoch is an iteration, which takes one evaluation of loss and gradient over all rows or a few; `epochs` is the
    most there may be. The run ends earlier where no element of the gradient is larger than `tolerance`, or where the
    loss falls no more. Where random numbers are drawn, as by dropout, they are the same in each evaluation.

    Parameters
    ----------
    memory
        How many differences of parameters and gradients are remembered.
    tolerance
        The size of gradient, element by element, that is small enough.
    least_gain
        The run ends where an iteration lowers the loss by less than this part of it; None for 64 roundings.
    evaluations
        The most evaluations of loss and gradient; None for no bound.

    Raises TrainingError for settings out of their range.

    """

    memory: int = 10
    tolerance: float = 1e-5
    least_gain: float | None = None
    evaluations: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "memory", positive_integer("the memory of LBFGS", self.memory))
        object.__setattr__(self, "tolerance", non_negative_number("the tolerance of LBFGS", self.tolerance))
        if self.least_gain is not None:
            object.__setattr__(self, "least_gain", non_negative_number("the least gain of LBFGS", self.least_gain))
        if self.evaluations is not None:
            object.__setattr__(self, "evaluations", positive_integer("the evaluations of LBFGS", self.evaluations))


class LBFGSSession:
    """A search for the minimum of a loss over all rows, which `advance` makes; `open_session` makes it.

    Raises MissingDependencyError where SciPy is not installed.
    """

    position = START
    """A search does not go on from elsewhere."""

    def __init__(
        self,
        loss: Program,
        optimizer: LBFGS,
        params: Mapping[str, Array],
        data: Mapping[str, Array],
        seed: int,
        engine: Engine,
    ) -> None:
        """`loss` has one scalar output; `others` are its inputs besides the arrays `params`, over which it is least."""
        self.optimizer, self.params = optimizer, dict(params)
        self.message = ""
        """SciPy's word on why the search ended; "" where it was ended from outside."""
        self._scipy = _scipy_minimize()
        gradients = backward(loss, [loss.input(name) for name in params]).gradients
        self.program = Program(loss.inputs, (*loss.outputs, *gradients), loss.names)
        # A program takes arrays in row-major order, and would otherwise copy them in each evaluation.
        dense = {name: np.require(array, requirements="C") for name, array in data.items()}
        self.data = {**dense, SEED.name: seed_value(seed), STEP.name: np.asarray(0)}
        self.compiled = engine.compile(self.program)

    def advance(self, epochs: int, report: Report | None = None, on_iteration: OnIteration | None = None) -> Outcome:
        """Search from `params`, for at most so many iterations.

        `on_iteration(params, loss)` is called after each iteration; where it returns False, the search ends.
        """
        optimizer, status, culprit = self.optimizer, "finished", None
        rounding = float(np.finfo(self.program.outputs[0].type.dtype.numpy).eps)
        options = {
            "maxiter": epochs,
            "maxfun": optimizer.evaluations or 2**31 - 1,
            "maxcor": optimizer.memory,
            "gtol": optimizer.tolerance,
            "ftol": _LEAST_GAIN * rounding if optimizer.least_gain is None else optimizer.least_gain,
        }
        with deferred() as interrupt:
            path = _Path(self, interrupt, report, on_iteration)
            try:
                found = self._scipy(
                    path.evaluate, path.point, jac=True, method="L-BFGS-B", callback=path.accept, options=options
                )
                self.message = _sentence(found.message)
            except _EnoughError as enough:
                status = "stopped" if enough.stopped else status
            except _NotFiniteError as error:
                status, culprit = "diverged", first_non_finite(self.program, error.values)
            if interrupt.answer() and status != "diverged":
                status = "interrupted"
        if report is not None and path.losses and status == "finished":
            report(len(path.losses), np.array(path.losses))
        return path.outcome(status, culprit)


def _sentence(message: object) -> str:
    """SciPy's message, which some versions give as bytes and in capitals."""
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    return text.strip().lower()


def _scipy_minimize() -> Callable[..., Any]:
    try:
        from scipy.optimize import minimize as search
    except ImportError:
        raise MissingDependencyError("LBFGS needs SciPy; install it with pip install 'chainrule[scipy]'") from None
    found: Callable[..., Any] = search
    return found


class _EnoughError(Exception):
    """Somebody who looks on has seen enough; `stopped` says that it was the one who is reported to."""

    def __init__(self, stopped: bool) -> None:
        super().__init__("enough")
        self.stopped = stopped


class _NotFiniteError(Exception):
    """The loss or its gradient is not finite at `values`, the inputs by name."""

    def __init__(self, values: dict[str, Array]) -> None:
        super().__init__("not finite")
        self.values = values


@dataclass
class _Path:
    """The point that a search has come to, and the loss there; `losses` has those of the points before."""

    session: LBFGSSession
    interrupt: Interrupt
    report: Report | None
    on_iteration: OnIteration | None
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.point = np.concatenate([array.ravel() for array in self.session.params.values()]).astype(float)
        self._here: float | None = None
        self._tried: tuple[Array, float] | None = None
        self._reported = time.monotonic()

    def evaluate(self, point: Array) -> tuple[float, Array]:
        """The loss and its gradient, packed, in float64."""
        if self.interrupt.pressed:
            raise _EnoughError(stopped=False)
        values = {**self.session.data, **self.unpacked(point)}
        loss, *gradients = self.session.compiled(values)
        gradient = np.concatenate([part.ravel() for part in gradients]).astype(float)
        if not (np.isfinite(loss) and np.isfinite(gradient).all()):
            raise _NotFiniteError(values)
        self._tried = point.copy(), float(loss)
        if self._here is None:
            self._here = float(loss)
        return float(loss), gradient

    def accept(self, xk: Array) -> None:
        """An iteration has ended at the point `xk` (SciPy's name for it)."""
        assert self._here is not None
        assert self._tried is not None
        self.losses.append(self._here)
        self.point = xk.copy()
        self._here = self._tried[1] if np.array_equal(self._tried[0], xk) else self.evaluate(xk)[0]
        count = len(self.losses)
        due = count & (count - 1) == 0 or time.monotonic() - self._reported > _REPORT_INTERVAL
        if self.report is not None and due:
            self._reported = time.monotonic()
            if interruptible(partial(self.report, len(self.losses), np.array(self.losses))) is False:
                raise _EnoughError(stopped=True)
        if self.on_iteration is not None and self.on_iteration(self.unpacked(self.point), self._here) is False:
            raise _EnoughError(stopped=False)

    def unpacked(self, point: Array) -> dict[str, Array]:
        """The parameters that `point` holds, each with its shape and dtype."""
        params = self.session.params
        ends = np.cumsum([array.size for array in params.values()])[:-1]
        return {
            name: part.reshape(array.shape).astype(array.dtype)
            for (name, array), part in zip(params.items(), np.split(point, ends), strict=True)
        }

    def outcome(self, status: Any, culprit: str | None = None) -> Outcome:
        """How the search ended, at the last point accepted."""
        count = len(self.losses)
        step = count if status == "diverged" else None
        return Outcome(self.unpacked(self.point), np.array(self.losses), count, count, status, culprit, step)
