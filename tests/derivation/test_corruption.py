"""Wrong rules are detected: each differential and transpose of every primitive is corrupted in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from chainrule.calculus import RULES, Rule, Simplifier
from chainrule.derivation.claims import StageDerivative, StageDifferential
from chainrule.derivation.verify import Verifier
from chainrule.deriving import Derivation
from chainrule.ir import Apply, ArrayType, Const, DType, Input, Node, Program, topological_order
from chainrule.primitives import (
    REGISTRY,
    Add,
    Broadcast,
    CumulativeSum,
    DiagonalMatrix,
    Elementwise,
    Example,
    Linear,
    LinearComposite,
    Multilinear,
    Multiply,
    Primitive,
    Sum,
    evaluate_nodes,
)

SIZES = {"n": 3, "m": 4, "k": 2, "d": 5, "h": 2}


def examples(cls: type[Primitive]) -> list[Example]:
    return list(cls.examples())


def carries_derivative(example: Example) -> bool:
    """Whether the result depends on a float operand, according to the primitive."""
    operands = [Input(f"x{k}", type_) for k, type_ in enumerate(example.operands)]
    result = example.primitive(*operands)
    if not result.type.dtype.is_float:
        return False
    tangents = [Input(f"d x{k}", type_) if type_.dtype.is_float else None for k, type_ in enumerate(example.operands)]
    return example.primitive.differential(operands, result, tangents) is not None


def loss_program(example: Example) -> Program:
    """L = Σ w ⊙ u with u the primitive applied to x0, x1, … moved into its domain."""
    operands: list[Node] = []
    inputs: list[Input] = []
    for k, type_ in enumerate(example.operands):
        x = Input(f"x{k}", type_)
        inputs.append(x)
        if not type_.dtype.is_float or not example.domain:
            operands.append(x)
            continue
        low, high = example.domain[k]
        # low + (high − low)·σ-like map keeps any drawn number inside the domain
        squashed = 1 / (1 + x * x)
        drawn = low + (high - low) * squashed
        if example.diagonal and type_.ndim > 1 and type_.shape[-2] == type_.shape[-1]:
            size = type_.shape[-1]
            ones = Const(1, ArrayType((size,)))
            diagonal = CumulativeSum(0)(ones) if example.graded else ones
            spread = Broadcast(type_.shape, (type_.ndim - 2, type_.ndim - 1))(DiagonalMatrix()(diagonal))
            drawn = drawn + example.diagonal * spread
        operands.append(drawn)
    result = example.primitive(*operands)
    weight = Input("w", result.type)
    product = Multiply()(weight, result)
    loss = Sum(tuple(range(product.type.ndim)))(product) if product.type.ndim else product
    names: dict[Node, str] = {result: "u"}
    names.update({operand: f"v{k}" for k, operand in enumerate(operands) if not isinstance(operand, Input)})
    return Program((*inputs, weight), (loss,), names).bind(SIZES)


def derivation_of(example: Example) -> Derivation:
    program = loss_program(example)
    wrt = [node for node in program.inputs if node.type.dtype.is_float and node.name != "w"]
    return Derivation(program, wrt)


DIFFERENTIABLE = [cls for cls in REGISTRY if any(map(carries_derivative, cls.examples()))]
CONSTANT = [cls for cls in REGISTRY if cls not in DIFFERENTIABLE]


def test_the_primitives_without_a_derivative_are_the_expected_ones() -> None:
    assert {cls.__name__ for cls in CONSTANT} == {
        "ArgMax",
        "ArgMin",
        "ArgSort",
        "Ceil",
        "Compare",
        "Floor",
        "FloorDivide",
        "IntegerArithmetic",
        "LogicalAnd",
        "LogicalOr",
        "LogicalNot",
        "OneHot",
        "RandomUniform",
        "Ranks",
        "Rint",
        "Sign",
        "SignDeterminant",
        "Trunc",
    } | ({"Cast"} & {cls.__name__ for cls in CONSTANT})


@pytest.mark.parametrize("cls", DIFFERENTIABLE, ids=lambda cls: cls.__name__)
def test_right_rules_verify(cls: type[Primitive]) -> None:
    for example in filter(carries_derivative, examples(cls)):
        verification = derivation_of(example).verify(points=1)
        assert verification.ok, (example, str(verification))


def scaled(node: Any) -> Any:
    return None if node is None else Multiply()(Const(1.25, node.type), node)


def shifted(node: Any) -> Any:
    return None if node is None else Add()(Const(1, node.type), node)


def corrupted_partial(cls: type[Elementwise], place: int) -> Callable[..., Any]:
    original = cls.partials

    def partials(self: Any, operands: Any, result: Any) -> Any:
        found = list(original(self, operands, result))
        found[place] = scaled(found[place])
        return found

    return partials


def corrupted(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: scaled(original(*args, **kwargs))


def corruptions(cls: type[Primitive]) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    if issubclass(cls, Elementwise):
        for place in range(cls.arity):
            yield f"partial {place}", "partials", corrupted_partial(cls, place)
        return
    yield "differential", "differential", corrupted(cls.differential)
    if issubclass(cls, Linear | LinearComposite | Multilinear):
        yield "transpose", "transpose", corrupted(cls.transpose)


CASES = [
    pytest.param(cls, attribute, wrong, id=f"{cls.__name__}-{what}")
    for cls in DIFFERENTIABLE
    for what, attribute, wrong in corruptions(cls)
]


@pytest.mark.parametrize(("cls", "attribute", "wrong"), CASES)
def test_a_corrupted_rule_fails_at_the_line_that_used_it(
    cls: type[Primitive], attribute: str, wrong: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = list(filter(carries_derivative, examples(cls)))
    monkeypatch.setattr(cls, attribute, wrong)
    outcomes = (derivation_of(example).verify(points=1) for example in cases)
    verification = next((outcome for outcome in outcomes if not outcome.ok), None)
    assert verification is not None
    first = verification.failures[0]
    if isinstance(first.claim.left, StageDifferential | StageDerivative):
        used = {type(node.primitive) for node in applications(first.claim.left.stage.expression)}
        assert cls in used
    else:
        assert first.claim.kind in ("pairing", "chain")


def applications(node: Node) -> list[Apply]:
    return [part for part in topological_order([node]) if isinstance(part, Apply)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_corrupted_simplification_is_refused(rule: Rule) -> None:
    """A rewrite that changes the value is a false line of the record."""
    wrong = Rule(rule.name, rule.primitives, lambda node: shifted(rule.rewrite(node)), rule.examples)
    example = next(iter(rule.examples()))
    simplifier = Simplifier([wrong])
    assert isinstance(example, Apply)
    simplifier(example)
    before, after = simplifier.rewrites[0].before, simplifier.rewrites[0].after
    nodes = Program(tuple(_leaves([before, after])), (before, after)).bind(SIZES)
    random = np.random.default_rng(0)
    values = {n: random.standard_normal(n.type.concrete_shape) for n in nodes.inputs}
    found = evaluate_nodes(nodes.outputs, values)
    left, right = (found[node] for node in nodes.outputs)
    assert not np.allclose(left, right)


def _leaves(nodes: list[Node]) -> list[Input]:
    return [node for node in topological_order(nodes) if isinstance(node, Input)]


def test_verification_says_which_line_and_by_how_much() -> None:
    x = Input("x", ArrayType((3,), DType.FLOAT64))
    derivation = Derivation(Program((x,), (Sum((0,))(x * x),)), [x])
    verifier = Verifier(derivation.record)
    assert verifier.run(points=2).ok
    assert len(verifier.claims) == verifier.run(points=1).lines_checked
