"""What becomes of each public name of NumPy while a function is traced, from the tables by which it is traced.

A name is understood, or makes or describes constants (arrays of numbers, types, settings), or is refused for a reason.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Hashable, Iterator
from typing import Any, Final

import numpy as np

from chainrule.trace.complex_values import TRANSFORMS
from chainrule.trace.constructors import CONSTRUCTORS, CONVERSIONS
from chainrule.trace.mapping import CALLING
from chainrule.trace.methods import METHODS
from chainrule.trace.traced import Traced
from chainrule.trace.ufuncs import UFUNC_CALLS
from chainrule.trace.vocabulary import FUNCTIONS, MENDS
from chainrule.trace.writers import WRITERS


class Standing(enum.Enum):
    """What becomes of a name."""

    UNDERSTOOD = "understood"
    CONSTANT = "constant"
    REFUSED = "refused"


NAMESPACES: Final[dict[str, Any]] = {"np": np, "np.linalg": np.linalg, "np.fft": np.fft, "ndarray": np.ndarray}
"""By the prefix under which users write the names."""

_CONSTRUCTORS = (
    "arange array asarray asanyarray asarray_chkfinite ascontiguousarray asfortranarray bartlett blackman diag_indices "
    "empty eye frombuffer from_dlpack fromfunction fromiter fromstring full hamming hanning identity indices "
    "kaiser mask_indices ones tri tril_indices triu_indices zeros"
)
_TYPES = (
    "broadcast_shapes can_cast common_type find_common_type get_include info isdtype isfortran "
    "isscalar issubdtype issubclass_ issubsctype iterable maximum_sctype may_share_memory min_scalar_type mintypecode "
    "obj2sctype promote_types result_type sctype2char shares_memory typename einsum_path frompyfunc nested_iters "
    "diag_indices_from tril_indices_from triu_indices_from"
)
_SETTINGS = (
    "add_docstring add_newdoc add_newdoc_ufunc array2string array_repr array_str base_repr binary_repr "
    "byte_bounds deprecate deprecate_with_doc disp errstate format_float_positional format_float_scientific "
    "get_printoptions getbufsize geterr geterrcall geterrobj lookfor printoptions safe_eval set_numeric_ops "
    "set_printoptions set_string_function setbufsize seterr seterrcall seterrobj show_config show_runtime source "
    "test tracemalloc_domain who"
)
_FILES = "fromfile fromregex genfromtxt load loadtxt recfromcsv recfromtxt save savetxt savez savez_compressed"
_CALENDARS = "busday_count busday_offset datetime_as_string datetime_data is_busday isnat"

CONSTANTS: Final[dict[str, str]] = {
    **dict.fromkeys(_CONSTRUCTORS.split(), "arrays of numbers"),
    **dict.fromkeys(_TYPES.split(), "types and shapes"),
    **dict.fromkeys(_SETTINGS.split(), "settings and printing"),
    **dict.fromkeys(_FILES.split(), "files"),
    **dict.fromkeys(_CALENDARS.split(), "dates"),
    **dict.fromkeys(("fft.fftfreq", "fft.rfftfreq", "fft.test", "linalg.test"), "arrays of numbers"),
}
"""Functions that take no traced values, or give no array for one; by the kind of what they give."""


def names(namespace: str) -> Iterator[str]:
    """The public functions, types and constants of the installed NumPy's `namespace`, without its modules."""
    for name in sorted(dir(NAMESPACES[namespace])):
        if not name.startswith("_") and not isinstance(getattr(NAMESPACES[namespace], name), types.ModuleType):
            yield name


def standing(namespace: str, name: str) -> tuple[Standing, str] | None:
    """Return what becomes of a name, and the kind of a constant or the reason of a refusal; None if it is in no table.

    >>> standing("np", "exp")[0].value
    'understood'
    """
    if namespace == "ndarray":
        return _of_method(name)
    found = getattr(NAMESPACES[namespace], name)
    full = f"{namespace}.{name}".removeprefix("np.")
    if full in CONSTRUCTORS or full in CONVERSIONS or _is_traced(found):
        return Standing.UNDERSTOOD, ""
    for spelled in (full, getattr(found, "__name__", full)):
        if spelled in MENDS:
            return Standing.REFUSED, MENDS[spelled]
        if spelled in CONSTANTS:
            return Standing.CONSTANT, CONSTANTS[spelled]
    if isinstance(found, type) or not callable(found):
        return Standing.CONSTANT, "types and constants"
    return None


def _is_traced(found: Any) -> bool:
    if found is np.r_ or found is np.c_:
        return True
    if isinstance(found, np.ufunc):
        return found.__name__ in UFUNC_CALLS
    known = {**FUNCTIONS, **WRITERS, **CALLING, **TRANSFORMS}
    return not isinstance(found, type) and isinstance(found, Hashable) and found in known


def _of_method(name: str) -> tuple[Standing, str] | None:
    for spelled in (f".{name}", name):
        if spelled in MENDS:
            return Standing.REFUSED, MENDS[spelled]
    return (Standing.UNDERSTOOD, "") if name in METHODS or name in vars(Traced) else None
