r"""Questions in front of a formula: `d/dx sin(x)`, `\nabla_W f`, `\frac{\partial}{\partial x}`, `∂²/∂x²`, `\min_w f`.

Where a minimum is sought, the gradient of the objective is asked for.

The rest of the text is the formula; it keeps its places, so that errors point into what was written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from chainrule.trace.formula.words import canonical_name

_NAME = r"(?:\\math(?:bf|rm)\s*\{\s*\w+\s*\}|\\?[^\W\d_][^\W_²]*)(?:_\{?\w+\}?)?"
_PARTIAL = r"(?:\\partial|∂)"
_D = rf"(?:{_PARTIAL}|\\mathrm\s*\{{\s*d\s*\}}|\\mathrm\s+d|d)"
_TWICE = r"(?:\s*(?:\^\s*\{?\s*2\s*\}?|²))?"
_TURNED = r"(?:\s*(?:\^\s*\{?\s*(?:\\top|T)\s*\}?|ᵀ))?"
_OF = r"(?:\s*(?:\\mathcal\s*\{?\s*L\s*\}?|\\ell|[A-Za-zℓ]))?"
_ABOVE = rf"{_D}(?P<twice>{_TWICE}){_OF}"
_BELOW = rf"{_D}\s*(?P<name>{_NAME}){_TWICE}{_TURNED}(?:\s*{_PARTIAL}\s*(?P<second>{_NAME}){_TURNED})?"
_START = r"(?=\s*[\w(\[{\\|‖√∑Σ⟨½-])(?<!\w(?=\w))"
_ARG = r"(?:arg\s*\\?,?\s*(?:min|max))"
_EXTREMUM = rf"(?:\\?{_ARG}|\\?(?:min|max)(?:imi[sz]e)?|\\operatorname\*?\s*\{{\s*{_ARG}\s*\}})"
_INDEX = r"[ijkt]\b"
"""Letters that are indices below a maximum, as in max_i x_i, which is a value and not a problem."""
_OVER = rf"\{{?\s*(?P<name>(?!{_INDEX}){_NAME})(?:\s*,\s*(?P<also>{_NAME}))?(?P<twice>)\s*\}}?"
_FORMS = (
    re.compile(rf"{_EXTREMUM}(?:\\limits)?\s*_\s*{_OVER}{_START}"),
    re.compile(rf"{_ABOVE}\s*/\s*{_BELOW}{_START}"),
    re.compile(rf"\\[dt]?frac\s*\{{\s*{_ABOVE}\s*\}}\s*\{{\s*{_BELOW}\s*\}}{_START}"),
    re.compile(rf"(?:\\nabla|∇)(?P<twice>{_TWICE})(?:\s*_\s*\{{?\s*(?P<name>{_NAME})\s*\}}?)?{_START}"),
)
_LONGEST = 256
"""Characters of the longest question: what follows would only be gone through again from every blank."""


@dataclass(frozen=True)
class Question:
    """What is asked of a formula: the derivative of `order`, by the variables named (by all, if there
    are none), of the text that is left.
    """

    variables: tuple[str, ...]
    order: int
    formula: str


def question_of(text: str) -> Question | None:
    r"""Return the question in front of a formula, or None if there is none.

    >>> question_of("d/dx sin(x)")
    Question(variables=('x',), order=1, formula='     sin(x)')
    >>> question_of("sin(x)") is None
    True
    """
    start = len(text) - len(text.lstrip().lstrip("$").lstrip())
    for form in _FORMS:
        match = form.match(text, start, start + _LONGEST)
        if match is None:
            continue
        found = match.groupdict()
        names = [found["name"], found.get("second"), found.get("also")]
        asked = tuple(dict.fromkeys(_plain(name) for name in names if name))
        order = 2 if found["twice"] or found.get("second") else 1
        return Question(asked, order, " " * match.end() + text[match.end() :])
    return None


def _plain(name: str) -> str:
    """Return a name as the formula has it, without the marks of LaTeX."""
    name = re.sub(r"\\math(?:bf|rm)", "", name)
    return canonical_name(re.sub(r"[\\{}\s]", "", name))
