"""The record of a backward pass: a list of claims, each an equation whose two sides can be evaluated.

Every printed equation comes from these objects. The left side of a claim is a quantity that `verify` can compute
without the calculus: a value of the forward pass, or a finite difference of it. The right side is an expression.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from chainrule.calculus import (
    SIDED,
    Accumulation,
    Backward,
    Contribution,
    Rewrite,
    Simplifier,
    Stage,
    backward,
    known_symmetric,
    recognize,
    with_powers,
    without_factor,
)
from chainrule.derivation.abbreviations import (
    Abbreviation,
    abbreviations,
    aligned,
    functions_as_written,
    probabilities,
)
from chainrule.derivation.claims import (
    Claim,
    Expression,
    GradientRecord,
    LossDerivative,
    PathDerivative,
    PathRecord,
    StageDerivative,
    StageDifferential,
    StageRecord,
    StageValue,
    StepRecord,
)
from chainrule.derivation.constants import Constants, name_constants
from chainrule.derivation.contributions import activation_factor, linear_map_of
from chainrule.derivation.draws import name_draws
from chainrule.derivation.naming import name_activations, name_arguments
from chainrule.derivation.remarks import Observation, observations
from chainrule.derivation.shared import LONGEST_GRADIENT, longest, name_nonlinear, name_shared
from chainrule.derivation.upstream import is_upstream
from chainrule.ir import Const, Input, Node, Program, applies, cached_property, substitute, topological_order
from chainrule.primitives import Abstract, AbstractMap, Multiply, Sum, zeros

PATH_LIMIT = 32
"""The number of chains from the loss to one parameter above which they are counted, not listed."""


class Record:
    """The claims of one backward pass, in reading order.

    Given the record as a `whole`, compositions are split: arguments of functions are named.
    """

    def __init__(self, program: Program, wrt: Sequence[Input], whole: Record | None = None) -> None:
        self.traced = program
        self.in_steps = whole is not None
        self._whole = whole
        if whole is None:
            recognized, self.recognitions = recognize(program)
            self._recognized = self.named_apart(name_draws(name_activations(recognized)))
        else:
            self._recognized, self.recognitions = whole._recognized, whole.recognitions
        self.named = self.named_apart(self._split(wrt) if self.in_steps else name_shared(self._recognized))
        self.program: Program
        self.backward: Backward
        if whole is not None and self.named.names == whole.named.names:
            self.program, self.backward = whole.program, whole.backward
        else:
            self.program = replace(self.named, declared=program.declared)
            self.backward = backward(self.program, wrt)
            if longest([entry.result for entry in self.backward.accumulations], set()) > LONGEST_GRADIENT:
                self.program = replace(self.named_apart(name_nonlinear(self.program)), declared=program.declared)
                self.backward = backward(self.program, wrt)
        self.loss: Input = next(s.symbol for s in self.backward.stages if s.node is self.program.outputs[0])
        self._by_symbol = {entry.symbol: entry for entry in self.backward.accumulations}

    beside: tuple[Node, ...] = ()
    """What is written beside the backward pass, as the differential of the gradient; its probabilities have a name."""

    elsewhere: frozenset[str] = frozenset()
    """Names of the user that are not in this program."""

    def named_apart(self, program: Program) -> Program:
        """Return the program with the names that the values have in this record."""
        return program

    @property
    def loss_name(self) -> str:
        """The name of what is differentiated."""
        return self.loss.name

    @property
    def numbers_deltas(self) -> bool:
        """Whether the gradient by z2 is δ2, and not δ with the whole name."""
        return True

    def _split(self, wrt: Sequence[Input]) -> Program:
        """Name the arguments of functions."""
        # A function with coinciding kinks may have no derivative by a part of it, as min(u, x) at u = x for u = |x|.
        tied = [each.after for each in self.recognitions if each.rule == SIDED]
        undivided = {part for node in tied for part in topological_order([node]) if part is not node}
        return name_shared(name_arguments(self._recognized, wrt, undivided, self.elsewhere))

    @cached_property
    def abbreviations(self) -> tuple[Abbreviation, ...]:
        """Names for repeated parts of the forward pass and the gradients."""
        lines = list(substitute([stage.expression for stage in self.backward.stages], self._aligned))
        lines += substitute([*self.activation_factors.values(), *self._gradient_lines()], self._functions)
        taken = {node.name for node in self.program.inputs} | {stage.name for stage in self.backward.stages}
        taken |= self.reserved | set(self.program.dim_names)
        found = abbreviations(lines, taken)
        values: dict[Node, Node] = {each.value: each.symbol for each in found}
        beside = substitute(self.beside, values)
        return self.named_symbols((*found, *probabilities(beside, taken | {each.symbol.name for each in found})))

    @cached_property
    def symmetric_names(self) -> frozenset[str]:
        """The names of symmetric matrices: inputs, values and abbreviations."""
        values: dict[Node, Node] = {entry.symbol: entry.value for entry in self.abbreviations}
        symmetric = known_symmetric(values, self.backward.facts.symmetric)
        return frozenset(node.name for node in symmetric if isinstance(node, Input))

    def named_symbols(self, found: tuple[Abbreviation, ...]) -> tuple[Abbreviation, ...]:
        """Return abbreviations with the names that they have in this record."""
        return found

    @property
    def reserved(self) -> set[str]:
        """Names that no abbreviation may have."""
        return set(self.elsewhere)

    def _gradient_lines(self) -> Iterator[Node]:
        for entry in self.backward.accumulations:
            yield self._chain(entry)
            if entry.merged is not None:
                yield entry.merged

    @cached_property
    def _aligned(self) -> dict[Node, Node]:
        """Parts of the forward pass as they are written in the gradients, and functions as it has them."""
        expressions = [stage.expression for stage in self.backward.stages]
        return self._functions | aligned(expressions, self._gradient_lines())

    @cached_property
    def _functions(self) -> dict[Node, Node]:
        """The functions of the forward pass by their simplified forms."""
        return functions_as_written([stage.expression for stage in self.backward.stages], self._simplifier)

    def short(self, node: Node) -> Node:
        """Return `node` with abbreviations substituted."""
        if not self.abbreviations:
            return substitute([node], self._functions)[0] if self._functions else node
        (node,) = substitute([node], self._aligned)
        for entry in self.abbreviations:
            (node,) = substitute([node], {entry.value: entry.symbol})
        return node

    @cached_property
    def abbreviation_claims(self) -> dict[Input, Claim]:
        """The claims `u = …` of all abbreviations."""
        return {
            entry.symbol: Claim("abbreviation", Expression(entry.symbol), entry.value) for entry in self.abbreviations
        }

    @cached_property
    def stages(self) -> tuple[StageRecord, ...]:
        """One record for each equation of the forward pass, in forward order."""
        return tuple(self._stage(stage) for stage in self.backward.stages)

    def _stage(self, stage: Stage) -> StageRecord:
        forward = Claim("forward", StageValue(stage), self.short(stage.expression))
        contributions = [c for entry in self.backward.accumulations for c in entry.contributions if c.stage is stage]
        contributions.sort(key=lambda c: stage.operands.index(c.operand))
        if not contributions:
            return StageRecord(stage, forward, None, None, None)
        operands = tuple(c.operand for c in contributions)
        factor = self.activation_factors.get(stage)
        derivative = symbol = None
        if factor is not None:
            symbol = self.derivative_symbols[stage]
            derivative = Claim("derivative", StageDerivative(stage, operands[0], symbol), self.short(factor))
        total = linear_map_of(contributions[0], symbol)
        for contribution in contributions[1:]:
            total = self._simplifier(total + contribution.linear_map)
        differential = Claim("differential", StageDifferential(stage, operands), self.short(total))
        return StageRecord(stage, forward, differential, derivative, symbol)

    @cached_property
    def activation_factors(self) -> dict[Stage, Node]:
        """σ′(z) as an expression, for each equation a = σ(z)."""
        contributions: dict[Stage, list[Contribution]] = {}
        for entry in self.backward.accumulations:
            for contribution in entry.contributions:
                contributions.setdefault(contribution.stage, []).append(contribution)
        factors = {
            stage: activation_factor(contributions[stage][0])
            for stage in self.backward.stages
            if len(contributions.get(stage, ())) == 1
        }
        return {stage: factor for stage, factor in factors.items() if factor is not None}

    @cached_property
    def derivative_symbols(self) -> dict[Stage, Input]:
        """The symbol σ′(z) of each equation a = σ(z)."""
        return {stage: Input(f"′ {stage.name}", stage.symbol.type) for stage in self.activation_factors}

    @cached_property
    def links(self) -> dict[Contribution, Claim]:
        """∂u/∂v of each link of a chain, if it is a number or elementwise; empty unless `in_steps`."""
        found: dict[Contribution, Claim] = {}
        for entry in self.backward.accumulations if self.in_steps else ():
            for c in entry.contributions:
                link = None if isinstance(c.cotangent, Const) else self._link(c)
                if link is not None:
                    value = self.short(with_powers(link))
                    found[c] = Claim("derivative", StageDerivative(c.stage, c.operand), value)
        return found

    def _link(self, contribution: Contribution) -> Node | None:
        if contribution.stage in self.activation_factors:
            return None
        if contribution.stage.symbol.type.shape == contribution.operand.type.shape == ():
            unit = Const(1, contribution.operand.type)
            (derivative,) = substitute([contribution.linear_map], {contribution.tangent: unit})
            return with_powers(self._simplifier(derivative))
        factor = without_factor(contribution.adjoint, contribution.cotangent)
        return None if isinstance(factor, Const) else factor

    @cached_property
    def steps(self) -> tuple[StepRecord, ...]:
        """One record for each cotangent; that of a parameter as soon as all its contributions are known."""
        return tuple(self._step(entry) for entry in self._reading_order())

    def _reading_order(self) -> list[Accumulation]:
        entries = self.backward.accumulations
        place = {entry.symbol: k for k, entry in enumerate(entries)}

        def key(entry: Accumulation) -> tuple[int, int]:
            if entry.symbol in self.backward.wrt and entry.contributions:
                return max(place[c.stage.symbol] for c in entry.contributions), 1 + place[entry.symbol]
            return place[entry.symbol], 0

        return sorted(entries, key=key)

    def _step(self, entry: Accumulation) -> StepRecord:
        pairings, rewrites = [], []
        for c in entry.contributions:
            linear_map = self.linear_map(c)
            left = linear_map if isinstance(c.cotangent, Const) else inner(c.cotangent, linear_map)
            right = inner(self.adjoint(c), c.tangent)
            pairings.append(Claim("pairing", Expression(self.short(left)), self.short(right)))
            rewrites += [_rewrite_claim(rewrite) for rewrite in c.rewrites]
        rewrites += [_rewrite_claim(rewrite) for rewrite in entry.rewrites]
        chain = Claim("chain", LossDerivative(entry.symbol, entry.cotangent), self.short(self._chain(entry)))
        merge = None if entry.merged is None else Claim("merge", Expression(chain.right), self.short(entry.merged))
        return StepRecord(entry, tuple(pairings), chain, merge, tuple(rewrites))

    @cached_property
    def gradients(self) -> tuple[GradientRecord, ...]:
        """One record for each parameter."""
        return tuple(self._gradient(symbol) for symbol in self.backward.wrt)

    def _gradient(self, symbol: Input) -> GradientRecord:
        entry = self._by_symbol[symbol]
        quantity = LossDerivative(symbol, entry.cotangent)
        values = [self.write_out(entry.result)]
        whole = self._value_of_whole(symbol)
        if whole is not None:
            values += [value for value in [self._collected(whole)] if self._has_names_of_values(value)]
        shortest = min(values, key=lambda value: longest([value], set()))
        written_out = Claim("gradient", quantity, self.short(shortest))
        unfolded = None
        if whole is not None and not self._arguments.isdisjoint(topological_order([shortest])):
            unfolded = Claim("gradient", quantity, whole if whole.type.shape else with_powers(whole))
        return GradientRecord(symbol, written_out, unfolded, self._path_counts[symbol], self._path_records)

    @cached_property
    def cotangents(self) -> frozenset[Node]:
        """The gradients by named values, which other gradients are written with."""
        return frozenset(entry.cotangent for entry in self.backward.accumulations)

    def _value_of_whole(self, symbol: Input) -> Node | None:
        """Return the gradient without names of arguments, as the whole record writes it out.

        None if this is whole, or if a name does not have the same value here, as `t1` in a long program.
        """
        if self._whole is None:
            return None
        (entry,) = (each for each in self._whole.backward.accumulations if each.symbol is symbol)
        value = self._whole.write_out(entry.result)
        own, of_whole = ({s.symbol: s.node for s in each.backward.stages} for each in (self, self._whole))
        same = all(own.get(part) is of_whole[part] for part in topological_order([value]) if part in of_whole)
        return value if same else None

    def _has_names_of_values(self, node: Node) -> bool:
        """Whether every name in `node` is that of a value of this record or of σ′(z)."""
        known = {*self.program.inputs, *self.derivative_symbols.values()}
        known |= {stage.symbol for stage in self.backward.stages}
        return known.issuperset(part for part in topological_order([node]) if isinstance(part, Input))

    @cached_property
    def _arguments(self) -> frozenset[Node]:
        """The symbols that name arguments of functions, which the whole record does not have."""
        own = set() if self._whole is None else set(self._whole.program.names.values())
        return frozenset(stage.symbol for stage in self.backward.stages if own and stage.name not in own)

    def _path_records(self, symbol: Input) -> tuple[PathRecord, ...]:
        """Every chain to `symbol`, unless there are too many to list."""
        if self._path_counts[symbol] > PATH_LIMIT:
            return ()
        found = []
        for path in self._paths(symbol):
            claim = Claim("path", PathDerivative(path), self.short(self._along(path)))
            found.append(PathRecord(path, claim))
        return tuple(found)

    @property
    def is_layer(self) -> bool:
        """Whether the gradients of the results are given, and the loss is only their pairing."""
        return any(map(is_upstream, self.program.inputs))

    @cached_property
    def observations(self) -> tuple[Observation, ...]:
        """The remarks on the backward pass."""
        return observations(self.backward, self.activation_factors)

    def write_out(self, node: Node) -> Node:
        """Return `node` with every cotangent substituted, in terms of names of the forward pass and σ′(z)."""
        (result,) = substitute([node], self._written_out)
        return self._collected(self._simplifier(result))

    def _collected(self, node: Node) -> Node:
        """Return the simplified value of a chain; with `in_steps` in powers and names of the forward pass."""
        if not self.in_steps:
            return node
        (found,) = substitute([with_powers(node)], {each.expression: each.symbol for each in self.backward.stages})
        return found

    @cached_property
    def _written_out(self) -> dict[Node, Node]:
        """The value of each cotangent in terms of names of the forward pass and σ′(z)."""
        known: dict[Node, Node] = {}
        for entry in self.backward.accumulations:
            (known[entry.cotangent],) = substitute([self._primed(entry)], known)
        return known

    @cached_property
    def _simplifier(self) -> Simplifier:
        return self.backward.facts.simplifier()

    def _chain(self, entry: Accumulation) -> Node:
        """Return the chain of an accumulation, with σ′(z) for the derivative of an activation."""
        if len(entry.contributions) == 1 and entry.chain is entry.contributions[0].adjoint:
            return self.adjoint(entry.contributions[0])
        return entry.chain

    def _primed(self, entry: Accumulation) -> Node:
        return self._chain(entry) if entry.merged is None else entry.merged

    def adjoint(self, contribution: Contribution) -> Node:
        """Return Jᵀδ, written δ ⊙ σ′(z) for an activation."""
        symbol = self.derivative_symbols.get(contribution.stage)
        return contribution.adjoint if symbol is None else Multiply()(contribution.cotangent, symbol)

    def linear_map(self, contribution: Contribution) -> Node:
        """Return J dx, written σ′(z) ⊙ dz for an activation."""
        return linear_map_of(contribution, self.derivative_symbols.get(contribution.stage))

    @cached_property
    def _path_counts(self) -> dict[Input, int]:
        counts: dict[Input, int] = {self.loss: 1}
        for entry in self.backward.accumulations:
            if entry.symbol is not self.loss:
                counts[entry.symbol] = sum(counts[c.stage.symbol] for c in entry.contributions)
        return counts

    def _paths(self, symbol: Input) -> Iterator[tuple[Contribution, ...]]:
        """Yield every chain of contributions from the loss to `symbol`, beginning at the loss."""
        if symbol is self.loss:
            yield ()
            return
        for contribution in self._by_symbol[symbol].contributions:
            for head in self._paths(contribution.stage.symbol):
                yield (*head, contribution)

    def _along(self, path: Sequence[Contribution]) -> Node:
        """Return the product of the factors along a chain, as one expression."""
        cotangent: Node = Const(1, self.loss.type)
        for contribution in path:
            if isinstance(contribution.cotangent, Input):
                (cotangent,) = substitute([self.adjoint(contribution)], {contribution.cotangent: cotangent})
            else:
                cotangent = self.adjoint(contribution)
        return self._collected(self._simplifier(cotangent))

    @property
    def claims(self) -> Iterator[Claim]:
        """Yield every claim, in reading order."""
        yield from self._claims(with_paths=True)

    def _claims(self, with_paths: bool) -> Iterator[Claim]:
        """Yield every claim; without those of chains, which take longer to find than all others."""
        yield from (_rewrite_claim(rewrite) for rewrite in self.recognitions)
        yield from self.abbreviation_claims.values()
        for stage in self.stages:
            yield stage.forward
        for stage in reversed(self.stages):
            if stage.differential is not None:
                yield stage.differential
            if stage.derivative is not None:
                yield stage.derivative
            yield from (claim for link, claim in self.links.items() if link.stage is stage.stage)
        for step in self.steps:
            yield from step.pairings
            yield from step.rewrites
            yield step.chain
            if step.merge is not None:
                yield step.merge
        for gradient in self.gradients:
            for path in gradient.paths if with_paths else ():
                yield path.claim
            if with_paths and gradient.path_sum is not None:
                yield gradient.path_sum
            yield gradient.written_out
            if gradient.unfolded is not None:
                yield gradient.unfolded
        for remark in self.observations:
            if remark.vanishing is not None:
                yield Claim("remark", Expression(remark.vanishing), zeros(remark.vanishing.type))
        for node in self.element_forms:
            yield Claim("element", Expression(node), node)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names in the derivation: those of the user, of abbreviations and of sizes."""
        program = self.program
        named = {node.name for node in program.inputs} | {stage.name for stage in self.backward.stages}
        named |= {function.name for function in self.abstract_functions}
        return frozenset(named | {entry.symbol.name for entry in self.abbreviations} | set(program.dim_names))

    @cached_property
    def abstract_functions(self) -> tuple[Abstract | AbstractMap, ...]:
        """The functions without a definition that are called."""
        found: dict[str, Abstract | AbstractMap] = {}
        for node in self.program.nodes:
            if applies(node, Abstract, AbstractMap):
                found.setdefault(node.primitive.name, node.primitive)
        return tuple(found.values())

    @cached_property
    def constants(self) -> Constants:
        """The names of constant arrays."""
        order = self._nodes_of_claims(with_paths=False)
        if any(isinstance(node, Const) and not node.is_filled for node in order):
            order = self._nodes_of_claims(with_paths=True)
        return name_constants(order, self.names)

    def _nodes_of_claims(self, with_paths: bool) -> list[Node]:
        roots: list[Node] = [*self.program.outputs]
        for claim in self._claims(with_paths):
            roots += [claim.right, *([claim.left.node] if isinstance(claim.left, Expression) else [])]
        return topological_order(roots)

    @cached_property
    def element_forms(self) -> tuple[Node, ...]:
        """The expressions that the index form writes element by element."""
        forms = [claim.right for claim in self.abbreviation_claims.values()]
        forms += [stage.forward.right for stage in self.stages]
        forms += [stage.derivative.right for stage in self.stages if stage.derivative is not None]
        for step in self.steps:
            forms += [step.chain.right] if step.merge is None else [step.chain.right, step.merge.right]
        for gradient in self.gradients if self.in_steps else ():
            forms += [gradient.written_out.right, *([] if gradient.unfolded is None else [gradient.unfolded.right])]
        return tuple(dict.fromkeys(forms))


def _rewrite_claim(rewrite: Rewrite) -> Claim:
    return Claim("rewrite", Expression(rewrite.before), rewrite.after, rewrite.rule)


def inner(left: Node, right: Node) -> Node:
    """Return ⟨left, right⟩, the sum of the elementwise product."""
    product = Multiply()(left, right)
    return Sum(tuple(range(product.type.ndim)))(product) if product.type.ndim else product
