"""Names of intermediates, taken from the local variables of the traced function.

User code is observed line by line with `sys.settrace`. After each line, a local variable (or an attribute of a watched
instance) that holds a new traced value names it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar, Token
from types import FrameType, TracebackType
from typing import Any, TypeAlias

from chainrule.ir import Apply, Node
from chainrule.trace.randomness import DrawWatch, asks_for_seed, entropy_drawn
from chainrule.trace.source import is_user_file, user_frame
from chainrule.trace.type_calls import check_types_asked, type_calls

TraceFunction: TypeAlias = Callable[[FrameType, str, Any], Any]

_recorder: ContextVar[NameRecorder | None] = ContextVar("recorder", default=None)

_NO_SCOPE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


class NameRecorder:
    """A context in which names are recorded; the previous trace function is restored at the end.

    `node_of` returns the node of a traced value and None for anything else; `watched` are attribute dictionaries of
    instances whose attributes name values too. A name from an outer call takes precedence over one from an inner call;
    otherwise the first name is used. `draws` describes random numbers drawn from external generators.
    """

    def __init__(self, node_of: Callable[[object], Node | None], watched: Collection[dict[str, Any]] = ()) -> None:
        self._node_of = node_of
        self._watched = [(attributes, self._held(attributes)) for attributes in watched]
        self._found: dict[Node, tuple[int, str]] = {}
        self._made: dict[int, Any] = {}  # assigned variables; a generator among them is the function's own
        self._depth = 0
        self.draws: list[str] = []
        self._previous: Any = None
        self._token: Token[NameRecorder | None] | None = None

    def __enter__(self) -> NameRecorder:
        self._previous = sys.gettrace()
        self._token = _recorder.set(self)
        sys.settrace(self._enter_frame)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        sys.settrace(self._previous)
        if self._token is not None:
            _recorder.reset(self._token)

    def give(self, name: str, value: object) -> None:
        """Name a traced value; takes precedence over names of variables."""
        node = self._node_of(value)
        if isinstance(node, Apply):
            self._record(0, name, node)

    def name_of(self, node: Node) -> str | None:
        """Return the name that a value has so far, before names are made distinct."""
        found = self._found.get(node)
        return None if found is None else found[1]

    def _enter_frame(self, frame: FrameType, event: str, argument: Any) -> TraceFunction | None:
        code = frame.f_code
        if event == "call" and asks_for_seed(frame):
            user = user_frame()
            drawn = None if user is None else entropy_drawn(user)
            self.draws += [] if drawn is None else [drawn]
        if event != "call" or not is_user_file(code.co_filename):
            return None
        draws = DrawWatch(frame, self._made, inner=self._depth > 0)
        asked = type_calls(code)
        if code.co_name in _NO_SCOPE and not draws and not asked:
            return None
        names_values = code.co_name not in _NO_SCOPE
        self._depth += names_values
        depth = self._depth
        seen = self._held(frame.f_locals)  # a parameter does not name its argument

        def after_line(frame: FrameType, event: str, argument: Any) -> TraceFunction:
            if draws and (moved := draws.moved(frame)) is not None:
                self.draws.append(moved)
            # A comprehension variable is known when its line ends, other variables when the next line begins.
            if asked and event == ("line" if names_values else "return"):
                check_types_asked(frame, asked, lambda value: self._node_of(value) is not None)
            if not names_values:
                return after_line
            if event in ("line", "return"):
                self._compare(depth, seen, frame.f_locals)
                for attributes, before in self._watched:
                    self._compare(depth, before, attributes)
            if event == "return":
                self._depth -= 1
            return after_line

        return after_line

    def _held(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """Return what each name stands for; of traced values the nodes, since a write leaves the array in place."""
        nodes = {name: self._node_of(value) for name, value in names.items()}
        return {name: value if (node := nodes[name]) is None else node for name, value in names.items()}

    def _compare(self, depth: int, seen: dict[str, Any], now: Mapping[str, Any]) -> None:
        for name, value in now.items():
            node = self._node_of(value)
            key = value if node is None else node
            if name in seen and seen[name] is key:
                continue
            seen[name] = key
            if node is None:
                self._made[id(value)] = value  # kept alive so that its id is not reused
            if isinstance(node, Apply) and name.strip("_") and not name.startswith("."):
                self._record(depth, name, node)

    def _record(self, depth: int, name: str, node: Node) -> None:
        known = self._found.get(node)
        if known is None or known[0] > depth:
            self._found.pop(node, None)
            self._found[node] = (depth, name)

    def names(self, taken: Collection[str], alive: Collection[Node]) -> dict[Node, str]:
        """Return the names of nodes in `alive`, distinct from each other and from `taken`.

        A name that occurs more than once is numbered in order, `h1`, `h2`, …; a unique one is unchanged.
        """
        groups: dict[str, list[Node]] = {}
        for node, (_, name) in self._found.items():
            if node in alive:
                groups.setdefault(name, []).append(node)
        used = set(taken)
        result: dict[Node, str] = {}
        for name, nodes in groups.items():
            if len(nodes) == 1 and name not in used:
                result[nodes[0]] = name
        used.update(result.values())
        for name, nodes in groups.items():
            if nodes[0] in result:
                continue
            stem = name + "_" if name[-1].isdigit() else name
            while used & {f"{stem}{k}" for k in range(1, len(nodes) + 1)}:
                stem += "_"
            numbered = {node: f"{stem}{k}" for k, node in enumerate(nodes, 1)}
            result.update(numbered)
            used.update(numbered.values())
        return {node: result[node] for node in self._found if node in result}


def name_given(node: Node) -> str | None:
    """Return the name that a value has so far in the current trace."""
    recorder = _recorder.get()
    return None if recorder is None else recorder.name_of(node)


def named(name: str, value: Any) -> Any:
    """Return `value`, named `name` in the current trace, if any.

    For names that no local variable has, such as those of layers in a loop.
    """
    recorder = _recorder.get()
    if recorder is not None:
        recorder.give(name, value)
    return value
