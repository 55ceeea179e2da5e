"""Derivatives of Python functions at values: `grad` and related transformations, as in JAX and autograd.

A function is traced for its arguments, and its derivative is evaluated by the reference engine. Called with traced
values, as inside another `grad`, the derivative becomes part of the outer program, so the same two transformations
compute derivatives of any order.
"""

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

from chainrule.calculus import backward, linearize, recognize
from chainrule.functions import demand, random_draws, random_inputs
from chainrule.ir import (
    ArrayType,
    Const,
    DType,
    Input,
    Node,
    ProgramError,
    SymbolicDim,
    plain_array,
    shape_text,
    substitute,
)
from chainrule.primitives import evaluate_nodes, refuse_abstract, zeros
from chainrule.trace import (
    Size,
    Traced,
    TreeStructure,
    flatten,
    flatten_with_paths,
    for_one_call,
    is_record,
    recording,
    released,
    trace_with_structure,
    unflatten,
    wrap,
)
from chainrule.words import ChainruleError, at_callers_line

Array: TypeAlias = NDArray[Any]
Function: TypeAlias = Callable[..., Any]
Argnums: TypeAlias = "int | Sequence[int]"


class GradientError(ChainruleError, AssertionError):
    """A derivative disagrees with finite differences."""


@dataclass(frozen=True)
class _Call:
    """One call of a function: its program, the values of the inputs, and the structure of the arguments."""

    inputs: tuple[Input, ...]
    leaves: tuple[Any, ...]
    places: tuple[int, ...]
    outputs: tuple[Node, ...]
    structure: TreeStructure
    program: Any
    symbolic: bool
    random: Mapping[Node, int]

    def values(self, nodes: Sequence[Node], extra: Mapping[Node, Any] | None = None) -> list[Any]:
        """Evaluate `nodes` at the call's arguments, to arrays, or to traced values if an argument is traced."""
        given: dict[Node, Any] = {**dict(zip(self.inputs, self.leaves, strict=True)), **self.random, **(extra or {})}
        if self.symbolic or any(isinstance(value, Traced | Size) for value in given.values()):
            mapping = {node: _as_node(value, node.type) for node, value in given.items()}
            here = recording.get()
            return [wrap(node, owner=here) for node in substitute(nodes, mapping)]
        arrays: dict[Node, Array] = {node: np.asarray(value, node.type.dtype.numpy) for node, value in given.items()}
        found = evaluate_nodes(nodes, arrays)
        return [np.array(found[node])[()] for node in nodes]


def _as_node(value: Any, type_: ArrayType) -> Node:
    found = released(value)
    if isinstance(found, SymbolicDim):
        return Const(found, type_)
    return found if isinstance(found, Node) else Const(np.array(found, type_.dtype.numpy), type_)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, Traced | Size | np.ndarray | np.generic | int | float) and not isinstance(leaf, bool)


def _leaf_type(leaf: Any) -> ArrayType:
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
        if not (_is_array(leaf) or isinstance(leaf, bool | str) or callable(leaf)):
            place = "".join(f"[{key!r}]" for key in path)
            raise ProgramError(
                f"argument {number}{place} is a {type(leaf).__name__}, which has no gradient; give an array "
                "(np.asarray makes one of a table's column), or dicts, lists, tuples and dataclasses of arrays"
            )
    if not any(_is_array(leaf) for _, leaf in found):
        raise ProgramError(f"argument {number} holds no numbers to differentiate by; choose another one by argnums")


