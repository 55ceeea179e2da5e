"""`table[labels]` of a table of numbers by traced labels, and `len` of an axis whose size has only a name.

Python asks only the object before the brackets, so NumPy would ask the labels for their numbers, and of a length it
takes only a number. A function that does this is compiled again from its source, in which the object before each pair
of brackets, and `len` with its argument, are passed to `_Answers`; everything else, and every position in the source,
stays as it is. Its tracing then begins anew.
"""

from __future__ import annotations
import __future__

import ast
import gc
import linecache
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias, TypeVar

from chainrule.ir import Memo, fork_safe_lock
from chainrule.trace.source import UnaskedError

T = TypeVar("T")

_MARK: Final = "what answers in the place of Python"
_FUTURES: Final = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)

Codes: TypeAlias = list[tuple[CodeType, CodeType, tuple[CodeType, ...]]]
"""The code of each function of a module as it is and rewritten, and that of the functions around it."""


class _Answers:
    """Stands for `_MARK` in rewritten code."""

    def __init__(
        self, is_table: Callable[[object], bool], item: Callable[[Any, Any], Any], length: Callable[[Any, Any], Any]
    ) -> None:
        self._is_table, self._item, self.length = is_table, item, length

    def before(self, value: Any) -> Any:
        """Return what is indexed in the place of `value`."""
        return _Table(value, self._item) if self._is_table(value) else value


class _Table:
    """A table with brackets that take traced values."""

    def __init__(self, table: Any, item: Callable[[Any, Any], Any]) -> None:
        self._table, self._item = table, item

    def __getitem__(self, index: Any) -> Any:
        return self._item(self._table, index)


class _Rewritten(ast.NodeTransformer):
    """Replaces `value[index]` by `_MARK.before(value)[index]`, and `len(value)` by `_MARK.length(len, value)`.

    Annotations stay as they are.
    """

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load):
            node.value = ast.copy_location(ast.Call(_method("before", node.value), [node.value], []), node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.Call(ast.Name("len") as function, [ast.expr() as value], []) if not isinstance(value, ast.Starred):
                return ast.copy_location(ast.Call(_method("length", function), [function, value], []), node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        returns, node.returns = node.returns, None
        self.generic_visit(node)
        node.returns = returns
        return node


def _method(name: str, at: ast.expr) -> ast.expr:
    mark = ast.copy_location(ast.Constant(_MARK), at)
    return ast.copy_location(ast.Attribute(mark, name, ast.Load()), at)


_modules: Memo[tuple[str, str, int], Codes] = Memo(16)
_lock = fork_safe_lock()


def traced_with_answers(
    trace: Callable[[], T],
    is_table: Callable[[object], bool],
    item: Callable[[Any, Any], Any],
    length: Callable[[Any, Any], Any],
) -> T:
    """Return `trace()`, in which `item(table, index)` takes the place of `table[index]` for tables.

    `length(len, value)` takes that of `len(value)`. Raises UnaskedError, an ordinary refusal, if the source of a
    function that does either is unknown.
    """
    answers = _Answers(is_table, item, length)
    exchanged: dict[CodeType, CodeType] = {}
    while True:
        try:
            with _exchanged(exchanged):
                return trace()
        except UnaskedError as error:
            found = {} if error.code in exchanged.values() else _rewritten(error.code, error.module, answers)
            if not found.keys() - exchanged.keys():
                raise
            exchanged.update(found)


def _rewritten(code: CodeType, module: Mapping[str, Any], answers: _Answers) -> dict[CodeType, CodeType]:
    """Return the rewritten code of a function and of those that contain it; nothing if its source is unknown."""
    text = "".join(linecache.getlines(code.co_filename, dict(module)))
    flags = code.co_flags & _FUTURES
    codes = _modules.made((code.co_filename, text, flags), lambda: _compiled(text, code.co_filename, flags))
    for before, after, around in codes:
        if before == code:
            pairs = {each: new for each, new, _ in codes if each in around}
            return {each: _with_answers(new, answers) for each, new in {**pairs, code: after}.items()}
    return {}


def _compiled(text: str, file: str, flags: int) -> Codes:
    """Compile a module as it is and rewritten."""
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # as in a notebook
    try:
        tree = ast.parse(text, file)
        before = compile(tree, file, "exec", flags, dont_inherit=True)
        changed = ast.fix_missing_locations(_Rewritten().visit(tree))
        after = compile(changed, file, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return []
    pairs = list(zip(_inside(before, ()), _inside(after, ()), strict=False))
    return [(old, new, around) for (old, around), (new, _) in pairs if old.co_qualname == new.co_qualname]


def _inside(code: CodeType, around: tuple[CodeType, ...]) -> Iterator[tuple[CodeType, tuple[CodeType, ...]]]:
    yield code, around
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _inside(constant, (*around, code))


def _with_answers(code: CodeType, answers: _Answers) -> CodeType:
    """Put `answers` in the place of the mark."""

    def put(constant: Any) -> Any:
        if isinstance(constant, CodeType):
            return _with_answers(constant, answers)
        return answers if constant == _MARK and isinstance(constant, str) else constant

    return code.replace(co_consts=tuple(map(put, code.co_consts)))


@contextmanager
def _exchanged(codes: Mapping[CodeType, CodeType]) -> Iterator[None]:
    """A context in which the functions with the code in `codes` run the code that it is exchanged for."""
    held: list[tuple[FunctionType, CodeType]] = []
    with _lock:
        for function in _functions_in({code.co_filename for code in codes}):
            new = codes.get(function.__code__)
            if new is not None:
                held.append((function, function.__code__))
                function.__code__ = new
    try:
        yield
    finally:
        with _lock:
            for function, code in held:
                function.__code__ = code


def _functions_in(files: Collection[str]) -> list[FunctionType]:
    """Return the functions that exist and are defined in `files`."""
    if not files:
        return []
    functions = (each for each in gc.get_objects() if type(each) is FunctionType)
    return [each for each in functions if each.__code__.co_filename in files]
