"""Programs: inputs, outputs, and the user's names of intermediates.

`rebuild` is the only function that transforms programs; it raises on unknown node kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from chainrule.ir.caching import cached_property
from chainrule.ir.declarations import Declaration, Property, checked
from chainrule.ir.demands import Demand, needed_by
from chainrule.ir.dims import Dim, SymbolicDim, bind_dim
from chainrule.ir.display import media_bundle
from chainrule.ir.errors import ProgramError, ShapeError
from chainrule.ir.nodes import Apply, Const, Input, Node
from chainrule.ir.types import ArrayType, DType, shape_text


def topological_order(outputs: Iterable[Node], stop: Container[Node] = ()) -> list[Node]:
    """Return every node that `outputs` depend on, operands first. Nodes in `stop` are listed but not entered."""
    order: dict[Node, None] = {}
    entered: set[Node] = set()
    stack = list(outputs)
    stack.reverse()
    while stack:
        node = stack.pop()
        if node in order:
            continue
        if isinstance(node, Apply) and node not in entered and node not in stop:
            entered.add(node)
            stack.append(node)
            stack += [operand for operand in node.operands[::-1] if operand not in order]
        else:
            order[node] = None
    return list(order)


def rebuild(outputs: Sequence[Node], replace: Callable[[Node], Node | None]) -> tuple[Node, ...]:
    """Rebuild `outputs` with the replacements that `replace` returns, and the nodes that depend on them."""
    made = rebuild_all(outputs, replace)
    return tuple(made[output] for output in outputs)


def rebuild_all(outputs: Sequence[Node], replace: Callable[[Node], Node | None]) -> dict[Node, Node]:
    """As `rebuild`, but return the new node of every visited node."""
    made: dict[Node, Node] = {}
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(list(outputs))]
    while stack:
        node, ready = stack.pop()
        if node in made:
            continue
        if not ready:
            replacement = replace(node)
            if replacement is not None:
                made[node] = replacement
            elif isinstance(node, Input | Const):
                made[node] = node
            elif isinstance(node, Apply):
                stack.append((node, True))
                stack.extend((operand, False) for operand in reversed(node.operands) if operand not in made)
            else:
                raise ProgramError(f"a node of kind {type(node).__name__} is not one of Input, Const, Apply")
        elif isinstance(node, Apply):
            operands = tuple(made[operand] for operand in node.operands)
            made[node] = node if operands == node.operands else Apply(node.primitive, operands)
    return made


def substitute(outputs: Sequence[Node], mapping: Mapping[Node, Node]) -> tuple[Node, ...]:
    """Replace the keys of `mapping` in `outputs` by their values."""
    return rebuild(outputs, mapping.get)


PROGRAM_DISPLAYS: dict[str, Callable[[Program], str]] = {}
"""The renderer of a program for each media type, registered by the package."""


@dataclass(frozen=True, eq=False)
class Program:
    """A function of `inputs`, given by the expressions `outputs`; `names` are the user's names of intermediates.

    `demands` state the valid ranges of values; the code that receives the values checks them. `declared` are properties
    of the values of inputs that the caller guarantees.

    Examples
    --------
    >>> import chainrule as cr
    >>> program = cr.trace("r = X @ w - y; mean(r^2)", X="n d", y="n")
    >>> [node.name for node in program.inputs], program.dim_names
    (['X', 'w', 'y'], ['n', 'd'])
    >>> print(cr.equations(program))
    r = X w − y
    L = mean(r²)

    """

    inputs: tuple[Input, ...]
    outputs: tuple[Node, ...]
    names: Mapping[Node, str] = field(default_factory=dict)
    demands: tuple[Demand, ...] = ()
    declared: tuple[Declaration, ...] = ()

    def __post_init__(self) -> None:
        self.check()

    @cached_property
    def nodes(self) -> list[Node]:
        """Every node, operands first."""
        return topological_order(self.outputs)

    @property
    def dim_names(self) -> list[str]:
        """The names of sizes in the inputs, then of others, as of a function without a definition, in their order."""
        names: dict[str, None] = {}
        for node in (*self.inputs, *self.nodes):
            for dim in node.type.shape:
                if isinstance(dim, SymbolicDim):
                    names.update(dict.fromkeys(sorted(dim.names)))
        return list(names)

    def sizes(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Dim]:
        """Return the named sizes, given the shape of each input; raise ShapeError if two inputs disagree."""
        sizes: dict[str, Dim] = {}
        origins: dict[str, str] = {}
        for node in self.inputs:
            if node.name not in shapes:
                raise ProgramError(f"the input {node.name!r} has no value")
            shape = shapes[node.name]
            if len(shape) != node.type.ndim:
                raise ShapeError(f"{node.name} has the shape {shape}; it should be {shape_text(node.type.shape)}")
            for dim, size in zip(node.type.shape, shape, strict=True):
                found = _solved(dim, size)
                if found is not None:
                    name, size = found
                    if sizes.setdefault(name, size) != size:
                        raise ShapeError(
                            f"the size {name} is {sizes[name]} in {origins[name]} but {size} in {node.name}, "
                            f"which has the shape {shape}"
                        )
                    origins.setdefault(name, node.name)
        for node in self.inputs:
            shape = shapes[node.name]
            expected = tuple(bind_dim(dim, sizes) for dim in node.type.shape)
            if expected != shape:
                raise ShapeError(f"{node.name} has the shape {shape}; it should be {shape_text(expected)}")
        return sizes

    def properties(self, node: Input) -> tuple[Property, ...]:
        """Return the declared properties of an input."""
        return tuple(each.property for each in self.declared if each.name == node.name)

    def declare(self, declarations: Iterable[Declaration]) -> Program:
        """Return the program with further declarations; raise DeclarationError for one that cannot hold."""
        declared = checked((*self.declared, *declarations), self.inputs)
        return replace(self, declared=declared) if declared != self.declared else self

    def input(self, name: str) -> Input:
        """Return the input called `name`; raise ProgramError, listing the inputs, if there is none."""
        for node in self.inputs:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.inputs)
        raise ProgramError(f"there is no input named {name!r}; the inputs are {known}")

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        return media_bundle(self, PROGRAM_DISPLAYS, include, exclude)

    def check(self) -> Program:
        """Check that inputs are declared once, node kinds are known, and every type equals the inferred one."""
        names = [node.name for node in self.inputs]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ProgramError(f"the input name {sorted(doubled)[0]!r} is declared twice")
        declared = set(self.inputs)
        for node in self.nodes:
            if isinstance(node, Input):
                if node not in declared:
                    raise ProgramError(f"{node!r} is used but is not an input of the program")
            elif isinstance(node, Apply):
                derived = node.primitive.type(*(operand.type for operand in node.operands))
                if derived != node.type:
                    raise ProgramError(f"{node.primitive} has the type {node.type} but derives {derived}")
            elif not isinstance(node, Const):
                raise ProgramError(f"a node of kind {type(node).__name__} is not one of Input, Const, Apply")
        return self

    def bind(self, sizes: Mapping[str, Dim], float_dtype: DType | None = None) -> Program:
        """Replace symbolic sizes by `sizes` and, if given, every float dtype by `float_dtype`."""

        def retyped(type: ArrayType) -> ArrayType:
            bound = type.bind(sizes)
            return bound.with_dtype(float_dtype) if float_dtype is not None and bound.dtype.is_float else bound

        made: dict[Node, Node] = {}
        for node in [*self.inputs, *self.nodes]:
            if node in made:
                continue
            if isinstance(node, Input):
                made[node] = Input(node.name, retyped(node.type))
            elif isinstance(node, Const):
                value, type = node.value, retyped(node.type)
                if isinstance(value, SymbolicDim):
                    value = bind_dim(value, sizes)
                elif isinstance(value, np.ndarray):
                    value = value.astype(type.dtype.numpy, copy=False)
                made[node] = Const(value, type)
            elif isinstance(node, Apply):
                primitive = node.primitive.bind(sizes, float_dtype)
                made[node] = Apply(primitive, tuple(made[operand] for operand in node.operands))
        inputs = tuple(made[node] for node in self.inputs)
        assert all(isinstance(node, Input) for node in inputs)
        return Program(
            tuple(node for node in inputs if isinstance(node, Input)),
            tuple(made[node] for node in self.outputs),
            {made[node]: name for node, name in self.names.items() if node in made},
            tuple(replace(each, most=bind_dim(each.most, sizes)) for each in needed_by(self.demands, made)),
            self.declared,
        )


def _solved(dim: Dim, size: int) -> tuple[str, int] | None:
    """Solve a dimension of the form n or k·n for its name; return the name and its value."""
    if not isinstance(dim, SymbolicDim) or len(dim.terms) != 1:
        return None
    ((names, factor),) = dim.terms
    return (names[0], size // factor) if len(names) == 1 and factor > 0 and size % factor == 0 else None
