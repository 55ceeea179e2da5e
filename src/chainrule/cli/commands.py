"""The command `chainrule`: its subcommands and their exit status.

A subcommand's module is imported when it is called, so that `--help` and `--version` import none.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NoReturn, TextIO

import click

from chainrule.cli.errors import USAGE, CommandError, one_line
from chainrule.cli.help import Command, in_use
from chainrule.cli.sentences import default_language, message_language_option, say
from chainrule.interrupts import INTERRUPTED
from chainrule.trace import FormulaError
from chainrule.words import LANGUAGES, ChainruleError, Language, LanguageError, speaking, spoken

COMMANDS = {
    "demo": "Run the XOR demo: derive, verify, train, predict. The default command.",
    "derive": "Print the backward pass of a function, line by line, and verify each line.",
    "emit": "Write the forward and the backward pass as source: NumPy, PyTorch, JAX, C, JavaScript.",
    "grade": "Check a hand-written backward pass, and name the first wrong line.",
    "explore": "Make a page in which the backward pass is alive, with numbers in every line.",
    "gallery": "List the networks, layers and losses that `derive gallery:NAME` derives.",
    "train": "Train a network on a table, and report its scores.",
    "predict": "Predict with a model saved by `chainrule train`.",
    "inspect": "Describe a model: its training data, network and scores.",
    "export": "Write a model as ONNX, C, NumPy or PyTorch, to run without this package.",
}

_SPECIMEN = "∂σᵀ⊙δ数"


class App(Command, click.Group):
    """A group that loads its commands lazily and reports every mistake in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"chainrule.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            raise click.UsageError(f"there is no command {args[0]!r}; there are {', '.join(COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, in_use(what)) for name, what in COMMANDS.items()])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Options without a command belong to the demo, apart from the language, which any command may follow.
        own = 2 if args[:1] == ["--lang"] else 1 if args and args[0].startswith("--lang=") else 0
        rest = args[own:]
        if not rest or (rest[0].startswith("-") and rest[0] not in ("--help", "-h", "--version")):
            args = [*args[:own], "demo", *rest]
        return super().parse_args(ctx, args)

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:
        """Run a command and exit: 0, 2 for a user error, 130 after Ctrl-C, or the command's status.

        Help and errors are in the language of `--lang`, wherever it stands, else in that of the environment.
        """
        language = _language(sys.argv[1:] if args is None else args)
        with nullcontext() if language is None else speaking(language):
            return self._main(args, *others, **options)

    def _main(self, *args: Any, **options: Any) -> Any:
        try:
            status = super().main(*args, **{**options, "standalone_mode": False})
            sys.stdout.flush()
        except FormulaError as error:
            _fail(error.in_language("en"), error.excerpt)
        except ChainruleError as error:
            _fail(error.in_language("en"))
        except CommandError as error:
            _fail(str(error))
        except click.ClickException as error:
            _fail(error.format_message())
        except (click.Abort, KeyboardInterrupt):
            click.echo(say(spoken(), "interrupted"), err=True)
            sys.exit(INTERRUPTED)
        except MemoryError:
            _fail("there is not enough memory for this; give fewer rows or smaller sizes")
        except RecursionError:
            _fail("an expression is nested too deeply; give names to its parts, or use fewer rounds of a loop")
        except OSError as error:  # errors on files are handled where they are opened
            _abandon_output()
            _fail(f"the output cannot be written: {error.strerror or error}")
        sys.exit(status if isinstance(status, int) else 0)


def _language(args: Sequence[str]) -> Language | None:
    """Return the language of help and errors; None if what names it names none that there is."""
    named = [args[k + 1] for k, arg in enumerate(args[:-1]) if arg == "--lang"]
    named += [arg.removeprefix("--lang=") for arg in args if arg.startswith("--lang=")]
    try:
        return next((language for language in LANGUAGES if language in named), None) or default_language()
    except LanguageError:
        return None


def _abandon_output() -> None:
    """Discard the buffer of standard output, which would fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, excerpt: str = "") -> NoReturn:
    """Exit with one line, a message in English shown in the language in use, and an excerpt of a formula."""
    click.echo(say(spoken(), "error", message=one_line(in_use(message))), err=True)
    for line in excerpt.splitlines():
        click.echo(f"  {line}", err=True)
    sys.exit(USAGE)


@click.group(cls=App, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chainrule", message="%(package)s %(version)s")
@message_language_option
def app() -> None:
    """Write the forward pass; get the backward pass, derived, checked and compiled.

    Without a command, the XOR demo runs; its options (chainrule demo --help) can follow directly.
    """


def main() -> None:
    """Run the command line."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # exit quietly when the reader closes the pipe
    sys.stdout = sys.stdout or _nowhere()  # None if the shell has closed it
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            _prepare(stream)
    app.main(prog_name="chainrule")


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")


def _prepare(stream: io.TextIOWrapper) -> None:
    """If `stream` cannot encode the output, use UTF-8 for files and pipes, escapes for a terminal."""
    try:
        _SPECIMEN.encode(stream.encoding)
    except UnicodeEncodeError:
        if not stream.isatty():
            stream.reconfigure(encoding="utf-8")
    stream.reconfigure(errors="backslashreplace")
