from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule import functions as cr
from chainrule.ir import ArrayType, Const, DType, DTypeError, Input, ShapeError, named_dim
from chainrule.primitives import evaluate_nodes
from chainrule.trace import Traced, TraceError, parse_type, trace, trace_with_structure


def loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    z1 = X @ W1 + b1
    a1 = cr.sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = cr.sigmoid(z2)
    return 0.5 * np.sum((a2 - y) ** 2)


NETWORK = {"X": "n d", "y": "n o", "W1": "d h", "b1": "h", "W2": "h o", "b2": "o"}


def test_the_two_layer_network() -> None:
    program = trace(loss, **NETWORK)
    assert [(node.name, str(node.type)) for node in program.inputs] == [
        ("X", "float64[n, d]"),
        ("y", "float64[n, o]"),
        ("W1", "float64[d, h]"),
        ("b1", "float64[h]"),
        ("W2", "float64[h, o]"),
        ("b2", "float64[o]"),
    ]
    assert list(program.names.values()) == ["z1", "a1", "z2", "a2", "L"]
    bound = program.bind({"n": 4, "d": 2, "h": 3, "o": 1})
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=node.type.concrete_shape) for node in bound.inputs]
    (value,) = (evaluate_nodes(bound.outputs, dict(zip(bound.inputs, arrays, strict=True)))[o] for o in bound.outputs)
    np.testing.assert_allclose(value, loss(*arrays), rtol=1e-14)


def test_shapes_as_text_tuples_arrays_types_and_numbers() -> None:
    program = trace(
        lambda a, b, c, d, e, f: (a, b, c, d, e, f),
        "n 2:float32",
        ("n", 3),
        np.ones((2, 1), np.float32),
        ArrayType((named_dim("n"),)),
        e=0.5,
        f=np.arange(3),
    )
    assert [str(node.type) for node in program.inputs] == [
        "float32[n, 2]",
        "float64[n, 3]",
        "float32[2, 1]",
        "float64[n]",
        "float64[]",
        "int64[3]",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "float64[]"),
        (":int", "int64[]"),
        ("n, d", "float64[n, d]"),
        ("(n, 4)", "float64[n, 4]"),
        ("n:int", "int64[n]"),
        ("n d : float32", "float32[n, d]"),
        ("n:bool", "bool[n]"),
    ],
)
def test_the_text_of_a_type(text: str, shown: str) -> None:
    assert str(parse_type(text)) == shown


def _from_source(tmp_path: Path, source: str, name: str) -> Callable[..., Any]:
    path = tmp_path / "annotated.py"
    path.write_text(source, encoding="utf-8")
    namespace: dict[str, Any] = {}
    exec(compile(source, str(path), "exec", dont_inherit=True), namespace)
    found: Callable[..., Any] = namespace[name]
    return found


@pytest.mark.parametrize("header", ["", "from __future__ import annotations\n"])
def test_shapes_as_annotations(tmp_path: Path, header: str) -> None:
    source = header + 'def f(X: "n d", W: "d h", y: "n:int", rate: float = 0.5) -> "n h":\n    return X @ W * rate\n'
    program = trace(_from_source(tmp_path, source, "f"))
    assert [str(node.type) for node in program.inputs] == ["float64[n, d]", "float64[d, h]", "int64[n]"]
    program = trace(_from_source(tmp_path, source, "f"), W="d 7")
    assert str(program.outputs[0].type) == "float64[n, 7]"


@pytest.mark.parametrize("header", ["", "from __future__ import annotations\n"])
def test_shapes_as_annotated_types(tmp_path: Path, header: str) -> None:
    source = (
        header + "import typing\ndef f(X: typing.Annotated[list, 'n d'], k: typing.Annotated[int, '']): return X * k\n"
    )
    program = trace(_from_source(tmp_path, source, "f"))
    assert [str(node.type) for node in program.inputs] == ["float64[n, d]", "float64[]"]


