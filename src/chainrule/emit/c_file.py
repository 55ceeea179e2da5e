"""The framework of a C file: header, comments, structures, signatures, tables and helpers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chainrule.emit.c_values import C_TYPES
from chainrule.emit.layout import broken
from chainrule.ir import DType
from chainrule.primitives import THREEFRY_PARITY, THREEFRY_ROTATIONS, THREEFRY_ROUNDS


def header_text(
    name: str, heading: Sequence[str], includes: Sequence[str], lines: Sequence[str], restrict: str = ""
) -> str:
    """Return a C99 header that is also valid C++, with `heading` as its initial comment.

    `restrict` is a macro for C's keyword that works in both languages, if needed.
    """
    guard = f"CHAINRULE_{name.upper()}_H"
    every = [
        "/*",
        *(f" * {line}" if line else " *" for line in heading),
        " */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        *(f"#include <{include}.h>" for include in includes),
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        *([f"#define {restrict} __restrict", "#else", f"#define {restrict} restrict"] if restrict else []),
        "#endif",
        "",
        *lines,
        *([f"#undef {restrict}", ""] if restrict else []),
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        f"#endif /* {guard} */",
    ]
    return "\n".join(piece for line in every for piece in broken(line)) + "\n"


def structure(name: str, comment: str, members: Sequence[str]) -> list[str]:
    """Return a structure with the given member declarations."""
    return [f"/* {comment} */", "typedef struct {", *members, f"}} {name};", ""]


def function(comment: str, head: str, parameters: Sequence[str], statements: Sequence[str]) -> list[str]:
    """Return a function, preceded by a comment."""
    return [f"/* {comment} */", *signature_lines(f"static inline {head}", parameters), *statements, "}", ""]


def table_lines(tables: Mapping[str, tuple[str, DType, int]]) -> list[str]:
    """Return the literal arrays, by name: elements, dtype and count."""
    lines = []
    for name, (values, dtype, count) in tables.items():
        lines += [f"static const {C_TYPES[dtype]} {name}[{count}] = {{{values}}};", ""]
    return lines


def _random(name: str) -> list[str]:
    """Return Threefry-2x64-20, as defined in `chainrule.primitives.threefry`, with a loop over rounds."""
    rotations = ", ".join(map(str, THREEFRY_ROTATIONS))
    return [
        "/* 64 random bits: Threefry-2x64-20 of (step, place) under (seed, stream), Salmon et al. 2011. */",
        *signature_lines(
            f"static inline uint64_t {name}_random",
            ["uint64_t seed", "uint64_t stream", "uint64_t step", "uint64_t place"],
        ),
        f"    static const int rotations[{len(THREEFRY_ROTATIONS)}] = {{{rotations}}};",
        f"    const uint64_t words[3] = {{seed, stream, UINT64_C({THREEFRY_PARITY}) ^ seed ^ stream}};",
        "    uint64_t x = step + words[0];",
        "    uint64_t y = place + words[1];",
        f"    for (int round = 0; round < {THREEFRY_ROUNDS}; ++round) {{",
        f"        const int rotation = rotations[round % {len(THREEFRY_ROTATIONS)}];",
        "        x += y;",
        "        y = ((y << rotation) | (y >> (64 - rotation))) ^ x;",
        "        if (round % 4 == 3) {",
        "            const int injection = round / 4 + 1;",
        "            x += words[injection % 3];",
        "            y += words[(injection + 1) % 3] + (uint64_t)injection;",
        "        }",
        "    }",
        "    return x;",
        "}",
        "",
    ]


def helper_lines(name: str, dtype: DType, helpers: Iterable[str]) -> list[str]:
    """Return the functions in `helpers`, whose names begin with `name`."""
    real = C_TYPES[dtype]
    one, zero, f = ("1.0f", "0.0f", "f") if dtype is DType.FLOAT32 else ("1.0", "0.0", "")
    texts = {
        "sigmoid": [
            "/* The logistic function; the exponential sees no positive number, so it cannot overflow. */",
            f"static inline {real} {name}_sigmoid({real} x) {{",
            f"    const {real} e = exp{f}(-fabs{f}(x));",
            f"    return (x >= {zero} ? {one} : e) / ({one} + e);",
            "}",
            "",
        ],
        "random": _random(name),
        "softplus": [
            "/* ln(1 + e^x) without overflow. */",
            f"static inline {real} {name}_softplus({real} x) {{",
            f"    return (x > {zero} ? x : {zero}) + log1p{f}(exp{f}(-fabs{f}(x)));",
            "}",
            "",
        ],
    }
    return [line for helper in sorted(helpers) for line in texts[helper]]


def signature_lines(head: str, parameters: Sequence[str]) -> list[str]:
    """Return the first line of a function, or one line for each parameter."""
    line = f"{head}({', '.join(parameters)}) {{"
    if len(line) <= 100:
        return [line]
    return [f"{head}(", *(f"    {p}," for p in parameters[:-1]), f"    {parameters[-1]}) {{"]
