"""Every public name of the installed NumPy is classified, and as what it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.trace import TraceError, trace
from chainrule.trace.methods import METHODS
from chainrule.trace.namespaces import CONSTANTS, NAMESPACES, Standing, names, standing
from chainrule.trace.ufuncs import UFUNC_CALLS
from chainrule.trace.vocabulary import FUNCTIONS, MENDS, name_of


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_name_is_classified(namespace: str) -> None:
    unknown = [name for name in names(namespace) if standing(namespace, name) is None]
    assert unknown == []


def test_no_name_is_two_things() -> None:
    understood = {*UFUNC_CALLS, *map(name_of, FUNCTIONS)}
    assert understood & MENDS.keys() == set()
    assert understood & CONSTANTS.keys() == set()
    assert METHODS.keys() & MENDS.keys() == set()
    assert MENDS.keys() & CONSTANTS.keys() == set()


def test_what_is_classified_is_what_happens() -> None:
    assert standing("np", "exp") == (Standing.UNDERSTOOD, "")
    assert standing("np", "absolute") == standing("np", "abs") == standing("ndarray", "T") == (Standing.UNDERSTOOD, "")
    assert standing("np", "zeros") == (Standing.UNDERSTOOD, "")
    assert standing("np", "pi") == (Standing.CONSTANT, "types and constants")
    assert standing("np", "unique") == (Standing.REFUSED, MENDS["unique"])


UFUNCS = [name for name in names("np") if isinstance(getattr(np, name), np.ufunc) and name not in CONSTANTS]


@pytest.mark.parametrize("name", UFUNCS)
def test_a_ufunc_is_refused_with_its_reason_or_recorded(name: str) -> None:
    ufunc: Any = getattr(np, name)
    found = standing("np", name)
    assert found is not None
    shape = "3 3" if ufunc.signature else "3"
    arguments = {"x": shape, "y": shape} if ufunc.nin == 2 else {"x": shape}

    def function(x: Any, y: Any = None) -> Any:
        return ufunc(x) if y is None else ufunc(x, y)

    if found[0] is Standing.REFUSED:
        with pytest.raises(TraceError, match="is not among the functions") as raised:
            trace(function, **arguments)
        assert found[1] in str(raised.value)
        return
    said = ""
    try:
        program = trace(function, **arguments)
    except cr.ChainruleError as error:  # such as a dtype that does not fit
        said = str(error)
    else:
        assert len(program.outputs) == ufunc.nout
    assert "not among the functions" not in said
