"""What `chainrule train` was asked to do: read from options, kept in a checkpoint, and read again to go on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any, Literal, NamedTuple

from chainrule.cli.errors import CommandError
from chainrule.networks import LOSS_TYPES, LossLike, Quantile, read_loss
from chainrule.tables import KINDS
from chainrule.training import positive_number

MOST_COMBINATIONS = 200
NO_LAYERS = "none"
SOLVER_NAMES = ("adam", "adamw", "nadam", "rmsprop", "sgd", "lbfgs")
_NUMBERS = re.compile(r"(\w+)\s*\(([-+.\deE,\s]*)\)")


class Combination(NamedTuple):
    """One choice of what a search varies; `rate` None stands for that of the solver."""

    hidden: tuple[int, ...]
    rate: float | None
    alpha: float

    @property
    def layers(self) -> str:
        """`32,32`."""
        return layers_text(self.hidden)


@dataclass(frozen=True)
class Plan:
    """All that decides what is learnt, as plain data."""

    target: str
    task: str | None
    drop: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]
    hidden: tuple[tuple[int, ...], ...]
    rates: tuple[float | None, ...]
    alphas: tuple[float, ...]
    activation: str
    output_activation: str | None
    loss: str | None
    dropout: float
    normalization: Literal["layer", "batch"] | None
    solver: str
    epochs: int | None
    batch_size: int | None
    patience: int
    class_weight: str | None
    validation: str | None
    delimiter: str | None
    seed: int

    @property
    def combinations(self) -> list[Combination]:
        """All choices, in the order in which they are tried."""
        return [Combination(*choice) for choice in product(self.hidden, self.rates, self.alphas)]

    def loss_like(self, task: str) -> LossLike:
        """The loss that was asked for, or that of the task."""
        if self.loss is None:
            return "cross_entropy" if task == "classification" else "squared"
        return parse_loss(self.loss)

    def to_json(self) -> dict[str, Any]:
        """The plan as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote; raises CommandError for anything else."""
        given = {field.name: _tuples(data.get(field.name)) for field in fields(cls)}
        for name, fits in _FITTING.items():
            if not fits(given[name]):
                raise CommandError(f"the checkpoint has no sensible {name} in its plan; train anew")
        plan = cls(**given)
        plan.check()
        return plan

    def check(self) -> None:
        """Raise CommandError for what cannot be together."""
        if len(self.combinations) > MOST_COMBINATIONS:
            raise CommandError(
                f"--hidden, --rate and --alpha make {len(self.combinations)} combinations; give at most "
                f"{MOST_COMBINATIONS}"
            )
        if self.solver == "lbfgs":
            for option, given in (("--rate", self.rates != (None,)), ("--batch-size", self.batch_size is not None)):
                if given:
                    raise CommandError(
                        f"{option} is not for --solver lbfgs, which takes all rows at once; leave it out"
                    )
            if self.dropout:
                raise CommandError("--dropout is not for --solver lbfgs, whose steps need an exact loss; leave it out")
        if self.task == "regression" and self.class_weight is not None:
            raise CommandError("--class-weight is for classes; leave it out, or give --task classification")
        if self.dropout and not any(self.hidden):
            raise CommandError("--dropout is for hidden layers, and there are none; leave it out")
        if self.loss is not None:
            read_loss(parse_loss(self.loss))


def _whole(value: Any, low: int = 1, high: int = 2**63) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _number(value: Any, low: float = 0.0, high: float = math.inf) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value < high


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _either(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Whether something is None or fits."""
    return lambda value: value is None or fits(value)


def _each(fits: Callable[[Any], bool], least: int = 0) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and len(value) >= least and all(map(fits, value))


