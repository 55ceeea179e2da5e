"""Application of functions of nodes to arrays of any kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from chainrule.ir import (
    ArrayType,
    Const,
    Demand,
    DType,
    Input,
    Node,
    ProgramError,
    ShapeError,
    plain_array,
)
from chainrule.primitives import evaluate_nodes, refuse_abstract
from chainrule.words import ChainruleError

_demands: ContextVar[list[Demand] | None] = ContextVar("demands", default=None)


@contextmanager
def collected_demands() -> Iterator[list[Demand]]:
    """A context that collects the demands of named functions on their arguments in the list that it returns."""
    found: list[Demand] = []
    token = _demands.set(found)
    try:
        yield found
    finally:
        _demands.reset(token)


def demand(demanded: Demand) -> None:
    """Check a demand: immediately for a literal; otherwise add it to the collected demands."""
    if isinstance(demanded.node, Const):
        demanded.check(evaluate_nodes([demanded.node], {})[demanded.node])
        return
    collected = _demands.get()
    if collected is not None:
        collected.append(demanded)


def call(builder: Callable[..., Node], *arguments: Any, **options: Any) -> Any:
    """Apply `builder` to arrays of any kind; `arguments` are arrays or None, `options` are static."""
    for argument in (*arguments, *options.values()):
        take_over = getattr(type(argument), "__chainrule_call__", None)
        if take_over is not None:
            return take_over(argument, builder, arguments, options)
    if any(isinstance(argument, Node) for argument in arguments):
        return builder(*(_literal(argument) for argument in arguments), **options)
    inputs: dict[Node, Any] = {}
    nodes: list[Node | None] = []
    for k, argument in enumerate(arguments):
        if argument is None:
            nodes.append(None)
            continue
        array = _array(argument)
        node = Input(f"argument {k + 1}", ArrayType(array.shape, DType.of(array.dtype)))
        inputs[node] = array
        nodes.append(node)
    try:
        with collected_demands() as demands:
            output = builder(*nodes, **options)
        refuse_abstract([output])
        for each in demands:
            each.check(evaluate_nodes([each.node], inputs)[each.node])
        result = np.asarray(evaluate_nodes([output], inputs)[output])
    except ChainruleError:
        raise
    except (
        TypeError,
        ValueError,
        AttributeError,
    ) as error:  # an unsupported argument, such as a string for a number
        raise ProgramError(f"these arguments do not fit: {error}") from error
    if result.ndim == 0:
        return result[()]
    return result if result.flags.owndata and result.flags.writeable and output not in inputs else result.copy()


def _array(argument: Any) -> np.ndarray[Any, Any]:
    """Convert an argument to an array of a supported dtype."""
    try:
        array = plain_array(argument)
    except ValueError as error:
        raise ShapeError(f"the rows of {type(argument).__name__} differ in length; give an array") from error
    return array.astype(DType.of(array.dtype).numpy, copy=False)


def _literal(argument: Any) -> Any:
    """Convert a plain array among nodes to a literal; Python numbers are kept, since they adopt the others' dtype."""
    if argument is None or isinstance(argument, Node | float | int):
        return argument
    array = _array(argument)
    return Const(array, ArrayType(array.shape, DType.of(array.dtype)))
