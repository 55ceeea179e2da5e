"""`chainrule derive`: the backward pass of a function in a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import click

from chainrule.cli.errors import CommandError
from chainrule.cli.output import in_color, page_width, print_json
from chainrule.cli.sentences import language_option
from chainrule.cli.targets import TargetCommand, further_options, opened, target_options, wanted_derivatives
from chainrule.cli.values import parse_values
from chainrule.cli.verification import print_verification
from chainrule.derivation import (
    DETAILS,
    FORMS,
    LAYOUTS,
    Detail,
    Form,
    Layout,
    Valuation,
    Verification,
)
from chainrule.deriving import Derivation
from chainrule.emit import NOTATIONS
from chainrule.files import check_writable, replacing
from chainrule.words import Language, wrapped

Markup: TypeAlias = Literal["text", "latex", "markdown", "html", "json"]
MARKUPS: Final = ("text", "latex", "markdown", "html", "json")


@click.command("derive", cls=TargetCommand)
@click.argument("target", metavar="FILE.py:FUNC|gallery:NAME|FORMULA")
@target_options
@click.option(
    "--functions",
    metavar="NAMES",
    help='Functions of a formula without a definition: "f, g", "f: n -> m" or "f: R^n -> R".',
)
@further_options
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="numerator",
    show_default=True,
    help="The rows of a Jacobian belong to the result (numerator) or to the variable (denominator).",
)
@click.option("--form", type=click.Choice(FORMS), default="matrix", show_default=True, help="How it is written.")
@click.option(
    "--detail",
    type=click.Choice(DETAILS),
    default="full",
    show_default=True,
    help="All the reasons, or only the equations, as on a slide.",
)
@click.option(
    "--at",
    "values",
    multiple=True,
    metavar="VALUES",
    help='Values behind every line: "x=2, w=[1,-3], W=[[1,2],[3,4]]", or a file .npz or .json with arrays by name.',
)
@click.option(
    "--notation",
    type=click.Choice(list(NOTATIONS)),
    help="Print only the gradients, and a Hessian or Jacobian, in the notation of another program or as LaTeX.",
)
@language_option
@click.option("--format", "markup", type=click.Choice(MARKUPS), default="text", show_default=True, help="As what.")
@click.option("--standalone", is_flag=True, help="With --format latex: a complete document.")
@click.option("--output", metavar="FILE", help="Output file; by default standard output.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object that contains the derivation.")
def command(
    target: str,
    wrt: str | None,
    shapes: Sequence[str],
    assume: str | None,
    functions: str | None,
    hessian: bool,
    jacobian: bool,
    layout: Layout,
    form: Form,
    detail: Detail,
    values: Sequence[str],
    notation: str | None,
    lang: Language,
    markup: Markup,
    standalone: bool,
    output: str | None,
    as_json: bool,
) -> int:
    """Derive the backward pass of a function, and verify every line.

    The target is FUNC (or CLASS.METHOD) in a file, or a gallery entry. Shapes are given with --shape, or in the file as
    annotations: def loss(X: "n d", W: "d h"). FILE.py is executed, so it must be trusted.

    Or the target is a formula, such as "norm(A @ x - b)^2" or "z = W @ x + b; sum(sigmoid(z))", which is parsed and
    never evaluated: ' or .T transposes, @ is the matrix product, .* is elementwise, and x' A x a product; LaTeX, and
    the spellings of Julia, MATLAB and matrixcalculus.org are read too. Shapes that can be inferred may be omitted. A
    question in front, as in "d/dx sin(x^2)", stands for --wrt.

    --assume states properties that the gradients use: symmetric, skew-symmetric, diagonal, orthogonal, positive
    definite, positive semidefinite, positive, nonnegative, on the simplex, of unit length.

    --at makes a worked example, with numbers as on a whiteboard. The gradient by an output Y of a layer is given as dY;
    by default it is taken as ones.

    A loop whose rounds are alike, or a scan, is derived once for all steps, if there are at least four.

    --hessian and --jacobian write matrices in closed form, with --form index by their elements; --form path writes, by
    the chain rule, second derivatives between numbers and Jacobians between vectors.

    --format html is a complete page, markdown is for GitHub, json has every claim with its expressions as trees.
    """
    if standalone and markup != "latex":
        raise CommandError("--standalone makes a LaTeX document; add --format latex")
    if notation is not None and (markup != "text" or values):
        raise CommandError("--notation prints statements as text, without values; leave out --format and --at")
    wanted = wanted_derivatives(hessian, jacobian)
    if output is not None:
        check_writable(output)
    at = parse_values(values) if values else None
    with opened(target, wrt, shapes, assume, functions) as subject:
        derivation = subject.derivation(wanted, layout)
        if hessian or jacobian:
            derivation.document(form)  # refuses a form that the function does not have, before the verification
        if at is not None:
            Valuation(derivation.record, at)  # refuses wrong values before the verification
        verification = derivation.verify()
    to_screen = output is None and not as_json
    style = Style(form, lang, detail, page_width() if output is None else 80, at, to_screen and in_color())
    if notation is None:
        written = _written(derivation, verification, style, markup, standalone)
    else:
        mark = NOTATIONS[notation]
        verdict = [f"{mark} {line}" for line in wrapped(verification.text(lang), style.width - 2)]
        written = "\n".join([derivation.formulas(notation), *verdict, ""])
    if output is not None:
        with replacing(output) as stream:
            stream.write(written.encode())
    if as_json:
        print_json(_report(subject.name, form, verification, json.loads(written) if markup == "json" else written))
    elif output is not None:
        print_verification(verification, lang)
    else:
        click.echo(written, nl=False)
    return 0 if verification.ok else 1


def _report(name: str, form: Form, verification: Verification, derivation: object) -> dict[str, object]:
    return {
        "function": name,
        "form": form,
        "derivation": derivation,
        "lines": verification.lines,
        "lines_checked": verification.lines_checked,
        "points": verification.points,
        "verified": verification.ok,
        "worst_relative_error": verification.worst_relative_error,
        "finite_difference_error": verification.finite_difference_error,
    }


class Style(NamedTuple):
    """How a derivation is written; `width` and `color` apply to text."""

    form: Form
    lang: Language
    detail: Detail
    width: int
    at: Mapping[str, Any] | None
    color: bool


def _written(derivation: Derivation, verification: Verification, style: Style, markup: Markup, standalone: bool) -> str:
    """Format the derivation, ending with the verification verdict."""
    form, lang, detail, width, at, color = style
    if markup == "html":
        return derivation.html(form, lang, detail, verification, at=at)
    if markup == "markdown":
        return derivation.markdown(form, lang, detail, verification, at=at)
    if markup == "json":
        return derivation.json(form, lang, detail, verification, indent=1, at=at) + "\n"
    verdict = verification.text(lang)
    if markup == "latex":
        return f"{derivation.latex(form, lang, standalone, detail, at).rstrip()}\n% {verdict}\n"
    return "\n".join([derivation.text(form, lang, width, detail, at, color), *wrapped(verdict, width), ""])
