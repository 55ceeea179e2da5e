"""Reading of the printed page of a derivation with recurrences, at one step, with sums over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from chainrule.calculus import TANGENT
from chainrule.derivation.document import Document
from chainrule.derivation.forms import Form
from chainrule.derivation.latex import LatexWriter
from chainrule.derivation.names import at_step, step_of
from chainrule.derivation.notator import Notator
from chainrule.derivation.points import Array
from chainrule.derivation.proofreading import Proofreader, Script
from chainrule.derivation.readback import Page
from chainrule.derivation.recurrent.lines import Lines, step_moved
from chainrule.derivation.recurrent.loops import Loop
from chainrule.derivation.recurrent.page import write_recurrence
from chainrule.derivation.recurrent.parts import Recurrent
from chainrule.derivation.recurrent.scene import Scene
from chainrule.derivation.spelling import spelled
from chainrule.derivation.text import TextWriter
from chainrule.derivation.valuation import constant_meanings, written_names
from chainrule.ir import Input, Node
from chainrule.primitives import Notation, Partial, Symbol
from chainrule.words import Language


class RecurrentProofreader(Proofreader):
    """Reads the pages at one point, at a step with one before it and one after it that is not the last.

    The last state is often without a gradient, so that what it would contribute could not be seen.
    """

    def __init__(self, recurrent: Recurrent, scene: Scene, random: np.random.Generator) -> None:
        record = recurrent.outer_in_steps or recurrent.loops[0].in_steps
        super().__init__(record, scene.sizes, self._value_of)
        self._recurrent, self._scene, self._random = recurrent, scene, random
        self._notators = {loop: Notator(loop.in_steps) for loop in recurrent.loops}
        outer = recurrent.outer_in_steps
        self._outer = None if outer is None else Notator(outer)
        self._lines = Lines(recurrent, self._notators, self._outer)
        at = {loop.length: int(random.choice(list(loop.steps)[1:-2])) for loop in recurrent.loops}
        self._at = {loop: at[loop.length] for loop in recurrent.loops}
        shared: dict[Node, Array] = {}
        for values in (scene.outer, *(scene.steps[loop][self._at[loop]] for loop in recurrent.loops)):
            if values is None:
                continue
            values.with_tangents(random)
            back = values.record.backward
            for node in [*back.wrt, *(entry.symbol for entry in back.accumulations)]:
                tangent = Input(TANGENT + node.name, node.type)
                if tangent in shared:
                    values.known[tangent] = shared[tangent]
                else:
                    shared[tangent] = values(tangent)

    def _document(self, form: Form, language: Language) -> Document:
        return write_recurrence(self._recurrent, form, language)

    def _value_of(self, node: Node) -> Array:
        """Return the value of an expression outside, or at the step that is read."""
        steps = [self._scene.steps[loop][self._at[loop]] for loop in self._recurrent.loops]
        for values in (*([] if self._scene.outer is None else [self._scene.outer]), *steps):
            if values.has(node):
                return values(node)
        raise KeyError(node)

    def page(self, script: Script, document: Document) -> Page:
        page = super().page(script, document)
        writer = TextWriter(document.language) if script == "text" else LatexWriter(inline=True)
        loss = Symbol(self._recurrent.loss_name)
        rounds: list[tuple[dict[str, Array], dict[str, Array]]] = [
            ({}, {}) for _ in range(max(loop.length for loop in self._recurrent.loops))
        ]
        for loop in self._recurrent.loops:
            for t, (names, gradients) in enumerate(rounds, start=1):
                # A shorter recurrence adds nothing in the last steps of a longer one.
                for notation, value in self._of_step(loop, min(t, loop.length)):
                    shown = value if t <= loop.length else np.zeros_like(value)
                    if isinstance(notation, Partial) and notation.of == loss:
                        gradients[writer.write(spelled(notation.by, document))] = shown
                    else:
                        names[writer.write(spelled(notation, document))] = shown
        return replace(page, rounds=rounds)

    def _symbols(self) -> Iterator[tuple[Notation, Array]]:
        yield from self._outside()
        for loop in self._recurrent.loops:
            middle, ends = self._at[loop], (loop.first, loop.last)
            for t in (middle - 1, middle, middle + 1):
                for notation, value in self._of_step(loop, t):
                    yield step_moved(notation, f"t{t - middle:+d}" if t != middle else "t"), value
            for t in ends:
                for notation, value in self._of_step(loop, t):
                    yield step_moved(notation, str(t)), value
            yield from self._of_ends(loop)
            values, notator = self._scene.steps[loop][middle], self._notators[loop]
            for entry in loop.in_steps.backward.accumulations:
                tangent = Input(TANGENT + entry.symbol.name, entry.symbol.type)
                if step_of(entry.symbol.name):
                    yield notator.symbol(tangent), values(tangent)

    def _outside(self) -> Iterator[tuple[Notation, Array]]:
        scene = self._scene
        known: set[Notation] = set()
        if self._outer is not None and scene.outer is not None:
            record = scene.outer.record
            for notation, node in written_names(record, self._outer):
                known.add(notation)
                yield notation, scene.outer(node)
            yield from constant_meanings(record, scene.outer)
            for entry in record.backward.accumulations:
                tangent = Input(TANGENT + entry.symbol.name, entry.symbol.type)
                yield self._outer.symbol(tangent), scene.outer(tangent)
        for node in self._recurrent.whole.inputs:
            if Symbol(node.name) not in known:
                yield Symbol(node.name), scene.outside(node)
        for loop in self._recurrent.loops:
            notator = self._notators[loop]
            for result in loop.results:
                yield Symbol(result.symbol.name), scene.outside(result.symbol)
            for part in loop.parts:
                if part.kind != "element":
                    yield self._lines.name_of(part), scene.received[part]
                tangent = Input(TANGENT + part.source.name, part.source.type)
                if not step_of(part.source.name):
                    yield notator.symbol(tangent), scene.steps[loop][self._at[loop]](tangent)
            yield from constant_meanings(loop.in_steps, scene.steps[loop][self._at[loop]])
        for name, size in scene.sizes.items():
            yield Symbol(name), np.asarray(float(size))

    def _of_step(self, loop: Loop, t: int) -> Iterator[tuple[Notation, Array]]:
        """Yield the meaning of each name with the index t, in one step."""
        values, notator, record = self._scene.steps[loop][t], self._notators[loop], loop.in_steps
        states = {state.before for state in loop.states}
        parts = {part.source: part for part in loop.parts}
        hidden: set[Node] = {
            entry.cotangent
            for entry in record.backward.accumulations
            if entry.symbol in states or entry.symbol in parts or entry.symbol is record.loss
        }
        for notation, node in written_names(record, notator):
            running = isinstance(node, Input) and bool(step_of(node.name))
            if node not in hidden and running and node is not record.loss:
                yield notation, values(node)
        cotangents = {entry.symbol: entry.cotangent for entry in record.backward.accumulations}
        for source, part in parts.items():
            if part.kind == "element" and source in cotangents:
                yield self._lines.name_of(part), values(cotangents[source])
        for result in loop.results:
            if result.place == "last":
                continue
            place = t if result.place == "whole" and loop.start == 0 else t - 1
            row = at_step(result.symbol.name, "t")
            yield Symbol(row), self._scene.outside(result.symbol)[place]
            gradient = self._scene.gradient(result.symbol)
            if gradient is not None:
                yield self._lines.partial(row), gradient[place]

    def _of_ends(self, loop: Loop) -> Iterator[tuple[Notation, Array]]:
        """Yield what is there before the first step."""
        for state in loop.states:
            yield Symbol(at_step(state.name, str(loop.start))), self._scene.outside(state.initial)
        for result in loop.results:
            if result.place == "whole":
                row = at_step(result.symbol.name, str(loop.start))
                index = 0 if loop.start == 0 else -1
                yield Symbol(row), self._scene.outside(result.symbol)[index]
                gradient = self._scene.gradient(result.symbol)
                if gradient is not None:
                    yield self._lines.partial(row), gradient[index]
