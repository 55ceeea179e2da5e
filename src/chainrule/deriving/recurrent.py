"""The backward pass of a function with a recurrence, one step for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chainrule.derivation import (
    Document,
    Record,
    Recurrent,
    Verification,
    render_recurrence,
    verified_recurrence,
    write_recurrence,
)
from chainrule.deriving.derivations import Derivation
from chainrule.deriving.options import PageOptions
from chainrule.emit import check_gradients, source_with_loops
from chainrule.ir import Input, Program, cached_property


class RecurrentDerivation(Derivation):
    """The backward pass of a function with a recurrence, one step for all of them; created by `derive`.

    Attributes
    ----------
    recurrent : Recurrent
        The parts of the derivation: what is outside, and the step of each recurrence, with their claims.
    record : Record
        The claims of every step, one after another, which worked examples show.

    """

    def __init__(self, program: Program, wrt: Sequence[Input], name: str, recurrent: Recurrent) -> None:
        self.name = name
        self.program = recurrent.program
        self.recurrent = recurrent
        self._wrt = list(wrt)

    @cached_property
    def record(self) -> Record:
        return Record(self.program, self._wrt)

    def _document(self, options: PageOptions) -> Document:
        """A worked example, with values `at` a point, has every step for itself."""
        if options.at is not None:
            return super()._document(options)
        return write_recurrence(self.recurrent, options.form, options.lang, options.detail)

    def _json(self, options: PageOptions, verification: Verification | None) -> dict[str, Any]:
        """The key `parts` has the claims: of what is outside and of the steps; in a worked example, of all steps."""
        if options.at is not None:
            return super()._json(options, verification)
        return render_recurrence(self.recurrent, self._document(options), options.form, verification)

    def _verified(self, points: int, seed: int) -> Verification:
        """Evaluate both sides of the lines of a step once for all steps.

        The gradients by the states and by what the recurrence reads are compared with finite differences of the whole
        function; the printed lines are then parsed back, as in `Derivation.verify`.
        """
        return verified_recurrence(self.recurrent, points, seed)

    def _source(self, target: str, name: str | None, sizes: Mapping[str, int] | None, dtype: str) -> str:
        """The source has loops where the target has them, else every step."""
        found = source_with_loops(self.recurrent, target, name, sizes or {}, dtype, self.verify, self.name)
        if found is not None:
            return found
        check_gradients(self.record, self.recurrent, self.verify())
        return super()._source(target, name, sizes, dtype)

    def __repr__(self) -> str:
        wrt = ", ".join(symbol.name for symbol in self._wrt)
        return f"<Derivation of {self.recurrent.loss_name} with respect to {wrt}>"
