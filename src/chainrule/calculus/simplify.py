"""Simplification: the table of rules applied from the operands up until none fires, every application recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.calculus.collect import operation_count
from chainrule.calculus.rules import RULES, Rule
from chainrule.ir import Apply, Node, ProgramError, topological_order
from chainrule.primitives import Compare

DEPTH_LIMIT = 100
"""How often one place is rewritten at most; every intermediate result is true, so stopping early loses only brevity."""


@dataclass(frozen=True)
class Rewrite:
    """One application of a rule."""

    rule: str
    before: Node
    after: Node


class Simplifier:
    """Simplifies expressions, sharing what it has done; `rewrites` lists the applications in order.

    What is compared stays as it is unless `comparisons` is set: that x/3 equals its maximum is no longer so of
    (1/3)·x in floating point, and a derivative that asks for it would be lost.
    """

    def __init__(self, rules: Sequence[Rule] = RULES, comparisons: bool = False) -> None:
        self.rewrites: list[Rewrite] = []
        self._comparisons = comparisons
        self._depth = 0
        self._done: dict[Node, Node] = {}
        self._rules: dict[type, list[Rule]] = {}
        for rule in rules:
            for primitive in rule.primitives:
                self._rules.setdefault(primitive, []).append(rule)

    def __call__(self, node: Node) -> Node:
        for part in topological_order([node], stop=self._done):
            if part in self._done:
                continue
            if isinstance(part, Apply) and (self._comparisons or not isinstance(part.primitive, Compare)):
                operands = tuple(self._done[operand] for operand in part.operands)
                self._done[part] = self._rewrite(Apply(part.primitive, operands))
            else:
                self._done[part] = part
        return self._done[node]

    def _rewrite(self, node: Apply) -> Node:
        """`node`, whose operands are simplified, rewritten until no rule fires at its root."""
        if self._depth >= DEPTH_LIMIT:
            return node
        for rule in self._rules.get(type(node.primitive), []):
            after = rule.rewrite(node)
            if after is None or after is node:
                continue
            if after.type != node.type:
                raise ProgramError(f"the rule {rule.name!r} turns {node.type} into {after.type}")
            self.rewrites.append(Rewrite(rule.name, node, after))
            self._depth += 1
            try:
                return self(after)
            finally:
                self._depth -= 1
        return node


def simplify(node: Node) -> Node:
    """`node` simplified by the table of rules."""
    return Simplifier()(node)


__all__ = ["Rewrite", "Simplifier", "operation_count", "simplify"]
