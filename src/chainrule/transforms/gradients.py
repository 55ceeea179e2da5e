"""Derivatives of Python functions at values: `grad` and related transformations, as in JAX and autograd.

A function is traced for its arguments, and its derivative is evaluated by the reference engine. Called with traced
values, as inside another `grad`, the derivative becomes part of the outer program, so the same two transformations
compute derivatives of any order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

import numpy as np

from chainrule.calculus import backward, improved, linearize, rolled
from chainrule.ir import (
    Input,
    Node,
    ProgramError,
    shape_text,
)
from chainrule.primitives import zeros
from chainrule.trace import (
    flatten,
    unflatten,
)
from chainrule.transforms.calls import (
    Argnums,
    Function,
    argument_numbers,
    check_function,
    check_sequence,
    in_structure,
    is_array,
    leaf_type,
    traced_call,
    with_floats,
)
from chainrule.words import at_callers_line

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


@overload
def value_and_grad(function: Callable[Concatenate[T, P], R]) -> Callable[Concatenate[T, P], tuple[R, T]]: ...
@overload
def value_and_grad(function: Callable[P, R], argnums: int) -> Callable[P, tuple[R, Any]]: ...
@overload
def value_and_grad(function: Callable[P, R], argnums: Sequence[int]) -> Callable[P, tuple[R, tuple[Any, ...]]]: ...
@at_callers_line
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
    check_function("value_and_grad", function)

    @at_callers_line
    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        numbers = argument_numbers(argnums, len(args))
        args = tuple(with_floats(arg) if place in numbers else arg for place, arg in enumerate(args))
        call = traced_call(function, args, kwargs, numbers)
        if len(call.outputs) != 1 or call.outputs[0].type.shape != ():
            shapes = ", ".join(shape_text(output.type.shape) for output in call.outputs)
            raise ProgramError(f"grad needs a function that returns one scalar, not shape {shapes}; sum or average it")
        by_place = [(node, place) for node, place in zip(call.inputs, call.places, strict=True) if place in numbers]
        for node, place in by_place:
            if not node.type.dtype.is_float:
                kind = node.type.dtype.value
                raise ProgramError(f"argument {place} of grad holds {kind}; convert it with astype(float)")
        wrt = [node for node, _ in by_place]
        # Derivatives at numbers need no program that reads well, but one that does not grow with the rounds of a loop.
        program = call.program if call.is_traced else rolled(call.program)
        gradients = backward(program, wrt).gradients
        value, *found = call.values(improved([*program.outputs, *gradients]))
        by_input = dict(zip(wrt, found, strict=True))
        results = tuple(in_structure(args[number], call, number, by_input) for number in numbers)
        return value, results[0] if isinstance(argnums, int) else results

    return differentiated


@overload
def grad(function: Callable[Concatenate[T, P], Any]) -> Callable[Concatenate[T, P], T]: ...
@overload
def grad(function: Callable[P, Any], argnums: int) -> Callable[P, Any]: ...
@overload
def grad(function: Callable[P, Any], argnums: Sequence[int]) -> Callable[P, tuple[Any, ...]]: ...
@at_callers_line
def grad(function: Function, argnums: Argnums = 0) -> Function:
    """Return the gradient function of a scalar function; arguments as for `value_and_grad`.

    Examples
    --------
    >>> grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)

    """
    check_function("grad", function)
    both: Function = value_and_grad(function, argnums)

    @at_callers_line
    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


@at_callers_line
def jvp(function: Callable[..., R], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[R, R]:
    """Return the value of `function` at `primals` and its directional derivative along `tangents`.

    Examples
    --------
    >>> jvp(np.sin, (0.0,), (2.0,))
    (np.float64(0.0), np.float64(2.0))

    """
    check_sequence("jvp", "primals", primals)
    check_sequence("jvp", "tangents", tangents)
    call = traced_call(function, primals, {}, range(len(primals)))
    leaves, structure = flatten([with_floats(tangent) for tangent in tangents])
    if structure != flatten([with_floats(primal) for primal in primals])[1]:
        raise ProgramError("the tangents of jvp must have the structure of the primals")
    given = [leaf for leaf in leaves if is_array(leaf)]
    seeds: dict[Node, Node] = {}
    values: dict[Node, Any] = {}
    for place, (node, leaf) in enumerate(zip(call.inputs, given, strict=True)):
        if leaf_type(leaf).shape != node.type.shape:
            shapes = f"{shape_text(leaf_type(leaf).shape)}, not {shape_text(node.type.shape)}"
            raise ProgramError(f"tangent number {place} of jvp has the shape {shapes} of its primal")
        if node.type.dtype.is_float:
            seeds[node] = Input(f"d {node.name}", node.type)
            values[seeds[node]] = leaf
    found = linearize(call.outputs, seeds)
    directions = [zeros(out.type) if t is None else t for out, t in zip(call.outputs, found, strict=True)]
    results = call.values([*call.outputs, *directions], values)
    count = len(call.outputs)
    return unflatten(call.structure, results[:count]), unflatten(call.structure, results[count:])


@at_callers_line
def vjp(function: Callable[..., R], *primals: Any) -> tuple[R, Callable[[Any], tuple[Any, ...]]]:
    """Return the value of `function` at `primals`, and the function that pulls a cotangent back to the primals.

    Later modifications of the arrays in `primals` have no effect on it.

    Examples
    --------
    >>> value, pull_back = vjp(lambda x: x**2, np.array([1.0, 3.0]))
    >>> pull_back(np.array([1.0, 1.0]))
    (array([2., 6.]),)

    """
    primals = tuple(map(with_floats, primals))
    call = traced_call(function, primals, {}, range(len(primals)))
    call = replace(call, leaves=tuple(leaf.copy() if type(leaf) is np.ndarray else leaf for leaf in call.leaves))
    wrt = [node for node in call.inputs if node.type.dtype.is_float]
    bars = [Input(f"∂ output {place}", output.type) for place, output in enumerate(call.outputs)]
    gradients = backward(call.program, wrt, bars).gradients

    def pull_back(cotangent: Any) -> tuple[Any, ...]:
        leaves, structure = flatten(with_floats(cotangent))
        if structure != call.structure:
            raise ProgramError("the cotangent must have the structure of the function's result")
        for bar, leaf in zip(bars, leaves, strict=True):
            if leaf_type(leaf).shape != bar.type.shape:
                shapes = f"{shape_text(leaf_type(leaf).shape)}, not {shape_text(bar.type.shape)}"
                raise ProgramError(f"the cotangent has the shape {shapes} of the result")
        found = call.values(gradients, dict(zip(bars, leaves, strict=True)))
        by_input: dict[Input, Any] = dict.fromkeys(call.inputs)
        by_input.update(zip(wrt, found, strict=True))
        return tuple(in_structure(primal, call, number, by_input) for number, primal in enumerate(primals))

    return unflatten(call.structure, call.values(call.outputs)), pull_back
