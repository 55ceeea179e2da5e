"""The targets of commands: a function in a file, a gallery entry or a formula, with shapes."""

from __future__ import annotations

import contextlib
import functools
import inspect
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import click

from chainrule.cli.errors import CommandError
from chainrule.cli.help import Command as CommandWithHelp
from chainrule.cli.loading import loaded_function, split_target
from chainrule.derivation import Layout
from chainrule.deriving import Derivation, derive
from chainrule.gallery import GALLERY
from chainrule.ir import ShapeError
from chainrule.trace import ShapeTree, formula_variables, parse_type, shapes_in, split_list
from chainrule.words import suggestion

Command = TypeVar("Command", bound=Callable[..., Any])

_GALLERY = "gallery:"
_PATH = re.compile(r"[^()+*=@^|,;'\"<>]+")
"""Texts that are treated as paths even if there is no such file."""
_NEGATIVE = re.compile(r"-(?!-?[\w-]*(=|$)).*[()*/+@^'|‖∥.·⊙√∑\s].*", re.DOTALL)
"""A formula that begins with a minus sign, as opposed to an option."""


@dataclass(frozen=True)
class Target:
    """A function or formula to derive, with `wrt`, and the `shapes` of its arguments if given."""

    name: str
    function: Callable[..., Any] | str
    wrt: Sequence[str] | None
    shapes: Mapping[str, ShapeTree]
    functions: str | None = None
    assume: str | None = None

    def derivation(self, what: str = "gradient", layout: Layout = "numerator") -> Derivation:
        """Derive the backward pass of the function, its Hessian or its Jacobian."""
        derived = functools.partial(
            derive, self.function, self.wrt, functions=self.functions, assume=self.assume, **self.shapes
        )
        if what == "hessian":
            return derived(order=2, layout=layout)
        return derived(jacobian=True, layout=layout) if what == "jacobian" else derived()


class TargetCommand(CommandWithHelp):
    """A command whose argument may be a formula, including one that begins with a minus sign."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Move a text that looks like a formula behind the options, after `--`."""
        takes_value = {name: not option.is_flag for option in self._options(ctx) for name in option.opts}
        options: list[str] = []
        formulas: list[str] = []
        rest = iter(args)
        for arg in rest:
            if arg == "--":
                formulas.extend(rest)
            elif arg.partition("=")[0] not in takes_value and _NEGATIVE.fullmatch(arg):
                formulas.append(arg)
            else:
                options.append(arg)
                if takes_value.get(arg):
                    options.extend(itertools.islice(rest, 1))
        return super().parse_args(ctx, [*options, "--", *formulas] if formulas else options)

    def _options(self, ctx: click.Context) -> list[click.Option]:
        return [parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)]


def target_options(command: Command) -> Command:
    """The options `--wrt`, `--shape` and `--assume`, passed to the command as `wrt`, `shapes` and `assume`."""
    for option in (
        click.option("--assume", metavar="TEXT", help='Properties of arguments: "S symmetric; W orthogonal; n > 0".'),
        click.option(
            "--shape",
            "shapes",
            multiple=True,
            help='Shapes of the arguments, as in "X: n d, labels: n:int, Ws: [d h; h o], params: {W: d h; b: h}".',
        ),
        click.option(
            "--wrt", help="Arguments to differentiate, as in W1,b1; by default all that are not named like data."
        ),
    ):
        command = option(command)
    return command


def further_options(command: Command) -> Command:
    """The options `--hessian` and `--jacobian`, passed to the command under these names."""
    for option in (
        click.option("--jacobian", is_flag=True, help="The matrix of the derivatives of the results."),
        click.option("--hessian", is_flag=True, help="The second derivatives of a loss, and Newton's step."),
    ):
        command = option(command)
    return command


def wanted_derivatives(hessian: bool, jacobian: bool) -> Literal["gradient", "hessian", "jacobian"]:
    """Return what is derived; raise CommandError for two things at once."""
    if hessian and jacobian:
        raise CommandError("--hessian and --jacobian exclude each other; derive one of them at a time")
    return "hessian" if hessian else "jacobian" if jacobian else "gradient"


@contextlib.contextmanager
def opened(
    text: str,
    wrt: str | None = None,
    shapes: Sequence[str] = (),
    assume: str | None = None,
    functions: str | None = None,
) -> Iterator[Target]:
    """A context with the target that `FILE.py:FUNC`, `gallery:NAME` or a formula names.

    Exceptions of the user's code in the block are explained. Raises CommandError for an unknown name, shape or
    parameter.
    """
    given, names = parse_shapes(shapes), _names(wrt)
    if functions is not None and (text.startswith(_GALLERY) or names_file(text)):
        raise CommandError("--functions names those of a formula; in Python code write f = chainrule.function('f')")
    if text.startswith(_GALLERY):
        yield replace(_entry(text.removeprefix(_GALLERY), names, given), assume=assume)
        return
    if not names_file(text):
        yield replace(_formula(text, names, given), functions=functions, assume=assume)
        return
    path, name = split_target(text)
    with loaded_function(path, name) as function:
        _check_parameters(function, name, names, given)
        yield Target(name, function, names, given, assume=assume)


