"""`chainrule derive`: the backward pass of a function in a file."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from chainrule.cli.errors import CommandError
from chainrule.cli.loading import loaded_function, split_target
from chainrule.cli.output import page_width, print_json
from chainrule.cli.sentences import Language, language_option
from chainrule.cli.verification import print_verification
from chainrule.derivation import FORMS, Derivation, Form, derive
from chainrule.ir import ShapeError
from chainrule.trace import parse_type
from chainrule.training import nearest


@click.command("derive")
@click.argument("target", metavar="FILE.py:FUNC|CLASS.METHOD")
@click.option("--wrt", help="Parameters to differentiate by, as in W1,b1; without it all that are not named like data.")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    help='Shapes of the arguments, as in "X: n d, W1: d h, labels: n:int, Ws: [d h; h o]".',
)
@click.option("--form", type=click.Choice(FORMS), default="matrix", show_default=True, help="How it is written.")
@language_option
@click.option("--format", "markup", type=click.Choice(["text", "latex"]), default="text", show_default=True)
@click.option("--standalone", is_flag=True, help="With --format latex: a whole document.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def command(
    target: str,
    wrt: str | None,
    shapes: Sequence[str],
    form: Form,
    lang: Language,
    markup: str,
    standalone: bool,
    as_json: bool,
) -> int:
    """Derive the backward pass of FUNC, which returns one number, and verify every line of it.

    Shapes are given with --shape, or in the file as annotations: def loss(X: "n d", W: "d h"). FILE.py is run, so
    that it has to be trusted as any program.
    """
    if standalone and markup != "latex":
        raise CommandError("--standalone makes a LaTeX document; add --format latex")
    path, name = split_target(target)
    given = parse_shapes(shapes)
    with loaded_function(path, name) as function:
        names = _names(wrt)
        _check_parameters(function, name, names, given)
        derivation = derive(function, names, **given)
        verification = derivation.verify()
    text = _written(derivation, form, lang, markup, standalone)
    if as_json:
        print_json(
            {
                "function": name,
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


def _written(derivation: Derivation, form: Form, lang: Language, markup: str, standalone: bool) -> str:
    return derivation.latex(form, lang, standalone) if markup == "latex" else derivation.text(form, lang, page_width())


def parse_shapes(texts: Sequence[str]) -> dict[str, str | list[str]]:
    """`"X: n d, W1: d h"` as `{"X": "n d", "W1": "d h"}`; raises CommandError for what does not read like that.

    A list of arrays is written with semicolons in brackets: `"Ws: [d h; h o]"`.
    """
    shapes: dict[str, str | list[str]] = {}
    for text in texts:
        for part in re.split(r"[,;]\s*(?=\w+\s*[:=])", text):
            if not part.strip():
                continue
            match = re.fullmatch(r"\s*(\w+)\s*[:=]\s*(.*?)[\s,;]*", part)
            if match is None:
                raise CommandError(f'--shape {part.strip()!r} is not a name and sizes, as in "X: n d, W1: d h"')
            name, sizes = match.groups()
            several = sizes.startswith("[") and ";" in sizes
            entries = [entry.strip() for entry in sizes.strip("[]").split(";") if entry.strip()] if several else [sizes]
            try:
                for entry in entries:
                    parse_type(entry)
            except ShapeError as error:
                raise CommandError(f"--shape of {name}: {error}") from None
            if name in shapes:
                raise CommandError(f"--shape gives {name} twice; give it once")
            shapes[name] = entries if several else sizes
    return shapes


def _names(wrt: str | None) -> list[str] | None:
    if wrt is None:
        return None
    names = [name for name in re.split(r"[\s,]+", wrt) if name]
    if not names:
        raise CommandError("--wrt names nothing; give parameters, as in --wrt W1,b1")
    return names


def _check_parameters(
    function: Callable[..., Any], title: str, wrt: Sequence[str] | None, shapes: Mapping[str, str | list[str]]
) -> None:
    """Raise CommandError for a name that is no parameter of the function, and for a parameter without a shape."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters.values()):
        return
    attributes = vars(getattr(function, "__self__", None)) if inspect.ismethod(function) else {}
    for option, names in (("--wrt", wrt or ()), ("--shape", shapes)):
        for name in names:
            if name not in parameters and name not in attributes:
                raise CommandError(
                    f"{option} names {name!r}, which is not a parameter of {title}; it has "
                    f"{', '.join(parameters) or 'none'}"
                    f"{nearest(name, parameters)}"
                )
    for name, parameter in parameters.items():
        if name not in shapes and parameter.default is parameter.empty and parameter.annotation is parameter.empty:
            raise CommandError(
                f'the shape of {name!r}, a parameter of {title}, is missing; give it, as in --shape "{name}: n d"'
            )
