"""`chainrule derive`: the backward pass of a function in a file."""

from __future__ import annotations

from collections.abc import Sequence

import click

from chainrule.cli.errors import CommandError
from chainrule.cli.output import page_width, print_json
from chainrule.cli.sentences import Language, language_option
from chainrule.cli.targets import opened, target_options
from chainrule.cli.verification import print_verification
from chainrule.derivation import DETAILS, FORMS, Derivation, Detail, Form


@click.command("derive")
@click.argument("target", metavar="FILE.py:FUNC|gallery:NAME|FORMULA")
@target_options
@click.option("--form", type=click.Choice(FORMS), default="matrix", show_default=True, help="How it is written.")
@click.option(
    "--detail", type=click.Choice(DETAILS), default="full", show_default=True, help="All the reasons, or as on a slide."
)
@language_option
@click.option("--format", "markup", type=click.Choice(["text", "latex"]), default="text", show_default=True)
@click.option("--standalone", is_flag=True, help="With --format latex: a whole document.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def command(
    target: str,
    wrt: str | None,
    shapes: Sequence[str],
    form: Form,
    detail: Detail,
    lang: Language,
    markup: str,
    standalone: bool,
    as_json: bool,
) -> int:
    """Derive the backward pass of a function, and verify every line of it.

    It is FUNC (or CLASS.METHOD) of a file, or an entry of the gallery. Shapes are given with --shape, or in the file as
    annotations: def loss(X: "n d", W: "d h"). FILE.py is run, so that it has to be trusted as any program.

    Or it is a formula, such as "norm(A @ x - b)^2" or "z = W @ x + b; sum(sigmoid(z))", which is parsed and never run:
    ' or .T transposes, @ is the matrix product, .* goes element by element. Shapes that follow may be left out.
    """
    if standalone and markup != "latex":
        raise CommandError("--standalone makes a LaTeX document; add --format latex")
    with opened(target, wrt, shapes) as subject:
        derivation = subject.derivation()
        verification = derivation.verify()
    text = _written(derivation, form, lang, detail, markup, standalone)
    if as_json:
        print_json(
            {
                "function": subject.name,
                "form": form,
                "derivation": text,
                "lines": verification.lines,
                "lines_checked": verification.lines_checked,
                "points": verification.points,
                "verified": verification.ok,
                "worst_relative_error": verification.worst_relative_error,
                "finite_difference_error": verification.finite_difference_error,
            }
        )
    else:
        click.echo(text.rstrip())
        if markup == "text":
            click.echo()
        print_verification(verification, lang, as_comment=markup == "latex")
    return 0 if verification.ok else 1


def _written(derivation: Derivation, form: Form, lang: Language, detail: Detail, markup: str, standalone: bool) -> str:
    if markup == "latex":
        return derivation.latex(form, lang, standalone, detail)
    return derivation.text(form, lang, page_width(), detail)
