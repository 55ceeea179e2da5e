"""Derivatives beside the backward pass, the Hessian and Jacobians: their pages, and their verification."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from chainrule.derivation.document import Block, Detail, Document, Equation, Paragraph
from chainrule.derivation.expressions import commutation_of
from chainrule.derivation.forms import Form
from chainrule.derivation.notator import Notator
from chainrule.derivation.points import Array
from chainrule.derivation.proofreading import Proofreader
from chainrule.derivation.second.chain_form import ChainForm, ChainNotator, VectorChainForm
from chainrule.derivation.second.chains import SecondChains
from chainrule.derivation.second.hessian import SecondOrder, cotangent_tangent
from chainrule.derivation.second.hessian_form import SecondForm
from chainrule.derivation.second.jacobian_form import JacobianForm, JacobianNotator
from chainrule.derivation.second.jacobians import Jacobians
from chainrule.derivation.second.names import SecondNotator
from chainrule.derivation.second.quantities import (
    ChainDerivative,
    CotangentDifferential,
    GradientDifferential,
    SecondDerivative,
    SecondQuantity,
    StageChange,
    StageJacobian,
)
from chainrule.derivation.second.vector_chains import VectorChains
from chainrule.derivation.second.verification import SecondVerifier
from chainrule.derivation.sections import declared_phrase
from chainrule.derivation.valuation import Valuation
from chainrule.derivation.words import join, say
from chainrule.ir import Declaration, Node, topological_order
from chainrule.primitives import Notation, zeros
from chainrule.words import Language

Derivatives: TypeAlias = SecondOrder | Jacobians
Further: TypeAlias = Derivatives | SecondChains
"""What has a page: the derivatives as matrices and by elements, or second derivatives by the chain rule."""


def write_derivatives(
    derivatives: Further,
    form: Form,
    language: Language,
    detail: Detail = "full",
    set_aside: Sequence[Declaration] = (),
    values: Valuation | None = None,
) -> Document:
    """Write the page of `derivatives` in one form and one language, with `values` as a worked example.

    It states that `set_aside` is not used.
    """
    if isinstance(derivatives, SecondChains):
        chain_form = VectorChainForm if isinstance(derivatives, VectorChains) else ChainForm
        page = chain_form(derivatives, language, detail, values).document()
    elif isinstance(derivatives, SecondOrder):
        page = SecondForm(derivatives, language, detail, form == "index", values).document()
    else:
        page = JacobianForm(derivatives, language, detail, form == "index", values).document()
    if not set_aside:
        return page
    title, shapes, *rest = page.blocks
    note = say(language, "set aside", join(language, [declared_phrase(each, language) for each in set_aside]))
    return replace(page, blocks=(title, shapes, Paragraph(note), *rest))


def derivatives_notator(derivatives: Further) -> SecondNotator | JacobianNotator | ChainNotator:
    """Return what writes the expressions of `derivatives`."""
    if isinstance(derivatives, SecondChains):
        return ChainNotator(derivatives)
    return SecondNotator(derivatives) if isinstance(derivatives, SecondOrder) else JacobianNotator(derivatives)


def quantity_notation(quantity: SecondQuantity, notator: Notator) -> Notation:
    """Return the left side of a claim of second order, or of one on a Jacobian."""
    if isinstance(quantity, ChainDerivative):
        assert isinstance(notator, ChainNotator)
        write = notator.of_equation if quantity.held else notator.of_chain
        return write(quantity.symbol, *quantity.by)
    if isinstance(notator, SecondNotator):
        if isinstance(quantity, CotangentDifferential):
            return notator.symbol_of_change(quantity.accumulation.cotangent)
        if isinstance(quantity, GradientDifferential):
            return notator.change(quantity.symbol)
        if isinstance(quantity, SecondDerivative):
            return notator.second_partial(quantity.symbol, quantity.by)
        return notator.residual_derivative
    assert isinstance(notator, JacobianNotator)
    if isinstance(quantity, StageJacobian):
        return notator.derivative(quantity.symbol, quantity.by)
    assert isinstance(quantity, StageChange)
    return notator.tangent(quantity.symbol)


def derivatives_verifier(derivatives: Further, seed: int = 0) -> SecondVerifier:
    """Return a verifier of every claim and of the printed page."""
    reader: type[_FurtherProofreader] = JacobianProofreader
    if not isinstance(derivatives, Jacobians):
        reader = SecondProofreader if isinstance(derivatives, SecondOrder) else ChainProofreader
    return SecondVerifier(
        derivatives.first,
        list(derivatives.claims),
        derivatives.defined if isinstance(derivatives, SecondOrder) else None,
        derivatives.solve if isinstance(derivatives, SecondOrder) else None,
        derivatives.consistent,
        partial(reader, derivatives),
        seed,
    )


class _FurtherProofreader(Proofreader):
    """Reads the page of derivatives beside the backward pass at one point."""

    def __init__(self, derivatives: Further, sizes: Mapping[str, int], value: Callable[[Node], Array]) -> None:
        super().__init__(derivatives.first, sizes, value)
        self._derivatives = derivatives
        self._notator = derivatives_notator(derivatives)

    def _reads(self, block: Block) -> bool:
        """Whether a block is read back: not elements of a Hessian, whose values are compared as claims."""
        return not (isinstance(block, Equation) and block.elements is not None)

    def _document(self, form: Form, language: Language) -> Document:
        return write_derivatives(self._derivatives, form, language)

    def _commutations(self) -> Iterator[tuple[Notation, Array]]:
        for node in topological_order([claim.right for claim in self._derivatives.claims]):
            commutation = commutation_of(node)
            if commutation is not None:
                yield self._notator.commutation(commutation), self._value(node)


class SecondProofreader(_FurtherProofreader):
    """Reads the page of second derivatives."""

    def _symbols(self) -> Iterator[tuple[Notation, Array]]:
        yield from super()._symbols()
        order, notator = self._derivatives, self._notator
        assert isinstance(order, SecondOrder)
        assert isinstance(notator, SecondNotator)
        for symbol, claim in zip(order.parameters, order.gradients, strict=True):
            yield notator.gradient(symbol), self._value(claim.right)
            if order.products:
                yield notator.symbol(order.directions[symbol]), self._value(order.directions[symbol])
            if order.newton:
                yield notator.symbol(order.steps[symbol]), self._value(order.steps[symbol])
            yield notator.change(symbol), self._value(order.changes[symbol])
        for entry, _ in order.lines:
            if entry.symbol not in order.parameters:
                tangent = cotangent_tangent(entry.cotangent)
                yield notator.symbol(tangent), self._value(tangent)
        for block in order.blocks:
            if block.matrix is not None:
                value = self._value(block.matrix.right)
                yield notator.block(block.symbol, block.by), value
                yield notator.second_partial(block.symbol, block.by), value
                if len(order.parameters) == 1:
                    yield notator.nabla, value
            elif block.array is not None:
                rows, columns = (max(1, math.prod(self._value(x).shape)) for x in (block.symbol, block.by))
                value = self._value(block.array.right).reshape((rows, columns), order="F")
                yield notator.block(block.symbol, block.by), value.T if order.layout == "denominator" else value
        yield from self._commutations()
        found = order.gauss_newton
        if found is not None:
            yield notator.jacobian_symbol, self._value(found.jacobian.right)
            yield notator.residual_derivative, self._value(found.jacobian.right)
            yield notator.symbol(found.symbol), self._value(found.symbol)


class ChainProofreader(_FurtherProofreader):
    """Reads the page of second derivatives path by path."""

    def _symbols(self) -> Iterator[tuple[Notation, Array]]:
        yield from super()._symbols()
        chains, notator = self._derivatives, self._notator
        assert isinstance(chains, SecondChains)
        assert isinstance(notator, ChainNotator)
        loss = chains.first.loss
        found: dict[Notation, Node] = {}
        for symbol, firsts in chains.own.items():
            for operand, claim in firsts.items():
                found.setdefault(notator.of_equation(symbol, operand), claim.right)
            for by, claim in chains.own_second.get(symbol, {}).items():
                found.setdefault(notator.of_equation(symbol, *by), claim.right)
        for (symbol, x), claim in chains.totals.items():
            found.setdefault(notator.of_chain(symbol, x), claim.right)
        for (symbol, x, y), claim in chains.second_totals.items():
            found.setdefault(notator.of_chain(symbol, x, y), claim.right)
        for symbol, pair, claim_of_result in chains.results:
            if claim_of_result is None:
                found.setdefault(notator.of_chain(symbol, *pair), zeros(symbol.type))
        for seconds in chains.own_second.values():  # within the mark of a direct part
            for claim in seconds.values():
                assert isinstance(claim.left, ChainDerivative)
                found.setdefault(notator.of_chain(claim.left.symbol, *claim.left.by), claim.right)
        of_loss = {notator.of_chain(loss, entry.symbol) for entry in chains.first.backward.accumulations}
        yield from ((notation, self._value(node)) for notation, node in found.items() if notation not in of_loss)


class JacobianProofreader(_FurtherProofreader):
    """Reads the page of Jacobians."""

    def _symbols(self) -> Iterator[tuple[Notation, Array]]:
        yield from super()._symbols()
        yield from self._commutations()
        jacobians, notator = self._derivatives, self._notator
        assert isinstance(jacobians, Jacobians)
        assert isinstance(notator, JacobianNotator)
        for symbol in jacobians.parameters if jacobians.products else ():
            yield notator.symbol(jacobians.directions[symbol]), self._value(jacobians.directions[symbol])
        for block in jacobians.blocks:
            if block.matrix is not None:
                value = self._value(block.matrix.right)
                yield notator.block(block.result, block.by), value
                if block.result is not jacobians.first.loss:
                    yield notator.derivative(block.result, block.by), value
                elif block.by.type.ndim == 2:
                    yield notator.derivative(block.result, block.by), value.reshape(-1)
