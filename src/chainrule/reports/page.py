"""A report as a self-contained web page."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from chainrule import charts
from chainrule.charts import escape
from chainrule.reports.advice import advice
from chainrule.reports.figures import dependence, probabilities
from chainrule.reports.mistakes import Confusion, Residuals
from chainrule.reports.report import DataSummary, FitSummary, Report, ScoreSummary
from chainrule.reports.scoring import LARGER_IS_BETTER
from chainrule.reports.style import STYLE
from chainrule.reports.verdicts import (
    compared,
    drawn,
    drop_text,
    ending,
    level_cells,
    margin_text,
    refit_text,
    score_notes,
    verdict,
)
from chainrule.reports.words import amount_text, number_text, say, score_text, table_name
from chainrule.words import Language, html_page, translated

_MATRIX = 20
"""The maximum number of classes for which a confusion matrix is shown."""
_SHADE = 65
"""The percentage of colour in a matrix cell that has all rows of its class."""

_OPTION = re.compile(r"--[a-z][a-z-]*(?: [\w.,'-]+)?|chainrule train [^:：]+")


def render_page(report: Report, derivation: str = "", lang: Language = "en") -> str:
    """Return the page. `derivation` is an HTML element with the derivation of the network's gradients."""
    sections = [(key, body) for key, body in _sections(report, derivation, lang) if body]
    links = "\n".join(f'<a href="#{key}">{escape(_heading(report, key, lang))}</a>' for key, _ in sections)
    bodies = "\n".join(
        f'<section id="{key}">\n<h2>{escape(_heading(report, key, lang))}</h2>\n{body}\n</section>'
        for key, body in sections
    )
    title = say(lang, "title", target=report.data.target)
    main = (
        f'<main class="report">\n<header>\n<h1>{escape(title)}</h1>\n{_lead(report, lang)}\n'
        f'<nav aria-label="{escape(say(lang, "contents"))}">\n{links}\n</nav>\n</header>\n{bodies}\n'
        f"{_footer(report, lang)}\n</main>"
    )
    return html_page(lang, title, STYLE, main)


def _heading(report: Report, key: str, lang: Language) -> str:
    return say(lang, "errors" if key == "mistakes" and report.scores.confusion is None else key)


def _lead(report: Report, lang: Language) -> str:
    name = report.scores.deciding
    training = f"{report.data.rows.training:,}"
    said = [
        say(
            lang,
            "learnt from",
            target=report.data.target,
            rows=training,
            data=table_name(report.data.path, report.data.others, lang),
        ),
        say(
            lang,
            "verdict network",
            held=f"{report.data.rows.held:,}",
            score=say(lang, name),
            network=score_text(name, report.scores.network[name]),
            linear=score_text(name, report.comparison[name]) if report.comparison else "–",
            value=report.scores.trivial_value,
            trivial=score_text(name, report.scores.trivial[name]),
        ),
    ]
    parts = [f'<p class="lead">{escape(sentence)}</p>' for sentence in said]
    honest = verdict(report, lang)
    if honest:
        parts.append(f'<p class="verdict">{_with_options(honest)}</p>')
    parts += [f'<p class="note">{escape(note)}</p>' for note in report.data.notes]
    return "\n".join(parts)


def _sections(report: Report, derivation: str, lang: Language) -> Iterator[tuple[str, str]]:
    yield "scores", _scores(report, lang)
    yield "next", _next(report, lang)
    yield "curve", _curve(report.fit, lang)
    yield "mistakes", _mistakes(report, lang)
    yield "probabilities", probabilities(report.scores, lang)
    yield "importance", _importance(report.scores, lang)
    yield "dependence", dependence(report, lang)
    yield "columns", _columns(report.data, lang)
    yield "search", _search(report.fit, lang)
    yield "settings", _settings(report, lang)
    yield "derivation", derivation


def _table(head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], numbers: int) -> str:
    """Return a table with `numbers` right-aligned columns at the end; rows have a CSS class and a heading cell."""
    first = len(head) - numbers

    def cells(row: Sequence[str], tag: str) -> str:
        done = []
        for place, cell in enumerate(row):
            kind = ' class="number"' if place >= first else ""
            name = "th" if place == 0 else tag
            scope = (' scope="col"' if tag == "th" else ' scope="row"') if name == "th" else ""
            done.append(f"<{name}{scope}{kind}>{cell}</{name}>")
        return "".join(done)

    body = "\n".join(f'<tr class="{style}">{cells(row, "td")}</tr>' for style, row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{cells(head, "th")}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
    )


