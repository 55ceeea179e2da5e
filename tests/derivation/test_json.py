"""JSON: every claim is present, and its nodes suffice to reconstruct and evaluate the expressions."""

from __future__ import annotations

import json
import math
import re
import typing
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived

import chainrule as cr
from chainrule.derivation.claims import Expression
from chainrule.deriving.recurrent import RecurrentDerivation
from chainrule.gallery import GALLERY
from chainrule.interchange import NodeTable, program_from_json, type_as_json
from chainrule.ir import ArrayType, Input, Node, named_dim, topological_order
from chainrule.primitives import evaluate_nodes
from chainrule.words import LANGUAGES


def rebuilt(record: Mapping[str, Any]) -> tuple[Node, ...]:
    """Return the expressions for the numbers of nodes."""
    nodes = record["nodes"]
    arrays = {
        name: np.array(values, nodes[int(name.partition("[")[2].rstrip("]"))]["dtype"])
        for name, values in record["arrays"].items()
    }
    inputs = [place for place, node in enumerate(nodes) if "input" in node]
    given = {"nodes": nodes, "inputs": inputs, "outputs": list(range(len(nodes))), "names": []}
    found = program_from_json(given, arrays).outputs
    assert record["types"] == [type_as_json(node.type) for node in found]
    return found


@pytest.mark.parametrize("name", GALLERY)
def test_nodes_are_the_expressions(name: str) -> None:
    derivation = derived(name)
    record = json.loads(derivation.json())
    claims, nodes = list(derivation.in_steps.claims), rebuilt(record)
    assert [claim["number"] for claim in record["claims"]] == list(range(1, len(claims) + 1))
    for claim, written in zip(claims, record["claims"], strict=True):
        assert written["kind"] == claim.kind
        assert nodes[written["right"]] is claim.right
        if isinstance(claim.left, Expression):
            assert nodes[written["left"]["expression"]] is claim.left.node


def test_a_gradient_is_evaluated_from_json_alone() -> None:
    def loss(X: Any, y: Any, w: Any) -> Any:
        r = X @ w - y
        return 0.5 * np.sum(r**2)

    record = json.loads(cr.derive(loss, X=(3, 2), y=(3,), w=(2,)).json())
    (gradient,) = [claim for claim in record["claims"] if claim["kind"] == "gradient"]
    assert gradient["left"] == {"quantity": "gradient", "of": record["loss"], "by": "w"}
    values = {"X": np.array([[1.0, 2], [3, 4], [5, 6]]), "y": np.ones(3), "w": np.array([0.5, -1])}
    known: dict[str, Any] = {**values, "r": values["X"] @ values["w"] - values["y"]}
    node = rebuilt(record)[gradient["right"]]
    inputs = {part: known[part.name] for part in topological_order([node]) if isinstance(part, Input)}
    found = evaluate_nodes([node], inputs)[node]
    np.testing.assert_allclose(found, values["X"].T @ known["r"], rtol=1e-12)


def test_what_is_shared_is_written_once() -> None:
    def doubled(x: Any) -> Any:
        for k in range(40):  # no recurrence: no two parts of this sequence are followed by their like
            x = x * x + x if k.bit_count() % 2 else x * x
        return np.sum(x)

    record = json.loads(cr.derive(doubled, x="n").json())
    assert len(record["nodes"]) == len({json.dumps(node) for node in record["nodes"]})
    assert 40 < len(record["nodes"]) < 1_000


def test_a_deep_expression_is_a_flat_list() -> None:
    x = Input("x", ArrayType((named_dim("n"),)))
    node: Node = x
    for _ in range(1500):
        node = -(node * x)
    table = NodeTable({})
    number = table.number(node)
    written = json.loads(json.dumps({"nodes": table.entries, "arrays": {}}))
    assert rebuilt({**written, "types": [type_as_json(each.type) for each in table.known]})[number] is node


def test_constants_that_are_arrays_are_there() -> None:
    weights = np.array([[0.5, -math.inf], [math.nan, 2.0]])
    record = json.loads(cr.derive(lambda x: np.sum(x * weights), x=(2, 2)).json())
    (name,) = record["arrays"]
    assert record["arrays"][name] == [[0.5, "-inf"], ["nan", 2.0]]
    assert {"tensor": name} in [node.get("constant") for node in record["nodes"]]
    assert rebuilt(record)


def test_many_steps_of_a_recurrent_network() -> None:
    def loss(x: Any, w: Any, h: Any) -> Any:
        for _ in range(60):
            h = np.tanh(x @ w + h @ w)
        return np.sum(h)

    derivation = cr.derive(loss, "w", x="n d", w="d d", h="n d")
    assert isinstance(derivation, RecurrentDerivation)
    parts = json.loads(derivation.json())["parts"]
    number = 0
    for record, part in zip(derivation.recurrent.every_record, parts, strict=True):
        nodes = rebuilt(part)
        for claim, written in zip(record.claims, part["claims"], strict=True):
            number += 1
            assert written["number"] == number
            assert nodes[written["right"]] is claim.right
            assert written["text"]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_object_tells_everything_that_is_printed(lang: Any) -> None:
    derivation = cr.derive(GALLERY["two_layer_rows"].function)
    verification = derivation.verify()
    record = json.loads(derivation.json("matrix", lang, verification=verification))
    assert record["schema"] == "chainrule derivation 2"
    assert (record["language"], record["form"], record["loss"]) == (lang, "matrix", "L")
    assert record["wrt"] == ["W1", "b1", "W2", "b2"]
    assert record["inputs"][0] == {"name": "X", "shape": ["n", "d"], "dtype": "float64"}
    assert record["verification"]["verified"] is True
    assert record["verification"]["text"] == verification.text(lang)
    reasons = [claim["reason"] for claim in record["claims"]]
    assert all(reasons)
    assert any("一" <= letter <= "鿿" for letter in reasons[0]) == (lang == "zh")
    names = {symbol["name"]: symbol for symbol in record["symbols"]}
    assert names["∂ z2"]["text"] == "δ2"
    assert (names["∂ z2"]["of"], names["∂ z2"]["by"]) == ("L", "z2")
    assert names["d W1"]["quantity"] == "change"
    equations = [block for block in record["document"] if block["block"] == "equation"]
    assert "a1ᵀ δ2" in [side["text"] for block in equations for side in block["sides"]]
    assert len([block for block in equations if block.get("result")]) == 4
    inputs = {node["name"] for node in record["inputs"]} | set(names)
    assert set(re.findall(r'"input": "([^"]*)"', json.dumps(record, ensure_ascii=False))) <= inputs


def test_json_has_no_verification_unless_given() -> None:
    assert json.loads(cr.derive(GALLERY["huber"].function).json())["verification"] is None
    assert typing.get_type_hints(cr.Derivation.json)["return"] is str
