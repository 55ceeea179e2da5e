"""The kinds of all subexpressions of a formula, for given kinds of its variables.

If `*` may be two products, a list of choices from the caller decides; `branches` counts the alternatives at each. A
variable of unknown rank has the kind None, and so do values that depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chainrule.ir import DType, SymbolicDim, cached_property
from chainrule.trace.formula.calls import MOST_FACTORS, Application, read_call
from chainrule.trace.formula.errors import FormulaError, meant, shown
from chainrule.trace.formula.parser import Formula
from chainrule.trace.formula.products import (
    BARS_OF_MATRIX,
    CROSS,
    POWER_OF_SQUARE,
    Meaning,
    MisfitError,
    beside,
    elementwise,
    matmul,
    meanings_of_star,
    outer,
    power,
    square,
    tensor,
    transpose,
)
from chainrule.trace.formula.sizes import Kind, Unknown, can_equal, equal
from chainrule.trace.formula.syntax import Binary, Call, Name, Number, Syntax, Unary, parts
from chainrule.trace.formula.words import CONSTANTS, canonical_name

_NUMBER = Kind(())
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_BARS = ("|", "∣", "\\")
_LINEAR = (" ", "*", "@", "·", "+", "-")
OF_MATRICES = frozenset({"tr", "det", "logdet", "inv", "solve"})
IDENTITIES = ("I", "eye")
"""The identity matrix, of the size that fits, unless a variable has this name."""


class Subject:
    """A formula with the given shapes: `given` names have shapes, `sizes` are the names in these shapes."""

    def __init__(self, formula: Formula, given: Sequence[str], sizes: Sequence[str]) -> None:
        self.formula = formula
        self.sizes = frozenset(sizes)
        self.applications: dict[Call, Application] = {}
        self.orders = [self._in_order(statement.value) for statement in formula.statements]
        self.order = [node for order in self.orders for node in order]
        self.matrix_powers = frozenset(_matrix_powers(self.order))
        """The powers that are those of a matrix, if what is raised is one."""
        indexed = [node.arguments[0] for node in self.order if isinstance(node, Call) and node.function == "indexed"]
        self._indexed = frozenset(canonical_name(name.name) for name in indexed if isinstance(name, Name))
        self.variables: dict[str, Name] = {}
        """For each variable, by canonical name, the position of its first use."""
        self._find_variables(frozenset(map(canonical_name, given)))

    def _in_order(self, root: Syntax) -> list[Syntax]:
        """Yield the subexpressions that have a value, operands first, from left to right."""
        order: list[Syntax] = []
        stack: list[tuple[Syntax, bool]] = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if ready:
                order.append(node)
                continue
            if isinstance(node, Call):
                self.applications[node] = read_call(self.formula, node)
                self._check_sizes(node)
            stack.append((node, True))
            stack.extend((part, False) for part in reversed(self.operands(node)))
        return order

    def _check_sizes(self, call: Call) -> None:
        """Raise FormulaError if `eye(n)` names a size that no stated shape contains."""
        for size, argument in zip(self.applications[call].options.get("sizes", ()), call.arguments, strict=False):
            if isinstance(size, SymbolicDim) and not size.names <= self.sizes:
                raise self.formula.error(
                    f"{shown(str(size))} is not the size of anything; state the shapes that have it, as in A: n n",
                    argument.span,
                )

    def operands(self, node: Syntax) -> tuple[Syntax, ...]:
        """Return the operands of a node, without the options of a call."""
        return self.applications[node].arrays if isinstance(node, Call) else parts(node)

    def _find_variables(self, given: frozenset[str]) -> None:
        later = {canonical_name(each.name): each for each in self.formula.statements if each.name is not None}
        known: set[str] = set()
        for statement, order in zip(self.formula.statements, self.orders, strict=True):
            powers = {node.left for node in order if isinstance(node, Binary) and self._is_exponential(node)}
            for node in order:
                if not isinstance(node, Name):
                    continue
                name = canonical_name(node.name)
                if name in known or (name not in given and self._is_constant(node)):
                    if name == "e" and name not in known and node not in powers:
                        raise self.formula.error(
                            "e may be Euler's number or a variable; write exp(1) for the number, or state that it is a "
                            'variable, as in --shape "e:" or e=""',
                            node.span,
                        )
                    continue
                if name in later:
                    raise self.formula.error(
                        f"{shown(node.name)} is used before it is given, or in its own equation; give the new value "
                        "another name",
                        node.span,
                    )
                self.variables.setdefault(name, node)
            if statement.name is not None:
                name = canonical_name(statement.name)
                if name in given:
                    raise self.formula.error(
                        f"{shown(statement.name)} has a shape, so it is a variable, and here it is given a value; "
                        "leave out one of the two",
                        statement.name_span,
                    )
                known.add(name)

    def _is_exponential(self, node: Binary) -> bool:
        """Whether a node is the exponential function, a power of e with more than a number in the exponent."""
        is_power = node.operator in ("^", "**", ".^") and isinstance(node.left, Name) and node.left.name == "e"
        exponent = node.right.operand if isinstance(node.right, Unary) else node.right
        return is_power and not isinstance(exponent, Number)

    def _is_constant(self, node: Name) -> bool:
        name = canonical_name(node.name)
        return (name in CONSTANTS and name not in self._indexed) or node.name in self.sizes or node.name in IDENTITIES

    def is_one(self, node: Syntax) -> bool:
        """Whether a part is the literal `1`, which may be a vector of ones; `1.0` is a number."""
        return isinstance(node, Number) and self.formula.text[node.span.start : node.span.end] in ("1", "１")

    @cached_property
    def style(self) -> str:
        """`@` if the formula contains this product, `.*` if it contains an elementwise operator, otherwise "".

        A notation of linear algebra, such as a transpose `'`, counts as the latter if there is neither.
        """
        operators = {node.operator for node in self.order if isinstance(node, Binary | Unary)}
        has_at, has_dot = "@" in operators, not operators.isdisjoint((".*", "./", ".^"))
        if has_at or has_dot:
            return "" if has_at and has_dot else "@" if has_at else ".*"
        on_paper = not operators.isdisjoint(("'", " ", "inverse", "^-1"))
        calls = {node.function for node in self.order if isinstance(node, Call)}
        return ".*" if on_paper or not calls.isdisjoint(OF_MATRICES) else ""

    @cached_property
    def labels(self) -> dict[str, DType]:
        """Return the dtypes of variables that are used as labels or conditions."""
        dtypes: dict[str, DType] = {}
        for node in self.order:
            if isinstance(node, Call) and node.function in ("cross_entropy", "picked", "where"):
                place, dtype = (0, DType.BOOL) if node.function == "where" else (1, DType.INT64)
                argument = node.arguments[place]
                if isinstance(argument, Name):
                    dtypes[canonical_name(argument.name)] = dtype
        return dtypes

    def unknown_name(self, name: str) -> FormulaError:
        """Return the error for a shape or a derivative of a name that is not in the formula."""
        known = [node.name for node in self.variables.values()]
        there = f"; its variables are {', '.join(known)}" if known else "; it has no variables"
        return FormulaError(f"{shown(name)} is not in the formula{meant(name, known) or there}")


def _matrix_powers(nodes: Sequence[Syntax]) -> Iterator[Binary]:
    """Yield whole powers within functions of matrices and in products side by side, as in `tr(X^3)` and `A^2 x`."""
    for node in nodes:
        of_matrix = isinstance(node, Call) and node.function in OF_MATRICES
        stack = list(parts(node)) if of_matrix or (isinstance(node, Binary) and node.operator == " ") else []
        while stack:
            part = stack.pop()
            if isinstance(part, Binary) and part.operator == "^" and whole_exponent(part) is not None:
                yield part
            elif isinstance(part, Unary) or (isinstance(part, Binary) and part.operator in _LINEAR):
                stack += parts(part)


def whole_exponent(power: Binary) -> int | None:
    """Return the exponent of a power if it is a whole number as written; else None."""
    sign, exponent = 1, power.right
    if isinstance(exponent, Unary) and exponent.operator == "-":
        sign, exponent = -1, exponent.operand
    if not isinstance(exponent, Number) or exponent.value != int(exponent.value) or exponent.value > MOST_FACTORS:
        return None
    return sign * int(exponent.value)


class Typing:
    """One attempt to assign a kind to each subexpression; `failure` tells where shapes are inconsistent.

    Without `choices`, an ambiguous `*` is left open.
    """

    def __init__(
        self, subject: Subject, variables: Mapping[str, Kind | None], choices: Sequence[int] | None = None
    ) -> None:
        self._subject = subject
        self._choices = choices
        self.failure: MisfitError | None = None
        self.variables = variables
        self.branches: list[int] = []
        self.stars: list[Binary] = []
        """The positions of `branches`."""
        self.meanings: dict[Binary, Meaning] = {}
        self.kinds: dict[Syntax, Kind | None] = {}
        self._scope: dict[str, Kind | None] = dict(variables)
        self.result: Kind | None = None
        try:
            self._run()
        except MisfitError as misfit:
            self.failure = misfit

    def _run(self) -> None:
        for statement, order in zip(self._subject.formula.statements, self._subject.orders, strict=True):
            for node in order:
                self.kinds[node] = self._kind(node)
            self.result = self.kinds[statement.value]
            if statement.name is not None:
                self._scope[canonical_name(statement.name)] = self.result

    def check_doubts(self) -> None:
        """Raise MisfitError for `^` and bars of a matrix, which are ambiguous; to be called once sizes are known."""
        for node in self._subject.order:
            if (
                isinstance(node, Call)
                and node.function == "abs"
                and self._subject.formula.text[node.mark.start] in _BARS
            ):
                kind = self.kinds[node]
                if kind is not None and kind.rank == 2:
                    raise MisfitError(BARS_OF_MATRIX, node.span)
            if isinstance(node, Binary) and node.operator == "^" and node not in self.meanings:
                for part in (node.left, node.right):
                    kind = self.kinds[part]
                    if kind is not None and kind.rank == 2 and equal(*kind.sizes) and kind.sizes[0] != 1:
                        raise MisfitError(POWER_OF_SQUARE, node.span)

    def _kind(self, node: Syntax) -> Kind | None:
        if isinstance(node, Number):
            return _NUMBER
        if isinstance(node, Name):
            name = canonical_name(node.name)
            if name in IDENTITIES and name not in self._scope:
                size = Unknown(name, 0)
                return Kind((size, size), open=True)
            return self._scope.get(name, _NUMBER)
        if isinstance(node, Call):
            return self._call(node)
        kinds = [self.kinds[part] for part in parts(node)]
        known = [kind for kind in kinds if kind is not None]
        if len(known) < len(kinds):
            return None
        if isinstance(node, Binary):
            return self._binary(node, *known)
        return self._unary(node, known[0])

    def _unary(self, node: Unary, kind: Kind) -> Kind:
        if node.operator in ("'", ".T"):
            if self._subject.is_one(node.operand):
                kind = self._as_ones(node.operand)
            if kind.lone and not kind.rank:
                raise MisfitError("a number has no transpose", node.span)
            return transpose(kind)
        if (node.operator == "inverse" and kind.rank) or (node.operator == "^-1" and kind.rank > 1):
            if kind.rank == 1:
                raise MisfitError(f"{kind.text} has no inverse; write 1 ./ x for element by element", node.span)
            inverse = square(kind, "the inverse", node.span)
            return Kind(inverse.sizes, open=inverse.open)
        return elementwise([kind], node.span)

    def _binary(self, node: Binary, a: Kind, b: Kind) -> Kind | None:
        operator = node.operator
        a, b = self._with_ones(node, a, b)
        if operator == " ":
            return self._meant(node, beside(a, b, node.span), a, b)
        if operator == "⊗":
            self.meanings[node] = "outer" if a.rank == 1 else "kronecker"
            return tensor(a, b, node.span)
        if operator == "*":
            meaning = self._star(node, a, b)
            return None if meaning is None else self._meant(node, meaning, a, b)
        if operator == "@":
            return matmul(a, b, node.span)
        if operator == "·":
            if not a.rank or not b.rank:
                return self._meant(node, "elementwise", a, b)
            if a.rank > 2 or b.rank > 2 or (a.rank == 1 and b.rank == 2 and not a.row):
                raise MisfitError(
                    "· is a scaling, the inner product of vectors, or a matrix product; write @ or .*", node.span
                )
            columns = [Kind(kind.sizes, False, kind.dtype, kind.open) if kind.rank == 1 else kind for kind in (a, b)]
            return self._meant(node, "matmul", *(columns if b.rank == 1 and a.rank == 1 else (a, b)))
        if node in self._subject.matrix_powers and a.rank == 2 and can_equal(*a.sizes):
            self.meanings[node] = "power"
            return Kind(square(a, "a power", node.span).sizes, open=a.open)
        if operator in ("^", "**", ".^"):
            return power(a, b, node.span)
        if operator in _COMPARISONS:
            kind = elementwise([a, b], node.span, "in a comparison")
            return Kind(kind.sizes, kind.row, DType.BOOL, kind.open)
        doing = {"+": "in a sum", "-": "in a difference"}.get(operator, "element by element")
        return elementwise([a, b], node.span, doing)

    def _with_ones(self, node: Binary, a: Kind, b: Kind) -> tuple[Kind, Kind]:
        """Return the kinds of the factors, in which a literal 1 is a vector of ones if it follows a matrix or a row.

        In `1*1'` the first one is a vector too.
        """
        if node.operator not in ("*", " ", "@"):
            return a, b
        if self._subject.is_one(node.right) and (a.rank > 1 or a.row):
            return a, self._as_ones(node.right)
        row_of_ones = isinstance(node.right, Unary) and self._subject.is_one(node.right.operand)
        if self._subject.is_one(node.left) and row_of_ones and b.row:
            return self._as_ones(node.left), b
        return a, b

    def _as_ones(self, node: Syntax) -> Kind:
        kind = self.kinds[node] = Kind((Unknown("1", 0),), open=True)
        return kind

    def _star(self, node: Binary, a: Kind, b: Kind) -> Meaning | None:
        mark = self._subject.formula.text[node.mark.start : node.mark.end]
        if a.rank == b.rank == 1 and a.row == b.row and mark in ("×", "\\times"):
            raise MisfitError(CROSS, node.span)
        possible = meanings_of_star(a, b, self._subject.style, node.span)
        if len(possible) == 1:
            return possible[0]
        if self._choices is None:
            return None
        place = len(self.branches)
        self.branches.append(len(possible))
        self.stars.append(node)
        return possible[self._choices[place] if place < len(self._choices) else 0]

    def _meant(self, node: Binary, meaning: Meaning, a: Kind, b: Kind) -> Kind:
        self.meanings[node] = meaning
        if meaning == "outer":
            return outer(a, b)
        return matmul(a, b, node.span) if meaning == "matmul" else elementwise([a, b], node.span)

    def _call(self, node: Call) -> Kind | None:
        application = self._subject.applications[node]
        kinds = [self.kinds[argument] for argument in application.arrays]
        known = [kind for kind in kinds if kind is not None]
        if len(known) < len(kinds):
            return None if application.options else application.function.known
        return application.function.rule(known, application.options, node.span)