def names_file(text: str) -> bool:
    """Whether a target is a file, existing or not, rather than a formula.

    A formula has no colon. So `model.py`, `modle.py:loss`, `folder/model:loss`, and any other text with a colon between
    a path and a name, are files.
    """
    path, colon, name = text.rpartition(":")
    if not colon:
        return text.endswith(".py") and _PATH.fullmatch(text) is not None
    if path.endswith(".py") or os.path.exists(path):
        return True
    return _PATH.fullmatch(path) is not None and re.fullmatch(r"[\w.]*", name) is not None


def _formula(text: str, wrt: Sequence[str] | None, shapes: Mapping[str, ShapeTree]) -> Target:
    word = text.strip()
    if not word or (re.fullmatch(r"\w*", word) and len(formula_variables(word)) < 2):
        if word in GALLERY:
            raise CommandError(f"{word!r} is a single name; the gallery has it as gallery:{word}")
        raise CommandError(
            f"{word!r} is a single name; give FILE.py:FUNC, gallery:NAME, or a formula such as 'sum((X @ w - y)^2)'"
            if word
            else "the formula is empty; write one, as in 'sum((X @ w - y)^2)'"
        )
    for name, shape in shapes.items():
        if not isinstance(shape, str):
            raise CommandError(
                f"--shape of {name} is a {type(shape).__name__}, and a variable of a formula is one array"
            )
    return Target(text, text, wrt, shapes)


def _entry(name: str, wrt: Sequence[str] | None, shapes: Mapping[str, ShapeTree]) -> Target:
    found = GALLERY.get(name)
    if found is None:
        raise CommandError(
            f"the gallery has no {name!r}; `chainrule gallery` lists what there is{suggestion(name, GALLERY)}"
        )
    _check_parameters(found.function, name, wrt, shapes)
    return Target(name, found.function, wrt or found.wrt, shapes)


def parse_shapes(texts: Sequence[str]) -> dict[str, ShapeTree]:
    """Parse `"X: n d, W1: d h"` to `{"X": "n d", "W1": "d h"}`; raise CommandError for invalid text.

    Lists and dicts of arrays are written with semicolons in brackets: `"Ws: [d h; h o], params: {W1: d h; b1: h}"`.
    """
    shapes: dict[str, ShapeTree] = {}
    for text in texts:
        for part in _parts(text):
            match = re.fullmatch(r"\s*(\w+)\s*[:=]\s*(.*?)[\s,;]*", part)
            if match is None:
                raise CommandError(f'--shape {part.strip()!r} is not a name and sizes, as in "X: n d, W1: d h"')
            name, sizes = match.groups()
            several = split_list(sizes)
            try:
                for entry in shapes_in(sizes if several is None else several):
                    parse_type(entry)
            except ShapeError as error:
                raise CommandError(f"--shape of {name}: {error}") from None
            if name in shapes:
                raise CommandError(f"--shape gives {name} twice; give it once")
            shapes[name] = sizes if several is None else several
    return shapes


def _parts(text: str) -> Iterator[str]:
    """Yield the parts of a text of shapes, each a name and its sizes; a mark in brackets parts nothing."""
    depth, start = 0, 0
    for place, character in enumerate(text):
        depth += (character in "[{(") - (character in "]})")
        if character in ",;" and not depth and re.match(r"\s*\w+\s*[:=]", text[place + 1 :]):
            yield text[start:place]
            start = place + 1
    if text[start:].strip():
        yield text[start:]


def _names(wrt: str | None) -> list[str] | None:
    if wrt is None:
        return None
    names = [name for name in re.split(r"[\s,]+", wrt) if name]
    if not names:
        raise CommandError("--wrt names nothing; give parameters, as in --wrt W1,b1")
    return names


def _check_parameters(
    function: Callable[..., Any], title: str, wrt: Sequence[str] | None, shapes: Mapping[str, ShapeTree]
) -> None:
    """Raise CommandError for a name that is not a parameter of the function, and for a parameter without a shape."""
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
                    f"{suggestion(name, parameters)}"
                )
    for name, parameter in parameters.items():
        if name not in shapes and parameter.default is parameter.empty and parameter.annotation is parameter.empty:
            raise CommandError(
                f'the shape of {name!r}, a parameter of {title}, is missing; give it, as in --shape "{name}: n d"'
            )
