"""From a plan and a prepared table to networks: the rows and settings of each, and training."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import ALONE, Processes
from chainrule.learners.errors import LearnerError
from chainrule.learners.held import HeldOut
from chainrule.learners.plan import Combination, Plan, parse_class_weight
from chainrule.networks import (
    Architecture,
    FormulaLoss,
    Gamma,
    Huber,
    LogCosh,
    Loss,
    MomentumSGD,
    Poisson,
    Quantile,
    TrainingSettings,
    Tweedie,
    read_loss,
)
from chainrule.tables import ClassTarget, Limits, NumberTarget, Prepared, Source, Target, joined, prepare
from chainrule.training import LBFGS, Adam, AdamW, BlockOrder, NAdam, Optimizer, RMSprop

Array: TypeAlias = NDArray[Any]

HELD_OUT = 0.2
CHOOSING = 0.08
"""The fractions of rows for the report, and for stopping and selection."""

CHOOSING_SHARE = CHOOSING / (HELD_OUT + CHOOSING)
HELD_OUT_LARGE = 0.05
LARGE_FILE = 1 << 28
"""From files larger than this number of bytes, a smaller fraction is held out."""

FEWEST_CHOOSING = 12
"""With fewer rows for stopping, all rows are trained on until the loss stops improving."""

MOST_CHOOSING = 10_000
MOST_HELD = 100_000
DTYPE = "float32"

EPOCHS = 400
FEWEST_EPOCHS = 20
ROWS_SEEN = 20_000_000
"""Large tables use fewer epochs, such that rows times epochs is about this."""

BATCH = 32
BATCHES = 400
MOST_BATCH = 256
"""The maximum batch size. Batches have 32 rows, more if an epoch would exceed 400 batches."""

MEMBERS = 8
MEMBER_ROWS = 1_000_000
"""A network is an ensemble of 8, of fewer for large tables, such that rows times networks is at most about this."""

READ_IN_BLOCKS = 2 << 30
"""Tables with more bytes than this may not fit in memory, and are shuffled in blocks.

