"""Differentiation: linearization, transposition and their composition; simplification as a table of rewrite rules."""

import chainrule.calculus.arithmetic
import chainrule.calculus.axes
import chainrule.calculus.collect
import chainrule.calculus.norms

# isort: split
import chainrule.calculus.adjugates
import chainrule.calculus.choices
import chainrule.calculus.clipping
import chainrule.calculus.convolutions
import chainrule.calculus.gathering
import chainrule.calculus.inverses
import chainrule.calculus.labels
import chainrule.calculus.matrices
import chainrule.calculus.orientation
import chainrule.calculus.pairs
import chainrule.calculus.pieces
import chainrule.calculus.products
import chainrule.calculus.quotients
import chainrule.calculus.roots
import chainrule.calculus.scalars
import chainrule.calculus.sums
import chainrule.calculus.symmetry
import chainrule.calculus.transposes  # noqa: F401 - these enter their rules into the table
from chainrule.calculus.backward import Accumulation, Backward, Contribution, backward, by_result
from chainrule.calculus.chain_sums import as_chain, number_apart, with_rows_as_products
from chainrule.calculus.chains import chain_of, is_column, is_row
from chainrule.calculus.collect import expanded
from chainrule.calculus.jacobian import jacobian_matrix, jacobian_tensor, transposed_matrix
from chainrule.calculus.kinks import Kink, find_kinks
from chainrule.calculus.linearize import linearize
from chainrule.calculus.matrices import PRODUCT_OF_DIAGONALS
from chainrule.calculus.networks import NoClosedFormError
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.recognize import recognize
from chainrule.calculus.recurrence import (
    Carried,
    Constant,
    Recurrence,
    Scan,
    Sequenced,
    StepNames,
    entry,
    fused,
    improved,
    recognized,
    rolled,
    with_sums,
    written_nodes,
)
from chainrule.calculus.rules import RULES, Rule, beneath_arrangement, counts_up, is_scale
from chainrule.calculus.settling import RELU, SHARED, SIDED
from chainrule.calculus.simplify import Rewrite, Simplifier, operation_count, simplify
from chainrule.calculus.stages import COTANGENT, TANGENT, Stage, split_stages
from chainrule.calculus.symmetry import is_symmetric, known_symmetric
from chainrule.calculus.terms import with_powers, without_factor
from chainrule.calculus.transpose import transpose

__all__ = [
    "COTANGENT",
    "PRODUCT_OF_DIAGONALS",
    "RELU",
    "RULES",
    "SHARED",
    "SIDED",
    "TANGENT",
    "Accumulation",
    "Backward",
    "Carried",
    "Constant",
    "Contribution",
    "Kink",
    "NoClosedFormError",
    "Recurrence",
    "Rewrite",
    "Rule",
    "Scan",
    "Sequenced",
    "Simplifier",
    "Stage",
    "StepNames",
    "as_chain",
    "backward",
    "beneath_arrangement",
    "by_result",
    "chain_of",
    "counts_up",
    "entry",
    "expanded",
    "find_kinks",
    "fused",
    "improved",
    "is_column",
    "is_row",
    "is_scale",
    "is_symmetric",
    "jacobian_matrix",
    "jacobian_tensor",
    "known_symmetric",
    "linearize",
    "number_apart",
    "operation_count",
    "reading_cost",
    "recognize",
    "recognized",
    "rolled",
    "simplify",
    "split_stages",
    "transpose",
    "transposed_matrix",
    "with_powers",
    "with_rows_as_products",
    "with_sums",
    "without_factor",
    "written_nodes",
]
