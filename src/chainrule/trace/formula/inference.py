"""Inference of shapes that were not stated, from how the variables are used.

Every variable without a shape is tried as a number, a vector and a matrix; inconsistent choices are discarded.
Interpretations with a scalar result are preferred, since formulas are losses more often than layers. If more than one
interpretation remains, the formula is rejected and the alternatives are named. If no shape is stated at all, naming
conventions decide: capitals are matrices, small letters vectors, Greek letters, counts and words numbers, except that μ
in x − μ has the shape of x, and that a number is seldom added to a matrix: N in N log(σ) + Σ x² is a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainrule.ir import ArrayType, Dim, DType, Property, SymbolicDim, cached_property
from chainrule.trace.formula.errors import FormulaError, Span, shown
from chainrule.trace.formula.letters import Letters
from chainrule.trace.formula.products import BOTH_FIT, MisfitError
from chainrule.trace.formula.rules import pointwise_kind
from chainrule.trace.formula.sizes import Kind, Sizes, Unknown, equal
from chainrule.trace.formula.syntax import Binary, Call, Name, Number, Syntax, Unary, parts
from chainrule.trace.formula.typing import Subject, Typing
from chainrule.trace.formula.words import GREEK, canonical_name

_POINTED = (".*", "./", ".^")
_ARITHMETIC = ("+", "-", "*", "·", " ", "/", "^", "**")
_MOST_VISITS = 60_000
_NOT_A_NUMBER = 2.0
_UNUSUAL = 3.0
_GREEK_LETTERS = frozenset(GREEK.values())
_COUNTS = {
    "n": (0.0, 0.5, _UNUSUAL), "m": (0.0, 0.5, _UNUSUAL), "N": (0.5, _UNUSUAL, 0.0), "T": (1.7, _UNUSUAL, 0.0),
}  # fmt: skip
"""The cost of a number, a vector and a matrix of these names: counts, and a temperature."""
_DIVIDED_BY_MATRIX = 2.0
_UNEQUAL_TERMS = 1.5
_SCALED_FROM_RIGHT = (0.0, 0.5, 1.5)
_SHIFTS = frozenset(("α", "γ", "δ", "ε", "η", "λ", "τ", "eps", "margin", "temperature", "threshold", "tol"))
"""Operands that are added to every element of a vector, as in log(x + ε), where others are vectors themselves."""


@dataclass(frozen=True)
class Interpretation:
    """An assignment of a shape to every variable and of a meaning to every `*`."""

    ranks: tuple[int, ...]
    typing: Typing
    sizes: tuple[Sizes, ...]
    cost: float

    @property
    def is_number(self) -> bool:
        return self.typing.result is not None and self.typing.result.rank == 0


@dataclass(frozen=True)
class Settled:
    """The types of all variables, by canonical name, and the kinds of all subexpressions."""

    types: dict[str, ArrayType]
    typing: Typing
    inferred: tuple[str, ...]
    letters: Letters

    def shape(self, sizes: Sizes) -> tuple[Dim, ...] | None:
        """Return the shape of a constant array, or None if no variable has one of its sizes."""
        dims = tuple(map(self.letters.known, sizes))
        return None if None in dims else tuple(dim for dim in dims if dim is not None)


def settle(
    subject: Subject,
    given: Mapping[str, ArrayType],
    declared: Mapping[str, Property] | None = None,
    by_convention: bool = False,
) -> Settled:
    """Infer the shapes of all variables; raise FormulaError if they are inconsistent or ambiguous.

    `declared` are properties that determine the number of axes of variables, by canonical name. With `by_convention`
    the names decide also where some shapes are given.
    """
    return _Search(subject, given, declared or {}, by_convention or not given).settled()


class _Search:
    def __init__(
        self,
        subject: Subject,
        given: Mapping[str, ArrayType],
        declared: Mapping[str, Property],
        by_convention: bool,
    ) -> None:
        self._subject = subject
        self._formula = subject.formula
        self._given = given
        self._by_convention = by_convention
        self._declared = declared
        self._unknown = [name for name in subject.variables if name not in given]
        self._labels = dict(_labels(subject))
        self._visits = 0
        self._exhausted = False

    def settled(self) -> Settled:
        interpretations = (self._is_of_physics() and self._all_numbers()) or list(self._interpretations())
        if not interpretations:
            raise self._misfit()
        if any(interpretation.is_number for interpretation in interpretations) and not self._by_convention:
            interpretations = [interpretation for interpretation in interpretations if interpretation.is_number]
        if self._by_convention:
            least = min(interpretation.cost for interpretation in interpretations)
            interpretations = [interpretation for interpretation in interpretations if interpretation.cost == least]
            numbers = [interpretation for interpretation in interpretations if interpretation.is_number]
            interpretations = numbers or self._of_numbers(interpretations) or interpretations
        if len({interpretation.ranks for interpretation in interpretations}) > 1 or (
            self._exhausted and not self._by_convention
        ):
            raise self._question(interpretations)
        if len(interpretations) > 1:
            raise self._formula.error(BOTH_FIT, self._doubtful(interpretations))
        (interpretation,) = interpretations
        if self._reads_vectors_as_matrices(interpretation):
            raise self._misfit()
        try:
            interpretation.typing.check_doubts()
        except MisfitError as misfit:
            raise self._formula.error(misfit.message, misfit.span) from None
        return self._as_settled(interpretation)

    def _of_numbers(self, interpretations: Sequence[Interpretation]) -> list[Interpretation]:
        """Return the reading with numbers alone, of a formula that else has vectors and goes element by element.

        It is meant where nothing speaks of arrays, neither a matrix nor an operator with a point: tanh(w x + b).
        """
        with_points = any(isinstance(node, Binary) and node.operator in _POINTED for node in self._subject.order)
        if with_points or any(max(each.ranks, default=0) > 1 for each in interpretations):
            return []
        return self._all_numbers()

    def _all_numbers(self) -> list[Interpretation]:
        """Return the reading in which every variable is a number, if each may be one."""
        if any(0 not in self._ranks(name) for name in self._unknown):
            return []
        return list(self._choices((0,) * len(self._unknown)))

    def _is_of_physics(self) -> bool:
        """Whether all is arithmetic that no matrix calculus has, as in G m₁ m₂ / r², V S / (K + S), P (1 + r/n)^t.

        It divides by a power or by a letter that else means a matrix, also in a sum, or raises a ratio to a power of
        letters; then all letters are numbers, whatever their case.
        """
        if self._given or self._declared:
            return False
        divides = False
        for node in self._subject.order:
            if isinstance(node, Call) and self._subject.applications[node].function.rule is not pointwise_kind:
                return False
            if isinstance(node, Unary) and node.operator != "-":
                return False
            if isinstance(node, Binary):
                if node.operator not in _ARITHMETIC:
                    return False
                divides |= node.operator == "/" and any(map(self._is_no_divisor, _factors_of_terms(node.right)))
                divides |= node.operator in ("^", "**") and _is_ratio(node.left) and _has_letters(node.right)
        return divides

    def _is_no_divisor(self, factor: Syntax) -> bool:
        """Whether a factor below a fraction bar is a power of a letter that may be an array, or a capital's letter."""
        base = factor.left if isinstance(factor, Binary) and factor.operator in ("^", "**") else factor
        if not isinstance(base, Name) or canonical_name(base.name) not in self._unknown:
            return False
        number = _cost(base.name, 0)
        return number > 1 if base is factor else number > min(_cost(base.name, 1), _cost(base.name, 2))

    def _reads_vectors_as_matrices(self, interpretation: Interpretation) -> bool:
        """Whether small letters are matrices only because they stand side by side, as in `x log(x)`."""
        beside = any(isinstance(node, Binary) and node.operator == " " for node in self._subject.order)
        named = zip(self._unknown, interpretation.ranks, strict=True)
        small = [name for name, rank in named if rank == 2 and name[:1].islower() and name not in self._declared]
        return bool(beside and small and not self._given and self._conventional_failure() is not None)

    # All interpretations

    def _interpretations(self) -> Iterator[Interpretation]:
        """Yield consistent interpretations in order of convention; stop early if the rest cannot change the outcome."""
        stack: list[tuple[int, ...]] = [()]
        while stack:
            ranks = stack.pop()
            if len(ranks) == len(self._unknown):
                for interpretation in self._choices(ranks):
                    yield interpretation
                    if self._by_convention and interpretation.cost == 0 and not interpretation.typing.branches:
                        return
                continue
            if self._visits > _MOST_VISITS:
                self._exhausted = True
                return
            if not self._fits(ranks):
                continue
            name = self._unknown[len(ranks)]
            usual = sorted(self._ranks(name), key=lambda rank: _cost(self._subject.variables[name].name, rank))
            stack.extend((*ranks, rank) for rank in reversed(usual))

    def _choices(self, ranks: tuple[int, ...]) -> Iterator[Interpretation]:
        """Yield the interpretations with these ranks, one for each choice of meanings of `*`."""
        stack: list[tuple[int, ...]] = [()]
        while stack:
            if self._visits > _MOST_VISITS:
                self._exhausted = True
                return
            choices = stack.pop()
            variables, sizes = self._variables(ranks)
            typing = self._attempt(variables, choices)
            for place in range(len(choices), len(typing.branches)):
                head = (*choices, *(0 for _ in range(place - len(choices))))
                stack.extend((*head, other) for other in range(1, typing.branches[place]))
            if typing.failure is None:
                yield Interpretation(ranks, typing, sizes, self._cost(ranks, sizes, typing))

    def _fits(self, ranks: tuple[int, ...]) -> bool:
        """Whether the variables with chosen ranks are consistent so far."""
        return self._attempt(self._variables(ranks)[0], None).failure is None

    def _attempt(self, variables: Mapping[str, Kind | None], choices: Sequence[int] | None) -> Typing:
        self._visits += len(self._subject.order)
        return Typing(self._subject, variables, choices)

    def _variables(self, ranks: Sequence[int]) -> tuple[dict[str, Kind | None], tuple[Sizes, ...]]:
        kinds: dict[str, Kind | None] = {
            name: Kind(type_.shape, dtype=type_.dtype) for name, type_ in self._given.items()
        }
        sizes: list[Sizes] = []
        for place, name in enumerate(self._unknown):
            if place >= len(ranks):
                kinds[name] = None
                continue
            axes: Sizes = tuple(Unknown(name, axis) for axis in range(ranks[place]))
            if name in self._declared and self._declared[name].is_square:
                axes = (axes[0], axes[0])
            sizes.append(axes)
            dtype = self._subject.labels.get(name, DType.FLOAT64)
            kinds[name] = Kind(axes, dtype=dtype, open=True, lone=True)
        return kinds, tuple(sizes)

    def _ranks(self, name: str) -> tuple[int, ...]:
        """Return the numbers of axes that a variable may have."""
        if self._subject.variables[name].name in self._formula.numbers:
            return (0,)
        rank = self._declared[name].rank if name in self._declared else None
        if rank is None and name in self._labels:
            rank = len(self._labels[name])
        return (0, 1, 2) if rank is None else (rank,)

    # Conventions

    def _name(self, name: str) -> str:
        """Return a variable as the user first wrote it."""
        return self._subject.variables[name].name

    def _cost(self, ranks: Sequence[int], sizes: Sequence[Sizes], typing: Typing) -> float:
        """Return the deviation of an interpretation from convention."""
        total = 0.0 if typing.result is not None and typing.result.rank == 0 else _NOT_A_NUMBER
        data = typing.variables.get("X")
        rows = None if data is None or data.rank != 2 else data.sizes[0]
        for name, rank, axes in zip(self._unknown, ranks, sizes, strict=True):
            total += _cost(self._name(name), rank)
            if rank == 1 and name.rstrip("0123456789") in ("b", "bias") and rows is not None and equal(axes[0], rows):
                total += 1  # a bias for each row of the data is unlikely
        return total + self._cost_of_offsets(ranks, typing) + self._cost_of_operations(typing)

    def _cost_of_operations(self, typing: Typing) -> float:
        """Return the cost of what is unusual on paper.

        That is a number added to a matrix, a matrix taken from a vector, a quotient by a matrix, and a number right of
        what it scales, as in `x c`, or what is a matrix, as in `X * c`.
        """
        total = 0.0
        for node in self._subject.order:
            if not isinstance(node, Binary) or node.operator not in ("+", "-", " ", "*", "/"):
                continue
            left, right = typing.kinds[node.left], typing.kinds[node.right]
            if left is None or right is None:
                continue
            if node.operator == " " or (node.operator == "*" and isinstance(node.right, Name) and left.rank == 2):
                total += 0.0 if right.rank else _SCALED_FROM_RIGHT[min(left.rank, 2)]
            elif node.operator == "*":
                continue
            elif node.operator == "/":
                total += _DIVIDED_BY_MATRIX if right.rank == 2 else 0.0
            elif {left.rank, right.rank} == {0, 2}:
                number = node.right if left.rank else node.left
                is_shift = isinstance(number, Number) or (isinstance(number, Name) and bool(left.rank))
                total += 0.0 if is_shift or (node.operator == "+" and isinstance(number, Name)) else _UNEQUAL_TERMS
            elif node.operator == "-" and (left.rank, right.rank) == (1, 2):
                total += _UNEQUAL_TERMS
        return total

    def _cost_of_offsets(self, ranks: Sequence[int], typing: Typing) -> float:
        """Return the cost of `x - mu` for two variables: if x is a vector, mu usually is one too, whatever its name."""
        rank_of = dict(zip(self._unknown, ranks, strict=True))
        changes: dict[str, float] = {}
        for first, second in self._offsets:
            for name, other in ((first, second), (second, first)):
                kind = typing.variables[other]
                if name in rank_of and kind is not None and kind.rank == 1 and rank_of[name] < 2:
                    usual = _cost(self._name(name), 1)
                    changes[name] = -min(usual, 1.0) if rank_of[name] == 1 else max(changes.get(name, 0.0), usual + 0.5)
        return sum(changes.values())

    @cached_property
    def _offsets(self) -> list[tuple[str, str]]:
        """Return the pairs of variables that are added or subtracted, except those that shift all elements alike."""
        pairs = []
        for node in self._subject.order:
            if isinstance(node, Binary) and node.operator in ("+", "-"):
                names = [canonical_name(part.name) for part in (node.left, node.right) if isinstance(part, Name)]
                if len(names) == 2 and _SHIFTS.isdisjoint(names) and self._subject.variables.keys() >= set(names):
                    pairs.append((names[0], names[1]))
        return pairs

    # Errors

    def _misfit(self) -> FormulaError:
        """Return the error for the most conventional shapes, which are inconsistent."""
        if self._exhausted:
            return self._too_many()
        failure = self._conventional_failure()
        assert failure is not None
        return self._formula.error(failure.message, failure.span)

    def _conventional_failure(self) -> MisfitError | None:
        """Return where the most conventional shapes are inconsistent."""
        ranks = tuple(min(self._ranks(name), key=lambda rank: _cost(self._name(name), rank)) for name in self._unknown)
        return self._attempt(self._variables(ranks)[0], ()).failure

    def _too_many(self) -> FormulaError:
        names = [shown(self._name(name)) for name in self._unknown]
        listed = ", ".join(names[:6]) + (", …" if len(names) > 6 else "")
        return self._formula.error(
            f"too many shapes are unknown; state them: {listed}", self._subject.variables[self._unknown[0]].span
        )

    def _question(self, interpretations: Sequence[Interpretation]) -> FormulaError:
        """Return the error for an ambiguity: the unresolved shapes, their alternatives, and what to write."""
        texts: list[dict[str, None]] = [{} for _ in self._unknown]
        for interpretation in sorted(interpretations, key=lambda interpretation: interpretation.cost):
            for place, text in enumerate(self._shape_texts(interpretation)):
                texts[place][text] = None
        usual = self._shape_texts(min(interpretations, key=lambda interpretation: interpretation.cost))
        ranks = [
            {interpretation.ranks[place] for interpretation in interpretations} for place in range(len(self._unknown))
        ]
        places = [place for place, found_ranks in enumerate(ranks) if len(found_ranks) > 1]
        if not places:
            return self._too_many()
        names = [shown(self._name(self._unknown[place])) for place in places]
        what = f"shape of {names[0]}" if len(names) == 1 else f"shapes of {', '.join(names[:-1])} and {names[-1]}"
        options = ", ".join(
            f"{name} may be {' or '.join(text or 'a number' for text in texts[place])}"
            for name, place in zip(names, places, strict=True)
        )
        example = ", ".join(f"{name}: {usual[place]}" for name, place in zip(names, places, strict=True))
        mend = "state it, as in" if len(names) == 1 else "state them, as in"
        python = ", ".join(f'{name}="{usual[place]}"' for name, place in zip(names, places, strict=True))
        span: Span = self._subject.variables[self._unknown[places[0]]].span
        return self._formula.error(
            f'the formula does not settle the {what}: {options}; {mend} --shape "{example}" or {python}', span
        )

    def _doubtful(self, interpretations: Sequence[Interpretation]) -> Span:
        """Return the first `*` that two interpretations read as different products."""
        first, second = interpretations[0].typing, interpretations[1].typing
        for star in first.stars:
            if first.meanings.get(star) != second.meanings.get(star):
                return star.span
        return first.stars[0].span

    def _shape_texts(self, interpretation: Interpretation) -> list[str]:
        letters = self._letters(interpretation)
        return [" ".join(map(str, map(letters.size, axes))) for axes in interpretation.sizes]

    def _letters(self, interpretation: Interpretation) -> Letters:
        taken = {node.name for node in self._subject.order if isinstance(node, Name)}
        taken |= {each.name for each in self._formula.statements if each.name is not None}
        for type_ in self._given.values():
            for dim in type_.shape:
                taken |= dim.names if isinstance(dim, SymbolicDim) else frozenset()
        variables = {self._name(name): axes for name, axes in zip(self._unknown, interpretation.sizes, strict=True)}
        return Letters(variables, taken, {self._name(name): letters for name, letters in self._labels.items()})

    def _as_settled(self, interpretation: Interpretation) -> Settled:
        letters = self._letters(interpretation)
        types = dict(self._given)
        for name, axes in zip(self._unknown, interpretation.sizes, strict=True):
            shape: tuple[Dim, ...] = tuple(map(letters.size, axes))
            types[name] = ArrayType(shape, self._subject.labels.get(name, DType.FLOAT64))
        return Settled(types, interpretation.typing, tuple(self._unknown), letters)


