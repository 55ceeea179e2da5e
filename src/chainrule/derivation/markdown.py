r"""A derivation as Markdown with formulas in LaTeX, in either of two dialects.

GitHub's own, ` ```math ` for displays and ``$`…`$`` in a line, keeps its Markdown parser away from what is between; it
forbids `\operatorname`, and begins a formula only after a space. The other, with dollars alone, is what Jupyter, pandoc
and most editors read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from chainrule.derivation.document import Block, Box, Document, Equation, Heading, Paragraph, Remark, Words
from chainrule.derivation.latex import LatexWriter, aligned_lines, escape, estimated_width, shape_in_latex

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")
_GAP = r" &&\quad "


class MarkdownWriter(LatexWriter):
    """LaTeX of the commands that GitHub allows."""

    operator_command = r"\mathrm"
    every_letter = True


def render_markdown(document: Document, verdict: str = "", github: bool = True) -> str:
    """The document as Markdown; `verdict`, a sentence, stands below a rule at its end."""
    parts = _Page(document.language, github).parts(document.blocks)
    if verdict:
        parts += ["---", _SPECIAL.sub(r"\\\1", verdict)]
    return "\n\n".join(parts) + "\n"


class _Page:
    """Writes blocks, one display of equations for each run without reasons."""

    def __init__(self, language: str, github: bool) -> None:
        self._writer = MarkdownWriter(language)
        self._inline = MarkdownWriter(language, inline=True)
        self._github = github

    def parts(self, blocks: Sequence[Block]) -> list[str]:
        """What stands between blank lines."""
        parts: list[str] = []
        rows: list[str] = []
        for place, block in enumerate(blocks):
            if isinstance(block, Equation):
                rows.append(self._row(block))
                after = blocks[place + 1] if place + 1 < len(blocks) else None
                if block.reasons or not isinstance(after, Equation):
                    parts.append(self._display(rows))
                    rows = []
                if block.reasons:
                    parts.append("\n>\n".join("> " + self._sentence(reason) for reason in block.reasons))
            elif isinstance(block, Box):
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
        """An equation on its lines, with its shape in a column at the right."""
        shape = (shape_in_latex(equation.shape).strip("$") or rf"\text{{{escape(equation.shape)}}}") + " "
        first, *others = aligned_lines(self._writer, equation, estimated_width(shape))
        tail = f"{_GAP}\\scriptstyle {shape.strip()}" if equation.shape else ""
        return " \\\\\n".join((first + tail, *others))

    def _sentence(self, words: Words) -> str:
        result = ""
        for part in words:
            if isinstance(part, str) and not (shape := shape_in_latex(part)):
                text = _SPECIAL.sub(r"\\\1", part)
                result += " " + text if self._github and result.endswith("`$") and text[0].isalnum() else text
                continue
            mathematics = shape.strip("$") if isinstance(part, str) else self._inline.write(part)
            if self._github:
                joint = " " if result and not result[-1].isspace() else ""
                result += f"{joint}$`{mathematics}`$"
            else:
                result += f"${mathematics}$"
        return result
