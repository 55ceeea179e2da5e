"""Markdown: GitHub's dialect and the one with dollars, escaped text, no command that GitHub forbids."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.gallery_samples import derived

from chainrule.derivation.document import Document, Equation, Frame, Heading, Paragraph, Remark
from chainrule.derivation.markdown import MarkdownWriter, render_markdown
from chainrule.primitives import Call, Symbol, infix

a, b = Symbol("a"), Symbol("b")
BLOCKS = (
    Heading(("Pass of ", Symbol("L")), 1),
    Paragraph(("a_b * <c> of ", a, "和", b, "，length ", "n")),
    Equation((a, infix("+", a, b)), "n×d", (("because ", a), ("also",))),
    Remark(("sharper",)),
    Frame((Equation((b, a)),)),
)

GITHUB = r"""# Pass of $`L`$

a\_b \* \<c\> of $`a`$ 和 $`b`$，length $`n`$

```math
\begin{aligned}
a &= a + b &&\quad \scriptstyle n \times d
\end{aligned}
```

> because $`a`$
>
> also

> [!NOTE]
> sharper

```math
\begin{aligned}
b &= a
\end{aligned}
```

---

Verified\_.
"""


def test_githubs_dialect() -> None:
    assert render_markdown(Document(BLOCKS, "zh"), "Verified_.") == GITHUB


def test_dollars_alone() -> None:
    written = render_markdown(Document(BLOCKS, "zh"), github=False)
    assert "# Pass of $L$\n" in written
    assert "of $a$和$b$，length $n$\n" in written
    assert "$$\n\\begin{aligned}\nb &= a\n\\end{aligned}\n$$" in written
    assert "`" not in written
    assert "[!NOTE]" not in written


def test_function_names_use_what_github_allows() -> None:
    assert MarkdownWriter().write(Call("relu", (a,))) == r"\mathrm{relu}(a)"


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("form", ["matrix", "path", "index"])
@pytest.mark.parametrize("name", ["two_layer_rows", "layer_norm", "attention", "focal_loss", "huber"])
def test_the_gallery(name: str, form: Any, lang: Any) -> None:
    derivation = derived(name)
    written = derivation.markdown(form, lang)
    assert "operatorname" not in written
    assert r"\tag" not in written
    assert written.count("```math\n\\begin{aligned}\n") == written.count("\n\\end{aligned}\n```")
    assert written.count("```") == 2 * written.count("```math")
    outside = re.sub(r"```math\n.*?\n```", "", written, flags=re.DOTALL)
    assert outside.count("$`") == outside.count("`$")
    assert not re.search(r"[^\s]\$`", outside), "GitHub begins a formula after a space only"
    assert not re.search(r"`\$\w", outside)
    prose = re.sub(r"\$`.*?`\$", "", outside)
    assert "$" not in prose
    assert "\\" not in re.sub(r"\\[\\`*_{}\[\]<>#|~$]", "", prose)
    for display in re.findall(r"```math\n(.*?)\n```", written, flags=re.DOTALL):
        assert "\n\n" not in display
        assert display.count("{") == display.count("}")