def _labels(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield the variables of which einsum names the axes, with these names."""
    for node in subject.order:
        if isinstance(node, Call) and node.function == "einsum":
            subscripts = str(next((value for value, _ in node.options.values()), "")).replace(" ", "")
            for argument, term in zip(node.arguments, subscripts.partition("->")[0].split(","), strict=False):
                if isinstance(argument, Name) and term.isalpha():
                    yield canonical_name(argument.name), term


def _factors_of_terms(node: Syntax) -> Iterator[Syntax]:
    """Yield the factors of a product, those of the terms of a sum, or the node itself."""
    if isinstance(node, Binary) and node.operator in ("*", " ", "·", "+", "-"):
        yield from _factors_of_terms(node.left)
        yield from _factors_of_terms(node.right)
    else:
        yield node


def _is_ratio(node: Syntax) -> bool:
    """Whether `node` is a quotient, or a sum with one."""
    if isinstance(node, Binary) and node.operator in ("+", "-"):
        return _is_ratio(node.left) or _is_ratio(node.right)
    return isinstance(node, Binary) and node.operator == "/"


def _has_letters(node: Syntax) -> bool:
    """Whether an exponent contains a variable."""
    return isinstance(node, Name) or any(map(_has_letters, parts(node)))


def _cost(name: str, rank: int) -> float:
    """Return how unusual it is for a variable of this name to be a number, a vector or a matrix."""
    if rank > 2:
        return 0.0
    head = name.rstrip("0123456789_")
    if head in _COUNTS:
        return _COUNTS[head][rank]
    if (head in _GREEK_LETTERS and head.islower()) or (head in GREEK and head.islower()):
        return (0.0, 1.0, _UNUSUAL)[rank]
    if head[:1].isupper():
        return (_UNUSUAL, _UNUSUAL - 0.5, 0.0)[rank]
    if len(head) > 2:
        return (0.0, 0.5, _UNUSUAL)[rank] if head not in ("bias", "labels", "logits") else (0.5, 0.0, 1.0)[rank]
    return (0.5, 0.0, _UNUSUAL)[rank]
