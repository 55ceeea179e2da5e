"""The references of an answer: what is right, under every assumption on the targets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from chainrule.derivation import is_upstream, with_sizes_apart
from chainrule.deriving import Derivation, derive, inputs_named
from chainrule.grading.forwards import forward_of
from chainrule.grading.names import is_data, is_label, is_mask, is_target
from chainrule.grading.points import Assumption
from chainrule.grading.requested import parameters_of
from chainrule.grading.truth import Truth
from chainrule.grading.vocabulary import Vocabulary
from chainrule.ir import Program, SymbolicDim, parse_declarations
from chainrule.words import ChainruleError


class Truths:
    """The references of an answer: the derivation with respect to every input, and the requested gradients."""

    def __init__(
        self,
        against: Callable[..., Any] | Program | Derivation | str,
        wrt: Sequence[str] | str | None,
        shapes: Mapping[str, Any],
        assume: str | None = None,
        unfinished: bool = False,
    ) -> None:
        self.unfinished = unfinished
        declarations = () if assume is None else parse_declarations(assume)
        forward = forward_of(against, shapes, declarations)
        program = forward.program.declare(declarations)
        self.stated = wrt is not None
        if wrt is None and isinstance(against, Derivation):
            self.stated = True
            self.wrt = [node.name for node in against.record.backward.wrt]
            program = against.record.traced
        elif wrt is None:
            is_loss = len(program.outputs) == 1 and program.outputs[0].type.shape == ()
            self.wrt = parameters_of(program.inputs, is_loss)
        else:
            self.wrt = [node.name for node in inputs_named(with_sizes_apart(program), wrt)]
        floats = [n.name for n in program.inputs if n.type.dtype.is_float and not is_upstream(n)]
        self.derivation = derive(program, floats)
        self.program = self.derivation.record.traced
        self._vocabulary = Vocabulary(self.derivation, forward)
        self._made: dict[tuple[Assumption, bool], Truth | None] = {}

    @property
    def assumptions(self) -> list[Assumption]:
        """The possible assumptions on targets and masks; only "any" without them."""
        floats = [n for n in self.program.inputs if n.type.dtype.is_float and n.type.ndim]
        masked: list[Assumption] = ["any", "masked"] if self.masks else ["any"]
        if not any(is_target(node.name) and node.name not in self.masks for node in floats):
            return masked
        return [*masked, "distribution", "columns", "indicator", "one-hot rows", "one-hot columns"]

    @property
    def masks(self) -> list[str]:
        """The inputs that may be masks, and are none of the parameters."""
        arrays = [n for n in self.program.inputs if n.type.dtype.is_float and n.type.ndim]
        return [node.name for node in arrays if is_mask(node.name) and node.name not in self.wrt]

    def get(self, assume: Assumption = "any", single: bool = False) -> Truth | None:
        """Return the reference under an assumption, or for one sample; None if there is no such point.

        Under an assumption that leaves the side of a kink to no threshold, a wrong one would go unnoticed.
        """
        key = (assume, single)
        if key not in self._made:
            self._made[key] = self._make(assume, single)
        return self._made[key]

    def _make(self, assume: Assumption, single: bool) -> Truth | None:
        batch = batch_size(self.program, self.wrt)
        if assume == "any" and not single:
            return Truth(self._vocabulary, batch)
        if single and batch is None:
            return None
        try:
            truth = Truth(self._vocabulary, batch, assume, single, self.masks)
        except (ChainruleError, ValueError, IndexError):
            return None
        general = self.get()
        return truth if single or general is None or truth.decided >= general.decided else None


def title_of(against: object) -> str:
    """Return the name of the reference in messages."""
    return against if isinstance(against, str) else str(getattr(against, "__name__", "the reference"))


def batch_size(program: Program, wrt: Collection[str] = ()) -> str | None:
    """Return the name of the size that counts samples: one of the first array of data that no parameter has.

    Targets are skipped, whose axes may count classes. A name such as `Q` may be that of a mask, or of queries: what a
    gradient is asked by is no mask.
    """
    arrays = [node for node in program.inputs if node.type.ndim]
    parameters = [node for node in arrays if node.name in wrt and not (node is arrays[0] and is_data(node.name))]
    masks = [node for node in arrays if is_target(node.name) and (node.name not in wrt or is_label(node.name))]
    first = next((node for node in arrays if node not in masks), None)
    if first is None:
        return None
    taken = {dim for node in parameters if node is not first for dim in node.type.shape}
    inner = {dim for node in arrays for dim in node.type.shape[1:] if node is not first}
    for dim in first.type.shape:
        if isinstance(dim, SymbolicDim) and dim not in taken and (dim not in inner or first.type.shape[-1] == dim):
            return str(dim)
    return None