def _scores(report: Report, lang: Language) -> str:
    names = list(report.scores.network)
    rows = []
    for place, (who, scores) in enumerate(compared(report, lang)):
        written = [score_text(name, scores.get(name, math.nan)) for name in names]
        rows.append(("us" if place == 0 else "", [escape(who), *written]))
    where = "on file" if report.data.validation else "held out"
    said = say(lang, where, rows=f"{report.data.rows.held:,}", path=report.data.validation)
    table = _table(["", *(say(lang, name) for name in names)], rows, len(names))
    notes = "".join(f'\n<p class="soft">{escape(note)}</p>' for note in score_notes(report.scores, lang))
    if report.saved is not None and report.fit.refit is not None:
        notes += f'\n<p class="soft">{escape(refit_text(report.fit.refit, lang))}</p>'
    return f'<p>{escape(said)}</p>\n<div class="scores">{table}</div>{notes}'


def _next(report: Report, lang: Language) -> str:
    items = "\n".join(f"<li>{_with_options(sentence)}</li>" for sentence in advice(report, lang))
    return f'<ul class="next">\n{items}\n</ul>' if items else ""


def _with_options(sentence: str) -> str:
    """Return the sentence with options and commands marked as code."""
    return _OPTION.sub(lambda match: f"<code>{match.group().rstrip('.')}</code>", escape(sentence, quote=False))


def _curve(fit: FitSummary, lang: Language) -> str:
    run = fit.run
    series = [(say(lang, "training loss"), run.losses)]
    if run.validation_losses:
        series.append((say(lang, "validation loss"), run.validation_losses))
    best = run.best_epoch if run.validation_losses else 0
    chart = charts.curves(series, best, say(lang, "epoch"), say(lang, "loss"))
    keys = "".join(
        f'<span class="key{style}">{escape(title)}</span>'
        for (title, _), style in zip(series, ("", " second"), strict=False)
    )
    marked = f" {say(lang, 'best', epoch=f'{best:,}')}" if best else ""
    if fit.loss_divisor is not None:
        marked += f" ({escape(say(lang, 'standardized', divisor=amount_text(fit.loss_divisor)))})"
    said = say(lang, "curve said", seconds=f"{run.seconds:.2f} s", reason=ending(run, lang))
    return f"<figure>\n{chart}\n<figcaption>{keys}{marked}<br>{escape(said)}</figcaption>\n</figure>"


def _mistakes(report: Report, lang: Language) -> str:
    if report.scores.confusion is not None:
        return _confusion(report.scores.confusion, lang)
    head, *levels = level_cells(report.scores, lang) or [()]
    table = _table(head, [("", row) for row in levels], len(head) - 1) if levels else ""
    if report.scores.residuals is not None:
        return table + _residuals(report.scores.residuals, report.data.rows.held, lang)
    return table


def _confusion(confusion: Confusion, lang: Language) -> str:
    parts = []
    if len(confusion.classes) <= _MATRIX:
        corner = f"{say(lang, 'actual')} \\ {say(lang, 'predicted')}"
        head = "".join(f'<th scope="col">{escape(name)}</th>' for name in confusion.classes)
        rows = []
        for i, (name, row) in enumerate(zip(confusion.classes, confusion.counts, strict=True)):
            total = max(1, sum(row))
            cells = "".join(
                f'<td class="{"right" if i == j else "wrong"}" style="--share: {_SHADE * count / total:.0f}%">{count:,}'
                "</td>"
                for j, count in enumerate(row)
            )
            recall = confusion.recalls[i]
            found = "" if math.isnan(recall) else f"{recall:.0%}"
            rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}<td>{found}</td></tr>')
        body = "\n".join(rows)
        parts.append(
            f'<div class="wide"><table class="matrix"><thead><tr><th>{escape(corner)}</th>{head}'
            f'<th scope="col">{say(lang, "found")}</th></tr></thead><tbody>\n{body}\n</tbody></table></div>'
        )
    worst = [
        say(lang, "worst mistake", actual=actual, taken=taken, count=f"{count:,}")
        for actual, taken, count in confusion.worst(5)
    ]
    said = "".join(f"<li>{escape(line)}</li>" for line in worst)
    parts.append(f"<ul>{said}</ul>" if worst else f"<p>{escape(say(lang, 'no mistakes'))}</p>")
    return "\n".join(parts)


