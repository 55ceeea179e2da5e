"""Single mistakes of handwritten backward passes, as changes of a program, each with the diagnoses that name it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from benchmarks.grading.corpus import Book, book_of


@dataclass(frozen=True)
class Mutant:
    """A right answer with one mistake: `lines` are those where it may be named, `kinds` the diagnoses that name it."""

    name: str
    mistake: str
    lines: frozenset[int]
    kinds: frozenset[str]
    after: str
    source: str

    @property
    def line(self) -> int:
        return min(self.lines)


Path: TypeAlias = tuple[tuple[str, int | None], ...]
Change: TypeAlias = tuple[str, str, ast.AST]
"""The mistake, the kinds that name it, separated by blanks, and the changed node."""

SCALE = "factor missing_operand extra_operand rate"
ANY = "*"


def mutants(name: str) -> Iterator[Mutant]:
    """Yield every single mistake in the lines of an answer and of the functions that it calls."""
    book = book_of(name)
    for body in _blocks(book, name):
        for k, statement in enumerate(body):
            yield from _of_statement(book, name, statement)
            yield from _of_order(book, name, body, k)


def sampled(name: str, count: int) -> list[Mutant]:
    """Return some mutants of an answer: of every mistake in turn, spread over its lines."""
    groups: dict[str, list[Mutant]] = {}
    seen: set[str] = set()
    for mutant in mutants(name):
        if mutant.source not in seen:
            seen.add(mutant.source)
            groups.setdefault(mutant.mistake, []).append(mutant)
    order = sorted(groups)
    shift = sum(map(ord, name))
    order = order[shift % max(len(order), 1) :] + order[: shift % max(len(order), 1)]
    chosen: list[Mutant] = []
    turn = 0
    while len(chosen) < count and any(len(groups[mistake]) > turn for mistake in order):
        for number, mistake in enumerate(order):
            group = groups[mistake]
            if turn < len(group) and len(chosen) < count:
                chosen.append(group[(turn + shift + number * 3) % len(group)])
        turn += 1
    return chosen


def _blocks(book: Book, name: str) -> Iterator[list[ast.stmt]]:
    """Yield the blocks of statements that an answer runs."""
    reached, waiting = [], [name]
    while waiting:
        definition = book.definitions.get(waiting.pop())
        if definition is None or definition in reached:
            continue
        reached.append(definition)
        waiting += [n.id for n in ast.walk(definition) if isinstance(n, ast.Name)]
    for definition in reached:
        functions = [definition] if isinstance(definition, ast.FunctionDef) else definition.body
        for function in functions:
            if isinstance(function, ast.FunctionDef) and function.name not in (
                "__init__",
                "forward",
                "sigmoid",
                "softmax_rows",
            ):
                for node in ast.walk(function):
                    for field in ("body", "orelse"):
                        block = getattr(node, field, None)
                        if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                            yield block


def _mutant(book: Book, name: str, statement: ast.stmt, mistake: str, kinds: str, new: ast.AST) -> Mutant:
    lines = book.text.splitlines()
    shown = lines[statement.lineno - 1]
    indent = shown[: len(shown) - len(shown.lstrip())]
    text = ast.unparse(ast.fix_missing_locations(new)).splitlines()[0]
    source = "\n".join([*lines[: statement.lineno - 1], indent + text, *lines[statement.lineno :]])
    return Mutant(name, mistake, frozenset({statement.lineno}), _set(kinds), text, source)


def _set(kinds: str) -> frozenset[str]:
    return frozenset(kind.replace("_", " ") for kind in kinds.split())


def _of_statement(book: Book, name: str, statement: ast.stmt) -> Iterator[Mutant]:
    if isinstance(statement, ast.For):
        for mistake, header in _headers(statement):
            yield _mutant(book, name, statement, mistake, "rounds index missing_term", header)
        return
    if isinstance(statement, ast.If):
        if isinstance(statement.test, ast.Compare) and isinstance(statement.test.ops[0], ast.Gt):
            test = ast.Compare(statement.test.left, [ast.Lt()], statement.test.comparators)
            turned = ast.copy_location(ast.If(test, statement.body, statement.orelse), statement)
            yield _mutant(book, name, statement, "condition", "mask rounds", turned)
        return
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Return) or statement.value is None:
        return
    if _is_count(statement):
        return
    for path, node in _parts(statement):
        for mistake, kinds, new in _changes(node, path, statement):
            yield _mutant(book, name, statement, mistake, kinds, _replaced(statement, path, new))
    if isinstance(statement, ast.AugAssign):
        yield from _of_augmented(book, name, statement)


def _of_augmented(book: Book, name: str, statement: ast.AugAssign) -> Iterator[Mutant]:
    if isinstance(statement.op, ast.Add | ast.Sub):
        turned = copy.deepcopy(statement)
        turned.op = ast.Sub() if isinstance(statement.op, ast.Add) else ast.Add()
        yield _mutant(book, name, statement, "direction", "direction sign", turned)
        assigned = ast.Assign([statement.target], statement.value)
        yield _mutant(book, name, statement, "overwritten", "missing_term other direction", assigned)


def _headers(statement: ast.For) -> Iterator[tuple[str, ast.For]]:
    """Yield loops over a round less, and in the other order."""
    call = statement.iter
    inner = call
    if isinstance(call, ast.Call) and ast.unparse(call.func) == "reversed":
        yield "not reversed", _looped(statement, call.args[0])
        inner = call.args[0]
    if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "range":
        shorter, later = copy.deepcopy(inner), copy.deepcopy(inner)
        shorter.args[-1] = ast.BinOp(shorter.args[-1], ast.Sub(), ast.Constant(1))
        if len(inner.args) == 1:
            later.args.insert(0, ast.Constant(1))
        else:
            later.args[0] = ast.BinOp(later.args[0], ast.Add(), ast.Constant(1))
        for mistake, each in (("last round left out", shorter), ("first round left out", later)):
            whole = each if inner is call else ast.Call(ast.Name("reversed", ast.Load()), [each], [])
            yield mistake, _looped(statement, whole)


def _looped(statement: ast.For, over: ast.expr) -> ast.For:
    new = copy.deepcopy(statement)
    new.iter = over
    return new


def _of_order(book: Book, name: str, body: Sequence[ast.stmt], k: int) -> Iterator[Mutant]:
    """Leave out a statement that changes a value, or update a parameter before it is read."""
    lines = book.text.splitlines()
    statement = body[k]
    stored = _roots(statement)
    changes = isinstance(statement, ast.AugAssign) or (
        isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Subscript) and "for" not in stored
    )
    earlier = [s for s in body[:k] if _roots(s) & stored and isinstance(s, ast.Assign | ast.AugAssign)]
    if changes and earlier and not _is_update(book, name, statement):
        source = "\n".join([*lines[: statement.lineno - 1], *lines[statement.lineno :]])
        later = [s.lineno - 1 for s in body[k + 1 :] if _roots(s) & stored]
        where = frozenset([*(s.lineno for s in earlier), *later])
        kinds = f"missing_term missing_derivative mask {SCALE} other"
        yield Mutant(name, "statement left out", where, _set(kinds), f"- {ast.unparse(statement)}", source)
    if _is_update(book, name, statement):
        for other in reversed(body[:k]):
            reads = {n.id for n in ast.walk(other) if isinstance(n, ast.Name)}
            needed = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name)}
            if _roots(other) & needed:
                break
            if reads & stored:
                a, b = other.lineno - 1, statement.lineno - 1
                moved = [*lines[:a], lines[b], *lines[a:b], *lines[b + 1 :]]
                where = frozenset({statement.lineno, other.lineno + 1, other.lineno})
                text = ast.unparse(statement)
                yield Mutant(name, "updated before use", where, _set("updated"), text, "\n".join(moved))
                break


def _is_update(book: Book, name: str, statement: ast.stmt) -> bool:
    definition = book.definitions[name]
    arguments = {a.arg for a in definition.args.args} if isinstance(definition, ast.FunctionDef) else set()
    return isinstance(statement, ast.AugAssign | ast.Assign) and bool(_roots(statement) & arguments)


def _roots(statement: ast.stmt) -> set[str]:
    """Return the variables that a statement assigns or changes, as text."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    roots = set()
    for target in targets:
        node: Any = target
        while isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant):
            node = node.value
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            roots.add(ast.unparse(node))
    return roots


