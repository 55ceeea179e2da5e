"""Programs as JSON: they are read as the same nodes, and other data are rejected in one sentence."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.calculus import backward
from chainrule.gallery import GALLERY
from chainrule.interchange import program_from_json, program_to_json
from chainrule.ir import Apply, ArrayType, Const, DType, Input, Program, named_dim, topological_order
from chainrule.primitives import REGISTRY, Example, add
from chainrule.schema import DescriptionError
from chainrule.trace import trace
from chainrule.words import ChainruleError

EXAMPLES = [(cls, k, example) for cls in REGISTRY for k, example in enumerate(cls.examples())]
N, M = named_dim("n"), named_dim("m")


def program_of(example: Example) -> Program:
    inputs = tuple(Input(f"x{k}", type_) for k, type_ in enumerate(example.operands))
    return Program(inputs, (Apply(example.primitive, inputs),), {inputs[0]: "x"})


def round_trip(program: Program) -> Program:
    """`program` through the text of its JSON; nodes are interned, so that the same program has the same nodes."""
    tensors: dict[str, Any] = {}
    text = json.dumps(program_to_json(program, tensors), allow_nan=False)
    return program_from_json(json.loads(text), tensors)


def assert_same(found: Program, program: Program) -> None:
    assert found.inputs == program.inputs
    assert found.outputs == program.outputs
    assert dict(found.names) == {node: name for node, name in program.names.items() if node in found.names}


def test_names_tell_primitives_apart() -> None:
    assert len({cls.__name__ for cls in REGISTRY}) == len(REGISTRY)


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: f"{case[0].__name__}-{case[1]}")
def test_every_primitive_with_all_its_fields(case: tuple[Any, int, Example]) -> None:
    program = program_of(case[2])
    assert_same(round_trip(program), program)
    bound = program.bind(dict.fromkeys(("n", "m", "k", "l"), 3), DType.FLOAT32)
    assert_same(round_trip(bound), bound)


@pytest.mark.parametrize("name", sorted(GALLERY))
def test_every_program_of_the_gallery_and_its_gradients(name: str) -> None:
    program = trace(GALLERY[name].function)
    assert_same(round_trip(program), program)
    if program.outputs[0].type.shape == () and len(program.outputs) == 1:
        floats = [node for node in program.inputs if node.type.dtype.is_float]
        gradients = backward(program, floats).gradients
        both = Program(program.inputs, (*program.outputs, *gradients), program.names)
        assert_same(round_trip(both), both)


def test_literals_of_every_kind() -> None:
    x = Input("x", ArrayType((2, N)))
    numbers = [0.0, -0.0, 0.1, np.nan, np.inf, -np.inf, 5e-324, 1.7976931348623157e308, 3]
    constants = [Const(value, x.type) for value in numbers]
    constants += [Const(2 * N + M, x.type), Const(N, x.type)]
    constants += [Const(value, ArrayType((), DType.FLOAT32)) for value in (0.1, np.nan, 1e-45)]
    constants += [Const(-(2**62), ArrayType((), DType.INT64)), Const(True, ArrayType((3,), DType.BOOL))]
    constants += [Const(np.arange(6.0).reshape(2, 3), ArrayType((2, 3)))]
    constants += [Const(np.array([True, False]), ArrayType((2,), DType.BOOL))]
    program = Program((x,), tuple(constants))
    assert_same(round_trip(program), program)
    assert [repr(node.value) for node in round_trip(program).outputs[:9] if isinstance(node, Const)][1] == "-0.0"


def test_large_arrays_are_tensors_by_name() -> None:
    """They are not interned by their content."""
    values = np.random.default_rng(0).standard_normal((100, 100))
    program = Program((), (Const(values, ArrayType((100, 100))),))
    tensors: dict[str, Any] = {}
    text = json.dumps(program_to_json(program, tensors))
    assert len(text) < 500
    ((name, tensor),) = tensors.items()
    assert name == "program.nodes[0]"
    assert tensor.tobytes() == values.tobytes()
    (node,) = program_from_json(json.loads(text), tensors).outputs
    assert isinstance(node, Const)
    assert np.array_equal(np.asarray(node.value), values)


def test_shared_nodes_are_written_once() -> None:
    """Each of thirty doublings shares its operand: without that, a billion nodes."""
    node: Any = Input("x", ArrayType((N,)))
    first = node
    for _ in range(30):
        node = add(node, node)
    program = Program((first,), (node,))
    assert len(program_to_json(program, {})["nodes"]) == 31
    assert_same(round_trip(program), program)


def test_sizes_of_every_kind() -> None:
    dims = [0, 7, N, 2 * N, N * N, N * M + 3, N - 1, 5 - M, 2 * N * M + M]
    inputs = tuple(Input(f"x{k}", ArrayType((dim, 2))) for k, dim in enumerate(dims))
    program = Program(inputs, inputs)
    assert_same(round_trip(program), program)


def test_names_of_intermediates_are_kept() -> None:
    def loss(X: Any, w: Any) -> Any:
        z = X @ w
        return np.sum(z**2)

    program = trace(loss, X="n d", w="d")
    assert set(round_trip(program).names.values()) == set(program.names.values())
    assert "z" in round_trip(program).names.values()


def test_an_input_that_nothing_uses_is_kept() -> None:
    x, y = Input("x", ArrayType(())), Input("y", ArrayType((N,)))
    program = Program((x, y), (x,))
    assert_same(round_trip(program), program)


SIMPLE = program_to_json(trace("sum((X @ w - y)^2)", X=(N, 3), w=(3,), y=(N,)), {})
Change = Callable[[dict[str, Any]], object]


def put(*path: Any, value: Any) -> Change:
    def change(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        data[path[-1]] = value

    return change


def drop(*path: Any) -> Change:
    def change(data: Any) -> None:
        for step in path[:-1]:
            data = data[step]
        del data[path[-1]]

    return change


def node(value: Any) -> Change:
    """Put one more node behind the others."""
    return lambda data: data["nodes"].append(value)


def apply(name: str, to: Any, **fields: Any) -> Change:
    return node({"apply": name, "to": to, "fields": fields})


def constant(value: Any, shape: Any = (), dtype: Any = "float64") -> Change:
    return node({"constant": value, "dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape})


def nested(depth: int) -> Change:
    def change(data: Any) -> None:
        for _ in range(depth):
            data["nodes"].append({"apply": "Negate", "to": [len(data["nodes"]) - 1], "fields": {}})

    return change


def doubled(rounds: int) -> Change:
    """An axis that doubles again and again."""

    def change(data: Any) -> None:
        for _ in range(rounds):
            last = len(data["nodes"]) - 1 if len(data["nodes"]) > LAST else 1
            data["nodes"].append({"apply": "Concatenate", "to": [last, last], "fields": {"axis": 0}})

    return change


LAST = len(SIMPLE["nodes"])
HUGE = 10**30

MALFORMED: dict[str, tuple[Change, str]] = {
    "no nodes": (drop("nodes"), "program lacks 'nodes'"),
    "no inputs": (drop("inputs"), "program lacks 'inputs'"),
    "no outputs": (drop("outputs"), "program lacks 'outputs'"),
    "no names": (drop("names"), "program lacks 'names'"),
    "another entry": (put("extra", value=1), "program has the unknown entry 'extra'"),
    "nodes are an object": (put("nodes", value={}), "program.nodes is an object; it should be a list"),
    "nodes are null": (put("nodes", value=None), "program.nodes is None; it should be a list"),
    "a node is a number": (put("nodes", 0, value=3), r"program.nodes\[0\] is 3; it should be an object"),
    "a node of no kind": (node({}), "lacks 'constant'"),
    "a node of two kinds": (node({"apply": "Negate", "input": "x"}), "lacks 'to'"),
    "a forward reference": (apply("Negate", [LAST]), f"names node {LAST}, but there are {LAST} nodes before it"),
    "a far forward reference": (apply("Negate", [LAST + 1]), "names node"),
    "a cycle": (put("nodes", LAST - 1, "to", value=[LAST - 1]), "names node"),
    "a negative reference": (apply("Negate", [-1]), "names node -1"),
    "a huge reference": (apply("Negate", [HUGE]), "should be a whole number"),
    "a reference that is text": (apply("Negate", ["0"]), "is '0'; it should be a whole number"),
    "a reference that is a fraction": (apply("Negate", [0.0]), "is 0.0; it should be a whole number"),
    "a reference that is true": (apply("Negate", [True]), "is True; it should be a whole number"),
    "operands are a number": (apply("Negate", 0), "to is 0; it should be a list"),
    "an unknown primitive": (apply("Explode", [0]), "applies 'Explode', a primitive that this version does not have"),
    "an abstract primitive": (apply("Elementwise", [0]), "a primitive that this version does not have"),
    "a primitive of the standard library": (apply("os.system", [0]), "a primitive that this version does not have"),
    "a primitive that is a number": (apply(3, [0]), "apply is 3; it should be text"),  # type: ignore[arg-type]
    "too few operands": (apply("Add", [0]), "Add does not fit its operands"),
    "too many operands": (apply("Sum", [0, 0], axes=[0]), "Sum does not fit its operands"),
    "no operands": (apply("Reshape", [], shape=[1]), "Reshape does not fit its operands"),
    "operands that do not fit": (apply("Add", [0, 1]), "Add does not fit its operands: "),
    "an integer where floats belong": (apply("Exp", [LAST]), "names node"),
    "a field missing": (apply("Sum", [0]), "fields lacks 'axes'"),
    "a field too many": (apply("Sum", [0], axes=[0], keepdims=True), "has the unknown entry 'keepdims'"),
    "fields are a list": (node({"apply": "Negate", "to": [0], "fields": []}), "is a list; it should be an object"),
    "axes are a number": (apply("Sum", [0], axes=0), "axes is 0; it should be a list"),
    "axes are text": (apply("Sum", [0], axes=["0"]), "should be a whole number"),
    "an axis twice": (apply("Sum", [0], axes=[0, 0]), "sum over axes"),
    "an axis that is not there": (apply("Sum", [0], axes=[2]), "sum over axes"),
    "a negative axis": (apply("Sum", [0], axes=[-1]), "sum over axes"),
    "an unknown comparison": (apply("Compare", [0, 0], comparison="≈"), "it should be one of"),
    "a comparison that is a list": (apply("Compare", [0, 0], comparison=[]), "it should be one of"),
    "an unknown dtype": (apply("Cast", [0], dtype="float16"), "it should be one of float64"),
    "a dtype that is a number": (apply("Cast", [0], dtype=64), "it should be one of float64"),
    "a slope that is text": (apply("LeakyRelu", [0], slope="steep"), "slope is 'steep'; it should be a number"),
    "a slope of very many digits": (apply("LeakyRelu", [0], slope=10**400), "it should be a number of moderate size"),
    "a permutation of nothing": (apply("Permute", [0], order=[0, 0]), "do not permute"),
    "a slice beyond the end": (apply("Slice", [1], starts=[1], sizes=[3], strides=[1]), "Slice does not fit"),
    "a slice before the beginning": (apply("Slice", [1], starts=[-1], sizes=[2], strides=[1]), "Slice does not fit"),
    "a slice with the step 0": (apply("Slice", [1], starts=[0], sizes=[2], strides=[0]), "Slice does not fit"),
    "a broadcast to a negative size": (apply("Broadcast", [1], shape=[-5, 3], axes=[1]), "negative size -5"),
    "a broadcast to another axis": (apply("Broadcast", [1], shape=[5, 3], axes=[-1]), "does not broadcast"),
    "a broadcast to a huge size": (apply("Broadcast", [1], shape=[2**40, 3], axes=[1]), "more than 2,147,483,648"),
    "a broadcast of huge sizes": (
        apply("Broadcast", [1], shape=[2**20, 2**20, 3], axes=[2]),
        "more than 2,147,483,648 elements",
    ),
    "padding without end": (apply("Pad", [1], low=[2**60], high=[0], interior=[0]), "more than 2,147,483,648"),
    "padding within without end": (apply("Pad", [1], low=[0], high=[0], interior=[2**60]), "more than 2,147,483,648"),
    "one-hot rows without end": (constant(1, (4,), "int64"), "nothing"),
    "too many axes": (apply("Broadcast", [1], shape=[1] * 40 + [3], axes=[40]), "41 axes"),
    "an input twice": (lambda data: data["inputs"].append(data["inputs"][0]), "is declared twice"),
    "an input left out": (lambda data: data["inputs"].pop(), "is not an input of the program"),
    "an input that is none": (lambda data: data["inputs"].append(LAST - 1), "names a node that is not an input"),
    "inputs of one name": (
        lambda data: (
            data["nodes"].append({"input": "w", "dtype": "float64", "shape": []}),
            data["inputs"].append(LAST),
        ),
        "the input name 'w' is declared twice",
    ),
    "an input without a name": (put("nodes", 0, "input", value=""), "''; it should be a name of 1 to 200 letters"),
    "an input with a long name": (put("nodes", 0, "input", value="x" * 1000), "should be a name of 1 to 200 letters"),
    "an input whose name is a number": (put("nodes", 0, "input", value=1), "input is 1; it should be text"),
    "an input without a dtype": (drop("nodes", 0, "dtype"), "lacks 'dtype'"),
    "an input of complex numbers": (put("nodes", 0, "dtype", value="complex128"), "it should be one of float64"),
    "a shape that is text": (put("nodes", 0, "shape", value="n d"), "shape is 'n d'; it should be a list"),
    "a size that is no name": (put("nodes", 0, "shape", value=["n d", 3]), "it should be a name"),
    "a size with a long name": (put("nodes", 0, "shape", value=["n" * 1000, 3]), "it should be a name"),
    "a size that is a fraction": (put("nodes", 0, "shape", value=[2.5, 3]), "should be a whole number"),
    "a size that is negative": (put("nodes", 0, "shape", value=[-2, 3]), "negative size -2"),
    "a size that is huge": (put("nodes", 0, "shape", value=[2**61, 3]), "more than 2,147,483,648 elements"),
    "a size beyond all bounds": (put("nodes", 0, "shape", value=[HUGE, 3]), "should be a whole number"),
    "a size of too many terms": (
        put("nodes", 0, "shape", value=[[[k + 1, "n", *["m"] * (k % 7)] for k in range(20)], 3]),
        "20 terms",
    ),
    "sizes of too many terms": (
        put("nodes", 0, "shape", value=[[[1, "a"], [1, "b"], [1, "c"], [1, "d"], [1, "e"]]] * 16),
        "a value has at most 64",
    ),
    "a size of a high degree": (put("nodes", 0, "shape", value=[[[1, *["n"] * 50]], 3]), "up to eight names"),
    "a size whose term is empty": (put("nodes", 0, "shape", value=[[[]], 3]), "up to eight names"),
    "a size whose term is a number": (put("nodes", 0, "shape", value=[[3], 3]), "up to eight names"),
    "a constant that is text": (constant("much"), "constant is 'much'; it should be a number"),
    "a constant that is a list": (constant([1.0]), "it should be a number"),
    "a constant that is null": (constant(None), "it should be a number"),
    "a whole constant that is a fraction": (constant(0.5, (), "int64"), "it should be a whole number"),
    "a whole constant out of range": (constant(HUGE, (), "int64"), "it should be a whole number"),
    "a truth value that is a number": (constant(1, (), "bool"), "it should be true or false"),
    "a constant that no tensor has": (constant({"tensor": "gone"}, (3,)), "names the tensor 'gone'"),
    "a constant of a wrong tensor": (constant({"tensor": "t"}, (4,)), "is a tensor of shape"),
    "a constant of a tensor of another kind": (constant({"tensor": "t"}, (3,), "float32"), "is a tensor of shape"),
    "a constant of two tensors": (constant({"tensor": "t", "other": 1}, (3,)), "the name of a tensor"),
    "a constant of an unnamed tensor": (constant({"tensor": 5}, (3,)), "the name of a tensor"),
    "a size as a constant with more": (constant({"size": "n", "x": 1}), "has the unknown entry 'x'"),
    "a huge constant": (constant(1.0, (2**40,)), "more than 2,147,483,648 elements"),
    "an output that is not there": (put("outputs", value=[LAST]), "names node"),
    "an output that is text": (put("outputs", value=["loss"]), "should be a whole number"),
    "outputs are a number": (put("outputs", value=1), "outputs is 1; it should be a list"),
    "a name for no node": (put("names", value=[[LAST, "z"]]), "names node"),
    "a name without a node": (put("names", value=["z"]), "it should hold lists of a node and its name"),
    "a name that is a number": (put("names", value=[[0, 1]]), "names is 1; it should be text"),
    "too many nodes": (nested(10_001), "a program has at most 10,000"),
    "too deep": (nested(5_000), "is nested more than 4,000 deep"),
    "doubling without end": (doubled(40), "more than 2,147,483,648 elements"),
    "a product without end": (
        lambda data: (
            data["nodes"].append({"constant": 1.0, "dtype": "float64", "shape": [2**15, 2**15]}),
            data["nodes"].append(
                {"apply": "Contract", "to": [LAST, LAST], "fields": {"inputs": [[0, 1], [2, 3]], "output": []}}
            ),
        ),
        "a product of more than",
    ),
    "places that are computed": (
        lambda data: (
            data["nodes"].append({"apply": "Cast", "to": [1], "fields": {"dtype": "int64"}}),
            data["nodes"].append({"apply": "Gather", "to": [1, LAST], "fields": {"axis": 0}}),
        ),
        "indexes with computed values",
    ),
    "places out of range": (
        lambda data: (
            data["nodes"].append({"constant": 3, "dtype": "int64", "shape": []}),
            data["nodes"].append({"apply": "Gather", "to": [1, LAST], "fields": {"axis": 0}}),
        ),
        "has an index outside of an axis of size 3",
    ),
    "contraction of one label": (
        apply("Contract", [0], inputs=[[0, 0]], output=[]), "Contract does not fit its operands",
    ),
    "contraction to labels of nowhere": (apply("Contract", [0], inputs=[[0, 1]], output=[2]), "Contract does not fit"),
    "contraction labels of text": (apply("Contract", [0], inputs=["ij"], output=[]), "should be a list"),
    "random numbers without end": (
        lambda data: (
            data["nodes"].append({"constant": 3, "dtype": "int64", "shape": []}),
            data["nodes"].append(
                {
                    "apply": "RandomUniform",
                    "to": [LAST, LAST],
                    "fields": {"shape": [2**40], "stream": 0, "dtype": "float64"},
                }
            ),
        ),
        "more than 2,147,483,648 elements",
    ),
}  # fmt: skip
del MALFORMED["one-hot rows without end"]
TENSORS = {"t": np.zeros(3)}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_program_is_refused_in_one_sentence(name: str) -> None:
    change, said = MALFORMED[name]
    data = copy.deepcopy(SIMPLE)
    change(data)
    tracemalloc.start()
    try:
        with pytest.raises(DescriptionError, match=said) as caught:
            program_from_json(data, TENSORS)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith("program")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("data", [None, 3, "x", [], [SIMPLE], True, 1.5, {}])
def test_other_json_is_no_program(data: Any) -> None:
    with pytest.raises(DescriptionError, match="program"):
        program_from_json(data)


def mutated(data: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """The JSON with something in it replaced, doubled or taken away."""
    data = copy.deepcopy(data)
    place = data
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or draw(st.integers(0, 4)) == 0:
            break
        place = inner
    whole = st.integers(-3, 12) | st.sampled_from([2**31, 2**62, -(2**63), HUGE])
    scalars = (
        st.none() | st.booleans() | whole | st.floats() | st.sampled_from(["n", "nan", "int64", "bool", "Exp", ""])
    )
    what = draw(st.sampled_from(["replace", "replace", "delete", "double", "name"]))
    if what == "delete":
        del place[key]
    elif what == "double" and isinstance(place, list):
        place.insert(key, copy.deepcopy(place[key]))
    elif what == "name" and "apply" in data["nodes"][-1]:
        data["nodes"][-1]["apply"] = draw(st.sampled_from([cls.__name__ for cls in REGISTRY]))
    else:
        place[key] = draw(scalars | st.lists(scalars, max_size=3))
    return data


@given(st.data())
def test_mutations_are_programs_or_are_refused(draws: st.DataObject) -> None:
    case = draws.draw(st.sampled_from(EXAMPLES))
    data = program_to_json(program_of(case[2]), {})
    for _ in range(draws.draw(st.integers(1, 3))):
        data = mutated(data, draws.draw)
        if not all(isinstance(data.get(key), list) and data[key] for key in ("nodes", "inputs", "outputs")):
            break
        if not isinstance(data["nodes"][-1], dict):
            break
    with contextlib.suppress(DescriptionError):
        program = program_from_json(data)
        assert_same(round_trip(program), program)


def test_axes_that_repeat_or_are_not_there_have_no_type() -> None:
    """Constructing a primitive checks nothing, so that the type that it gives must."""
    for _, _, example in EXAMPLES:
        operands = tuple(Input(f"x{k}", type_.bind({"n": 2, "m": 3})) for k, type_ in enumerate(example.operands))
        primitive = example.primitive.bind({"n": 2, "m": 3}, None)
        for name in {spec.name for spec in dataclasses.fields(primitive)} & {"axes", "order"}:
            axes = getattr(primitive, name)
            if not isinstance(axes, tuple):  # as the order of a derivative
                continue
            for wrong in [axes + (axes[:1] or (9,)), (*axes, 9), (-1, *axes[1:])]:
                with pytest.raises((ChainruleError, ValueError, IndexError)):
                    Apply(dataclasses.replace(primitive, **{name: wrong}), operands)


def test_a_long_program_is_read_quickly() -> None:
    x = Input("x", ArrayType((N,)))
    node: Any = x
    for k in range(1_500):
        node = add(node, Const(float(k), x.type))
    program = Program((x,), (node,))
    assert len(topological_order(program.outputs)) == 3_001
    assert_same(round_trip(program), program)
