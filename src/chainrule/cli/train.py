"""`chainrule train`: a network for a table of numbers."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np
from numpy.typing import NDArray

from chainrule.cli.errors import INTERRUPTED, CommandError
from chainrule.cli.models import Model, save_model
from chainrule.cli.output import aligned, duration, print_json, progress, say_line
from chainrule.cli.preparation import Target, Task, hold_out, read_features, read_target, scaling
from chainrule.cli.sentences import Language, language_option, say
from chainrule.cli.tables import Table, read_table
from chainrule.files import check_writable
from chainrule.networks import ACTIVATIONS, MLP
from chainrule.training import DivergenceWarning, FitResult, nearest, positive_number

RATES = {"classification": 0.1, "regression": 0.01}
EPOCHS = {"classification": 100, "regression": 60}
ROWS_SEEN = 2_000_000
"""Large tables are gone through fewer times, so that rows times epochs is about this."""

LISTED = 8


@dataclass(frozen=True)
class Scores:
    """Held-out scores by name, of the network and of the trivial predictor."""

    network: dict[str, float]
    trivial: dict[str, float]
    trivial_value: str

    @property
    def better(self) -> bool:
        name = next(iter(self.network))
        return self.network[name] > self.trivial[name]


@click.command("train")
@click.argument("path", metavar="DATA.csv")
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--task", type=click.Choice(["classification", "regression"]), help="Told from the target by default.")
@click.option("--drop", metavar="COLUMNS", default="", help="Columns to leave out, as in id,name.")
@click.option("--hidden", default="32", show_default=True, help="Widths of the hidden layers, as in 32,32.")
@click.option("--activation", type=click.Choice(sorted(ACTIVATIONS)), default="tanh", show_default=True)
@click.option("--epochs", type=click.IntRange(1), help="By default 100 or 60, fewer for large tables.")
@click.option("--rate", type=float, help="Learning rate; by default 0.1 for classes, 0.01 for numbers.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Draws weights and held-out rows.")
@click.option("--save", metavar="MODEL.npz", help="Where to save the model.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@language_option
def command(
    path: str,
    target: str,
    task: Task | None,
    drop: str,
    hidden: str,
    activation: str,
    epochs: int | None,
    rate: float | None,
    batch_size: int,
    seed: int,
    save: str | None,
    as_json: bool,
    lang: Language,
) -> int:
    """Train a network on DATA.csv, a table of numbers with a header, and score it on a fifth of the rows held out.

    A target of text, or of few distinct whole numbers, is classified; any other is a quantity. Features and quantities
    are standardized with the training rows' mean and deviation.
    """
    widths = _widths(hidden)
    if rate is not None:
        rate = positive_number("--rate", rate)
    if save is not None:
        check_writable(save)
    table = read_table(path)
    wanted = read_target(table, target, task)
    names = _feature_names(table, target, drop)
    X = read_features(table, names)
    rows, held = hold_out(wanted, seed)
    model = _untrained(X[rows], wanted, rows, names, widths, activation, seed)
    rate = rate or RATES[wanted.task]
    epochs = epochs or max(10, min(EPOCHS[wanted.task], ROWS_SEEN // len(rows)))
    batch_size = min(batch_size, len(rows))
    if not as_json:
        _print_task(table, wanted, names, lang)
        sizes = "-".join(map(str, model.network.sizes))
        say_line(say(lang, "network train", sizes=sizes, epochs=epochs, batch=batch_size, rate=f"{rate:g}", seed=seed))
        click.echo()
    result = _fitted(model, X[rows], wanted.values[rows], epochs, rate, batch_size, seed, lang)
    scores = _scores(model, X, wanted, rows, held)
    if save is not None:
        save_model(save, model)
    if as_json:
        print_json(_record(table, wanted, names, model, result, scores, (rows, held), epochs, save))
    else:
        _print_result(result, scores, len(rows), len(held), epochs, save, lang)
    return INTERRUPTED if result.status == "interrupted" else 0


def _widths(text: str) -> list[int]:
    """`"32,32"` as numbers."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise CommandError(f"--hidden is {text!r}; give the widths of the hidden layers, 1 or more each, as in 32,32")
    return [int(part) for part in parts]


def _feature_names(table: Table, target: str, drop: str) -> list[str]:
    dropped = [name.strip() for name in drop.split(",") if name.strip()]
    for name in dropped:
        if name not in table.columns:
            raise CommandError(f"--drop names {name!r}, which {table.path} has not{nearest(name, table.columns)}")
    names = [name for name in table.columns if name != target and name not in dropped]
    if not names:
        raise CommandError(f"{table.path} has no column beside the target {target!r} to predict it from")
    return names


def _untrained(
    X: NDArray[np.float64],
    target: Target,
    rows: NDArray[np.int64],
    names: Sequence[str],
    widths: Sequence[int],
    activation: str,
    seed: int,
) -> Model:
    """A model with fresh weights, scaled for the training rows `X`."""
    mean, scale = scaling(X, names)
    if target.classes:
        network = MLP([len(names), *widths, len(target.classes)], activation, "softmax", seed=seed)
        return Model(network, list(names), target.name, target.classes, mean, scale)
    network = MLP([len(names), *widths, 1], activation, seed=seed)
    (target_mean,), (target_scale,) = scaling(target.values[rows, None], [target.name])
    return Model(network, list(names), target.name, [], mean, scale, float(target_mean), float(target_scale))


