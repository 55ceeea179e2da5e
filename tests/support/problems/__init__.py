"""Published gradients: problems of matrix calculus, statistics and neural networks."""

from __future__ import annotations

from support.problems import (
    cookbook,
    courses,
    gallery,
    losses,
    networks,
    papers,
    potentials,
    questions,
    regression,
    statistics,
    vectors,
)
from support.problems.problem import Problem

CHAPTERS = {
    module.__name__.rpartition(".")[2]: module.CHAPTER
    for module in (
        cookbook,
        vectors,
        regression,
        statistics,
        networks,
        courses,
        losses,
        gallery,
        questions,
        papers,
        potentials,
    )
}
PROBLEMS: dict[str, Problem] = {}
for chapter in CHAPTERS.values():
    for name, problem in chapter.problems.items():
        if name in PROBLEMS:
            raise ValueError(f"there are two problems {name}")
        PROBLEMS[name] = problem

__all__ = ["CHAPTERS", "PROBLEMS", "Problem"]
