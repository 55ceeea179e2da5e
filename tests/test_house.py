"""Imports point one way, and a folder's modules are its private business."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Set
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
from support.messages import tree_of

import chainrule

ROOT = Path(chainrule.__file__).parent
PAGE = Path(__file__).parents[1] / "ARCHITECTURE.md"
LARGE = ("derivation", "engines/native")
"""Rooms with a table of their own in ARCHITECTURE.md."""


def contents_of(page: str) -> dict[str, list[str]]:
    """For each folder in the tables of ARCHITECTURE.md, what its row names; two have tables of their own files."""
    table = page.partition("\n| room |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)/`[^|]*\| (.*) \|$", table, re.MULTILINE)
    contents = {room: re.findall(r"`([^`]+)`", text.replace("\\|", "")) for room, text in rows}
    return contents | {room: _files_of(page, room) for room in LARGE}


def _files_of(page: str, room: str) -> list[str]:
    """What the table of the files of `room` names."""
    table = page.partition(f"\n## Inside `{room}`")[2].partition("\n## ")[0]
    heads = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    return re.findall(r"`([^`]+)`", heads)


@cache
def definitions_of(path: Path) -> frozenset[str]:
    """The names of the functions and classes that a file defines."""
    nodes = ast.walk(tree_of(path))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef))


def exists(room: str, name: str) -> bool:
    """Whether `name` is a file or folder of the room, another room, a function of the room, or a class of any."""
    found = [path for path in ROOT.glob(f"{room}/**/*") if path.suffix in ("", ".py")]
    if name in ORDER or any(fnmatch(path.stem, name.removesuffix("/")) for path in found):
        return True
    among = FILES if name[0].isupper() else [path for path in found if path.suffix]
    defined = set().union(*map(definitions_of, among))
    first, _, rest = name.partition(".")
    return exists(first, rest) if rest else name in defined


def rooms_of(page: str) -> list[str]:
    """The rooms in the order in which the table of ARCHITECTURE.md has them."""
    table = page.partition("\n| room |")[2].partition("\n\n")[0]
    heads = (line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    return [name.removesuffix("/").removesuffix(".py") for head in heads for name in re.findall(r"`([^`]+)`", head)]


ORDER = rooms_of(PAGE.read_text(encoding="utf-8"))
OPTIONAL = {
    "backports",
    "compression",
    "fastexcel",
    "sklearn",
    "polars",
    "pyarrow",
    "narwhals",
    "safetensors",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "scipy",
    "IPython",
    "anywidget",
    "traitlets",
}
FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def room_of(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


@cache
def imports_of(path: Path) -> tuple[tuple[str, str], ...]:
    """The modules that a file imports, each with the function around the import; "" at the top."""
    return tuple(_imports(tree_of(path), ""))


def _imports(node: ast.AST, function: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        function = node.name
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):  # an import is a statement
        for statement in getattr(node, block, ()):
            if isinstance(statement, ast.ImportFrom):
                assert statement.level == 0, "imports are absolute"
                within = [f"{statement.module}.{alias.name}" for alias in statement.names]
                rooms = [name for name in within if statement.module == "chainrule" and name in MODULES]
                yield from ((module, function) for module in rooms or [statement.module or ""])
            elif isinstance(statement, ast.Import):
                yield from ((alias.name, function) for alias in statement.names)
            elif isinstance(statement, ast.stmt | ast.excepthandler | ast.match_case):
                yield from _imports(statement, function)


def neighbours(path: Path) -> set[str]:
    """The modules of the package that a file imports, or may load by name."""
    found = set(loaded_by_name(path))
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {_home(node.module or "", alias.name) for alias in node.names}
    return found & MODULES.keys()


def _home(module: str, name: str) -> str:
    """The file that is meant by `from module import name`: a part of the module, unless it has the name from others."""
    part = f"{module}.{name}"
    return part if part in MODULES and name not in _taken(module) else module


@cache
def _taken(module: str) -> set[str]:
    """The names that a module takes out of others."""
    imports = [node for node in ast.walk(tree_of(MODULES[module])) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports if node.module != module for alias in node.names}


@cache
def loaded_by_name(path: Path) -> frozenset[str]:
    """The modules that a file may load with `import_module` or `__import__`.

    These are all that its strings name, wherever they stand; a string with a value in it names all that begin and end
    as it does.
    """
    nodes = list(ast.walk(tree_of(path)))
    called = {_last_name(node.func).strip("_") for node in nodes if isinstance(node, ast.Call)}
    if not called & {"import_module", "import"}:
        return frozenset()
    written = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    patterns = [
        "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in node.values)
        for node in nodes
        if isinstance(node, ast.JoinedStr)
    ]
    found = (name for name in MODULES if name in written or any(re.fullmatch(each, name) for each in patterns))
    return frozenset(found)


def _last_name(function: ast.expr) -> str:
    """What stands after the last dot of a function that is called; most are names, which need no writing out."""
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ast.unparse(function).rpartition(".")[2]


def circles(graph: Mapping[str, Set[str]]) -> list[tuple[str, ...]]:
    """The groups of nodes from each of which there is a way to every other, in alphabetic order."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        found, pending = set[str](), [start]
        while pending:
            further = graph[pending.pop()] - found
            found |= further
            pending += further
        reached[start] = found
    return sorted({tuple(sorted(b for b in reached[a] if a in reached[b])) for a in graph if a in reached[a]})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_upwards_and_through_the_front_door(path: Path) -> None:
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    for module in {module for module, _ in imports_of(path)} | loaded_by_name(path):
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


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ('import importlib\n_ROOM = "chainrule.emit"\nimportlib.import_module(_ROOM)\n', r"chainrule\.emit"),
        ('_import_module({"a": ("chainrule.files", "b")}[x][0])\n', r"chainrule\.files"),
        ('def f():\n    return __import__(f"chainrule.words.{name}s")\n', r"chainrule\.words\.\w+s"),
        ('_ROOM = "chainrule.emit"\n', "nothing"),
    ],
)
def test_what_is_loaded_by_name_is_found(tmp_path: Path, text: str, pattern: str) -> None:
    path = tmp_path / "file.py"
    path.write_text(text)
    assert loaded_by_name(path) == {name for name in MODULES if re.fullmatch(pattern, name)}


