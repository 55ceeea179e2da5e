"""Simplification: rules are applied from the operands up until none matches, and every rewrite is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from weakref import WeakKeyDictionary

from chainrule.calculus.rules import RULES, Rule
from chainrule.calculus.terms import operation_count
from chainrule.ir import Apply, Node, ProgramError, topological_order
from chainrule.primitives import Compare

DEPTH_LIMIT = 100
"""The maximum number of rewrites at one place. Every intermediate result is equal, so stopping early is correct."""


@dataclass(frozen=True)
class Rewrite:
    """One application of a rule."""

    rule: str
    before: Node
    after: Node


RuleTable: TypeAlias = dict[type, list[Rule]]

_unmatched: WeakKeyDictionary[Node, int] = WeakKeyDictionary()
"""The bits of the rules that leave a node as it is; most nodes are simplified several times."""


def by_primitive(rules: Sequence[Rule]) -> RuleTable:
    """Return the rules for each primitive, in order."""
    table: RuleTable = {}
    for rule in rules:
        for primitive in rule.primitives:
            table.setdefault(primitive, []).append(rule)
    return table


class Simplifier:
    """Simplifies expressions and caches the results; `rewrites` lists the applications in order.

    Operands of comparisons are simplified only if `comparisons` is set: x/3 may equal its maximum when (1/3)·x, rounded
    differently, does not, and a derivative that depends on the tie would be lost.
    """

    def __init__(self, rules: Sequence[Rule] | RuleTable = RULES, comparisons: bool = False) -> None:
        self.rewrites: list[Rewrite] = []
        self._comparisons = comparisons
        self._depth = 0
        self._done: dict[Node, Node] = {}
        self._rules = rules if isinstance(rules, dict) else by_primitive(rules)

    def __call__(self, node: Node) -> Node:
        if node in self._done:
            return self._done[node]
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
        """Rewrite `node`, whose operands are simplified, until no rule matches its root."""
        if self._depth >= DEPTH_LIMIT:
            return node
        unmatched = _unmatched.get(node, 0)
        for rule in self._rules.get(type(node.primitive), []):
            if rule.bit & unmatched:
                continue
            after = rule.rewrite(node)
            if after is None or after is node:
                unmatched |= rule.bit
                continue
            if after.type != node.type:
                raise ProgramError(f"the rule {rule.name!r} turns {node.type} into {after.type}")
            self.rewrites.append(Rewrite(rule.name, node, after))
            self._depth += 1
            try:
                return self(after)
            finally:
                self._depth -= 1
        _unmatched[node] = unmatched
        return node


def simplify(node: Node) -> Node:
    """Simplify `node` by the table of rules."""
    return Simplifier()(node)


__all__ = ["Rewrite", "Simplifier", "operation_count", "simplify"]
