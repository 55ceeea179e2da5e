"""The reasons for a gradient: its pairing, and a general statement on every operation in the linear map.

A general statement is made once in a document, where it first applies; later only the pairing is given.
"""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.calculus import TANGENT, Contribution, is_scale
from chainrule.derivation.contractions import is_matrix_product
from chainrule.derivation.correlation import is_correlation
from chainrule.derivation.document import Words
from chainrule.derivation.notator import Notator
from chainrule.derivation.properties import operations_on, repeated_sizes
from chainrule.derivation.record import Record
from chainrule.derivation.upstream import is_upstream
from chainrule.derivation.words import join, say
from chainrule.ir import Apply, Const, Dim, Input, Node, applies, sizes_text, topological_order
from chainrule.primitives import (
    Broadcast,
    Concatenate,
    Contract,
    CumulativeSum,
    Diagonal,
    Elementwise,
    Gather,
    Infix,
    LogSumExp,
    Max,
    Mean,
    Min,
    Multiply,
    Notation,
    OverlapAdd,
    Pad,
    Pairing,
    Permute,
    ScatterAdd,
    Slice,
    Softmax,
    Sum,
    Symbol,
    Triangle,
    Where,
    Windows,
)
from chainrule.words import Language

_BY_CLASS: dict[type, str] = {
    Concatenate: "concatenate",
    Gather: "gather",
    Pad: "pad",
    Permute: "permute",
    ScatterAdd: "scatter",
    Slice: "slice",
    Where: "where",
    Windows: "windows",
    OverlapAdd: "overlap",
    CumulativeSum: "cumulative",
    Diagonal: "diagonal",
    Triangle: "triangle",
}
"""The sentence for an operation, if it needs no further data."""
_KEY_OF_REDUCTION: dict[type, str] = {Max: "maximum", Min: "minimum", LogSumExp: "logsumexp"}