@pytest.mark.parametrize("header", ["", "from __future__ import annotations\n"])
def test_annotations_that_are_types_state_no_shape(tmp_path: Path, header: str) -> None:
    source = header + "import numpy as np\nclass A: pass\ndef f(x: np.ndarray, a: 'A', k: 'float'):\n    return x * k\n"
    for name in ("a", "k"):
        given = {"x": "n", "a": "n", "k": "n"}
        del given[name]
        with pytest.raises(TraceError, match=f"shape of '{name}'"):
            trace(_from_source(tmp_path, source, "f"), **given)


@pytest.mark.parametrize("header", ["", "from __future__ import annotations\n"])
def test_an_annotation_with_sizes_and_no_dtype_after_the_colon_is_named(tmp_path: Path, header: str) -> None:
    source = header + 'def f(x: "n", y: "n:int<27"):\n    return x * y\n'
    with pytest.raises(TraceError, match="'n:int<27' names no dtype after the colon"):
        trace(_from_source(tmp_path, source, "f"))


def test_default_values_stay_plain_values() -> None:
    def function(x: Any, rate: float = 0.5, mask: Any = None, power: int = 2) -> Any:
        assert mask is None
        seen.append(repr(rate))
        return rate * x**power

    seen: list[str] = []
    assert [node.name for node in trace(function, x="n").inputs] == ["x"]
    assert [node.name for node in trace(function, x="n", rate="").inputs] == ["x", "rate"]
    assert seen == ["0.5", "Traced(float64[])"]


def test_none_bools_and_functions_are_passed_on() -> None:
    def function(x: Any, activation: Any, centered: bool, mask: Any) -> Any:
        assert mask is None
        return activation(x - 1 if centered else x)

    assert [node.name for node in trace(function, "n", np.tanh, True, None).inputs] == ["x"]


def test_pytrees_name_leaves_by_key_or_by_path() -> None:
    def function(params: Any, X: Any) -> Any:
        for layer in params["layers"]:
            X = np.tanh(X @ layer["W"] + layer["b"])
        return {"out": X, "norms": [np.sum(params["scale"] ** 2), None]}

    tracing = trace_with_structure(
        function, {"layers": [{"W": "d h", "b": "h"}, {"W": "h o", "b": "o"}], "scale": ""}, X="n d"
    )
    names = [node.name for node in tracing.program.inputs]
    assert names == ["layers_0_W", "layers_0_b", "layers_1_W", "layers_1_b", "scale", "X"]
    assert tracing.arguments["params"]["layers"][1]["b"] is tracing.program.input("layers_1_b")
    assert tracing.result["out"] is tracing.program.outputs[0]
    assert tracing.result["norms"] == [tracing.program.outputs[1], None]


def test_a_key_that_is_also_a_parameter_is_named_by_its_path() -> None:
    names = [node.name for node in trace(lambda p, W: p["W"] + p["b"] + W, {"W": "n", "b": "n"}, "n").inputs]
    assert names == ["p_W", "b", "W"]


def test_variable_arguments() -> None:
    assert [node.name for node in trace(lambda *xs: sum(xs), "n", "n").inputs] == ["xs_0", "xs_1"]
    assert [node.name for node in trace(lambda **named: named["a"] * named["b"], a="n", b="n").inputs] == ["a", "b"]


def test_partials_and_callable_instances() -> None:
    class Model:
        def __init__(self) -> None:
            self.W = np.ones((3, 2))

        def __call__(self, X: Any) -> Any:
            return X @ self.W

    assert [node.name for node in trace(Model(), X="n 3").inputs] == ["X", "W"]
    program = trace(functools.partial(loss, b2=0.0), **{k: v for k, v in NETWORK.items() if k != "b2"})
    assert [node.name for node in program.inputs] == ["X", "y", "W1", "b1", "W2"]


