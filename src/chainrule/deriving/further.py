"""A Hessian or Jacobians beside a backward pass, to print, to verify and to write as source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chainrule.derivation import (
    POINTS,
    Derivatives,
    Document,
    Form,
    Further,
    Jacobians,
    Layout,
    SecondChains,
    SecondOrder,
    Valuation,
    VectorChains,
    Verification,
    derivatives_verifier,
    render_json,
    write_derivatives,
)
from chainrule.deriving.derivations import Derivation
from chainrule.deriving.errors import DerivationError
from chainrule.deriving.options import PageOptions
from chainrule.emit import source, spelled
from chainrule.ir import Input, Program, cached_property, refuses_deep_nesting
from chainrule.words import at_callers_line


class FurtherDerivation(Derivation):
    """The Hessian of a loss, or the Jacobians of a function, beside its backward pass; created by `derive`.

    The forms of its page are "matrix" and "index"; the second derivatives of a function between numbers, and the
    Jacobians of one between vectors, have the form "path" too, by the chain rule. At values `at` a point every matrix
    has its numbers, and Newton's step is solved for where H is regular. `formulas` has the matrices too, with respect
    to a matrix those by vec(X).

    >>> from chainrule import derive
    >>> print(derive("norm(A x - b)^2", "x", order=2).formulas("julia"))
    dx = 2*A'*(A*x - b)
    H = 2*A'*A

    Attributes
    ----------
    derivatives : SecondOrder or Jacobians
        The claims of the Hessian or of the Jacobians, after those of the backward pass.

    """

    def __init__(self, program: Program, wrt: Sequence[Input], name: str, order: int, layout: Layout) -> None:
        # A gradient that is simplified by WᵀW = I has another derivative: what varies must not be constrained.
        varying = {node.name for node in wrt} if order == 2 else set()
        self._set_aside = tuple(
            each for each in program.declared if each.name in varying and each.property.rank is not None
        )
        used = tuple(each for each in program.declared if each not in self._set_aside)
        super().__init__(replace(program, declared=used), wrt, name)
        self.derivatives: Derivatives = (
            SecondOrder(self.record, layout) if order == 2 else Jacobians(self.record, layout)
        )
        if isinstance(self.derivatives, SecondOrder):
            self.record.beside = tuple(self.derivatives.changes.values())

    def _document(self, options: PageOptions) -> Document:
        written = self._written(options.form)
        values = None if options.at is None else Valuation(written.first, options.at)
        return write_derivatives(written, options.form, options.lang, options.detail, self._set_aside, values)

    @cached_property
    def chains(self) -> SecondChains | None:
        """The derivatives by the chain rule, equation by equation: second ones of numbers, Jacobians of vectors."""
        chains: SecondChains | None = None
        if isinstance(self.derivatives, SecondOrder):
            chains = SecondChains(self.in_steps, self.record)
        elif self.derivatives.layout == "numerator":
            chains = VectorChains(Jacobians(self.in_steps), self.derivatives)
        return chains if chains is not None and chains.is_written else None

    def _written(self, form: Form) -> Further:
        """Return the claims of the page in one form."""
        if form != "path":
            return self.derivatives
        if self.chains is None:
            raise DerivationError(
                "the path form is that of a backward pass, of second derivatives between numbers, and of Jacobians "
                "between vectors with rows of the result; these are written in the forms matrix and index"
            )
        return self.chains

    def _json(self, options: PageOptions, verification: Verification | None) -> dict[str, Any]:
        document, written = self._document(options), self._written(options.form)
        first = 1 if written is self.derivatives else 1 + len(list(self.derivatives.claims))
        return render_json(written.first, document, options.form, verification, first, derivatives=written)

    def _spelled(self, notation: str) -> str:
        return spelled(self.record, notation, self.derivatives)

    @at_callers_line
    @refuses_deep_nesting
    def verify(self, points: int = POINTS, seed: int = 0) -> Verification:
        """Evaluate both sides of every line at random points: second derivatives by differences of the gradient.

        Jacobians are compared with differences of the forward pass, each along a random direction. The printed lines
        are then parsed back, as in `Derivation.verify`.
        """
        outcome = derivatives_verifier(self.derivatives, seed).run(points)
        return outcome if self.chains is None else outcome.joined(derivatives_verifier(self.chains, seed).run(points))

    @at_callers_line
    @refuses_deep_nesting
    def source(
        self,
        target: str,
        name: str | None = None,
        sizes: Mapping[str, int] | None = None,
        dtype: str = "float32",
    ) -> str:
        """Return the source of the passes, as `Derivation.source`, with functions of the matrix and its products.

        In NumPy they are `hessian` and `hvp`, or `jacobian` and `jvp`, which take the arguments of the function, and a
        product also the directions; for "torch" and "jax" the name of the function stands in front. A matrix that is
        not short enough to be printed is left out. Arrays have the axes of the result, then those of the argument; for
        several of them there are tuples. "c" and "js" have structures of their `blocks`, and of the `changes` along
        `directions`, instead of tuples. There is none for "wasm".
        """
        return source(self.record, target, name, sizes, dtype, title=self.name, derivatives=self.derivatives)

    def __repr__(self) -> str:
        wrt = ", ".join(symbol.name for symbol in self.derivatives.parameters)
        what = "Hessian" if isinstance(self.derivatives, SecondOrder) else "Jacobian"
        return f"<{what} of {self.name} with respect to {wrt}>"
