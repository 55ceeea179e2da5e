"""The settings of the training on a table, as plain data: stored in a checkpoint, and read again to resume."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from chainrule.engines import ALONE, Processes
from chainrule.learners.errors import LearnerError
from chainrule.networks import LOSS_TYPES, LossLike, Quantile, read_loss
from chainrule.schema import (
    COUNT,
    MANY,
    NOT_BELOW_0,
    NOT_NEGATIVE,
    POSITIVE,
    SHARE,
    DescriptionError,
    Schema,
    checked,
    one_of,
    whole,
)
from chainrule.tables import Conventions, Kind, Limits, Source, open_table, read_conventions, without_password

MOST_COMBINATIONS = 200
MOST_MEMBERS = 100
NO_LAYERS = "none"
SOLVER_NAMES = ("adam", "adamw", "nadam", "rmsprop", "sgd", "lbfgs")
WIDTH = whole(at_least=1, at_most=2**20 - 1)
_NUMBERS = re.compile(r"(\w+)\s*\(([-+.\deE,\s]*)\)")


class Combination(NamedTuple):
    """A combination of the settings that a search varies; a `learning_rate` of None is the default of the solver."""

    hidden: tuple[int, ...]
    learning_rate: float | None
    alpha: float

    @property
    def layers(self) -> str:
        """The widths as text, such as `32,32`."""
        return layers_text(self.hidden)


@dataclass(frozen=True)
class Plan:
    """All settings that determine the result of training, as plain data."""

    target: str
    task: Literal["classification", "regression"] | None
    drop: tuple[str, ...]
    kinds: tuple[tuple[str, Kind], ...]
    hidden: Annotated[tuple[tuple[Annotated[int, WIDTH], ...], ...], MANY]
    learning_rates: Annotated[tuple[Annotated[float, POSITIVE] | None, ...], MANY]
    alphas: Annotated[tuple[Annotated[float, NOT_NEGATIVE], ...], MANY]
    activation: str
    output_activation: str | None
    loss: str | None
    dropout: Annotated[float, SHARE]
    normalization: Literal["layer", "batch"] | None
    solver: Annotated[str, one_of(*SOLVER_NAMES)]
    epochs: Annotated[int, whole(at_least=1, at_most=10**9)] | None
    batch_size: Annotated[int, COUNT] | None
    patience: Annotated[int, COUNT]
    class_weight: str | None
    validation: str | None
    delimiter: str | None
    seed: Annotated[int, NOT_BELOW_0]
    engine: Literal["native", "xla"] | None = None
    ensemble: Annotated[int, whole(at_least=1, at_most=MOST_MEMBERS)] | None = None
    refit: bool | None = None
    missing: tuple[str, ...] | None = None
    decimal: str | None = None
    thousands: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    query: str | None = None
    merge_spellings: bool | None = None
    time: Annotated[float, POSITIVE] | None = None
    """Seconds in which to search among the combinations; None for all of them."""
    rows: Literal["all", "divided", "own"] | None = None
    """Which rows each of several processes reads; None for all."""

    @property
    def conventions(self) -> Conventions:
        """How the cells of the table are written."""
        return read_conventions(self.missing or (), self.decimal, self.thousands, bool(self.merge_spellings))

    def open(self, path: str, limits: Limits | None, processes: Processes = ALONE) -> Source:
        """Open a table as these settings say; of `processes` that divide its files, the part of this one."""
        return open_table(
            path,
            self.delimiter,
            limits,
            encoding=self.encoding,
            sheet=self.sheet,
            query=self.query,
            part=(processes.number, processes.count) if self.rows == "divided" else (0, 1),
        )

    @property
    def reads_all(self) -> bool:
        """Whether each of several processes reads all rows."""
        return self.rows in (None, "all")

    @property
    def combinations(self) -> list[Combination]:
        """All combinations, in the order of the search, which the seed draws if its time is bounded."""
        found = [Combination(*choice) for choice in product(self.hidden, self.learning_rates, self.alphas)]
        if self.time is None:
            return found
        return [found[0], *(found[1 + k] for k in np.random.default_rng(self.seed).permutation(len(found) - 1))]

    def loss_like(self, task: str) -> LossLike:
        """Return the given loss, or the default of the task."""
        if self.loss is None:
            return "cross_entropy" if task == "classification" else "squared"
        return parse_loss(self.loss)

    @property
    def shown_validation(self) -> str | None:
        """The path of the table for the scores, or the address of a database without its password."""
        return None if self.validation is None else without_password(self.validation)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data, the address of a database without its password."""
        return {**asdict(self), "validation": self.shown_validation}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Reconstruct a plan from `to_json`; raise LearnerError for anything else.

        Settings that an earlier version lacks are None.
        """
        given = {field.name: data.get(field.name) for field in fields(cls)}
        try:
            plan: Plan = Schema().instance(cls, given, "plan")
        except DescriptionError as error:
            raise LearnerError(f"the checkpoint has no valid plan: {error}; train anew") from None
        plan.check()
        return plan

    def check(self) -> None:
        """Raise LearnerError for incompatible settings."""
        if len(self.combinations) > MOST_COMBINATIONS:
            raise LearnerError(
                f"--hidden, --learning-rate and --alpha make {len(self.combinations)} combinations; give at most "
                f"{MOST_COMBINATIONS}"
            )
        if self.solver == "lbfgs":
            for option, given in (
                ("--learning-rate", self.learning_rates != (None,)),
                ("--batch-size", self.batch_size is not None),
            ):
                if given:
                    raise LearnerError(
                        f"{option} is not for --solver lbfgs, which takes all rows at once; leave it out"
                    )
            if self.dropout:
                raise LearnerError("--dropout is not for --solver lbfgs, whose steps need an exact loss; leave it out")
        if self.task == "regression" and self.class_weight is not None:
            raise LearnerError("--class-weight is for classes; leave it out, or give --task classification")
        if self.dropout and not any(self.hidden):
            raise LearnerError("--dropout is for hidden layers, and there are none; leave it out")
        self.conventions  # noqa: B018 raises TableError for unknown marks
        if self.loss is not None:
            read_loss(parse_loss(self.loss))


def layers_text(hidden: Sequence[int]) -> str:
    """Format widths as the option takes them."""
    return ",".join(map(str, hidden)) or NO_LAYERS


def parse_loss(text: str) -> LossLike:
    """Parse a name, a name with parameters such as `huber(2)` or `quantile(0.1, 0.9)`, or a formula in p and y."""
    match = _NUMBERS.fullmatch(text.strip())
    if match is None or match[1] not in LOSS_TYPES:
        return text.strip()
    try:
        numbers = [float(part) for part in match[2].split(",") if part.strip()]
    except ValueError:
        raise LearnerError(f"--loss is {text!r}; give numbers in the brackets, as in huber(2)") from None
    kind = LOSS_TYPES[match[1]]
    if kind is Quantile:
        return Quantile(tuple(numbers))
    names = [field.name for field in fields(kind)]
    if len(numbers) > len(names):
        takes = f"{len(names)} number{'s' if len(names) != 1 else ''} ({', '.join(names)})" if names else "no numbers"
        raise LearnerError(f"--loss is {text!r}; {match[1]} takes {takes}")
    return {"name": match[1], **dict(zip(names, numbers, strict=False))}


def parse_class_weight(text: str | None, classes: Sequence[str]) -> dict[str, float] | None:
    """Parse weights by class such as `"yes=5,no=1"`; None for `balanced`, whose weights depend on the rows."""
    if text is None or text == "balanced":
        return None
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equal, number = part.rpartition("=")
        try:
            weights[name.strip()] = checked(
                f"--class-weight of {name.strip()!r}", float(number), POSITIVE, LearnerError
            )
        except ValueError:
            equal = ""
        if not equal or not name.strip():
            raise LearnerError(f"--class-weight is {text!r}; give balanced, or a weight for classes, as in yes=5,no=1")
        if classes and name.strip() not in classes:
            raise LearnerError(
                f"--class-weight names {name.strip()!r}, which is not a class; there are {', '.join(classes[:20])}"
            )
    return weights
