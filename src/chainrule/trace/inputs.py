"""The inputs of a program, from the shapes given by the caller: one per leaf, with distinct names."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.ir import ArrayType, Declaration, Input, Property
from chainrule.trace import pytree
from chainrule.trace.instances import Attribute, is_float_array
from chainrule.trace.source import TraceError
from chainrule.trace.specification import annotated_types, is_shape_tuple, misread_annotation, properties_of, type_of
from chainrule.trace.subjects import Subject
from chainrule.words import ChainruleError, suggestion


@dataclass(frozen=True)
class _Root:
    """A parameter, or an attribute of the instance, as a tree; a leaf without a type is passed through unchanged."""

    place: pytree.Path
    structure: pytree.TreeStructure
    leaves: list[Any]
    types: list[ArrayType | None]
    properties: list[tuple[Property, ...]]
    attribute: Attribute | None = None
    found: bool = False
    """Whether its arrays were found in the instance rather than requested."""

    @property
    def paths(self) -> list[tuple[str, ...]]:
        """The path to each leaf, starting at the parameter or the instance."""
        return [tuple(map(str, (*self.place, *path))) for path in pytree.paths(self.structure)]


@dataclass(frozen=True)
class Inputs:
    """For each parameter and attribute, its tree with Input nodes as leaves (other values are unchanged).

    Of the inputs in `optional` (arrays found in the instance), only those that the method uses become inputs of the
    program.
    """

    arguments: dict[str, Any]
    attributes: dict[str, tuple[Attribute, Any]]
    nodes: list[Input]
    optional: frozenset[Input]
    declared: tuple[Declaration, ...] = ()


def make_inputs(subject: Subject, args: Sequence[Any], shapes: Mapping[str, Any], suffix: str = "") -> Inputs:
    """Create the inputs of `subject` for the given shapes, with `suffix` appended to their names.

    Raises TraceError for a parameter without a shape or an unknown parameter name, ShapeError or DTypeError for an
    invalid shape or dtype.
    """
    given = _bound_parameters(subject, args, shapes)
    roots = [_specified(subject, (name,), tree) for name, tree in given.items()]
    stated = {name: shapes[name] for name in shapes if name not in subject.signature.parameters}
    for name, attribute in _attributes(subject, stated).items():
        roots.append(
            _specified(subject, attribute.path, stated[name], attribute) if name in stated else _found(attribute)
        )
    names = iter(_names(roots))
    inputs = Inputs({}, {}, [], frozenset())
    optional: set[Input] = set()
    declared: list[Declaration] = []
    for root in roots:
        leaves = []
        for leaf, type, properties in zip(root.leaves, root.types, root.properties, strict=True):
            name = next(names) + suffix
            declared += [Declaration(name, each) for each in properties]
            leaves.append(leaf if type is None else Input(name, type))
        tree = pytree.unflatten(root.structure, leaves)
        if root.attribute is None:
            inputs.arguments[str(root.place[0])] = tree
        else:
            inputs.attributes[root.attribute.name] = (root.attribute, tree)
        made = [leaf for leaf in leaves if isinstance(leaf, Input)]
        inputs.nodes.extend(made)
        optional.update(made if root.found else ())
    return dataclasses.replace(inputs, optional=frozenset(optional), declared=tuple(declared))


def _attributes(subject: Subject, stated: Mapping[str, Any]) -> dict[str, Attribute]:
    """Return the attributes that hold float arrays, and any others for which a shape is stated."""
    attributes = {attribute.name: attribute for attribute in subject.attributes}
    for name in stated:
        attribute = subject.attribute(name)
        if attribute is not None:
            attributes[name] = attribute
    return attributes


def _bound_parameters(subject: Subject, args: Sequence[Any], shapes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the argument given for each parameter that does not use its default value."""
    parameters = subject.signature.parameters
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    own = {name: spec for name, spec in shapes.items() if name in parameters or open_ended}
    for name in shapes:
        if name not in own and subject.attribute(name) is None:
            raise TraceError(_unknown(subject, name))
    nameless = [name for name, parameter in parameters.items() if parameter.kind is parameter.POSITIONAL_ONLY]
    leading = list(itertools.takewhile(own.__contains__, nameless[len(args) :]))
    args = [*args, *(own.pop(name) for name in leading)]
    try:
        bound = subject.signature.bind_partial(*args, **own).arguments
    except TypeError as error:
        raise TraceError(f"{subject.name} does not take these arguments: {error}") from None
    annotations = annotated_types(subject.annotated) if len(bound) < len(parameters) else {}
    result: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if name in bound:
            several = parameter.kind is parameter.VAR_POSITIONAL
            result[name] = list(bound[name]) if several else bound[name]
        elif name in annotations:
            result[name] = annotations[name]
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise TraceError(misread_annotation(subject.annotated, name) or _missing(subject, name))
    return result