def _is_count(statement: ast.stmt) -> bool:
    """Whether a statement only gives a size a name, or makes an array of zeros, or copies."""
    value = getattr(statement, "value", None)
    text = "" if value is None else ast.unparse(value)
    if any(text.startswith(start) for start in ("len(", "np.zeros", "[np.zeros", "[None]", "(np.zeros")):
        return True
    return ".shape" in text and "(" not in text.replace(".shape[", "") and " / " not in text


def _parts(statement: ast.stmt) -> Iterator[tuple[Path, ast.expr]]:
    for field in ("value", "targets", "target"):
        value = getattr(statement, field, None)
        if isinstance(value, ast.expr):
            yield from _within(value, ((field, None),))
        elif isinstance(value, list):
            for k, item in enumerate(value):
                yield from _within(item, ((field, k),))


def _within(node: ast.expr, path: Path) -> Iterator[tuple[Path, ast.expr]]:
    yield path, node
    for field, value in ast.iter_fields(node):
        if field == "ctx" or (isinstance(value, ast.Name) and value.id in ("np", "cache")):
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


def _replaced(statement: ast.stmt, path: Path, new: ast.AST) -> ast.AST:
    changed = copy.deepcopy(statement)
    node: Any = changed
    for field, index in path[:-1]:
        node = getattr(node, field) if index is None else getattr(node, field)[index]
    field, index = path[-1]
    if index is None:
        setattr(node, field, new)
    else:
        getattr(node, field)[index] = new
    return changed


