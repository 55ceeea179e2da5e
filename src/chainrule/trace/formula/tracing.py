"""Tracing of formula text."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from chainrule.ir import ArrayType, Declaration, Program, SymbolicDim
from chainrule.trace.formula.elaboration import elaborate
from chainrule.trace.formula.errors import FormulaError, Span, shown
from chainrule.trace.formula.inference import settle
from chainrule.trace.formula.parser import Formula, parse
from chainrule.trace.formula.questions import question_of
from chainrule.trace.formula.syntax import Binary, Call, Name, Number, Syntax, parts
from chainrule.trace.formula.typing import OF_MATRICES, Subject
from chainrule.trace.formula.words import canonical_name
from chainrule.trace.specification import properties_of, type_of
from chainrule.words import ChainruleError

_SIZES = ("n", "m", "p", "q", "k", "l", "r", "s", "u", "v", "g", "h", "t", "w", "a", "b", "c", "d", "o", "e")


def trace_formula(
    text: str,
    shapes: Mapping[str, Any],
    functions: Mapping[str, str | None] | None = None,
    declarations: Sequence[Declaration] = (),
    names: Collection[str] = (),
) -> Program:
    """Build the program of a formula; `shapes` are as in `trace`, and inferable ones may be omitted.

    `names` are variables without a shape, which are known not to be products such as `Ax`.
    `functions` names functions without a definition, with the sizes of those of vectors, as in `chainrule.function`.
    `declarations` are properties of variables, from which shapes are inferred too: a symmetric one is a square matrix.
    Raises FormulaError, with the position in the formula, and DeclarationError.

    >>> program = trace_formula("0.5*sum((X @ w - y)^2)", {"X": "n d", "y": "n"})
    >>> [(node.name, node.type.shape) for node in program.inputs]
    [('X', (n, d)), ('w', (d,)), ('y', (n,))]
    """
    question = question_of(text)
    if question is not None:
        raise FormulaError(
            "a derivative is asked for in front of this formula, which only derive answers; write the formula alone",
            text,
            Span(0, len(text) - len(question.formula.lstrip())),
        )
    known = frozenset((*shapes, *(each.name for each in declarations), *names))
    formula = parse(text, False, tuple((functions or {}).items()), known)
    given = {name: _type(name, shape) for name, shape in shapes.items()}
    sizes = {
        name for type_ in given.values() for dim in type_.shape if isinstance(dim, SymbolicDim) for name in dim.names
    }
    declared_names = {each.name for each in declarations}
    given |= {name: _type(name, shape) for name, shape in _of_kronecker(formula, given.keys() | declared_names)}
    subject = Subject(formula, list(given), sorted(sizes))
    types: dict[str, ArrayType] = {}
    for name, type_ in given.items():
        key = canonical_name(name)
        if key not in subject.variables:
            raise subject.unknown_name(name)
        if key in types:
            raise FormulaError(f"{shown(name)} is given two shapes, one by the letter and one by its name")
        types[key] = type_
    stated = [Declaration(name, each) for name, shape in shapes.items() for each in properties_of(shape)]
    _check_pi(formula, subject)
    declared = _by_variable(subject, (*stated, *declarations))
    for each in declared:
        if canonical_name(each.name) in types:
            each.check(types[canonical_name(each.name)])
    shaping = {canonical_name(each.name): each.property for each in declared if each.property.rank is not None}
    return elaborate(subject, settle(subject, types, shaping, by_convention=not shapes)).declare(declared)


def _of_kronecker(formula: Formula, known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield shapes for the factors of Kronecker products that stand nowhere else, so that nothing settles them.

    They are square where a function of square matrices is in the formula.
    """
    nodes = [node for statement in formula.statements for node in _nodes(statement.value)]
    names = [node.name for node in nodes if isinstance(node, Name)]
    square = any(isinstance(node, Call) and node.function in OF_MATRICES for node in nodes)
    letters = iter([each for each in _SIZES if each not in names])
    for node in nodes:
        if isinstance(node, Call) and node.function == "kron":
            factors = [factor for factor in node.arguments if isinstance(factor, Name) and factor.name[:1].isupper()]
            for factor in factors:
                if names.count(factor.name) == 1 and factor.name not in known:
                    first, second = next(letters, ""), "" if square else next(letters, "")
                    yield factor.name, f"{first} {second or first}"


def _check_pi(formula: Formula, subject: Subject) -> None:
    """Raise FormulaError for √(2π) or log(2π) where π is a variable, as the weights of a mixture are."""
    if "π" not in subject.variables and not any(canonical_name(each.name or "") == "π" for each in formula.statements):
        return
    for node in subject.order:
        if isinstance(node, Call) and node.function in ("sqrt", "log"):
            for part in _nodes(node):
                if isinstance(part, Binary) and _is_two(part.left) and isinstance(part.right, Name):
                    written = formula.text[part.span.start : part.span.end]
                    if canonical_name(part.right.name) == "π":
                        raise formula.error(
                            f"{shown(written)} has the variable {part.right.name} here; write 6.283185307179586 for "
                            "twice the number π, or give the variable another name",
                            part.span,
                        )


def _is_two(node: Syntax) -> bool:
    return isinstance(node, Number) and node.value == 2


def _nodes(root: Syntax) -> Iterator[Syntax]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(parts(node)))


def _by_variable(subject: Subject, declarations: Sequence[Declaration]) -> list[Declaration]:
    """Return the declarations, with names as the formula has them."""
    names = {key: node.name for key, node in subject.variables.items()}
    return [Declaration(names.get(canonical_name(each.name), each.name), each.property) for each in declarations]


def formula_variables(text: str) -> list[str]:
    """Return the names of a formula's variables, in order of first use.

    >>> formula_variables("z = W @ x; sum(sigmoid(z)) + pi")
    ['W', 'x']
    """
    return [node.name for node in Subject(parse(text), (), ()).variables.values()]


def _type(name: str, shape: Any) -> ArrayType:
    try:
        type_ = type_of(shape)
    except ChainruleError as error:
        raise type(error)(f"the shape of {shown(name)}: {error}") from None
    if type_ is None:
        raise FormulaError(
            f'{shown(name)} is given a {type(shape).__name__}; give its shape, as in {shown(name)}="n d"'
        )
    return type_
