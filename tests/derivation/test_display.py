"""A derivation and a program show themselves in notebooks, in the media types that are asked for."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import chainrule as cr
from chainrule.gallery import GALLERY
from chainrule.ir import media_bundle

TYPES = ["text/plain", "text/html", "text/latex", "text/markdown"]


def shown(kind: str) -> Any:
    function = GALLERY["two_layer_rows"].function
    return cr.derive(function) if kind == "derivation" else cr.trace(function)


@pytest.mark.parametrize("kind", ["derivation", "program"])
def test_all_media_types(kind: str) -> None:
    bundle = shown(kind)._repr_mimebundle_(include=None, exclude=None)
    assert list(bundle) == TYPES
    assert "z1 = X W1 + b1" in bundle["text/plain"]
    assert bundle["text/html"].startswith("<style>")
    assert "<html" not in bundle["text/html"]
    assert "<msub><mi>z</mi>" in bundle["text/html"]
    assert "\\begin{align*}" in bundle["text/latex"]
    assert "$$\n\\begin{aligned}" in bundle["text/markdown"]
    assert "n×h" in bundle["text/html"].replace("<i>", "").replace("</i>", "")


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (None, None, TYPES),
        ({"text/html"}, None, ["text/html"]),
        (None, {"text/html", "text/latex"}, ["text/plain", "text/markdown"]),
        ({"text/html", "text/plain"}, {"text/html"}, ["text/plain"]),
        ({"image/png"}, None, []),
        (set(), None, []),
    ],
)
def test_what_is_left_out(include: Any, exclude: Any, expected: list[str]) -> None:
    for kind in ("derivation", "program"):
        assert list(shown(kind)._repr_mimebundle_(include, exclude)) == expected


def test_only_what_is_asked_for_is_made() -> None:
    def never(subject: object) -> str:
        raise AssertionError

    assert media_bundle(3, {"a/b": str, "c/d": never}, include=["a/b"]) == {"a/b": "3"}


def test_plain_text_is_what_print_shows() -> None:
    derivation = shown("derivation")
    assert derivation._repr_mimebundle_()["text/plain"] == str(derivation)
    assert repr(derivation) == "<Derivation of L with respect to W1, b1, W2, b2>"
    program = shown("program")
    assert program._repr_mimebundle_()["text/plain"] == cr.equations(program)


def test_a_program_is_shown_without_anything_else_loaded() -> None:
    code = (
        "import sys, numpy as np, chainrule as cr\n"
        "program = cr.trace(lambda x: np.sum(x**2), x='n')\n"
        "assert 'chainrule.derivation' not in sys.modules\n"
        "print(program._repr_mimebundle_(include=['text/plain'])['text/plain'])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, encoding="utf-8")
    assert found.stdout.strip() == "L = Σ x²"
