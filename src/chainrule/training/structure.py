"""Parameters in nested containers: their arrays by name, and the loss as a function of these names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Program
from chainrule.trace import TreeStructure, flatten, is_record, leaf_names, leaf_paths, unflatten
from chainrule.training.errors import TrainingError
from chainrule.words import suggestion

Array: TypeAlias = NDArray[Any]
Loss: TypeAlias = Callable[..., Any] | Program | str

_PARAMETER_KINDS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True)
class ParameterTree:
    """How arrays by name are arranged in the `params` of a caller; without a `structure` they are that dict."""

    names: tuple[str, ...] = ()
    structure: TreeStructure | None = None

    def arranged(self, arrays: Mapping[str, Array]) -> Any:
        """Return the arrays, given by name, in the caller's structure."""
        if self.structure is None:
            return dict(arrays)
        return unflatten(self.structure, [arrays[name] for name in self.names])

    def named(self, params: Any) -> dict[str, Any]:
        """Return the leaves of `params` by name; raise TrainingError for another structure."""
        if self.structure is None:
            return dict(params)
        leaves, structure = flatten(params)
        if structure != self.structure:
            raise TrainingError("params has another structure than at the start; give the same dicts, lists and keys")
        return dict(zip(self.names, leaves, strict=True))


@dataclass(frozen=True)
class NamedLoss:
    """A loss whose parameters are arrays by name, and data by name."""

    loss: Loss
    params: Mapping[str, Any]
    data: Mapping[str, Any]
    tree: ParameterTree


def named_loss(loss: Loss, params: Any, data: Any, constants: Mapping[str, Any]) -> NamedLoss:
    """Return `loss` as a function of arrays by name.

    `params` is a dict from the loss's parameters to arrays or nested containers of arrays; or, for a loss such as
    `loss(params, X, y)`, any container, which is passed as the first argument. `data` is a dict from names to arrays,
    or a tuple of arrays in the order of the loss's remaining parameters.
    """
    parameters = _parameters(loss)
    whole = _takes_whole(parameters, params, data, constants)
    own = {whole} if whole else set(params) if isinstance(params, Mapping) else set()
    if isinstance(data, tuple | list) and parameters:
        data = _data_by_name(parameters, data, own | set(constants))
    if whole is None and not _is_nested(params):
        return NamedLoss(loss, params, data, ParameterTree())
    assert callable(loss)
    leaves, structure = flatten(params)
    others = [*(data if isinstance(data, Mapping) else ()), *constants]
    names = leaf_names([*((name,) for name in others), *_paths(structure, whole)])[len(others) :]
    named = tuple(names)
    function = _by_name(loss, whole, named, structure, parameters, own)
    return NamedLoss(function, dict(zip(named, leaves, strict=True)), data, ParameterTree(named, structure))


def structure_of(params: Any) -> tuple[ParameterTree, dict[str, Any]]:
    """Return how `params` are arranged, and their arrays by name."""
    if isinstance(params, dict) and all(isinstance(each, np.ndarray | np.generic) for each in params.values()):
        return ParameterTree(), dict(params)
    leaves, structure = flatten(params)
    names = tuple(leaf_names(_paths(structure, "params")))
    return ParameterTree(names, structure), dict(zip(names, leaves, strict=True))


def _parameters(loss: Loss) -> Mapping[str, inspect.Parameter]:
    if isinstance(loss, Program | str) or not callable(loss):
        return {}
    try:
        return inspect.signature(loss).parameters
    except (TypeError, ValueError):
        return {}


def _takes_whole(
    parameters: Mapping[str, inspect.Parameter], params: Any, data: Any, constants: Mapping[str, Any]
) -> str | None:
    """Return the name of the loss's first parameter if all of `params` are passed as this argument."""
    first = next(iter(parameters.values()), None)
    if first is None or first.kind not in _PARAMETER_KINDS or first.default is not inspect.Parameter.empty:
        return None
    given = {*(data if isinstance(data, Mapping) else ()), *constants}
    if isinstance(params, Mapping):
        given |= set(params)
        open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        if open_ended or not params or any(name in parameters for name in params):
            return None
        if suggestion(first.name, [name for name in params if isinstance(name, str)]):
            return None  # more likely misspelt
    elif not (isinstance(params, list | tuple) or is_record(params)):
        return None
    return None if first.name in given else first.name


def _data_by_name(parameters: Mapping[str, inspect.Parameter], data: Sequence[Any], taken: set[str]) -> dict[str, Any]:
    free = [name for name, each in parameters.items() if name not in taken and each.kind in _PARAMETER_KINDS]
    needed = [name for name in free if parameters[name].default is inspect.Parameter.empty]
    if not len(needed) <= len(data) <= len(free):
        raise TrainingError(
            f"data has {len(data)} arrays, and the loss takes {', '.join(needed) or 'none'} besides its parameters; "
            'give a dict from names to arrays, as in {"X": X, "y": y}'
        )
    return dict(zip(free, data, strict=False))


def _is_nested(params: Any) -> bool:
    """Whether a value of the dict `params` is a container of arrays."""
    if not isinstance(params, Mapping) or not all(isinstance(name, str) for name in params):
        return False
    return any(_is_container(value) for value in params.values())


def _is_container(value: Any) -> bool:
    if isinstance(value, Mapping) or is_record(value):
        return True
    return isinstance(value, list | tuple) and any(
        _is_container(each) or (getattr(each, "ndim", 0) and hasattr(each, "dtype")) for each in value
    )


def _paths(structure: TreeStructure, whole: str | None) -> list[tuple[str, ...]]:
    first = () if whole is None else (whole,)
    return [tuple(map(str, (*first, *path))) for path in leaf_paths(structure)]


def _by_name(
    loss: Callable[..., Any],
    whole: str | None,
    names: tuple[str, ...],
    structure: TreeStructure,
    parameters: Mapping[str, inspect.Parameter],
    own: set[str],
) -> Callable[..., Any]:
    """Return `loss` as a function of the leaves of its parameters, by name."""

    @functools.wraps(loss)
    def function(**given: Any) -> Any:
        params = unflatten(structure, [given.pop(name) for name in names])
        return loss(params, **given) if whole else loss(**params, **given)

    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    others = [each for name, each in parameters.items() if name not in own and each.kind not in open_ended]
    kept = [each.replace(kind=each.KEYWORD_ONLY) for each in others]
    leaves = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    vars(function)["__signature__"] = inspect.Signature([*leaves, *kept])
    return function
