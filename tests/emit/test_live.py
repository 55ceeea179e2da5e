"""Every line of a derivation in JavaScript: its value, and which entries each of its entries reads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.changed_values import ChangedValues
from support.emitted import Case, assert_close, case, case_of
from support.gallery_samples import derived

from chainrule.derivation import Expression, Record, Valuation, is_upstream, output_name
from chainrule.deriving import derive
from chainrule.emit import EmitError, LiveModule, live_module
from chainrule.emit.node import find_node, run_in_node
from chainrule.gallery import GALLERY
from chainrule.ir import Apply, Const, DType, Input, Node, Program, topological_order
from chainrule.primitives import (
    Abs,
    Cast,
    Compare,
    Floor,
    Gather,
    Max,
    Maximum,
    Min,
    Minimum,
    OneHot,
    Pad,
    Relu,
    ScatterAdd,
    Sign,
    Where,
)

Array = NDArray[Any]
NODE = find_node() or ""
pytestmark = pytest.mark.skipif(not NODE, reason="node is not installed")

EXACT = ("abbreviation", "forward", "derivative", "chain", "merge")
"""Lines in which nothing cancels: a rewrite starts from x / x, and along a path a centred row may be summed."""

MOST_PAIRS = 600
"""Entries of a line times those of a value up to which reads are compared: a condition has two evaluations for each."""

EVERYTHING = """
const at = evaluate(NUMBERS, given);
results.loss = at.loss;
for (const { name } of names) results[`value ${name}`] = at.value(name).data;
lines.forEach((line, k) => {
  results[`line ${k}`] = at.line(k).data;
  if (line.left >= 0) results[`left ${k}`] = at.left(k).data;
  if (line.cell < 0) return;
  const { shape } = at.line(k);
  forEach(shape, (index, place) => {
    const reads = at.reads(k, [...index]);
    for (const { name, at: position, value } of reads) {
      const whole = at.value(name).data;
      if (whole[position] !== value && !Number.isNaN(value)) throw new Error(`${name} is ${value} in line ${k}`);
      if (at.line(k).data.length * whole.length > MOST_PAIRS) continue;
      const label = `reads ${k} ${name}`;
      results[label] ??= new Float64Array(at.line(k).data.length * whole.length);
      results[label][place * whole.length + position] = 1;
    }
  });
});
"""


def given_to(drawn: Case, record: Record, module: LiveModule) -> dict[str, Array]:
    """Return the inputs of a module: those of the case, and random tangents."""
    random = np.random.default_rng(3)
    upstream = [node.name for node in record.program.inputs if is_upstream(node)]
    given = {**drawn.arguments, **dict(zip(upstream, drawn.seeds, strict=True))}
    found = run_in_node(NODE, module.text, _SIZES_OF_TANGENTS % json.dumps(drawn.sizes), {})
    return {**given, **{name: random.uniform(0.5, 1.5, int(count[0])) for name, count in found.items()}}


_SIZES_OF_TANGENTS = """
const found = shapes(%s);
inputs.forEach(({ name, kind }, k) => { if (kind === "tangent") results[name] = count(found[k]); });
"""


def outcome(drawn: Case, record: Record) -> tuple[LiveModule, dict[str, Array], dict[str, Array]]:
    module = live_module(record)
    given = given_to(drawn, record, module)
    statements = EVERYTHING.replace("NUMBERS", json.dumps(drawn.sizes)).replace("MOST_PAIRS", str(MOST_PAIRS))
    return module, given, run_in_node(NODE, module.text, statements, given)


@pytest.mark.parametrize("steps", [False, True], ids=["whole", "in steps"])
@pytest.mark.parametrize("name", GALLERY)
def test_values_and_reads_of_the_gallery(name: str, steps: bool) -> None:
    drawn = case_of(name, engine="reference")
    assert_lives(drawn, drawn.derivation.in_steps if steps else drawn.derivation.record)


def assert_lives(drawn: Case, record: Record) -> None:
    module, given, found = outcome(drawn, record)
    known = {name: array.ravel() for name, array in given.items()}
    known |= {name.removeprefix("value "): array for name, array in found.items() if name.startswith("value ")}
    at = {node.name: given[node.name].reshape(_shape(node, drawn)) for node in record.program.inputs}
    valuation = Valuation(record, {_given_name(node): at[node.name] for node in record.program.inputs})
    for symbol in [each.symbol for each in record.backward.stages]:
        assert_close(known[symbol.name], np.ravel(valuation(symbol)), symbol.name, 1e-12)
    for entry in record.backward.accumulations:
        name = entry.cotangent.name
        assert_close(known[name], np.ravel(valuation(entry.cotangent)), name, 1e-12)
        if entry.symbol.name in drawn.gradients:
            assert_close(known[name], drawn.gradients[entry.symbol.name].ravel(), name, 1e-12)
    assert_close(found["loss"], np.ravel(valuation(record.loss)), "the loss", 1e-12)
    for k, claim in enumerate(module.claims):
        line = Line(claim.right, known, drawn)
        tolerance = 1e-12 if claim.kind in EXACT else 1e-11
        assert_close(found[f"line {k}"], line.value.ravel(), f"line {k}, {claim.kind}", tolerance)
        is_equality = isinstance(claim.left, Expression) and claim.kind != "abbreviation"
        assert (f"left {k}" in found) is is_equality
        if isinstance(claim.left, Expression) and is_equality:
            right = Line(claim.left.node, known, drawn).value.ravel()
            assert_close(found[f"left {k}"], right, f"the left side of line {k}, {claim.kind}", 1e-12)
        for node in line.inputs:
            if line.value.size * known[node.name].size > MOST_PAIRS:
                continue
            reads = found.get(f"reads {k} {node.name}", np.zeros(line.value.size * known[node.name].size))
            changed = line.changed_by(node)
            assert np.all(reads[changed] == 1), (k, claim.kind, node.name)
            if claim.kind in EXACT and line.reads_are_changes:
                assert np.array_equal(reads == 1, changed), (k, claim.kind, node.name)


class Line:
    """An expression of a record at a point, evaluated by NumPy."""

    def __init__(self, node: Node, known: dict[str, Array], drawn: Case) -> None:
        inputs = tuple(part for part in topological_order([node]) if isinstance(part, Input))
        program = Program(inputs, (node,)).bind(drawn.sizes, DType.FLOAT64)
        (self.node,), self.inputs = program.outputs, program.inputs
        self.values: dict[Node, Array] = {
            each: known[each.name].reshape(each.type.concrete_shape).astype(each.type.dtype.numpy)
            for each in self.inputs
        }
        self._changing = ChangedValues(self.node, self.values)
        self.value = self._changing.value

    def changed_by(self, node: Input) -> NDArray[np.bool_]:
        """Whether each entry changes with each entry of an input: flat, entries of the result first."""
        whole, following = self.values[node], self._changing.by(node)
        changed = np.zeros((self.value.size, whole.size), bool)
        for place in range(whole.size if node.type.dtype.is_float else 0):
            for step in (0.01, -0.01):
                if changed[:, place].all():
                    break
                moved = whole.copy()
                moved.flat[place] += step * max(1, abs(moved.flat[place]))
                changed[:, place] |= (following(moved) != self.value).ravel()
        return changed.ravel()

    def slopes_of_first(self, node: Input) -> Array:
        """Return the partial derivatives of the first entry by those of an input."""
        whole, following, slopes = self.values[node], self._changing.by(node), list[float]()
        for place in range(whole.size):
            step = 1e-5 * max(1, abs(whole.flat[place]))
            sides = []
            for change in (step, -step):
                moved = whole.copy()
                moved.flat[place] += change
                sides.append(following(moved).ravel()[0])
            slopes.append((sides[0] - sides[1]) / (2 * step))
        return np.array(slopes)

    @property
    def reads_are_changes(self) -> bool:
        """Whether an entry that is read changes the result: not one that is only compared, or multiplied by 0."""
        special = (
            Max,
            Min,
            Maximum,
            Minimum,
            Compare,
            Sign,
            Floor,
            Where,
            Relu,
            Abs,
            OneHot,
            Gather,
            ScatterAdd,
            Cast,
            Pad,
        )
        nodes = topological_order([self.node])
        return (
            not any(isinstance(part, Apply) and isinstance(part.primitive, special) for part in nodes)
            and all(each.type.dtype.is_float for each in self.inputs)
            and all(np.all(value != 0) for value in self.values.values())
            and not any(isinstance(part, Const) and not part.is_filled for part in nodes)
        )


def _given_name(node: Input) -> str:
    return "d" + output_name(node) if is_upstream(node) else node.name


def _shape(node: Input, drawn: Case) -> tuple[int, ...]:
    return node.type.bind(drawn.sizes).concrete_shape


def test_an_operation_that_is_written_out_for_a_number_asks_for_it() -> None:
    derivation = derive("sum(inv(A) @ x)", ["A", "x"], A="n n", x="n")
    with pytest.raises(EmitError, match="JavaScript needs a number for n here"):
        live_module(derivation.record)
    assert "export const sizes = [];" in live_module(derivation.record, {"n": 3}).text


def test_given_gradients_are_ones_and_tangents_zeros_by_default() -> None:
    module = live_module(derive(lambda x, w: x * w, ["w"], x="n", w="n").record)
    statements = """
    const at = evaluate({ n: 2 }, { x: [3, 5], w: [1, 1] });
    for (const { name, kind } of inputs) results[kind] = at.value(name).data;
    results.gradient = at.value("∂ w").data;
    """
    found = run_in_node(NODE, module.text, statements, {})
    assert found["upstream"].tolist() == [1, 1]
    assert found["tangent"].tolist() == [0, 0]
    assert found["gradient"].tolist() == [3, 5]


def test_inputs_are_checked_and_replaced() -> None:
    module = live_module(derive("sum((A @ x - b)^2)", ["x"], A="m n", x="n", b="m").record)
    statements = """
    const at = evaluate({ m: 2, n: 1 }, { A: [1, 2], x: [3], b: [0, 0] });
    results.loss = at.loss;
    results.moved = at.with({ x: [4] }).loss;
    results.same = at.loss;
    const message = (call) => { try { call(); } catch (error) { return error.message; } };
    const first = message(() => evaluate({ m: 2, n: 1 }, { A: [1, 2], x: [3] }).loss);
    const second = message(() => evaluate({ m: 2, n: 1 }, { A: [1], x: [3], b: [0, 0] }).loss);
    results.refused = [first === "the value of b is missing", second === "A has 1 entries, not 2 x 1"];
    """
    found = run_in_node(NODE, module.text, statements, {})
    assert [found[name].tolist() for name in ("loss", "moved", "same")] == [[45.0], [80.0], [45.0]]
    assert found["refused"].tolist() == [1, 1]


SLOPES = """
const at = evaluate(NUMBERS, given);
for (const { name } of names) results[`value ${name}`] = at.value(name).data;
lines.forEach((line, k) => {
  const { shape, data } = at.line(k);
  if (data.length === 0) return;
  for (const { name, at: place, slope } of at.slopes(k, shape.map(() => 0))) {
    const label = `slopes ${k} ${name}`;
    results[label] ??= new Float64Array(at.value(name).data.length);
    results[label][place] = slope;
  }
});
"""


POOLED = {"n": 1, "c": 2, "h": 2, "w": 1}
"""Sizes with few entries, as a sum has a slope by each entry of the windows."""


@pytest.mark.parametrize(
    ("name", "sizes"), [("two_layer_rows", {}), ("embedding", {}), ("attention", {}), ("avg_pool", POOLED)]
)
def test_slopes_are_the_partial_derivatives(name: str, sizes: dict[str, int]) -> None:
    drawn = case(derived(name), sizes=sizes, engine="reference")
    module = live_module(drawn.derivation.record)
    given = given_to(drawn, drawn.derivation.record, module)
    found = run_in_node(NODE, module.text, SLOPES.replace("NUMBERS", json.dumps(drawn.sizes)), given)
    known = {key.removeprefix("value "): array for key, array in found.items() if key.startswith("value ")}
    for k, claim in enumerate(module.claims):
        line = Line(claim.right, known, drawn)
        for node in line.inputs:
            slopes = found.get(f"slopes {k} {node.name}", np.zeros(known[node.name].size))
            if node.type.dtype.is_float and line.value.size and slopes.size < 60:
                assert_close(slopes, line.slopes_of_first(node), f"line {k} by {node.name}", 1e-6)
            elif not node.type.dtype.is_float:
                assert not np.any(slopes)


def test_a_page_of_two_layers_is_small() -> None:
    assert len(live_module(derive(GALLERY["two_layer_rows"].function).in_steps).text.encode()) < 40_000
