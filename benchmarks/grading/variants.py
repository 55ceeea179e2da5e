"""Whether right answers are right in any style: each answer, rewritten by transformations of programs, is graded."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.grading.corpus import NAMES, graded
from benchmarks.grading.styles import STYLES, Variant, variants
from benchmarks.settings import Settings, say
from chainrule.grading import GradeError


@dataclass
class Verdicts:
    """How variants fared: how many of each style there were, and those that were not right, with the reason."""

    variants: int = 0
    by_style: dict[str, int] = field(default_factory=dict)
    not_right: list[str] = field(default_factory=list)

    def judge(self, variant: Variant) -> None:
        """Grade one variant."""
        self.variants += 1
        self.by_style[variant.style] = self.by_style.get(variant.style, 0) + 1
        shown = f"{variant.name} [{variant.style}]"
        try:
            grade = graded(variant.name, variant.source, variant.called)
        except GradeError as error:
            self.not_right.append(f"{shown}: {error}")
            return
        marked = [line.number for line in grade.lines if line.status in ("wrong", "also wrong", "consequence")]
        if not grade.right or marked:
            self.not_right.append(f"{shown}: {grade.gradients}, lines {marked}")


def run(settings: Settings) -> dict[str, Any]:
    """Grade every answer in every style."""
    total = Verdicts()
    for number, name in enumerate(NAMES):
        styles = list(STYLES)[number % len(STYLES) :][:1] if settings.quick else None
        for variant in variants(name, styles):
            total.judge(variant)
        say(f"variants: {name}: {total.variants} so far, {len(total.not_right)} not right")
    return {"title": "right answers in other styles, as the grader judges them", **asdict(total)}


def text(report: dict[str, Any]) -> str:
    """Return the figures, and the answers that were not found right."""
    lines = [
        f"{report['variants']} right answers in other styles, of which {len(report['not_right'])} were not found right",
        "",
        *(f"{number:4}  {style}" for style, number in sorted(Counter(report["by_style"]).items())),
        *(["", *report["not_right"]] if report["not_right"] else []),
    ]
    return "\n".join(lines)
