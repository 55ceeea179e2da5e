"""`chainrule grade`: check a hand-written backward pass against the derivation."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from chainrule.cage import Limits, warm_up
from chainrule.cli.errors import CommandError
from chainrule.cli.loading import split_target
from chainrule.cli.output import page_width, print_json
from chainrule.cli.sentences import language_option
from chainrule.cli.targets import TargetCommand, names_file, opened, target_options
from chainrule.files import file_errors, replacing
from chainrule.grading import AnswerFile, Grade, grade, grade_folder
from chainrule.words import Language, width_of, wrapped


@click.command("grade", cls=TargetCommand)
@click.argument("answer", metavar='ANSWER.py:FUNC|FOLDER[:FUNC]|ANSWER.txt|-|"EQUATIONS"')
@click.option("--against", required=True, metavar='FILE.py:FUNC|gallery:NAME|"FORMULA"', help="The forward pass.")
@target_options
@language_option
@click.option(
    "--time-limit",
    "seconds",
    type=click.FloatRange(0.1, 3600),
    default=Limits().seconds,
    show_default=True,
    help="Time limit of the answer in seconds.",
)
@click.option(
    "--memory-limit",
    "mebibytes",
    type=click.IntRange(16, 2**20),
    default=Limits().memory // 2**20,
    show_default=True,
    help="Memory limit of the answer in MiB.",
)
@click.option("--hint", is_flag=True, help="Say where the first mistake is, and not what it is.")
@click.option(
    "--steps", is_flag=True, help="Say what is right so far and what comes next; the answer may be unfinished."
)
@click.option("--table", metavar="FILE", help="Write the table of a FOLDER to a file, .csv or .html.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def command(
    answer: str,
    against: str,
    wrt: str | None,
    shapes: Sequence[str],
    assume: str | None,
    lang: Language,
    seconds: float,
    mebibytes: int,
    hint: bool,
    steps: bool,
    table: str | None,
    as_json: bool,
) -> int:
    """Check a hand-written backward pass.

    FUNC takes the arguments of the forward pass, or any of its variables (z1, a1, …), under the same names; also a
    learning rate, the upstream gradient of a layer, and dicts such as cache or params. It may be a method of a class.
    It returns gradients in any container, as in return {"W1": dW1, …}, keeps them as in self.dW = …, or updates
    parameters, as in W1 -= lr * dW1. Every correct line is confirmed, also in helper functions; the first wrong one is
    named, with its mistake. An answer can also be text, one equation per line: dW2 = a1' * d2. The exit status is 0 for
    a right answer, 1 for a wrong one, 2 for one that cannot be graded.

    Of a FOLDER every answer is graded, into one table in which similar mistakes are counted; the exit status is 0 if
    all are right.

    ANSWER.py may be untrusted: it runs in a separate process, in an empty folder, with limits on time, memory and
    files, and the verdict is computed outside of that process, so an answer cannot grade itself. On Linux, where user
    namespaces are permitted, it has no network and sees no other process. It can read files that you can read. FILE.py
    is executed, so it must be trusted.
    """
    if hint and steps:
        raise CommandError("--hint and --steps exclude each other; ask for one of them")
    folder, _, function = answer.rpartition(":") if ":" in answer and not os.path.isdir(answer) else (answer, "", "")
    if os.path.isdir(folder):
        return _cohort(folder, function or None, against, wrt, shapes, assume, lang, seconds, mebibytes, table, as_json)
    if table is not None:
        raise CommandError(f"--table is for a folder of answers, and {answer!r} is none")
    read: str | AnswerFile | None = _text(answer)
    if read is None:
        read = AnswerFile(*split_target(answer))
        warm_up()
    with opened(against, wrt, shapes, assume) as target:
        limits = Limits(seconds, mebibytes * 2**20)
        found = grade(
            read,
            target.function,
            target.wrt,
            limits=limits,
            assume=target.assume,
            unfinished=steps,
            **target.shapes,
        )
    if as_json:
        print_json(found.to_dict(lang))
    elif hint or steps:
        click.echo(found.hint(lang) if hint else found.progress(lang))
    else:
        _print(found, lang)
    return 0 if found.right else 1


def _cohort(
    folder: str,
    function: str | None,
    against: str,
    wrt: str | None,
    shapes: Sequence[str],
    assume: str | None,
    lang: Language,
    seconds: float,
    mebibytes: int,
    path: str | None,
    as_json: bool,
) -> int:
    """Grade a folder of answers, print the table, and write it if asked."""
    if path is not None and not path.endswith((".csv", ".html")):
        raise CommandError(f"--table {path} names no format; it can end in .csv or .html")
    warm_up()
    with opened(against, wrt, shapes, assume) as target:
        found = grade_folder(
            folder,
            target.function,
            function,
            target.wrt,
            limits=Limits(seconds, mebibytes * 2**20),
            assume=target.assume,
            **target.shapes,
        )
    if path is not None:
        with replacing(path) as stream:
            stream.write((found.csv(lang) if path.endswith(".csv") else found.html(lang)).encode())
    if as_json:
        print_json(found.to_dict(lang))
    else:
        click.echo(found.text(lang), nl=False)
    return 0 if found.right == len(found.submissions) else 1


def _text(answer: str) -> str | None:
    """Return the text of an answer in equations, from standard input, a file, or the argument; None for a function."""
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
    """Print the grade, wrapped to the page width, with hanging indents."""
    width = page_width()
    for text, indent in found.paragraphs(lang):
        inner = len(text) - len(text.lstrip(" "))
        lead = text[:inner]
        lines = wrapped(text.lstrip(" "), width - max(indent, inner)) if width_of(text) > width else [text.lstrip(" ")]
        click.echo((lead + lines[0]).rstrip())
        for line in lines[1:]:
            click.echo(" " * indent + line)
