"""`chainrule inspect`: the content of a model file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from chainrule import reports
from chainrule.cli.help import Command
from chainrule.cli.output import aligned, duration, page_width, print_json, say_line
from chainrule.cli.sentences import language_option, say
from chainrule.models import ModelDescription, inspect_model
from chainrule.reports import score_text
from chainrule.words import Language, cut, translated

_SHOWN = 40
_WHO = {"held out": "the network", "linear model": "linear", "trivial": "trivial", "training": "training rows"}


@click.command("inspect", cls=Command)
@click.argument("path", metavar="MODEL")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@language_option
def command(path: str, as_json: bool, lang: Language) -> None:
    """Describe a model file: target and columns, the network, its scores, and the state of training."""
    found = inspect_model(path)
    if as_json:
        print_json(_finite(found.as_dict()))
        return
    say_line(_headline(found, lang))
    rows = [
        (say(lang, "row network"), found.network),
        (say(lang, "row loss"), ", ".join([found.loss, *found.regularization])),
        (say(lang, "row parameters"), f"{found.parameters:,} ({found.dtype})"),
        (say(lang, "row data"), f"SHA-256 {found.fingerprint[:16]}…" if found.fingerprint else "–"),
        (say(lang, "row trained"), found.trained or "–"),
        (say(lang, "row versions"), ", ".join(f"{name} {version}" for name, version in found.versions.items())),
        (say(lang, "row file"), say(lang, "bytes", size=f"{found.size:,}")),
    ]
    if found.progress is not None:
        rows.append((say(lang, "row checkpoint"), _progress(found, lang)))
    _lines(rows)
    if found.unread:
        say_line(found.unread)
    _columns(found, lang)
    _scores(found, lang)


def _headline(found: ModelDescription, lang: Language) -> str:
    if not found.target:
        return say(lang, "model of arrays", path=found.path, inputs=found.inputs, outputs=found.outputs)
    columns = len({column.name for column in found.columns}) or found.inputs
    if found.classes:
        listed = ", ".join(cut(name, 30) for name in found.classes[:8])
        if len(found.classes) > 8:
            listed += f" {say(lang, 'and more', count=len(found.classes) - 8)}"
        return say(
            lang, "model of classes", path=found.path, target=found.target, count=len(found.classes), classes=listed,
            columns=columns,
        )  # fmt: skip
    return say(lang, "model of numbers", path=found.path, target=found.target, columns=columns)


def _progress(found: ModelDescription, lang: Language) -> str:
    progress = found.progress
    assert progress is not None
    return say(
        lang,
        "progress of" if progress.status != "finished" else "progress whole",
        epoch=f"{progress.epoch:,}",
        epochs=f"{progress.epochs:,}",
        seconds=duration(progress.seconds),
        path=found.path,
        more=2 * progress.epoch,
    )


def _lines(rows: list[tuple[str, str]]) -> None:
    room = page_width() - 4 - max(len(name) for name, _ in rows)
    aligned([(name, cut(text, room)) for name, text in rows])


def _columns(found: ModelDescription, lang: Language) -> None:
    if not found.columns:
        return
    click.echo()
    click.echo(say(lang, "columns used"))
    names = min(24, max(len(column.name) for column in found.columns))
    room = page_width() - names - 17
    shown = found.columns[:_SHOWN]
    kinds = [reports.say(lang, column.kind) for column in shown]
    encodings = [cut(translated(column.encoding, lang), room) for column in shown]
    aligned(list(zip([cut(column.name, names) for column in shown], kinds, encodings, strict=True)))
    if len(found.columns) > _SHOWN:
        click.echo(f"  {say(lang, 'and more', count=len(found.columns) - _SHOWN)}")
    if found.left_out:
        click.echo(say(lang, "columns left out"))
        aligned(
            [
                (cut(name, 24), cut(translated(reason, lang), page_width() - 30))
                for name, reason in found.left_out[:_SHOWN]
            ]
        )


def _scores(found: ModelDescription, lang: Language) -> None:
    scores = {who: found.metrics[key] for key, who in _WHO.items() if isinstance(found.metrics.get(key), Mapping)}
    scores = {who: values for who, values in scores.items() if values}
    if not scores:
        return
    names = list(next(iter(scores.values())))
    click.echo()
    click.echo(say(lang, "scores held out"))
    rows = [("", *(reports.say(lang, name) for name in names))]
    for who, values in scores.items():
        rows.append((say(lang, who), *(score_text(name, _number(values.get(name))) for name in names)))
    aligned(rows)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def _finite(value: Any) -> Any:
    """Replace infinity, which JSON lacks."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not -float("inf") < value < float("inf") else value
