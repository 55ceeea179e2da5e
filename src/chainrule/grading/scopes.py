"""What the changes of a statement may introduce: the variables in reach, factors, what its loop looks up."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from chainrule.grading.answers import Answer, Unit
from chainrule.grading.arguments import Binding
from chainrule.grading.attempts import Attempt
from chainrule.grading.building import MODULES
from chainrule.grading.changes import Scope
from chainrule.grading.execution import Session
from chainrule.grading.instruments import names_stored
from chainrule.grading.lacking import entries_of, others_of
from chainrule.grading.outcomes import Outcomes
from chainrule.grading.points import margins
from chainrule.grading.updates import updates_parameter, updates_undone
from chainrule.ir import Apply, Program
from chainrule.primitives import Abs


class Scopes:
    """The scopes of the units of an answer, which the session knows as `key`."""

    def __init__(
        self,
        program: Program,
        binding: Binding,
        outcomes: Outcomes,
        session: Session,
        key: str,
        derivatives: Sequence[str],
        factors: Mapping[str, str],
    ) -> None:
        self._binding, self._outcomes, self._session, self._key = binding, outcomes, session, key
        self._derivatives, self._factors = derivatives, factors
        self._ndim = max(node.type.ndim for node in program.nodes)
        self._constants = margins(program)
        self._signs = any(isinstance(n, Apply) and isinstance(n.primitive, Abs) for n in program.nodes)

    def of(self, attempt: Attempt, unit: Unit) -> Scope:
        """Return what the changes of a unit may introduce."""
        derivatives = self._derivatives
        final = self._outcomes.updated_by(unit)
        flags = _flags(attempt.answer)
        helpers = frozenset(name.rpartition(".")[2] for name in attempt.answer.helpers)
        if unit.helper is not None:
            helper = attempt.answer.helpers[unit.helper]
            names = [argument.arg for argument in helper.args.args]
            names += sorted(name for statement in helper.body for name in names_stored(statement))
            own = sorted((name for name in dict.fromkeys(names) if name != "self"), key=lambda name: "cache" in name)
            own = [*own, *_attributes(helper)] if unit.closure else own
            once = attempt.runs[0].counts.get(unit.number) == 1  # else it is that of several layers
            undone = updates_undone(attempt.answer, unit, self._outcomes.finals)
            given, updates = derivatives if once else (), updates_parameter(attempt.answer, unit, self._outcomes.finals)
            return Scope(
                own,
                given,
                self._factors,
                None,
                updates,
                flags=flags,
                inner=True,
                undone=undone,
                helpers=helpers,
                ndim=self._ndim,
            )
        top = None if unit.nested else unit.top
        variables, holders = self._session.variables(attempt.answer, self._key, attempt.given, top)
        variables = [*variables, *(name for name in of_comprehensions(unit.statement) if name not in variables)]
        rate = self._binding.rate or ("η" if final else None)
        loop = attempt.answer.body[unit.top] if unit.nested and unit.top is not None else None
        updated, last = self._updated(attempt, unit), _is_last(attempt.answer, unit)
        return Scope(
            variables,
            derivatives,
            self._factors,
            rate,
            final is not None or updates_parameter(attempt.answer, unit, self._outcomes.finals),
            updated,
            holders,
            last,
            () if loop is None else _indices(loop),
            self._constants,
            () if loop is None else entries_of(loop),
            () if loop is None else others_of(loop),
            self._signs,
            flags,
            helpers=helpers,
            ndim=self._ndim,
        )

    def _updated(self, attempt: Attempt, unit: Unit) -> frozenset[str]:
        """Return the parameters that statements before a unit have updated."""
        before = [u for u in attempt.answer.units if u.top is not None and u.order < unit.order]
        finals = [self._outcomes.updated_by(u) for u in before]
        return frozenset(self._outcomes.in_variable(final).place.root for final in finals if final is not None)


def _attributes(helper: ast.FunctionDef) -> list[str]:
    """Return the attributes that a function and those within it read, such as `other.data`, and those of its like.

    `self.data` is one if `other.data` and `self.grad` are read: each instance has what another has.
    """
    nodes = [node for node in ast.walk(helper) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    called = {id(node.func) for node in ast.walk(helper) if isinstance(node, ast.Call)}
    read = [node for node in nodes if isinstance(node.ctx, ast.Load) and id(node) not in called]
    owners = dict.fromkeys(ast.unparse(node.value) for node in nodes if id(node) not in called)
    owners = dict.fromkeys(name for name in owners if name == "self" or name not in MODULES)
    return [f"{owner}.{attr}" for attr in dict.fromkeys(node.attr for node in read) for owner in owners]


def _flags(answer: Answer) -> dict[str, str]:
    """Return the functions of the file that give their derivative if a parameter says so, each with the parameter."""
    flags = {}
    for name, helper in answer.helpers.items():
        defaults = helper.args.defaults
        for argument, default in zip(helper.args.args[-len(defaults) :] if defaults else (), defaults, strict=True):
            off = isinstance(default, ast.Constant) and default.value is False
            if off and argument.arg.casefold().startswith(("d", "prime", "grad", "back")):
                flags[name] = argument.arg
    return flags


def of_comprehensions(statement: ast.stmt) -> list[str]:
    """Return the variables of the comprehensions in a statement."""
    loops = [node for node in ast.walk(statement) if isinstance(node, ast.comprehension)]
    return [node.id for loop in loops for node in ast.walk(loop.target) if isinstance(node, ast.Name)]


def _indices(loop: ast.stmt) -> list[ast.expr]:
    """Return the different indices that are looked up in a loop, such as `y[i]`."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(loop):
        index = node.slice if isinstance(node, ast.Subscript) else None
        for part in index.elts if isinstance(index, ast.Tuple) else [index]:
            if isinstance(part, ast.Subscript | ast.Name):
                found.setdefault(ast.dump(part), part)
    return list(found.values())


def _is_last(answer: Answer, unit: Unit) -> bool:
    """Whether no later statement assigns the variable of which a unit changes a part."""
    own = {name.partition("[")[0] for name in unit.names}
    later = (u for u in answer.units if u.helper == unit.helper and u.order > unit.order)
    return not any(name.partition("[")[0] in own for u in later for name in u.names)
