"""`derive`, from a function or formula to its derivation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, overload

from chainrule.derivation import (
    LAYOUTS,
    Layout,
    recurrent,
    with_sizes_apart,
    with_upstream,
)
from chainrule.deriving.derivations import Derivation
from chainrule.deriving.errors import DerivationError, check_choice
from chainrule.deriving.functions import check_functions, function_sizes
from chainrule.deriving.further import FurtherDerivation
from chainrule.deriving.parameters import CONSTANT_NAMES, WEIGHTS, chosen, inputs_named
from chainrule.deriving.recurrent import RecurrentDerivation
from chainrule.ir import (
    Program,
    parse_declarations,
)
from chainrule.trace import Question, canonical_name, question_of, trace, trace_formula
from chainrule.words import at_callers_line


@overload
def derive(
    function: Callable[..., Any] | Program | str,
    wrt: Sequence[str] | str | None = None,
    *,
    order: Literal[2],
    functions: str | None = None,
    assume: str | None = None,
    layout: Layout = "numerator",
    **shapes: Any,
) -> FurtherDerivation: ...
@overload
def derive(
    function: Callable[..., Any] | Program | str,
    wrt: Sequence[str] | str | None = None,
    *,
    jacobian: Literal[True],
    functions: str | None = None,
    assume: str | None = None,
    layout: Layout = "numerator",
    **shapes: Any,
) -> FurtherDerivation: ...
@overload
def derive(
    function: Callable[..., Any] | Program | str,
    wrt: Sequence[str] | str | None = None,
    *,
    functions: str | None = None,
    assume: str | None = None,
    **shapes: Any,
) -> Derivation: ...
@at_callers_line
def derive(
    function: Callable[..., Any] | Program | str,
    wrt: Sequence[str] | str | None = None,
    *,
    functions: str | None = None,
    assume: str | None = None,
    order: int = 1,
    jacobian: bool = False,
    layout: Layout = "numerator",
    **shapes: Any,
) -> Derivation:
    r"""Derive the backward pass of `function`, or with `order=2` its Hessian, or with `jacobian` its Jacobians.

    A function that returns one number is a loss. One that returns an array, or several, is a layer: the derivation
    starts from given upstream gradients of its outputs.

    Parameters
    ----------
    function
        NumPy code; a Program returned by `trace`; or a formula, which is parsed and never evaluated. A question in
        front of it, as in `"d/dx sin(x^2)"`, `"\nabla_W ‖W x‖²"` and `"∂²/∂x² x' A x"`, stands for `wrt` and `order`.
    wrt
        The names of the inputs to differentiate. By default, for a loss, all float inputs that are not named like data
        (`X`, `y`, `labels`, …); for a layer, and for a formula without weights (`W`, `w`, `θ`, …), all float inputs
        except masks and targets.
    functions
        The names in a formula of functions without a definition: `"f, g"` for elementwise functions, `"f: n -> m"` for
        one of a vector, `"f: (n, k) -> m"` for one of two, as in `chainrule.function`, also as `"f: R^n -> R"`. `f`,
        `g`, `h`, `φ`, `ψ` and unknown words are such functions if they are called, even if they are not listed: in
        `"f(g(x))"` both are.
    assume
        Properties of the arguments, which the gradients use, as in `"S symmetric; p on the simplex; n > 0"`: symmetric,
        skew-symmetric, diagonal, orthogonal, positive definite, positive semidefinite, positive, nonnegative, on the
        simplex, of unit length. A gradient with respect to such an argument is that of all its elements, each of which
        may change alone, where the property holds.
    order
        1 for the backward pass; 2 for the second derivatives of a loss: the Hessian in closed form where it has one,
        its products with a vector, Newton's step, and the Gauss–Newton matrix of a sum of squares.
    jacobian
        Whether to derive the matrix of the derivatives of the results, in place of the backward pass.
    layout
        "numerator": the rows of a Jacobian belong to the result, its columns to the variable; or "denominator", the
        reverse. A gradient has the shape of its variable in both.
    **shapes
        A shape for each argument, as in `trace`: `X="n d"`, an array, or a tuple of sizes. A property may follow the
        sizes: `S="n n sym"`.

    Raises
    ------
    FormulaError
        For a formula that cannot be parsed, or whose shapes cannot be inferred, with the position.
    DerivationError
        For a name in `wrt` that is not a float input, and for the Hessian of a function that does not return one
        number.
    DeclarationError
        For a property in `assume` that is unknown, or that an argument of this shape cannot have.
    ProgramError
        If the function returns integers.

    Examples
    --------
    >>> import numpy as np
    >>> def loss(X, y, w):
    ...     r = X @ w - y
    ...     return 0.5 * np.sum(r**2)
    >>> derivation = derive(loss, X="n d", y="n", w="d")
    >>> derivation.verify().ok
    True
    >>> derive("0.5*sum((X @ w - y)^2)", X="n d", y="n").verify().ok
    True
    >>> print(derive("x' S x", "x", assume="S symmetric").text(detail="brief").splitlines()[-2][1:].split("  ")[0])
     ∂L/∂x = 2 S x
    >>> hessian = derive(loss, X="n d", y="n", w="d", order=2)
    >>> "H = ∇²L = ∂²L/∂w∂wᵀ = Xᵀ X" in hessian.text()
    True

    """
    if isinstance(function, str) and (question := question_of(function)) is not None:
        function, wrt, order = question.formula, _asked(question, wrt), max(order, 1 if jacobian else question.order)
    if order not in (1, 2):
        raise DerivationError(f"order is {order!r}; it can be 1, the backward pass, or 2, the Hessian")
    if jacobian and order == 2:
        raise DerivationError("order=2 and jacobian exclude each other; derive one of them at a time")
    check_choice("layout", layout, LAYOUTS)
    program = with_sizes_apart(_program(function, functions, shapes, assume, _names_in(wrt)))
    check_functions(program)
    if wrt is None and isinstance(function, str) and not any(node.name.startswith(WEIGHTS) for node in program.inputs):
        are_numbers = all(node.type.shape == () for node in program.inputs)  # as in f(x, y), where no name is of data
        parameters = chosen(program, frozenset() if are_numbers else CONSTANT_NAMES)
    else:
        parameters = inputs_named(program, wrt)
    if order == 2 and (len(program.outputs) != 1 or program.outputs[0].type.shape):
        raise DerivationError(
            "a Hessian needs a function that returns one number; sum the result, or derive a Jacobian"
        )
    if order == 2 or jacobian:
        return FurtherDerivation(program, parameters, _title(function), order, layout)
    found = recurrent(with_upstream(program), parameters)
    if found is not None:
        return RecurrentDerivation(program, parameters, _title(function), found)
    return Derivation(program, parameters, _title(function))


def _asked(question: Question, wrt: Sequence[str] | str | None) -> Sequence[str] | str | None:
    """Return the variables that a question in front of a formula names, which `wrt` may repeat."""
    if not question.variables or wrt is None:
        return question.variables or wrt
    names = tuple(map(canonical_name, _names_in(wrt)))
    if names != question.variables:
        raise DerivationError(
            f"the formula asks for the derivative by {', '.join(question.variables)}, and wrt names "
            f"{', '.join(names)}; leave one of them out"
        )
    return wrt


def _names_in(wrt: Sequence[str] | str | None) -> list[str]:
    names = [wrt] if isinstance(wrt, str) else wrt if isinstance(wrt, Iterable) else ()
    return [name for name in names if isinstance(name, str)]


def _program(
    function: Callable[..., Any] | Program | str,
    functions: str | None,
    shapes: Mapping[str, Any],
    assume: str | None,
    names: Sequence[str],
) -> Program:
    declarations = () if assume is None else parse_declarations(assume)
    if isinstance(function, str):
        named = function_sizes(functions) if functions else None
        return trace_formula(function, shapes, named, declarations, names)
    if functions is not None:
        raise DerivationError("functions names those of a formula; in Python code call chainrule.function('f')")
    program = function if isinstance(function, Program) else trace(function, **shapes)
    return program.declare(declarations)


def _title(function: object) -> str:
    """Return the name of the function, if it has one."""
    name = getattr(function, "__name__", "f")
    return name if isinstance(name, str) and name.isidentifier() else "f"
