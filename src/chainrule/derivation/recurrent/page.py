"""The page of a derivation with recurrences: one step for all of them, as textbooks print backpropagation through time.

It consists of the sections of the records, with the lines that join them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from chainrule.derivation.document import Block, Detail, Document, Equation, Frame, Heading, Paragraph, Words
from chainrule.derivation.element_sections import ElementSections
from chainrule.derivation.forms import Form, sections_of
from chainrule.derivation.legend import constants_legend, legend, notations, repetition_legend
from chainrule.derivation.names import at_step, name_parts, step_of
from chainrule.derivation.recurrent.lines import STEP, Lines
from chainrule.derivation.recurrent.loops import Loop, Result
from chainrule.derivation.recurrent.parts import Recurrent
from chainrule.derivation.sections import Sections, without_empty_sections
from chainrule.derivation.spelling import distinguished
from chainrule.derivation.upstream import GIVEN, is_upstream
from chainrule.derivation.words import join, say
from chainrule.functions import RNG_SEED, RNG_STEP
from chainrule.ir import Const, Input, Node, topological_order
from chainrule.primitives import Notation, Number, Symbol
from chainrule.words import Language

LISTED = 6
"""The numbers of a sequence that are listed."""


def write_recurrence(recurrent: Recurrent, form: Form, language: Language, detail: Detail = "full") -> Document:
    """Write the derivation in one form and one language."""
    return Page(recurrent, form, language, detail).document()


class Page:
    """Writes one page; `outer` and `sections` write what belongs to one record."""

    def __init__(self, recurrent: Recurrent, form: Form, language: Language, detail: Detail) -> None:
        self.recurrent, self.language, self.full = recurrent, language, detail == "full"
        in_steps = self.full or form == "path"
        outer = recurrent.outer_in_steps if in_steps else recurrent.outer
        self.outer: Sections | None = None if outer is None else sections_of(outer, form, language, detail)
        self.sections = {
            loop: sections_of(loop.in_steps if in_steps else loop.record, form, language, detail)
            for loop in recurrent.loops
        }
        self.every = [*([] if self.outer is None else [self.outer]), *self.sections.values()]
        said: set[Words] = set()
        for sections in self.every:
            sections.reasons.share(said)
        notators = {loop: sections.notator for loop, sections in self.sections.items()}
        self.lines = Lines(recurrent, notators, None if self.outer is None else self.outer.notator)

    def say(self, key: str, *parts: str | Notation | Words) -> Words:
        return say(self.language, key, *parts)

    def document(self) -> Document:
        """Return the page."""
        body = without_empty_sections(_said_once([*self._forward(), *self._backward()]))
        document = Document((*self._opening(body), *body), self.language)
        names = {node.name for node in self.recurrent.whole.inputs}
        names |= {name for sections in self.every for name in sections.record.names}
        for loop, sections in self.sections.items():
            running = {name for name in sections.record.names if step_of(name)}
            names |= {at_step(name, str(t)) for name in running for t in (loop.start, loop.first, loop.last)}
        names |= {each.name for each in notations(body) if isinstance(each, Symbol) and step_of(each.name)}
        symmetric = {
            node.name
            for sections in self.every
            for node in sections.record.backward.facts.symmetric
            if isinstance(node, Input)
        }
        return distinguished(document, sorted(names), symmetric)

    def _opening(self, body: list[Block]) -> list[Block]:
        program, first = self.recurrent.program, self.every[0]
        upstream = [node for node in program.inputs if is_upstream(node)]
        named = [node for node in program.inputs if node.name not in (RNG_SEED, RNG_STEP) and node not in upstream]
        subject: Words = first.subject() if upstream else (Symbol(self.recurrent.loss_name),)
        shapes = [first.shape_words(node) for node in named]
        blocks: list[Block] = [
            Heading(self.say("title", subject), 1),
            Paragraph(self.say("shapes", join(self.language, shapes))),
            *first.declared(),
            *first.upstream(upstream),
        ]
        recognized = {(identity,): None for sections in self.every for identity in sections.recognized()}
        if recognized:
            blocks.append(Paragraph(self.say("recognized", join(self.language, list(recognized), "list semicolon"))))
        for sections in self.every:
            constants = constants_legend(sections.record.constants, body, self.language)
            blocks += [Paragraph(constants)] if constants else []
        if not self.full:
            return blocks
        marks = legend(body, self.language)
        if marks:
            blocks.append(Paragraph(self.say("legend", join(self.language, marks, "list semicolon"))))
        repetition = repetition_legend(body, self.language)
        if repetition is not None and any(sections.repeats_vectors() for sections in self.every):
            blocks.append(Paragraph(repetition))
        return [*blocks, *(block for sections in self.every for block in sections.deltas())]

    # The forward pass

    def _forward(self) -> list[Block]:
        outer: dict[int, list[Block]] = {}
        if self.outer is not None:
            outer = _divided(self.outer.forward()[1:], self._stage_places(), -1)
        blocks: list[Block] = [Heading(self.say("forward")), *outer.get(-1, [])]
        for number, loop in enumerate(self.recurrent.loops):
            blocks += [*self._steps(loop), *outer.get(number, [])]
        return blocks

    def _stage_places(self) -> dict[Node, int]:
        """Return for each value outside the last recurrence that it depends on."""
        assert self.outer is not None
        record = self.outer.record
        places: dict[Node, int] = {
            result.symbol: number for number, loop in enumerate(self.recurrent.loops) for result in loop.results
        }
        found: dict[Node, Node] = {stage.symbol: stage.expression for stage in record.backward.stages}
        found |= {each.symbol: each.value for each in record.abbreviations}
        return _places(found, places, max, -1)

    def _steps(self, loop: Loop) -> list[Block]:
        """Write one step, what it begins with and reads, and what is made of all steps."""
        sections = self.sections[loop]
        blocks: list[Block] = [Paragraph(words) for words in self._about(loop)]
        for state in loop.states:
            start = Symbol(at_step(state.name, str(loop.start)))
            is_zero = isinstance(state.initial, Const) and state.initial.filled_with(0)
            value = Number(0) if is_zero else sections.notator.of(state.initial)
            if not (isinstance(value, Symbol) and name_parts(value.name) == name_parts(start.name)):
                blocks.append(Equation((start, value), sections.shape(state.before.type)))
        blocks += sections.forward()[1:]
        for result in loop.results:
            blocks += self._made(loop, result)
        return blocks

    def _about(self, loop: Loop) -> Iterator[Words]:
        """Yield the sentences on the steps and what they read."""
        yield self.say("steps", STEP, str(loop.first), str(loop.last))
        for element in loop.elements:
            symbol, array = Symbol(element.symbol.name), Symbol(element.array.name)
            yield self.say("elements", symbol, STEP, array, str(element.axis + 1))
        for listed, given in loop.listed:
            if listed.type.ndim or given.is_filled:
                yield self.say("listed arrays", Symbol(listed.name))
                continue
            numbers = [f"{float(each):.6g}" for each in np.asarray(given.value)]
            shown = [*numbers[:LISTED], *(["…"] if len(numbers) > LISTED else [])]
            yield self.say("listed", Symbol(listed.name), ", ".join(shown))

    def _made(self, loop: Loop, result: Result) -> list[Block]:
        """Say what a value outside is made of."""
        sections, type_ = self.sections[loop], result.symbol.type
        if result.place == "last":
            sides = Symbol(result.symbol.name), Symbol(at_step(result.output, str(loop.last)))
            return [] if sides[0] == sides[1] else [Equation(sides, sections.shape(type_))]
        row = Symbol(at_step(result.symbol.name, "t"))
        value = Symbol(at_step(result.output, loop.preceding if result.place == "before" else "t"))
        shape = sections.shape(type_.with_shape(type_.shape[1:]))
        ends = sorted((loop.start, loop.last)) if result.place == "whole" else [1, loop.length]
        made = self.say("made", Symbol(result.symbol.name), row, STEP, *map(str, ends))
        return [*([] if row == value else [Equation((row, value), shape)]), Paragraph(made)]

    # The backward pass

    def _backward(self) -> list[Block]:
        """Return the chapters from the loss backwards, and the results."""
        loops = self.recurrent.loops
        outer: dict[int, list[Block]] = {}
        definitions: list[Block] = []
        rows: list[Equation] = []
        if self.outer is not None:
            derivation, results = self._outside(self.outer.derivation()), self._outside(self.outer.results())
            given = self._of_results(_rows(results), derivation)
            outer = _divided([*derivation, *given], self._gradient_places(), len(loops))
            rows += _rows(results)
            definitions = [block for block in results if not isinstance(block, Heading | Frame)]
        blocks = outer.get(len(loops), [])
        for number in reversed(range(len(loops))):
            chapter, why, own = self._chapter(loops[number])
            rows += own
            definitions += why
            blocks += [*chapter, *outer.get(number, [])]
        of = {symbol: [row for row in rows if row.of is symbol] for symbol in self.recurrent.wrt}
        framed = [row for symbol in self.recurrent.wrt for row in of[symbol]]
        return [*blocks, *definitions, Heading(self.say("results")), Frame(tuple(framed))]

    def _of_results(self, rows: Sequence[Equation], derivation: Sequence[Block]) -> list[Equation]:
        """Return the gradients by what the recurrences give that the derivation leaves to the results."""
        results = {result.symbol for loop in self.recurrent.loops for result in loop.results}
        there = {block.of for block in derivation if isinstance(block, Equation)}
        return [row for row in rows if row.of in results - there and len(row.sides) > 1]

    def _outside(self, blocks: Sequence[Block]) -> list[Block]:
        """Leave out the gradients that recurrences give, and that of the loss; mark the others by their variable."""
        assert self.outer is not None
        given = {part.given for loop in self.recurrent.loops for part in loop.parts}
        symbols = {entry.cotangent: entry.symbol for entry in self.outer.record.backward.accumulations}
        kept: list[Block] = []
        for block in blocks:
            if isinstance(block, Frame):
                found = self._outside(block.blocks)
                kept.append(Frame(tuple(each for each in found if isinstance(each, Equation | Paragraph))))
            elif not isinstance(block, Equation) or block.of is None:
                kept.append(block)
            elif block.of not in given and symbols.get(block.of, block.of).name != self.recurrent.loss_name:
                kept.append(_of(block, symbols.get(block.of, block.of)))
        return kept

    def _gradient_places(self) -> dict[Node, int]:
        """Return for the gradient of each value outside the recurrence after which it stands, the last one first."""
        assert self.outer is not None
        loops = self.recurrent.loops
        record = self.outer.record
        known: dict[Node, int] = {
            part.given: number for number, loop in enumerate(loops) for part in loop.parts if part.given is not None
        }
        found: dict[Node, Node] = {entry.cotangent: entry.result for entry in record.backward.accumulations}
        found |= {each.symbol: each.value for each in record.abbreviations}
        places = _places(found, known, min, len(loops))
        symbols: dict[Node, Node] = {entry.cotangent: entry.symbol for entry in record.backward.accumulations}
        return {symbols.get(node, node): place for node, place in places.items()}

    def _chapter(self, loop: Loop) -> tuple[list[Block], list[Paragraph], list[Equation]]:
        """Return the gradients within a step and from step to step, and the rows of the results with their reasons."""
        sections = self.sections[loop]
        derivation, results = sections.derivation(), sections.results()
        definitions = [block for block in results if isinstance(block, Equation)]
        carries: dict[Input, Equation] = {}
        body = self._edited(loop, derivation, carries)
        carried: dict[Input, Equation] = {}
        rows = [row for row in self._edited(loop, _rows(results), carried) if isinstance(row, Equation)]
        for symbol, row in carried.items():
            carries.setdefault(symbol, row)
        joining = self._joining(loop, carries)
        parts = {part.source: part for part in loop.parts}
        initials, framed = (
            [
                self.lines.initial(loop, parts[state.before], state.name, known[state.before])
                for state in loop.states
                if state.before in parts and state.before in known
            ]
            for known in (carries, carried)
        )
        there = {block.of for block in [*body, *initials] if isinstance(block, Equation)}
        more = [row for row in rows if row.of not in there and row.of not in self.recurrent.wrt]
        about: list[Block] = []
        if loop.states:
            about.append(Paragraph(self.say("backwards through time", STEP, str(loop.last), str(loop.first))))
        for name in dict.fromkeys([*(state.name for state in loop.states), *(each.output for each in loop.results)]):
            given = loop.given(name)
            if given is not None and given.name.startswith(GIVEN):
                outside, whole = sections.notator.symbol(given), self.lines.partial(name)
                about.append(Paragraph(self.say("outside of step", outside, whole, Symbol(name))))
        for part in loop.parts:
            if part.given is not None and part.given.name.startswith(GIVEN):
                own, whole = self.lines.name_of(part), self.lines.partial(part.target.name)
                if part.kind == "element" and self.outer is not None:
                    words = self.say("part of elements", self.outer.notator.symbol(part.given), own, whole)
                else:
                    words = self.say("part of", own, whole)
                about.append(Paragraph(words))
        indices = sections.declared_indices() if isinstance(sections, ElementSections) else []
        step = [*_lower(body), *definitions, *more, *initials]
        why = [block for block in results if isinstance(block, Paragraph)]
        return [Heading(self.say("through time")), *indices, *about, *joining, *step], why, [*rows, *framed]

    def _edited(self, loop: Loop, blocks: Sequence[Block], carries: dict[Input, Equation]) -> list[Block]:
        """Write what one step contributes as what the steps do together; note the lines on h_{t−1} in `carries`."""
        record = self.sections[loop].record
        symbols = {entry.cotangent: entry.symbol for entry in record.backward.accumulations}
        before = {state.before for state in loop.states}
        parts = {part.source: part for part in loop.parts}
        kept: list[Block] = []
        for block in blocks:
            symbol = symbols.get(block.of) if isinstance(block, Equation) and block.of is not None else None
            if not isinstance(block, Equation) or block.of is None:
                kept.append(block)
            elif symbol in before:
                carries.setdefault(symbol, block)
            elif symbol in parts:
                kept.append(_of(self.lines.of_part(parts[symbol], block), parts[symbol].target))
            elif not (is_upstream(block.of) and block.of in record.program.inputs):
                kept.append(block)
        return kept

    def _joining(self, loop: Loop, carries: Mapping[Input, Equation]) -> list[Block]:
        """Return what the results of a step receive, from outside and from the next step."""
        blocks: list[Block] = []
        reached = {entry.symbol for entry in self.sections[loop].record.backward.accumulations}
        for state in loop.states:
            if state.after not in reached:
                continue
            carry = carries.get(state.before)
            blocks += self.lines.between(loop, state.name, carry, self._earlier(loop) if self.full else ())
        states = {state.name for state in loop.states}
        for name in dict.fromkeys(result.output for result in loop.results if result.output not in states):
            blocks += self.lines.received(loop, name)
        return blocks

    def _earlier(self, loop: Loop) -> Words:
        """Say for which steps there is a next one."""
        return self.say("for steps", STEP, str(loop.last - loop.forwards), str(loop.first))


def _of(equation: Equation, symbol: Input) -> Equation:
    """Return an equation that determines the gradient by a symbol, marked with that symbol."""
    return Equation(
        equation.sides, equation.shape, equation.reasons, equation.node, equation.elements, symbol, equation.rounded
    )


def _places(
    values: Mapping[Node, Node], known: Mapping[Node, int], last: Callable[..., int], default: int
) -> dict[Node, int]:
    """Return the place of each symbol, the last of those of what its value depends on."""
    places = dict(known)

    def place(symbol: Node) -> int:
        if symbol not in places:
            places[symbol] = default  # of a value that is given as itself
            needed = topological_order([values[symbol]])
            places[symbol] = last(
                (place(each) if each in values else places.get(each, default) for each in needed if each is not symbol),
                default=default,
            )
        return places[symbol]

    return {symbol: place(symbol) for symbol in values}


def _divided(blocks: Sequence[Block], places: Mapping[Node, int], default: int) -> dict[int, list[Block]]:
    """Divide blocks by the place of what they determine; what stands between goes with the next equation."""
    found: dict[int, list[Block]] = {}
    heading: Heading | None = None
    waiting: list[Block] = []
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            found.setdefault(default, []).extend(waiting)
            heading, waiting = block, []
            continue
        waiting.append(block)
        if isinstance(block, Equation):
            own = found.setdefault(default if block.of is None else places.get(block.of, default), [])
            if heading is not None and heading not in own:
                own.append(heading)
            own += waiting
            waiting = []
    found.setdefault(default, []).extend(waiting)
    return found


def _rows(blocks: Sequence[Block]) -> list[Equation]:
    """Return the rows of the frame among the results of a record."""
    frames = [block for block in blocks if isinstance(block, Frame)]
    return [row for frame in frames for row in frame.blocks if isinstance(row, Equation)]


def _lower(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks with their headings below one of level 2."""
    return [Heading(block.words, min(block.level + 1, 3)) if isinstance(block, Heading) else block for block in blocks]


def _said_once(blocks: Sequence[Block]) -> list[Block]:
    """Leave out paragraphs that have been there."""
    seen: set[Words] = set()
    kept: list[Block] = []
    for block in blocks:
        if isinstance(block, Paragraph):
            if block.words in seen:
                continue
            seen.add(block.words)
        kept.append(block)
    return kept
