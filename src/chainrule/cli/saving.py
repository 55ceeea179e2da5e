"""What `chainrule train` writes: the model, and before it checkpoints from which a search goes on to the same bits.

A checkpoint holds one run with its parameters. While the first combination is under way it is that one; from then on it
is the best of those that are done, and the combination after them is begun anew, which gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from chainrule.cli.errors import CommandError
from chainrule.cli.learning import Data, Learner
from chainrule.cli.plan import Plan
from chainrule.cli.trials import Standing
from chainrule.interrupts import deferred
from chainrule.models import Checkpoint, Model, ModelError, load_checkpoint, save_checkpoint, save_model
from chainrule.networks import TrainingState
from chainrule.reports import SCORES, Report, Trial


class Keeper:
    """Writes checkpoints and the model to one file, which holds one or the other, whole."""

    def __init__(
        self, path: str, plan: Plan, data: Data, learners: Sequence[Learner], warn: Callable[[str], None]
    ) -> None:
        self.path, self.plan, self.data, self.learners, self.warn = path, plan, data, learners, warn

    def checkpoint(self, standing: Standing) -> None:
        """Write how far a search has come. Ctrl-C takes effect when it is written."""
        state, place = self._kept(standing)
        if state is None:
            return
        model = self._model(place, state, self._settings(standing), {})
        settings = self.learners[place].settings
        try:
            with deferred():
                save_checkpoint(self.path, model, state, settings)
        except ModelError as error:
            if state.status == "interrupted":
                raise
            self.warn(str(error))  # the training goes on, and its end is another chance

    def finish(self, standing: Standing, report: Report) -> None:
        """Write the model; one whose epochs came to an end may go on with more of them."""
        state, place = self._kept(standing)
        assert state is not None
        metrics = {
            "held out": dict(report.network),
            "linear model": dict(report.comparison),
            "trivial": dict(report.trivial),
            "training": dict(report.training),
            "rows": asdict(report.rows),
        }
        model = self._model(place, state, self._settings(standing), metrics)
        if state.status == "finished" and len(self.learners) == 1:
            save_checkpoint(self.path, model, state, self.learners[place].settings)
        else:
            save_model(self.path, model)

    @staticmethod
    def _kept(standing: Standing) -> tuple[TrainingState | None, int]:
        """The run that is written, and which combination it is of."""
        if standing.best is not None:
            return standing.best_state, standing.best
        return standing.state, len(standing.trials)

    def _settings(self, standing: Standing) -> dict[str, Any]:
        trials = [asdict(trial) for trial in standing.trials]
        return {"plan": self.plan.to_json(), "trials": trials, "best": standing.best}

    def _model(
        self, place: int, state: TrainingState, settings: Mapping[str, Any], metrics: Mapping[str, Any]
    ) -> Model:
        prepared = self.data.prepared
        return Model.of(
            self.learners[place].architecture,
            state.learnt,
            prepared.preprocessing,
            self.data.target,
            settings,
            metrics,
            prepared.fingerprint,
        )


def load(path: str) -> tuple[Plan, Standing, Checkpoint]:
    """Read a checkpoint; raises CommandError for a file that `chainrule train` did not write, ModelError for others."""
    checkpoint = load_checkpoint(path)
    settings, state = checkpoint.model.settings, checkpoint.state
    plan = settings.get("plan")
    if not isinstance(plan, Mapping):
        raise CommandError(f"{path} was not written by `chainrule train`, and does not say how it was; train anew")
    read = Plan.from_json(plan)
    standing = Standing(_trials(path, settings, len(read.combinations)), settings.get("best"))
    if standing.best is None:
        standing.state = state
    else:
        standing.keep(standing.best, state)
    return read, standing, checkpoint


def check_learner(learner: Learner, checkpoint: Checkpoint) -> None:
    """Raise CommandError where the run of a checkpoint is not one of what is to be trained."""
    wanted = learner.architecture
    found = {name: array.shape for name, array in checkpoint.state.params.items()}
    if found != {**wanted.parameters, **wanted.statistics} or not checkpoint.state.seed == learner.settings.seed:
        raise CommandError("the checkpoint is of another network than its plan says; train anew")


def _trials(path: str, settings: Mapping[str, Any], most: int) -> list[Trial]:
    """What was tried before, of at most so many combinations."""
    refusal = CommandError(f"{path} does not say what was tried; train anew")
    given, best = settings.get("trials"), settings.get("best")
    if not isinstance(given, list) or len(given) > most or (best is None) != (not given):
        raise refusal
    if best is not None and not (isinstance(best, int) and 0 <= best < len(given)):
        raise refusal
    try:
        return [_trial(**trial) for trial in given]
    except (TypeError, ValueError):
        raise refusal from None


def _trial(
    hidden: Any, rate: Any, alpha: Any, epochs: Any, score: Any, loss: Any, kept: Any, scored_by: Any = "accuracy"
) -> Trial:
    if scored_by not in SCORES:
        raise ValueError(f"{scored_by!r} is no score")
    rate = None if rate is None else float(rate)
    return Trial(str(hidden), rate, float(alpha), int(epochs), float(score), float(loss), bool(kept), scored_by)


def more_epochs(plan: Plan, standing: Standing, epochs: int | None, path: str) -> Plan:
    """The plan with other epochs; a run whose epochs came to an end goes on.

    Raises CommandError where there is nothing to go on with.
    """
    state = standing.best_state or standing.state
    if epochs is not None and state is not None and epochs < state.epoch:
        raise CommandError(f"--epochs is {epochs}, and {path} has had {state.epoch}; give more")
    if len(standing.trials) == len(plan.combinations):
        if epochs is None or state is None or epochs <= state.epoch:
            done = 0 if state is None else state.epoch
            raise CommandError(
                f"{path} has had all of its {done} epochs; to go on give more, as in --epochs {2 * done}"
            )
        standing.reopen()
    return plan if epochs is None else replace(plan, epochs=epochs)
