"""The spellings of matrixcalculus.org, Julia, MATLAB and NumPy: what `spelled` writes of each operation.

Vectors are columns in the first three, and have one axis in NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SAME = {
    name: name
    for name in ("exp", "log", "sqrt", "sin", "cos", "tan", "tanh", "sinh", "cosh", "abs", "sign", "floor", "log1p")
}


@dataclass(frozen=True)
class Dialect:
    """The operators and functions of one notation.

    `functions` are elementwise functions by the name of their ufunc; `matrices` are those of whole arrays. `times`
    multiplies element by element, `over` divides, `power` raises; `plus` and `minus` join arrays to numbers. `ones`
    stands for a vector of ones of the size `{n}`.
    """

    title: str
    functions: Mapping[str, str]
    matrices: Mapping[str, str]
    product: str = "*"
    times: str = ".*"
    over: str = "./"
    power: str = ".^"
    scalar_power: str = "^"
    plus: str = "+"
    minus: str = "-"
    above: str = ">"
    transpose: str = "'"
    call: str = "{f}({x})"
    identity: str = "eye"
    ones: str = "vector(1)"
    matrix_of_ones: str = "matrix(1)"
    comment: str = "#"
    size: str = ""
    """How a size is read from an array; "" if sizes are only names."""
    first_axis: int = 1
    is_ascii: bool = False
    """Whether names are of ASCII letters."""
    has_columns: bool = True
    """Whether vectors are columns, with a transpose, or arrays of one axis."""
    adds_numbers: bool = True
    """Whether a number is added to every element of an array."""


_MATRICES = {name: f"{name}({{x}})" for name in ("inv", "det", "logdet", "tr", "diag", "sum", "norm")}
_MATRICES["matrix"] = "diag({x})"

DIALECTS: dict[str, Dialect] = {
    "matrixcalculus": Dialect(
        "matrixcalculus.org",
        _SAME,
        {**_MATRICES, "norm": "norm2({x})"},
        is_ascii=True,
        adds_numbers=False,
        above="",
    ),
    "julia": Dialect(
        "Julia",
        _SAME,
        {**_MATRICES, "matrix": "Diagonal({x})"},
        call="{f}.({x})",
        plus=".+",
        minus=".-",
        above=".>",
        identity="I",
        ones="ones({n})",
        matrix_of_ones="ones({n}, {m})",
        size="size({x}, {axis})",
    ),
    "matlab": Dialect(
        "MATLAB",
        _SAME,
        {**_MATRICES, "tr": "trace({x})", "logdet": "log(abs(det({x})))", "norm": "norm({x}, 'fro')"},
        identity="eye({n})",
        ones="ones({n}, 1)",
        matrix_of_ones="ones({n}, {m})",
        comment="%",
        is_ascii=True,
        size="size({x}, {axis})",
    ),
    "numpy": Dialect(
        "NumPy",
        {name: f"np.{name}" for name in _SAME},
        {
            "inv": "np.linalg.inv({x})",
            "det": "np.linalg.det({x})",
            "logdet": "np.linalg.slogdet({x})[1]",
            "tr": "np.trace({x})",
            "diag": "np.diag({x})",
            "matrix": "np.diag({x})",
            "sum": "np.sum({x})",
            "norm": "np.linalg.norm({x})",
        },
        product="@",
        has_columns=False,
        times="*",
        over="/",
        power="**",
        scalar_power="**",
        transpose=".T",
        identity="np.eye({n})",
        ones="np.ones({n})",
        matrix_of_ones="np.ones(({n}, {m}))",
        size="{x}.shape[{axis}]",
        first_axis=0,
    ),
}
"""The notations, by name."""
