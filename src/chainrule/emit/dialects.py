"""The spellings of matrixcalculus.org, Julia, MATLAB and NumPy: what `spelled` writes of each operation.

Vectors are columns in the first three, and have one axis in NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
    comparisons: Mapping[str, str] = field(default_factory=dict)
    choice: str = ""
    """How `{x}` where `{c}` holds, else `{y}`, is written."""
    arrangements: Mapping[str, str] = field(default_factory=dict)
    """`kron`, `vec`, `matrix` (n×m, of a vector of its columns), `slice` and `join`, of vectors."""
    slices_expressions: bool = True
    """Whether a slice may be taken of an expression that is no name."""
    between: str = "; "
    """What stands between joined vectors."""
    row_sums: str = ""
    transpose: str = "'"
    call: str = "{f}({x})"
    identity: str = "eye"
    identity_of_size: str = "eye({n})"
    ones: str = "vector(1)"
    matrix_of_ones: str = "matrix(1)"
    matrix_of_zeros: str = ""
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

_COMPARISONS = {sign: sign for sign in (">", ">=", "<", "<=", "==", "!=")}

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
        {**_SAME, "erf": "erf", "erfc": "erfc"},
        {**_MATRICES, "matrix": "Diagonal({x})", "max": "maximum({x})", "min": "minimum({x})"},
        comparisons={sign: f".{sign}" for sign in _COMPARISONS},
        choice="ifelse.({c}, {x}, {y})",
        arrangements={
            "kron": "kron({x}, {y})",
            "vec": "vec({x})",
            "matrix": "reshape({x}, {n}, {m})",
            "slice": "{x}[{low}:{high}]",
            "join": "[{x}]",
        },
        row_sums="sum({x}, dims=2)",
        identity_of_size="I({n})",
        call="{f}.({x})",
        plus=".+",
        minus=".-",
        above=".>",
        identity="I",
        ones="ones({n})",
        matrix_of_ones="ones({n}, {m})",
        matrix_of_zeros="zeros({n}, {m})",
        size="size({x}, {axis})",
    ),
    "matlab": Dialect(
        "MATLAB",
        {**_SAME, "erf": "erf", "erfc": "erfc"},
        {
            **_MATRICES,
            "max": "max({x})",
            "min": "min({x})",
            "tr": "trace({x})",
            "logdet": "log(abs(det({x})))",
            "norm": "norm({x}, 'fro')",
        },
        comparisons={**_COMPARISONS, "!=": "~="},
        arrangements={
            "kron": "kron({x}, {y})",
            "vec": "reshape({x}, [], 1)",
            "matrix": "reshape({x}, {n}, {m})",
            "slice": "{x}({low}:{high})",
            "join": "[{x}]",
        },
        row_sums="sum({x}, 2)",
        identity="eye({n})",
        ones="ones({n}, 1)",
        matrix_of_ones="ones({n}, {m})",
        matrix_of_zeros="zeros({n}, {m})",
        slices_expressions=False,
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
            "max": "np.max({x})",
            "min": "np.min({x})",
        },
        comparisons=_COMPARISONS,
        choice="np.where({c}, {x}, {y})",
        arrangements={
            "kron": "np.kron({x}, {y})",
            "vec": 'np.ravel({x}, order="F")',
            "matrix": 'np.reshape({x}, ({n}, {m}), order="F")',
            "slice": "{x}[{low}:{high}]",
            "join": "np.concatenate([{x}])",
        },
        between=", ",
        row_sums="np.sum({x}, axis=1, keepdims=True)",
        identity_of_size="np.eye({n})",
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
        matrix_of_zeros="np.zeros(({n}, {m}))",
        size="{x}.shape[{axis}]",
        first_axis=0,
    ),
}
"""The notations, by name."""

NOTATIONS: dict[str, str] = {**{name: dialect.comment for name, dialect in DIALECTS.items()}, "latex": "%"}
"""What a comment begins with in each notation in which gradients are given; LaTeX is that of the pages."""