def _specified(subject: Subject, place: pytree.Path, tree: Any, attribute: Attribute | None = None) -> _Root:
    leaves, structure = pytree.flatten(tree, _states_shape)
    types = []
    for path, leaf in zip(pytree.paths(structure), leaves, strict=True):
        try:
            types.append(type_of(leaf))
        except ChainruleError as error:
            where = "_".join(map(str, place)) + "".join(f"[{key!r}]" for key in path)
            raise type(error)(f"the shape of {where}, given to {subject.name}: {error}") from None
    return _Root(place, structure, leaves, types, list(map(properties_of, leaves)), attribute)


def _states_shape(value: Any) -> bool:
    return is_shape_tuple(value) or callable(value) or (hasattr(value, "shape") and hasattr(value, "dtype"))


def _found(attribute: Attribute) -> _Root:
    leaves, structure = pytree.flatten(attribute.value, pytree.is_record)
    types = [type_of(leaf) if is_float_array(leaf) else None for leaf in leaves]
    return _Root(attribute.path, structure, leaves, types, [() for _ in leaves], attribute, found=True)


def _names(roots: Sequence[_Root]) -> list[str]:
    """Return the name of each leaf."""
    paths: list[tuple[str, ...]] = []
    for root in roots:
        paths += [("self", *path) if path in paths else path for path in root.paths]
    return leaf_names(paths)


def leaf_names(paths: Sequence[tuple[str, ...]]) -> list[str]:
    """Return, for each leaf of nested containers, the shortest suffix of its path that is an identifier and unique.

    >>> leaf_names([("X",), ("layers", "0", "W"), ("layers", "1", "W"), ("scale",)])
    ['X', 'layers_0_W', 'layers_1_W', 'scale']
    """
    lengths = [1] * len(paths)
    while True:
        names = ["_".join(path[-length:]) for path, length in zip(paths, lengths, strict=True)]
        clashing = [
            k
            for k, name in enumerate(names)
            if lengths[k] < len(paths[k]) and (not name.isidentifier() or names.count(name) > 1)
        ]
        if not clashing:
            return _distinct(names)
        for k in clashing:
            lengths[k] += 1


def _distinct(names: list[str]) -> list[str]:
    """Append numbers to repeated names: paths such as 1 and "1" are written alike."""
    taken = set(names)
    seen: set[str] = set()
    result: list[str] = []
    for name in names:
        numbered = (f"{name}_{k}" for k in itertools.count(2))
        new = name if name not in seen else next(each for each in numbered if each not in taken)
        seen.add(new)
        taken.add(new)
        result.append(new)
    return result


def _unknown(subject: Subject, name: str) -> str:
    if name in ("shape", "shapes"):
        first = next(iter(subject.signature.parameters), "X")
        return f'shapes are given by the names of the arguments, as in {first}="n d"'
    known = [*subject.signature.parameters, *(attribute.name for attribute in subject.attributes)]
    hint = suggestion(name, known, f"; there are {', '.join(known)}")
    return f"{subject.name} has no parameter named {name!r}{hint}"


def _missing(subject: Subject, name: str) -> str:
    if name == "self":
        method = subject.name.rpartition(".")[2]
        return f"{subject.name} is a method; give that of an instance, as in trace(network.{method}, …)"
    return (
        f'the shape of {name!r}, a parameter of {subject.name}, is missing; give it by name, as in {name}="n d" '
        f'(sizes parted by spaces, "" for a number), {name}=(4, 2) or {name}=array'
    )
