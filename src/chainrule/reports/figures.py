"""Sections of the page with charts: probabilities of classes, and partial dependence."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from chainrule import charts
from chainrule.charts import escape
from chainrule.reports.calibration import Calibration, Thresholds
from chainrule.reports.dependence import Dependence
from chainrule.reports.report import Report, ScoreSummary
from chainrule.reports.verdicts import probability_sentences
from chainrule.reports.words import say, score_text
from chainrule.words import Language, cut

_DIAGONAL = ((0.0, 0.0), (1.0, 1.0))
_FEWEST = 3
"""The minimum number of points of a chart."""
_NAME = 16
"""The maximum width of the name of a class in a chart."""
_DOTTED = 8
"""The maximum number of values that are marked on a line."""
_YEARS = 3 * 366
"""The number of days from which on dates are shown by their month alone."""


def figure(chart: str, said: str) -> str:
    """Return a chart with a caption, which is HTML."""
    return f"<figure>\n{chart}\n<figcaption>{said}</figcaption>\n</figure>"


def _beside(figures: Sequence[str]) -> str:
    return '<div class="charts">\n' + "\n".join(figures) + "\n</div>"


def probabilities(scores: ScoreSummary, lang: Language) -> str:
    """Return the section on predicted probabilities; "" for numbers."""
    said = "\n".join(f"<p>{escape(sentence)}</p>" for sentence in probability_sentences(scores, lang))
    found = scores.calibration
    figures = [] if found is None or len(found.bins) < _FEWEST else [_calibration(found, lang)]
    if scores.thresholds is not None:
        figures += _thresholds(scores.thresholds, scores.network.get("auc"), lang)
    return f"{said}\n{_beside(figures)}" if figures else said


def _calibration(found: Calibration, lang: Language) -> str:
    points = [(each.expected, each.observed) for each in found.bins]
    if found.of is None:
        labels = say(lang, "probability of prediction"), say(lang, "share right")
    else:
        name = cut(found.of, _NAME)
        labels = say(lang, "probability of", of=name), say(lang, "share of", of=name)
    chart = charts.lines([points], *labels, unit=True, mark=_DIAGONAL, dots=True)
    rows = f"{round(sum(each.rows for each in found.bins) / len(found.bins)):,}"
    return figure(chart, escape(say(lang, "calibration figure", rows=rows)))


def _thresholds(found: Thresholds, auc: float | None, lang: Language) -> list[str]:
    of = cut(found.of, _NAME)
    recall, mistaken = say(lang, "found of", of=of), say(lang, "taken wrongly", of=of, other=cut(found.other, _NAME))
    roc = charts.lines([found.roc], mistaken, recall, unit=True, mark=_DIAGONAL)
    level = ((0.0, found.share), (1.0, found.share))
    ordered = charts.lines([found.precision], recall, say(lang, "precision"), unit=True, mark=level)
    area = "–" if auc is None else score_text("auc", auc)
    return [
        figure(roc, escape(say(lang, "roc figure", auc=area))),
        figure(ordered, escape(say(lang, "precision figure", of=of, average=f"{found.average_precision:.3f}"))),
    ]


def dependence(report: Report, lang: Language) -> str:
    """Return the section on partial dependence; "" if there is none."""
    found = report.scores.dependence
    if not found:
        return ""
    outputs = found[0].outputs
    if report.data.task != "classification":
        label = say(lang, "mean of", target=cut(report.data.target, _NAME))
    elif len(outputs) == 1:
        label = say(lang, "probability of", of=cut(outputs[0], _NAME))
    else:
        label = say(lang, "mean probability")
    said = f'<p class="soft">{escape(say(lang, "dependence said"))}</p>'
    if len(outputs) > 1:
        names = zip(outputs, charts.STYLES, strict=False)
        keys = "".join(f'<span class="key {style}">{escape(name)}</span>' for name, style in names)
        said += f"<p>{keys}</p>"
    predictions = [value for each in found for line in each.predictions for value in line if math.isfinite(value)]
    if not predictions:
        return ""
    shared = charts.wide(predictions)
    return f"{said}\n{_beside([figure(_dependence(each, label, shared), escape(each.name)) for each in found])}"


def _dependence(found: Dependence, label: str, shared: charts.Point) -> str:
    if not found.of_numbers:
        return charts.dots([str(value) for value in found.values], found.predictions, label, shared)
    values = [float(value) for value in found.values]
    series = [list(zip(values, line, strict=True)) for line in found.predictions]
    digits = 7 if found.dates and values[-1] - values[0] >= _YEARS else 10

    def day(value: float) -> str:
        return str(np.datetime64(int(value), "D"))[:digits]

    text = day if found.dates else None
    return charts.lines(series, "", label, y_range=shared, dots=len(values) <= _DOTTED, x_text=text)
