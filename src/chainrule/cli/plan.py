"""The options of `chainrule train` as settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chainrule.cli.errors import CommandError
from chainrule.learners import NO_LAYERS
from chainrule.schema import NOT_NEGATIVE, POSITIVE, Schema, checked
from chainrule.tables import Kind

_SCHEMA = Schema(error=CommandError)


def parse_widths(text: str) -> tuple[int, ...]:
    """Parse `"32,32"` as numbers and `"none"` as no layers; raise CommandError for anything else."""
    if text.strip() == NO_LAYERS:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part) < 2**20 for part in parts):
        raise CommandError(
            f"--hidden is {text!r}; give the widths of the hidden layers, 1 or more each, as in 32,32, or none"
        )
    return tuple(int(part) for part in parts)


def parse_kinds(texts: Iterable[str]) -> tuple[tuple[str, Kind], ...]:
    """Parse `"zip=category"` as pairs; raise CommandError for other texts."""
    found: dict[str, Kind] = {}
    for text in texts:
        name, equal, kind = (part.strip() for part in text.rpartition("="))
        if not equal or not name:
            raise CommandError(f"--kind {text!r} is not a column and a kind, as in --kind zip=category")
        known: Kind = _SCHEMA.read(Kind, kind, f"--kind of {name!r}")
        if found.get(name, known) != known:
            raise CommandError(f"--kind gives {name!r} twice; give it once")
        found[name] = known
    return tuple(found.items())


def parse_drop(texts: Iterable[str]) -> tuple[str, ...]:
    """Parse `"id,name"` as names without duplicates."""
    return tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))


def parse_learning_rates(learning_rates: Sequence[float], defaults: Sequence[float | None]) -> tuple[float | None, ...]:
    """Return the learning rates without duplicates, or else `defaults`; None is that of the solver."""
    return tuple(
        dict.fromkeys(
            checked("--learning-rate", learning_rate, POSITIVE, CommandError) for learning_rate in learning_rates
        )
    ) or tuple(defaults)


def parse_alphas(alphas: Sequence[float], defaults: Sequence[float]) -> tuple[float, ...]:
    """Return the penalties without duplicates, or else `defaults`."""
    return tuple(dict.fromkeys(checked("--alpha", alpha, NOT_NEGATIVE, CommandError) for alpha in alphas)) or tuple(
        defaults
    )
