"""Declared properties: what is parsed, and what is refused because it cannot hold."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as cr
from chainrule.interchange import program_from_json, program_to_json
from chainrule.ir import Declaration, Property, parse_declarations


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("S symmetric", "S symmetric"),
        ("S is symmetric.", "S symmetric"),
        ("S: sym", "S symmetric"),
        ("S' = S; Q = Qᵀ", "S symmetric, Q symmetric"),
        ("S, Q and R sym", "S symmetric, Q symmetric, R symmetric"),
        ("S symmetric, W orthogonal", "S symmetric, W orthogonal"),
        ("W is an orthogonal matrix; D diag", "W orthogonal, D diagonal"),
        ("W'W = I", "W orthogonal"),
        ("W^T W = I", "W orthogonal"),
        ("K skew", "K skew-symmetric"),
        ("S ≻ 0; Q ⪰ 0", "S positive definite, Q positive semidefinite"),
        ("S spd\nQ psd", "S positive definite, Q positive semidefinite"),
        ("n > 0; m >= 0; k ≥ 0", "n positive, m nonnegative, k nonnegative"),
        ("n, m > 0, S sym, k>0", "n positive, m positive, S symmetric, k positive"),
        ("p on the simplex; q ∈ simplex", "p on the simplex, q on the simplex"),
        ("x is a unit vector", "x of unit length"),
        ("S 对称；W 是正交矩阵；p 在单纯形上；n 为正", "S symmetric, W orthogonal, p on the simplex, n positive"),
        ("n > 0; n > 0", "n positive"),
    ],
)
def test_what_is_declared(text: str, found: str) -> None:
    assert ", ".join(map(str, parse_declarations(text))) == found


@pytest.mark.parametrize("kind", Property)
def test_every_property_is_parsed_by_its_name(kind: Property) -> None:
    assert parse_declarations(f"S {kind.value}") == (Declaration("S", kind),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("S symetric", "no property (did you mean symmetric?); it can be symmetric, skew-symmetric, diagonal"),
        ("S nice", "assume says 'S nice', which is no property; it can be symmetric"),
        ("S", "assume names S without a property; it can be symmetric"),
        ("S symmetric and x", "assume names x without a property"),
        ("", "assume declares nothing"),
        ("?", "write a name and a property"),
    ],
)
def test_what_declares_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(cr.DeclarationError) as caught:
        parse_declarations(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("assume", "shapes", "words"),
    [
        ("S symmetric", {"S": "n m"}, "S is declared symmetric, but its shape is (n, m); a matrix like this is square"),
        ("S orthogonal", {"S": "n m"}, 'as in S="m m"'),
        ("S symmetric", {"S": "n"}, 'which only a matrix can be, but its shape is (n,); state one, as in S="n n"'),
        ("S simplex", {"S": ""}, 'which only a vector can be, but its shape is (); state one, as in S="n"'),
        ("Sigm symmetric", {"S": "n n"}, "assume names 'Sigm', which is not an input of the function"),
        ("S positive", {"S": "n:int"}, "S is declared positive, but it holds int64"),
        ("S orthogonal; S diagonal", {"S": "n n"}, "S is declared orthogonal and diagonal; these do not go together"),
        ("S diagonal; S > 0", {"S": "n n"}, "do not go together"),
    ],
)
def test_what_cannot_hold_is_refused(assume: str, shapes: dict[str, str], words: str) -> None:
    for function in ("sum(S)", lambda S: S.sum()):
        with pytest.raises(cr.DeclarationError) as caught:
            cr.derive(function, assume=assume, **shapes)
        assert words in str(caught.value)


def test_shapes_declare_properties() -> None:
    assert list(map(str, cr.trace("x' S x", S="n n sym").declared)) == ["S symmetric"]
    assert list(map(str, cr.trace(lambda S, n: n * S, S="n n psd", n="pos").declared)) == [
        "S positive semidefinite",
        "n positive",
    ]

    def loss(x: Any, S: Any) -> Any:
        return x @ S @ x

    loss.__annotations__ = {"x": "'n'", "S": "'n n sym pos:float32'"}
    program = cr.trace(loss)
    assert list(map(str, program.declared)) == ["S symmetric", "S positive"]
    assert program.input("S").type.dtype.value == "float32"
    listed = cr.trace(lambda Ws: Ws[0] @ Ws[1], Ws=["n n sym", "n n"])
    assert [each.property for each in listed.declared] == [Property.SYMMETRIC]


def test_declarations_determine_shapes() -> None:
    program = cr.derive("a'*b*c", assume="b symmetric; a of unit length").program
    assert [len(program.input(name).type.shape) for name in "ab"] == [1, 2]
    assert program.input("b").type.shape[0] == program.input("b").type.shape[1]
    assert list(map(str, cr.derive("lambda*sum(x)", assume="λ > 0").program.declared)) == ["lambda positive"]


def test_declarations_survive_binding_and_json() -> None:
    program = cr.trace("x' S x", S="n n sym")
    assert program.bind({"n": 3}).declared == program.declared
    again = program_from_json(program_to_json(program, {}))
    assert again.declared == program.declared
    assert "declared" not in program_to_json(cr.trace("x' S x"), {})
    written = program_to_json(program, {})
    written["declared"] = [["S", "nice"]]
    with pytest.raises(cr.ChainruleError, match="declared"):
        program_from_json(written)
    written["declared"] = [["Q", "symmetric"]]
    with pytest.raises(cr.ChainruleError, match="is not a program"):
        program_from_json(written)
