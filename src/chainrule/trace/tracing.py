"""Tracing a Python function: it is called once, on values that record operations."""

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
from chainrule.trace.buffers import Buffer, content_of
from chainrule.trace.complex_values import is_complex
from chainrule.trace.constructors import Recorder, recorded_constructors
from chainrule.trace.formula import trace_formula
from chainrule.trace.inputs import Inputs, make_inputs
from chainrule.trace.literals import as_node
from chainrule.trace.lookups import traced_with_answers
from chainrule.trace.naming import NameRecorder
from chainrule.trace.randomness import global_states, moved_since
from chainrule.trace.recording import Recording, given_unsigned, recording
from chainrule.trace.rounds import UnlikeRoundsError, keeping_recurrences
from chainrule.trace.source import TraceError, UnaskedError, refused_in_library, traced_files
from chainrule.trace.subjects import Subject, subject_of
from chainrule.trace.traced import (
    Size,
    Traced,
    as_constant,
    holds_traced,
    is_size,
    is_table,
    item_of_table,
    length_of,
    record_call,
    released,
)
from chainrule.words import at_callers_line

_lasts_one_call: ContextVar[bool] = ContextVar("lasts_one_call", default=False)
"""Whether the program is used only in the current call, so that random numbers may be drawn during tracing."""

MOST_RESULTS = 10_000
"""Maximum number of arrays and numbers in the result, nested in lists, tuples and dicts."""

_RANDOM = tuple(Input(name, ArrayType((), DType.INT64)) for name in (RNG_SEED, RNG_STEP))
"""The inputs, besides the arguments, of a program that draws random numbers."""


@dataclass(frozen=True)
class Tracing:
    """A traced program, with the structure of the function's arguments and result.

    `arguments` has, for each parameter, its tree with Input nodes as leaves (values that are passed through stay in
    place); for a method also the attributes, including unused arrays. `result` is the function's result with nodes as
    leaves. `random` are the seed and the step, if random numbers are drawn; they follow the arguments. `captured` are
    inputs of an enclosing trace that the function uses; they are the last inputs of `program`.
    """

    program: Program
    arguments: Mapping[str, Any]
    result: Any
    random: tuple[Input, ...]
    captured: tuple[Input, ...]


@at_callers_line
def trace(function: Callable[..., Any] | str, /, *args: Any, **shapes: Any) -> Program:
    """Trace the program that `function` computes for arguments of the given shapes.

    Shapes are given by position or by name: as text (`X="n d"`, `y="n:int"`), tuples (`X=(4, 2)`) or arrays, also
    nested in dicts, lists and tuples; or as annotations, `def loss(X: "n d", y: Annotated[Array, "n:int"])`. A
    parameter with a default value and no shape keeps that value. For a method, arrays among the instance's attributes
    become inputs of the same name; the instance is not modified.

    Inputs are named after the parameters, leaves of dicts after their keys, intermediates after local variables. Random
    numbers of `dropout`, `random_uniform` and `random_normal` are drawn whenever the program runs: they depend on two
    additional inputs, "rng seed" and "rng step". Random numbers of NumPy would be identical in every run; they are
    rejected, unless drawn from a generator that the function creates with a seed, as in `np.random.default_rng(0)`.

    A string is a formula, `trace("0.5*sum((X @ w - y)^2)", X="n d", y="n")`: its variables are the inputs, and shapes
    that can be inferred may be omitted. It is parsed and never evaluated.

    Raises TraceError for unsupported operations and ShapeError for incompatible shapes, both with the line;
    FormulaError for a formula, with the position.

    Examples
    --------
    >>> import chainrule as cr
    >>> def loss(X, y, w):
    ...     r = X @ w - y
    ...     return np.mean(r**2)
    >>> program = cr.trace(loss, X="n d", y="n", w="d")
    >>> print(cr.equations(program))
    r = X w − y
    L = mean(r²)
    >>> [node.name for node in program.inputs]
    ['X', 'y', 'w']

    """
    return _separately(function, args, shapes, kept=False)


@at_callers_line
def trace_with_recurrences(function: Callable[..., Any] | str, /, *args: Any, **shapes: Any) -> Program:
    """Trace as `trace` does; the program contains scans whose rounds are alike as recurrences."""
    return _separately(function, args, shapes, kept=True)


def _separately(
    function: Callable[..., Any] | str, args: tuple[Any, ...], shapes: dict[str, Any], kept: bool
) -> Program:
    if isinstance(function, str):
        if args:
            raise TraceError('shapes of a formula are given by name, as in trace("sum(x^2)", x="n")')
        return trace_formula(function, shapes)
    around = recording.get()
    token = recording.set(None)  # a separate program, even if created by a function that is being traced
    try:
        with keeping_recurrences(kept):
            return trace_with_structure(function, *args, **shapes).program
    except TraceError as error:
        if around is not None:
            around.refused(error)
        raise
    finally:
        recording.reset(token)


