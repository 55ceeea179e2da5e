"""A report as text within the width of a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from chainrule.reports.mistakes import Confusion
from chainrule.reports.report import Column, FitSummary, Report, ScoreSummary
from chainrule.reports.verdicts import compared, drawn, drop_text, level_cells, margin_text, probability_sentences
from chainrule.reports.words import amount_text, number_text, say, score_text
from chainrule.words import Language, cut, listed_in, padded, table, translated, width_of, wrapped

CURVE_ROWS = 8
CURVE_COLUMNS = 60
SHOWN_COLUMNS = 30
SHOWN_IMPORTANCES = 12
SHOWN_TRIALS = 30
_BAR = 24
_LABEL = 14
_TRAINING, _VALIDATION = "·", "●"


def columns_text(columns: Sequence[Column], width: int, lang: Language = "en") -> list[str]:
    """Return the columns of a table, their descriptions, and which are left out."""
    shown = sorted(columns, key=lambda column: column.inputs == 0)[:SHOWN_COLUMNS]
    rows = [(say(lang, "column"), say(lang, "kind"), say(lang, "what"))]
    for column in shown:
        kind = say(lang, column.kind)
        kind = kind if column.inputs else f"{kind} ({say(lang, 'left out')})"
        rows.append((column.name, kind, translated(column.reason, lang)))
    lines = _fitted([tuple(" ".join(cell.split()) for cell in row) for row in rows], width)
    if len(columns) > len(shown):
        lines.append(f"  {say(lang, 'more columns', count=len(columns) - len(shown))}")
    return lines


def _fitted(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """Fit rows of three cells to the width; names take up to a third of it, and the last cell the rest."""
    first = min(max(width_of(row[0]) for row in rows), width // 3)
    second = max(width_of(row[1]) for row in rows)
    room = max(10, width - first - second - 6)
    return table([(cut(name, first), kind, cut(what, room)) for name, kind, what in rows])


def curve_text(fit: FitSummary, width: int, lang: Language = "en") -> list[str]:
    """Plot the losses by epoch with characters."""
    run = fit.run
    curves = [(_TRAINING, say(lang, "training loss"), run.losses)]
    if run.validation_losses:
        curves.append((_VALIDATION, say(lang, "validation loss"), run.validation_losses))
    values = [value for _, _, losses in curves for value in losses if math.isfinite(value)]
    if len(run.losses) < 2 or not values or min(values) == max(values):
        return []
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > 20
    scale = math.log if logarithmic else float
    columns = min(CURVE_COLUMNS, width - 14)
    grid = [[" "] * columns for _ in range(CURVE_ROWS)]
    for mark, _, losses in curves:
        for column in range(columns):
            value = losses[round(column * (len(losses) - 1) / (columns - 1))]
            if math.isfinite(value):
                part = (scale(value) - scale(low)) / (scale(high) - scale(low))
                grid[round((1 - part) * (CURVE_ROWS - 1))][column] = mark
    labels = {0: number_text(high), CURVE_ROWS - 1: number_text(low)}
    lines = [f"{labels.get(k, ''):>10} │{''.join(row)}".rstrip() for k, row in enumerate(grid)]
    last = f"{len(run.losses):,}"
    lines.append(" " * 11 + "└" + "─" * columns)
    epoch = say(lang, "epoch")
    lines.append(" " * 12 + f"1{epoch:^{max(0, columns - 1 - len(last) - (width_of(epoch) - len(epoch)))}}{last}")
    legend = "   ".join(f"{mark} {title}" for mark, title, _ in curves)
    notes = [say(lang, "logarithmic")] if logarithmic else []
    if fit.loss_divisor is not None:
        notes.append(say(lang, "standardized", divisor=amount_text(fit.loss_divisor)))
    if run.validation_losses and run.best_epoch:
        notes.append(say(lang, "best", epoch=f"{run.best_epoch:,}"))
    lines.append(" " * 12 + legend)
    if notes:
        lines.append(" " * 12 + listed_in(lang, notes))
    return lines


def scores_text(report: Report, lang: Language = "en") -> list[str]:
    """Return the scores of the network, the linear model and the trivial predictor."""
    rows = [("", *(say(lang, name) for name in report.scores.network))]
    for who, scores in compared(report, lang):
        rows.append((who, *(score_text(name, scores.get(name, math.nan)) for name in report.scores.network)))
    return table(rows, "   ", right=1)


def mistakes_text(scores: ScoreSummary, width: int, lang: Language = "en") -> list[str]:
    """Return a confusion matrix if it fits, otherwise the most frequent mistakes; for numbers the residuals."""
    if scores.confusion is not None:
        return _matrix_text(scores.confusion, width, lang) or _worst_text(scores.confusion, lang)
    levels = table(level_cells(scores, lang), "   ", right=0)
    if scores.residuals is None:
        return levels
    at = dict(scores.residuals.quantiles)
    lower, low, high, higher = (amount_text(at[percent]) for percent in (5, 25, 75, 95))
    histogram = _histogram(scores.residuals.counts)
    first, last = (amount_text(edge) for edge in (scores.residuals.edges[0], scores.residuals.edges[-1]))
    spread = say(lang, "percentiles", low=low, high=high, lower=lower, higher=higher)
    return [
        *levels,
        *(f"  {line}" for line in wrapped(spread, width - 2)),
        f"  {say(lang, 'residual')}: {first} {histogram} {last}",
    ]


def probabilities_text(scores: ScoreSummary, width: int, lang: Language = "en") -> list[str]:
    """Return sentences on the probabilities of classes; none for numbers."""
    return [f"  {line}" for said in probability_sentences(scores, lang) for line in wrapped(said, width - 2)]


def _histogram(counts: Sequence[int]) -> str:
    most = max(counts)
    return "".join("▁▂▃▄▅▆▇█"[min(7, 8 * count // (most + 1))] if count else " " for count in counts)


def _matrix_text(confusion: Confusion, width: int, lang: Language) -> list[str]:
    names = [cut(name, _LABEL) for name in confusion.classes]
    corner = f"{say(lang, 'actual')} \\ {say(lang, 'predicted')}"
    first = max(width_of(corner), *(width_of(name) for name in names))
    cells = [[f"{count:,}" if count else "·" for count in row] for row in confusion.counts]
    sizes = [max(width_of(names[k]), *(len(row[k]) for row in cells)) for k in range(len(names))]
    found = say(lang, "found")
    if first + sum(size + 2 for size in sizes) + width_of(found) + 6 > width:
        return []

    def line(label: str, row: Sequence[str], last: str) -> str:
        parts = [" " * (size - width_of(cell)) + cell for cell, size in zip(row, sizes, strict=True)]
        return f"  {padded(label, first)}  {'  '.join(parts)}   {last}".rstrip()

    lines = [line(corner, names, found)]
    for name, row, recall in zip(names, cells, confusion.recalls, strict=True):
        lines.append(line(name, row, "" if math.isnan(recall) else f"{recall:>{width_of(found)}.0%}"))
    return lines


def _worst_text(confusion: Confusion, lang: Language) -> list[str]:
    worst = confusion.worst(6)
    if not worst:
        return [f"  {say(lang, 'no mistakes')}"]
    return [
        f"  {say(lang, 'worst mistake', actual=cut(actual, 30), taken=cut(taken, 30), count=f'{count:,}')}"
        for actual, taken, count in worst
    ]


def importance_text(scores: ScoreSummary, width: int, lang: Language = "en") -> list[str]:
    """Return a bar for each column, the most important first."""
    found = scores.importances[:SHOWN_IMPORTANCES]
    most = max((each.drop for each in found), default=0.0)
    score = scores.deciding
    if not found or not drawn(score, most):
        return []
    size = min(max(width_of(each.name) for each in found), width // 3)
    drops = [drop_text(score, each.drop) for each in found]
    margins = [margin_text(score, each) for each in found]
    first, second = max(8, *map(len, drops)), max(map(len, margins))
    room = max(1, min(_BAR, width - size - first - second - 6))
    lines = []
    for each, drop, margin in zip(found, drops, margins, strict=True):
        bar = "█" * round(room * each.drop / most) if drawn(score, each.drop) else ""
        lines.append(f"  {padded(cut(each.name, size), size)}  {drop:>{first}}{margin:<{second}}  {bar}".rstrip())
    if len(scores.importances) > len(found):
        lines.append(f"  {say(lang, 'more columns', count=len(scores.importances) - len(found))}")
    return lines


def trials_text(fit: FitSummary, lang: Language = "en") -> list[str]:
    """Return the settings of a search, the best on validation first."""
    if not fit.trials:
        return []
    keys = ("hidden", "learning rate", "alpha", "epochs", "validation loss", "validation score")
    rows = [tuple(say(lang, key) for key in keys)]
    for trial in sorted(fit.trials, key=lambda each: (not each.kept, -each.worth))[:SHOWN_TRIALS]:
        learning_rate = "–" if trial.learning_rate is None else f"{trial.learning_rate:g}"
        chosen = score_text(trial.scored_by, trial.score) + (f"  ← {say(lang, 'kept')}" if trial.kept else "")
        rows.append(
            (trial.hidden, learning_rate, f"{trial.alpha:g}", f"{trial.epochs:,}", number_text(trial.loss), chosen)
        )
    return table(rows)
