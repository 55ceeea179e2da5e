"""Help pages in the language in use, wrapped by the width of the letters.

The text of a command is its docstring, that of an option stands where the option is defined; the catalogue has their
translations, those of docstrings by paragraph.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable

import click

from chainrule.cli.sentences import say
from chainrule.words import padded, spoken, translated, width_of, wrapped

_WIDEST_TERM = 30
_GAP = 2


def in_use(text: str) -> str:
    """Return a text in the language in use."""
    return translated(text, spoken())


class Formatter(click.HelpFormatter):
    """Writes help with wide letters counted as two columns."""

    def write_heading(self, heading: str) -> None:
        """Write the title of a section."""
        self.write(" " * self.current_indent + say(spoken(), "section", title=in_use(heading)) + "\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how the command is called."""
        head = f"{prefix or say(spoken(), 'usage')}{prog} "
        lines = wrapped(args, self.width - width_of(head))
        self._write_lines(lines, " " * width_of(head), head)

    def write_text(self, text: str) -> None:
        """Write paragraphs."""
        indent = " " * self.current_indent
        for number, paragraph in enumerate(text.split("\n\n")):
            if number:
                self.write("\n")
            self._write_lines(wrapped(" ".join(paragraph.split()), self.width - self.current_indent), indent, indent)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = _WIDEST_TERM, col_spacing: int = _GAP) -> None:
        """Write terms and what they mean, in two columns."""
        rows = list(rows)
        column = min(max(width_of(term) for term, _ in rows), col_max) + col_spacing
        indent = " " * self.current_indent
        for term, meaning in rows:
            lines = _lines(meaning, max(self.width - column - 2, 10))
            if lines and width_of(term) <= column - col_spacing:
                first = indent + padded(term, column)
            else:
                self.write(f"{indent}{term}\n")
                first = indent + " " * column
            if lines:
                self._write_lines(lines, indent + " " * column, first)

    def _write_lines(self, lines: Iterable[str], indent: str, first: str) -> None:
        for number, line in enumerate(lines):
            self.write(f"{indent if number else first}{line}".rstrip() + "\n")


def _lines(meaning: str, width: int) -> list[str]:
    """Wrap what a term means; what stands in brackets after it, such as a default, is not divided."""
    said, gap, added = meaning.partition("  [")
    lines = wrapped(said, width) if said else []
    if gap and lines and width_of(lines[-1] + gap + added) <= width:
        return [*lines[:-1], lines[-1] + gap + added]
    return [*lines, *wrapped(f"[{added}", width)] if gap else lines


class Context(click.Context):
    """The context of a command, which formats help by `Formatter`."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose help is in the language in use."""

    context_class = Context

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the parts of the usage line."""
        return list(map(in_use, super().collect_usage_pieces(ctx)))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the description, each paragraph translated by itself."""
        paragraphs = [" ".join(each.split()) for each in inspect.cleandoc(self.help or "").split("\n\n")]
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text("\n\n".join(map(in_use, paragraphs)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        options = [option for option in self.get_params(ctx) if isinstance(option, click.Option)]
        records = [(option, option.get_help_record(ctx)) for option in options]
        with formatter.section("Options"):
            formatter.write_dl([_in_use(option, *record) for option, record in records if record is not None])


def _in_use(option: click.Option, names: str, text: str) -> tuple[str, str]:
    """Return the entry of an option: its names with the kind of its value, and its help with what click adds."""
    name, space, kind = names.partition(" ") if "," not in names else (names, "", "")
    said = option.help or ""
    added = text.removeprefix(said).strip().removeprefix("[").removesuffix("]")
    notes = say(spoken(), "between notes").join(in_use(each) for each in added.split("; ") if each)
    entry = [in_use(said), f"[{notes}]" if notes else ""]
    return f"{name}{space}{in_use(kind)}", "  ".join(filter(None, entry))
