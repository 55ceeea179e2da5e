"""Export as a JavaScript module: typed arrays, no import, nothing allocated by the passes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from chainrule.derivation import Derivatives, Record, Recurrent
from chainrule.emit.js_unit import JsUnit, allocations
from chainrule.emit.js_values import JS_ARRAYS
from chainrule.emit.layout import broken
from chainrule.emit.loop_source import LoopSource, PassFunction, Structure, listed
from chainrule.emit.names import Names, js_identifier
from chainrule.emit.nests import Place
from chainrule.ir import ArrayType, DType

_KINDS = {DType.INT64: "integers", DType.BOOL: "conditions"}
_EXAMPLES = (32, 8, 4, 2, 16, 3)
"""Sizes in the example of use."""


class JsSource(LoopSource):
    """Writes the module; a symbolic size without a number in `sizes` is an argument."""

    unit_type = JsUnit
    reserved = (*LoopSource.reserved, "sizes")
    keyword: ClassVar[str] = "export function"
    """What a function begins with."""

    def __init__(
        self,
        subject: Record | Recurrent,
        name: str,
        sizes: Mapping[str, int],
        derivatives: Derivatives | None = None,
    ) -> None:
        super().__init__(subject, js_identifier(name), sizes, DType.FLOAT64, derivatives)
        self._structures: Sequence[Structure] = ()
        self._functions: Sequence[PassFunction] = ()
        self._results: Sequence[Place] = ()

    def name_sizes(self, sizes: Sequence[str]) -> dict[str, str]:
        names = Names(self.reserved)
        return {size: names.take(js_identifier(size)) for size in sizes}

    def structure_parameter(self, name: str, is_read: bool = False) -> tuple[str, str]:
        return name, name

    def array_parameter(self, name: str, type_: ArrayType) -> tuple[str, str]:
        return name, name

    def number_parameter(self, name: str, example: str) -> tuple[str, str]:
        return name, example

    def function(
        self,
        title: str,
        comment: str,
        parameters: Sequence[tuple[str, str]],
        statements: Sequence[str],
        uses: frozenset[str],
        returns_loss: bool = False,
    ) -> PassFunction:
        sizes = self._taken_apart(uses)
        if sizes:
            parameters = [*parameters, ("sizes", "sizes")]
            statements = [f"    const {sizes} = sizes;", *statements]
        return PassFunction(title, comment, parameters, statements, returns_loss)

    def _taken_apart(self, uses: Collection[str]) -> str:
        """Return the pattern that takes the arguments among the sizes in `uses` from an object; empty without one."""
        names = {size: name for size, name in self.size_names.items() if name in uses and size not in self.sizes}
        entries = [size if size == name else f"{_key(size)}: {name}" for size, name in names.items()]
        return f"{{ {', '.join(entries)} }}" if entries else ""

    def file(self, structures: Sequence[Structure], functions: Sequence[PassFunction], results: Sequence[Place]) -> str:
        self._structures, self._functions, self._results = structures, functions, results
        heading = self._heading(structures, functions, results)
        lines = [
            "/*",
            *(f" * {line}" if line else " *" for line in heading),
            " */",
            "",
            *self.statements(structures, functions),
        ]
        return "\n".join(piece for line in lines for piece in broken(line))

    def statements(self, structures: Sequence[Structure], functions: Sequence[PassFunction]) -> list[str]:
        """Return the statements that define constants, structures, helpers and functions."""
        return [
            *self._constants(),
            *(line for each in structures for line in self._structure(each)),
            *self.unit.preamble,
            *(line for each in functions for line in self._function(each)),
        ]

    def _constants(self) -> list[str]:
        numbers = {self.size_names[size]: number for size, number in self.sizes.items() if size in self.size_names}
        lines = [f"const {name} = {number};" for name, number in numbers.items()]
        return [*lines, ""] if lines else []

    def _heading(
        self, structures: Sequence[Structure], functions: Sequence[PassFunction], results: Sequence[Place]
    ) -> list[str]:
        dtypes = {node.type.dtype for node in self.program.inputs if node.type.ndim}
        fixed = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        free = [size for size in self.size_names if size not in self.sizes]
        example = _object({size: _EXAMPLES[k % len(_EXAMPLES)] for k, size in enumerate(free)})
        return [
            f"{self.name}: forward and backward pass in JavaScript, derived by chainrule.",
            "",
            *([f"Sizes: {fixed}."] if fixed else []),
            "Arrays are flat, in row-major order: Float64Arrays. The passes allocate nothing.",
            *(f"Arrays of {what} are {JS_ARRAYS[dtype]}s." for dtype, what in _KINDS.items() if dtype in dtypes),
            *([f"The gradients assume {self.assumed}."] if self.assumed else []),
            *([f"The forward pass leaves {listed(results)}."] if self.is_layer else []),
            "",
            *([f"    const sizes = {example};"] if free else []),
            *(f"    {line}" for line in (*map(self._made, structures), *map(_called, functions))),
        ]

    def _made(self, each: Structure) -> str:
        return f"const {each.label} = {self.name}_{each.label}({'sizes' if self._sizes_of(each) else ''});"

    @property
    def stepped(self) -> list[str]:
        """The inputs that a step changes."""
        return [name for name, place in self.inputs.items() if place.within]

    def trial(self, sizes: Mapping[str, int]) -> str:
        """Return statements that call every function of the text once, for `run_in_node`.

        `given` has every input by its name. `results` gets the outputs as "output 0", …, the gradients as "gradient W",
        and what a step at the rate 0.1 makes of the parameters as "step W"; the functions of a Hessian or of Jacobians,
        with the directions by their names in `given`, leave "blocks 0", … and "changes 0", ….
        """
        lines = [f"const sizes = {_object(sizes)};", *map(self._made, self._structures)]
        for name, place in self.inputs.items():
            value = f"given[{json.dumps(name)}]"
            if place.within and place.is_flat:
                lines.append(f"{place.within}.{place.name}.set({value});")
            elif place.within:
                lines.append(f"{place.within}.{place.name} = {value}[0];")
            else:
                lines.append(f"const {place.name} = {value}{'' if place.is_flat else '[0]'};")
        count = len(self._functions) - bool(self.params)
        passes, steps = self._functions[:count], self._functions[count:]
        for each in self.further:
            for v, by in each.directions.items():
                value = f"given[{json.dumps(v.name)}]"
                member = f"directions.{self.members[by]}"
                lines.append(f"{member}.set({value});" if v.type.ndim else f"{member} = {value}[0];")
        lines += map(_called, passes)
        for each in self.further:
            lines += [
                f'results["{each.structure} {k}"] = {each.structure}.{m.name};' for k, m in enumerate(each.members)
            ]
        for k, result in enumerate(self._results):
            text = f"{result.within}.{result.name}" if self.is_layer else "loss"
            lines.append(f'results["output {k}"] = {text};')
        lines += [f"results[{json.dumps(f'gradient {name}')}] = grads.{self.members[name]};" for name in self.by]
        if steps:
            lines += map(_called, steps)
            lines += [f"results[{json.dumps(f'step {name}')}] = params.{self.members[name]};" for name in self.stepped]
        return "\n".join(lines)

    def _sizes_of(self, each: Structure) -> str:
        used = {name for member in each.members for dim in member.type.shape for name in getattr(dim, "names", ())}
        return self._taken_apart({self.size_names[name] for name in used})

    def _structure(self, each: Structure) -> list[str]:
        return [
            f"/* {each.comment} */",
            f"{self.keyword} {self.name}_{each.label}({self._sizes_of(each)}) {{",
            "    return {",
            *allocations(each.members, self.size_names),
            "    };",
            "}",
            "",
        ]

    def _function(self, each: PassFunction) -> list[str]:
        parameters = ", ".join(parameter for parameter, _ in each.parameters)
        return [f"/* {each.comment} */", f"{self.keyword} {each.title}({parameters}) {{", *each.statements, "}", ""]


def _called(each: PassFunction) -> str:
    return f"const loss = {each.call};" if each.returns_loss else f"{each.call};"


def _object(sizes: Mapping[str, int]) -> str:
    return f"{{ {', '.join(f'{_key(size)}: {number}' for size, number in sizes.items())} }}"


def _key(size: str) -> str:
    """Write the name of a size as the key of an object."""
    return size if size.isidentifier() else f'"{size}"'