_NUMBERS = ("n", "m", "N", "D", "scale", "T", "beta", "lam", "learning_rate", "lr", "RATE", "num_train", "reg")


def _changes(node: ast.expr, path: Path, statement: ast.stmt) -> Iterator[Change]:
    fields = [field for field, _ in path]
    if "slice" in fields:
        if path[-1][0] == "slice" and not isinstance(node, ast.Slice | ast.Tuple):
            yield from _of_index(node)
        if isinstance(node, ast.Compare):
            yield from _of_mask(node, statement)
        return
    if fields[0] in ("targets", "target"):
        return
    whole = len(path) == 1
    match node:
        case ast.Attribute(value=value, attr="T"):
            yield "transpose dropped", "transposed order", value
        case ast.Call(func=ast.Attribute(value=value, attr="transpose"), args=[]):
            yield "transpose dropped", "transposed order", value
        case ast.BinOp():
            yield from _of_operation(node)
        case ast.Call():
            yield from _of_call(node)
        case ast.Compare():
            yield from _of_mask(node, statement)
        case ast.Constant(value=float(value) | int(value)) if not isinstance(value, bool) and not whole:
            if path[-1][0] != "value" and "keywords" not in fields:
                kinds = f"{SCALE} power operand derivative extra_term missing_term sign mask"
                yield "constant", kinds, ast.Constant(value + 1 if value in (1, 0) else 1)
        case ast.Name(id=name) if not whole:
            for other in _siblings(name):
                kinds = "operand derivative elementwise transposed order"
                yield "wrong operand", kinds, ast.Name(other, ast.Load())
    if whole and not isinstance(node, ast.Name | ast.Attribute | ast.Tuple | ast.Dict | ast.List | ast.Subscript):
        if isinstance(node, ast.Constant):
            return
        yield "doubled", SCALE, _binary(ast.Constant(2), ast.Mult(), node)
        yield "halved", SCALE, _binary(ast.Constant(0.5), ast.Mult(), node)
        yield "negated", "sign direction", ast.UnaryOp(ast.USub(), node)


