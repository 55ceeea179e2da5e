"""Charts as inline SVG, and tables, without scripts, fonts or network access, in the page's colours, light or dark.

A chart has a fixed coordinate system and scales to the available width. Text is in the font of the page; `CHART_STYLE`
is the style sheet, whose colours a page can set by the variables `--blue`, `--red`, `--green`, `--violet`, `--soft` and
`--line`.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from chainrule.words import cut, printable, width_of

CHART_STYLE: Final = """
.cr-chart { width: 100%; max-width: 40rem; height: auto; display: block }
.cr-chart text { fill: var(--soft, currentColor); font-size: 13px }
.cr-chart .grid { stroke: var(--line, color-mix(in srgb, currentColor 16%, transparent)); stroke-width: 1 }
.cr-chart .axis, .cr-chart .mark { stroke: var(--soft, currentColor); stroke-width: 1 }
.cr-chart .mark { stroke-dasharray: 4 4 }
.cr-chart polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
.cr-chart polyline.first { stroke: var(--blue, #2f7bd0) }
.cr-chart polyline.second { stroke: var(--red, #d2571b) }
.cr-chart polyline.third { stroke: var(--green, #1d8a4e) }
.cr-chart polyline.fourth { stroke: var(--violet, #8250df) }
.cr-chart circle.first { fill: var(--blue, #2f7bd0); fill-opacity: .45 }
.cr-chart circle.whole { fill-opacity: 1 }
.cr-chart circle.second { fill: var(--red, #d2571b) }
.cr-chart circle.third { fill: var(--green, #1d8a4e) }
.cr-chart circle.fourth { fill: var(--violet, #8250df) }
.cr-chart rect.first { fill: var(--blue, #2f7bd0); fill-opacity: .75 }
.cr-table { border-collapse: collapse; margin: .4em 0 }
.cr-table caption { text-align: left; padding-bottom: .4em }
.cr-table th, .cr-table td { text-align: left; padding: .15em .8em .15em 0; vertical-align: top }
.cr-table th { border-bottom: 1px solid var(--soft, currentColor); font-weight: 600 }
.cr-table code { white-space: pre-wrap }
"""

Point: TypeAlias = tuple[float, float]
Scale: TypeAlias = Callable[[float], float]

WIDTH: Final = 560
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 44
_BAR = 20
"""The height of a bar with its gap."""
_LETTER = 11
"""The width of a letter on a phone, where letters are largest."""
_MOST_POINTS = 300
_LOGARITHMIC = 20
"""The ratio of losses above which their scale is logarithmic."""


def curves(series: Sequence[tuple[str, Sequence[float]]], mark: int, x_label: str, y_label: str) -> str:
    """Plot lines over epochs, counted from 1, with a vertical line at epoch `mark` (0 for none)."""
    values = [value for _, losses in series for value in losses if math.isfinite(value)]
    if not values:
        return ""
    low, high = min(values), max(values)
    logarithmic = low > 0 and high / low > _LOGARITHMIC
    if low == high:
        low, high = low - 0.5, high + 0.5
    epochs = max(len(losses) for _, losses in series)
    x = _linear(1, max(2, epochs), _LEFT, WIDTH - _RIGHT)
    y = (_logarithmic if logarithmic else _linear)(low, high, HEIGHT - _BOTTOM, _TOP)
    parts = [*_y_axis(y, _log_ticks(low, high) if logarithmic else ticks(low, high), y_label)]
    parts += _x_axis(x, [tick for tick in ticks(1, max(2, epochs)) if tick >= 1 and tick == int(tick)], x_label)
    if mark:
        parts.append(f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
    for (_, losses), style in zip(series, ("first", "second"), strict=False):
        parts.append(f'<polyline class="{style}" points="{_line(losses, x, y)}"/>')
    return _svg(parts, y_label)


def _line(losses: Sequence[float], x: Scale, y: Scale) -> str:
    count = min(len(losses), _MOST_POINTS)
    places = {round(k * (len(losses) - 1) / max(1, count - 1)) for k in range(count)}
    found = [(place + 1, losses[place]) for place in sorted(places) if math.isfinite(losses[place])]
    return " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in found)


def scatter(points: Sequence[Point], x_label: str, y_label: str) -> str:
    """Plot points on equal axes, with the diagonal where both coordinates are equal."""
    values = [value for point in points for value in point if math.isfinite(value)]
    if not values:
        return ""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    x, y = _linear(low, high, _LEFT, WIDTH - _RIGHT), _linear(low, high, HEIGHT - _BOTTOM, _TOP)
    marks = ticks(low, high)
    parts = [*_y_axis(y, marks, y_label), *_x_axis(x, marks, x_label)]
    parts.append(f'<line class="mark" x1="{x(low)}" y1="{y(low)}" x2="{x(high)}" y2="{y(high)}"/>')
    parts += [
        f'<circle class="first" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3"/>'
        for a, b in points
        if math.isfinite(a) and math.isfinite(b)
    ]
    return _svg(parts, y_label)


STYLES: Final = ("first", "second", "third", "fourth")
"""The style of each line of a chart, in their order."""


def lines(
    series: Sequence[Sequence[Point]],
    x_label: str,
    y_label: str,
    *,
    unit: bool = False,
    y_range: Point | None = None,
    mark: Sequence[Point] = (),
    dots: bool = False,
    x_text: Callable[[float], str] | None = None,
) -> str:
    """Plot up to four lines through points.

    With `unit` both axes are from 0 to 1; `y_range` is that of the y axis. `mark` are the ends of a dashed line for
    comparison; with `dots` the points are marked; `x_text` formats the ticks of the x axis.
    """
    points = [point for line in series for point in line if math.isfinite(point[0]) and math.isfinite(point[1])]
    if not points:
        return ""
    left, right = (0.0, 1.0) if unit else wide([point[0] for point in points])
    low, high = (0.0, 1.0) if unit else y_range or wide([point[1] for point in points])
    x, y = _linear(left, right, _LEFT, WIDTH - _RIGHT), _linear(low, high, HEIGHT - _BOTTOM, _TOP)
    parts = [*_y_axis(y, ticks(low, high), y_label), *_x_axis(x, ticks(left, right), x_label, x_text)]
    if mark:
        (a, b), (c, d) = mark
        parts.append(f'<line class="mark" x1="{x(a):.1f}" y1="{y(b):.1f}" x2="{x(c):.1f}" y2="{y(d):.1f}"/>')
    for line, style in zip(series, STYLES, strict=False):
        placed = [(x(a), y(b)) for a, b in line if math.isfinite(a) and math.isfinite(b)]
        parts.append(f'<polyline class="{style}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in placed)}"/>')
        if dots:
            parts += [f'<circle class="{style} whole" cx="{a:.1f}" cy="{b:.1f}" r="4"/>' for a, b in placed]
    return _svg(parts, y_label)


def dots(names: Sequence[str], series: Sequence[Sequence[float]], x_label: str, x_range: Point | None = None) -> str:
    """Plot up to four values for each name, one name a line; `x_range` is that of the x axis."""
    values = [value for line in series for value in line if math.isfinite(value)]
    if not values:
        return ""
    low, high = x_range or wide(values)
    size = min(4 * _LEFT, _LETTER * max(width_of(name) for name in names) + 12)
    height, left, right = _TOP + _BAR * len(names) + _BOTTOM, max(_LEFT, size), WIDTH - _RIGHT
    x = _linear(low, high, left, right)
    parts = []
    for mark in ticks(low, high):
        parts.append(f'<line class="grid" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>')
        parts.append(f'<text x="{x(mark):.1f}" y="{height - _BOTTOM + 16}" text-anchor="middle">{short(mark)}</text>')
    for place, name in enumerate(names):
        middle = _TOP + _BAR * (place + 0.5)
        shown = escape(cut(name, max(4, (left - 12) // _LETTER)))
        parts.append(f'<text x="{left - 8}" y="{middle + 4}" text-anchor="end">{shown}</text>')
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{middle}" y2="{middle}"/>')
        for line, style in zip(series, STYLES, strict=False):
            if math.isfinite(line[place]):
                parts.append(f'<circle class="{style} whole" cx="{x(line[place]):.1f}" cy="{middle}" r="5"/>')
    parts.append(f'<text x="{(right + left) / 2}" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>')
    return _svg(parts, x_label, height)


def wide(values: Sequence[float]) -> Point:
    """Return the smallest and the largest value, or an interval around them if they are equal."""
    low, high = min(values), max(values)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def histogram(counts: Sequence[int], edges: Sequence[float], x_label: str, y_label: str) -> str:
    """Plot bars between adjacent edges, with a line at 0."""
    x = _linear(edges[0], edges[-1], _LEFT, WIDTH - _RIGHT)
    y = _linear(0, max(1, *counts), HEIGHT - _BOTTOM, _TOP)
    parts = [*_y_axis(y, ticks(0, max(1, *counts)), y_label), *_x_axis(x, ticks(edges[0], edges[-1]), x_label)]
    for count, start, end in zip(counts, edges, edges[1:], strict=False):
        parts.append(
            f'<rect class="first" x="{x(start) + 0.5:.1f}" width="{max(0.5, x(end) - x(start) - 1):.1f}" '
            f'y="{y(count):.1f}" height="{HEIGHT - _BOTTOM - y(count):.1f}"/>'
        )
    if edges[0] < 0 < edges[-1]:
        parts.append(f'<line class="mark" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>')
    return _svg(parts, x_label)


def bars(values: Sequence[tuple[str, float]], x_label: str) -> str:
    """Plot a horizontal bar for each named positive value, on a logarithmic scale; others have no bar."""
    shown = [value for _, value in values if math.isfinite(value) and value > 0]
    if not shown:
        return ""
    low, high = 10.0 ** math.floor(math.log10(min(shown))), 10.0 ** math.ceil(math.log10(max(shown)))
    low, high = (low / 10, high) if low == high else (low, high)
    height, left = _TOP + _BAR * len(values) + _BOTTOM, 2 * _LEFT
    x = _logarithmic(low, high, left, WIDTH - _RIGHT)
    parts = []
    for mark in _log_ticks(low, high):
        parts.append(f'<line class="grid" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>')
        parts.append(f'<text x="{x(mark):.1f}" y="{height - _BOTTOM + 16}" text-anchor="middle">{short(mark)}</text>')
    for place, (name, value) in enumerate(values):
        top = _TOP + _BAR * place
        parts.append(f'<text x="{left - 6}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
        if math.isfinite(value) and value > 0:
            width = max(1.0, x(value) - left)
            parts.append(f'<rect class="first" x="{left}" width="{width:.1f}" y="{top + 3}" height="{_BAR - 6}"/>')
    parts.append(f'<text x="{(WIDTH + left) / 2}" y="{height - 8}" text-anchor="middle">{escape(x_label)}</text>')
    return _svg(parts, x_label, height)


def table_html(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table with its style; texts are escaped, and those between backticks are code.

    >>> "<td><code>W1</code></td>" in table_html("", ["name"], [["`W1`"]])
    True
    """

    def cell(tag: str, text: str) -> str:
        is_code = len(text) > 2 and text[0] == text[-1] == "`"
        inner = f"<code>{escape(text[1:-1])}</code>" if is_code else escape(text)
        return f"<{tag}>{inner}</{tag}>"

    parts = [f"<style>{CHART_STYLE}</style>", '<table class="cr-table">']
    parts += [f"<caption>{escape(caption)}</caption>"] if caption else []
    parts.append(f"<tr>{''.join(cell('th', text) for text in head)}</tr>")
    parts += [f"<tr>{''.join(cell('td', text) for text in row)}</tr>" for row in rows]
    return "\n".join([*parts, "</table>"])


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers between `low` and `high`.

    >>> ticks(0, 10), ticks(0.1, 0.42)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [0.1, 0.2, 0.3, 0.4])
    """
    if not (math.isfinite(high - low) and high > low):
        return [low]
    step = 10 ** math.floor(math.log10((high - low) / wanted))
    step *= next((factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= wanted), 10)
    if not step or low + step == low:
        return [low, high]
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 3) if len(powers) <= 4 else (1,)
    every = max(1, len(powers) // 6)
    return [f * 10.0**p for p in powers[::every] for f in factors if low <= f * 10.0**p <= high] or [low, high]


def _linear(low: float, high: float, start: float, end: float) -> Scale:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    scale = _linear(math.log(low), math.log(high), start, end)
    return lambda value: scale(math.log(max(value, low)))


def _y_axis(y: Scale, marks: Sequence[float], label: str) -> Iterator[str]:
    for mark in marks:
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(mark):.1f}" y2="{y(mark):.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{short(mark)}</text>'
    middle = (HEIGHT - _BOTTOM + _TOP) / 2
    yield f'<text x="15" y="{middle}" transform="rotate(-90 15 {middle})" text-anchor="middle">{escape(label)}</text>'


def _x_axis(x: Scale, marks: Sequence[float], label: str, text: Callable[[float], str] | None = None) -> Iterator[str]:
    base = HEIGHT - _BOTTOM
    yield f'<line class="axis" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{base}" y2="{base}"/>'
    for mark in marks:
        yield f'<text x="{x(mark):.1f}" y="{base + 16}" text-anchor="middle">{(text or short)(mark)}</text>'
    yield f'<text x="{(WIDTH + _LEFT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(label)}</text>'


def short(value: float) -> str:
    """Format the number of a tick.

    >>> short(1500.0), short(2_000_000.0), short(0.0001)
    ('1,500', '2e6', '1e-4')
    """
    if value and not 1e-3 <= abs(value) < 1e5:
        mantissa, _, power = f"{value:.3e}".partition("e")
        return f"{float(mantissa):g}e{int(power)}"
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _svg(parts: Sequence[str], label: str, height: int = HEIGHT) -> str:
    frame = f'class="cr-chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}"'
    return "\n".join([f"<svg {frame}>", *parts, "</svg>"])


def escape(text: str, quote: bool = True) -> str:
    """Escape `text` for a page and remove unprintable characters."""
    return html.escape(printable(text), quote)
