"""Sizes as JSON: a number, a name, or a polynomial of names."""

from __future__ import annotations

from chainrule.ir import Dim, SymbolicDim, dim_product, named_dim
from chainrule.schema import JSON, DescriptionError, Form, Schema, shown, shown_data
from chainrule.words import ChainruleError

TERMS = 8
DEGREE = 8
NAME_LENGTH = 200

_PLAIN = Schema()


def size_as_json(size: Dim) -> JSON:
    """Return a number, a name, or the terms of a polynomial, each a list of a coefficient and names."""
    if not isinstance(size, SymbolicDim):
        return int(size)
    if len(size.terms) == 1 and size.terms[0][1] == 1 and len(size.terms[0][0]) == 1:
        return size.terms[0][0][0]
    return [[coefficient, *names] for names, coefficient in size.terms]


def read_size(data: JSON, place: str) -> Dim:
    """Return the size that `size_as_json` wrote; raise DescriptionError for anything else."""
    if isinstance(data, str):
        return _named(data, place)
    if not isinstance(data, list):
        number: int = _PLAIN.read(int, data, place)
        return number
    if len(data) > TERMS:
        raise DescriptionError(f"{place} has {len(data)} terms; a size has at most {TERMS}")
    total: Dim = 0
    for k, term in enumerate(data):
        here = f"{place}[{k}]"
        if not isinstance(term, list) or not 1 <= len(term) <= DEGREE + 1:
            raise DescriptionError(
                f"{here} is {shown_data(term)}; it should be a list of a number and up to eight names"
            )
        names = [_named(_PLAIN.read(str, name, here), here) for name in term[1:]]
        total = total + dim_product([_PLAIN.read(int, term[0], here), *names])
    return total


def _named(name: str, place: str) -> Dim:
    """Return the size named `name`, a word of at most `NAME_LENGTH` letters."""
    try:
        if len(name) <= NAME_LENGTH:
            return named_dim(name)
    except ChainruleError:
        pass
    raise DescriptionError(f"{place} is {shown(name)}; it should be a name")


SIZE = Form(SymbolicDim, size_as_json, read_size)
"""The conversion of sizes."""