def _of_operation(node: ast.BinOp) -> Iterator[Change]:
    left, right = node.left, node.right
    match node.op:
        case ast.MatMult():
            yield "transpose added", "transposed order", _binary(_t(left), ast.MatMult(), right)
            yield "factors swapped", "order transposed", _binary(right, ast.MatMult(), left)
            yield "element by element", "elementwise", _binary(left, ast.Mult(), right)
        case ast.Mult():
            for kept, dropped in ((left, right), (right, left)):
                text = ast.unparse(dropped)
                if _is_derivative(dropped):
                    yield "derivative dropped", "missing_derivative missing_operand", kept
                elif text.replace(".", "").isdigit() or text in _NUMBERS:
                    yield "number dropped", SCALE, kept
                elif "@" not in text and ".T" not in text and ".dot" not in text:
                    kinds = f"{SCALE} missing_derivative derivative elementwise missing_term shape"
                    yield "factor dropped", kinds, kept
        case ast.Div():
            yield "divisor dropped", SCALE, left
        case ast.Add() | ast.Sub():
            other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield "sign flipped", "sign direction", _binary(left, other, right)
            yield "term dropped", "missing_term derivative missing_operand missing_derivative", left
            if not isinstance(left, ast.Constant):
                yield (
                    "first term dropped",
                    "missing_term derivative missing_operand",
                    (right if isinstance(node.op, ast.Add) else ast.UnaryOp(ast.USub(), right)),
                )
        case ast.Pow():
            yield "power dropped", "power missing_operand extra_operand derivative", left
    if _is_derivative(node) and isinstance(right, ast.BinOp) and isinstance(right.op, ast.Pow):
        inner = ast.unparse(right.left)
        yield "derivative at a", "derivative", ast.parse(f"1 - np.tanh({inner})**2", mode="eval").body


def _of_call(node: ast.Call) -> Iterator[Change]:
    function = ast.unparse(node.func)
    last = function.rpartition(".")[2]
    if last in ("sum", "mean"):
        yield from _of_reduction(node)
    if function in ("np.dot", "np.matmul") and len(node.args) == 2:
        a, b = node.args
        yield "factors swapped", "order transposed", ast.Call(node.func, [b, a], [])
        yield "element by element", "elementwise", _binary(a, ast.Mult(), b)
        yield "transpose added", "transposed order", ast.Call(node.func, [_t(a), b], [])
    if function == "np.outer":
        yield "factors swapped", "order transposed", ast.Call(node.func, [node.args[1], node.args[0]], [])
    if function in ("sigmoid_prime", "sigmoid_derivative", "leaky_prime"):
        old = ast.unparse(node.args[0])
        new = old.replace("z", "a") if "z" in old and function != "sigmoid_derivative" else ""
        if new and new != old:
            yield "derivative at a", "derivative operand", ast.Call(node.func, [ast.Name(new, ast.Load())], [])
        yield (
            "activation for its derivative",
            "applied derivative operand",
            (ast.Call(ast.Name("sigmoid", ast.Load()), node.args, [])),
        )
    if function == "np.where" and len(node.args) == 3:
        condition, one, other = node.args
        yield "branches exchanged", "mask operand derivative", ast.Call(node.func, [condition, other, one], [])


