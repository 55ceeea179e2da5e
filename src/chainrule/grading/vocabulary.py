"""The quantities of a derivation as expressions, with their names: the part of a reference independent of points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from chainrule.calculus import Stage, backward, operation_count
from chainrule.derivation import Notator, is_upstream, output_name, text_of
from chainrule.deriving import Derivation
from chainrule.grading.forwards import Forward
from chainrule.grading.reduced import reduced
from chainrule.ir import Apply, Const, DType, Input, Node, Program, substitute, topological_order
from chainrule.primitives import Add, Multiply, Partial, Symbol, Where, mean, sum_

Kind: TypeAlias = Literal["input", "forward", "derivative", "gradient", "part", "size"]

LABEL_OPERATIONS = 12
"""The number of operations above which an expression has no name."""
_MOST_UNNAMED = 150
"""The number of unnamed intermediates, as of a forward pass in loops, above which their gradients are not known."""
_REDUCTIONS = 400


class Vocabulary:
    """The quantities of the derivation of a forward pass: `expressions` with label, kind and symbol.

    `summands` are those that are added to gradients, with the named values of these. `hidden` are cotangents of unnamed
    values, each with its expression over earlier ones, of the program with the stages `all_stages`; `hidden_labels` are
    their names.
    """

    def __init__(self, derivation: Derivation, forward: Forward | None = None) -> None:
        self.forward = forward or Forward(derivation.record.traced)
        self.record = derivation.record
        self.stages = {stage.name: stage.symbol for stage in self.record.backward.stages}
        self.notator = Notator(self.record)
        self.expressions: dict[Node, tuple[str, Kind, str | None]] = {}
        self.summands: dict[Node, frozenset[str]] = {}
        self._bound: dict[tuple[tuple[Node, ...], tuple[tuple[str, int], ...]], dict[Node, Node]] = {}
        self._collect()
        self.hidden, self.hidden_labels = self._unnamed_gradients()

    def _collect(self) -> None:
        record, found = self.record, self.expressions
        for node in record.program.inputs:
            if is_upstream(node):
                found[node] = (self.gradient_label(output_name(node)), "gradient", output_name(node))
            else:
                found[node] = (node.name, "input", node.name)
        for stage in record.backward.stages:
            found[stage.symbol] = (stage.name, "forward", stage.name)
        for stage, symbol in record.derivative_symbols.items():
            found[symbol] = (text_of(self.notator.symbol(symbol)), "derivative", stage.operands[0].name)
        for stage, slope in self._slopes():
            label = text_of(Partial(Symbol(stage.name), Symbol(stage.operands[0].name)))
            found.setdefault(slope, (label, "derivative", stage.operands[0].name))
        for entry in record.backward.accumulations:
            found[entry.cotangent] = (self.gradient_label(entry.symbol.name), "gradient", entry.symbol.name)
        roots: list[Node] = [stage.expression for stage in record.backward.stages]
        for entry in record.backward.accumulations:
            roots += [contribution.adjoint for contribution in entry.contributions]
            roots += [entry.chain] if entry.merged is None else [entry.chain, entry.merged]
            self._add_summands(entry.symbol.name, [c.adjoint for c in entry.contributions])
            for root in (entry.chain, entry.merged, record.write_out(entry.result)):
                self._add_summands(entry.symbol.name, [] if root is None else list(_terms(root)))
        roots += [record.write_out(entry.result) for entry in record.backward.accumulations]
        for part in topological_order(roots):
            if isinstance(part, Apply) and part not in found:
                found[part] = (self.label(part), "part", None)
        for reduction in self._reductions():
            if reduction not in found:
                found[reduction] = (self.label(reduction), "part", None)

    def _slopes(self) -> Iterator[tuple[Stage, Node]]:
        """Yield the derivatives of activations that are written out in pieces, as a leaky one is."""
        for entry in self.record.backward.accumulations:
            for contribution in entry.contributions:
                stage, cotangent = contribution.stage, contribution.cotangent
                shape = stage.symbol.type.shape
                single = len(stage.operands) == 1 and shape and isinstance(cotangent, Input)
                pieces = isinstance(stage.expression, Apply) and isinstance(stage.expression.primitive, Where)
                parts = topological_order([contribution.adjoint]) if single and pieces else ()
                if parts and all(part.type.shape in (shape, ()) for part in parts):  # element by element
                    ones = Const(1, cotangent.type)
                    yield stage, substitute([contribution.adjoint], {cotangent: ones})[0]

    def _add_summands(self, symbol: str, nodes: Sequence[Node]) -> None:
        for node in nodes if len(nodes) > 1 else ():
            self.summands[node] = self.summands.get(node, frozenset()) | {symbol}

    def _reductions(self) -> list[Node]:
        """Sums and means over one axis of gradients, and of their products with forward values."""
        entries = [e.cotangent for e in self.record.backward.accumulations if e.symbol.name in self.stages]
        entries += [n for n in self.record.program.inputs if is_upstream(n)]
        forward = [n for n in (*self.record.program.inputs, *self.stages.values()) if not is_upstream(n)]
        nodes: list[Node] = []
        for cotangent in entries:
            same = [value for value in forward if value.type == cotangent.type]
            for node in (cotangent, *(Multiply()(cotangent, value) for value in same)):
                nodes.append(node)
                for axis in range(node.type.ndim):
                    nodes += [sum_(node, axis), mean(node, axis)]
        return nodes[:_REDUCTIONS]

    def gradient_label(self, name: str) -> str:
        """Return `∂L/∂name`."""
        return text_of(Partial(Symbol(self.record.loss.name), Symbol(name)))

    def label(self, node: Node) -> str:
        """Return `node` in matrix notation; "" if that is too long."""
        if operation_count(node) > LABEL_OPERATIONS:
            return ""
        return text_of(self.notator.of(reduced(node)))

    def bound(self, nodes: Sequence[Node], sizes: Mapping[str, int]) -> dict[Node, Node]:
        """Map all parts of `nodes` to ones with these sizes, in float64."""
        key = tuple(nodes), tuple(sizes.items())
        if key not in self._bound:
            self._bound[key] = self._bind(nodes, sizes)
        return self._bound[key]

    def _bind(self, nodes: Sequence[Node], sizes: Mapping[str, int]) -> dict[Node, Node]:
        order = topological_order(nodes)
        inputs = tuple(dict.fromkeys(node for node in order if isinstance(node, Input)))
        return dict(zip(order, Program(inputs, tuple(order)).bind(sizes, DType.FLOAT64).outputs, strict=True))

    # Gradients with respect to unnamed intermediates

    def _unnamed_gradients(self) -> tuple[list[tuple[Node, Node]], list[str]]:
        """Return cotangents of unnamed nodes, each with its expression over earlier ones, and their names."""
        program = self.record.program
        symbols: dict[Node, Node] = {stage.node: stage.symbol for stage in self.record.backward.stages}
        unnamed = [n for n in program.nodes if isinstance(n, Apply) and n not in symbols and n.type.dtype.is_float]
        self.all_stages: tuple[Stage, ...] = ()
        if len(unnamed) > _MOST_UNNAMED:
            return [], []
        names = {**{stage.node: stage.name for stage in self.record.backward.stages}}
        names.update({node: f"unnamed {k}" for k, node in enumerate(unnamed)})
        found = backward(replace(program, names=names), self.record.backward.wrt)
        by_name = {f"unnamed {k}": node for k, node in enumerate(unnamed)}
        self.all_stages = found.stages
        labels: list[str] = []
        steps: list[tuple[Node, Node]] = []
        for entry in found.accumulations:
            steps.append((entry.cotangent, entry.result))
            node = by_name.get(entry.symbol.name)
            if node is not None:
                (shown,) = substitute([node], {key: value for key, value in symbols.items() if key is not node})
                simple = operation_count(shown) <= LABEL_OPERATIONS
                loss = Symbol(self.record.loss.name)
                labels.append(text_of(Partial(loss, self.notator.of(shown))) if simple else "")
        return steps, labels


def _terms(node: Node) -> Iterator[Node]:
    """Yield the terms of a sum."""
    match node:
        case Apply(Add(), (left, right)):
            yield from _terms(left)
            yield from _terms(right)
        case _:
            yield node
