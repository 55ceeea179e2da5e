"""The JavaScript module: run under node, and compared with the reference engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from support.emitted import Case, assert_close, case, case_of, run_js
from support.examples import EXTREME, SPECIAL, example_program, names_in, values_for
from support.programs import PROGRAMS
from support.recipes import expression, recipes

import chainrule as cr
from benchmarks import accuracy
from chainrule.deriving import derive
from chainrule.emit import (
    EmitError,
    JsUnit,
    Location,
    UnverifiedError,
    allocations,
    checking,
    js_functions,
    loop_source,
)
from chainrule.emit.composing import written_out_in_parts
from chainrule.emit.js_functions import HELPERS, JS_MATH, helper_text
from chainrule.emit.js_source import JsSource
from chainrule.emit.node import find_node, run_in_node
from chainrule.emit.unit import Member
from chainrule.gallery import GALLERY
from chainrule.ir import Apply, DType, Node, Program, ShapeError, topological_order
from chainrule.primitives import (
    REGISTRY,
    UNIFORM_BITS,
    Abstract,
    AbstractMap,
    Composite,
    Elementwise,
    MathFunction,
    NeverExpandableError,
    NotExpandableError,
    evaluate_nodes,
)
from chainrule.primitives.random import uniform_floats

NODE = find_node() or ""
pytestmark = pytest.mark.skipif(not NODE, reason="node is not installed")


def assert_agrees(drawn: Case, sizes: dict[str, int] | None = None) -> None:
    outputs, gradients = run_js(drawn, sizes)
    for found, expected in zip(outputs, drawn.outputs, strict=True):
        assert_close(found, expected, "the output", 1e-12)
    assert set(gradients) == set(drawn.gradients)
    for key, expected in drawn.gradients.items():
        assert_close(gradients[key], expected, f"the gradient by {key}", 1e-12)


@pytest.mark.parametrize("name", GALLERY)
def test_gradients_of_the_gallery(name: str) -> None:
    drawn = case_of(name, engine="reference")
    assert_agrees(drawn)
    text = JsSource(drawn.derivation.record, name, {}).text()
    assert max(map(len, text.splitlines())) <= 100
    assert "import" not in text
    assert ("sizes" in text.partition("*/")[2]) is bool(drawn.sizes)


def test_what_is_expanded_for_a_number_only_asks_for_it() -> None:
    derivation = derive("sum(inv(A) @ x)", ["A", "x"], A="n n", x="n")
    with pytest.raises(EmitError, match=r"inverse of a matrix of size n .* JavaScript needs a number for n here"):
        derivation.source("js")
    assert "sizes" not in derivation.source("js", sizes={"n": 3}).partition("*/")[2]
    assert_agrees(case(derivation, sizes={"n": 3}, engine="reference"), {"n": 3})


@pytest.mark.parametrize("name", ["two_layer_rows", "attention", "two_layer_columns"])
def test_sizes_may_be_constants(name: str) -> None:
    drawn = case_of(name, engine="reference")
    assert_agrees(drawn, drawn.sizes)
    first = next(iter(drawn.sizes))
    assert_agrees(drawn, {first: drawn.sizes[first]})


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_of_the_suite(name: str) -> None:
    factory, shapes = PROGRAMS[name]
    program = cr.trace(factory(np), *shapes)
    assert_agrees(case(derive(program, [node.name for node in program.inputs]), engine="reference"))


@settings(max_examples=40)
@given(recipes())
def test_random_expressions(steps: list[tuple[str, int, int]]) -> None:
    assert_agrees(case(derive(expression(steps), ["A", "B"], A="4 3", B="4 3"), engine="reference"))


def test_names_that_javascript_keeps_for_itself() -> None:
    def loss(let: Any, work: Any, Math: Any, n: Any, sizes: Any, λ: Any) -> Any:
        function = let * work + λ
        arguments = np.exp(function) * Math
        return np.sum(arguments * sizes * n)

    drawn = case(derive(loss, ["let", "λ"], let="n", work="n", Math="n", n="", sizes="n", λ="n"), engine="reference")
    assert_agrees(drawn)


def test_small_matrices_are_summed_in_a_variable_and_others_row_by_row() -> None:
    derivation = derive("sum(tanh(X @ W)^2)", ["W"], X="n d", W="d h")
    sizes = {"n": 4, "d": 2, "h": 3}
    for fixed, is_by_rows in ((None, True), ({"d": 2, "h": 3}, True), (sizes, False), ({**sizes, "n": 1200}, True)):
        text = derivation.source("js", "f", fixed)
        assert ("+= X[i * d + j] * W[j * h + k]" in text) is is_by_rows
    assert_agrees(case(derivation, sizes=sizes, engine="reference"), sizes)


# Functions of the emitter --------------------------------------------------------------------------------------------


def test_every_function_of_the_emitter_has_its_javascript() -> None:
    assert set(JS_MATH) == set(get_args(MathFunction))
    for name in JS_MATH.values():
        assert name in HELPERS or name.startswith("Math.")
    assert set(HELPERS) - set(JS_MATH.values()) == {"random", "uniform"}


def written_functions(programs: list[Program]) -> str:
    """Return a module with a function `f0`, `f1`, … for each program, of an object that also gets the result `y`."""
    unit = JsUnit("f", DType.FLOAT64)
    functions = []
    for k, program in enumerate(programs):
        inputs = {node.name: Location(node.name, "at", node.type.ndim > 0) for node in program.inputs}
        result = Location("y", "at", program.outputs[0].type.ndim > 0)
        found = unit.statements(program, inputs, [result], "work")
        members = [Member("y", program.outputs[0].type)]
        functions += [
            f"function f{k}(at) {{",
            *("    const work = {", *allocations(found.stored, {}), "    };"),
            *("    Object.assign(at, {", *allocations(members, {}), "    });"),
            *found.lines,
            "    return at.y;",
            "}",
        ]
    return "\n".join([*unit.preamble, *functions])


def evaluated(programs: list[Program], values: list[dict[str, Any]]) -> list[Any]:
    """Return the value of each program by one run of node."""
    arrays, calls = {}, []
    for k, (program, known) in enumerate(zip(programs, values, strict=True)):
        entries = []
        for node in program.inputs:
            arrays[f"{node.name} {k}"] = known[node.name]
            entries.append(f'{node.name}: given["{node.name} {k}"]{"" if node.type.ndim else "[0]"}')
        calls.append(f'results["{k}"] = f{k}({{ {", ".join(entries)} }});')
    found = run_in_node(NODE, written_functions(programs), "\n".join(calls), arrays)
    return [found[str(k)].reshape(program.outputs[0].type.concrete_shape) for k, program in enumerate(programs)]


def is_by_a_library(node: Node) -> bool:
    """Whether what is computed is written out for no sizes, since a library computes it, or a part of it."""
    match node:
        case Apply(Composite() as primitive, operands):
            try:
                return any(map(is_by_a_library, topological_order([primitive.expand(*operands)])))
            except NeverExpandableError:
                return True
            except (NotExpandableError, ShapeError):
                return False
    return False


EXAMPLES = [example for kind in REGISTRY for example in kind.examples()]


@pytest.mark.parametrize("special", [False, True], ids=["domain", "special values"])
def test_every_primitive_agrees_with_its_definition(special: bool) -> None:
    programs, values, expected, elementwise = [], [], [], []
    for number, example in enumerate(EXAMPLES):
        if isinstance(example.primitive, Abstract | AbstractMap):
            continue
        names = sorted({*names_in(example.operands), *names_in(tuple(vars(example.primitive).values()))})
        program = example_program(example, dict.fromkeys(names, 3), DType.FLOAT64)
        if any(0 in node.type.shape for node in (*program.inputs, *program.outputs)):
            continue
        if is_by_a_library(program.outputs[0]):
            with pytest.raises(EmitError, match="for JavaScript, write it in other terms"):
                written_functions([program])
            continue
        is_elementwise = isinstance(example.primitive, Elementwise)
        numbers = (EXTREME if is_elementwise else SPECIAL) if special else []
        values.append(values_for(program, example, number, numbers))
        known = {node: values[-1][node.name] for node in program.inputs}
        with np.errstate(all="ignore"):
            expected.append(evaluate_nodes(program.outputs, known)[program.outputs[0]])
        programs.append(program)
        elementwise.append(is_elementwise)
    assert len(programs) > 100
    for program, right, found, exactly in zip(
        programs, expected, evaluated(programs, values), elementwise, strict=True
    ):
        name = repr(program.outputs[0])
        right = np.asarray(right, float)
        if special and not exactly:  # sums of infinite and huge terms, in another order
            np.testing.assert_array_equal(np.isnan(found), np.isnan(right), name)
            np.testing.assert_array_equal(np.isinf(found), np.isinf(right), name)
            continue
        scale = 0.0 if exactly else 64 * np.finfo(float).eps * np.max(np.abs(right), initial=1.0)
        np.testing.assert_allclose(found, right, 4e-15, scale + 4e-323, True, name)


@pytest.mark.parametrize("name", [name for name in get_args(MathFunction) if name in accuracy.NAMES])
def test_functions_are_accurate(name: MathFunction) -> None:
    arguments = accuracy.sample(name, DType.FLOAT64, 3_000 if name in accuracy.WITHOUT_EXTENDED else 20_000, seed=5)
    module = "\n".join(helper_text("f", [JS_MATH[name]] if JS_MATH[name] in HELPERS else []))
    function = JS_MATH[name] if "." in JS_MATH[name] else f"f_{JS_MATH[name]}"
    call = ", ".join(f"given.x{k}[i]" for k in range(len(arguments)))
    statements = f"results.y = given.x0.map((_, i) => {function}({call}));"
    found = run_in_node(NODE, module, statements, {f"x{k}": x for k, x in enumerate(arguments)})["y"]
    errors = accuracy.units(found, accuracy.exact(name, *arguments))
    allowed = np.full(len(found), 3.0)
    if name == "power":  # V8 rounds the exponent y ln x once
        with np.errstate(all="ignore"):
            allowed += np.nan_to_num(np.abs(arguments[1] * np.log(arguments[0])), posinf=0.0)
    wrong = np.argmax(errors - allowed)
    assert errors[wrong] <= allowed[wrong], (name, *(float(x[wrong]) for x in arguments), float(found[wrong]))


def test_random_numbers_have_the_bits_of_the_generator() -> None:
    keys = [
        (1, 2, 2**32 - 1, 3),  # the lower words add up to 2³²
        (0, 0, 0, 0),
        (1, 2, 3, 4),
        (-1, 7, 2**31, 2**32 + 5),
        (2**53 - 1, 2**40 + 3, 1000, 12345),
        (-(2**40), 1, 0, 9),
    ]
    for dtype, bits in UNIFORM_BITS.items():
        rows = ", ".join(f"f_uniform({bits}, {', '.join(map(str, key))})" for key in keys)
        found = run_in_node(NODE, "\n".join(helper_text("f", ["uniform"])), f"results.y = [{rows}];", {})["y"]
        expected = [
            uniform_floats(seed, stream, step, np.array([place], np.uint64), dtype)[0]
            for seed, stream, step, place in keys
        ]
        assert found.tolist() == [float(x) for x in expected]


# Verification ---------------------------------------------------------------------------------------------------------


def faulty(monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    helper = HELPERS[name]
    assert old in helper.text
    monkeypatch.setitem(js_functions.HELPERS, name, replace(helper, text=helper.text.replace(old, new)))


def test_a_wrong_module_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = derive(GALLERY["two_layer_rows"].function)
    assert "export function net_forward_backward(" in derivation.source("js", "net")
    faulty(monkeypatch, "sigmoid", "1 + e", "1 - e")
    with pytest.raises(UnverifiedError, match="what the source in JavaScript gives for L is not what was derived"):
        derivation.source("js", "net")


def test_a_module_that_fails_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty(monkeypatch, "sigmoid", "Math.exp", "Math.expo")
    with pytest.raises(UnverifiedError, match=r"source in JavaScript fails: TypeError: Math\.expo is not a function"):
        derive(GALLERY["two_layer_rows"].function).source("js", "net")


def test_without_node_the_program_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "find_node", lambda: None)
    derivation = derive(GALLERY["gelu_block"].function)
    assert "_erf(" in derivation.source("js")

    def wrong(program: Program, *rest: Any) -> Program:
        made = written_out_in_parts(program, *rest)
        return replace(made, outputs=(*made.outputs[:-1], 2 * made.outputs[-1]))

    monkeypatch.setattr(loop_source, "written_out_in_parts", wrong)
    with pytest.raises(UnverifiedError, match="in JavaScript gives for the gradient by"):
        derivation.source("js")