def _call(function: Function, args: Sequence[Any], kwargs: Mapping[str, Any], floats: Sequence[int]) -> _Call:
    """Trace `function` at its arguments; Python ints in the positional arguments `floats` become floats."""
    args = [_with_floats(arg) if place in floats else arg for place, arg in enumerate(args)]
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
    arrays = [place for place, leaf in enumerate(leaves) if _is_array(leaf) and type(leaf) is not int]
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
    with for_one_call(leaves):
        tracing = trace_with_structure(at_leaves, *(_leaf_type(leaves[place]) for place in arrays))
    _, result_structure = flatten(tracing.result)
    own = tracing.program.inputs[: len(arrays)]
    program, _ = recognize(tracing.program)  # so that kinks have the same derivative as in a derivation and in fit
    call = _Call(
        own,
        tuple(leaves[place] for place in arrays),
        tuple(owner[place] for place in arrays),
        program.outputs,
        result_structure,
        program,
        bool(tracing.captured),
        {node: random_inputs()[node.name] for node in tracing.random},
    )
    refuse_abstract(program.nodes)
    demands = tracing.program.demands
    for each, value in zip(demands, call.values([each.node for each in demands]), strict=True):
        if isinstance(value, Traced):
            demand(replace(each, node=value.node))
        else:
            each.check(np.asarray(value))
    return call


def _native(leaf: Any) -> Any:
    return plain_array(leaf) if issubclass(type(leaf), np.ndarray) else leaf


def _with_floats(tree: Any) -> Any:
    leaves, structure = flatten(tree)
    return unflatten(structure, [float(x) if type(x) is int else x for x in leaves])


def _argument_numbers(argnums: Argnums, count: int) -> tuple[int, ...]:
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


def value_and_grad(function: Function, argnums: Argnums = 0) -> Function:
    """Return a function that computes `(value, gradient)` of a scalar `function`.

    Parameters
    ----------
    function
        NumPy code that returns one scalar. Its arguments may be arrays, and dicts, lists, tuples and dataclasses (also
        attrs classes and `SimpleNamespace`) of them. It runs once per call, so NumPy's random numbers belong to that
        call; `dropout` and other random functions draw as `random_draws` specifies. The function receives copies of
        dicts and lists, so modifications are lost; return them instead.
    argnums
        The position, or positions, of the arguments to differentiate. For one position the gradient has the structure
        of that argument, with None for non-numeric entries such as strings and bools; for several it is a tuple.

    Raises
    ------
    ProgramError
        If the function does not return one scalar, or a differentiated argument holds integers, no numbers, or an
        unsupported object.

    Examples
    --------
    >>> value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (np.float64(5.0), array([2., 4.]))

    """

    @at_callers_line
    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        numbers = _argument_numbers(argnums, len(args))
        args = tuple(_with_floats(arg) if place in numbers else arg for place, arg in enumerate(args))
        call = _call(function, args, kwargs, numbers)
        if len(call.outputs) != 1 or call.outputs[0].type.shape != ():
            shapes = ", ".join(shape_text(output.type.shape) for output in call.outputs)
            raise ProgramError(f"grad needs a function that returns one scalar, not shape {shapes}; sum or average it")
        wrt = [node for node, place in zip(call.inputs, call.places, strict=True) if place in numbers]
        gradients = backward(call.program, wrt).gradients
        value, *found = call.values([call.outputs[0], *gradients])
        by_input = dict(zip(wrt, found, strict=True))
        results = tuple(_in_structure(args[number], call, number, by_input) for number in numbers)
        return value, results[0] if isinstance(argnums, int) else results

    return differentiated


def _in_structure(argument: Any, call: _Call, number: int, by_input: Mapping[Input, Any]) -> Any:
    """Return the entries of `by_input` that belong to one argument, in that argument's structure."""
    leaves, structure = flatten(argument)
    mine = iter([by_input[node] for node, place in zip(call.inputs, call.places, strict=True) if place == number])
    return unflatten(structure, [next(mine) if _is_array(leaf) and type(leaf) is not int else None for leaf in leaves])


def grad(function: Function, argnums: Argnums = 0) -> Function:
    """Return the gradient function of a scalar function; arguments as for `value_and_grad`.

    Examples
    --------
    >>> grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)

    """
    both = value_and_grad(function, argnums)

    @at_callers_line
    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


