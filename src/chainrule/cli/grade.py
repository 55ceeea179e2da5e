"""`chainrule grade`: a backward pass written by hand, against the derivation."""

from __future__ import annotations

from collections.abc import Sequence

import click

from chainrule.cli.loading import loaded_function, split_target
from chainrule.cli.output import page_width, print_json, width_of, wrapped
from chainrule.cli.sentences import Language, language_option
from chainrule.cli.targets import opened, target_options
from chainrule.grading import Grade, grade


@click.command("grade")
@click.argument("answer", metavar="ANSWER.py:FUNC")
@click.option("--against", required=True, metavar="FILE.py:FUNC|gallery:NAME", help="The forward pass.")
@target_options
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def command(
    answer: str,
    against: str,
    wrt: str | None,
    shapes: Sequence[str],
    lang: Language,
    as_json: bool,
) -> int:
    """Check a backward pass that you wrote by hand.

    FUNC takes what the forward pass takes, or any of its named values (z1, a1, …), under the same names; a learning
    rate, and a dict cache or params with these, too. It returns gradients, as in return {"W1": dW1, …}, or updates
    parameters, as in W1 -= lr * dW1. Every line that is something true is confirmed; the first wrong one is named, with
    what is wrong with it. The status is 0 for right, 1 for wrong, 2 for what cannot be graded. Both files are run.
    """
    with opened(against, wrt, shapes) as target:
        path, name = split_target(answer)
        with loaded_function(path, name) as function:
            found = grade(function, target.function, target.wrt, **target.shapes)
    if as_json:
        print_json(found.to_dict(lang))
    else:
        _print(found, lang)
    return 0 if found.right else 1


def _print(found: Grade, lang: Language) -> None:
    """The grade in lines no wider than the page; what goes on is indented."""
    width = page_width()
    for text, indent in found.paragraphs(lang):
        inner = len(text) - len(text.lstrip(" "))
        lead = text[:inner]
        lines = wrapped(text.lstrip(" "), width - max(indent, inner)) if width_of(text) > width else [text.lstrip(" ")]
        click.echo((lead + lines[0]).rstrip())
        for line in lines[1:]:
            click.echo(" " * indent + line)
