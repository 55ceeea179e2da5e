"""What is known of the symbols of a forward pass, and the rules that follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.calculus.declared import declared_rules, declared_symmetric
from chainrule.calculus.gathering import like_terms_of_symmetric
from chainrule.calculus.labels import picking_rules
from chainrule.calculus.matrices import sums_with_identity
from chainrule.calculus.named import named_products, named_values
from chainrule.calculus.orientation import oriented
from chainrule.calculus.pairs import positive_parts
from chainrule.calculus.products import orders_of_products
from chainrule.calculus.rules import RULES, Rule
from chainrule.calculus.simplify import RuleTable, Simplifier, by_primitive
from chainrule.calculus.stages import COTANGENT, Stage
from chainrule.calculus.sums import centred_factors, known_sums, shifted_products
from chainrule.calculus.symmetry import known_symmetric, symmetric_rules
from chainrule.ir import (
    Const,
    Input,
    Node,
    Program,
    cached_property,
)


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of the symbols of a forward pass: their definitions, which are symmetric, and rules that follow."""

    definitions: Mapping[Node, Node]
    symmetric: frozenset[Node]
    rules: tuple[Rule, ...]
    constants: Mapping[Node, Node]
    """The symbols that are a number where the declarations hold, as the sum of probabilities."""
    late: tuple[Rule, ...]
    """The rules that are tried after those of the table."""

    def simplifier(self) -> Simplifier:
        """Return a simplifier with the table of rules and those that hold for these symbols."""
        return Simplifier(self._table)

    @cached_property
    def _table(self) -> RuleTable:
        """The rules; those of the same name in the table know less of the symbols."""
        names = {rule.name for rule in self.rules}
        return by_primitive([*self.rules, *(rule for rule in RULES if rule.name not in names), *self.late])


def facts_of(stages: Sequence[Stage], program: Program) -> Facts:
    """Return the facts that follow from the definitions of names, and from declared properties of inputs.

    The name of a result, such as the loss, stands for it only in its own gradients.
    """
    definitions: dict[Node, Node] = {stage.symbol: stage.expression for stage in stages}
    inner: dict[Node, Node] = {stage.symbol: stage.expression for stage in stages if stage.node not in program.outputs}
    properties = {node: found for node in program.inputs if (found := program.properties(node))}
    symmetric = known_symmetric(definitions, declared_symmetric(properties))
    declared = declared_rules(properties)
    sums = known_sums(definitions)
    rules = (
        *declared,
        sums,
        shifted_products(sums),
        centred_factors(definitions),
        positive_parts(definitions),
        oriented(definitions),
        *orders_of_products(definitions),
        sums_with_identity(definitions),
        *symmetric_rules(symmetric),
        like_terms_of_symmetric(symmetric),
        *picking_rules(inner),
    )
    constants: dict[Node, Node] = {}
    if properties:
        simplifier = Simplifier([*declared, *RULES])
        values = {symbol: simplifier(definition) for symbol, definition in definitions.items()}
        constants = {symbol: value for symbol, value in values.items() if isinstance(value, Const)}
    late = (named_products(inner, Simplifier([*RULES, *rules]), _is_cotangent),)
    return Facts(definitions, symmetric, (named_values(inner, symmetric, rules), *rules), constants, late)


def _is_cotangent(node: Node) -> bool:
    return isinstance(node, Input) and node.name.startswith(COTANGENT)
