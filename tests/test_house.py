"""Imports point one way, and a folder's modules are its private business."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import chainrule

ROOT = Path(chainrule.__file__).parent
ORDER = [
    "words",
    "interrupts",
    "files",
    "ir",
    "primitives",
    "functions",
    "layers",
    "trace",
    "calculus",
    "derivation",
    "engines",
    "transforms",
    "emit",
    "cage",
    "grading",
    "training",
    "networks",
    "tables",
    "models",
    "exports",
    "estimators",
    "gallery",
    "reports",
    "cli",
]
OPTIONAL = {"sklearn", "polars", "pyarrow", "narwhals", "safetensors", "matplotlib", "onnx", "onnxruntime", "scipy"}
FILES = sorted(ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@cache
def imports_of(path: Path) -> tuple[tuple[str, str], ...]:
    """The modules that a file imports, each with the function around the import; "" at the top."""
    return tuple(_imports(ast.parse(path.read_text(encoding="utf-8")), ""))


def _imports(node: ast.AST, function: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):  # an import is a statement
        for statement in getattr(node, block, ()):
            if isinstance(statement, ast.ImportFrom):
                assert statement.level == 0, "imports are absolute"
                yield statement.module or "", function
            elif isinstance(statement, ast.Import):
                yield from ((alias.name, function) for alias in statement.names)
            elif isinstance(statement, ast.stmt | ast.excepthandler | ast.match_case):
                yield from _imports(statement, function)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_upwards_and_through_the_front_door(path: Path) -> None:
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    for module, _ in imports_of(path):
        parts = module.split(".")
        if parts[0] != "chainrule" or len(parts) == 1:
            continue
        assert ORDER.index(parts[1]) <= ORDER.index(room), f"{path} imports {module}, which is below it"
        if parts[1] != room:
            assert len(parts) == 2, f"{path} imports {module}; import from chainrule.{parts[1]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_inside_a_function(path: Path) -> None:
    for module, function in imports_of(path):
        assert not function or module.split(".")[0] in OPTIONAL, f"{path}: {function} imports {module}"


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(
        "import a\nif a:\n    from b import c\nelse:\n    import d.e as f\n"
        "class C:\n    def g(self):\n        try:\n            import h\n        except E:\n            import i\n"
        "        finally:\n            import j\n        with a:\n            for _ in a:\n                import k\n"
        "        match a:\n            case 1:\n                import l\n        def m():\n            import n\n"
    )
    assert imports_of(path) == (
        ("a", ""), ("b", ""), ("d.e", ""),
        ("h", "g"), ("j", "g"), ("i", "g"), ("k", "g"), ("l", "g"), ("n", "m"),
    )  # fmt: skip


def test_every_room_is_in_the_list() -> None:
    rooms = {room_of(path) for path in FILES} - {"__init__", "__main__"}
    assert rooms <= set(ORDER)


def test_importing_the_package_imports_no_extra() -> None:
    import subprocess

    code = f"import sys, chainrule; print(sorted({sorted(OPTIONAL)!r} & sys.modules.keys()))"
    code = f"import sys, chainrule; print(sorted(set({sorted(OPTIONAL)!r}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert importlib.util.find_spec("chainrule") is not None


def test_every_public_name_is_there_and_listed() -> None:
    for name in chainrule.__all__:
        assert getattr(chainrule, name) is not None
    assert set(chainrule._MODULE_OF) <= set(chainrule.__all__)
    assert callable(chainrule.trace)
    assert chainrule.__version__
    with pytest.raises(AttributeError, match="no attribute 'sigmod'"):
        chainrule.sigmod  # noqa: B018
