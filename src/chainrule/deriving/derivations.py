"""The derivation of a function, which can be printed, verified and written as source."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chainrule.derivation import (
    DETAILS,
    FORMS,
    POINTS,
    PRINTED,
    Derivatives,
    Detail,
    Document,
    Form,
    Further,
    Jacobians,
    Layout,
    Record,
    Recurrent,
    SecondChains,
    SecondOrder,
    Valuation,
    VectorChains,
    Verification,
    Verifier,
    derivatives_verifier,
    json_text,
    render_html,
    render_json,
    render_latex,
    render_markdown,
    render_recurrence,
    render_text,
    verified_recurrence,
    with_upstream,
    write_derivatives,
    write_document,
    write_recurrence,
)
from chainrule.deriving.errors import DerivationError, check_choice
from chainrule.emit import note_verified, source, spelled
from chainrule.ir import (
    Input,
    Program,
    cached_property,
    media_bundle,
    refuses_deep_nesting,
)
from chainrule.words import Language, at_callers_line, used_language


class Derivation:
    """The backward pass of a function, as a list of claims; created by `derive`.

    Attributes
    ----------
    program : Program
        The forward pass. If the function does not return one number, it is completed by an input `∂ O` for each output
        O, the upstream gradient, and the pairing L = ⟨∂L/∂O, O⟩.
    record : Record
        The claims; every printed equation is one of them.
    name : str
        The name of the function; `f` if unknown.

    Examples
    --------
    >>> import chainrule as cr
    >>> derivation = cr.derive("norm(A @ x - b)^2", wrt="x")
    >>> derivation
    <Derivation of L with respect to x>
    >>> print(derivation.text(detail="brief").splitlines()[-2].strip("│ ").partition("   ")[0])
    ∂L/∂x = 2 Aᵀ (A x − b)
    >>> derivation.verify().ok
    True
    >>> print(derivation.source("numpy").splitlines()[-2].partition("#")[0].strip())
    dx = 2 * ((u - b) @ A)

    """

    @refuses_deep_nesting
    def __init__(self, program: Program, wrt: Sequence[Input], name: str = "f") -> None:
        self.name = name
        self.record = Record(with_upstream(program), wrt)
        self.program = self.record.program
        self._wrt = list(wrt)

    @cached_property
    def in_steps(self) -> Record:
        """The record with compositions taken apart, which the path form writes, and the others in full detail.

        Where the user has named every step, it has the factors of the chains of numbers.
        """
        record = Record(self.record.traced, self._wrt, self.record)
        numbers = any(not link.stage.symbol.type.shape for link in record.links)
        return record if record.program.names != self.program.names or numbers else self.record

    @cached_property
    def _verifications(self) -> dict[tuple[int, int], Verification]:
        """The outcomes of `verify` for the arguments that it was given."""
        return {}

    @refuses_deep_nesting
    def document(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        detail: Detail = "full",
        at: Mapping[str, Any] | None = None,
    ) -> Document:
        """Return the derivation as headings, sentences and equations, for a renderer.

        Given `at`, the values of the inputs by name (numbers, lists or arrays), it is a worked example: each equation
        ends in its value there, preceded by the numbers put in where that is short. The gradient by an output Y of a
        layer is given as `dY`; by default it is taken as ones.

        Raises
        ------
        ValuesError
            For a value that is missing, of another shape, not finite, or of no input; and for a function without a
            definition, which has no values.

        """
        check_choice("form", form, FORMS)
        lang = used_language(lang)
        check_choice("detail", detail, DETAILS)
        record = self._record(form, detail)
        return write_document(record, form, lang, detail, None if at is None else Valuation(record, at))

    def _record(self, form: Form, detail: Detail) -> Record:
        return self.in_steps if form == "path" or detail == "full" else self.record

    @at_callers_line
    @refuses_deep_nesting
    def text(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        width: int = 80,
        detail: Detail = "full",
        at: Mapping[str, Any] | None = None,
        color: bool = False,
    ) -> str:
        """Return the derivation as Unicode text, in lines of at most `width` columns.

        `form` is "matrix" (matrix calculus with transposes), "path" (the chain rule factor by factor, one chain for
        every path from the loss) or "index" (sums over named indices); `lang` is "en" or "zh", by default the language
        of `chainrule.use`. `detail` is "full" (the differential of every equation, and the pairing behind every step)
        or "brief" (the forward pass, a line for each gradient, and the summary). `at` gives values to the inputs, as in
        `document`, for a worked example. With `color`, headings, shapes, reasons and frames are set apart by the codes
        of a terminal.

        >>> from chainrule import derive
        >>> print(derive("sin(x^2)").text("path", detail="brief", at={"x": 3}))  # doctest: +ELLIPSIS
        Backward pass of L
        ...
          ∂u/∂x = 2 x = 2 · 3 = 6                                                 scalar
        ...
        """
        return render_text(self.document(form, lang, detail, at), width, color)

    @at_callers_line
    @refuses_deep_nesting
    def latex(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        standalone: bool = False,
        detail: Detail = "full",
        at: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the derivation as a LaTeX fragment, or as a complete document; Chinese needs XeLaTeX."""
        return render_latex(self.document(form, lang, detail, at), standalone)

    @at_callers_line
    @refuses_deep_nesting
    def markdown(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        detail: Detail = "full",
        verification: Verification | None = None,
        github: bool = True,
        at: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the derivation as GitHub Markdown, ending with the outcome of `verification`.

        With `github=False` formulas are delimited by dollar signs only, as Jupyter, pandoc and most editors expect.
        """
        return render_markdown(self.document(form, lang, detail, at), _verdict(verification, lang), github)

    @at_callers_line
    @refuses_deep_nesting
    def html(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        detail: Detail = "full",
        verification: Verification | None = None,
        standalone: bool = True,
        at: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the derivation as a self-contained HTML page, with the outcome of `verification` in the footer.

        If not `standalone`, return an element with its style, for inclusion in a page.
        """
        return render_html(self.document(form, lang, detail, at), _verdict(verification, lang), standalone)

    @at_callers_line
    @refuses_deep_nesting
    def json(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        detail: Detail = "full",
        verification: Verification | None = None,
        indent: int | None = None,
        at: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the derivation as JSON: claims with reasons, expressions as nodes, the document, and the verification.

        `json.loads` returns the object; `chainrule.derivation.json` describes the keys.
        """
        document, record = self.document(form, lang, detail, at), self._record(form, detail)
        first = 1 if record is self.in_steps else 1 + len(list(self.in_steps.claims))
        return json_text(render_json(record, document, form, verification, first), indent)

    @at_callers_line
    @refuses_deep_nesting
    def verify(self, points: int = POINTS, seed: int = 0) -> Verification:
        """Evaluate both sides of every line in float64 at random points, and gradients by finite differences.

        The lines of the matrix form are then parsed back from the printed text and LaTeX, by a parser that shares no
        code with the renderers and broadcasts only where the notation shows it or the shapes determine it. A line with
        any other meaning is not verified.

        Symbolic sizes are bound to small distinct numbers. `seed` determines the points, which are drawn in the domain
        and at the scale of the function, as far as trials find them. A line that no point could check is not an error,
        but is listed in `unchecked` of the result, which is then not `ok`. With the same arguments it is done once.
        """
        key = points, seed
        if key not in self._verifications:
            self._verifications[key] = self._verified(points, seed)
        return self._verifications[key]

    def _verified(self, points: int, seed: int) -> Verification:
        outcome = Verifier(self.record, seed).run(points)
        if outcome.holds and points >= POINTS:
            note_verified(self.record)
        if self.in_steps is self.record:
            return outcome
        return Verifier(self.in_steps, seed, printed=(*PRINTED, ("path", "text"))).run(points).joined(outcome)

    @at_callers_line
    @refuses_deep_nesting
    def source(
        self,
        target: str,
        name: str | None = None,
        sizes: Mapping[str, int] | None = None,
        dtype: str = "float32",
    ) -> str:
        """Return the forward and the backward pass as source code that does not depend on this package.

        `target` is "numpy" (two functions), "torch" (a `torch.autograd.Function`), "jax" (a `custom_vjp`), "c" (a C99
        header with static sizes: `sizes` gives a number for each symbolic size, `dtype` is "float32" or "float64") or
        "js" (a JavaScript module in float64, with arguments for the symbolic sizes that are not in `sizes`) or "wasm"
        (one that descends a loss in WebAssembly, with numbers for all sizes). `name` is the name of the function.

        Every line of the derivation is verified first, and the NumPy source is run at one of the points and compared
        with the derivation. Source for PyTorch and JAX has the same lines in the functions of those libraries, C the
        same expressions; they are not run. JavaScript and WebAssembly are run where node is installed. Raises
        UnverifiedError if any check fails, and EmitError for operations that a target does not support.
        """
        return source(self.record, target, name, sizes, dtype, title=self.name)

    @refuses_deep_nesting
    def formulas(self, notation: str) -> str:
        """Return the gradients as statements in the notation of another program, with the names of the forward pass.

        `notation` is "matrixcalculus" (as on matrixcalculus.org), "julia", "matlab" or "numpy". Vectors are columns in
        the first three. Raises EmitError for operations that a notation lacks.

        >>> from chainrule import derive
        >>> print(derive("norm(A x - b)^2", "x").formulas("julia"))
        dx = 2*A'*(A*x - b)
        """
        return spelled(self.record, notation)

    def _repr_mimebundle_(
        self, include: Container[str] | None = None, exclude: Container[str] | None = None
    ) -> dict[str, str]:
        return media_bundle(self, _DISPLAYS, include, exclude)

    def __repr__(self) -> str:
        wrt = ", ".join(symbol.name for symbol in self.record.backward.wrt)
        return f"<Derivation of {self.record.loss.name} with respect to {wrt}>"

    def __str__(self) -> str:
        return self.text()


class FurtherDerivation(Derivation):
    """The Hessian of a loss, or the Jacobians of a function, beside its backward pass; created by `derive`.

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

    @refuses_deep_nesting
    def document(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        detail: Detail = "full",
        at: Mapping[str, Any] | None = None,
    ) -> Document:
        """Return the page as headings, sentences and equations, for a renderer; `form` is "matrix" or "index".

        The second derivatives of a function between numbers, and the Jacobians of one between vectors, have the form
        "path" too, by the chain rule. At values `at` a point every matrix has its numbers, and Newton's step is solved
        for where H is regular.
        """
        written = self._written(form)
        check_choice("detail", detail, DETAILS)
        values = None if at is None else Valuation(written.first, at)
        return write_derivatives(written, form, used_language(lang), detail, self._set_aside, values)

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
            check_choice("form", form, FORMS)
            return self.derivatives
        if self.chains is None:
            raise DerivationError(
                "the path form is that of a backward pass, of second derivatives between numbers, and of Jacobians "
                "between vectors with rows of the result; these are written in the forms matrix and index"
            )
        return self.chains

    @at_callers_line
    @refuses_deep_nesting
    def json(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        detail: Detail = "full",
        verification: Verification | None = None,
        indent: int | None = None,
        at: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the page as JSON, as `Derivation.json`; the claims of the backward pass come first."""
        document, written = self.document(form, lang, detail, at), self._written(form)
        first = 1 if written is self.derivatives else 1 + len(list(self.derivatives.claims))
        return json_text(render_json(written.first, document, form, verification, first, derivatives=written), indent)

    def formulas(self, notation: str) -> str:
        """Return the gradients with the Hessian, or the Jacobians, in the notation of another program.

        They are matrices, as on the page: with respect to a matrix those by vec(X). Raises EmitError as for a backward
        pass, and where a matrix is not short enough to be printed.

        >>> from chainrule import derive
        >>> print(derive("norm(A x - b)^2", "x", order=2).formulas("julia"))
        dx = 2*A'*(A*x - b)
        H = 2*A'*A
        """
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

    @refuses_deep_nesting
    def document(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        detail: Detail = "full",
        at: Mapping[str, Any] | None = None,
    ) -> Document:
        """Return the derivation as headings, sentences and equations, as `Derivation.document`.

        A worked example, with values `at` a point, has every step for itself.
        """
        if at is not None:
            return super().document(form, lang, detail, at)
        check_choice("form", form, FORMS)
        check_choice("detail", detail, DETAILS)
        return write_recurrence(self.recurrent, form, used_language(lang), detail)

    @at_callers_line
    @refuses_deep_nesting
    def json(
        self,
        form: Form = "matrix",
        lang: Language | None = None,
        detail: Detail = "full",
        verification: Verification | None = None,
        indent: int | None = None,
        at: Mapping[str, Any] | None = None,
    ) -> str:
        """Return the derivation as JSON, as `Derivation.json`; `parts` has the claims, a list for each part.

        The parts are what is outside of the recurrences, and their steps. A worked example has the claims of all steps.
        """
        if at is not None:
            return super().json(form, lang, detail, verification, indent, at)
        document = self.document(form, lang, detail)
        return json_text(render_recurrence(self.recurrent, document, form, verification), indent)

    @at_callers_line
    @refuses_deep_nesting
    def verify(self, points: int = POINTS, seed: int = 0) -> Verification:
        """Evaluate both sides of every line at random points, those of a step once for all steps.

        The gradients by the states and by what the recurrence reads are compared with finite differences of the whole
        function; the printed lines are then parsed back, as in `Derivation.verify`.
        """
        return verified_recurrence(self.recurrent, points, seed)

    def __repr__(self) -> str:
        wrt = ", ".join(symbol.name for symbol in self._wrt)
        return f"<Derivation of {self.recurrent.loss_name} with respect to {wrt}>"


_DISPLAYS: dict[str, Callable[[Derivation], str]] = {
    "text/plain": Derivation.text,
    "text/html": lambda derivation: render_html(derivation.document(), standalone=False),
    "text/latex": Derivation.latex,
    "text/markdown": lambda derivation: derivation.markdown(github=False),
}
"""The renderer for each media type that notebooks request."""


def _verdict(verification: Verification | None, lang: Language | None) -> str:
    return "" if verification is None else verification.text(lang)
