"""Every line of a derivation as JavaScript, for pages that show its values and what each entry reads.

The module of `live_module` exports

- `sizes`, the named sizes; `inputs`, each `{name, dims, dtype, kind}` with a kind of "argument", "upstream" (the
  gradient of a layer's output, by default ones) or "tangent" (by default zeros);
- `names`, every name with a value: `{name, kind, line}`, where `line` is the line that defines it, -1 for an input;
- `lines`, the claims: `{kind, name, dims, left}`, with the name that a line defines, or "", and -1 as `left` unless it
  states that two expressions are equal;
- `evaluate(sizes, given)`, a point: `value(name)`, `values()`, `line(k)` and `left(k)` are each `{shape, data}`, data a
  typed array in row-major order; `reads(k, index)` lists the entries that an entry of line k reads, `slopes(k, index)`
  also the partial derivatives by them; `loss` is a number, and `with(changed)` another point.

Names of values are those of the record's inputs. Expressions are written once, through the lowering of primitives, as
functions that are given readers of their operands: readers of numbers give the values, readers that record the reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from chainrule.calculus import TANGENT
from chainrule.derivation import (
    Claim,
    Expression,
    LossDerivative,
    Record,
    StageDerivative,
    StageDifferential,
    StageValue,
    is_upstream,
)
from chainrule.emit.code import written_dim
from chainrule.emit.composing import Composer, written_out_in_parts
from chainrule.emit.js_functions import helper_text
from chainrule.emit.js_unit import array_lines
from chainrule.emit.js_values import JsWriter
from chainrule.emit.names import Names, js_identifier
from chainrule.emit.nests import Nests, Place
from chainrule.emit.passes import refuse_random
from chainrule.emit.scalars import Block, Index, loop_index
from chainrule.emit.storage import stored_values
from chainrule.ir import Apply, ArrayType, DType, Input, Node, Program, refuses_deep_nesting, topological_order
from chainrule.primitives import refuse_abstract

_INDICES = [*"ijklmnpq", *(f"i{k}" for k in range(1, 20))]


@dataclass(frozen=True)
class LiveModule:
    """The text of a module, and the claim of each of its lines."""

    text: str
    claims: tuple[Claim, ...]


@refuses_deep_nesting
def live_module(record: Record, sizes: Mapping[str, int] | None = None) -> LiveModule:
    """Return the lines of a derivation as a JavaScript module; `sizes` become constants.

    Claims of the index form are left out, since they repeat others. Raises EmitError if random numbers are drawn, and
    for an operation that is written out only for matrices whose size is a number, without that number.
    """
    return _Live(record, dict(sizes or {})).module()


class _Readers(Nests):
    """Expressions whose operands are read by calls, with the exception of constant arrays."""

    def address(self, place: Place, index: Sequence[Index]) -> str:
        if place.is_flat:
            return super().address(place, index)
        self.writer.used[place.name] = None
        return f"{place.name}({', '.join(str(self.writer.written(i)) for i in index)})"


class _Live:
    def __init__(self, record: Record, sizes: Mapping[str, int]) -> None:
        refuse_abstract(record.program.nodes)
        refuse_random(record.program.nodes, record.backward.stages)
        self.record = record
        self.claims = tuple(claim for claim in record.claims if claim.kind != "element")
        sides = {side: None for claim in self.claims for side in (claim.right, _left(claim)) if side is not None}
        symbols = dict.fromkeys(node for node in topological_order([*sides]) if isinstance(node, Input))
        inputs = dict.fromkeys([*record.program.inputs, *symbols])
        program = Program(tuple(inputs), tuple(sides)).bind(sizes, DType.FLOAT64)
        self.size_names = _named(program.dim_names, ())
        self.program = written_out_in_parts(program, {}, "JavaScript")
        self.types = {node.name: node.type for node in self.program.inputs}
        self.root = dict(zip(sides, self.program.outputs, strict=True))
        self.composer = Composer("c", self.size_names, JsWriter)
        self.names = _named([*self.types], self.size_names.values())
        applied = [node for node in dict.fromkeys(self.program.outputs) if isinstance(node, Apply)]
        stored = stored_values(applied, self.composer.reduces)
        cells = [*stored, *(node for node in dict.fromkeys(self.program.outputs) if node not in stored)]
        self.cells = {node: number for number, node in enumerate(cells)}
        places: dict[Node, Place] = {node: Place(self.names[node.name], node.type) for node in self.program.inputs}
        places |= {node: Place(f"${self.cells[node]}", node.type) for node in stored}
        self.slots: dict[str, str | int] = {local: name for name, local in self.names.items()}
        self.slots |= {f"${self.cells[node]}": self.cells[node] for node in stored}
        self.nests = self.composer.nests(places, stored, _Readers)

    def module(self) -> LiveModule:
        """Return the module."""
        arguments = {node.name for node in self.record.program.inputs}
        lines: list[dict[str, object]] = []
        defined: dict[str, tuple[str, int]] = {}
        for number, claim in enumerate(self.claims):
            left = _left(claim)
            kind, name = _defined(claim)
            name = "" if name in arguments else name  # the gradient of a layer's output is given
            if name:
                defined[name] = kind, number
            lines.append(
                {
                    "kind": claim.kind,
                    "name": name,
                    "dims": _dims(self.root[claim.right].type),
                    "cell": self.cells[self.root[claim.right]],
                    "left": -1 if left is None else self.cells[self.root[left]],
                }
            )
        given = [name for name in self.types if name not in defined]
        upstream = {node.name for node in self.record.program.inputs if is_upstream(node)}
        kinds = {name: "upstream" if name in upstream else "argument" for name in arguments}
        inputs = [
            {
                "name": name,
                "dims": _dims(self.types[name]),
                "dtype": self.types[name].dtype.value,
                "kind": kinds.get(name, "tangent"),
            }
            for name in given
        ]
        names: list[dict[str, object]] = [
            {"name": each["name"], "kind": each["kind"], "line": -1, "cell": -1 - k} for k, each in enumerate(inputs)
        ]
        names += [
            {"name": name, "kind": kind, "line": line, "cell": lines[line]["cell"]}
            for name, (kind, line) in defined.items()
        ]
        cells = [f"  {self._cell(node)}," for node in self.cells]
        sizes = f"{{ {', '.join(f'{_json(size)}: {name}' for size, name in self.size_names.items())} }}"
        text = [
            *array_lines(self.composer.table_rows()),
            *helper_text("c", self.composer.writer.helpers),
            f"export const sizes = {_json([*self.size_names])};",
            f"export const inputs = {_json(inputs)};",
            f"export const names = {_json(names)};",
            f"export const lines = {_json(lines)};",
            f"const loss = {_json(self.record.loss.name)};",
            f"const shapes = ({sizes}) => [{', '.join(self._shape(self.types[name]) for name in given)}];",
            f"const cells = ({sizes}) => [",
            *cells,
            "];",
            resources.files("chainrule.emit").joinpath("live.js").read_text(encoding="utf-8"),
        ]
        return LiveModule("\n".join(text), self.claims)

    def _shape(self, type_: ArrayType) -> str:
        return f"[{', '.join(str(written_dim(dim, self.size_names.__getitem__)) for dim in type_.shape)}]"

    def _cell(self, node: Node) -> str:
        """Write a cell: shape, dtype, operands, and the function of an entry, given readers of the operands."""
        writer = self.composer.writer
        place = [loop_index(name) for name in _INDICES[: node.type.ndim]]
        self.composer.locals = writer.reserved = Names((*self.slots, *self.size_names.values()))
        writer.blocks, writer.used, writer.open = [Block(2)], {}, _INDICES[: node.type.ndim]
        writer.extents = dict(zip(writer.open, node.type.shape, strict=True))
        value = self.nests.element(node, place, isinstance(node, Apply))
        statements = writer.block.lines
        operands = [local for local in writer.used if local in self.slots]
        head = f"({', '.join(operands)}) => ({', '.join(_INDICES[: node.type.ndim])}) =>"
        body = "\n".join(["{", *statements, f"    return {value.code};", "  }"]) if statements else f"({value.code})"
        slots = _json([self.slots[local] for local in operands])
        return f"[{self._shape(node.type)}, {_json(node.type.dtype.value)}, {slots}, {head} {body}]"


def _left(claim: Claim) -> Node | None:
    """Return the left side of a claim that two expressions are equal."""
    if isinstance(claim.left, Expression) and claim.kind != "abbreviation":
        return claim.left.node
    return None


def _defined(claim: Claim) -> tuple[str, str]:
    """Return the kind and the name of the value that a claim defines, or an empty name."""
    match claim.left:
        case StageValue(stage):
            return "stage", stage.symbol.name
        case StageDifferential(stage):
            return "tangent", TANGENT + stage.symbol.name
        case StageDerivative(symbol=Input() as symbol):
            return "derivative", symbol.name
        case LossDerivative(cotangent=cotangent) if claim.kind == "chain":
            return "cotangent", cotangent.name
        case Expression(Input() as symbol) if claim.kind == "abbreviation":
            return "abbreviation", symbol.name
    return "", ""


def _named(wanted: Sequence[str], taken: Iterable[str]) -> dict[str, str]:
    """Return an identifier for each name; the indices of entries are not among them."""
    names = Names((*_INDICES, *taken))
    return {name: names.take(js_identifier(name)) for name in wanted}


def _dims(type_: ArrayType) -> list[str]:
    return [str(dim) for dim in type_.shape]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
