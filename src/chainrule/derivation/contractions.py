"""The notation of a contraction: as a matrix product or by indices."""

from __future__ import annotations

from chainrule.ir import Apply, Node
from chainrule.primitives import Contract, Product


def written_product(node: Node) -> Product | None:
    """Return the product in whose notation a contraction is written; None if it is written by indices."""
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
