"""The product that a contraction is: its kind, the order of its factors, what is transposed, what it repeats."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.ir import ArrayType, Input
from chainrule.primitives import Contract, Factor, Product, evaluate_nodes, product_of

A, B, A_T, B_T = Factor(0), Factor(1), Factor(0, transposed=True), Factor(1, transposed=True)
BATCH = (0,)
A_EACH, B_EACH, B_T_EACH = Factor(0, batch=BATCH), Factor(1, batch=BATCH), Factor(1, transposed=True, batch=BATCH)

CASES = [
    ("ij,jk->ik", Product("matrix", A, B)),
    ("ij,jk->ki", Product("matrix", B_T, A_T)),
    ("ji,jk->ik", Product("matrix", A_T, B)),
    ("ij,kj->ik", Product("matrix", A, B_T)),
    ("ij,j->i", Product("vector", A, B)),
    ("i,ij->j", Product("vector", B_T, A)),
    ("i,i->", Product("inner", A, B)),
    ("i,j->ij", Product("outer", A, B)),
    ("i,j->ji", Product("outer", B, A)),
    ("ij,ij->i", Product("rows", A, B)),
    ("ij,ji->", Product("trace", A, B)),
    ("ij,ij->", Product("trace", A_T, B)),
    (",ij->ij", Product("scaling", A, B)),
    ("ij,->ij", Product("scaling", B, A)),
    ("bij,bjk->bik", Product("matrix", A_EACH, B_EACH, BATCH)),
    ("bij,jk->bik", Product("matrix", A_EACH, B, BATCH)),
    ("ij,bkj->bik", Product("matrix", A, Factor(1, True, (2,)), (2,))),
    ("bij,j->bi", Product("vector", A_EACH, B, BATCH)),
    ("aij,ajk->ik", Product("matrix", A, B, added=True)),
    ("baij,bakj->bik", Product("matrix", A_EACH, B_T_EACH, BATCH, added=True)),
    ("bij,ji->b", Product("trace", A_EACH, B, BATCH)),
    ("baij,ajk->baik", Product("matrix", Factor(0, batch=(0, 1)), Factor(1, batch=(1,)), (0, 1))),
]

UNNAMED = [
    "ij,jk->i",
    "ij,kl->ijkl",
    "i,i->i",
    "ij,ij->ij",
    "ijk,ijk->i",
    "bij,cjk->bcik",
    "abij,bajk->abik",
    "ij,->ji",
]


def labels_of(spec: str) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    inputs, output = spec.split("->")
    contract = Contract(tuple(tuple(map(ord, labels)) for labels in inputs.split(",")), tuple(map(ord, output)))
    return list(contract.inputs), contract.output


@pytest.mark.parametrize(("spec", "expected"), CASES, ids=[spec for spec, _ in CASES])
def test_a_product_is_told_by_its_labels(spec: str, expected: Product) -> None:
    assert product_of(*labels_of(spec)) == expected


@pytest.mark.parametrize("spec", UNNAMED)
def test_other_contractions_have_no_name(spec: str) -> None:
    assert product_of(*labels_of(spec)) is None


def test_a_product_of_three_has_no_name() -> None:
    assert Contract(((0, 1), (1, 2), (2, 3)), (0, 3)).product is None


@pytest.mark.parametrize(("spec", "expected"), CASES, ids=[spec for spec, _ in CASES])
def test_it_says_what_numpy_computes(spec: str, expected: Product) -> None:
    """`left` times `right`, turned and lined up as the product says, is the value of the contraction."""
    inputs, output = labels_of(spec)
    sizes = dict(enumerate((2, 3, 4, 5, 6)))
    x, y = (Input(name, ArrayType(tuple(sizes[k] for k in each))) for name, each in zip("xy", inputs, strict=True))
    node = Contract(tuple(inputs), output)(x, y)
    random = np.random.default_rng(0)
    values = {each: random.normal(size=each.type.concrete_shape) for each in (x, y)}
    a, b = (values[(x, y)[factor.operand]] for factor in (expected.left, expected.right))
    a = a.swapaxes(-1, -2) if expected.left.transposed else a
    b = b.swapaxes(-1, -2) if expected.right.transposed else b
    match expected.kind:
        case "scaling":
            found = a * b
        case "outer":
            found = np.outer(a, b)
        case "rows":
            found = (a * b).sum(axis=-1)
        case "trace":
            found = np.trace(a @ b, axis1=-2, axis2=-1)
        case _:
            found = a @ b
    found = found.sum(axis=len(expected.batch)) if expected.added else found
    np.testing.assert_allclose(evaluate_nodes([node], values)[node], found, rtol=1e-12)