def _fitted(
    model: Model,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    epochs: int,
    rate: float,
    batch_size: int,
    seed: int,
    lang: Language,
) -> FitResult:
    """Train the network of `model`; raises CommandError where that diverges."""
    if not model.classes:
        y = (y - model.target_mean) / model.target_scale
    with warnings.catch_warnings(), progress(say(lang, "progress"), epochs) as report:
        warnings.simplefilter("ignore", DivergenceWarning)
        result = model.network.fit(model.scaled(X), y, epochs, rate, batch_size, seed, callback=report)
    if result.status == "diverged":
        raise CommandError(
            f"training diverged in epoch {result.epochs}: {result.culprit or 'a value'} is no longer finite; "
            f"give a --rate smaller than {rate:g}"
        )
    return result


def _scores(
    model: Model, X: NDArray[np.float64], target: Target, rows: NDArray[np.int64], held: NDArray[np.int64]
) -> Scores:
    predicted, actual, seen = model.predict(X[held]), target.values[held], target.values[rows]
    if target.classes:
        commonest = int(np.bincount(seen).argmax())
        return Scores(
            {"accuracy": float(np.mean(predicted.argmax(axis=1) == actual))},
            {"accuracy": float(np.mean(actual == commonest))},
            target.classes[commonest],
        )
    mean = float(seen.mean())
    return Scores(_errors(predicted, actual), _errors(np.full(actual.shape, mean), actual), f"{mean:.6g}")


def _errors(predicted: NDArray[np.float64], actual: NDArray[np.float64]) -> dict[str, float]:
    squares = float(np.mean((predicted - actual) ** 2))
    variance = float(actual.var())
    return {"r2": 1 - squares / variance if variance else -np.inf if squares else 1.0, "rmse": squares**0.5}


def _print_task(table: Table, target: Target, names: Sequence[str], lang: Language) -> None:
    say_line(say(lang, "table", path=table.path, rows=f"{table.row_count:,}", features=len(names), target=target.name))
    if not target.classes:
        say_line(say(lang, "regression"))
        return
    classes = ", ".join(target.classes[:LISTED])
    if len(target.classes) > LISTED:
        classes += f" {say(lang, 'and more', count=len(target.classes) - LISTED)}"
    because = say(lang, f"because {target.reason}") if target.reason in ("text", "few") else ""
    space = " " if lang == "en" else ""
    say_line(f"{say(lang, 'classification', count=len(target.classes), classes=classes)}{space}{because}")


def _print_result(
    result: FitResult, scores: Scores, rows: int, held: int, epochs: int, save: str | None, lang: Language
) -> None:
    if result.status == "interrupted":
        say_line(say(lang, "interrupted train", epochs=result.epochs, planned=epochs))
    losses = result.history["loss"]
    if len(losses):
        first, last = f"{losses[0]:.4g}", f"{losses[-1]:.4g}"
        say_line(say(lang, "trained", rows=f"{rows:,}", seconds=duration(result.seconds), first=first, last=last))
        if losses[-1] > losses[0]:
            say_line(say(lang, "loss grew"))
        click.echo()
    click.echo(say(lang, "held out", rows=f"{held:,}"))
    kind = "always class" if "accuracy" in scores.network else "always mean"
    named = {"name": scores.trivial_value} if kind == "always class" else {"value": scores.trivial_value}
    aligned(
        [
            (who, *(f"{say(lang, name)} {_score(name, value)}" for name, value in values.items()))
            for who, values in (
                (say(lang, "the network"), scores.network),
                (say(lang, kind, **named), scores.trivial),
            )
        ]
    )
    if not scores.better:
        say_line(say(lang, "not better"))
    if save is not None:
        click.echo()
        say_line(say(lang, "saved", path=save))


def _score(name: str, value: float) -> str:
    return f"{value:.1%}" if name == "accuracy" else f"{value:.3f}" if name == "r2" else f"{value:.4g}"


def _record(
    table: Table,
    target: Target,
    names: Sequence[str],
    model: Model,
    result: FitResult,
    scores: Scores,
    split: tuple[NDArray[np.int64], NDArray[np.int64]],
    epochs: int,
    save: str | None,
) -> dict[str, object]:
    losses = result.history["loss"]
    return {
        "data": table.path,
        "rows": table.row_count,
        "train_rows": len(split[0]),
        "held_out_rows": len(split[1]),
        "features": list(names),
        "target": target.name,
        "task": target.task,
        "classes": target.classes,
        "sizes": list(model.network.sizes),
        "epochs": result.epochs,
        "epochs_planned": epochs,
        "status": result.status,
        "loss": float(losses[-1]) if len(losses) else None,
        "score": _finite(scores.network),
        "trivial_score": _finite(scores.trivial),
        "trivial_prediction": scores.trivial_value,
        "train_seconds": result.seconds,
        "saved": save,
    }


def _finite(scores: dict[str, float]) -> dict[str, float | None]:
    """JSON has no infinity."""
    return {name: value if np.isfinite(value) else None for name, value in scores.items()}
