"""One call of a function that is differentiated: its program, the values of its inputs, and their structure."""

from __future__ import annotations

import copy
import functools
import inspect
import operator
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import recognized, written_nodes
from chainrule.functions import demand, random_inputs
from chainrule.ir import (
    ArrayType,
    Const,
    DType,
    Input,
    Node,
    ProgramError,
    SymbolicDim,
    plain_array,
    substitute,
)
from chainrule.primitives import evaluate_nodes, refuse_abstract
from chainrule.trace import (
    Size,
    Traced,
    TreeStructure,
    flatten,
    flatten_with_paths,
    for_one_call,
    is_record,
    keeping_recurrences,
    recording,
    released,
    trace_with_structure,
    unflatten,
    wrap,
)

Array: TypeAlias = NDArray[Any]
Function: TypeAlias = Callable[..., Any]
Argnums: TypeAlias = "int | Sequence[int]"


@dataclass(frozen=True)
class Call:
    """One call of a function: its program, the values of the inputs, and the structure of the arguments."""

    inputs: tuple[Input, ...]
    leaves: tuple[Any, ...]
    places: tuple[int, ...]
    outputs: tuple[Node, ...]
    structure: TreeStructure
    program: Any
    symbolic: bool
    random: Mapping[Node, int]

    @property
    def is_traced(self) -> bool:
        """Whether the function, or an argument, belongs to a function that is being traced."""
        given = (*self.leaves, *self.random.values())
        return self.symbolic or any(isinstance(value, Traced | Size) for value in given)

    def values(self, nodes: Sequence[Node], extra: Mapping[Node, Any] | None = None) -> list[Any]:
        """Evaluate `nodes` at the call's arguments, to arrays, or to traced values if an argument is traced."""
        given: dict[Node, Any] = {**dict(zip(self.inputs, self.leaves, strict=True)), **self.random, **(extra or {})}
        if self.symbolic or any(isinstance(value, Traced | Size) for value in given.values()):
            mapping = {node: as_node(value, node.type) for node, value in given.items()}
            here = recording.get()
            return [wrap(node, owner=here) for node in substitute(nodes, mapping)]
        arrays: dict[Node, Array] = {node: np.asarray(value, node.type.dtype.numpy) for node, value in given.items()}
        found = evaluate_nodes(nodes, arrays)
        return [np.array(found[node])[()] for node in nodes]


def as_node(value: Any, type_: ArrayType) -> Node:
    """Return a value as an expression."""
    found = released(value)
    if isinstance(found, SymbolicDim):
        return Const(found, type_)
    return found if isinstance(found, Node) else Const(np.array(found, type_.dtype.numpy), type_)


def is_array(leaf: Any) -> bool:
    """Whether a leaf of an argument is a number or an array."""
    return isinstance(leaf, Traced | Size | np.ndarray | np.generic | int | float) and not isinstance(leaf, bool)


def leaf_type(leaf: Any) -> ArrayType:
    """Return the type of a number or an array."""
    if isinstance(leaf, Traced):
        return leaf.node.type
    if isinstance(leaf, Size):
        return ArrayType(())
    array = plain_array(leaf)
    return ArrayType(array.shape, DType.of(array.dtype))


def _check_argument(number: int, argument: Any) -> None:
    """Raise ProgramError if a differentiated argument has a leaf without a gradient that is not passed through."""
    found = flatten_with_paths(argument)
    for path, leaf in found:
        if not (is_array(leaf) or isinstance(leaf, bool | str) or callable(leaf)):
            place = "".join(f"[{key!r}]" for key in path)
            raise ProgramError(
                f"argument {number}{place} is a {type(leaf).__name__}, which has no gradient; give an array "
                "(np.asarray makes one of a table's column), or dicts, lists, tuples and dataclasses of arrays"
            )
    if not any(is_array(leaf) for _, leaf in found):
        raise ProgramError(f"argument {number} holds no numbers to differentiate by; choose another one by argnums")


