"""Conclusions of a report, shared by the terminal and the page."""

from __future__ import annotations

import math
from collections.abc import Iterator

from chainrule.reports.importance import Importance
from chainrule.reports.report import Refit, Report, Run, ScoreSummary
from chainrule.reports.scoring import LARGER_IS_BETTER, Scores, ahead, worth
from chainrule.reports.words import amount_text, say, score_text
from chainrule.words import Language, cut

_WHO = 26
"""The maximum width of a trivial predictor's name."""


def compared(report: Report, lang: Language) -> Iterator[tuple[str, Scores]]:
    """Yield the predictors and their scores on held-out rows; last the network on training rows."""
    yield say(lang, "network"), report.scores.network
    if report.comparison:
        yield say(lang, "linear"), report.comparison
    kind = "always class" if report.data.task == "classification" else "always number"
    value = repr(report.scores.trivial_value) if report.data.task == "classification" else report.scores.trivial_value
    yield cut(say(lang, kind, value=value), _WHO), report.scores.trivial
    if report.scores.training:
        yield say(lang, "on training rows"), report.scores.training


def ending(run: Run, lang: Language) -> str:
    """Describe how a run ended."""
    return say(lang, f"ended {run.status}", epochs=f"{run.epochs:,}")


def refit_text(refit: Refit, lang: Language) -> str:
    """Describe how the saved network was trained on all rows."""
    return say(lang, "refit", rows=f"{refit.rows:,}", epochs=f"{refit.epochs:,}")


def verdict(report: Report, lang: Language) -> str | None:
    """Return a sentence if the network is no better than a simpler predictor, or cannot be compared; otherwise None."""
    scores = report.scores
    name, rows = scores.deciding, report.data.rows.held
    if scores.confusion is not None and sum(any(row) for row in scores.confusion.counts) == 1:
        return say(lang, "one class held")
    if not worth(name, scores.network) > worth(name, scores.trivial):
        other = _telling(report)
        if other is None and ahead(name, report.comparison, scores.trivial, rows) > 0:
            return say(lang, "linear alone is better")
        if other is None:
            return say(lang, "not better than trivial")
        network, trivial = (score_text(other, each[other]) for each in (scores.network, scores.trivial))
        labels = {"score": say(lang, name), "other": say(lang, other)}
        return say(lang, "not better by one", network=network, trivial=trivial, **labels)
    if scores.linear and not report.comparison:
        return say(lang, "linear failed", value=scores.trivial_value)
    against = ahead(name, scores.network, scores.linear, rows)
    if scores.linear and len(report.fit.settings.widths) > 2 and against <= 0:
        return say(lang, "worse than linear" if against else "as good as linear")
    return None


def _telling(report: Report) -> str | None:
    """Return a score by which the network is clearly better than a constant, deciding or not."""
    scores = report.scores
    for name in ("auc", "balanced accuracy", "log loss", "r2"):
        clear = name in scores.trivial and ahead(name, scores.network, scores.trivial, report.data.rows.held) > 0
        if clear and (name not in LARGER_IS_BETTER or _beyond_chance(report.scores, name)):
            return name
    return None


def _beyond_chance(scores: ScoreSummary, name: str) -> bool:
    """Whether a score differs from that of a constant by more than three standard deviations, given the class sizes."""
    if scores.confusion is None:
        return True
    counts = [max(1, sum(row)) for row in scores.confusion.counts]
    deviation = math.sqrt(sum(1 / count for count in counts)) / (len(counts) if name != "auc" else math.sqrt(12))
    deviation *= 0.5 if name != "auc" else 1.0
    return scores.network[name] - scores.trivial[name] > 3 * deviation


def score_notes(scores: ScoreSummary, lang: Language) -> list[str]:
    """Return notes that are needed to interpret the scores."""
    notes = []
    if scores.levels and "r2" in scores.network:
        notes.append(say(lang, "of the median"))
    if scores.divisor is not None:
        notes.append(say(lang, "loss divided", divisor=amount_text(scores.divisor)))
    return notes


def probability_sentences(scores: ScoreSummary, lang: Language) -> list[str]:
    """Return sentences on how true the predicted probabilities are, and how well they order the rows."""
    said, found, ranked = [], scores.calibration, scores.thresholds
    if found is not None:
        shares = {name: f"{getattr(found, name):.1%}" for name in ("error", "chance", "confidence", "accuracy")}
        said = [say(lang, f"trust {found.trust}", **shares), say(lang, "calibration error", **shares)]
    if ranked is not None:
        average, share = f"{ranked.average_precision:.3f}", f"{ranked.share:.3f}"
        said.append(say(lang, "average precision", of=repr(ranked.of), average=average, share=share))
    return said


def level_cells(scores: ScoreSummary, lang: Language) -> list[tuple[str, ...]]:
    """Return the evaluation of each quantile, as rows of texts under a heading; empty without quantiles."""
    if not scores.levels:
        return []
    head = tuple(say(lang, key) for key in ("quantile", "pinball", "of a constant", "rows below"))
    return [
        head,
        *(
            (f"{each.level:g}", amount_text(each.loss), amount_text(each.constant), f"{each.below:.1%}")
            for each in scores.levels
        ),
    ]


def drop_text(score: str, drop: float) -> str:
    """Format an importance: in percent of rows, or as the loss of a score."""
    if score in ("accuracy", "balanced accuracy"):
        text = f"{100 * drop:.1f} %"
    else:
        text = amount_text(drop) if score == "loss" else f"{drop:.3f}"
    return text.removeprefix("-") if not text.strip("-0. %") else text


def margin_text(score: str, importance: Importance) -> str:
    """Format the margin of an importance, such as ` ± 2.1`; "" if there is none."""
    if not math.isfinite(importance.margin):
        return ""
    text = drop_text(score, importance.margin).removesuffix(" %")
    return f" ± {text}" if text.strip("0.") else ""


def drawn(score: str, drop: float) -> bool:
    """Whether an importance has a bar: not if it is printed as 0."""
    return drop > 0 and any(digit in drop_text(score, drop) for digit in "123456789")