class Reasons:
    """The reasons of one document, in one language."""

    def __init__(self, record: Record, notator: Notator, language: Language, in_matrices: bool = True) -> None:
        self._record = record
        self._notator = notator
        self._language = language
        self._in_matrices = in_matrices
        self._said: set[Words] = set()
        self._active = {entry.symbol for entry in record.backward.accumulations}

    def _say(self, key: str, *parts: str | Notation | Words) -> Words:
        return say(self._language, key, *parts)

    def share(self, said: set[Words]) -> None:
        """Make general statements once among all the reasons that share `said`."""
        self._said = said

    def once(self, words: Words) -> Words:
        """Return `words`, unless the document has said them."""
        if words in self._said:
            return ()
        self._said.add(words)
        return words

    def of(self, contribution: Contribution, among_several: bool = False) -> Words:
        """Return the pairing of one contribution, and the general statements that apply."""
        stage = contribution.stage
        if self.is_given(contribution):
            return self._say("outside")
        name = Symbol(stage.name)
        if self._record.linear_map(contribution) is contribution.tangent:
            return self._say("identity", name, Symbol(contribution.operand.name))
        equation = self.pairing(contribution)
        if isinstance(contribution.cotangent, Const):
            change = self._notator.tangent(stage.symbol)
            if len([operand for operand in stage.operands if operand in self._active]) > 1:
                because = self._say("loss term", change, self._notator.of(contribution.tangent), equation)
            else:
                sides = equation.operands if isinstance(equation, Infix) and equation.operator == "=" else (equation,)
                because = self._say("because", Infix("=", (change, *sides)))
        else:
            because = (equation,) if among_several else self._say("because", equation)
        for key in self.general(contribution):
            extra = self.once(key)
            if extra:
                because = (*because, *self._say("semicolon"), *extra)
        return because

    def is_given(self, contribution: Contribution) -> bool:
        """Whether the contribution is the given gradient of a result."""
        return isinstance(contribution.cotangent, Const) and is_upstream(contribution.adjoint)

    def pairing(self, contribution: Contribution) -> Notation:
        """Return ⟨δ, J dx⟩ = ⟨Jᵀδ, dx⟩."""
        record = self._record
        adjoint = self._notator.of(record.short(record.adjoint(contribution)), explicit=True)
        right = Pairing(adjoint, self._notator.of(contribution.tangent))
        linear_map = self._notator.of(record.short(record.linear_map(contribution)), explicit=True)
        if isinstance(contribution.cotangent, Const):
            # Of numbers the pairing is the product that the linear map is already.
            is_number = all(node.type.ndim == 0 for node in topological_order([record.linear_map(contribution)]))
            return linear_map if is_number or linear_map == right else Infix("=", (linear_map, right))
        return Infix("=", (Pairing(self._notator.of(contribution.cotangent), linear_map), right))

    def general(self, contribution: Contribution) -> Iterator[Words]:
        """Yield a statement for each kind of operation that acts on the tangent."""
        stage, expression = contribution.stage, contribution.stage.expression
        if stage in self._record.derivative_symbols:
            if stage.symbol.type.shape:
                yield self._say("elementwise")
            return
        if applies(expression, Softmax):
            yield self._say("softmax")
            return
        path = operations_on(contribution)
        for node in path:
            yield from self._operation(node, contribution, path)
        for part in topological_order([expression]):
            key = _KEY_OF_REDUCTION.get(type(part.primitive)) if isinstance(part, Apply) else None
            if key is not None and contribution.operand in topological_order([part]):
                yield self._say(key)

    def _operation(self, node: Apply, contribution: Contribution, path: list[Apply]) -> Iterator[Words]:
        match node:
            case Apply(Contract()):
                yield from self._product(node, path)
            case Apply(Broadcast()):
                sizes = repeated_sizes([node])
                if sizes:
                    yield self._say("broadcast", _sizes(sizes))
            case Apply(Sum(axes)):
                if not isinstance(contribution.cotangent, Const) or node.type.ndim:
                    yield self._say("sum", self._axes(node, axes))
            case Apply(Mean(axes)):
                yield self._say("mean", self._axes(node, axes))
            case Apply(Multiply(), factors):
                if not any(map(is_scale, factors)) and contribution.stage.symbol.type.ndim:
                    yield self._say("factor")
            case Apply(Elementwise(), (_, second)):
                if not is_scale(second) and contribution.stage.symbol.type.ndim:
                    yield self._say("factor")
            case Apply(Slice(sizes=sizes, strides=strides), (x,)) if sizes == x.type.shape and -1 in strides:
                yield self._say("flip")  # every element, in reverse order along some axes
            case Apply(Pad(interior=interior)) if any(interior):
                yield self._say("spread")
            case Apply(CumulativeSum(reverse=True)):
                yield self._say("cumulative reversed")
            case Apply(primitive) if key := _BY_CLASS.get(type(primitive)):
                yield self._say(key)

    def _product(self, node: Apply, path: list[Apply]) -> Iterator[Words]:
        """Yield the statement for a matrix product, several side by side, or a contraction in general."""
        if len(node.operands) != 2:
            return
        (left, right), output = node.primitive.inputs, node.primitive.output
        if is_correlation(node):
            slides = any(applies(operand, Windows) and operand in path for operand in node.operands)
            within, along = self._letters("kijqrst", "mi" if slides else "p")
            key, place = ("correlation input", "−") if slides else ("correlation kernel", "+")
            yield self._say(key, within, along, Infix(place, (along, within)))
            return
        if is_matrix_product(node):
            if node.type.ndim:
                yield self._say("product")
        elif len(output) > 2 or any(label in right and label not in output for label in left):
            yield self._say("contraction")
        sizes = node.primitive.sizes([operand.type for operand in node.operands])
        batch = [label for label in output if label in left and label in right]
        if batch and is_matrix_product(node) and len(output) > 2:
            yield self._say("batch", _sizes([sizes[label] for label in batch]))
        active = next((k for k, operand in enumerate(node.operands) if operand in path or _is_tangent(operand)), 0)
        own, other = (left, right) if active == 0 else (right, left)
        shared = [label for label in output[:-2] if label in other and label not in own]
        if shared:
            yield self._say("served", _sizes([sizes[label] for label in shared]))

    def _letters(self, *wanted: str) -> list[Symbol]:
        """Return a letter from each of `wanted` that is neither a size nor a name of the program."""
        program = self._record.program
        taken = {*program.dim_names, *(node.name for node in program.inputs)}
        taken |= {stage.name for stage in self._record.backward.stages}
        found: list[Symbol] = []
        for letters in wanted:
            name = next(each for each in (*letters, *"uvabgt", letters[0] + "′") if each not in taken)
            taken.add(name)
            found.append(Symbol(name))
        return found

    def _axes(self, node: Apply, axes: tuple[int, ...]) -> str:
        (operand,) = node.operands
        return _sizes([operand.type.shape[axis] for axis in axes])

    def of_step(self, contributions: tuple[Contribution, ...], symbol: Input) -> list[Words]:
        """Return the reasons of a sum of contributions, one each, and that they add up."""
        several = len(contributions) > 1
        reasons: list[Words] = []
        for contribution in contributions:
            why = self.of(contribution, several)
            if several and not self.is_given(contribution):
                why = self._say("from", Symbol(contribution.stage.name), why)
            reasons.append(why)
        if several:
            add_up = self.once(self._say("add up"))
            key = "two uses" if len(contributions) == 2 else "several uses"
            reasons.append((*self._say(key, Symbol(symbol.name), str(len(contributions))), *add_up))
        return reasons

    def in_brief(self, contributions: tuple[Contribution, ...]) -> Words:
        """Return the reason of a step on a slide: a phrase for each kind of operation not mentioned before."""
        phrases: list[Words] = []
        for contribution in contributions:
            if not isinstance(contribution.cotangent, Const):
                for key in self._brief_keys(contribution):
                    phrase = self.once(key)
                    if phrase:
                        phrases.append(phrase)
        return join(self._language, phrases, "list semicolon")

    def _brief_keys(self, contribution: Contribution) -> Iterator[Words]:
        expression = contribution.stage.expression
        if contribution.stage in self._record.derivative_symbols:
            if contribution.stage.symbol.type.shape:
                yield self._say("elementwise brief")
            return
        if applies(expression, Softmax):
            yield self._say("softmax brief")
            return
        for node in operations_on(contribution):
            match node.primitive:
                case Contract():
                    if self._in_matrices and node.type.ndim and is_matrix_product(node):
                        yield self._say("product brief")
                case Broadcast():
                    sizes = repeated_sizes([node])
                    if sizes:
                        yield self._say("broadcast brief", _sizes(sizes))
                case Sum(axes) | Mean(axes):
                    yield self._say("sum brief", self._axes(node, axes))


def _is_tangent(node: Node) -> bool:
    return isinstance(node, Input) and node.name.startswith(TANGENT)


def _sizes(sizes: list[Dim]) -> str:
    return sizes_text([size for size in sizes if size != 1]) or "1"
