"""Recurrences: a step repeated along the first axis of a sequence, with a state that it hands on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from chainrule.ir import ProgramError, ShapeError
from chainrule.trace.pytree import TreeStructure, flatten, paths, unflatten
from chainrule.trace.rounds import is_recorded_once, recorded_once
from chainrule.trace.source import refusal
from chainrule.trace.traced import LONGEST_LOOP, Size, Traced, holds_traced

Carry = TypeVar("Carry")


def scan(
    step: Callable[[Carry, Any], tuple[Carry, Any]],
    initial: Carry,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Carry, Any]:
    """Repeat `carry, y = step(carry, x)` for each x along the first axis of `xs`; return the last carry and all ys.

    The meaning and the order of the arguments are those of `jax.lax.scan`. `initial` is the first carry, and every step
    returns one of the same structure, shapes and dtypes. `xs` is an array or a structure of arrays (dicts, lists,
    tuples, records) with equally long first axes, of which a step receives the elements; without it, `length` is the
    number of steps, and x is None. The ys, of any structure, are stacked along a new first axis. With `reverse` the
    steps go from the last element to the first, and each y still stands at the place of its x.

    The step receives arrays of its own, so that it may write into them. In a function that is traced, the number of
    steps must be a number, as in X="28 n d". For training, and by the transformations, the step is recorded once, so
    that the time to compile does not depend on the number of steps; a step that asks for numbers, that draws random
    ones, or that changes something outside of it, is recorded in each round, as it always is for a derivation.

    Raises ShapeError if the lengths differ or a carry changes its shape, ProgramError if a step does not return a pair
    or a carry changes its structure or dtype.

    Examples
    --------
    >>> import chainrule as cr
    >>> def step(total, x):
    ...     total = 0.5 * total + x
    ...     return total, total**2
    >>> last, squares = cr.scan(step, 0.0, np.array([1.0, 2.0, 3.0]))
    >>> last, squares
    (np.float64(4.25), array([ 1.    ,  6.25  , 18.0625]))

    The gradient with respect to the elements, by backpropagation through time:

    >>> cr.grad(lambda x: cr.scan(step, 0.0, x)[0])(np.array([1.0, 2.0, 3.0]))
    array([0.25, 0.5 , 1.  ])

    """
    elements, structure = flatten(xs)
    count = _length(elements, structure, length)
    carry, form = flatten(initial)
    if is_recorded_once(step, carry, elements, count):
        forms: list[TreeStructure] = []

        def on_leaves(state: Sequence[Any], x: Sequence[Any]) -> tuple[list[Any], list[Any]]:
            following, y = _stepped(step, unflatten(form, state), unflatten(structure, x))
            ys, of_y = flatten(y)
            forms.append(of_y)
            return _handed_on(state, form, following), ys

        last, stacks = recorded_once(on_leaves, step, carry, elements, count, reverse)
        return unflatten(form, last), unflatten(forms[-1], stacks)
    if count > LONGEST_LOOP and holds_traced([carry, elements]):
        raise refusal(f"a scan of {count:,} steps would record as many operations; make the sequence shorter")
    if not count:
        nothing = unflatten(structure, [np.zeros(_shape(leaf)[1:], _dtype(leaf)) for leaf in elements])
        _, y = _stepped(step, unflatten(form, _own(carry)), nothing)
        ys, outer = flatten(y)
        return unflatten(form, _own(carry)), unflatten(
            outer, [np.zeros((0, *_shape(leaf)), _dtype(leaf)) for leaf in ys]
        )
    collected: list[list[Any]] = []
    outer = structure
    for k in reversed(range(count)) if reverse else range(count):
        x = unflatten(structure, _own([leaf[k] for leaf in elements]))
        following, y = _stepped(step, unflatten(form, _own(carry)), x)
        carry = _handed_on(carry, form, following)
        leaves, found = flatten(y)
        if collected and found != outer:
            raise ProgramError("the step of a scan returns ys of different structures; return the same in every step")
        outer = found
        collected.append(leaves)
    ordered = collected[::-1] if reverse else collected
    stacked = [np.stack([leaves[place] for leaves in ordered]) for place in range(outer.leaf_count)]
    return unflatten(form, carry), unflatten(outer, stacked)


def _length(elements: Sequence[Any], structure: TreeStructure, length: int | None) -> int:
    """Return the number of steps."""
    counts: dict[str, Any] = {} if length is None else {"length": length}
    for path, leaf in zip(paths(structure), elements, strict=True):
        shape = _shape(leaf)
        if not shape:
            raise ShapeError("the xs of a scan are arrays, of which a step receives the elements; this one is a number")
        if isinstance(shape[0], Size):
            raise refusal(
                f"a scan along an axis of the named size {shape[0]} cannot be recorded; give that size as a number, as "
                'in X="28 n d"'
            )
        counts["xs" + "".join(f"[{key!r}]" for key in path)] = shape[0]
    if not counts:
        raise ProgramError("a scan without xs needs the number of its steps; write scan(step, initial, length=10)")
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ShapeError(f"the sequences of a scan have the same length, and these have different ones: {told}")
    return int(next(iter(counts.values())))


def _stepped(step: Callable[[Any, Any], Any], carry: Any, x: Any) -> tuple[Any, Any]:
    result = step(carry, x)
    if not isinstance(result, tuple) or len(result) != 2:
        raise ProgramError(
            "the step of a scan returns a pair, the next carry and what it gives for this element; write "
            "return carry, y, with None for y if there is nothing"
        )
    return result


def _handed_on(carry: Sequence[Any], form: TreeStructure, following: Any) -> list[Any]:
    """Return the leaves of the next carry; raise an error if it is of another kind than the last one."""
    leaves, found = flatten(following)
    if found != form:
        raise ProgramError("the step of a scan returns a carry of another structure than it received")
    for path, before, after in zip(paths(form), carry, leaves, strict=True):
        name = "the carry" + "".join(f"[{key!r}]" for key in path)
        if _shape(before) != _shape(after):
            raise ShapeError(f"{name} of a scan has the shape {_shape(before)}, and {_shape(after)} after a step")
        is_number = before.weak if isinstance(before, Traced) else isinstance(before, bool | int | float)
        if not is_number and _dtype(before) != _dtype(after):
            raise ProgramError(f"{name} of a scan has the dtype {_dtype(before)}, and {_dtype(after)} after a step")
    return leaves


def _own(leaves: Sequence[Any]) -> list[Any]:
    """Return the leaves, with copies of the arrays among them."""
    return [leaf.copy() if isinstance(leaf, np.ndarray) else leaf for leaf in leaves]


def _shape(leaf: Any) -> tuple[Any, ...]:
    return tuple(leaf.shape) if hasattr(leaf, "shape") else np.shape(leaf)


def _dtype(leaf: Any) -> Any:
    return leaf.dtype if hasattr(leaf, "dtype") else np.result_type(leaf)
