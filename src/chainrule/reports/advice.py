"""Suggestions for further training, derived from the results of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator

from chainrule.reports.report import Report
from chainrule.reports.scoring import LARGER_IS_BETTER, ahead, worth
from chainrule.reports.words import number_text, say, score_text
from chainrule.words import Language, listed_in

LISTED = 4
_GAP = {"accuracy": 0.04, "balanced accuracy": 0.06, "auc": 0.04, "r2": 0.1}
"""Overfitting: by how much a score is better on training rows than on held-out rows."""

_LOSS_GAP = 0.4
"""Overfitting: the fraction by which a loss is smaller on training rows."""

_GREW = 0.01
"""The relative growth of a loss that is reported."""

_FEWEST = 30
"""The minimum number of held-out rows that can show that a column is of no use."""

_RECALL = 0.6
_RARE = 0.5
"""A class is rare if it has less than this fraction of its rows in balanced classes."""

_MARGIN = 0.03
_PERFECT = 0.98
_CARRIES = 0.85
"""A column dominates if shuffling it loses more than this fraction of the gain over the trivial predictor."""


def advice(report: Report, lang: Language = "en") -> list[str]:
    """Return suggestions, the most important first."""
    return list(_advice(report, lang))


def _advice(report: Report, lang: Language) -> Iterator[str]:
    fit, scores = report.fit, report.scores
    name, rows = scores.deciding, report.data.rows.held
    network, training = worth(name, scores.network), worth(name, scores.training)
    if fit.run.status == "interrupted" and report.saved:
        yield say(lang, "advice interrupted", data=report.data.path, path=report.saved)
    yield from _about_the_run(report, lang)
    gap = _GAP.get(name, _LOSS_GAP * abs(network))
    noise = _noise(report) if name in ("accuracy", "balanced accuracy") else 0.0
    overfits = training - network > max(gap, noise)
    if overfits:
        yield say(
            lang,
            "advice overfitting",
            score=say(lang, name),
            training=score_text(name, scores.training[name]),
            held=score_text(name, scores.network[name]),
            alpha=number_text(max(1.0, 10 * fit.settings.alpha)),
        )
    hidden = fit.settings.widths[1:-1]
    linear = report.comparison
    against = ahead(name, scores.network, linear, rows)
    if hidden and linear and against <= 0:
        yield say(
            lang,
            "advice linear better" if against else "advice linear",
            linear=score_text(name, linear[name]),
            network=score_text(name, scores.network[name]),
        )
        fitted = scores.linear_training
        if not overfits and _leaves_room(report) and fitted and ahead(name, scores.training, fitted, rows) <= 0:
            yield say(
                lang,
                "advice underfitting",
                training=score_text(name, scores.training[name]),
                linear=score_text(name, fitted[name]),
                hidden=f"{2 * max(hidden)},{2 * max(hidden)}",
            )
    yield from _about_classes(report, lang)
    yield from _about_columns(report, lang)
    yield from fit.gradients
    if not fit.trials and fit.run.status not in ("interrupted", "diverged"):
        yield say(lang, "advice search")


def _leaves_room(report: Report) -> bool:
    """Whether the network could be clearly better on its own training rows."""
    scores = report.scores
    name = scores.deciding
    score = scores.training.get(name, math.nan)
    if name in LARGER_IS_BETTER:
        return score < _PERFECT
    return score > (1 - _PERFECT) * abs(scores.trivial.get(name, math.inf))


def _noise(report: Report) -> float:
    """Return twice the standard deviation of an accuracy on this number of rows; 0 if there is none."""
    share, rows = report.scores.network.get("accuracy", 0.0), max(1, report.data.rows.held)
    return 2 * math.sqrt(share * (1 - share) / rows)


def _about_the_run(report: Report, lang: Language) -> Iterator[str]:
    run, learning_rate = report.fit.run, report.fit.settings.learning_rate
    slower = number_text((learning_rate or 0.01) / 5)
    losses = [loss for loss in run.losses if math.isfinite(loss)]
    if run.status == "diverged":
        yield say(lang, "advice diverged", culprit=run.culprit or "a value", learning_rate=slower)
    elif len(losses) > 1 and losses[-1] - losses[0] > _GREW * abs(losses[0]):
        yield say(lang, "advice grew", first=number_text(losses[0]), last=number_text(losses[-1]), learning_rate=slower)
    elif run.status == "finished" and run.epochs > 1 and _still_improving(report):
        yield say(lang, "advice more epochs", epochs=3 * run.epochs)


def _still_improving(report: Report) -> bool:
    run = report.fit.run
    if run.validation_losses:
        return run.best_epoch >= 0.95 * run.epochs
    tail = run.losses[-max(2, len(run.losses) // 10) :]
    return tail[0] > 0 and tail[-1] < 0.98 * tail[0]


def _about_classes(report: Report, lang: Language) -> Iterator[str]:
    data, scores = report.data, report.scores
    confusion, total = scores.confusion, sum(data.class_counts.values())
    if confusion is None:
        return
    unseen = [
        (data.class_counts[name], name)
        for name, row in zip(confusion.classes, confusion.counts, strict=True)
        if data.class_counts.get(name, 0) and not sum(row)
    ]
    for count, name in sorted(unseen)[:LISTED]:
        yield say(lang, "advice unseen class", name=repr(name), count=f"{count:,}", total=f"{total:,}")
    if report.fit.settings.class_weight is None and total:
        even = total / len(data.classes)
        rare = [
            (recall, name)
            for name, recall in zip(confusion.classes, confusion.recalls, strict=True)
            if data.class_counts.get(name, 0) < _RARE * even and recall < _RECALL
        ]
        if rare:
            recall, name = min(rare)
            yield say(lang, "advice rare classes", name=repr(name), recall=f"{recall:.0%}")
    margin = _noise(report)
    if scores.network.get("accuracy") in (0.0, 1.0):
        margin = min(1.0, 3 / max(1, data.rows.held))  # the rule of three: a 95 % confidence bound
    if margin > _MARGIN:
        yield say(lang, "advice few rows", rows=f"{data.rows.held:,}", margin=f"{margin:.0%}")


def _about_columns(report: Report, lang: Language) -> Iterator[str]:
    scores = report.scores
    name, found = scores.deciding, scores.importances
    gained = worth(name, scores.network) - worth(name, scores.trivial)
    perfect = scores.network.get(name if name in LARGER_IS_BETTER else "auc", 0.0) > _PERFECT
    if len(found) > 2 and 0 < gained < math.inf and perfect:
        first, second = found[0].drop / gained, found[1].drop / gained
        if first > _CARRIES and second < 1 - _CARRIES and found[0].name not in scores.alone:
            yield say(lang, "advice leak", name=repr(found[0].name))
    if scores.alone:
        names = listed_in(lang, map(repr, scores.alone[:LISTED])) + (", …" if len(scores.alone) > LISTED else "")
        yield say(lang, "advice alone", names=names, option=_shell(",".join(scores.alone[:LISTED])))
    useless = [each.name for each in found if each.drop + 2 * each.deviation <= 1e-12]
    if gained > 0 and 0 < len(useless) < len(found) and report.data.rows.held >= _FEWEST:
        names = listed_in(lang, map(repr, useless[:LISTED])) + (", …" if len(useless) > LISTED else "")
        yield say(lang, "advice useless", names=names, option=_shell(",".join(useless[:LISTED])))
    texts = [column.name for column in report.data.columns if column.kind == "text" and not column.inputs]
    if texts:
        yield say(lang, "advice text", names=listed_in(lang, map(repr, texts[:LISTED])))


def _shell(text: str) -> str:
    """Quote `text` as one word of a shell command."""
    plain = all(letter.isalnum() or letter in "_,.-" for letter in text)
    return text if plain else "'" + text.replace("'", "'\\''") + "'"