def test_loading_by_name_goes_under_its_own_name() -> None:
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "importlib":
                renamed = {alias.asname for alias in node.names if alias.name == "import_module"}
                assert renamed <= {None, "_import_module"}, path


def test_circles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e", "d"}}
    assert circles(graph) == [("b", "c"), ("e",)]


def test_no_files_import_each_other() -> None:
    graph = {name: neighbours(path) - {name} for name, path in MODULES.items()}
    for name in graph:
        if name.startswith("chainrule.gallery."):
            graph[name] -= {"chainrule"}  # written as users write, and loaded after the package
    assert not circles(graph)


def test_the_page_lists_every_room_once() -> None:
    rooms = {room_of(path) for path in FILES} - {"__init__", "__main__"}
    assert set(ORDER) == rooms
    assert len(ORDER) == len(rooms)


CONTENTS = contents_of(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("room", CONTENTS)
def test_the_page_names_what_exists(room: str) -> None:
    assert not [name for name in CONTENTS[room] if not exists(room, name)]


@pytest.mark.parametrize("room", LARGE)
def test_the_page_names_every_file_of_the_large_rooms(room: str) -> None:
    files = {path.stem for path in ROOT.glob(f"{room}/*") if path.stem not in ("__init__", "__pycache__")}
    assert files == {name.removesuffix("/") for name in CONTENTS[room]}


def test_what_does_not_exist_is_found() -> None:
    there = [("exports", "onnx_*"), ("estimators", "networks.train"), ("ir", "Memo"), ("trace", "Program")]
    not_there = [("exports", "onxn_*"), ("ir", "linearize"), ("estimators", "networks.trian"), ("ir", "Mamo")]
    assert [exists(*each) for each in there + not_there] == [True] * 4 + [False] * 4


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
    with pytest.raises(AttributeError, match=r"did you mean cr\.sigmoid"):
        chainrule.sigmod  # noqa: B018
