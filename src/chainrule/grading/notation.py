r"""Equations in LaTeX, and several in a line, as those of plain text.

`\frac{\partial L}{\partial W_2} = \delta_2 a_1^T` becomes `∂L/∂W2 = δ2 a1ᵀ`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "eta": "η",
    "theta": "θ", "lambda": "λ", "mu": "μ", "sigma": "σ", "phi": "φ", "varphi": "φ", "psi": "ψ", "Delta": "Δ",
    "partial": "∂", "nabla": "∇", "odot": "⊙", "circ": "⊙", "cdot": "·", "times": "·", "ast": "*", "prime": "'",
    "top": "T", "intercal": "T", "leq": "<=", "geq": ">=", "le": "<=", "ge": ">=", "quad": " ", "qquad": " ",
}  # fmt: skip
_SKIPPED = re.compile(
    r"\\(?:left|right|[Bb]igg?[lr]?|displaystyle|,|;|!|:|\[|\]|\(|\)|begin\{\w+\*?\}|end\{\w+\*?\})|[$&]"
)
_FONTS = re.compile(r"\\(?:mathbf|mathrm|mathsf|mathbb|mathcal|boldsymbol|bm|text|operatorname)\s*\{([^{}]*)\}")
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_PARTIALS = re.compile(r"∂\s*(\w+)\s*/\s*∂\s*(\w+)")
_NEXT = re.compile(r"[;,]\s*(?=[∂δΔ∇\w\\][\w/∂.{}\\^ ]*\s*[-+]?=[^=])|\\\\")


def equations_in(line: str) -> Iterator[str]:
    r"""Yield the equations of a line, which semicolons, commas or `\\` part, as plain text.

    >>> list(equations_in("d2 = a2 - y; dW2 = a1' d2"))
    ['d2 = a2 - y', "dW2 = a1' d2"]
    >>> list(equations_in(r"\frac{\partial L}{\partial W_{2}} &= \delta^{(2)} (a^{[1]})^T \\\\"))
    ['∂L/∂W2 = δ2 (a1)ᵀ']
    """
    for part in _parts(line):
        text = _plain(part) if "\\" in part or "{" in part or "^" in part else part
        if text.strip():
            yield text.strip()


def _parts(line: str) -> Iterator[str]:
    start = 0
    for mark in _NEXT.finditer(line):
        before = line[start : mark.start()]
        if all(before.count(a) == before.count(b) for a, b in ("()", "{}", "[]")):
            yield before
            start = mark.end()
    yield line[start:]


def _plain(text: str) -> str:
    """Convert LaTeX to the notation of plain text."""
    text = _SKIPPED.sub("", text)
    while _FONTS.search(text):
        text = _FONTS.sub(r"\1", text)
    text = re.sub(r"\\([A-Za-z]+)", lambda m: _LETTERS.get(m[1], m[0] if m[1].endswith("frac") else m[1]), text)
    text = re.sub(r"_\s*\{([^{}]*)\}", lambda m: _index(m[1]), text)
    text = re.sub(r"(?<=\w)_(\d)", r"\1", text)
    text = re.sub(r"\^\s*(?:\{\s*[T⊤]\s*\}|[T⊤](?!\w))", "ᵀ", text)
    text = re.sub(r"\^\s*\{?\s*'\s*\}?", "'", text)
    text = re.sub(r"(?<=\w)\^\s*\{?\s*[(\[]\s*(\w+)\s*[)\]]\s*\}?", r"\1", text)
    while _FRACTION.search(text):
        text = _FRACTION.sub(_quotient, text)
    text = _PARTIALS.sub(r"∂\1/∂\2", text)
    text = re.sub(r"\^\s*\{([^{}]*)\}", r"^(\1)", text).replace("{", "(").replace("}", ")")
    return " ".join(text.split())


def _index(text: str) -> str:
    plain = text.replace(",", "").replace(" ", "")
    return plain if plain.isdigit() else f"_{plain}"


def _quotient(found: re.Match[str]) -> str:
    above, below = found[1].strip(), found[2].strip()
    is_partial = above.startswith("∂") and below.startswith("∂")
    return f"{above}/{below}" if is_partial else f"(({above})/({below}))"