@at_callers_line
def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the value of `function` at `primals` and its directional derivative along `tangents`.

    Examples
    --------
    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))

    """
    _check_sequence("jvp", "primals", primals)
    _check_sequence("jvp", "tangents", tangents)
    call = _call(function, primals, {}, range(len(primals)))
    leaves, structure = flatten([_with_floats(tangent) for tangent in tangents])
    if structure != flatten([_with_floats(primal) for primal in primals])[1]:
        raise ProgramError("the tangents of jvp must have the structure of the primals")
    given = [leaf for leaf in leaves if _is_array(leaf)]
    seeds: dict[Node, Node] = {}
    values: dict[Node, Any] = {}
    for place, (node, leaf) in enumerate(zip(call.inputs, given, strict=True)):
        if _leaf_type(leaf).shape != node.type.shape:
            shapes = f"{shape_text(_leaf_type(leaf).shape)}, not {shape_text(node.type.shape)}"
            raise ProgramError(f"tangent number {place} of jvp has the shape {shapes} of its primal")
        if node.type.dtype.is_float:
            seeds[node] = Input(f"d {node.name}", node.type)
            values[seeds[node]] = leaf
    found = linearize(call.outputs, seeds)
    directions = [zeros(out.type) if t is None else t for out, t in zip(call.outputs, found, strict=True)]
    results = call.values([*call.outputs, *directions], values)
    count = len(call.outputs)
    return unflatten(call.structure, results[:count]), unflatten(call.structure, results[count:])


def _check_sequence(function: str, name: str, value: Any) -> None:
    if not isinstance(value, list | tuple):
        raise ProgramError(f"{name} of {function} is a {type(value).__name__}; give a tuple of arguments, as in (x,)")


@at_callers_line
def vjp(function: Function, *primals: Any) -> tuple[Any, Function]:
    """Return the value of `function` at `primals`, and the function that pulls a cotangent back to the primals.

    Later modifications of the arrays in `primals` have no effect on it.

    Examples
    --------
    >>> value, pull_back = vjp(lambda x: x**2, np.array([1.0, 3.0]))
    >>> pull_back(np.array([1.0, 1.0]))
    (array([2., 6.]),)

    """
    primals = tuple(map(_with_floats, primals))
    call = _call(function, primals, {}, range(len(primals)))
    call = replace(call, leaves=tuple(leaf.copy() if type(leaf) is np.ndarray else leaf for leaf in call.leaves))
    wrt = [node for node in call.inputs if node.type.dtype.is_float]
    bars = [Input(f"∂ output {place}", output.type) for place, output in enumerate(call.outputs)]
    gradients = backward(call.program, wrt, bars).gradients

    def pull_back(cotangent: Any) -> tuple[Any, ...]:
        leaves, structure = flatten(_with_floats(cotangent))
        if structure != call.structure:
            raise ProgramError("the cotangent must have the structure of the function's result")
        for bar, leaf in zip(bars, leaves, strict=True):
            if _leaf_type(leaf).shape != bar.type.shape:
                shapes = f"{shape_text(_leaf_type(leaf).shape)}, not {shape_text(bar.type.shape)}"
                raise ProgramError(f"the cotangent has the shape {shapes} of the result")
        found = call.values(gradients, dict(zip(bars, leaves, strict=True)))
        by_input: dict[Input, Any] = dict.fromkeys(call.inputs)
        by_input.update(zip(wrt, found, strict=True))
        return tuple(_in_structure(primal, call, number, by_input) for number, primal in enumerate(primals))

    return unflatten(call.structure, call.values(call.outputs)), pull_back


@at_callers_line
def check_grads(
    function: Function,
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    rtol: float = 1e-5,
    seed: int = 0,
) -> None:
    """Compare derivatives up to `order` with central differences along one random direction at a time.

    Parameters
    ----------
    function
        NumPy code; its result may be of any shape.
    args
        The float arguments, as a sequence; each an array or a nested container of them.
    order
        1 checks the derivative, 2 also the derivative's derivative, and so on.
    modes
        "fwd" checks `jvp`, "rev" checks `vjp`.
    rtol
        The relative tolerance, in terms of the sum of the magnitudes compared.
    seed
        Seed of the random directions.

    Raises
    ------
    GradientError
        With the mode, the order, and the two numbers that differ.
    ProgramError
        For a function that is not deterministic, such as one that draws NumPy's random numbers.

    Examples
    --------
    >>> check_grads(lambda x: np.sum(np.sin(x) * x), (np.array([0.3, 0.7]),))

    """
    _check_sequence("check_grads", "args", args)
    for mode in modes:
        if mode not in ("fwd", "rev"):
            raise ProgramError(f"modes may hold 'fwd' and 'rev', not {mode!r}")
    once, again = (_leaves(_drawn_alike(function, tuple(args))) for _ in range(2))
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(once, again, strict=True)):
        raise ProgramError(
            f"{getattr(function, '__name__', 'the function')} gives other values for the same arguments, which finite "
            "differences cannot be taken of; where it draws random numbers, write cr.random_normal, cr.random_uniform "
            "or cr.dropout"
        )
    _check_order(function, tuple(args), order, tuple(modes), rtol, np.random.default_rng(seed), 1)


def _check_order(
    function: Function,
    args: tuple[Any, ...],
    order: int,
    modes: tuple[str, ...],
    rtol: float,
    random: np.random.Generator,
    level: int,
) -> None:
    direction = _random_like(args, random)
    step = 1e-4
    ahead, behind = (_drawn_alike(function, _moved(args, direction, sign * step)) for sign in (1, -1))
    expected = [
        (np.asarray(a) - np.asarray(b)) / (2 * step) for a, b in zip(_leaves(ahead), _leaves(behind), strict=True)
    ]
    weights = [random.standard_normal(np.shape(leaf)) for leaf in expected]
    numeric = float(sum(np.sum(w * e) for w, e in zip(weights, expected, strict=True)))
    size = float(sum(np.sum(np.abs(w * e)) for w, e in zip(weights, expected, strict=True)))
    for mode in modes:
        if mode == "fwd":
            tangent = jvp(function, args, direction)[1]
            found = float(sum(np.sum(w * t) for w, t in zip(weights, _leaves(tangent), strict=True)))
        else:
            structure = flatten(ahead)[1]
            cotangents = vjp(function, *args)[1](unflatten(structure, weights))
            found = float(sum(np.sum(c * d) for c, d in zip(_leaves(cotangents), _leaves(direction), strict=True)))
        if not abs(found - numeric) <= rtol * max(size, 1e-3):
            name = getattr(function, "__name__", "the function")
            raise GradientError(
                f"order {level} in mode {mode!r} of {name}: the derivative gives {found:.9g}, "
                f"finite differences give {numeric:.9g}"
            )
    if order > 1:

        @functools.wraps(function)
        def derivative(*moved: Any) -> Any:
            return jvp(function, moved, direction)[1]

        _check_order(derivative, args, order - 1, modes, rtol, random, level + 1)


def _drawn_alike(function: Function, args: tuple[Any, ...]) -> Any:
    """Evaluate `function` at `args` with the random numbers that its derivative draws."""
    with random_draws(*random_inputs().values()):
        return function(*args)


def _leaves(tree: Any) -> list[Any]:
    return flatten(tree)[0]


def _random_like(tree: Any, random: np.random.Generator) -> Any:
    leaves, structure = flatten(tree)
    return unflatten(structure, [random.standard_normal(np.shape(leaf)) for leaf in leaves])


def _moved(args: tuple[Any, ...], direction: Any, step: float) -> Any:
    leaves, structure = flatten(args)
    return unflatten(structure, [x + step * d for x, d in zip(leaves, _leaves(direction), strict=True)])
