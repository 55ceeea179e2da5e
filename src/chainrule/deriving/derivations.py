"""The derivation of a function, which can be printed, verified and written as source."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from chainrule.derivation import (
    POINTS,
    PRINTED,
    Detail,
    Document,
    Form,
    Record,
    Valuation,
    Verification,
    Verifier,
    json_text,
    latex_equations,
    render_html,
    render_json,
    render_latex,
    render_markdown,
    render_text,
    with_upstream,
    write_document,
)
from chainrule.deriving.options import PageOptions, page_options
from chainrule.emit import note_verified, source, spelled
from chainrule.ir import Input, Program, cached_property, media_bundle, refuses_deep_nesting
from chainrule.words import Language, at_callers_line


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
        return self._document(page_options(form, lang, detail, at))

    def _document(self, options: PageOptions) -> Document:
        record = self._record(options)
        values = None if options.at is None else Valuation(record, options.at)
        return write_document(record, options.form, options.lang, options.detail, values)

    def _record(self, options: PageOptions) -> Record:
        return self.in_steps if options.form == "path" or options.detail == "full" else self.record

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
        return json_text(self._json(page_options(form, lang, detail, at), verification), indent)

    def _json(self, options: PageOptions, verification: Verification | None) -> dict[str, Any]:
        document, record = self._document(options), self._record(options)
        first = 1 if record is self.in_steps else 1 + len(list(self.in_steps.claims))
        return render_json(record, document, options.form, verification, first)

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
        return self._source(target, name, sizes, dtype)

    def _source(self, target: str, name: str | None, sizes: Mapping[str, int] | None, dtype: str) -> str:
        return source(self.record, target, name, sizes, dtype, title=self.name)

    @refuses_deep_nesting
    def formulas(self, notation: str) -> str:
        """Return the gradients as statements in the notation of another program, with the names of the forward pass.

        `notation` is "matrixcalculus" (as on matrixcalculus.org), "julia", "matlab" or "numpy". Vectors are columns in
        the first three. Raises EmitError for operations that a notation lacks. "latex" is what the page in brief has in
        LaTeX, an equation in a line.

        >>> from chainrule import derive
        >>> print(derive("norm(A x - b)^2", "x").formulas("julia"))
        dx = 2*A'*(A*x - b)
        """
        if notation == "latex":
            return latex_equations(self.document(detail="brief"))
        return self._spelled(notation)

    def _spelled(self, notation: str) -> str:
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


_DISPLAYS: dict[str, Callable[[Derivation], str]] = {
    "text/plain": Derivation.text,
    "text/html": lambda derivation: render_html(derivation.document(), standalone=False),
    "text/latex": Derivation.latex,
    "text/markdown": lambda derivation: derivation.markdown(github=False),
}
"""The renderer for each media type that notebooks request."""


def _verdict(verification: Verification | None, lang: Language | None) -> str:
    return "" if verification is None else verification.text(lang)
