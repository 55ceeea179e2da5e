"""Rooms that write source do not search or modify their own text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import chainrule

ROOT = Path(chainrule.__file__).parent
_NOTATION = (
    *("boxes", "brackets", "expressions", "factors", "html", "index_notation", "json", "latex", "listing", "markdown"),
    *("mathml", "notator", "numerals", "text", "typesetting", "writing"),
)
ROOMS = ("emit", "exports", *(f"derivation/{name}.py" for name in _NOTATION))
"""The checked rooms and files; a function that reads a text has an entry below."""

READING = {
    *("endswith", "find", "isalnum", "isalpha", "isdigit", "isidentifier", "lstrip", "partition", "removeprefix"),
    *("isascii", "isspace", "removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split"),
    *("splitlines", "startswith", "strip", "findall", "fullmatch", "match", "search", "sub"),
}
"""Methods of texts and of patterns that look into texts; `index` and `count` are those of sequences too."""

_NAMES = "names that the user gave"
_BREAKS = "lines, to break them between words"
_SENTENCES = "a sentence, which has no formula in it"
_VALUES = "names of values in a program, which tell tangents, cotangents and derivatives"
READERS = {
    "derivation/expressions.py: _pairing": _VALUES,
    "derivation/factors.py: _is_forward_value": _VALUES,
    "derivation/factors.py: stands_as_factor": _VALUES,
    "derivation/html.py: _punctuation": _SENTENCES,
    "derivation/html.py: _size": "a shape, as the document has it",
    "derivation/index_notation.py: __init__": _NAMES,
    "derivation/latex.py: _character": _NAMES,
    "derivation/latex.py: _characters": _NAMES,
    "derivation/latex.py: _letters": _NAMES,
    "derivation/latex.py: escape": _SENTENCES,
    "derivation/latex.py: subscript": _NAMES,
    "derivation/latex.py: symbol": _NAMES,
    "derivation/listing.py: _lines": _NAMES,
    "derivation/listing.py: _symbol": _VALUES,
    "derivation/markdown.py: _sentence": _SENTENCES,
    "derivation/mathml.py: subscript": _NAMES,
    "derivation/notator.py: __init__": _VALUES,
    "derivation/notator.py: _delta_names": _NAMES,
    "derivation/notator.py: symbol": _VALUES,
    "derivation/numerals.py: decimal": "the digits of a number, as Python writes them",
    "derivation/numerals.py: digits_of": "the digits of a number, as Python writes them",
    "derivation/text.py: _atoms": _SENTENCES,
    "derivation/text.py: symbol": _NAMES,
    "derivation/typesetting.py: symbol": _NAMES,
    "emit/numbers.py: _digits": "the digits of a number, as Python writes them",
    "emit/arrays.py: subscripts": _NAMES,
    "emit/composing.py: comment": "a shape, as the ir writes it",
    "emit/further.py: _direction_name": _VALUES,
    "emit/further.py: _written": "shapes, as the ir writes them",
    "emit/js_functions.py: helper_text": "templates, to put names into them",
    "emit/js_source.py: _key": _NAMES,
    "emit/js_values.py: constant": "the digits of a number, as Python writes them",
    "emit/layout.py: _lines": _BREAKS,
    "emit/layout.py: broken": _BREAKS,
    "emit/names.py: ": "words of a language",
    "emit/names.py: ascii_identifier": _NAMES,
    "emit/names.py: identifier": _NAMES,
    "emit/node.py: run_in_node": "what node says about an error",
    "emit/python_file.py: shapes_of": _BREAKS,
    "emit/source.py: _function_name": _NAMES,
    "emit/torch_source.py: _class_name": _NAMES,
    "exports/c_features.py: _named": "the templates of the file, to put names into them",
    "exports/c_statistics.py: normalized_layers": "names of parameters",
    "exports/c_text.py: array_rows": "rows of a list, of which C has no comma behind the last",
    "exports/c_text.py: comment": "what the user wrote, to make it harmless in a comment",
    "exports/c_training.py: _update_program": "names of values in a program",
    "exports/cells.py: _spellings_of_number": "cells of a table",
    "exports/exporting.py: _check_module_name": "names of files",
    "exports/onnx_file.py: onnx_bytes": "what a library says of an error",
    "exports/python_features.py: patterns_of": "formats of dates",
    "exports/python_module.py: head": "what the user wrote, to make it harmless in a docstring; lines, to break them",
    "exports/python_text.py: literal": "how Python writes a text",
    "exports/standing.py: check_replaceable": "names of files",
    "exports/subject.py: labels": "names of dtypes",
    "exports/subject.py: subject_of": "names of files, and of settings",
}
"""By file and function: what is read there, which is not what was written."""


def readings(tree: ast.AST, function: str = "") -> Iterator[tuple[str, str]]:
    """The functions that look into a text, each with how: a method, a pattern, `"letters" in text`, `box.text[0]`."""
    for node in ast.iter_child_nodes(tree):
        name = node.name if isinstance(node, ast.FunctionDef) else function
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
            of_re = owner == "re"
            if of_re or (node.func.attr in READING and owner != "dataclasses"):
                yield name, f"{'re.' if of_re else '.'}{node.func.attr}"
        looked_at = node.value if isinstance(node, ast.Subscript) else None
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "width_of":
            looked_at = node.args[0]
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            looked_at = node.comparators[0]
        if isinstance(looked_at, ast.Attribute) and looked_at.attr == "text":
            yield name, "of a box"
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.In | ast.NotIn) for each in node.ops):
            collections = (ast.Dict, ast.Set, ast.Tuple, ast.List)
            is_text = isinstance(node.left, ast.JoinedStr) or (
                isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
            )
            if is_text and not isinstance(node.comparators[0], collections):
                yield name, "in"
        yield from readings(node, name)


FILES = sorted(path for room in ROOMS for path in ROOT.glob(f"{room}/**/*.py" if "." not in room else room))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nobody_reads_what_was_written(path: Path) -> None:
    file = path.relative_to(ROOT).as_posix()
    found = {
        f"{file}: {function}: {how}"
        for function, how in readings(ast.parse(path.read_text(encoding="utf-8")))
        if f"{file}: {function}" not in READERS
    }
    assert not found, "let the writer say it, as `uses` and `parts` do, or name what is read in READERS"


def test_every_reader_that_is_named_reads() -> None:
    there = {
        f"{path.relative_to(ROOT).as_posix()}: {function}"
        for path in FILES
        for function, _ in readings(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert there >= READERS.keys()


@pytest.mark.parametrize(
    "line",
    [
        'text.removesuffix(",")',
        'pattern.sub("", text)',
        "letter in box.text",
        "box.text[0]",
        "width_of(box.text)",
        're.sub("a", "b", text)',
        '"np." in text',
        'f"{name}." not in line',
        'text.replace("a", "b")',
        'all(line.startswith("-") for line in lines)',
    ],
)
def test_a_reading_is_found(line: str) -> None:
    assert [function for function, _ in readings(ast.parse(f"def write():\n    return {line}"))] == ["write"]


@pytest.mark.parametrize(
    "line", ['"np" in {"np"}', "name in uses", "f(box.text)", "dataclasses.replace(place, name=name)"]
)
def test_what_is_no_reading_is_not_found(line: str) -> None:
    assert not [*readings(ast.parse(f"def write():\n    return {line}"))]