def _residuals(residuals: Residuals, rows: int, lang: Language) -> str:
    at = dict(residuals.quantiles)
    lower, low, high, higher = (amount_text(at[percent]) for percent in (5, 25, 75, 95))
    points = charts.scatter(residuals.points, say(lang, "actual"), say(lang, "predicted"))
    bars = charts.histogram(residuals.counts, residuals.edges, say(lang, "residual"), say(lang, "rows"))
    shown = say(lang, "points shown", shown=f"{len(residuals.points):,}", all=f"{rows:,}")
    said = say(lang, "percentiles", low=low, high=high, lower=lower, higher=higher)
    return (
        f'<div class="charts">\n<figure>\n{points}\n<figcaption>{escape(shown)}</figcaption>\n</figure>\n'
        f"<figure>\n{bars}\n<figcaption>{escape(said)}</figcaption>\n</figure>\n</div>"
    )


def _importance(scores: ScoreSummary, lang: Language) -> str:
    most = max((each.drop for each in scores.importances), default=0.0)
    score = scores.deciding
    if not drawn(score, most):
        return ""
    highest = max(each.drop + _finite(each.margin) for each in scores.importances)
    widest = min(max(most, highest), 2 * most)
    rows = []
    for each in scores.importances:
        drop = drop_text(score, each.drop) + margin_text(score, each)
        bar = ""
        if drawn(score, each.drop):
            bar = f'<span class="bar" style="width: {100 * each.drop / widest:.1f}%"></span>'
            low, high = (min(1.0, max(0.0, each.drop + sign * _finite(each.margin)) / widest) for sign in (-1, 1))
            bar += f'<span class="range" style="left: {100 * low:.1f}%; width: {100 * (high - low):.1f}%"></span>'
        rows.append(
            f'<span>{escape(each.name)}</span><span class="value">{drop}</span><span class="drawn">{bar}</span>'
        )
    key = "importance said" if score in LARGER_IS_BETTER else "importance of loss"
    said = say(lang, key, score=say(lang, score))
    return f'<p class="soft">{escape(said)}</p>\n<div class="bars">\n' + "\n".join(rows) + "\n</div>"


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _columns(data: DataSummary, lang: Language) -> str:
    rows = []
    for column in data.columns:
        kind = say(lang, column.kind)
        if not column.inputs:
            kind += f" ({say(lang, 'left out')})"
        inputs = f"{column.inputs:,}" if column.inputs else ""
        style = "" if column.inputs else "out"
        rows.append((style, [escape(column.name), escape(kind), escape(translated(column.reason, lang)), inputs]))
    head = [say(lang, key) for key in ("column", "kind", "what", "inputs")]
    return _table(head, rows, 1)


def _search(fit: FitSummary, lang: Language) -> str:
    if not fit.trials:
        return ""
    head = [
        say(lang, key) for key in ("hidden", "learning rate", "alpha", "epochs", "validation loss", "validation score")
    ]
    rows = [
        (
            "us" if trial.kept else "",
            [
                escape(trial.hidden),
                "–" if trial.learning_rate is None else f"{trial.learning_rate:g}",
                f"{trial.alpha:g}",
                f"{trial.epochs:,}",
                number_text(trial.loss),
                score_text(trial.scored_by, trial.score),
            ],
        )
        for trial in sorted(fit.trials, key=lambda each: (not each.kept, -each.worth))
    ]
    return _table(head, rows, 5)


def _settings(report: Report, lang: Language) -> str:
    settings, rows = report.fit.settings, report.data.rows
    values = {
        "data": report.data.path,
        "rows": say(lang, "split", training=f"{rows.training:,}", choosing=f"{rows.choosing:,}", held=f"{rows.held:,}"),
        "layers": settings.sizes,
        "parameters": f"{settings.parameters:,}",
        "activation": settings.activation,
        "loss": settings.loss,
        "solver": settings.solver,
        "learning rate": "" if settings.learning_rate is None else f"{settings.learning_rate:g}",
        "batch": "" if settings.batch_size is None else f"{settings.batch_size:,}",
        "alpha": f"{settings.alpha:g}",
        "dropout": f"{settings.dropout:g}" if settings.dropout else "",
        "normalization": settings.normalization or "",
        "class weight": settings.class_weight or "",
        "seed": str(settings.seed),
        "fingerprint": report.data.fingerprint,
        "version": report.version,
    }
    kept = [("", [escape(say(lang, key)), escape(value)]) for key, value in values.items() if value]
    body = "\n".join(f'<tr><th scope="row">{name}</th><td class="hash">{value}</td></tr>' for _, (name, value) in kept)
    return f"<table><tbody>\n{body}\n</tbody></table>"


def _footer(report: Report, lang: Language) -> str:
    return f"<footer><p>{escape(report.version)}</p></footer>" if report.version else ""
