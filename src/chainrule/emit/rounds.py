"""Recurrences in languages with loops: one over the steps, in which each step stores its values.

All states of a carry lie in one array, of which a step reads one entry and writes the next; sums over the steps are
accumulated where they are wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from chainrule.calculus import Recurrence, Scan
from chainrule.emit.composing import Composer
from chainrule.emit.nests import Nests, Place
from chainrule.emit.scalars import Block, Index, loop_index, plus
from chainrule.emit.storage import stored_values
from chainrule.ir import Apply, Input, Node, applies, topological_order
from chainrule.primitives import zeros


class Loops:
    """The recurrences of a function; `store` gives the place of a value that the caller does not request."""

    def __init__(self, composer: Composer, store: Callable[[Apply], Place]) -> None:
        self.composer, self.store = composer, store
        self._written: set[object] = set()
        self._names: list[str] = []
        """The free names of loops; `t` is taken before other values are named."""

    def found(self, outputs: Sequence[Node], early: Collection[Node]) -> list[Apply]:
        """Return the results of recurrences that are found with one in `early`."""
        scans = [node for node in topological_order(outputs) if isinstance(node, Apply) and applies(node, Scan)]
        if scans:
            self._names.append(self.composer.locals.local("t"))
        there = {_key(node) for node in scans if node in early}
        return [node for node in scans if _key(node) in there and node not in early]

    def written(self, node: Apply, nests: Nests, has_comments: bool) -> list[str]:
        """Return the statements of the recurrence that `node` is a result of, unless they are written already."""
        if _key(node) in self._written:
            return []
        self._written.add(_key(node))
        scan = node.primitive
        assert isinstance(scan, Scan)
        recurrence = Recurrence.of(scan, node.operands)
        results = recurrence.results()
        writer = self.composer.writer
        places, composer = nests.places, self.composer
        lines: list[str] = []
        for result, carry in zip(results, recurrence.carries, strict=False):
            if result not in places:
                if carry.following in composer.names:  # as a state is called
                    composer.names.setdefault(result, composer.names[carry.following])
                places[result] = self.store(result)
        first = Index((), recurrence.initial_place)
        sums = results[len(results) - len(recurrence.terms) :] if recurrence.terms else []
        starts = [
            (result, carry.initial, places[result].entry(first, carry.symbol.type))
            for result, carry in zip(results, recurrence.carries, strict=False)
        ]
        for result in sums:
            if result in places and places[result].is_new:  # a variable, which the steps add to
                places[result] = replace(places[result], is_new=False)
                zero = writer.constant(0, result.type.dtype)
                head = writer.variable(places[result].name, result.type.dtype, zero.code)
                lines += [composer.comment(result)] if has_comments else []
                lines.append("    " * writer.block.depth + head)
            elif result in places:
                starts.append((result, zeros(result.type), places[result]))
        for result, value, place in starts:
            lines += [composer.comment(result)] if has_comments else []
            lines += composer.nest(partial(nests.copy, value, place))
        name = self._names.pop() if self._names else composer.locals.local("t")
        if recurrence.reverse:
            head = writer.loop_back(name, writer.size(recurrence.length - 1))
        else:
            head = writer.loop(name, writer.size(recurrence.length))
        lines.append("    " * writer.block.depth + head)
        writer.open.append(name)
        writer.blocks.append(Block(writer.block.depth + 1))
        lines += self._step(recurrence, results, loop_index(name), nests, has_comments)
        depth = writer.blocks.pop().depth
        writer.open.pop()
        composer.release()
        self._names.append(name)
        lines.append("    " * (depth - 1) + "}")
        return lines

    def _step(
        self, recurrence: Recurrence, results: Sequence[Apply], t: Index, nests: Nests, has_comments: bool
    ) -> list[str]:
        places, entries = nests.places, nests.entries
        known, around = dict(places), dict(entries)
        after = plus(t, Index((), 1))
        back, forth = (after, t) if recurrence.reverse else (t, after)
        for carry, states in zip(recurrence.carries, results, strict=False):
            entries[carry.symbol] = states, 0, back
        entries.update({each.symbol: (each.array, each.axis, t) for each in recurrence.sequences})
        entries.update({each.symbol: each.value for each in recurrence.constants if each.symbol is not each.value})
        targets: list[tuple[Node, Place]] = []
        for number, (result, output) in enumerate(zip(results, recurrence.outputs, strict=True)):
            if result not in places:
                continue
            if number >= len(results) - len(recurrence.terms):
                so_far = Input(f"Σ {number}", result.type)
                places[so_far] = places[result]
                total = so_far + output
                if result in self.composer.names:
                    self.composer.names[total] = self.composer.names[result]
                targets.append((total, places[result]))
                continue
            i = forth if number < len(recurrence.carries) else t
            targets.append((output, places[result].entry(i, output.type)))
        copies: list[tuple[Node, Place]] = []
        for node, place in targets:
            if isinstance(node, Apply) and node not in places:
                places[node] = place
            else:
                copies.append((node, place))
        wanted = [node for node, _ in targets if isinstance(node, Apply)]
        stored = list(stored_values(wanted, self.composer.reduces))
        for node in stored:
            if node not in places:
                assert isinstance(node, Apply)
                places[node] = self.store(node)
        lines = self.composer.body(
            nests, stored, {}, has_comments, lambda node: self.written(node, nests, has_comments)
        )
        for node, place in copies:
            lines += self.composer.nest(partial(nests.copy, node, place))
        places.clear()
        places.update(known)
        entries.clear()
        entries.update(around)
        return lines


def _key(node: Apply) -> object:
    """What the results of one recurrence have in common."""
    assert isinstance(node.primitive, Scan)
    return node.primitive.together, node.operands