def trace_with_structure(function: Callable[..., Any], /, *args: Any, **shapes: Any) -> Tracing:
    """Trace as `trace` does; also return the structure of the arguments and the result.

    In the context `keeping_recurrences` a scan is recorded as a recurrence, if its rounds are alike.
    """

    def traced() -> Tracing:
        return traced_with_answers(lambda: _traced_once(function, args, shapes), is_table, item_of_table, length_of)

    try:
        return traced()
    except UnlikeRoundsError:
        with keeping_recurrences(False):
            return traced()


def _traced_once(function: Callable[..., Any], args: tuple[Any, ...], shapes: dict[str, Any]) -> Tracing:
    subject = subject_of(function)
    parent = recording.get()
    unsigned = given_unsigned.get() or any(map(_is_unsigned, pytree.flatten([list(args), shapes])[0]))
    here = Recording(subject.name, parent, unsigned or (parent is not None and parent.unsigned))
    # Inputs of the same name and type are the same node, so an inner trace adds a suffix to the names of its inputs.
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
        recorded_constructors(Recorder(is_size, holds_traced, record_call, as_constant)),
        collected_demands() as demands,
        NameRecorder(_node_of, subject.watched) as recorder,
    ):
        try:
            returned = subject.call(*arguments.args, **arguments.kwargs)
        except (ValueError, TypeError) as error:
            if isinstance(error.__cause__, TraceError):  # NumPy wraps the error in one of its own
                raise error.__cause__ from None
            refused = refused_in_library(error) or _lists_of_shapes(error, subject, inputs)
            if refused is not None:
                raise refused from None
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
    return _assembled(subject, inputs, result, recorder, demands, here)


def _lists_of_shapes(error: Exception, subject: Subject, inputs: Inputs) -> TraceError | None:
    """The error for a list of sizes in place of a shape, `X=["n", "d"]`, used as one array; None if there is none."""
    for name, tree in inputs.arguments.items():
        if type(tree) in (list, tuple) and "unsupported operand" in str(error):
            sizes = [leaf.type.shape for leaf in tree if isinstance(leaf, Input)]
            if len(sizes) == len(tree) and all(len(shape) == 1 for shape in sizes):
                text = " ".join(str(shape[0]) for shape in sizes)
                given = f"a {type(tree).__name__} of {len(tree)} vectors"
                return TraceError(
                    f"{subject.place}{subject.name} was given {name} as {given}; for one array write {name}={text!r}"
                )
    return None


@contextmanager
def for_one_call(leaves: Sequence[Any] = ()) -> Iterator[None]:
    """A context in which programs are traced for the current call alone, and may contain random numbers drawn in it.

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
    """Raise TraceError if the program would not reproduce what the function does."""
    if here.refusals and isinstance(here.refusals[0], UnaskedError):
        raise here.refusals[0]
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
    subject: Subject, inputs: Inputs, result: Any, recorder: NameRecorder, demands: Sequence[Demand], here: Recording
) -> Tracing:
    outputs = tuple(pytree.flatten(result)[0])
    if not outputs:
        raise TraceError(f"{subject.place}{subject.name} returns nothing; end it with return and the value wanted")
    alive = topological_order(outputs)
    used = frozenset(alive)
    own = [node for node in inputs.nodes if node in used or node not in inputs.optional]
    enclosed = here.parent is not None
    random = () if enclosed else tuple(node for node in _RANDOM if node in used)
    declared = frozenset((*own, *random))
    captured = tuple(node for node in alive if isinstance(node, Input) and node not in declared)
    if not here.symbols.isdisjoint(captured):  # a value of a step was kept outside of it
        raise UnlikeRoundsError
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
    held = {node.name for node in own}
    program = Program((*own, *random, *captured), outputs, names, needed)
    program = program.declare([each for each in inputs.declared if each.name in held])
    attributes = {name: tree for name, (_, tree) in inputs.attributes.items()}
    return Tracing(program, {**attributes, **inputs.arguments}, result, random, captured)


def _traced(tree: Any, owner: Recording) -> Any:
    return pytree.map_leaves(lambda leaf: Traced(leaf, owner=owner) if isinstance(leaf, Input) else leaf, tree)


def _node_of(value: object) -> Node | None:
    """Return the node of a traced value, unless it has been written and not been read since; None for anything else."""
    value = content_of(value) if type(value) is Buffer else value
    return value.memory.known if isinstance(value, Traced) else None


def _check_result(subject: Subject, returned: Any) -> None:
    """Raise TraceError for a result with too many parts, or one that contains itself."""
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
    leaf = content_of(leaf)
    if isinstance(leaf, Traced | Size | bool | int | float | np.generic | np.ndarray):
        return as_node(released(leaf))
    if is_complex(leaf):
        raise TraceError(
            f"{subject.place}{subject.name} returns a complex value; return a real one, such as np.abs(z) or z.real"
        )
    raise TraceError(
        f"{subject.place}{subject.name} returns a {type(leaf).__name__}; return arrays or numbers, "
        "or dicts, lists and tuples of them"
    )


@contextmanager
def _tracing(subject: Subject, here: Recording) -> Iterator[None]:
    """A context in which the subject's file counts as user code and further traces are nested in this one.

    Nested traces are for one call only if they say so themselves.
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
