"""From a Python function to a Program: the function is called once, on values that record what is done to them."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.functions import RNG_SEED, RNG_STEP, RandomSource, collected_demands, random_source
from chainrule.ir import Apply, ArrayType, Demand, DType, Input, Node, Program, topological_order
from chainrule.trace import pytree
from chainrule.trace.formula import trace_formula
from chainrule.trace.inputs import Inputs, make_inputs
from chainrule.trace.literals import as_node
from chainrule.trace.naming import NameRecorder
from chainrule.trace.randomness import global_states, moved_since
from chainrule.trace.recording import Recording, given_unsigned, recording
from chainrule.trace.source import TraceError, traced_files
from chainrule.trace.subjects import Subject, subject_of
from chainrule.trace.traced import Size, Traced, released

_lasts_one_call: ContextVar[bool] = ContextVar("lasts_one_call", default=False)
"""Whether the program serves for the present call alone, so that random numbers drawn meanwhile are for it."""

MOST_RESULTS = 10_000
"""Arrays and numbers that a function may return, in lists, tuples and dicts."""

_RANDOM = tuple(Input(name, ArrayType((), DType.INT64)) for name in (RNG_SEED, RNG_STEP))
"""The inputs of a program that draws random numbers, besides the arguments."""


@dataclass(frozen=True)
class Tracing:
    """A traced program, and how its inputs and outputs lie in the function's arguments and result.

    `arguments` has, for each parameter, its tree with Input nodes for leaves (values that are passed on as they are
    stay in place); for a method the attributes too, also arrays that it does not use. `result` is the function's result
    with nodes for leaves. `random` are the seed and the step, if random numbers are drawn; they follow the arguments.
    `captured` are the inputs of an enclosing trace that the function uses; they are the last
    inputs of `program`.
    """

    program: Program
    arguments: Mapping[str, Any]
    result: Any
    random: tuple[Input, ...]
    captured: tuple[Input, ...]


def trace(function: Callable[..., Any] | str, /, *args: Any, **shapes: Any) -> Program:
    """The program that `function` computes, for arguments of the given shapes.

    Shapes are given by position or by name: as text (`X="n d"`, `y="n:int"`), as tuples (`X=(4, 2)`), or as arrays;
    in dicts, lists and tuples too; or as annotations, `def loss(X: "n d", y: Annotated[Array, "n:int"])`. A parameter
    that has a default value and no shape keeps that value. For the method of an instance, arrays among the instance's
    attributes become inputs, named as they are; the instance itself is not changed.

    Inputs are named by the parameters, leaves of dicts by their keys. Local variables name the intermediates.
    Random numbers of `dropout`, `random_uniform` and `random_normal` are drawn whenever the program runs: they depend
    on two more inputs, "rng seed" and "rng step". Those of NumPy would be the same in every run, and a function that
    draws them is refused, except from a generator that it makes itself with a seed, as in `np.random.default_rng(0)`.

    A text is a formula, `trace("0.5*sum((X @ w - y)^2)", X="n d", y="n")`: its variables are the inputs, and shapes
    that follow from others may be left out. It is parsed and never evaluated.

    Raises TraceError for what cannot be recorded and ShapeError for shapes that do not fit, both with the line;
    FormulaError for a formula, with the place in it.
    """
    if isinstance(function, str):
        if args:
            raise TraceError('shapes of a formula are given by name, as in trace("sum(x^2)", x="n")')
        return trace_formula(function, shapes)
    around = recording.get()
    token = recording.set(None)  # a program of its own, also where a function makes it that is being traced
    try:
        return trace_with_structure(function, *args, **shapes).program
    except TraceError as error:
        if around is not None:
            around.refused(error)
        raise
    finally:
        recording.reset(token)


def trace_with_structure(function: Callable[..., Any], /, *args: Any, **shapes: Any) -> Tracing:
    """As `trace`, and says how inputs and outputs lie in the arguments and the result."""
    subject = subject_of(function)
    parent = recording.get()
    unsigned = given_unsigned.get() or any(map(_is_unsigned, pytree.flatten([list(args), shapes])[0]))
    here = Recording(subject.name, parent, unsigned or (parent is not None and parent.unsigned))
    # An inner trace marks the names of its inputs, since inputs of the same name and type are the same node.
    inputs = make_inputs(subject, args, shapes, suffix="′" * here.depth)
    arguments = inspect.BoundArguments(subject.signature, OrderedDict(_traced(inputs.arguments, here)))
    for attribute, tree in inputs.attributes.values():
        attribute.owner[attribute.key] = _traced(tree, here)
    passing = _lasts_one_call.get()
    states = global_states() if parent is None and not passing else {}
    source = random_source(RandomSource(*_traced(_RANDOM, here))) if parent is None else nullcontext()
    with (
        source,
        _tracing(subject, here),
        collected_demands() as demands,
        NameRecorder(_node_of, subject.watched) as recorder,
    ):
        try:
            returned = subject.call(*arguments.args, **arguments.kwargs)
        except (ValueError, TypeError) as error:
            if isinstance(error.__cause__, TraceError):  # NumPy puts an error of its own over the refusal
                raise error.__cause__ from None
            raise
        except RecursionError:
            raise TraceError(
                f"{subject.place}{subject.name} calls itself, or nests operations, too deeply to be recorded; end the "
                "recursion at a fixed depth, or give names to parts"
            ) from None
        finally:
            here.draws += recorder.draws
        _check_result(subject, returned)
        result = pytree.map_leaves(lambda leaf: _result_node(subject, leaf), returned)
    if not here.draws and (moved := moved_since(states)) is not None:
        here.draws.append(f"{subject.place}{subject.name}\n  {moved}")
    _check_recording(here, passing)
    return _assembled(subject, inputs, result, recorder, demands, enclosed=parent is not None)


@contextmanager
def for_one_call(leaves: Sequence[Any] = ()) -> Iterator[None]:
    """While it lasts, programs are traced for the present call alone, and may hold random numbers drawn in it.

    `leaves` are the arguments of that call.
    """
    token = _lasts_one_call.set(True)
    unsigned = given_unsigned.set(any(map(_is_unsigned, leaves)))
    try:
        yield
    finally:
        given_unsigned.reset(unsigned)
        _lasts_one_call.reset(token)


def _is_unsigned(leaf: Any) -> bool:
    return getattr(getattr(leaf, "dtype", None), "kind", "") == "u"


def _check_recording(here: Recording, passing: bool) -> None:
    """Raise TraceError where the program, unless it is for the present call alone, would not mean what is done here."""
    if here.refusals:
        raise TraceError(
            f"{here.refusals[0]}\n  this error was caught in {here.name}, which went on in another way than it does on "
            "arrays; leave out the try"
        )
    if here.draws and not passing:
        raise TraceError(
            f"{here.draws[0]}, once, and would repeat them whenever the program runs; write cr.random_normal(shape), "
            "cr.random_uniform(shape) or cr.dropout(x, rate), which draw anew, or pass the numbers as an argument"
        )
    if here.parent is not None:
        here.parent.draws += here.draws


def _assembled(
    subject: Subject, inputs: Inputs, result: Any, recorder: NameRecorder, demands: Sequence[Demand], enclosed: bool
) -> Tracing:
    outputs = tuple(pytree.flatten(result)[0])
    if not outputs:
        raise TraceError(f"{subject.place}{subject.name} returns nothing; end it with return and the value wanted")
    alive = topological_order(outputs)
    used = frozenset(alive)
    own = [node for node in inputs.nodes if node in used or node not in inputs.optional]
    random = () if enclosed else tuple(node for node in _RANDOM if node in used)
    declared = frozenset((*own, *random))
    captured = tuple(node for node in alive if isinstance(node, Input) and node not in declared)
    if captured and not enclosed:
        raise TraceError(
            f"{subject.place}{subject.name} uses {captured[0].name!r} of another trace, kept in a variable outside of "
            "it; pass it as an argument instead"
        )
    taken = [node.name for node in (*own, *random, *captured)]
    names = recorder.names(taken, used)
    if len(outputs) == 1 and isinstance(outputs[0], Apply) and outputs[0].type.ndim == 0 and outputs[0] not in names:
        names.update({outputs[0]: "L"} if "L" not in {*taken, *names.values()} else {})
    needed = tuple(each for each in demands if each.node in used)
    program = Program((*own, *random, *captured), outputs, names, needed)
    attributes = {name: tree for name, (_, tree) in inputs.attributes.items()}
    return Tracing(program, {**attributes, **inputs.arguments}, result, random, captured)


def _traced(tree: Any, owner: Recording) -> Any:
    return pytree.map_leaves(lambda leaf: Traced(leaf, owner=owner) if isinstance(leaf, Input) else leaf, tree)


def _node_of(value: object) -> Node | None:
    return value.node if isinstance(value, Traced) else None


def _check_result(subject: Subject, returned: Any) -> None:
    """Raise TraceError for a result of very many parts, or one that contains itself."""
    pending, count = [returned], 0
    while pending:
        tree = pending.pop()
        parts = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list | tuple) else ()
        count += len(parts)
        if count > MOST_RESULTS:
            raise TraceError(
                f"{subject.place}{subject.name} returns more than {MOST_RESULTS:,} values; return arrays that hold them"
            )
        pending.extend(parts)


def _result_node(subject: Subject, leaf: Any) -> Node:
    if isinstance(leaf, Traced | Size | bool | int | float | np.generic | np.ndarray):
        return as_node(released(leaf))
    raise TraceError(
        f"{subject.place}{subject.name} returns a {type(leaf).__name__}; return arrays or numbers, "
        "or dicts, lists and tuples of them"
    )


@contextmanager
def _tracing(subject: Subject, here: Recording) -> Iterator[None]:
    """While it lasts, the subject's file counts as the user's and further traces are inside this one.

    Those are for one call only where they say so themselves.
    """
    files = traced_files.get()
    file_token = traced_files.set(files if subject.code is None else files | {subject.code.co_filename})
    token, lasting = recording.set(here), _lasts_one_call.set(False)
    try:
        yield
    finally:
        here.alive = False
        _lasts_one_call.reset(lasting)
        recording.reset(token)
        traced_files.reset(file_token)
