"""L-BFGS: SciPy's minimizer with the compiled loss and gradient over all rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import backward
from chainrule.engines import START, Engine, Outcome, first_non_finite
from chainrule.interrupts import Interrupt, deferred, interruptible
from chainrule.ir import Program
from chainrule.schema import COUNT, NOT_NEGATIVE, keep
from chainrule.training.errors import TrainingError
from chainrule.training.implicit import SEED, STEP, seed_value
from chainrule.training.structure import ParameterTree
from chainrule.words import MissingDependencyError, Named

Array = NDArray[Any]
Report = Callable[[int, NDArray[np.float64]], object]
OnIteration = Callable[[dict[str, Array], float], object]

_REPORT_INTERVAL = 0.1
_LEAST_GAIN = 64
"""Default stopping tolerance: the relative decrease of the loss in an iteration, in units of roundoff."""


@dataclass(frozen=True)
class LBFGS(Named):
    """L-BFGS (Liu and Nocedal 1989, algorithm 2.1), from SciPy: for smooth losses over data that fit in one batch.

    An epoch is an iteration, which takes one or a few evaluations of loss and gradient over all rows; `epochs` is the
    maximum. The run ends early if no element of the gradient exceeds `tolerance`, or if the loss stops decreasing.
    Random numbers, as in dropout, are the same in every evaluation.

    Parameters
    ----------
    memory
        Number of stored differences of parameters and gradients.
    tolerance
        Stop if the largest absolute element of the gradient is at most this.
    least_gain
        Stop if an iteration decreases the loss by less than this fraction; None for 64 units of roundoff.
    evaluations
        Maximum number of evaluations of loss and gradient; None for no limit.

    Raises
    ------
    TrainingError
        For settings out of range.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> data = {"x": np.arange(4.0), "y": 3 * np.arange(4.0)}
    >>> result = cr.fit("mean((slope * x - y)^2)", {"slope": 0.0}, data, cr.LBFGS(), epochs=20)
    >>> print(result.params["slope"].round(2))
    3.0

    """

    memory: Annotated[int, COUNT, "the memory of LBFGS"] = 10
    tolerance: Annotated[float, NOT_NEGATIVE, "the tolerance of LBFGS"] = 1e-5
    least_gain: Annotated[float, NOT_NEGATIVE, "the least gain of LBFGS"] | None = None
    evaluations: Annotated[int, COUNT, "the evaluations of LBFGS"] | None = None

    def __post_init__(self) -> None:
        keep(self, TrainingError)


class LBFGSSession:
    """A minimization of a loss over all rows with L-BFGS; created by `open_session`, run by `advance`.

    Raises MissingDependencyError if SciPy is not installed.
    """

    position = START
    """Always the start: L-BFGS cannot be resumed."""

    def __init__(
        self,
        loss: Program,
        optimizer: LBFGS,
        params: Mapping[str, Array],
        data: Mapping[str, Array],
        seed: int,
        engine: Engine,
        tree: ParameterTree,
    ) -> None:
        """Minimize `loss`, which has one scalar output, over `params`; `data` are its other inputs."""
        self.optimizer, self.params, self.tree = optimizer, dict(params), tree
        self.message = ""
        """SciPy's reason for stopping; "" if it was stopped from outside."""
        self._scipy = _scipy_minimize()
        gradients = backward(loss, [loss.input(name) for name in params]).gradients
        self.program = Program(loss.inputs, (*loss.outputs, *gradients), loss.names)
        # A program takes row-major arrays and would otherwise copy others in each evaluation.
        dense = {name: np.require(array, requirements="C") for name, array in data.items()}
        self.data = {**dense, SEED.name: seed_value(seed), STEP.name: np.asarray(0)}
        self.compiled = engine.compile(self.program)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return tuple(self.params)

    def advance(self, epochs: int, report: Report | None = None, on_iteration: OnIteration | None = None) -> Outcome:
        """Minimize from `params`, for at most `epochs` iterations.

        `on_iteration(params, loss)` is called after each iteration; if it returns False, the run ends.
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
            except _StoppedError as stop:
                status = "stopped" if stop.stopped else status
            except _NotFiniteError as error:
                status, culprit = "diverged", first_non_finite(self.program, error.values)
            if interrupt.answer() and status != "diverged":
                status = "interrupted"
        if report is not None and path.losses and status == "finished":
            report(len(path.losses), np.array(path.losses))
        return path.outcome(status, culprit)


def _sentence(message: object) -> str:
    """Clean SciPy's message, which some versions give as bytes and in capitals."""
    text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
    return text.strip().lower()


def _scipy_minimize() -> Callable[..., Any]:
    try:
        from scipy.optimize import minimize
    except ImportError:
        raise MissingDependencyError("LBFGS needs SciPy; install it with pip install 'chainrule[scipy]'") from None
    found: Callable[..., Any] = minimize
    return found


class _StoppedError(Exception):
    """A callback stopped the run; `stopped` tells whether it was `report`."""

    def __init__(self, stopped: bool) -> None:
        super().__init__("enough")
        self.stopped = stopped


class _NotFiniteError(Exception):
    """The loss or its gradient is non-finite at `values`, the inputs by name."""

    def __init__(self, values: dict[str, Array]) -> None:
        super().__init__("not finite")
        self.values = values


@dataclass
class _Path:
    """The current point and its loss; `losses` are those of the previous points."""

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
        """Return the loss and its gradient, packed, in float64."""
        if self.interrupt.pressed:
            raise _StoppedError(stopped=False)
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
        """Record the end of an iteration at `xk` (SciPy's name for the point)."""
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
                raise _StoppedError(stopped=True)
        if self.on_iteration is not None and self.on_iteration(self.unpacked(self.point), self._here) is False:
            raise _StoppedError(stopped=False)

    def unpacked(self, point: Array) -> dict[str, Array]:
        """Return the parameters in `point`, with their shapes and dtypes."""
        params = self.session.params
        ends = np.cumsum([array.size for array in params.values()])[:-1]
        return {
            name: part.reshape(array.shape).astype(array.dtype)
            for (name, array), part in zip(params.items(), np.split(point, ends), strict=True)
        }

    def outcome(self, status: Any, culprit: str | None = None) -> Outcome:
        """Return the outcome at the last accepted point."""
        count = len(self.losses)
        step = count if status == "diverged" else None
        return Outcome(self.unpacked(self.point), np.array(self.losses), count, count, status, culprit, step)
