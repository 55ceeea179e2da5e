"""The shapes beside a product are those of its printed factors, and multiply to that of the result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived
from support.programs import PROGRAMS

import chainrule as cr
from chainrule.derivation.notator import product_shapes
from chainrule.deriving import Derivation, derive
from chainrule.gallery import GALLERY
from chainrule.ir import Apply, Node, topological_order
from chainrule.primitives import Contract, Infix, Notation, Number, Postfix, Symbol

A, B = Symbol("A"), Symbol("B")


def annotated(derivation: Derivation) -> Iterator[tuple[Apply, str]]:
    """Every product in the lines of a derivation that is printed with the shapes of its factors."""
    seen: set[Node] = set()
    for claim in derivation.record.claims:
        for node in topological_order([claim.right]):
            if isinstance(node, Apply) and isinstance(node.primitive, Contract) and node not in seen:
                seen.add(node)
                if " = " in (shapes := product_shapes(node)):
                    yield node, shapes


def sides(notation: Notation, node: Apply) -> list[str]:
    """Rows and columns of a factor as it is printed; a vector is a column."""
    if isinstance(notation, Postfix):
        assert notation.operator == "ᵀ"
        return sides(notation.operand, node)[::-1]
    if isinstance(notation, Infix) and notation.operator == "⊙":
        return sides(notation.operands[0], node)
    assert notation in (A, B)
    shape = [str(dim) for dim in node.operands[(A, B).index(notation)].type.shape]
    return shape if len(shape) == 2 else [*shape, "1"]


def check(derivation: Derivation) -> int:
    """Check every annotation; return their number."""
    count = 0
    for node, shapes in annotated(derivation):
        printed = node.primitive.notation([A, B], [operand.type for operand in node.operands])
        assert isinstance(printed, Infix), shapes
        assert printed.operator == "", shapes
        read = re.fullmatch(r"\((.*)\)\((.*)\) = (.*)", shapes)
        assert read is not None
        first, second, result = (part.split("×") for part in read.groups())
        left, right = printed.operands
        assert first == sides(left, node), (shapes, printed)
        column = sides(right, node) if right != Number(1) else [sides(left, node)[1], "1"]
        assert [*second, "1"][:2] == column, (shapes, printed)
        assert first[1] == second[0], shapes
        assert [first[0], *second[1:]] == result, shapes
        assert result == [str(dim) for dim in node.type.shape]
        count += 1
    return count


@pytest.mark.parametrize("name", GALLERY)
def test_of_the_gallery(name: str) -> None:
    check(derived(name))


@pytest.mark.parametrize("name", PROGRAMS)
def test_of_the_programs(name: str) -> None:
    factory, shapes = PROGRAMS[name]
    program = cr.trace(factory(np), *shapes)
    check(derive(program, [node.name for node in program.inputs if node.type.dtype.is_float]))


EINSUMS = ["ij,jk->ik", "ij,kj->ki", "ij,ij->i", "ij,ij->j", "i,ij->ij", "i,j->ji", "ij,j->i", "ij,i->j", "ij,ij->ij"]
EINSUMS += ["ij,ik->jk", "ij,i->ij", "ij,j->ij", "i,i->i", "ij,ik->ijk", "bij,bjk->bik", "bij,jk->bik"]
EINSUMS += ["ij,ij->", "ij,ik->j"]


@pytest.mark.parametrize("spec", EINSUMS)
def test_of_einsums(spec: str) -> None:
    left, right = spec.partition("->")[0].split(",")

    def function(X: Any, Y: Any) -> Any:
        return np.einsum(spec, X, Y)

    check(cr.derive(function, X=" ".join(left), Y=" ".join(right)))


def test_some_are_annotated() -> None:
    assert check(derived("two_layer_rows")) >= 4


def test_a_product_row_by_row_is_not_annotated_as_one_of_matrices() -> None:
    def rows(A: Any, B: Any) -> Any:
        return np.einsum("ij,ij->i", A, B)

    assert "(n×1)(1×m)" not in cr.derive(rows, A="n m", B="n m").text()
