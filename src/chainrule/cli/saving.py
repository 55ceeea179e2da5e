"""The files of `chainrule train`: the model, and before that resumable checkpoints.

A checkpoint contains one run with its parameters: the first combination while it runs, afterwards the best finished
one. The current combination is then restarted from its beginning. In both cases the resumed result is bitwise equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from chainrule.cli.errors import CommandError
from chainrule.cli.trials import Standing
from chainrule.interrupts import deferred
from chainrule.learners import Data, Learner, Plan
from chainrule.models import Checkpoint, Model, ModelError, load_checkpoint, save_checkpoint, save_model
from chainrule.networks import Architecture, TrainingState
from chainrule.reports import Report, Trial
from chainrule.schema import DescriptionError, Schema


class Keeper:
    """Writes checkpoints and the model to one file, atomically."""

    def __init__(
        self, path: str, plan: Plan, data: Data, learners: Sequence[Learner], warn: Callable[[str], None]
    ) -> None:
        self.path, self.plan, self.data, self.learners, self.warn = path, plan, data, learners, warn

    def checkpoint(self, standing: Standing) -> None:
        """Write a checkpoint. Ctrl-C takes effect when it is written."""
        state, place = self._kept(standing)
        if state is None:
            return
        model = self._model(self.learners[place].architecture, state.learnt, self._settings(standing), {})
        settings = self.learners[place].settings
        try:
            with deferred():
                save_checkpoint(self.path, model, state, settings)
        except ModelError as error:
            if state.status == "interrupted":
                raise
            self.warn(str(error))  # training continues, and its end is another chance

    def finish(self, standing: Standing, report: Report) -> None:
        """Write the model; a run that reached its last epoch can be resumed with more."""
        state, place = self._kept(standing)
        assert state is not None
        metrics = {
            "held out": dict(report.scores.network),
            "linear model": dict(report.comparison),
            "trivial": dict(report.scores.trivial),
            "training": dict(report.scores.training),
            "rows": asdict(report.data.rows),
        }
        architecture = self.learners[place].architecture
        if standing.refit is not None:
            architecture = replace(architecture, penalty_rows=standing.refit_rows)
        model = self._model(architecture, standing.saved_params, self._settings(standing), metrics)
        if state.status == "finished" and len(self.learners) == 1:
            save_checkpoint(self.path, model, state, self.learners[place].settings)
        else:
            save_model(self.path, model)

    @staticmethod
    def _kept(standing: Standing) -> tuple[TrainingState | None, int]:
        """Return the run to write, and the index of its combination."""
        if standing.best is not None:
            return standing.best_state, standing.best
        return standing.state, len(standing.trials)

    def _settings(self, standing: Standing) -> dict[str, Any]:
        trials = [asdict(trial) for trial in standing.trials]
        found = {"plan": self.plan.to_json(), "trials": trials, "best": standing.best}
        return {**found, "refit pending": True} if standing.pending else found

    def _model(
        self,
        architecture: Architecture,
        params: Mapping[str, Any],
        settings: Mapping[str, Any],
        metrics: Mapping[str, Any],
    ) -> Model:
        prepared = self.data.prepared
        return Model.of(
            architecture,
            params,
            prepared.preprocessing,
            self.data.target,
            settings,
            metrics,
            prepared.fingerprint,
        )


def load(path: str) -> tuple[Plan, Standing, Checkpoint]:
    """Read a checkpoint; raise CommandError for a file that `chainrule train` did not write, ModelError for others."""
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
        ended = read.time is not None or len(standing.trials) == len(read.combinations)
        standing.pending = settings.get("refit pending") is True and ended
    return read, standing, checkpoint


def check_learner(learner: Learner, checkpoint: Checkpoint) -> None:
    """Raise CommandError if the run of a checkpoint differs from the planned network."""
    wanted = learner.architecture
    found = {name: array.shape for name, array in checkpoint.state.params.items()}
    if found != {**wanted.params, **wanted.statistics} or not checkpoint.state.seed == learner.settings.seed:
        raise CommandError("the checkpoint is of another network than its plan says; train anew")


def _trials(path: str, settings: Mapping[str, Any], most: int) -> list[Trial]:
    """Return the finished combinations, at most `most`."""
    refusal = CommandError(f"{path} does not say what was tried; train anew")
    given, best = settings.get("trials"), settings.get("best")
    if not isinstance(given, list) or len(given) > most or (best is None) != (not given):
        raise refusal
    if best is not None and not (isinstance(best, int) and 0 <= best < len(given)):
        raise refusal
    try:
        found: list[Trial] = Schema(parts=(Trial,)).read(list[Trial], given, "trials")
    except DescriptionError:
        raise refusal from None
    return found


def more_epochs(plan: Plan, standing: Standing, epochs: int | None, path: str) -> Plan:
    """Return the plan with a new number of epochs, to resume a finished run.

    Raises CommandError if there is nothing to resume.
    """
    state = standing.best_state or standing.state
    if epochs is not None and state is not None and epochs < state.epoch:
        raise CommandError(f"--epochs is {epochs}, and {path} has had {state.epoch}; give more")
    if standing.pending and (epochs is None or state is None or epochs == state.epoch):
        return plan
    if len(standing.trials) == len(plan.combinations):
        if epochs is None or state is None or epochs <= state.epoch:
            done = 0 if state is None else state.epoch
            raise CommandError(
                f"{path} has had all of its {done} epochs; to resume give more, as in --epochs {2 * done}"
            )
        standing.reopen()
    return plan if epochs is None else replace(plan, epochs=epochs)
