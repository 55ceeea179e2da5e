"""The text around the loops: includes, sizes, structures, signatures, and a comment that says how to use them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chainrule.emit.c_values import C_TYPES
from chainrule.ir import ArrayType, Dim, DType, bind_dim, concrete
from chainrule.primitives import THREEFRY_PARITY, THREEFRY_ROTATIONS, THREEFRY_ROUNDS

_WIDTH = 100
_RESTRICT = "CHAINRULE_RESTRICT"
_BYTES = {DType.FLOAT32: 4, DType.FLOAT64: 8, DType.INT64: 4, DType.BOOL: 1}


@dataclass(frozen=True)
class Member:
    """A member of a structure."""

    name: str
    type: ArrayType


@dataclass(frozen=True)
class CFile:
    """All that a header is made of; `forward` and `backward` are the statements of the two passes."""

    name: str
    dtype: DType
    constants: Mapping[str, int]
    sizes: Mapping[str, int]
    params: Sequence[Member]
    grads: Sequence[Member]
    workspace: Sequence[Member]
    data: Sequence[tuple[str, ArrayType]]
    seeds: Sequence[tuple[str, ArrayType]]
    forward: Sequence[str]
    backward: Sequence[str]
    results: Sequence[str]
    is_layer: bool
    helpers: Sequence[str]
    tables: Mapping[str, tuple[str, DType, int]]
    size_names: Mapping[str, str]

    @property
    def steps(self) -> Sequence[Member]:
        """The parameters that have a gradient."""
        return self.params


def render(file: CFile) -> str:
    """The header."""
    guard = f"CHAINRULE_{file.name.upper()}_H"
    lines = [
        *_heading(file),
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        "#include <math.h>",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        f"#define {_RESTRICT} __restrict",
        "#else",
        f"#define {_RESTRICT} restrict",
        "#endif",
        "",
        *_constants(file),
        *_structure(file, "params", "What is learnt.", file.params),
        *_structure(file, "grads", "The gradients.", file.grads),
        *_structure(file, "work", "What lies between; its contents need not be kept.", file.workspace),
        *table_lines(file.tables),
        *helper_lines(file.name, file.dtype, file.helpers),
        *_functions(file),
        *_step(file),
        f"#undef {_RESTRICT}",
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        f"#endif /* {guard} */",
    ]
    return "\n".join(piece for line in lines for piece in broken(line)) + "\n"


def broken(line: str) -> list[str]:
    """A line too long to read in several, broken between words; a comment goes on as one."""
    margin = line[: len(line) - len(line.lstrip())]
    further = " *         " if line.startswith(" * ") else margin + " " * 8
    pieces = []
    while len(line) > _WIDTH:
        place = line.rfind(" ", len(further) + 20, _WIDTH)
        if place < 0:
            break
        pieces.append(line[:place])
        line = further + line[place + 1 :]
    return [*pieces, line]


def _heading(file: CFile) -> list[str]:
    sizes = ", ".join(f"{name} = {size}" for name, size in file.sizes.items())
    parts = [("params", file.params), ("grads", file.grads), ("work", file.workspace)]
    memory = ", ".join(f"{label} {_bytes(file, members):,}" for label, members in parts if members)
    usage = [f"    static {file.name}_{label} {label};" for label, members in parts if members]
    for function in _passes(file):
        result = "" if function.result == "void" else f"{function.result} loss = "
        usage.append(f"    {result}{function.call};")
    if file.params:
        usage += [f"    {file.name}_sgd_step(&params, &grads, 0.1{'f' if file.dtype is DType.FLOAT32 else ''});"]
    body = [
        f"{file.name}: forward and backward pass in C99, derived by chainrule.",
        "",
        f"Sizes: {sizes or 'none are named'}. Memory in bytes, all of it the caller's: {memory}.",
        "Arrays are given in row-major order. Nothing is allocated; link with -lm.",
        *([f"The forward pass leaves {_listed(file.results)}."] if file.is_layer else []),
        "",
        *usage,
    ]
    return ["/*", *(f" * {line}".rstrip() for line in body), " */"]


def _listed(results: Sequence[str]) -> str:
    return " and ".join(text.replace("->", ".") for text in results)


def _count(file: CFile, type: ArrayType) -> int:
    total = 1
    for dim in type.shape:
        total *= concrete(bind_dim(dim, file.sizes))
    return total


def _bytes(file: CFile, members: Sequence[Member]) -> int:
    return sum(_count(file, member.type) * _BYTES[member.type.dtype] for member in members)


def _constants(file: CFile) -> list[str]:
    if not file.constants:
        return []
    declared = [f"    {name} = {size}," for name, size in file.constants.items()]
    declared[-1] = declared[-1].removesuffix(",")
    return ["enum {", *declared, "};", ""]


def size_text(file: CFile, dim: Dim) -> str:
    """A size in a declaration."""
    if isinstance(dim, int):
        return str(dim)
    terms = []
    for monomial, coefficient in sorted(dim.terms, key=lambda term: (term[1] < 0, -len(term[0]), term[0])):
        factors = [file.size_names[name] for name in monomial]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, str(abs(coefficient)))
        terms.append(("- " if coefficient < 0 else "+ ") + " * ".join(factors))
    return " ".join(terms).removeprefix("+ ")


def _structure(file: CFile, label: str, comment: str, members: Sequence[Member]) -> list[str]:
    if not members:
        return []
    declared = [
        f"    {C_TYPES[m.type.dtype]} {m.name}{''.join(f'[{size_text(file, dim)}]' for dim in m.type.shape)};"
        for m in members
    ]
    return [f"/* {comment} */", "typedef struct {", *declared, f"}} {file.name}_{label};", ""]


def table_lines(tables: Mapping[str, tuple[str, DType, int]]) -> list[str]:
    """The literal arrays, by name: their elements, their dtype and their number."""
    lines = []
    for name, (values, dtype, count) in tables.items():
        lines += [f"static const {C_TYPES[dtype]} {name}[{count}] = {{{values}}};", ""]
    return lines


def _random(name: str) -> list[str]:
    """Threefry-2x64-20, as `chainrule.primitives.threefry` defines it; rotations and injections in a loop."""
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
    """The functions in `helpers`, whose names begin with `name`."""
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


@dataclass(frozen=True)
class _Function:
    """A function of the header: what it takes, by parameter and by argument, and its statements."""

    title: str
    comment: str
    result: str
    parameters: Sequence[tuple[str, str]]
    text: Sequence[str]

    @property
    def call(self) -> str:
        return f"{self.title}({', '.join(argument for _, argument in self.parameters)})"


def _passes(file: CFile) -> list[_Function]:
    """The functions that compute, each with the arguments that it has a use for."""
    real = C_TYPES[file.dtype]
    params = [(f"const {file.name}_params *{_RESTRICT} params", "&params")] if file.params else []
    data = [(_parameter(name, type), name) for name, type in file.data]
    seeds = [(_parameter(name, type), name) for name, type in file.seeds]
    grads = [(f"{file.name}_grads *{_RESTRICT} grads", "&grads")]
    work = [(f"{file.name}_work *{_RESTRICT} work", "&work")] if file.workspace else []

    def used(parameters: Sequence[tuple[str, str]], text: Sequence[str]) -> list[tuple[str, str]]:
        words = {word for line in text if not line.lstrip().startswith("/*") for word in _words(line)}
        return [entry for entry in parameters if entry[1].removeprefix("&") in words]

    if not file.is_layer:
        text = [*file.forward, *file.backward, f"    return {file.results[0]};"]
        comment = "The gradients of the loss, which is returned."
        parameters = used([*params, *data, *grads, *work], text)
        return [_Function(f"{file.name}_forward_backward", comment, real, parameters, text)]
    given = _listed([name for name, _ in file.seeds])
    return [
        _Function(
            f"{file.name}_forward",
            f"The result, in {_listed(file.results)}.",
            "void",
            used([*params, *data, *work], file.forward),
            file.forward,
        ),
        _Function(
            f"{file.name}_backward",
            f"The gradients, given {given}; `work` as the forward pass has left it.",
            "void",
            used([*params, *data, *seeds, *grads, *work], file.backward),
            file.backward,
        ),
    ]


def _functions(file: CFile) -> list[str]:
    lines = []
    for function in _passes(file):
        lines += [
            f"/* {function.comment} */",
            *signature_lines(f"static inline {function.result} {function.title}", [p for p, _ in function.parameters]),
            *function.text,
            "}",
            "",
        ]
    return lines


def _words(line: str) -> list[str]:
    """The names in a line of C, without those of members."""
    words: list[str] = []
    word = ""
    before = ""
    for letter in [*line, " "]:
        if letter.isalnum() or letter == "_":
            word += letter
            continue
        if word and not before.endswith("->"):
            words.append(word)
        before, word = before[-1:] + word[-1:] + letter if word else before[-1:] + letter, ""
    return words


def _parameter(name: str, type: ArrayType) -> str:
    if type.ndim == 0:
        return f"{C_TYPES[type.dtype]} {name}"
    return f"const {C_TYPES[type.dtype]} *{_RESTRICT} {name}"


def signature_lines(head: str, parameters: Sequence[str]) -> list[str]:
    """The first line of a function, or a line for each of its parameters."""
    line = f"{head}({', '.join(parameters)}) {{"
    if len(line) <= 100:
        return [line]
    return [f"{head}(", *(f"    {p}," for p in parameters[:-1]), f"    {parameters[-1]}) {{"]


def _step(file: CFile) -> list[str]:
    if not file.steps:
        return []
    lines = [
        "/* One step of gradient descent. */",
        *signature_lines(
            f"static inline void {file.name}_sgd_step",
            [
                f"{file.name}_params *{_RESTRICT} params",
                f"const {file.name}_grads *{_RESTRICT} grads",
                f"{C_TYPES[file.dtype]} rate",
            ],
        ),
    ]
    for member in file.steps:
        at, depth = "", 1
        for axis, dim in enumerate(member.type.shape):
            loop = "ijklmnpq"[axis]
            size = size_text(file, dim)
            lines.append(f"{'    ' * depth}for (int {loop} = 0; {loop} < {size}; ++{loop}) {{")
            at += f"[{loop}]"
            depth += 1
        lines.append(f"{'    ' * depth}params->{member.name}{at} -= rate * grads->{member.name}{at};")
        lines += [f"{'    ' * d}}}" for d in range(depth - 1, 0, -1)]
    return [*lines, "}", ""]
