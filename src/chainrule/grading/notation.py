r"""Equations as papers, lecture notes and pages print them, as lines of plain text.

`\frac{\partial L}{\partial W_2} = \delta_2 a_1^T` becomes `∂L/∂W2 = δ2 a1ᵀ`. A component `a_{1,ij}` becomes `a1_ij`,
the value of a sample, `a_1^{(i)}`, `a1_of_i`, and `\sum_{i=1}^n x` becomes `over_i_to_n(x)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from chainrule.grading.instruments import GradeError

_LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "eta": "η",
    "theta": "θ", "vartheta": "θ", "lambda": "λ", "mu": "μ", "sigma": "σ", "phi": "φ", "varphi": "φ", "psi": "ψ",
    "Delta": "Δ", "ell": "ℓ", "top": "T", "intercal": "T",
}  # fmt: skip
_SIGNS = {
    "odot": "⊙", "circ": "⊙", "cdot": "·", "times": "·", "ast": "*", "prime": "'", "leq": "<=", "geq": ">=", "le": "<=",
    "ge": ">=", "lt": "<", "gt": ">", "quad": " ", "qquad": " ", "partial": "∂", "nabla": "∇", "sum": "∑",
    "leftarrow": "=", "gets": "=", "coloneqq": "=", "triangleq": "=", "equiv": "=", "div": "/", "lbrace": "(",
    "rbrace": ")", "mid": "", "therefore": "", "Rightarrow": "", "implies": "", "lbrack": "(", "rbrack": ")",
}  # fmt: skip
_SKIPPED = re.compile(
    r"\\(?:left|right|[Bb]igg?[lrm]?|displaystyle|textstyle|limits|nolimits|nonumber|notag|,|;|!|:|\[|\]|\(|\)|"
    r"(?:tag|label)\*?\{[^{}]*\}|begin\{\w+\*?\}(?:\[\w\])?|end\{\w+\*?\})(?![A-Za-z])|[$&]|\\ "
)
_FONT = r"\\(?:mathbf|mathrm|mathsf|mathit|mathbb|mathcal|mathtt|boldsymbol|bm|text|textbf|textrm|operatorname\*?|vec)"
_FONTS = re.compile(_FONT + r"\s*(?:\{([^{}]*)\}|(\\?[A-Za-z]+(?![A-Za-z])|\d))")
_ACCENTS = re.compile(r"\\(?:wide)?(?:hat|tilde|bar|overline)\s*(?:\{([^{}]*)\}|([A-Za-z]))")
_NEXT = re.compile(
    r"(?:[;,.]\s*(?:\\q?quad|and\b|\\text\{\s*and\s*\})?|\\q?quad|\\Rightarrow|\\implies|⇒|\s{4,})\s*"
    r"(?=(?!\\q?quad)[∂δΔ∇dD\w\\][\w/∂.{}\\^\[\]() ]*\s*[-+:]?=[^=])|\\\\(?:\[[\w.]+\])?|;\s*$"
)
_NUMBERED = re.compile(r"^\s*(?:\(?\d{1,2}[.)]|[-•*])\s+|\s{2,}\(\w{1,5}(?:\.\w{1,4})*\)\s*$|[.,;]\s*$")
_BELOW = dict(zip("ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₀₁₂₃₄₅₆₇₈₉₌₋₊,", "aehijklmnoprstuvx0123456789=-+,", strict=True))
_ABOVE = dict(zip("⁽⁾ⁱʲᵏˡᵐⁿᵖᵗ⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᴸᴺᴹ", "()ijklmnpt0123456789-+LNM", strict=True))
_LETTERS_BELOW = re.compile(r"[₀-₉]*[ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ][ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₀-₉₌₋₊]*")
_LETTERS_ABOVE = re.compile(r"⁽[^⁽⁾]+⁾|[ʲᵏˡⁿᵐᴸᴺᴹⁱ]+")
_SCRIPTED = re.compile(r"[\\{}^$∑Σ←≔∇]|sum_|[ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ⁽ⁱʲˡ𝟙]")
_NAME = re.compile(r"[^\W\dᵀ⊤][^\Wᵀ⊤]*")
_TEX_NAME = re.compile(r"[^\W\d_ᵀ⊤∂∇][^\W_ᵀ⊤]*")
_LOSS = re.compile(
    r"\s*([LJCEFℓℒ](?:_?[a-z]\b)?|loss|cost)(?![\w'(]|\s*/)(\s*)|\s*([LJCEFℓℒ](?:_[a-z])?|loss|cost)\s*\("
)
_OCR = re.compile(r"(?<=[A-Za-zα-ω])\[(\d)\](\s?T(?!\w))?")
_OF_BRACKET = re.compile(r"\(\s*(\\?\w+|[∂d]\w*\s*/\s*[∂d]\w+)\s*\)\s*_")
_ONES = re.compile(r"(?<![\w.])1(?:_[a-zN])?(?:ᵀ|\.T|['′])\s*[*@·]?\s*(?:(\w+)|(?=\())")
_ONES_AFTER = re.compile(r"(?<=[\wᵀ'′)])\s*(?:[\s*@·]\s*1_[a-zN](?![\w.(^])|[\s@]\s*1(?![\w.(^]|\s*/))")
_FRACTION_BEFORE = re.compile(r"(?<![\w).])(\d+)\s*/\s*(\w+)(?=\s+[\w(∂∑Σ\\])")


def equations_in(line: str) -> Iterator[str]:
    r"""Yield the equations of a line, which semicolons, commas or `\\` part, as plain text.

    >>> list(equations_in("d2 = a2 - y; dW2 = a1' d2"))
    ['d2 = a2 - y', "dW2 = a1' d2"]
    >>> list(equations_in(r"\frac{\partial L}{\partial W_{2}} &= \delta^{(2)} (a^{[1]})^T \\\\"))
    ['∂L/∂W2 = δ2 (a1)ᵀ']
    >>> list(equations_in(r"\nabla_{b_2} J(\theta) = \frac1m \sum_{i=1}^m \delta_{2}^{(i)} + \lambda b_2"))
    ['∂J/∂b2 = (1/m) over_i_to_m(δ2_of_i) + λ b2']
    """
    for part in _parts(_NUMBERED.sub("", line)):
        text = _NUMBERED.sub("", part)
        text = _OCR.sub(lambda m: m[1] + ("ᵀ " if m[2] else ""), text)
        text = _OF_BRACKET.sub(r"\1_", text)
        text = _FRACTION_BEFORE.sub(r"(\1/\2)", text.replace("←", "=").replace("≔", "=").replace(":=", "="))
        if _SCRIPTED.search(text):
            text = _summed(" ".join(_OF_BRACKET.sub(r"\1_", _Scanner(text).read()).split()))
        if text.strip():
            yield text.strip()


def as_printed(text: str) -> str:
    """Return plain text with the names of components and samples as people write them, for messages.

    >>> as_printed("a1_j_of_i has over_i_to_n(x)")
    'a1_j^(i) has Σ_i(x)'
    """
    text = re.sub(r"(?<!\w)d([A-Za-z]\w*?)_d(\w+)", r"∂\1/∂\2", text)
    text = re.sub(r"over_all_to_any", "Σ", re.sub(r"_of_([a-z])\b", r"^(\1)", text))
    return re.sub(r"over_([a-z]*)_to_\w*", r"Σ_\1", text)


def _parts(line: str) -> Iterator[str]:
    start = 0
    for mark in _NEXT.finditer(line):
        before = line[start : mark.start()]
        if all(before.count(a) == before.count(b) for a, b in ("()", "{}", "[]")):
            yield before
            start = mark.end()
    yield line[start:]


class _Scanner:
    """Reads one equation from left to right: names with what stands below and above them, fractions, signs."""

    def __init__(self, text: str, tex: bool = False) -> None:
        text = _LETTERS_BELOW.sub(lambda m: "_{" + "".join(map(_BELOW.__getitem__, m[0])) + "}", text)
        text = _LETTERS_ABOVE.sub(lambda m: "^{" + "".join(_ABOVE.get(c, c) for c in m[0]) + "}", text)
        text = re.sub(r"\}\^\{(\([a-z]\))\}ᵀ", r"}^{\1T}", text).replace("ŷ", r"\hat{y}").replace("𝟙", r"\mathbb{1}")
        text = _SKIPPED.sub(" ", text.replace(r"\{", "(").replace(r"\}", ")"))
        for _ in range(3):
            text = _ACCENTS.sub(lambda m: f"{(m[1] or m[2]).strip()}hat", text)
            text = _FONTS.sub(_without_font, text)
        self._text = text
        self._tex = tex or "\\" in text or "{" in text
        self._place = 0

    def read(self) -> str:
        """Return the whole text."""
        out: list[str] = []
        while self._place < len(self._text):
            out.append(self._next())
        return "".join(out)

    def _next(self) -> str:
        text, start = self._text, self._place
        command = re.compile(r"\\([A-Za-z]+)").match(text, start)
        if command:
            self._place = command.end()
            return self._command(command[1])
        if text[start] in "∑Σ" or re.match(r"sum_(?:\{|[a-z](?!\w))", text[start:]):
            self._place += 3 if text[start] == "s" else 1
            return self._sum()
        if text[start] == "∇":
            self._place += 1
            return self._gradient()
        name = (_TEX_NAME if self._tex else _NAME).match(text, start)
        if name:
            self._place = name.end()
            return self._with_scripts(name[0])
        indicator = re.compile(r"1\s*_?\s*(?=[\[({])").match(text, start)
        if (
            indicator
            and re.match(r"1\s*_?\s*[\[({]+[^\[\](){}]*(?:>|<|\\g|\\l)", text[start:])
            and not (start and (text[start - 1].isdigit() or text[start - 1] in ".^"))
        ):
            self._place += 1
            self._skip(" _")
            return f"({self._plain(self._group())})"
        self._place += 1
        letter = text[start]
        if letter == "{":
            self._place = start
            inner = self._plain(self._group())
            bare = re.fullmatch(r"[\w'ᵀ]*", inner) is not None
            return self._above(inner if bare else f"({inner})")
        if letter in ")]}" or (letter == "1" and re.match(r"\s*\^", text[start + 1 :])):
            return self._above("1" if letter == "1" else ")")
        return {"[": "(", "⊤": "ᵀ"}.get(letter, letter) if self._tex else letter.replace("⊤", "ᵀ")

    def _plain(self, text: str) -> str:
        """Convert a part of the equation."""
        return _Scanner(text, self._tex).read().strip() if text else ""

    def _skip(self, letters: str) -> None:
        while self._text[self._place : self._place + 1] and self._text[self._place] in letters:
            self._place += 1

    def _group(self) -> str:
        """Take what stands in brackets here, or a single letter, number or command."""
        self._skip(" ")
        text, start = self._text, self._place
        if text[start : start + 1] in tuple("{[("):
            depth = 0
            for place in range(start, len(text)):
                depth += (text[place] in "{[(") - (text[place] in "}])")
                if not depth:
                    self._place = place + 1
                    return text[start + 1 : place]
            raise GradeError(f"a bracket is not closed in {text.strip()!r}")
        found = re.compile(r"\\[A-Za-z]+|.", re.DOTALL).match(text, start)
        self._place = start if found is None else found.end()
        return "" if found is None else found[0]

    def _script(self) -> str:
        """Take what stands below or above, in braces, or one letter or number; a word if it is not in TeX."""
        self._skip(" ")
        if self._text[self._place : self._place + 1] == "{":
            return self._group()
        found = re.compile(r"\\[A-Za-z]+|\d+|[^\W\d_]+\d*|\(\w\)|\[\w\]|.").match(self._text, self._place)
        word = "" if found is None else found[0]
        if word[:1] == "T" and len(word) > 1:
            word = "T"
        self._place += len(word)
        return word

    def _command(self, name: str) -> str:
        if name in ("frac", "dfrac", "tfrac", "nicefrac"):
            return self._fraction(self._group(), self._group())
        if name == "sum":
            return self._sum()
        if name == "nabla":
            return self._gradient()
        if name == "partial":
            return "∂"
        if name in _SIGNS:
            return f" {_SIGNS[name]} " if name not in ("prime", "mid") else _SIGNS[name]
        if name == "sqrt":
            return f"sqrt({self._plain(self._group())})"
        before = self._text[self._place - len(name) - 2 : self._place - len(name) - 1]
        apart = " " if before.isalnum() and before not in "d∂" else ""
        return apart + self._with_scripts(_LETTERS.get(name, name))

    def _fraction(self, above: str, below: str) -> str:
        above, below = self._plain(above).replace(" ", ""), self._plain(below)
        partial = re.fullmatch(r"[∂d](\w*?)(?:\(.*\))?", above)
        of = re.fullmatch(r"[∂d]\s*(\w+)", re.sub(r"\^(?=\d$)", "", below))  # W^2 is the weight of layer 2
        if partial is None or of is None:
            return self._above(
                f"({above}/{below})" if above.isdigit() and below.isalnum() else f"(({above})/({below}))"
            )
        loss = re.sub(r"(?<=^[LJCEF])_\w$", "", partial[1]) or self._loss()
        return self._above(f"∂{loss}/∂{of[1]}") + " "

    def _gradient(self) -> str:
        self._skip(" ")
        if self._text[self._place : self._place + 1] != "_":
            return self._of_argument()
        self._place += 1
        symbol = self._plain(self._script_of_gradient())
        return f"∂{self._loss()}/∂{symbol} "

    def _of_argument(self) -> str:
        """Read the gradient ∇E(w) by the only argument; ∇ alone before anything else."""
        found = _LOSS.match(self._text, self._place)
        if found is None or not found[3]:
            return "∇"
        start = self._place
        self._place = found.end() - 1
        of = self._plain(self._group())
        if re.fullmatch(r"\w+", of):
            return f"∂{found[3][0]}/∂{of} "
        self._place = start
        return "∇"

    def _script_of_gradient(self) -> str:
        self._skip(" ")
        if self._text[self._place : self._place + 1] == "{":
            return self._group()
        found = re.compile(r"\\[A-Za-z]+|\w+").match(self._text, self._place)
        self._place = self._place if found is None else found.end()
        return "" if found is None else found[0]

    def _loss(self) -> str:
        """Take the name of the loss with its arguments, as in J(θ); L if none stands here."""
        found = _LOSS.match(self._text, self._place)
        if found is None:
            return "L"
        self._place = found.end()
        if found[3]:
            self._place -= 1
            self._group()
        return (found[1] or found[3]).replace("_", "")

    def _sum(self) -> str:
        below = above = ""
        for _ in range(2):
            self._skip(" ")
            mark = self._text[self._place : self._place + 1]
            if mark not in ("_", "^"):
                break
            self._place += 1
            if mark == "_":
                below = self._plain(self._script())
            else:
                above = self._plain(self._script())
        found = re.fullmatch(r"([a-z](?:[\s,]*[a-z]){0,2})\s*(?:=\s*(\w+)|(?:\\?in|∈).*)?", below) if below else None
        if below and found is None:
            raise GradeError(f"a sum over {below} cannot be read; write one over an index, as in Σ_i")
        if found and found[2] not in (None, "0", "1"):
            raise GradeError(f"a sum from {found[2]} cannot be read; a sum begins at 1")
        letters = re.sub(r"[\s,]", "", found[1]) if found else ""
        bound = re.sub(r"\W", "", above)
        return f"⟦{letters}:{bound if bound.isidentifier() or bound.isdigit() else ''}⟧"

    def _with_scripts(self, name: str) -> str:
        """Return a name with what stands below and above it."""
        digits = below = sample = ""
        after: list[str] = []
        while True:
            mark = re.compile(r"(\s*)(?:(_)|(\^)|('|′))").match(self._text, self._place)
            empty = re.compile(r"\s*\{\s*\}\s*(?=\^)").match(self._text, self._place)
            if empty:
                self._place = empty.end()
                continue
            if mark is None or (mark[1] and not self._tex):
                break
            self._place = mark.end()
            if mark[2]:
                number, word = _subscript(self._script())
                digits, below = digits + number, below + word
            elif mark[3]:
                number, of, rest = self._superscript()
                digits, sample, after = digits + number, sample or of, [*after, *rest]
            else:
                after.append("'")
        joined = f"_{below}" if below else ""
        of_sample = f"_of_{sample}" if sample else ""
        text = f"{name}{digits}{joined}{of_sample}{''.join(after)}"
        following = self._text[self._place : self._place + 1]
        gap = " " if (after and after != ["'"]) or (self._tex and (following.isalnum() or following == "\\")) else ""
        return text + gap

    def _superscript(self) -> tuple[str, str, list[str]]:
        """Take what stands above a name: a layer's number, a sample's index, and others as they are to be written."""
        content = self._script() if self._text[self._place : self._place + 1] not in "([" else self._bracketed()
        number = sample = ""
        rest: list[str] = []
        whole = self._plain(content).strip()
        while whole:
            bracket = re.match(r"[(\[]\s*(\w+)\s*(?:[-+]\s*\w+\s*)?[)\]]", whole)
            if re.match(r"[T⊤ᵀ](?!\w)", whole):
                rest.append("ᵀ")
                whole = whole[1:].strip(" ^")
            elif bracket and bracket[1].isdigit():
                number += bracket[1]
                whole = whole[bracket.end() :].strip(" ^")
            elif bracket and (bracket[1] in ("l", "L") or len(bracket[0]) > len(bracket[1]) + 2):
                raise _any_layer(bracket[0])
            elif bracket and len(bracket[1]) == 1 and bracket[1].islower():
                sample = bracket[1]
                whole = whole[bracket.end() :].strip(" ^")
            elif whole[0] in "'′":
                rest.append("'")
                whole = whole[1:].strip()
            elif re.match(r"[lL](?!\w)", whole):
                raise _any_layer(whole)
            elif re.fullmatch(r"\d+\s*[T⊤ᵀ]", whole):
                rest += [_power(whole[:-1].strip()), "ᵀ"]
                whole = ""
            elif re.fullmatch(r"[ij]", whole):
                sample, whole = whole, ""
            else:
                rest.append(_power(whole))
                whole = ""
        return number, sample, rest

    def _bracketed(self) -> str:
        start = self._place
        self._group()
        return self._text[start : self._place]

    def _above(self, atom: str) -> str:
        """Return something in brackets with what stands above it: a transpose, or a power."""
        while True:
            mark = re.compile(r"\s*(?:\{\s*\}\s*)?\^\s*").match(self._text, self._place)
            if mark is None:
                return atom
            self._place = mark.end()
            content = self._plain(
                self._script() if self._text[self._place : self._place + 1] != "(" else self._bracketed()
            )
            transposed = content.strip() in ("T", "⊤", "ᵀ")
            atom += "ᵀ " if transposed else "'" if content.strip() in ("'", "′") else _power(content)


def _subscript(text: str) -> tuple[str, str]:
    """Return the number and the letters or the word of what stands below a name.

    >>> _subscript("2,jk"), _subscript("1i"), _subscript("out")
    (('2', 'jk'), ('1', 'i'), ('', 'out'))
    """
    plain = re.sub(r"[,\s]", "", _Scanner(text, tex=True).read())
    if re.search(r"[-+−]", plain):
        raise GradeError(f"the subscript {plain} cannot be read; write a number, as in δ_2, or indices, as in a_ij")
    number = re.match(r"\d*", plain)
    digits = number[0] if number else ""
    return digits, plain[len(digits) :]


def _any_layer(layer: str) -> GradeError:
    return GradeError(
        f"the layer {layer} stands for any; write equations for each layer with its number, as in δ_2 = …"
    )


def _power(exponent: str) -> str:
    return f"^{exponent}" if exponent.isalnum() else f"^({exponent})"


def _without_font(found: re.Match[str]) -> str:
    inner = (found[1] if found[1] is not None else found[2]).strip()
    before, after = found.string[: found.start()], found.string[found.end() : found.end() + 1]
    differential = re.search(r"(?:^|[^\w\\])[d∂δΔ]$|\\partial\s*$", before) is not None
    apart = " " if (before[-1:].isalnum() or before.endswith("}")) and not differential else ""
    return apart + inner + (" " if after.isalnum() and inner != "d" else "")


def _summed(text: str) -> str:
    """Return text in which what stands after each sum, up to the next sum or difference, is its argument.

    >>> _summed("(1/n) ⟦i:n⟧ a_i (b - c) + d")
    '(1/n) over_i_to_n(a_i (b - c)) + d'
    """
    while (start := text.rfind("⟦")) >= 0:
        end = text.index("⟧", start)
        letters, _, bound = text[start + 1 : end].partition(":")
        depth, place = 0, end + 1
        while place < len(text):
            letter = text[place]
            depth += (letter in "([") - (letter in ")]")
            begun = text[end + 1 : place].strip() and text[end + 1 : place].strip()[-1] not in "*·⊙∘@/^"
            if depth < 0 or (not depth and (letter in ",=<>" or (letter in "+-−" and begun))):
                break
            place += 1
        body = text[end + 1 : place].strip()
        if not body:
            raise GradeError("nothing stands after a sum; write what is summed")
        space = " " if text[place : place + 1] not in ("", ")", ",") else ""
        text = f"{text[:start]}over_{letters or 'all'}_to_{bound or 'any'}({body}){space}{text[place:].lstrip()}"
    return text


def of_ones(text: str) -> str:
    """Write the product with a row of ones as the sum of the rows, with a column of ones as that of the columns.

    >>> of_ones("1ᵀ (a - b) / n + 1ᵀ d")
    'sum((a - b), axis=0) / n + sum(d, axis=0)'
    >>> of_ones("2 (a - b) 1 + 1_nᵀ d + 1")
    'sum(2 (a - b), axis=1) + sum(d, axis=0) + 1'
    """
    while (found := _ONES_AFTER.search(text)) is not None:
        start = _begin_of_product(text, found.start())
        text = f"{text[:start]}sum({text[start : found.start()]}, axis=1){text[found.end() :]}"
    text = _ONES.sub(lambda m: f"sum({m[1]}, axis=0)" if m[1] else "⟦", text)
    while (start := text.rfind("⟦")) >= 0:
        depth, end = 0, start + 1
        while end < len(text):
            depth += (text[end] == "(") - (text[end] == ")")
            end += 1
            if not depth:
                break
        text = f"{text[:start]}sum({text[start + 1 : end]}, axis=0){text[end:]}"
    return text


def _begin_of_product(text: str, end: int) -> int:
    """Return where the product begins that ends at a place: after a sign, a comma, or an open bracket."""
    depth = 0
    for place in range(end - 1, -1, -1):
        letter = text[place]
        depth += (letter in ")]") - (letter in "([")
        if depth < 0 or (not depth and letter in "+-−,=<>"):
            return place + 1 + len(text[place + 1 : end]) - len(text[place + 1 : end].lstrip())
    return 0


def sides_of(text: str) -> Iterator[str]:
    """Yield what stands between the signs of equality of `a1' d2 = x`, outside of brackets."""
    start = depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        around = text[place - 1 : place] + text[place + 1 : place + 2]
        if letter == "=" and not depth and not set(around) & set("=<>!"):
            yield text[start:place]
            start = place + 1
    yield text[start:]


def left_of(text: str) -> str:
    """Return the left side of the equation, as written."""
    return text.partition("=")[0].rstrip("+-− :")