_FITTING: dict[str, Callable[[Any], bool]] = {
    "target": _text,
    "task": lambda value: value in (None, "classification", "regression"),
    "drop": _each(_text),
    "kinds": _each(lambda pair: _each(_text)(pair) and len(pair) == 2 and pair[1] in KINDS),
    "hidden": _each(_each(lambda width: _whole(width, 1, 2**20)), 1),
    "rates": _each(_either(lambda rate: _number(rate) and rate > 0), 1),
    "alphas": _each(_number, 1),
    "activation": _text,
    "output_activation": _either(_text),
    "loss": _either(_text),
    "dropout": lambda value: _number(value, 0.0, 1.0),
    "normalization": lambda value: value in (None, "layer", "batch"),
    "solver": lambda value: value in SOLVER_NAMES,
    "epochs": _either(lambda value: _whole(value, 1, 10**9 + 1)),
    "batch_size": _either(_whole),
    "patience": _whole,
    "class_weight": _either(_text),
    "validation": _either(_text),
    "delimiter": _either(_text),
    "seed": lambda value: _whole(value, 0),
}
"""Whether what a file holds can be a field of a plan."""


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def parse_widths(text: str) -> tuple[int, ...]:
    """`"32,32"` as numbers, `"none"` as no layer; raises CommandError for anything else."""
    if text.strip() == NO_LAYERS:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**20 for part in parts):
        raise CommandError(
            f"--hidden is {text!r}; give the widths of the hidden layers, 1 or more each, as in 32,32, or none"
        )
    return tuple(int(part) for part in parts)


def layers_text(hidden: Sequence[int]) -> str:
    """Widths as they are given."""
    return ",".join(map(str, hidden)) or NO_LAYERS


def parse_loss(text: str) -> LossLike:
    """A name, a name with its parameters as in `huber(2)` or `quantile(0.1, 0.9)`, or a formula in p and y."""
    match = _NUMBERS.fullmatch(text.strip())
    if match is None or match[1] not in LOSS_TYPES:
        return text.strip()
    try:
        numbers = [float(part) for part in match[2].split(",") if part.strip()]
    except ValueError:
        raise CommandError(f"--loss is {text!r}; give numbers in the brackets, as in huber(2)") from None
    kind = LOSS_TYPES[match[1]]
    if kind is Quantile:
        return Quantile(tuple(numbers))
    names = [field.name for field in fields(kind)]
    if len(numbers) > len(names):
        takes = f"{len(names)} number{'s' if len(names) != 1 else ''} ({', '.join(names)})" if names else "no numbers"
        raise CommandError(f"--loss is {text!r}; {match[1]} takes {takes}")
    return {"name": match[1], **dict(zip(names, numbers, strict=False))}


def parse_kinds(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """`"zip=category"` as pairs; raises CommandError for what does not read like that."""
    found: dict[str, str] = {}
    for text in texts:
        name, equal, kind = text.rpartition("=")
        if not equal or not name.strip():
            raise CommandError(f"--kind {text!r} is not a column and a kind, as in --kind zip=category")
        if kind.strip() not in KINDS:
            raise CommandError(f"--kind of {name.strip()!r} is {kind.strip()!r}; it can be {', '.join(KINDS)}")
        if found.get(name.strip(), kind.strip()) != kind.strip():
            raise CommandError(f"--kind gives {name.strip()!r} twice; give it once")
        found[name.strip()] = kind.strip()
    return tuple(found.items())


def parse_drop(texts: Iterable[str]) -> tuple[str, ...]:
    """`"id,name"` as names, each once."""
    return tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))


def parse_rates(rates: Sequence[float]) -> tuple[float | None, ...]:
    """Learning rates, each once; none stands for that of the solver."""
    return tuple(dict.fromkeys(positive_number("--rate", rate) for rate in rates)) or (None,)


def parse_alphas(alphas: Sequence[float], default: float) -> tuple[float, ...]:
    """Penalties, each once."""
    for alpha in alphas:
        if not 0 <= alpha < float("inf"):
            raise CommandError(f"--alpha is {alpha:g}; give a finite number of at least 0")
    return tuple(dict.fromkeys(alphas)) or (default,)


def parse_class_weight(text: str | None, classes: Sequence[str]) -> dict[str, float] | None:
    """Weights by class from `"yes=5,no=1"`; None for `balanced`, which the rows decide."""
    if text is None or text == "balanced":
        return None
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, equal, number = part.rpartition("=")
        try:
            weights[name.strip()] = positive_number(f"--class-weight of {name.strip()!r}", float(number))
        except ValueError:
            equal = ""
        if not equal or not name.strip():
            raise CommandError(f"--class-weight is {text!r}; give balanced, or a weight for classes, as in yes=5,no=1")
        if classes and name.strip() not in classes:
            raise CommandError(
                f"--class-weight names {name.strip()!r}, which is no class; there are {', '.join(classes[:20])}"
            )
    return weights
