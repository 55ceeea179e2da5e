"""`chainrule grade`: a backward pass written by hand, against the derivation."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from chainrule.cli.errors import CommandError
from chainrule.cli.loading import loaded_function, split_target
from chainrule.cli.output import page_width, print_json
from chainrule.cli.sentences import Language, language_option
from chainrule.cli.targets import TargetCommand, names_file, opened, target_options
from chainrule.files import file_errors
from chainrule.grading import Grade, grade
from chainrule.reports import width_of, wrapped


@click.command("grade", cls=TargetCommand)
@click.argument("answer", metavar='ANSWER.py:FUNC|ANSWER.txt|-|"EQUATIONS"')
@click.option("--against", required=True, metavar='FILE.py:FUNC|gallery:NAME|"FORMULA"', help="The forward pass.")
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
    what is wrong with it. An answer can also be text, one equation a line: dW2 = a1' * d2. The status is 0 for right, 1
    for wrong, 2 for what cannot be graded. Files of Python are run, so that they have to be trusted as any program.
    """
    with opened(against, wrt, shapes) as target:
        text = _text(answer)
        if text is not None:
            found = grade(text, target.function, target.wrt, **target.shapes)
        else:
            path, name = split_target(answer)
            with loaded_function(path, name) as function:
                found = grade(function, target.function, target.wrt, **target.shapes)
    if as_json:
        print_json(found.to_dict(lang))
    else:
        _print(found, lang)
    return 0 if found.right else 1


def _text(answer: str) -> str | None:
    """The text of an answer in equations: from standard input, a file, or the argument itself; None for a function."""
    if answer == "-":
        return sys.stdin.read()
    if not names_file(answer) and "=" in answer and not os.path.exists(answer):
        return answer.replace(";", "\n")
    if answer.endswith(".py") or (":" in answer and not os.path.exists(answer)):
        return None
    with file_errors(answer), open(answer, encoding="utf-8") as stream:
        try:
            return stream.read()
        except UnicodeDecodeError:
            raise CommandError(f"{answer} is not text in UTF-8; save it as such") from None


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
