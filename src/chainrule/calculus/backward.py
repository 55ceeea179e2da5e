"""The backward pass: linearization and transposition, one named equation of the forward pass at a time.

The forward pass is divided into stages at the names that the user gave. Each stage is an expression over symbols
(inputs of the program, and placeholders for earlier stages). The two transformations give its contribution to the
cotangent of each symbol that it uses; the cotangent is the sum of the contributions. The printed expressions are these
expressions over symbols; the gradients that run are the same expressions composed.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.calculus.choices import WITHIN_CHOICE, WITHIN_CHOICES
from chainrule.calculus.closed_form import closed_form, is_cheap
from chainrule.calculus.facts import Facts, facts_of
from chainrule.calculus.labels import BESIDE_LABELS, MULTIPLIED_OUT
from chainrule.calculus.linearize import linearize
from chainrule.calculus.named import named_products, named_values
from chainrule.calculus.repeated import Form, form
from chainrule.calculus.rules import is_scale
from chainrule.calculus.simplify import Rewrite, Simplifier
from chainrule.calculus.stages import COTANGENT, TANGENT, Stage, split_stages
from chainrule.calculus.terms import operation_count
from chainrule.calculus.transpose import transpose
from chainrule.ir import (
    Apply,
    Const,
    Input,
    Node,
    Program,
    ProgramError,
    applies,
    cached_property,
    refuses_deep_nesting,
    shape_text,
    substitute,
    topological_order,
)
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    Divide,
    LessOne,
    Multiply,
    Norm,
    Power,
    Reshape,
    Several,
    Square,
    Subtract,
    zeros,
)

_MERGE_DEPTH = 4
"""The number of later cotangents in a row that are substituted in a chain."""
_ROOT_LIMIT = 9
"""The root up to which powers of x are written by it: x^(−¾) as 1/L³ for L = x^¼."""
_MERGE_LIMIT = 60
"""The number of operations up to which a chain is simplified with cotangents substituted."""


@dataclass(frozen=True, eq=False)
class Contribution:
    """The contribution of a stage to the cotangent of a symbol that it uses: the pairing ⟨δ, J dx⟩ = ⟨Jᵀδ, dx⟩.

    `tangent` stands for dx and `cotangent` for δ (1 for the loss itself); `change` is J dx, `adjoint` is Jᵀδ.
    """

    stage: Stage
    operand: Input
    tangent: Input
    cotangent: Node
    change: Node
    adjoint: Node
    rewrites: tuple[Rewrite, ...]
    facts: Facts | None = None

    @cached_property
    def linear_map(self) -> Node:
        """J dx as a derivation states it; gradients alone do not need it."""
        return self.change if self.facts is None else self.facts.simplifier()(self.change)


@dataclass(frozen=True, eq=False)
class Accumulation:
    """The cotangent of one symbol: `chain` is the sum of its contributions, over the cotangents of later stages.

    `merged` is the chain with later cotangents substituted, if that cancels terms, otherwise None.
    """

    symbol: Input
    cotangent: Input
    contributions: tuple[Contribution, ...]
    chain: Node
    merged: Node | None
    rewrites: tuple[Rewrite, ...]

    @property
    def result(self) -> Node:
        return self.chain if self.merged is None else self.merged


@dataclass(frozen=True, eq=False)
class Backward:
    """A backward pass: the stages of the forward pass, their cotangents in order of computation, composed gradients."""

    program: Program
    wrt: tuple[Input, ...]
    stages: tuple[Stage, ...]
    accumulations: tuple[Accumulation, ...]
    gradients: tuple[Node, ...]
    facts: Facts

    def gradient_program(self) -> Program:
        """Return the program with the gradients as further outputs."""
        return Program(self.program.inputs, (*self.program.outputs, *self.gradients), self.program.names)


def _seed_of_loss(program: Program) -> Const:
    """Return the cotangent of the one scalar output; raise ProgramError for other outputs."""
    if len(program.outputs) != 1 or program.outputs[0].type.shape != ():
        shapes = " and ".join(shape_text(output.type.shape) for output in program.outputs)
        count = "" if len(program.outputs) == 1 else f"{len(program.outputs)} values of shapes "
        raise ProgramError(
            f"a gradient needs a function that returns one scalar, not {count}{shapes}; sum or average it"
        )
    return Const(1, program.outputs[0].type)


def _check_floats(program: Program, wrt: Sequence[Input]) -> None:
    """Raise ProgramError for integers among what is differentiated, or differentiated by."""
    for node in wrt:
        if not node.type.dtype.is_float:
            raise ProgramError(f"{node.name} holds {node.type.dtype.value} and has no derivative")
    for output in program.outputs:
        if not output.type.dtype.is_float:
            raise ProgramError(f"a gradient needs a function that returns a float, not {output.type.dtype.value}")


@refuses_deep_nesting
def backward(
    program: Program,
    wrt: Sequence[Input],
    seeds: Sequence[Node] | None = None,
) -> Backward:
    """Return the backward pass of `program` with respect to the inputs `wrt`.

    `seeds` are the cotangents of the outputs; without them the program must have one scalar output, whose cotangent is
    1. Properties of inputs that the program declares are used in the results: Sᵀ is S for a symmetric S. Raises
    ProgramError if it has other outputs, if an input of `wrt` holds integers, or if an expression is too deep.
    """
    if seeds is None:
        seeds = [_seed_of_loss(program)]
    _check_floats(program, wrt)
    stages = split_stages(program)
    by_symbol = {stage.symbol: stage for stage in stages}
    symbols = {stage.node: stage.symbol for stage in stages}
    outputs: dict[Input, list[Node]] = {}
    for output, seed in zip(program.outputs, seeds, strict=True):
        outputs.setdefault(symbols[output], []).append(seed)
    active = _active(stages, wrt)
    facts = facts_of(stages, program)
    bars = {symbol: Input(COTANGENT + symbol.name, symbol.type) for symbol in active}
    order = _reading_order(stages)
    received: dict[Input, list[Contribution]] = {symbol: [] for symbol in active}
    accumulations: list[Accumulation] = []
    values: dict[Node, Node] = {}
    names: dict[Node, Node] = {}
    unmerged: set[Form] = set()
    together = _together(stages, active)
    cotangents: dict[Stage, Node] = {}
    for symbol in [*(stage.symbol for stage in reversed(stages)), *wrt]:
        if symbol not in active or (symbol in wrt and symbol in by_symbol):
            continue
        contributions = sorted(received[symbol], key=lambda each: order[each.stage.symbol, symbol])
        accumulation = _accumulate(symbol, contributions, outputs.get(symbol, []), bars, values, facts, unmerged)
        accumulation = _with_names_of_gradients(accumulation, names)
        accumulations.append(accumulation)
        if accumulation.result is not bars[symbol]:  # a given gradient is a symbol
            values[bars[symbol]] = accumulation.result
            if symbol in by_symbol and _is_worth_a_name(accumulation.result):
                names.setdefault(accumulation.result, bars[symbol])
        stage = by_symbol.get(symbol)
        if stage is not None:
            result = accumulation.result
            is_one = isinstance(result, Const) and result.filled_with(1) and result.type.ndim == 0
            cotangent = result if is_one else bars[symbol]
            if isinstance(stage.node, Apply) and isinstance(stage.node.primitive, Several):
                cotangents[stage] = cotangent
                group = together[stage]
                if group[0] is stage:
                    for joint in _joint_contributions(group, cotangents, active, facts):
                        received[joint.operand].append(joint)
                continue
            for operand in stage.operands:
                if operand in active:
                    contribution = _contribution(stage, operand, cotangent, facts)
                    if contribution is not None:
                        received[operand].append(contribution)
    gradients = _compose(stages, accumulations, bars, wrt)
    return Backward(program, tuple(wrt), stages, tuple(accumulations), gradients, facts)


def _reading_order(stages: Sequence[Stage]) -> dict[tuple[Input, Input], int]:
    """Number the uses of symbols, each by the result and the operand, as one reads from the last equation backwards.

    So ∂L/∂x of f(u, v) is the contribution of u plus that of v.
    """
    by_symbol = {stage.symbol: stage for stage in stages}
    order: dict[tuple[Input, Input], int] = {}
    pending = [(stage.symbol, 0) for stage in stages]
    entered: set[Input] = set()
    while pending:
        symbol, place = pending.pop()
        stage = by_symbol.get(symbol)
        if stage is None or (place == 0 and symbol in entered):
            continue
        entered.add(symbol)
        if place < len(stage.operands):
            operand = stage.operands[place]
            order[symbol, operand] = len(order)
            pending += [(symbol, place + 1), (operand, 0)]
    return order


def _active(stages: Sequence[Stage], wrt: Sequence[Input]) -> set[Input]:
    """Return the symbols that depend on `wrt` and are differentiable."""
    active = set(wrt)
    for stage in stages:
        if stage.symbol.type.dtype.is_float and not active.isdisjoint(stage.operands):
            active.add(stage.symbol)
    return active


def by_result(stage: Stage) -> dict[Node, Node]:
    """Return the expressions that are written with the result of a stage: σ′(z) by a = σ(z), y by L in L = 1/y."""
    result: dict[Node, Node] = {stage.expression: stage.symbol}
    match stage.expression:
        case Apply(Divide(), (c, x)) if is_scale(c) and _is_power(x):
            return {}  # −2/x³ rather than −2 L² x
        case Apply(Reshape() | Broadcast(), (Apply(Norm()) as x,)) if x.type.size == stage.symbol.type.size:
            result[x] = Reshape(x.type.shape)(stage.symbol)
        case Apply(Divide(), (c, x)) if is_scale(c):
            result[x] = c / stage.symbol
        case Apply(Power(), (x, Const(float(exponent)) as power)) if 0 < exponent < 1:
            below = (1 - exponent) / exponent  # x^(p − 1) is 1/L^(1/p − 1) for L = x^p
            if abs(below - round(below)) < 1e-12 and below < _ROOT_LIMIT:
                result[Power()(x, Const(exponent - 1, power.type))] = 1 / stage.symbol ** round(below)
        case Apply(Power(), (x, Apply(Divide(), (Const(1) as one, p)) as power)):
            result[Power()(x, LessOne()(power))] = Power()(stage.symbol, one - p)
    return result


def _is_power(node: Node) -> bool:
    """Whether `node` is an input, or a whole power of one."""
    match node:
        case Input() | Apply(Square(), (Input(),)) | Apply(Power(), (Input(), Const())):
            return True
    return False


def _contribution(stage: Stage, operand: Input, cotangent: Node, facts: Facts) -> Contribution | None:
    tangent = Input(TANGENT + operand.name, operand.type)
    (linear_map,) = linearize([stage.expression], {operand: tangent})
    if linear_map is None:
        return None
    adjoints = [transpose([linear_map], [tangent], [cotangent], as_read)[0] for as_read in (True, False)]
    result = by_result(stage)
    (change,) = substitute([linear_map], result)
    written = substitute([each for each in dict.fromkeys(adjoints) if each is not None], result)
    found: list[tuple[Node, Simplifier]] = []
    for each in substitute(written, facts.constants):
        simplifier = facts.simplifier()
        found.append((simplifier(each), simplifier))
    if not found:
        return None
    adjoint, simplifier = min(found, key=lambda one: operation_count(one[0]))
    adjoint = _with_result(stage, adjoint, simplifier, facts)
    if isinstance(adjoint, Const) and adjoint.filled_with(0):
        return None
    return Contribution(stage, operand, tangent, cotangent, change, adjoint, tuple(simplifier.rewrites), facts)


def _together(stages: Sequence[Stage], active: Container[Input]) -> dict[Stage, list[Stage]]:
    """Return the active stages that are results of one computation of several, for each of them."""
    groups: dict[Hashable, list[Stage]] = {}
    for stage in stages:
        if isinstance(stage.node, Apply) and isinstance(stage.node.primitive, Several) and stage.symbol in active:
            groups.setdefault((stage.node.primitive.together, stage.node.operands), []).append(stage)
    return {stage: group for group in groups.values() for stage in group}


def _joint_contributions(
    group: Sequence[Stage], cotangents: Mapping[Stage, Node], active: Container[Input], facts: Facts
) -> list[Contribution]:
    """Return the contributions of several results of one computation to what it is computed from."""
    first = group[0]
    operands = [operand for operand in first.operands if operand in active]
    tangents: dict[Node, Node] = {operand: Input(TANGENT + operand.name, operand.type) for operand in operands}
    found = linearize([stage.expression for stage in group], tangents)
    maps = [(tangent, cotangents[stage]) for stage, tangent in zip(group, found, strict=True) if tangent is not None]
    adjoints = transpose([tangent for tangent, _ in maps], list(tangents.values()), [bar for _, bar in maps])
    contributions = []
    for operand, adjoint in zip(operands, adjoints, strict=True):
        if adjoint is not None:
            simplifier = facts.simplifier()
            tangent = tangents[operand]
            assert isinstance(tangent, Input)
            adjoint = simplifier(adjoint)
            rewrites = tuple(simplifier.rewrites)
            contributions.append(
                Contribution(first, operand, tangent, cotangents[first], maps[0][0], adjoint, rewrites)
            )
    return contributions


def _with_result(stage: Stage, adjoint: Node, simplifier: Simplifier, facts: Facts) -> Node:
    """Write the result of a stage by its symbol, where it is a product that is a factor, or a power.

    So −x·y/z² is −L/z for L = x·y/z, and det(X)^k · X⁻ᵀ is L · X⁻ᵀ for L = det(X)^k.
    """
    definition: dict[Node, Node] = {stage.symbol: stage.expression}
    rules = [named_products(definition, simplifier)]
    if applies(stage.expression, Power):
        rules.append(named_values(definition, facts.symmetric, facts.rules))
    rules = [rule for rule in rules if rule.primitives]
    shorter = Simplifier(rules)
    found = shorter(adjoint) if rules else adjoint
    if found is not adjoint:
        simplifier.rewrites += shorter.rewrites
        found = simplifier(found)
    return found


def _accumulate(
    symbol: Input,
    contributions: Sequence[Contribution],
    seeds: Sequence[Node],
    bars: Mapping[Input, Input],
    values: Mapping[Node, Node],
    facts: Facts,
    unmerged: set[Form],
) -> Accumulation:
    parts = [*seeds, *(contribution.adjoint for contribution in contributions)]
    total = parts[0] if parts else zeros(symbol.type)
    for part in parts[1:]:
        total = total + part
    chain = facts.simplifier()(total)
    simplifier = facts.simplifier()
    closed = closed_form(symbol, parts, chain, values, facts.definitions, bars, simplifier) if len(parts) > 1 else None
    if closed is not None:
        return Accumulation(symbol, bars[symbol], tuple(contributions), chain, closed, tuple(simplifier.rewrites))
    # In a recurrence the same question comes up in each round.
    question = form(chain, values, _MERGE_DEPTH, facts.definitions)
    merged, rewrites = _merged(chain, values, facts) if question not in unmerged else (None, ())
    if merged is None:
        unmerged.add(question)
    return Accumulation(symbol, bars[symbol], tuple(contributions), chain, merged, rewrites)


def _is_worth_a_name(gradient: Node) -> bool:
    """Whether a gradient is an operation on arrays, which later gradients write by its name."""
    match gradient:
        case Apply(Add() | Subtract() | Multiply() | Divide() | Contract(), operands):
            return gradient.type.ndim > 0 and not any(map(is_scale, operands))
    return False


def _with_names_of_gradients(entry: Accumulation, names: Mapping[Node, Node]) -> Accumulation:
    """Write what equals an earlier gradient by its name, as in the mean of ∂L/∂x̂ = ∂L/∂y ⊙ γ."""
    changed: list[Node | None] = []
    rewrites = list(entry.rewrites)
    for node in (entry.chain, entry.merged):
        (after,) = (None,) if node is None or not names else substitute([node], names)
        if after is not None and after is not node and node is not None:
            rewrites.append(Rewrite("a gradient that has a name", node, after))
        changed.append(node if after is None else after)
    chain, merged = changed
    assert chain is not None
    return replace(entry, chain=chain, merged=merged, rewrites=tuple(rewrites))


def _merged(chain: Node, values: Mapping[Node, Node], facts: Facts) -> tuple[Node | None, tuple[Rewrite, ...]]:
    """Return the chain with later cotangents substituted, if terms cancel, and the rewrites; otherwise None.

    The cotangents in the substituted values are substituted in turn, as long as that makes the result shorter.
    """
    merged: Node | None = None
    rewrites: tuple[Rewrite, ...] = ()
    least = operation_count(chain), True
    written_out = chain
    for _ in range(_MERGE_DEPTH):
        inlined = {
            bar: values[bar] for bar in topological_order([written_out]) if bar in values and is_cheap(values[bar])
        }
        if not inlined:
            break
        (written_out,) = substitute([written_out], inlined)
        grown = operation_count(chain) < operation_count(written_out) or all(
            isinstance(x, Const) for x in inlined.values()
        )
        if not grown or operation_count(written_out) > _MERGE_LIMIT:
            break
        simplifier = facts.simplifier()
        shorter = simplifier(written_out)
        length = operation_count(shorter), any(part in values for part in topological_order([shorter]))
        # What labels pick cancels with the cotangent that is substituted, which is not computed then.
        picked = any(rewrite.rule in (BESIDE_LABELS, MULTIPLIED_OUT) for rewrite in simplifier.rewrites)
        cancels = picked and length[0] < operation_count(written_out)
        chosen = any(rewrite.rule == WITHIN_CHOICE for rewrite in simplifier.rewrites)
        if length < least or (merged is None and (length == least or cancels or chosen)):
            merged, rewrites, least = shorter, tuple(simplifier.rewrites), length
    return merged, rewrites


def _compose(
    stages: Sequence[Stage],
    accumulations: Sequence[Accumulation],
    bars: Mapping[Input, Input],
    wrt: Sequence[Input],
) -> tuple[Node, ...]:
    """Return the gradients over the inputs of the program, with factors of what is not chosen within the choice."""
    known: dict[Node, Node] = {stage.symbol: stage.node for stage in stages}
    for accumulation in accumulations:
        (known[accumulation.cotangent],) = substitute([accumulation.result], known)
    gradients = tuple(known[bars[symbol]] for symbol in wrt)
    return tuple(map(Simplifier(WITHIN_CHOICES), gradients))
