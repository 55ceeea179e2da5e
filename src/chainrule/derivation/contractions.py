"""Whether a contraction is written as a product of matrices, or by indices."""

from __future__ import annotations

from chainrule.ir import Apply, Node
from chainrule.primitives import Contract, Product


def written_product(node: Node) -> Product | None:
    """The product as which a contraction is written; None for one that is written by the indices of its operands."""
    match node:
        case Apply(Contract(product=Product(is_stack=True) as product)):
            return product
    return None


def is_by_indices(node: Node) -> bool:
    """Whether a contraction is written as einsum, by the indices of its operands."""
    match node:
        case Apply(Contract()):
            return written_product(node) is None
    return False


def is_matrix_product(node: Node) -> bool:
    """Whether a contraction is written as a product of matrices or vectors."""
    product = written_product(node)
    return product is not None and product.kind not in ("scaling", "trace")
