"""Gradients, Hessians and Jacobians as statements in the notation of another program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chainrule.derivation import Derivatives, Record, SecondOrder
from chainrule.emit.dialects import DIALECTS, NOTATIONS, Dialect
from chainrule.emit.errors import EmitError
from chainrule.emit.spelling import Speller
from chainrule.ir import Input, Node, substitute, topological_order
from chainrule.primitives import refuse_abstract


def spelled(record: Record, notation: str, derivatives: Derivatives | None = None) -> str:
    """Return the gradients as statements `dx = …` in a notation, after those that give the names in them.

    `derivatives` are written below them, as `H = …` or `J = …`, or `H_x_y = …` for each block; with respect to a matrix
    X they are those by vec(X). Raises EmitError for a notation that is unknown, or that lacks an operation.
    """
    if notation not in DIALECTS:
        raise EmitError(f"there is no notation {notation!r}; it can be {', '.join(NOTATIONS)}")
    refuse_abstract(record.program.nodes)
    return _Statements(record, DIALECTS[notation]).written(derivatives)


class _Statements:
    def __init__(self, record: Record, dialect: Dialect) -> None:
        self._record = record
        self._dialect = dialect
        self._speller = Speller(record, dialect)
        loss = record.loss
        self._stages = [each for each in record.backward.stages if each.symbol is not loss or not record.is_layer]

    def written(self, derivatives: Derivatives | None) -> str:
        back = self._record.backward
        named: dict[Node, Node] = {stage.node: stage.symbol for stage in self._stages}
        simplifier = back.facts.simplifier()
        asked: dict[str, Node] = {}
        if derivatives is None or isinstance(derivatives, SecondOrder):
            gradients = [simplifier(gradient) for gradient in substitute(back.gradients, named)]
            asked |= {f"d{self._speller.name(s)}": g for s, g in zip(back.wrt, gradients, strict=True)}
        if derivatives is not None:
            asked |= dict(self._blocks(derivatives))
        needed = {part for part in topological_order(list(asked.values())) if isinstance(part, Input)}
        definitions: list[str] = []
        for stage in reversed(self._stages):
            if stage.symbol in needed:
                needed.update(stage.operands)
                definitions.append(f"{self._speller.name(stage.symbol)} = {self._speller.text(stage.expression)}")
        found = [f"{name} = {self._speller.text(value)}" for name, value in asked.items()]
        return "\n".join([*self._read_sizes(), *reversed(definitions), *found])

    def _blocks(self, derivatives: Derivatives) -> Iterator[tuple[str, Node]]:
        """Yield the name and the matrix of each block."""
        whole: dict[Node, Node] = {}
        for entry in self._record.abbreviations:
            (whole[entry.symbol],) = substitute([entry.value], whole)
        for symbol, value in derivatives.defined.items():
            (whole[symbol],) = substitute([value], whole)
        letter = "H" if isinstance(derivatives, SecondOrder) else "J"
        for block in derivatives.blocks:
            of = block.symbol if hasattr(block, "symbol") else block.result
            names = [self._speller.name(each) for each in (of, block.by)]
            if block.matrix is None:
                raise EmitError(
                    f"the derivative of {names[0]} by {names[1]} is no matrix that is short enough; write the "
                    "derivation as text, or source with emit"
                )
            (matrix,) = substitute([block.matrix.right], whole)
            yield letter if len(derivatives.blocks) == 1 else "_".join((letter, *names)), matrix

    def _read_sizes(self) -> Iterable[str]:
        """Yield comments that tell where the sizes are from."""
        for size in self._speller.sizes:
            for node in self._record.program.inputs if self._dialect.size else ():
                places = [axis for axis, dim in enumerate(node.type.shape) if str(dim) == size]
                if places:
                    axis = places[0] + self._dialect.first_axis
                    place = self._dialect.size.format(x=self._speller.name(node), axis=axis)
                    yield f"{self._dialect.comment} {size} = {place}"
                    break
