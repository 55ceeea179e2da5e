"""Notation of second derivatives: g, H, v and Δ, with the parameter below if there are several."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from chainrule.derivation.notator import Notator
from chainrule.derivation.second.hessian import SecondOrder, cotangent_tangent
from chainrule.ir import Input
from chainrule.primitives import (
    Application,
    Call,
    Infix,
    Notation,
    Number,
    Partial,
    Postfix,
    PowerNotation,
    SecondPartial,
    Symbol,
    indexed,
)

_GRADIENTS = ("g", "G", "grad")
_HESSIANS = ("H", "Hess", "Hessian")
_DIRECTIONS = ("v", "u", "q", "direction")
_DIRECTIONS_OF_MATRICES = ("V", "U", "Q", "Direction")
_STEPS = ("Δ", "step", "Newton_step")
_JACOBIANS = ("J", "Jac", "Jacobian")


def direction_of(symbol: Input, taken: Collection[str]) -> str:
    """Return the letter of a direction in which a parameter changes, v, or V for a matrix."""
    return free_name(_DIRECTIONS_OF_MATRICES if symbol.type.ndim == 2 else _DIRECTIONS, taken)


class SecondNotator(Notator):
    """Writes the expressions of second order; names avoid those of the user."""

    def __init__(self, order: SecondOrder) -> None:
        super().__init__(order.first)
        self._order = order
        names = order.first.names
        self._several = len(order.parameters) > 1

        self._gradient, self._hessian, step, jacobian, residual = (
            free_name(each, names) for each in (_GRADIENTS, _HESSIANS, _STEPS, _JACOBIANS, ("r", "residual"))
        )
        self.jacobian_symbol = Symbol(jacobian)
        for symbol in order.parameters:
            self._symbols[order.directions[symbol]] = Symbol(self._below(direction_of(symbol, names), symbol))
            self._symbols[order.steps[symbol]] = Symbol(self._below(step, symbol))
        for entry in order.first.backward.accumulations:
            self._symbols[cotangent_tangent(entry.cotangent)] = self._changed(entry.symbol, entry.cotangent)
        for symbol in order.defined:
            self._symbols[symbol] = Symbol(residual)
        for symbol, name in order.gradient_symbols.items():
            self._symbols[name] = self.gradient(symbol)

    def _below(self, name: str, symbol: Input) -> str:
        return f"{name}_{symbol.name}" if self._several else name

    def _changed(self, symbol: Input, cotangent: Input) -> Symbol:
        """Return `dδ2`, or `dg_a` for other gradients."""
        shown = self._symbols[cotangent]
        if isinstance(shown, Symbol) and shown.prefix == "δ":
            return Symbol("δ_" + shown.name if not shown.name.isdigit() else "δ" + shown.name, self.mark)
        if symbol in self._order.parameters:
            return Symbol(self._below(self._gradient, symbol), self.mark)
        return Symbol(f"{self._gradient}_{symbol.name}", self.mark)

    def gradient(self, symbol: Input) -> Symbol:
        """Return `g`, or `g_w` beside other parameters."""
        return Symbol(self._below(self._gradient, symbol))

    def change(self, symbol: Input) -> Symbol:
        """Return `dg`."""
        return Symbol(self._below(self._gradient, symbol), self.mark)

    def symbol_of_change(self, cotangent: Input) -> Notation:
        """Return the name of the differential of a cotangent."""
        return self._symbols[cotangent_tangent(cotangent)]

    def block(self, symbol: Input, by: Input) -> Symbol:
        """Return `H`, or `H_wb` for a block."""
        if not self._several:
            return Symbol(self._hessian)
        joint = "" if len(symbol.name) == len(by.name) == 1 else "_"
        return Symbol(f"{self._hessian}_{symbol.name}{joint}{by.name}")

    def term(self, symbol: Input, by: Input, vector: Notation) -> Notation:
        """Return the part of a change of the gradient by `symbol` that a change of `by` makes.

        Only blocks from the diagonal on have names; the others are their transposes.
        """
        order = self._order.parameters
        turned = order.index(symbol) > order.index(by)
        block: Notation = self.block(by, symbol) if turned else self.block(symbol, by)
        if not by.type.ndim:
            return Infix("·", (block, vector))
        if not symbol.type.ndim or (turned != (self._order.layout == "denominator") and symbol is not by):
            block = Postfix("ᵀ", block)
        return Infix("", (block, stacked_notation(vector, by)))

    @property
    def nabla(self) -> Notation:
        """`∇²L`."""
        return Application(Symbol(self._order.first.loss.name), (), nablas=2)

    def second_partial(self, symbol: Input, by: Input) -> Notation:
        """Return `∂²L/∂w∂bᵀ`, `∂²L/∂x²` of a number, or with vec for matrices."""
        loss = Symbol(self._order.first.loss.name)
        first, second = (stacked_notation(Symbol(x.name), x) for x in (symbol, by))
        if self._order.layout == "denominator" and symbol is not by:
            (symbol, first), (by, second) = (by, second), (symbol, first)
        if symbol is by and not symbol.type.ndim:
            return SecondPartial(loss, (PowerNotation(first, Number(2)),))
        return SecondPartial(loss, (first, Postfix("ᵀ", second) if by.type.ndim and symbol.type.ndim else second))

    def second_partial_at(
        self, symbol: Input, index: Sequence[Notation], by: Input, by_index: Sequence[Notation]
    ) -> Notation:
        """Return `∂²L/∂X[i,j]∂X[k,m]`."""
        parts = indexed(Symbol(symbol.name), list(index)), indexed(Symbol(by.name), list(by_index))
        return SecondPartial(Symbol(self._order.first.loss.name), parts)

    def product(self, symbol: Input) -> Notation:
        """Return `H v`, or the sum over the blocks of a row."""
        terms = tuple(self.term(symbol, by, self.symbol(self._order.directions[by])) for by in self._order.parameters)
        return terms[0] if len(terms) == 1 else Infix("+", terms)

    @property
    def residual_derivative(self) -> Notation:
        """`∂r/∂x` of the residual."""
        found = self._order.gauss_newton
        assert found is not None
        return Partial(self.symbol(found.symbol), Symbol(self._order.parameters[0].name))


def free_name(candidates: Sequence[str], names: Iterable[str]) -> str:
    """Return the first candidate that neither is one of `names` nor begins one as its base."""
    taken = {name.partition("_")[0] for name in names} | set(names)
    return next((each for each in candidates if each not in taken), candidates[-1] + "_")


def stacked_notation(notation: Notation, symbol: Input) -> Notation:
    """Return `vec(…)` of a matrix, others unchanged."""
    return Call("vec", (notation,)) if symbol.type.ndim == 2 else notation
