r"""A derivation as Markdown with formulas in LaTeX, in one of two dialects.

GitHub's dialect, ` ```math ` for displays and ``$`…`$`` inline, protects formulas from the Markdown parser; it does not
support `\operatorname`, and a formula must follow a space. The other dialect, with dollar signs, is that of Jupyter,
pandoc and most editors.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.derivation.document import Block, Document, Equation, Frame, Heading, Paragraph, Remark, Words, displays
from chainrule.derivation.latex import LatexWriter, aligned_lines, escape, shape_in_latex, shape_width

_SPECIAL = str.maketrans({character: "\\" + character for character in "\\`*_{}[]<>#|~$"})
_GAP = r" &&\quad "


class MarkdownWriter(LatexWriter):
    """Writes LaTeX with the commands that GitHub supports."""

    operator_command = r"\mathrm"
    every_letter = True


def render_markdown(document: Document, verdict: str = "", github: bool = True) -> str:
    """Render the document as Markdown; `verdict`, a sentence, is below a rule at its end."""
    parts = _Page(document.language, github).parts(document.blocks)
    if verdict:
        parts += ["---", verdict.translate(_SPECIAL)]
    return "\n\n".join(parts) + "\n"


class _Page:
    """Writes blocks, one display of equations for each run without reasons."""

    def __init__(self, language: str, github: bool) -> None:
        self._writer = MarkdownWriter(language)
        self._inline = MarkdownWriter(language, inline=True)
        self._github = github

    def parts(self, blocks: Sequence[Block]) -> list[str]:
        """Return the blocks that are separated by blank lines."""
        parts: list[str] = []
        for block in displays(blocks):
            if isinstance(block, tuple):
                parts.append(self._display([self._row(equation) for equation in block]))
                reasons = ["> " + self._sentence(reason) for reason in block[-1].reasons]
                parts += ["\n>\n".join(reasons)] if reasons else []
            elif isinstance(block, Frame):
                parts += self.parts(block.blocks)
            else:
                parts.append(self._words_block(block))
        return parts

    def _words_block(self, block: Heading | Paragraph | Remark) -> str:
        sentence = self._sentence(block.words)
        if isinstance(block, Heading):
            return f"{'#' * block.level} {sentence}"
        if isinstance(block, Remark):
            return ("> [!NOTE]\n> " if self._github else "> ") + sentence
        return sentence

    def _display(self, rows: Sequence[str]) -> str:
        opening, closing = ("```math", "```") if self._github else ("$$", "$$")
        lines = " \\\\\n".join(rows)
        return f"{opening}\n\\begin{{aligned}}\n{lines}\n\\end{{aligned}}\n{closing}"

    def _row(self, equation: Equation) -> str:
        """Return an equation on its lines, with its shape in a column at the right."""
        shape = shape_in_latex(equation.shape) or rf"\text{{{escape(equation.shape)}}}"
        first, *others = aligned_lines(self._writer, equation, shape_width(equation.shape))
        tail = f"{_GAP}\\scriptstyle {shape}" if equation.shape else ""
        return " \\\\\n".join((first + tail, *others))

    def _sentence(self, words: Words) -> str:
        """Return text and formulas; GitHub recognizes a formula only between spaces."""
        result, spaced, formula = "", True, False
        for part in words:
            text = shape_in_latex(part) if isinstance(part, str) else self._inline.write(part)
            if text:
                joint = " " if self._github and not spaced else ""
                result += joint + (f"$`{text}`$" if self._github else f"${text}$")
                spaced, formula = False, True
            else:
                text = str(part)
                joint = " " if self._github and formula and text[:1].isalnum() else ""
                result += joint + text.translate(_SPECIAL)
                spaced, formula = not text or text[-1].isspace(), False
        return result