def _of_reduction(node: ast.Call) -> Iterator[Change]:
    assert isinstance(node.func, ast.Attribute)
    method = not ast.unparse(node.func).startswith("np.")
    inner = node.func.value if method else node.args[0]
    if node.func.attr == "mean":
        yield "sum for mean", SCALE, _renamed(node, "sum")
    else:
        yield "sum dropped", "missing_sum", inner
        yield "mean for sum", SCALE, _renamed(node, "mean")
    axis = next((k for k in node.keywords if k.arg == "axis"), None)
    keeps = next((k for k in node.keywords if k.arg == "keepdims"), None)
    if axis is not None and isinstance(axis.value, ast.Constant | ast.UnaryOp):
        other = 0 if ast.unparse(axis.value) in ("1", "-1") else 1
        rest = [k for k in node.keywords if k is not axis]
        turned = ast.Call(node.func, node.args, [ast.keyword("axis", ast.Constant(other)), *rest])
        yield "other axis", "axis extra_sum missing_sum", turned
        whole = ast.Call(node.func, node.args, [k for k in rest if k is not keeps])
        yield "axis dropped", "axis missing_sum extra_sum", whole
    if keeps is not None:
        without = ast.Call(node.func, node.args, [k for k in node.keywords if k is not keeps])
        yield "keepdims dropped", "shape axis missing_sum", without


def _of_index(node: ast.expr) -> Iterator[Change]:
    """Yield indices that are one off; of names and keys there are none."""
    if isinstance(node, ast.Constant) and not isinstance(node.value, int):
        return
    if isinstance(node, ast.UnaryOp | ast.Constant) and not any(isinstance(n, ast.Name) for n in ast.walk(node)):
        return
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield "index one off", "index operand", node.left
    elif isinstance(node, ast.Name) and len(node.id) == 1:
        yield "index one off", "index operand", _binary(node, ast.Sub(), ast.Constant(1))


def _of_mask(node: ast.Compare, statement: ast.stmt) -> Iterator[Change]:
    turned = {ast.LtE: ast.Gt, ast.Lt: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt}
    for old, new in turned.items():
        if isinstance(node.ops[0], old):
            yield "mask turned", "mask derivative sign operand", ast.Compare(node.left, [new()], node.comparators)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
    if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
        own = ast.Name(target.value.id, ast.Load())
        yield "mask of the gradient", "mask operand", ast.Compare(own, node.ops, node.comparators)


def _is_derivative(node: ast.expr) -> bool:
    text = ast.unparse(node).strip("()")
    names = ("sigmoid_prime(", "sigmoid_derivative(", "leaky_prime(")
    return text.startswith(names) or text.endswith("> 0") or (text.endswith(" ** 2") and text.startswith("1 - "))


def _renamed(node: ast.Call, name: str) -> ast.expr:
    new = copy.deepcopy(node)
    assert isinstance(new.func, ast.Attribute)
    new.func.attr = name
    if name == "sum" and not new.keywords and not isinstance(node.func, ast.Name):
        return new
    return new


def _siblings(name: str) -> Iterator[str]:
    """Yield names that are easily confused with `name`."""
    numbers = {"1": "2", "2": "1", "3": "2"}
    if name[-1] in numbers and name[:-1]:
        yield name[:-1] + numbers[name[-1]]
    pairs = {"a1": "z1", "z1": "a1", "a2": "z2", "h": "x", "x": "h", "i": "f", "f": "i", "Q": "K", "K": "Q", "P": "dP"}
    pairs.update({"hidden": "X", "X": "hidden", "x_hat": "X", "dP": "P", "o": "i", "g": "i", "output": "y", "r": "z"})
    pairs.update({"hd": "h", "p": "q", "q": "p", "u": "v", "v": "u", "A": "dA", "xhat": "xmu", "W2": "W1"})
    if name in pairs:
        yield pairs[name]


def _t(node: ast.expr) -> ast.expr:
    return ast.Attribute(node, "T", ast.Load())


def _binary(left: ast.expr, operator: ast.operator, right: ast.expr) -> ast.BinOp:
    return ast.BinOp(left, operator, right)