def test_constants_may_be_returned() -> None:
    program = trace(lambda x: (x, 2.0, np.ones(3), x.shape[0]), x="n")
    assert [type(output) for output in program.outputs] == [Input, Const, Const, Const]
    assert program.names == {}


def test_random_numbers_are_drawn_once() -> None:
    program = trace(lambda x: x * np.random.default_rng(3).normal(size=3), x="3")
    values = evaluate_nodes(program.outputs, {program.inputs[0]: np.ones(3)})
    np.testing.assert_array_equal(values[program.outputs[0]], np.random.default_rng(3).normal(size=3))


def test_two_thousand_layers() -> None:
    def deep(x: Any) -> Any:
        for _ in range(2000):
            x = np.tanh(x) + 1
        return np.sum(x)

    program = trace(deep, x="n")
    assert len(program.nodes) > 4000
    assert list(program.names.values())[1999] == "x2000"


def test_a_trace_inside_a_trace_keeps_inputs_of_the_same_name_apart() -> None:
    inner: list[Any] = []

    def outer(x: Any, w: Any) -> Any:
        y = x * w
        inner.append(trace_with_structure(lambda x: np.sum(x * y), x))
        assert isinstance(y, Traced)
        return y

    program = trace(outer, x="n", w="n")
    (tracing,) = inner
    own, *captured = tracing.program.inputs
    assert own is tracing.arguments["x"]
    assert own.name != "x"
    assert tuple(captured) == tracing.captured == program.inputs


@pytest.mark.parametrize(
    ("args", "shapes", "error", "message"),
    [
        ((), {"x": "n"}, TraceError, "the shape of 'W', a parameter of .*, is missing; .* W=\"n d\""),
        ((), {"x": "n", "w": "n"}, TraceError, "no parameter named 'w'; did you mean 'W'"),
        (("n", "n", "", ""), {}, TraceError, "too many positional"),
        (("n", "d-1"), {}, ShapeError, "the shape of W, given to .*'d-1' is not a name"),
        (("n", {"k": "n:text"}), {}, ShapeError, r"the shape of W\['k'\].* no dtype"),
        (("n", object()), {}, ShapeError, "states no shape"),
        (("n", np.ones(2, complex)), {}, DTypeError, "complex128"),
    ],
)
def test_mistakes_in_the_shapes(args: Any, shapes: Any, error: Any, message: str) -> None:
    def function(x: Any, W: Any, rate: float = 0.1) -> Any:
        return x * W * rate

    with pytest.raises(error, match=message):
        trace(function, *args, **shapes)


def test_what_is_not_a_function_is_refused() -> None:
    with pytest.raises(TraceError, match="without calling it"):
        trace(3)  # type: ignore[arg-type]  # the mistake itself
    with pytest.raises(TraceError, match=r"wrap it, as in lambda x"):
        trace(max)


def test_literal_arrays_of_one_number_are_filled_literals() -> None:
    (constant,) = (node for node in trace(lambda x: x * np.ones((2, 3)), x=(2, 3)).nodes if isinstance(node, Const))
    assert constant.is_filled
    assert constant.type == ArrayType((2, 3), DType.FLOAT64)


def test_positional_only_parameters_are_given_by_name() -> None:
    def f(x: Any, /, y: Any) -> Any:
        return x - y

    program = trace(f, x="n", y="n")
    assert [node.name for node in program.inputs] == ["x", "y"]


@pytest.mark.parametrize("header", ["", "from __future__ import annotations\n"])
def test_a_list_of_arrays_may_be_annotated(tmp_path: Path, header: str) -> None:
    source = header + 'def sums(X: "n d", Ws: "[d h; h o]"):\n    return ((X @ Ws[0]) @ Ws[1]).sum()\n'
    scope: dict[str, Any] = {}
    exec(compile(source, str(tmp_path / "listed.py"), "exec"), scope)
    assert [node.name for node in trace(scope["sums"]).inputs] == ["X", "Ws_0", "Ws_1"]
