"""Jacobians and Hessians of Python functions at values: the axes of the result, then those of the input."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import numpy as np

from chainrule.calculus import NoClosedFormError, backward, jacobian_tensor, linearize
from chainrule.ir import Const, Input, Node, ProgramError, concrete, dim_product, shape_text, substitute
from chainrule.primitives import reshape, stack, zeros
from chainrule.trace import unflatten
from chainrule.transforms.calls import (
    Argnums,
    Call,
    Function,
    argument_numbers,
    check_function,
    in_structure,
    traced_call,
    with_floats,
)
from chainrule.transforms.gradients import grad
from chainrule.words import at_callers_line

P = ParamSpec("P")


@at_callers_line
def jacobian(function: Callable[P, Any], argnums: Argnums = 0) -> Callable[P, Any]:
    """Return a function that computes the Jacobian of `function`.

    Parameters
    ----------
    function
        NumPy code; its result is a float array or number, or dicts, lists and tuples of them. Arguments as for `grad`.
    argnums
        The position, or positions, of the arguments to differentiate.

    Returns
    -------
    function
        It returns the structure of the result, with in each place the structure of the argument (a tuple of them for
        several positions), of arrays whose shape is that of the result, then that of the argument, as in JAX.

    Raises
    ------
    ProgramError
        If a result or a differentiated argument holds integers, or in traced code with named sizes, if the derivative
        has no closed form.

    Examples
    --------
    >>> jacobian(lambda x: np.array([[1.0, 2.0], [3.0, 4.0]]) @ x)(np.array([0.0, 0.0]))
    array([[1., 2.],
           [3., 4.]])
    >>> jacobian(lambda x: x**2)(np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])

    """
    check_function("jacobian", function)

    @at_callers_line
    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = argument_numbers(argnums, len(args))
        args = tuple(with_floats(arg) if place in numbers else arg for place, arg in enumerate(args))
        call = traced_call(function, args, kwargs, numbers)
        wrt = [node for node, place in zip(call.inputs, call.places, strict=True) if place in numbers]
        for node in (*wrt, *call.outputs):
            if not node.type.dtype.is_float:
                what = "an argument" if node in wrt else "a result"
                raise ProgramError(f"{what} of jacobian holds {node.type.dtype.value}; convert it with astype(float)")
        tensors = [_coefficients(call, output, wrt) for output in call.outputs]
        found = iter(call.values([tensor for row in tensors for tensor in row]))
        results = []
        for _ in call.outputs:
            by_input = {node: next(found) for node in wrt}
            parts = tuple(in_structure(args[number], call, number, by_input) for number in numbers)
            results.append(parts[0] if isinstance(argnums, int) else parts)
        return unflatten(call.structure, results)

    return differentiated


def _coefficients(call: Call, output: Node, wrt: Sequence[Input]) -> list[Node]:
    """Return the Jacobian of one result by each input: forward, column by column, or backward, if it has fewer rows."""
    shapes = [(*output.type.shape, *node.type.shape) for node in wrt]
    if not output.type.is_concrete or not all(node.type.is_concrete for node in wrt):
        return [_closed(output, node) for node in wrt]
    rows, columns = concrete(output.type.size), sum(concrete(node.type.size) for node in wrt)
    if rows >= columns:
        return [_by_columns(output, node) for node in wrt]
    bar = Input("∂ output", output.type)
    program = type(call.program)(call.program.inputs, (output,), call.program.names)
    gradients = backward(program, wrt, [bar]).gradients
    units = [Const(unit, output.type) for unit in _units(output)]
    found = [list(substitute(list(gradients), {bar: unit})) for unit in units]
    return [
        reshape(stack([row[k] for row in found]), shape) if found else zeros(wrt[k].type.with_shape(shape))
        for k, shape in enumerate(shapes)
    ]


def _by_columns(output: Node, node: Input) -> Node:
    tangent = Input(f"d {node.name}", node.type)
    (change,) = linearize([output], {node: tangent})
    shape = (*output.type.shape, *node.type.shape)
    units = [Const(unit, node.type) for unit in _units(node)]
    if change is None or not units:
        return zeros(output.type.with_shape(shape))
    columns = [substitute([change], {tangent: unit})[0] for unit in units]
    return reshape(stack(columns, output.type.ndim), shape)


def _closed(output: Node, node: Input) -> Node:
    """Return the Jacobian of arrays with named sizes, which cannot be formed column by column."""
    tangent = Input(f"d {node.name}", node.type)
    (change,) = linearize([output], {node: tangent})
    if change is None:
        return zeros(output.type.with_shape((*output.type.shape, *node.type.shape)))
    try:
        return jacobian_tensor(change, tangent)
    except NoClosedFormError as error:
        shape = shape_text((*output.type.shape, *node.type.shape))
        raise ProgramError(f"a Jacobian of shape {shape} needs sizes that are numbers: {error}") from None


def _units(node: Node) -> list[np.ndarray[Any, Any]]:
    """Return the arrays of the shape of `node` with a single 1."""
    shape = node.type.concrete_shape
    return list(np.eye(concrete(dim_product(shape)), dtype=node.type.dtype.numpy).reshape((-1, *shape)))


@at_callers_line
def hessian(function: Callable[P, Any], argnums: Argnums = 0) -> Callable[P, Any]:
    """Return a function that computes the Hessian of a scalar `function`: the Jacobian of its gradient.

    The result has the structure of the argument twice: for a dict a dict of dicts, for several positions a tuple of
    tuples; each array has the shape of one argument, then that of the other. Arguments and errors as for `grad`.

    Examples
    --------
    >>> hessian(lambda x: np.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    >>> hessian(lambda w, b: np.sum(w) * b, argnums=(0, 1))(np.array([1.0, 2.0]), 3.0)[0][1]
    array([1., 1.])

    """
    check_function("hessian", function)
    of_several: Function = grad
    return jacobian(of_several(function, argnums), argnums)
