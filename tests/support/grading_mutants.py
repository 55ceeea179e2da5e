"""Correct answers from a file, and mutants of them with one known mistake each."""

from __future__ import annotations

import ast
import copy
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.gallery import GALLERY, Entry

ANSWERS = Path(__file__).parents[1] / "data" / "answers.txt"
SOURCE = ANSWERS.read_text(encoding="utf-8")
TREE = ast.parse(SOURCE)
NAMES = [node.name for node in TREE.body if isinstance(node, ast.FunctionDef) and "__" in node.name]


def entry_of(name: str) -> Entry:
    """Return the gallery entry of an answer."""
    return GALLERY[name.partition("__")[0]]


def function(name: str, source: str = SOURCE, filename: str = "answers.py") -> Callable[..., Any]:
    """Return the function of this name in `source`, whose text is available under `filename`."""
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    namespace: dict[str, Any] = {}
    exec(compile(source, filename, "exec"), namespace)
    found: Callable[..., Any] = namespace[name]
    return found


@dataclass(frozen=True)
class Mutant:
    """A correct answer with one line changed: `mistake` describes the change, `kinds` are the acceptable diagnoses."""

    name: str
    line: int
    mistake: str
    kinds: frozenset[str]
    before: str
    after: str
    source: str

    def function(self) -> Callable[..., Any]:
        return function(self.name, self.source, f"mutant {hash(self.source)}.py")


Mutation = tuple[str, frozenset[str], ast.expr]


def mutants(name: str) -> Iterator[Mutant]:
    """Yield every single mistake of the answer `name`."""
    definition = next(node for node in TREE.body if isinstance(node, ast.FunctionDef) and node.name == name)
    lines = SOURCE.splitlines()
    derivatives = _derivatives(name)
    for statement in definition.body:
        for place in _places(statement):
            shown = lines[place.lineno - 1]
            for path, node in _parts(place):
                for mistake, kinds, new in _mutations(node, path, derivatives, place):
                    changed = ast.unparse(_replaced(place, path, new))
                    before = ast.get_source_segment(SOURCE, place)
                    assert before is not None
                    if "\n" in before or before not in shown:
                        continue
                    line = shown.replace(before, changed)
                    source = "\n".join([*lines[: place.lineno - 1], line, *lines[place.lineno :]])
                    yield Mutant(name, place.lineno, mistake, kinds, shown.strip(), line.strip(), source)
            if isinstance(place, ast.AugAssign):
                changed = shown.replace(" += ", " -= ") if " += " in shown else shown.replace(" -= ", " += ")
                source = "\n".join([*lines[: place.lineno - 1], changed, *lines[place.lineno :]])
                yield Mutant(
                    name,
                    place.lineno,
                    "direction",
                    frozenset({"direction", "sign"}),
                    shown.strip(),
                    changed.strip(),
                    source,
                )


def sampled(name: str, count: int) -> list[Mutant]:
    """Return some mutants of an answer: of every kind of mistake in turn, spread over its lines."""
    groups: dict[str, list[Mutant]] = {}
    for mutant in mutants(name):
        groups.setdefault(mutant.mistake, []).append(mutant)
    chosen: list[Mutant] = []
    for turn in range(max(map(len, groups.values()), default=0)):
        for shift, group in enumerate(groups.values()):
            if turn < len(group) and len(chosen) < count:
                chosen.append(group[(turn + shift * 3 + len(name)) % len(group)])
    return chosen


def _places(statement: ast.stmt) -> Iterator[ast.Assign | ast.AugAssign | ast.Expr]:
    """Yield statements and returned expressions that have lines of their own."""
    if isinstance(statement, ast.Assign | ast.AugAssign):
        yield statement
    elif isinstance(statement, ast.Return) and isinstance(statement.value, ast.Dict):
        for value in statement.value.values:
            if not isinstance(value, ast.Name):
                yield ast.copy_location(ast.Expr(value), value)


def _derivatives(name: str) -> set[str]:
    """Return the derivatives of activations in the answers, as source of a factor."""
    del name
    return {"sigmoid_prime", "> 0", "1 - h", "1 - g", "1 - t"}


def _is_derivative(node: ast.expr) -> bool:
    text = ast.unparse(node)
    return "sigmoid_prime" in text or "> 0" in text or ("**2" in text and text.strip("(").startswith("1 - "))


Path_ = tuple[tuple[str, int | None], ...]


def _parts(place: ast.Assign | ast.AugAssign | ast.Expr) -> Iterator[tuple[Path_, ast.expr]]:
    yield from _within(place.value, (("value", None),))


def _within(node: ast.expr, path: Path_) -> Iterator[tuple[Path_, ast.expr]]:
    yield path, node
    for field, value in ast.iter_fields(node):
        if field in ("slice", "ctx") or (isinstance(value, ast.Name) and value.id in ("np", "cache")):
            continue
        if field == "func":
            if isinstance(value, ast.Attribute) and not (isinstance(value.value, ast.Name) and value.value.id == "np"):
                yield from _within(value.value, (*path, ("func", None), ("value", None)))
            continue
        if isinstance(value, ast.expr):
            yield from _within(value, (*path, (field, None)))
        elif isinstance(value, list):
            for k, item in enumerate(value):
                if isinstance(item, ast.expr):
                    yield from _within(item, (*path, (field, k)))