def traced_call(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any], floats: Sequence[int]) -> Call:
    """Trace `function` at its arguments; Python ints in the positional arguments `floats` become floats."""
    args = [with_floats(arg) if place in floats else arg for place, arg in enumerate(args)]
    for number in floats:
        _check_argument(number, args[number])
    # An instance that is not differentiated is passed through, with its arrays as constants.
    parts = [flatten(arg, None if place in floats else is_record) for place, arg in enumerate(args)]
    parts.append(flatten(dict(kwargs), is_record))
    leaves = [_native(leaf) for part, _ in parts for leaf in part]
    structure = TreeStructure(list, tuple(range(len(parts))), tuple(part for _, part in parts))
    counts = [part.leaf_count for _, part in parts[:-1]]
    owner = [place for place, count in enumerate(counts) for _ in range(count)]
    owner += [len(args)] * (len(leaves) - len(owner))
    # Python ints that are not differentiated are kept: they may be axes, counts or indices.
    arrays = [place for place, leaf in enumerate(leaves) if is_array(leaf) and type(leaf) is not int]
    if inspect.ismethod(function):  # the method must not leave traced values in its instance
        function = types.MethodType(function.__func__, copy.copy(function.__self__))

    @functools.wraps(function)
    def at_leaves(*values: Any) -> Any:
        placed = list(leaves)
        for place, value in zip(arrays, values, strict=True):
            placed[place] = value
        *positional, named = unflatten(structure, placed)
        return function(*positional, **named)

    del at_leaves.__wrapped__  # the traced function takes the leaves as arguments
    with for_one_call(leaves), keeping_recurrences():
        tracing = trace_with_structure(at_leaves, *(leaf_type(leaves[place]) for place in arrays))
    _, result_structure = flatten(tracing.result)
    own = tracing.program.inputs[: len(arrays)]
    program = recognized(tracing.program)  # so that kinks have the same derivative as in a derivation and in fit
    call = Call(
        own,
        tuple(leaves[place] for place in arrays),
        tuple(owner[place] for place in arrays),
        program.outputs,
        result_structure,
        program,
        bool(tracing.captured),
        {node: random_inputs()[node.name] for node in tracing.random},
    )
    refuse_abstract(written_nodes(program.outputs))
    demands = tracing.program.demands
    for each, value in zip(demands, call.values([each.node for each in demands]), strict=True):
        if isinstance(value, Traced):
            demand(replace(each, node=value.node))
        else:
            each.check(np.asarray(value))
    return call


def _native(leaf: Any) -> Any:
    return plain_array(leaf) if issubclass(type(leaf), np.ndarray) else leaf


def with_floats(tree: Any) -> Any:
    """Return an argument with its Python integers as floats."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [float(x) if type(x) is int else x for x in leaves])


def check_function(title: str, function: object) -> None:
    """Raise ProgramError for arguments in place of the function."""
    if not callable(function):
        raise ProgramError(
            f"{title} takes a function, not a {type(function).__name__}, and returns another; call that with the "
            f"arguments, as in {title}(loss)(w)"
        )


def argument_numbers(argnums: Argnums, count: int) -> tuple[int, ...]:
    """Return the positions in `argnums`, counted from 0; raise ProgramError for one that the call does not have."""
    try:
        numbers = (argnums,) if isinstance(argnums, int) else tuple(map(operator.index, argnums))
    except TypeError:
        raise ProgramError(
            f"argnums is {argnums!r}; give the position of an argument, or a tuple of positions"
        ) from None
    for number in numbers:
        if not -count <= number < count:
            raise ProgramError(f"argnums names argument {number}, but the call has {count} positional arguments")
    return tuple(number % count for number in numbers)


def in_structure(argument: Any, call: Call, number: int, by_input: Mapping[Input, Any]) -> Any:
    """Return the entries of `by_input` that belong to one argument, in that argument's structure."""
    leaves, structure = flatten(argument)
    mine = iter([by_input[node] for node, place in zip(call.inputs, call.places, strict=True) if place == number])
    return unflatten(structure, [next(mine) if is_array(leaf) and type(leaf) is not int else None for leaf in leaves])


def check_sequence(function: str, name: str, value: Any) -> None:
    """Raise ProgramError unless `value` is a list or a tuple."""
    if not isinstance(value, list | tuple):
        raise ProgramError(f"{name} of {function} is a {type(value).__name__}; give a tuple of arguments, as in (x,)")