The limit is the same on every machine, so that results are bitwise equal.
"""

TOLERANCE = 1e-4
SOLVERS: dict[str, Callable[[float], Optimizer]] = {
    "adam": lambda learning_rate: Adam(learning_rate),
    "adamw": lambda learning_rate: AdamW(learning_rate),
    "nadam": lambda learning_rate: NAdam(learning_rate),
    "rmsprop": lambda learning_rate: RMSprop(learning_rate),
    "sgd": lambda learning_rate: MomentumSGD(learning_rate),
}
LEARNING_RATES = {"adam": 0.002, "adamw": 0.002, "nadam": 0.002, "rmsprop": 0.002, "sgd": 0.02}


@dataclass(frozen=True, eq=False)
class Data:
    """A prepared table, with its rows divided: training, stopping and selection (may be empty), and report."""

    prepared: Prepared
    target: Target
    y: Array
    weights: Array | None
    X_choosing: Array
    y_choosing: Array
    X_held: Array
    y_held: Array
    rest: NDArray[np.int64]
    """The rows of `prepared.X_held` that are not trained on."""
    encode: Callable[[Array], Array]
    """Gives prepared targets the form that the loss takes."""
    class_weights: Array | None
    """The weight of each class."""
    row_count: int
    """The number of training rows of all processes, whose parts are `X` and `y`."""
    whole_count: int
    """That with the rows which are not trained on."""
    processes: Processes
    """Those that have a part of the rows each."""

    def everything(self) -> tuple[Array, Array, Array | None]:
        """Return all rows of the table, their targets and weights."""
        prepared = self.prepared
        y = np.concatenate([prepared.y, prepared.y_held[self.rest]])
        X = joined(prepared.X, prepared.X_held, self.rest, prepared.spooled)
        return X, self.encode(y), None if self.class_weights is None else self.class_weights[y]

    @property
    def X(self) -> Array:
        """The training rows."""
        return self.prepared.X


@dataclass(frozen=True, eq=False)
class Learner:
    """A network to train, with its settings."""

    combination: Combination
    architecture: Architecture
    settings: TrainingSettings

    def initial(self) -> dict[str, Array]:
        """Return its initial parameters."""
        return self.architecture.initial(self.settings.seed)


def read_data(
    path: str,
    plan: Plan,
    report: Callable[[str, int], None] | None = None,
    limits: Limits | None = None,
    processes: Processes = ALONE,
) -> Data:
    """Open and encode the table, of several `processes` the part of this one, and divide its rows."""
    source = plan.open(path, limits, processes)
    validation = None if plan.validation is None else plan.open(plan.validation, limits)
    held = HELD_OUT_LARGE if _size(path, source, plan, processes) > LARGE_FILE else HELD_OUT + CHOOSING
    if validation is not None:
        held *= CHOOSING_SHARE
    return table_data(source, plan, held, report, validation, processes=processes)


def _size(path: str, source: Source, plan: Plan, processes: Processes) -> int:
    """Return the number of bytes of a file, or of all files where each process has its own."""
    files = {path} if plan.reads_all else {path, *source.files}
    return processes.total("the bytes of the files", sum(map(os.path.getsize, filter(os.path.isfile, files))))


def table_data(
    source: Source,
    plan: Plan,
    held: float,
    report: Callable[[str, int], None] | None = None,
    validation: Source | None = None,
    scored: bool = True,
    processes: Processes = ALONE,
) -> Data:
    """Encode a table, and divide its rows; `held` is the fraction that is not trained on.

    If it is not `scored`, all of these rows are for stopping. `processes` are those that have a part each.
    """
    task: Any = plan.task
    kinds: Any = dict(plan.kinds)
    prepared = prepare(
        source,
        plan.target,
        task=task,
        kinds=kinds,
        leave_out=plan.drop,
        validation=validation,
        held_out=held,
        seed=plan.seed,
        report=report,
        conventions=plan.conventions,
        processes=processes,
        own_rows=not plan.reads_all,
    )
    return parted(prepared, plan, scored, processes)


def parted(prepared: Prepared, plan: Plan, scored: bool = True, processes: Processes = ALONE) -> Data:
    """Divide held-out rows into those for stopping and those for the report (a validation table's, if given).

    Both are those of all processes, while each trains on its own.
    """
    everything = HeldOut(prepared, processes)
    held = everything.numbers()
    whole = prepared.X_validation is not None or not scored
    choosing = held if whole else everything.stratified(CHOOSING_SHARE, plan.seed)
    if len(choosing) < FEWEST_CHOOSING and len(plan.combinations) == 1:
        given_back = everything.here(choosing)
        if len(given_back):
            prepared = replace(
                prepared,
                X=np.concatenate([prepared.X, prepared.X_held[given_back]]),
                y=np.concatenate([prepared.y, prepared.y_held[given_back]]),
            )
        held = np.setdiff1d(held, choosing)
        choosing = choosing[:0]
    rest = everything.here(held)
    held = np.setdiff1d(held, choosing)
    if len(held) > MOST_HELD:  # not the first ones, since a table may be sorted
        held = np.sort(np.random.default_rng([plan.seed, 3]).permutation(held)[:MOST_HELD])
    X_held, y_held = prepared.X_validation, prepared.y_validation
    if X_held is None or y_held is None:
        X_held = everything.taken("the rows to report on", prepared.X_held, held)
        y_held = everything.taken("their targets", prepared.y_held, held)
    if scored and not len(y_held):
        raise LearnerError("no row is left to report on; give more rows, or --validation FILE")
    if whole:
        choosing = np.random.default_rng([plan.seed, 2]).permutation(choosing)
    choosing = choosing[:MOST_CHOOSING]
    X_choosing = everything.taken("the rows to stop by", prepared.X_held, choosing)
    y_choosing = everything.taken("their targets", prepared.y_held, choosing)
    target, encode = _target(prepared, plan)
    y = encode(np.asarray(prepared.y))
    by_class = _class_weights(prepared, plan, processes)
    row_count = processes.total("the training rows", len(y))
    return Data(
        prepared,
        target,
        y,
        None if by_class is None else by_class[prepared.y],
        X_choosing,
        encode(y_choosing),
        X_held,
        encode(np.asarray(y_held)),
        rest,
        encode,
        by_class,
        row_count,
        row_count + processes.total("the other rows", len(rest)),
        processes,
    )


def _target(prepared: Prepared, plan: Plan) -> tuple[Target, Callable[[Array], Array]]:
    """Return the target in the form the loss takes: its scale, and a function of the prepared values."""
    target = prepared.target
    loss = read_loss(plan.loss_like(target.task))
    if isinstance(target, ClassTarget):
        return _class_target(target, loss)
    if loss.kind != "values":
        raise LearnerError(
            f"--loss {loss.name} is for classes, and {target.name!r} is learnt as a number; give squared, huber or "
            "another, or --task classification"
        )
    if plan.output_activation is None and standardized(loss):
        return target, lambda y: y[:, None]
    mean, scale = target.mean, target.scale
    unit = scale if isinstance(loss, Poisson | Gamma | Tweedie) and plan.output_activation is None else 1.0

    def raw(y: Array) -> Array:
        values = y * scale + mean
        values[np.abs(values) < 1e-9 * scale] = 0.0
        return (values / unit)[:, None]

    return NumberTarget(target.name, 0.0, unit), raw


def _class_target(target: ClassTarget, loss: Loss) -> tuple[Target, Callable[[Array], Array]]:
    if loss.kind == "labels":
        return target, lambda y: y
    if isinstance(loss, FormulaLoss):
        count = len(target.classes)
        return target, lambda y: np.eye(count, dtype=DTYPE)[y]
    raise LearnerError(
        f"--loss {loss.name} is for numbers, and {target.name!r} is learnt as classes; give cross_entropy, focal or a "
        "formula, or --task regression"
    )


def standardized(loss: Loss) -> bool:
    """Whether the loss applies to the standardized target rather than in its own units."""
    if isinstance(loss, FormulaLoss | Poisson | Gamma | Tweedie):
        return False
    return not isinstance(loss, Huber | LogCosh) or loss == type(loss)()


def _class_weights(prepared: Prepared, plan: Plan, processes: Processes) -> Array | None:
    """Return the weight of each class."""
    if plan.class_weight is None:
        return None
    target = prepared.target
    if not isinstance(target, ClassTarget):
        raise LearnerError("--class-weight is for classes, and the target is a number; leave it out")
    given = parse_class_weight(plan.class_weight, target.classes)
    own = np.bincount(prepared.y, minlength=len(target.classes))
    if given is None:
        each = processes.gathered("the rows of each class", own.astype(np.int64).tobytes())
        counts = np.sum([np.frombuffer(one, np.int64) for one in each], axis=0)
        by_class = counts.sum() / (len(target.classes) * np.maximum(counts, 1))
    else:
        by_class = np.array([given.get(name, 1.0) for name in target.classes])
    return np.asarray(by_class, DTYPE)


def learners(plan: Plan, data: Data) -> list[Learner]:
    """Return the networks to train, one for each combination."""
    return [_learner(plan, data, combination) for combination in plan.combinations]


def _learner(plan: Plan, data: Data, combination: Combination) -> Learner:
    target = data.target
    loss = read_loss(plan.loss_like(target.task))
    outputs = len(target.classes) if isinstance(target, ClassTarget) else len(levels_of(loss)) or 1
    architecture = Architecture(
        data.prepared.preprocessing.width,
        combination.hidden,
        outputs,
        activations=plan.activation,
        output_activation=_output(plan, data, loss),
        loss=loss,
        dropout=plan.dropout if combination.hidden else 0.0,
        normalization=plan.normalization if combination.hidden else None,
        alpha=combination.alpha,
        dtype=DTYPE,
        penalty_rows=data.row_count,
        members=plan.ensemble or default_members(data.row_count),
    )
    return Learner(combination, architecture, training_settings(plan, data, combination))


def default_members(rows: int) -> int:
    """Return the number of networks for a table with this many training rows."""
    return int(np.clip(MEMBER_ROWS // rows, 1, MEMBERS))


def levels_of(loss: Loss) -> tuple[float, ...]:
    """Return the quantile levels, if there are several."""
    return loss.levels if isinstance(loss, Quantile) and len(loss.levels) > 1 else ()


def _output(plan: Plan, data: Data, loss: Loss) -> str | None:
    """Return the output activation; for the target's own units it includes their mean and scale."""
    if plan.output_activation is not None:
        return plan.output_activation
    if isinstance(data.target, ClassTarget):
        return "softmax"
    target = data.prepared.target
    assert isinstance(target, NumberTarget)
    if standardized(loss) or loss.output != "linear":
        return None
    return f"{target.scale:.6g} * z + ({target.mean:.6g})"


def training_settings(plan: Plan, data: Data, combination: Combination) -> TrainingSettings:
    """Return the training settings of a combination."""
    rows, devices = data.row_count, data.processes.devices
    epochs = plan.epochs or int(np.clip(ROWS_SEEN // rows, FEWEST_EPOCHS, EPOCHS))
    stopping = bool(len(data.y_choosing))
    learning_rate = combination.learning_rate or LEARNING_RATES.get(plan.solver, 0.0)
    batch = int(np.clip(2 ** np.ceil(np.log2(max(1, rows / BATCHES))), BATCH, MOST_BATCH))
    batch = plan.batch_size or -(-batch // devices) * devices
    own_rows = data.processes.count > 1
    whole = plan.solver == "lbfgs"
    blocks = data.X.nbytes > READ_IN_BLOCKS and not whole and not own_rows
    return TrainingSettings(
        LBFGS() if whole else SOLVERS[plan.solver](learning_rate),
        epochs=epochs,
        # A batch of all own rows is one of all of them also when those that were held out are added.
        batch_size=None if whole else batch if own_rows else min(batch, rows),
        seed=plan.seed,
        order=order_for(rows, plan.seed) if blocks else None,
        monitor="validation_loss" if stopping else "loss",
        tolerance=0.0 if whole else TOLERANCE,
        patience=plan.patience,
        restore_best=stopping,
        engine=plan.engine or "native",
        own_rows=own_rows,
    )


def order_for(rows: int, seed: int) -> BlockOrder:
    """Return the order of the rows of a table that may not fit in memory."""
    return BlockOrder(rows, seed)


def parameter_count(params: Mapping[str, Array]) -> int:
    """Return the number of learned parameters."""
    return sum(array.size for array in params.values())