def _replaced(place: ast.AST, path: Path_, new: ast.expr) -> ast.AST:
    changed = copy.deepcopy(place)
    node: Any = changed
    for field, index in path[:-1]:
        node = getattr(node, field) if index is None else getattr(node, field)[index]
    field, index = path[-1]
    if index is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[index] = new
    return changed


def _kinds(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


def _mutations(node: ast.expr, path: Path_, derivatives: set[str], place: ast.AST) -> Iterator[Mutation]:
    whole = len(path) == 1
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose dropped", _kinds("transposed", "order"), node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield "transpose added", _kinds("transposed", "order"), _binary(_t(node.left), ast.MatMult(), node.right)
        yield "factors swapped", _kinds("order", "transposed"), _binary(node.right, ast.MatMult(), node.left)
        yield "element by element", _kinds("elementwise"), _binary(node.left, ast.Mult(), node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        for kept, dropped in ((node.left, node.right), (node.right, node.left)):
            text = ast.unparse(dropped)
            if _is_derivative(dropped):
                yield "derivative dropped", _kinds("missing derivative"), kept
            elif text.replace(".", "").isdigit() or text in ("n", "scale", "T", "beta", "lam", "learning_rate", "lr"):
                yield "number dropped", _kinds("factor", "missing operand", "rate"), kept
            elif "@" not in text and ".T" not in text:
                yield "factor dropped", _kinds("missing operand", "missing derivative", "derivative", "factor"), kept
        yield "matrix product", _kinds("matrix product"), _binary(node.left, ast.MatMult(), node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        yield "divisor dropped", _kinds("factor", "missing operand"), node.left
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "sign flipped", _kinds("sign", "direction"), _binary(node.left, other, node.right)
        yield "term dropped", _kinds("missing term", "derivative"), node.left
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        yield "power dropped", _kinds("power", "missing operand"), node.left
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("sum", "mean")):
        yield from _of_reduction(node)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "sigmoid_prime":
        old = ast.unparse(node.args[0])
        yield "derivative at a", _kinds("derivative"), _with_argument(node, old.replace("z", "a"))
    if _is_derivative(node) and isinstance(node, ast.BinOp) and isinstance(node.right, ast.BinOp):
        inner = ast.unparse(node.right.left)
        yield "derivative at a", _kinds("derivative"), ast.parse(f"1 - np.tanh({inner})**2", mode="eval").body
    if isinstance(node, ast.Name) and not whole:
        for other_name in _siblings(node.id):
            yield "wrong operand", _kinds("operand", "derivative"), ast.Name(other_name, ast.Load())
    if whole and not isinstance(node, ast.Name | ast.Attribute) and not _is_count(place):
        yield "doubled", _kinds("factor"), _binary(ast.Constant(2), ast.Mult(), node)
        yield "halved", _kinds("factor"), _binary(ast.Constant(0.5), ast.Mult(), node)
        yield "negated", _kinds("sign", "direction"), ast.UnaryOp(ast.USub(), node)


def _is_count(place: ast.AST) -> bool:
    return isinstance(place, ast.Assign) and ast.unparse(place.targets[0]) in ("n", "m", "d")


def _of_reduction(node: ast.Call) -> Iterator[Mutation]:
    text = ast.unparse(node)
    method = not text.startswith("np.")
    inner = node.func.value if method and isinstance(node.func, ast.Attribute) else node.args[0]
    if "mean" in ast.unparse(node.func).rpartition(".")[2]:
        yield "sum for mean", _kinds("factor"), _renamed(node, "sum")
    else:
        yield "sum dropped", _kinds("missing sum"), inner
        yield "mean for sum", _kinds("factor"), _renamed(node, "mean")
    for a, b in (("axis=0", "axis=1"), ("axis=1", "axis=0"), ("axis=-1", "axis=0")):
        if a in text:
            yield "other axis", _kinds("axis"), ast.parse(text.replace(a, b), mode="eval").body


def _renamed(node: ast.Call, name: str) -> ast.expr:
    new = copy.deepcopy(node)
    assert isinstance(new.func, ast.Attribute)
    new.func.attr = name
    return new


def _with_argument(node: ast.Call, name: str) -> ast.expr:
    new = copy.deepcopy(node)
    new.args = [ast.Name(name, ast.Load())]
    return new


def _siblings(name: str) -> Iterator[str]:
    """Yield names that are easily confused with `name`."""
    numbers = {"1": "2", "2": "1", "3": "2"}
    if name[-1] in numbers and name[:-1]:
        yield name[:-1] + numbers[name[-1]]
    pairs = {"a1": "z1", "z1": "a1", "a2": "z2", "h": "x", "x": "h", "i": "f", "f": "i", "Q": "K", "K": "Q", "P": "dP"}
    pairs.update({"hidden": "X", "X": "hidden", "x_hat": "X", "dP": "P", "o": "i", "g": "i", "output": "y", "r": "z"})
    if name in pairs:
        yield pairs[name]


def _t(node: ast.expr) -> ast.expr:
    return ast.Attribute(node, "T", ast.Load())


def _binary(left: ast.expr, operator: ast.operator, right: ast.expr) -> ast.BinOp:
    return ast.BinOp(left, operator, right)
