"""The lines that join the records of a recurrence: gradients from step to step, sums over the steps, first and last.

Every line is made of those of a step: the gradient by h_{t−1} within step t, a step later, is what h_t receives from
step t + 1; what a weight receives in a step is summed over all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from chainrule.calculus import COTANGENT
from chainrule.derivation.document import Equation, Words
from chainrule.derivation.names import at_step, step_of
from chainrule.derivation.notator import Notator
from chainrule.derivation.recurrent.loops import Loop, Part, Result
from chainrule.derivation.recurrent.parts import Recurrent
from chainrule.derivation.spelling import changed
from chainrule.primitives import BigOperator, Indexed, Infix, Notation, Number, Partial, Symbol

STEP = Symbol("t")


def moved(equation: Equation, step: str) -> Equation:
    """Return an equation of step t as one of another step: `t+1`, or a number."""

    def change(notation: Notation) -> Notation:
        if isinstance(notation, Symbol) and (found := step_of(notation.name)):
            return replace(notation, name=at_step(notation.name, _added(step, found)))
        return notation

    result = changed(replace(equation, reasons=()), change)
    assert isinstance(result, Equation)
    return replace(result, node=None, elements=None, of=None)


def step_moved(notation: Notation, step: str) -> Notation:
    """Return a notation of step t as one of another step."""
    return moved(Equation((notation,)), step).sides[0]


def _added(step: str, other: str) -> str:
    """Return where a value of step `other`, such as `t-1`, is if t is `step`."""
    if not other.startswith("t"):
        return other
    distance = int(other[1:] or 0)
    if not step.startswith("t"):
        return str(int(step) + distance)
    distance += int(step[1:] or 0)
    return f"t{distance:+d}" if distance else "t"


def indexed_like(notation: Notation, left: Notation) -> Notation:
    """Return `notation` with the indices of `left`, in the index form."""
    return Indexed(notation, left.indices) if isinstance(left, Indexed) else notation


def summed(notation: Notation) -> Notation:
    """Return Σ_t of a value of each step."""
    return BigOperator("Σ", (STEP,), notation)


class Lines:
    """Writes the lines that join the records."""

    def __init__(self, recurrent: Recurrent, notators: dict[Loop, Notator], outer: Notator | None) -> None:
        self.recurrent = recurrent
        self.notators = notators
        self.outer = outer

    def partial(self, name: str) -> Notation:
        return Partial(Symbol(self.recurrent.loss_name), Symbol(name))

    def name_of(self, part: Part) -> Notation:
        """Return the name of what a recurrence contributes to a gradient."""
        name = part.target.name
        if part.kind == "element":
            is_part = part.given is not None and not part.given.name.startswith(COTANGENT + name)
            return self._step_symbol(part) if is_part else self.partial(part.source.name)
        if part.given is None or self.outer is None:
            return self.partial(name)
        return self.outer.symbol(part.given)

    def _step_symbol(self, part: Part) -> Notation:
        assert part.given is not None
        assert self.outer is not None
        whole = self.outer.symbol(part.given)
        assert isinstance(whole, Symbol)
        return replace(whole, name=at_step(whole.name, "t"))

    # What a result of a step receives

    def given(self, loop: Loop, name: str) -> Notation | None:
        """Return the name of the given gradient by a result of a step."""
        given = loop.given(name)
        return None if given is None else self.notators[loop].symbol(given)

    def is_active(self, result: Result) -> bool:
        """Whether the loss depends on a value outside."""
        outer = self.recurrent.outer
        if any(part.given is None for _, part in self.recurrent.parts_of(result.symbol)):
            return True
        if outer is None:
            return result.symbol.name == self.recurrent.loss_name
        return any(entry.symbol is result.symbol for entry in outer.backward.accumulations)

    def direct(self, loop: Loop, name: str, step: str) -> list[Notation]:
        """Return the terms of what a result of step `step` receives from outside."""
        found: list[Notation] = []
        for result in loop.direct(name):
            if not self.is_active(result):
                continue
            if result.place == "last":
                if step == str(loop.last):
                    is_loss = result.symbol.name == self.recurrent.loss_name
                    found.append(Number(1) if is_loss else self.partial(result.symbol.name))
            elif result.place == "before":
                if step != str(loop.last):
                    found.append(self.partial(at_step(result.symbol.name, _added(step, loop.following))))
            else:
                found.append(self.partial(at_step(result.symbol.name, step)))
        return found

    def between(self, loop: Loop, name: str, carry: Equation | None, where: Words) -> Iterator[Equation]:
        """Yield the lines of a state: at the last step, and from step to step, given that of h_{t−1} within a step.

        `where` says which steps the second one is of.
        """
        left = self.given(loop, name)
        if left is None:
            return
        shape = "" if carry is None else carry.shape.rpartition("= ")[2]
        like = left if carry is None else carry.sides[0]
        ending = moved(Equation(self._with(left, self.direct(loop, name, str(loop.last)), None, like)), str(loop.last))
        if len(set(ending.sides)) > 1:
            yield replace(ending, shape=shape)
        later = None if carry is None else moved(carry, loop.following)
        sides = self._with(left, self.direct(loop, name, "t"), later, like)
        reasons = () if carry is None else carry.reasons
        yield Equation(sides, shape, (where, *reasons) if where else reasons)

    def _with(
        self, left: Notation, direct: Sequence[Notation], later: Equation | None, like: Notation
    ) -> tuple[Notation, ...]:
        first = indexed_like(left, like)
        terms = [indexed_like(term, like) if not isinstance(term, Number) else term for term in direct]
        rests: Sequence[Sequence[Notation]] = [[]] if later is None else [[side] for side in later.sides[1:]]
        sides = [first]
        for rest in rests:
            every = [*terms, *rest]
            sides.append(Number(0) if not every else every[0] if len(every) == 1 else Infix("+", tuple(every)))
        return tuple(dict.fromkeys(sides))

    def received(self, loop: Loop, name: str) -> Iterator[Equation]:
        """Yield the line of a result of a step that is no state, if it has another name outside."""
        left, direct = self.given(loop, name), self.direct(loop, name, "t")
        if left is not None and direct and direct != [left]:
            yield Equation((left, direct[0] if len(direct) == 1 else Infix("+", tuple(direct))))

    def initial(self, loop: Loop, part: Part, name: str, carry: Equation) -> Equation:
        """Return the gradient by the initial state, from the first step."""
        first = moved(carry, str(loop.first))
        direct = [
            self.partial(at_step(result.symbol.name, str(loop.start if result.place == "whole" else loop.first)))
            for result in loop.direct(name)
            if result.place in ("whole", "before") and self.is_active(result)
        ]
        later = replace(first, sides=(first.sides[0], *first.sides[1:]))
        sides = self._with(self.name_of(part), direct, later, carry.sides[0])
        return Equation(sides, carry.shape, of=part.target)

    # What the inputs of a step receive

    def of_part(self, part: Part, equation: Equation) -> Equation:
        """Return a line on a source within a step as one on what it receives in all of them."""
        left = indexed_like(self.name_of(part), equation.sides[0])
        rest = equation.sides[1:]
        if part.kind == "constant":
            rest = tuple(map(summed, rest))
        return replace(equation, sides=tuple(dict.fromkeys((left, *rest))), node=None, elements=None)
