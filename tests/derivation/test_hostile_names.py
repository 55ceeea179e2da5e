"""Names are escaped in every format: they start no command, end no formula, open no element."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.hostile_names import HOSTILE_NAMES
from support.subprocesses import HANG

import chainrule as cr
from chainrule.derivation import text_of
from chainrule.deriving import Derivation
from chainrule.primitives import Symbol


def hostile_loss(weights: dict[str, Any]) -> Any:
    """A loss of every entry of a dict."""
    return sum(np.sum(entry**2) for entry in weights.values())


@pytest.fixture(scope="module")
def derivation() -> Derivation:
    return cr.derive(hostile_loss, weights=dict.fromkeys(HOSTILE_NAMES, (2,)))


IN_SOURCES = [name for name in HOSTILE_NAMES if not name.startswith(("$", "}", "100", "a|", "x^", "&", "<"))][2:]
"""The names that could have an effect in a program."""


@pytest.fixture(scope="module")
def emitted() -> Derivation:
    return cr.derive(hostile_loss, weights=dict.fromkeys(IN_SOURCES[:16], (2,)))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_text_has_nothing_that_a_terminal_obeys_or_hides(derivation: Derivation, lang: Any) -> None:
    text = derivation.text(lang=lang)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "“weights_a − b”" in re.sub(r"\s+", " ", text)


def test_distinct_names_stay_distinct() -> None:
    written = {text_of(Symbol(name)) for name in HOSTILE_NAMES}
    assert len(written) == len(HOSTILE_NAMES)


def test_a_name_in_quotation_marks_cannot_be_forged() -> None:
    assert text_of(Symbol("a”+“b")) == r"“a\u201d+\u201cb”"
    assert text_of(Symbol(r"a\u201db")) == r"“a\\u201db”"


def test_names_of_programs_stand_as_they_are() -> None:
    for name in ("W1", "layer.0.weight", "x̂", "权重", "a′", "_b"):
        assert text_of(Symbol(name)) == name


COMMANDS = frozenset(
    """acute align alpha backslash bar begin cdot ddot delta dimexpr end fbox fboxrule fboxsep frac hat hrulefill
    itshape lambda langle linewidth mathbf mathit mathrm noindent odot partial quad rangle section sim small subsection
    subsubsection sum surd tag text tfrac tilde times top""".split()  # noqa: SIM905
)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_latex_holds_no_command_of_a_name(derivation: Derivation, lang: Any) -> None:
    latex = derivation.latex(lang=lang)
    assert set(re.findall(r"\\([A-Za-z]+)", latex)) <= COMMANDS
    assert latex.count("{") - latex.count(r"\{") == latex.count("}") - latex.count(r"\}")
    assert latex.count(r"\begin{align*}") == latex.count(r"\end{align*}")
    if lang == "en":
        assert re.sub("[“”½¼²]", "", latex).isascii()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdfLaTeX is not installed")
def test_latex_compiles(derivation: Derivation, tmp_path: Path) -> None:
    (tmp_path / "d.tex").write_text(derivation.latex(standalone=True, detail="brief"), encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-no-shell-escape", "-interaction=nonstopmode", "d.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=HANG)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in (tmp_path / "d.log").read_text(errors="replace")


@pytest.mark.parametrize("github", [True, False])
def test_markdown_keeps_names_within_formulas(derivation: Derivation, github: bool) -> None:
    text = derivation.markdown(github=github)
    fence = "```" if github else "$$"
    assert text.count(fence) == sum(line.startswith(fence) for line in text.split("\n"))
    assert text.count(fence) % 2 == 0
    assert "<script" not in text
    assert "<img" not in text
    assert "](javascript:" not in text
    for line in text.split("\n"):
        if github:
            assert line.count("`") % 2 == 0 or line.startswith("```")


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[str] = set()
        self.attributes: set[str] = set()
        self.depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_html_holds_no_element_of_a_name(derivation: Derivation) -> None:
    page = derivation.html()
    parser = _Elements()
    parser.feed(page)
    ordinary = _Elements()
    ordinary.feed(cr.derive(hostile_loss, weights={"a": (2,), "b": (2,)}).html())
    assert parser.found <= ordinary.found | {"nav", "ol", "li", "a", "msub", "mrow", "wbr", "msubsup"}
    assert not any(name.startswith("on") for name in parser.attributes)
    assert all(character.isprintable() or character in "\n\t" for character in page)


def test_json_gives_names_back(derivation: Derivation) -> None:
    read = json.loads(derivation.json().encode())
    assert {f"weights_{name}" for name in HOSTILE_NAMES} >= {
        entry["name"] for entry in read["inputs"] if entry["name"].startswith("weights_")
    }


@pytest.mark.parametrize("target", ["numpy", "torch", "jax"])
def test_sources_in_python_hold_only_identifiers(emitted: Derivation, target: str) -> None:
    tree = ast.parse(emitted.source(target))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert called <= {"hostile_loss_forward", "hostile_loss_backward"}
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported <= {"numpy", "torch", "jax", "jax.numpy"}


def test_the_source_in_numpy_runs(emitted: Derivation) -> None:
    space: dict[str, Any] = {}
    exec(emitted.source("numpy"), space)
    arrays = [np.full(2, 0.1 * k) for k in range(16)]
    loss, saved = space["forward"](*arrays)
    assert loss == pytest.approx(sum(np.sum(array**2) for array in arrays))
    for array, gradient in zip(arrays, space["backward"](saved), strict=True):
        np.testing.assert_allclose(gradient, 2 * array)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler is installed")
def test_the_source_in_c_compiles(emitted: Derivation, tmp_path: Path) -> None:
    (tmp_path / "f.c").write_text(emitted.source("c"), encoding="utf-8")
    command = ["gcc", "-std=c99", "-Wall", "-Werror", "-Wno-unused-function", "-c", "f.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    "weights",
    [{1: (2,), "1": (3,)}, {"x": {"b": (2,)}, "y": {"b": (3,)}, "x_b": (4,)}, {"a.b": (2,), "a b": (2,), "a_b": (2,)}],
)
def test_keys_that_are_written_alike_have_names_of_their_own(weights: dict[Any, Any]) -> None:
    def loss(weights: dict[Any, Any]) -> Any:
        leaves: list[Any] = []
        for entry in weights.values():
            leaves += entry.values() if isinstance(entry, dict) else [entry]
        return sum(np.sum(leaf**2) for leaf in leaves)

    derivation = cr.derive(loss, weights=weights)
    names = [node.name for node in derivation.program.inputs]
    assert len(set(names)) == len(names) == 3 - ("1" in weights)
    space: dict[str, Any] = {}
    exec(derivation.source("numpy"), space)
    assert len(space["backward"](space["forward"](*(np.ones(k) for k in range(2, 2 + len(names))))[1])) == len(names)
