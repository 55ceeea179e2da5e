from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.trace import flatten, flatten_with_paths, map_leaves, unflatten

Layer = namedtuple("Layer", "W b")
TREES = st.recursive(
    st.integers() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(TREES)
def test_unflatten_undoes_flatten(tree: Any) -> None:
    leaves, structure = flatten(tree)
    assert unflatten(structure, leaves) == tree
    assert structure.leaf_count == len(leaves)
    assert None not in leaves


def test_order_of_insertion_and_named_tuples_are_kept() -> None:
    leaves, structure = flatten({"z": Layer(1, [2]), "a": 3})
    assert leaves == [1, 2, 3]
    rebuilt = unflatten(structure, "xyz")
    assert list(rebuilt) == ["z", "a"]
    assert rebuilt["z"] == Layer("x", ["y"])
    assert isinstance(rebuilt["z"], Layer)


def test_paths_and_map() -> None:
    tree = {"layers": [(1, 2)], "none": None}
    assert flatten_with_paths(tree) == [(("layers", 0, 0), 1), (("layers", 0, 1), 2)]
    assert map_leaves(lambda leaf: leaf + 1, tree) == {"layers": [(2, 3)], "none": None}


def test_a_wrong_number_of_leaves_is_refused() -> None:
    _, structure = flatten([1, 2])
    with pytest.raises(ValueError, match="2 leaves cannot be made of 1"):
        unflatten(structure, [1])
