"""What a page is made of, as plain data: derivations with their formulas, and the values with which it opens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chainrule.derivation import Json, Notator, Record, Valuation, keys_of, math_of, text_of
from chainrule.deriving import Derivation
from chainrule.emit import live_module
from chainrule.explorer.exported import Exports
from chainrule.explorer.lines import Line, lines_of
from chainrule.explorer.network import Network, network_of
from chainrule.explorer.quiz import Arrays, asked, mistakes
from chainrule.explorer.start import limits
from chainrule.explorer.training import training_code
from chainrule.ir import Dim, bind_dim, concrete
from chainrule.primitives import Notation
from chainrule.words import LANGUAGES


@dataclass(frozen=True)
class Contents:
    """Plain data: that of a page, and the text of a module for each of its structures."""

    data: Mapping[str, Json]
    modules: Sequence[str]


@dataclass(frozen=True)
class Structure:
    """One derivation of a page, at the values with which it opens.

    `choice` are the settings that lead to it, and `sizes` the numbers that a reader can choose for a named size. A page
    has WebAssembly of a small network only if it `is_compiled`.
    """

    derivation: Derivation
    point: Valuation
    choice: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    is_compiled: bool = False


class Payload:
    """Collects structures; equal formulas are stored once."""

    def __init__(self) -> None:
        self._markup: dict[str, int] = {}
        self._modules: list[str] = []
        self._structures: list[Json] = []
        self._exports = Exports()
        self._arrays = Arrays()

    def add(self, structure: Structure) -> None:
        """Add a structure, with the module that computes its lines."""
        record = structure.derivation.record
        live = live_module(record)
        numbers = {id(claim): number for number, claim in enumerate(live.claims)}
        lines = lines_of(record)
        self._structures.append(
            {
                "id": "-".join(structure.choice.values()) or structure.derivation.name,
                "module": len(self._modules),
                "choice": dict(structure.choice),
                "choices": {"sizes": {name: list(sizes) for name, sizes in structure.sizes.items()}},
                "loss": record.loss.name,
                "layer": record.is_layer,
                "wrt": [node.name for node in record.backward.wrt],
                "gradients": _tracked(record),
                "sizes": dict(structure.point.sizes),
                "inputs": self._inputs(record, structure.point, structure.sizes),
                "names": self._names(record),
                "network": _network(network_of(record)),
                "lines": [self._line(record, line, numbers) for line in lines],
                "quiz": self._arrays.quiz(record),
                "exported": self._exports.of(structure.derivation, structure.point.sizes),
            }
        )
        self._modules.append(f"{live.text}\n{training_code(record, structure.point, structure.is_compiled)}")

    def contents(self) -> Contents:
        """Return what the structures are written as."""
        data: dict[str, Json] = {
            "markup": list(self._markup),
            "exportedLines": list(self._exports.lines),
            "arrays": self._arrays.all,
            "mistakes": mistakes(),
            "structures": self._structures,
        }
        return Contents(data, self._modules)

    def _number(self, markup: str) -> int:
        return self._markup.setdefault(markup, len(self._markup))

    def _line(self, record: Record, line: Line, numbers: Mapping[int, int]) -> Json:
        picture = line.picture
        factors: dict[str, Json] = {}
        for side, factor in (("left", picture.left), ("right", picture.right)):
            if factor is not None:
                factors[side] = {"key": factor.key, "transposed": factor.transposed}
        written: dict[str, Json] = {
            "key": line.key,
            "kind": line.kind,
            "of": line.of,
            "number": numbers[id(line.claim)],
            "shape": line.shape,
            "asked": asked(record, line),
            "forms": {form: self._number(markup) for form, markup in line.forms.items()},
            "reasons": {language: [self._number(each) for each in line.reasons[language]] for language in LANGUAGES},
            "remarks": {language: [self._number(each) for each in line.remarks[language]] for language in LANGUAGES},
            "picture": {"operands": list(picture.operands), "product": picture.product, **factors},
        }
        return written | ({"differential": self._number(line.differential)} if line.differential else {})

    def _inputs(self, record: Record, point: Valuation, sizes: Mapping[str, Sequence[int]]) -> Json:
        bounds = limits(record)
        return {
            node.name: {
                "dims": [_size(dim, point.sizes) for dim in node.type.shape],
                "dtype": "float64" if node.type.dtype.is_float else node.type.dtype.value,
                "data": [float(value) for value in point(node).ravel()],
                **({"limit": _size(bounds[node], point.sizes)} if node in bounds else {}),
            }
            for node in record.program.inputs
        }

    def _names(self, record: Record) -> Json:
        """Return how each value is written; the gradient by a quantity as δ if it is named so."""
        names: dict[str, Notation] = {}
        for notation, key in keys_of(record, Notator(record)).items():
            names.setdefault(key, notation)
        return {key: {"markup": self._number(math_of(each)), "text": text_of(each)} for key, each in names.items()}


def _tracked(record: Record) -> list[Json]:
    """Return the quantities whose gradients are followed: the pre-activations of a network, else the parameters."""
    network = network_of(record)
    if network is not None and len(network.layers) > 2:
        found = {entry.symbol.name for entry in record.backward.accumulations}
        return [name for layer in network.layers[1:] if (name := layer.pre or layer.value) in found]
    return [node.name for node in record.backward.wrt]


def _network(network: Network | None) -> Json:
    if network is None:
        return None
    return {
        "layers": [{"value": layer.value, "pre": layer.pre, "steepest": layer.steepest} for layer in network.layers],
        "weights": [{"key": weights.key, "bias": weights.bias} for weights in network.weights],
        "rows": network.rows,
        "data": network.layers[0].value,
        "output": network.layers[-1].value,
        "target": network.target,
    }


def _size(dim: Dim, sizes: Mapping[str, int]) -> str | int:
    """Return a size by its name, or as the number that it has here."""
    return str(dim) if str(dim) in sizes else concrete(bind_dim(dim, sizes))
