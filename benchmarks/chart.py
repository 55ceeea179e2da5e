"""Charts of the reports: times of all contenders of each job on a logarithmic axis, and lines of scaling."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

OURS, OTHERS = "#c1440e", "#8a94a6"
WIDTH, BAR, MARGIN, LINES = 9.0, 0.34, 1.0, 6.4
"""Sizes in inches: the figure, a contender, the margin of a panel, the panels of scaling."""


def available() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(reports: dict[str, dict[str, Any]], machine: dict[str, Any], path: Path) -> None:
    """Write the figure to `path`, in the format of its suffix; reports without times are left out."""
    import_module("matplotlib").use("Agg")
    pyplot = import_module("matplotlib.pyplot")
    barred = {name: report for name, report in reports.items() if "contenders" in report}
    scaling = reports.get("scaling")
    heights = [BAR * len(report["contenders"]) + MARGIN for report in barred.values()]
    shares = [height for height in (sum(heights), LINES if scaling is not None else 0) if height]
    figure = pyplot.figure(figsize=(WIDTH, sum(shares) + 0.6), layout="constrained")
    figure.suptitle(f"chainrule and its peers: {machine['processor']}, {machine['cores']} cores")
    parts = figure.subfigures(len(shares), 1, height_ratios=shares, squeeze=False)[:, 0] if shares else []
    if barred:
        panels = parts[0].subplots(len(barred), 1, height_ratios=heights, squeeze=False)[:, 0]
        for panel, (name, report) in zip(panels, barred.items(), strict=True):
            _bars(panel, name, report)
    if scaling is not None:
        _lines(parts[-1], scaling)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _bars(axes: Any, name: str, report: dict[str, Any]) -> None:
    """Draw a bar for each contender, the fastest on top, with a line from its fastest to its slowest round."""
    timings = sorted(report["contenders"], key=lambda timing: timing["median_seconds"])
    for k, timing in enumerate(timings):
        median, fastest, slowest = (1e3 * timing[f"{which}_seconds"] for which in ("median", "fastest", "slowest"))
        colour = OURS if timing["name"].startswith("chainrule") else OTHERS
        axes.barh(k, median, color=colour, height=0.7)
        axes.plot([fastest, slowest], [k, k], color="#333333", linewidth=2)
        axes.text(slowest, k, f"  {_figure(median)} ms ({_figure(timing['times_ours'])}×)", va="center", fontsize=9)
    axes.set_yticks(range(len(timings)), [timing["name"] for timing in timings])
    axes.invert_yaxis()
    axes.set_xscale("log")
    lowest, highest = 1e3 * timings[0]["median_seconds"] / 3, max(1e3 * timing["slowest_seconds"] for timing in timings)
    axes.set_xlim(lowest, highest * (highest / lowest) ** 0.4)  # room for the last label
    _plain_ticks(axes.xaxis, (1.0,) if highest / lowest > 300 else (1.0, 2.0, 5.0))
    axes.set_xlabel("milliseconds")
    axes.set_title(f"{name}: {report['title']}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


def _figure(value: float) -> str:
    """Format a value with three digits, without an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _plain_ticks(axis: Any, steps: tuple[float, ...], base: float = 10.0) -> None:
    """Label an axis with numbers such as 0.5, 1 and 2,000 instead of powers."""
    ticker = import_module("matplotlib.ticker")
    axis.set_major_locator(ticker.LogLocator(base, subs=steps))
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(ticker.NullFormatter())


def _lines(part: Any, report: dict[str, Any]) -> None:
    """Draw a panel for each axis of scaling; both directions are logarithmic, except for threads."""
    part.suptitle("scaling: microseconds a step, and for rows an epoch", fontsize=10)
    panels = part.subplots(-(-len(report["axes"]) // 3), 3, squeeze=False).ravel()
    for panel, (name, axis) in zip(panels, report["axes"].items(), strict=False):
        for who, colour in (("chainrule", OURS), ("JAX", OTHERS)):
            seconds = axis["ours_seconds" if who == "chainrule" else "jax_seconds"]
            if seconds is not None:
                times = [1e6 * each for each in seconds]
                panel.plot(axis["values"], times, marker="o", markersize=3, color=colour, label=who)
        if name.startswith("threads"):
            panel.set_xticks(axis["values"])
            panel.set_ylim(bottom=0)
        else:
            panel.set_xscale("log", base=2)
            panel.set_yscale("log")
            _plain_ticks(panel.xaxis, (1.0,), 2.0)
            _plain_ticks(panel.yaxis, (1.0, 2.0, 5.0))
            panel.tick_params(axis="x", labelsize=8)
        panel.set_xlabel(name)
        panel.set_title(axis["title"], fontsize=8)
        panel.legend(fontsize=8, frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[len(report["axes"]) :]:
        panel.set_visible(False)
