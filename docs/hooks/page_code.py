"""The code blocks of a page, which the site and the tests execute in the same way.

- A `python` block is executed, with those before it on the page, in one namespace.
- A `python show` block also displays its printed text and the value of its last expression when the site is built.
- A `text` block after a block of code has what that prints; `…` stands for anything.
- A block with a `title` is a file of that name, which the following blocks find in the working folder.
- An `sh` block is a list of commands; those of `chainrule` are executed.
"""

from __future__ import annotations

import ast
import contextlib
import io
import linecache
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FENCE = re.compile(
    r"^(?P<indent>[ ]*)```(?P<language>\w+)[ ]*(?P<options>[^\n]*)\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `start` and `end` are its position in the text, `line` is its first line of code."""

    language: str
    options: Mapping[str, str]
    code: str
    indent: str
    line: int
    start: int
    end: int

    @property
    def title(self) -> str | None:
        """The name of the file whose content this is."""
        return self.options.get("title")

    @property
    def is_executed(self) -> bool:
        return self.language == "python" and self.title is None

    @property
    def is_shown(self) -> bool:
        return "show" in self.options


def blocks_of(text: str) -> list[Block]:
    r"""Return the fenced blocks that name a language.

    >>> [block] = blocks_of('```python show="forward"\n1 + 1\n```')
    >>> block.language, dict(block.options), block.code.strip()
    ('python', {'show': 'forward'}, '1 + 1')
    """
    found = []
    for match in _FENCE.finditer(text):
        indent = match["indent"]
        code = "".join(line.removeprefix(indent) for line in match["code"].splitlines(keepends=True))
        line = text.count("\n", 0, match.start("code")) + 1
        found.append(
            Block(match["language"], _options(match["options"]), code, indent, line, match.start(), match.end())
        )
    return found


def _options(text: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in shlex.split(text))
    return {name: value for name, _, value in pairs}


@dataclass
class Namespace:
    """The state of a page: its variables, in which blocks are executed in order."""

    page: str
    variables: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self, block: Block) -> tuple[str, object]:
        """Execute a block of Python; return what it prints, and the value of its last expression."""
        name = f"<{self.page}, line {block.line}>"
        linecache.cache[name] = (len(block.code), None, block.code.splitlines(keepends=True), name)
        body = ast.parse(block.code, name).body
        last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
        printed = io.StringIO()
        value = None
        with contextlib.redirect_stdout(printed):
            exec(compile(ast.Module(body, []), name, "exec", dont_inherit=True), self.variables)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), name, "eval", dont_inherit=True), self.variables)
        return printed.getvalue(), value


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is what a page shows, in which `…` stands for any text.

    >>> matches("loss …", "loss 0.25"), matches("loss", "loss 0.25")
    (True, False)
    """
    pattern = ".*?".join(map(re.escape, _stripped(expected).split("…")))
    return re.fullmatch(pattern, _stripped(printed), re.S) is not None


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


@dataclass(frozen=True)
class Outcome:
    """What a block printed, and the block of text that shows it, if there is one; `value` is its last expression's."""

    block: Block
    printed: str
    shown: Block | None
    value: object = None

    @property
    def is_as_shown(self) -> bool:
        return self.shown is None or matches(self.shown.code, self.printed)


def execute(page: str, text: str, folder: Path, command: Callable[[Sequence[str]], str]) -> Iterator[Outcome]:
    """Execute all blocks of a page, the files of which are written to `folder`, the working folder.

    `command` executes the arguments of a command `chainrule`, and returns what it prints.
    """
    namespace = Namespace(page)
    blocks = blocks_of(text)
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        shown = following if following is not None and following.language == "text" and not following.title else None
        if block.title is not None:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            printed, value = namespace.run(block)
            yield Outcome(block, printed, shown, value)
        elif block.language == "sh":
            results = [command(words[1:]) for words in commands_of(block.code) if words[0] == "chainrule"]
            if results:
                yield Outcome(block, "".join(results), shown)


def commands_of(script: str) -> list[list[str]]:
    r"""Return the words of each command of a script.

    >>> commands_of("chainrule derive \\\n  'x^2'  # a comment")
    [['chainrule', 'derive', 'x^2']]
    """
    lines = script.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]
