"""Output of `chainrule train`: table and task before training, the report after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from chainrule import reports
from chainrule.cli.output import duration, page_width, say_line
from chainrule.cli.reporting import columns_of, other_parts
from chainrule.cli.sentences import say
from chainrule.learners import Data, Learner, Plan
from chainrule.reports import (
    Report,
    advice,
    columns_text,
    curve_text,
    ending,
    importance_text,
    mistakes_text,
    probabilities_text,
    refit_text,
    score_notes,
    scores_text,
    table_name,
    trials_text,
    verdict,
)
from chainrule.tables import ClassTarget
from chainrule.words import Language, cut, translated, wrapped

LISTED = 8
_LONG = 30


def print_task(path: str, plan: Plan, data: Data, candidates: Sequence[Learner], lang: Language) -> None:
    """Print the table, its columns, the task, and the networks to train."""
    prepared, target = data.prepared, data.target
    columns = columns_of(data)
    used = sum(column.inputs > 0 for column in columns)
    named = table_name(path, other_parts(plan, data), lang)
    say_line(say(lang, "table", path=named, rows=f"{prepared.row_count:,}", features=used, target=target.name))
    lines(columns_text(columns, page_width(), lang))
    for note in prepared.notes:
        say_line(say(lang, "note", note=translated(note, lang)))
    click.echo()
    _print_target(data, lang)
    _print_network(plan, data, candidates, lang)
    click.echo()


def _print_target(data: Data, lang: Language) -> None:
    target, prepared = data.target, data.prepared
    space = " " if lang == "en" else ""
    asked = prepared.reason == "as asked"
    if not isinstance(target, ClassTarget):
        reason = translated(prepared.reason, lang)
        say_line(say(lang, "regression") if asked else say(lang, "regression because", reason=reason))
        return
    classes = ", ".join(cut(name, _LONG) for name in target.classes[:LISTED])
    if len(target.classes) > LISTED:
        classes += f" {say(lang, 'and more', count=len(target.classes) - LISTED)}"
    said = say(lang, "classification", count=len(target.classes), classes=classes)
    because = ""
    if "few different whole numbers" in prepared.reason:
        because = f"{space}{say(lang, 'because few')}"
    elif not asked:
        because = f"{space}{say(lang, 'because', reason=translated(prepared.reason, lang))}"
    say_line(f"{said}{because}")


def _print_network(plan: Plan, data: Data, candidates: Sequence[Learner], lang: Language) -> None:
    first = candidates[0]
    settings = first.settings
    if len(candidates) > 1 and plan.time is not None:
        say_line(say(lang, "search in time", time=f"{plan.time:g} s", count=len(candidates)))
    elif len(candidates) > 1:
        say_line(say(lang, "search", count=len(candidates)))
    else:
        learning_rate = getattr(settings.solver, "learning_rate", None)
        say_line(
            say(
                lang,
                "network whole" if learning_rate is None else "network train",
                sizes=sizes_text(first),
                solver=plan.solver,
                epochs=f"{settings.epochs:,}",
                batch=f"{settings.batch_size or data.row_count:,}",
                learning_rate=f"{learning_rate or 0:g}",
                seed=plan.seed,
            )
        )
    held, choosing = f"{len(data.y_held):,}", f"{len(data.y_choosing):,}"
    key = "rows parted" if len(data.y_choosing) else "rows parted in two"
    key += "" if plan.validation is None else ", file"
    say_line(say(lang, key, training=f"{data.row_count:,}", choosing=choosing, held=held, path=plan.shown_validation))


def sizes_text(learner: Learner) -> str:
    """Return the layer sizes of a network, with the number of networks if there are several."""
    sizes = "-".join(map(str, learner.architecture.widths))
    members = learner.architecture.members
    return sizes if members == 1 else f"{members} × {sizes}"


def print_report(report: Report, page: str | None, lang: Language, interruption: str | None = None) -> None:
    """Print how training ended, the scores, their explanation, and advice.

    `interruption` is the key of the sentence on what Ctrl-C ended, if it was more than the run of the report.
    """
    run, width = report.fit.run, page_width()
    if run.status == "interrupted" and not run.epochs:
        say_line(say(lang, "interrupted at once"))
    elif run.status == "interrupted":
        say_line(say(lang, "interrupted train", epochs=f"{run.epochs:,}", planned=f"{report.fit.settings.epochs:,}"))
    else:
        say_line(say(lang, "trained", seconds=duration(run.seconds), why=ending(run, lang)))
    if interruption is not None and (run.status != "interrupted" or report.fit.trials):
        say_line(say(lang, interruption))
    section("search", trials_text(report.fit, lang), lang)
    lines(["", *curve] if (curve := curve_text(report.fit, width, lang)) else [])
    click.echo()
    where = "on file" if report.data.validation else "held out"
    say_line(say(lang, where, rows=f"{report.data.rows.held:,}", path=report.data.validation))
    lines(scores_text(report, lang))
    for note in score_notes(report.scores, lang):
        say_line(note)
    if honest := verdict(report, lang):
        say_line(honest)
    section("mistakes" if report.scores.confusion else "errors", mistakes_text(report.scores, width, lang), lang)
    section("probabilities", probabilities_text(report.scores, width, lang), lang)
    section("importance", importance_text(report.scores, width, lang), lang)
    found = advice(report, lang)
    if found:
        click.echo()
        click.echo(reports.say(lang, "next") + colon(lang))
        for sentence in found:
            first, *rest = wrapped(sentence, width - 4)
            click.echo(f"  • {first}")
            lines([f"    {line}" for line in rest])
    if report.saved is not None or page is not None:
        click.echo()
    if report.saved is not None:
        if report.fit.refit is not None:
            say_line(refit_text(report.fit.refit, lang))
        say_line(say(lang, "saved", path=report.saved))
    if page is not None:
        say_line(say(lang, "page", path=page))


def section(key: str, text: Sequence[str], lang: Language) -> None:
    """Print a heading and its text, if there is any."""
    if text:
        click.echo()
        click.echo(reports.say(lang, key) + colon(lang))
        lines(text)


def colon(lang: Language) -> str:
    """Return the colon after a heading."""
    return ":" if lang == "en" else "："


def lines(text: Sequence[str]) -> None:
    """Print lines unchanged."""
    for line in text:
        click.echo(line)


def record(report: Report, page: str | None, seconds: float) -> dict[str, Any]:
    """Return the report as one JSON object."""
    found = report.to_dict()
    data, fit, scores = found["data"], found["fit"], found["scores"]
    rows, settings, run = data["rows"], fit["settings"], fit["run"]
    losses = run["losses"]
    return {
        "data": data["path"],
        "rows": rows["all"],
        "train_rows": rows["training"],
        "validation_rows": rows["choosing"],
        "held_out_rows": rows["held"],
        "features": [column.name for column in report.data.columns if column.inputs],
        "left_out": {column.name: column.reason for column in report.data.columns if not column.inputs},
        "columns": data["columns"],
        "target": data["target"],
        "task": data["task"],
        "reason": data["reason"],
        "classes": data["classes"],
        "class_counts": data["class_counts"],
        "sizes": settings.pop("widths"),
        "settings": settings,
        "epochs": run["epochs"],
        "epochs_planned": settings["epochs"],
        "best_epoch": run["best_epoch"],
        "status": run["status"],
        "why": run["reason"],
        "loss": losses[-1] if losses else None,
        "loss_curve": losses,
        "validation_losses": run["validation_losses"],
        "score": scores["network"],
        "linear_score": scores["linear"],
        "linear_failed": bool(scores["linear"]) and not report.comparison,
        "trivial_score": scores["trivial"],
        "trivial_prediction": scores["trivial_value"],
        "train_score": scores["training"],
        "linear_train_score": scores["linear_training"],
        "confusion": scores["confusion"],
        "residuals": scores["residuals"],
        "quantiles": scores["levels"],
        "calibration": scores["calibration"],
        "thresholds": scores["thresholds"],
        "importance": scores["importances"],
        "alone": scores["alone"],
        "partial_dependence": scores["dependence"],
        "search": fit["trials"],
        "notes": data["notes"],
        "advice": advice(report),
        "fingerprint": data["fingerprint"],
        "refit": fit["refit"],
        "train_seconds": run["seconds"],
        "seconds": seconds,
        "saved": report.saved,
        "report": page,
    }
