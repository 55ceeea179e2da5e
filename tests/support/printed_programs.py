"""Random programs whose printed lines are read back: broadcasts of every kind, constants, names that collide.

`python -m support.printed_programs --count 2000 --seed 1` reads every form in text and LaTeX, and prints misreadings.
"""

from __future__ import annotations

import argparse
import itertools
import linecache
import random
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

import chainrule as cr
from chainrule.derivation import Form
from chainrule.derivation.proofreading import Misreading, Script
from chainrule.derivation.verify import Verifier
from chainrule.deriving import Derivation, derive

Dim: TypeAlias = "str | int"
Shape: TypeAlias = tuple[Dim, ...]

FORMS: tuple[Form, ...] = ("matrix", "path", "index")
SCRIPTS: tuple[Script, ...] = ("text", "latex")
NAMES = (
    "x",
    "y",
    "z",
    "w",
    "A",
    "B",
    "X",
    "Y",
    "W",
    "W1",
    "W_1",
    "W2",
    "x0",
    "x_0",
    "x1",
    "x_hat",
    "C",
    "C1",
    "K",
    "I",
    "Id",
    "E",
    "T",
    "L",
    "d",
    "dx",
    "dA",
    "delta",
    "delta2",
    "delta_x",
    "sigma",
    "alpha",
    "α",
    "σ",
    "δ",
    "pi",
    "e",
    "i",
    "j",
    "u",
    "v",
    "s",
    "t",
    "r",
    "mu",
    "lam",
    "Sigma",
    "exp_",
    "max_",
    "mean",
    "diag",
    "sum_",
    "b",
    "b1",
    "a1",
    "z1",
    "z2",
    "a_b",
    "theta_1",
    "θ1",
    "G",
    "G_Y",
    "out",
    "relu_",
    "softmax_",
    "W_i",
    "W_j",
    "x_i",
)
"""Names for arguments and local variables, many of which look like others or like notation."""
SIZES: tuple[Dim, ...] = ("n", "n", "m", "k", 3, 2, 1)


@dataclass
class Program:
    """The source of a function of arrays with one number as result, and the shapes of its arguments."""

    source: str
    shapes: dict[str, str]
    number: int

    def derived(self) -> Derivation:
        """Return its derivation; raise an error of the package if it is rejected."""
        file = f"<program {self.number}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(keepends=True), file)
        namespace: dict[str, Any] = {"np": np, "cr": cr}
        exec(compile(self.source, file, "exec"), namespace)
        floats = [name for name, shape in self.shapes.items() if not shape.endswith(":int")]
        return derive(namespace["f"], wrt=floats, **self.shapes)


class _Author:
    """Writes one program, statement by statement, and records the shape of every value."""

    def __init__(self, random_: random.Random) -> None:
        self.random = random_
        self.names = random_.sample(NAMES, len(NAMES))
        self.values: dict[str, Shape] = {}
        self.labels: dict[str, Shape] = {}
        self.lines: list[str] = []

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def value(self) -> tuple[str, Shape]:
        name = self.random.choice(list(self.values)[-6:])
        return name, self.values[name]

    def argument(self) -> None:
        ndim = self.random.choices((0, 1, 2, 3), (1, 4, 6, 2))[0]
        self.values[self.names.pop()] = tuple(self.random.choice(SIZES) for _ in range(ndim))

    def statement(self) -> None:
        kinds = [
            self.binary,
            self.binary,
            self.binary,
            self.unary,
            self.unary,
            self.matmul,
            self.matmul,
            self.reduction,
            self.reduction,
            self.layout,
            self.index,
            self.constant,
            self.constant,
            self.choice,
            self.joined,
            self.special,
            self.outer,
        ]
        for _ in range(20):
            made = self.random.choice(kinds)()
            if made is not None:
                expression, shape = made
                if len(shape) <= 3:
                    name = self.names.pop()
                    self.lines.append(f"{name} = {expression}")
                    self.values[name] = shape
                    return

    # Expressions

    def operand(self, shape: Shape | None = None) -> tuple[str, Shape]:
        """Return a value, sometimes with a further axis or a sign."""
        name, own = self.value()
        turn = self.random.random()
        if turn < 0.12:
            return f"(-{name})", own
        if turn < 0.24 and len(own) in (1, 2):
            axis = self.random.randrange(len(own) + 1)
            index = ", ".join(":" if k != axis else "None" for k in range(len(own) + 1))
            return f"{name}[{index}]", (*own[:axis], 1, *own[axis:])
        if turn < 0.30 and len(own) == 2:
            return f"{name}.T", own[::-1]
        if turn < 0.36:
            return f"({self.random.choice(['2', '0.5', '1e-5', '3.25', '-1'])} * {name})", own
        if turn < 0.42:
            return f"(1 - {name})", own
        return name, own

    def binary(self) -> tuple[str, Shape] | None:
        (a, s), (b, t) = self.operand(), self.operand()
        shape = _broadcast(s, t)
        if shape is None:
            return None
        sign = self.pick("+", "-", "*", "/", "*", "-")
        if sign == "/":
            return f"{a} / (1 + {b}**2)", shape
        expression = f"{a} {sign} {b}"
        if self.random.random() < 0.3:
            c, u = self.operand()
            further = _broadcast(shape, u)
            if further is not None:
                return f"({expression}) {self.pick('*', '-', '+')} {c}", further
        return expression, shape

    def unary(self) -> tuple[str, Shape]:
        x, shape = self.operand()
        forms: tuple[str, ...] = (
            "np.tanh({})",
            "cr.sigmoid({})",
            "cr.relu({})",
            "np.exp(-{}**2)",
            "np.sqrt(1 + {}**2)",
            "{}**2",
            "{}**3",
        )
        forms += ("-{}", "np.log(2 + np.cos({}))", "np.abs({})", "1 / (2 + np.sin({}))", "(2 + np.sin({}))**-1.5")
        forms += ("(2 + np.sin({}))**-1", "cr.softplus({})", "-({} - 1)", "cr.gelu({})", "2**{}")
        return self.pick(*forms).format(x), shape

    def matmul(self) -> tuple[str, Shape] | None:
        pairs = [
            (a, s, b, t)
            for a, s in self._oriented()
            for b, t in self._oriented()
            if s and t and s[-1] == t[-2 if len(t) > 1 else 0]
        ]
        if not pairs:
            return None
        a, s, b, t = self.random.choice(pairs)
        lead = _broadcast(s[:-2], t[:-2])
        if lead is None:
            return None
        return f"{a} @ {b}", (*lead, *(s[-2:-1]), *(t[-1:] if len(t) > 1 else ()))

    def _oriented(self) -> Iterator[tuple[str, Shape]]:
        for name, shape in self.values.items():
            yield name, shape
            if len(shape) == 2:
                yield f"{name}.T", shape[::-1]
            if len(shape) == 3:
                yield f"np.swapaxes({name}, -1, -2)", (shape[0], shape[2], shape[1])

    def reduction(self) -> tuple[str, Shape] | None:
        x, shape = self.operand()
        if not shape:
            return None
        axes = sorted(self.random.sample(range(len(shape)), self.random.randint(1, len(shape))))
        keep = self.random.random() < 0.5
        kind = self.pick("np.sum", "np.mean", "np.max", "cr.logsumexp", "np.sum", "np.min")
        kept = tuple(1 if k in axes else size for k, size in enumerate(shape) if keep or k not in axes)
        axis = str(axes[0]) if len(axes) == 1 else str(tuple(axes))
        return f"{kind}({x}, axis={axis}, keepdims={keep})", kept

    def layout(self) -> tuple[str, Shape] | None:
        x, shape = self.value()
        if len(shape) == 3:
            order = self.random.sample(range(3), 3)
            return f"np.transpose({x}, {tuple(order)})", tuple(shape[k] for k in order)
        if len(shape) == 2 and shape[0] == 1:
            return f"{x}[0]", shape[1:]
        if len(shape) == 2 and all(isinstance(size, int) for size in shape):
            if self.random.random() < 0.5:
                return f"{x}.reshape(-1)", (int(shape[0]) * int(shape[1]),)
            return f"{x}.reshape({shape[1]}, {shape[0]})", shape[::-1]
        if len(shape) == 2:
            return f"{x}.T", shape[::-1]
        if len(shape) == 1:
            ways: list[tuple[str, Shape]] = [
                (f"{x}[:, None]", (*shape, 1)),
                (f"{x}[None]", (1, *shape)),
                (f"{x}[::-1]", shape),
            ]
            return self.random.choice(ways)
        return None

    def index(self) -> tuple[str, Shape] | None:
        x, shape = self.value()
        if not shape or shape[0] == 1:
            return None
        first = shape[0]
        options: list[tuple[str, Shape]] = [(f"{x}[0]", shape[1:]), (f"np.flip({x}, 0)", shape)]
        if isinstance(first, int):
            options.append((f"{x}[1:]", (first - 1, *shape[1:])))
            options.append((f"{x}[np.array([0, 1, 0])]", (3, *shape[1:])))
        if len(shape) == 2 and shape[1] != 1:
            options += [(f"{x}[:, 1]", shape[:1]), (f"{x}[:, 0:1]", (shape[0], 1))]
        if len(self.labels) < 2 and len(shape) <= 2:
            labels = self.names.pop()
            self.labels[labels] = (self.pick("n", "m"),)
            options.append((f"{x}[{labels}]", (*self.labels[labels], *shape[1:])))
        return self.random.choice(options)

    def constant(self) -> tuple[str, Shape] | None:
        x, shape = self.value()
        if not shape or not all(isinstance(size, int) for size in shape):
            return None
        sizes = tuple(int(size) for size in shape)
        options = [
            f"np.arange({sizes[-1]}.)",
            f"np.linspace(0.1, 0.9, {sizes[-1]})",
            f"np.ones({sizes})",
            f"np.zeros({sizes})",
        ]
        options.append(f"np.cos(np.arange({float(np.prod(sizes))})).reshape({sizes})")
        if len(sizes) == 2 and sizes[0] == sizes[1]:
            n = sizes[0]
            options += [f"np.eye({n})", f"(1 - np.eye({n}))", f"np.tril(np.ones(({n}, {n})))", f"-5 * np.eye({n})"]
        return f"{x} {self.pick('*', '+', '-')} {self.random.choice(options)}", shape

    def choice(self) -> tuple[str, Shape] | None:
        (a, s), (b, t) = self.operand(), self.operand()
        shape = _broadcast(s, t)
        if shape is None:
            return None
        forms: tuple[str, ...] = ("np.where({0} > {1}, {0}, {1} * 2)", "np.maximum({0}, {1})", "np.minimum({0}, {1})")
        forms += ("np.where({0} > 0, {1}, -{1})", "({0} > {1}) * {0}", "np.clip({0}, -1, 1) * {1}")
        return self.pick(*forms).format(a, b), shape

    def joined(self) -> tuple[str, Shape] | None:
        x, shape = self.operand()
        others = [name for name, own in self.values.items() if own == shape]
        if not others or not shape:
            return None
        other = self.random.choice(others)
        if len(shape) < 3 and self.random.random() < 0.5:
            return f"np.stack([{x}, {other}], axis={self.random.randrange(len(shape) + 1)})", self._stacked(shape)
        sizes = shape[0]
        if not isinstance(sizes, int):
            return None
        return f"np.concatenate([{x}, {other}], axis=0)", (2 * sizes, *shape[1:])

    def _stacked(self, shape: Shape) -> Shape:
        return ("?", "?", "?", "?")  # its axis is unknown here, so the value is not used again

    def special(self) -> tuple[str, Shape] | None:
        x, shape = self.operand()
        if not shape:
            return None
        axis = self.random.randrange(len(shape))
        options: list[tuple[str, Shape]] = [
            (f"cr.softmax({x}, axis={axis})", shape),
            (f"cr.log_softmax({x}, axis={axis})", shape),
            (f"np.cumsum({x}, axis={axis})", shape),
            (f"{x} - np.mean({x}, axis={axis}, keepdims=True)", shape),
            (f"{x} / np.sqrt(1 + np.sum({x}**2, axis={axis}, keepdims=True))", shape),
            (f"{x} - np.mean({x}, axis={axis})", shape if len(shape) == 2 and axis == 0 else ("?",) * 4),
        ]
        if len(shape) == 2 and shape[0] == shape[1]:
            options += [(f"np.diag({x})", shape[:1]), (f"np.trace({x})", ()), (f"{x} + {x}.T", shape)]
            options += [(f"{x} - np.diag({x})", shape), (f"{x} - np.diag({x})[:, None]", shape)]
        if len(shape) == 1 and shape[0] != 1:
            options += [(f"np.diag({x})", (*shape, *shape)), (f"np.outer({x}, {x})", (*shape, *shape))]
        made = self.random.choice(options)
        return None if "?" in made[1] else made

    def outer(self) -> tuple[str, Shape] | None:
        vectors = [name for name, shape in self.values.items() if len(shape) == 1 and shape[0] != 1]
        matrices = [name for name, shape in self.values.items() if len(shape) == 2 and 1 not in shape]
        if matrices and self.random.random() < 0.5:
            a, b = self.random.choice(matrices), self.random.choice(matrices)
            s, t = self.values[a], self.values[b]
            if s[1] == t[1]:
                sign = self.pick("-", "*", "+")
                return f"{a}[:, None, :] {sign} {b}[None, :, :]", (s[0], t[0], s[1])
            if s == t:
                return f"np.einsum('ij,ij->{self.pick('i', 'j', 'ij', 'ji')}', {a}, {b})", ("?",) * 4
        if not vectors:
            return None
        a, b = self.random.choice(vectors), self.random.choice(vectors)
        shape = (self.values[a][0], self.values[b][0])
        ways: list[tuple[str, Shape]] = [
            (f"{a}[:, None] - {b}[None]", shape),
            (f"{a}[:, None] * {b}", shape),
            (f"{a} - {b}[:, None]", shape[::-1]),
            (f"np.maximum({a}[:, None], {b}[None])", shape),
            (f"np.exp({a}[:, None] + {b}) * {a}[:, None]", shape),
        ]
        return self.random.choice(ways)


def _broadcast(s: Shape, t: Shape) -> Shape | None:
    """Return the shape to which NumPy broadcasts both."""
    result: list[Dim] = []
    for k in range(1, max(len(s), len(t)) + 1):
        a, b = s[-k] if k <= len(s) else 1, t[-k] if k <= len(t) else 1
        if a != b and 1 not in (a, b):
            return None
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


def programs(seed: int) -> Iterator[Program]:
    """Yield random programs without end."""
    number = 0
    while True:
        author = _Author(random.Random(f"{seed} {number}"))
        for _ in range(author.random.randint(1, 3)):
            author.argument()
        arguments = dict(author.values)
        for _ in range(author.random.randint(1, 4)):
            author.statement()
        total = " + ".join(
            author.pick("np.sum({})", "np.sum({}**2)", "np.mean({})", "np.sum(np.sin({}))").format(name)
            for name in list(author.values)[-author.random.randint(1, 2) :]
        )
        shapes = {name: " ".join(map(str, shape)) for name, shape in arguments.items()}
        shapes |= {name: " ".join(map(str, shape)) + ":int" for name, shape in author.labels.items()}
        body = "".join(f"    {line}\n" for line in author.lines)
        yield Program(f"def f({', '.join(shapes)}):\n{body}    return {total}\n", shapes, number)
        number += 1


def misreadings(derivation: Derivation, seed: int = 0) -> tuple[int, list[str], list[Misreading]]:
    """Read all lines, in all forms and both scripts; return their number, those without a value, and the misreadings.

    Each form is read with and without split compositions.
    """
    records = dict.fromkeys((derivation.record, derivation.in_steps), FORMS)
    count = 0
    unread: list[str] = []
    wrong: list[Misreading] = []
    for record, forms in records.items():
        verifier = Verifier(record, seed)
        proofreader = verifier.proofreader(verifier.point())
        for form, script in itertools.product(forms, SCRIPTS):
            reading = proofreader.read(form, script)
            count += reading.read
            unread += reading.unread
            wrong += reading.misreadings
    return count, unread, wrong


def run(count: int, seed: int, tell: Callable[[str], object] = sys.stdout.write) -> Counter[str]:
    """Read `count` programs; report each with a false line."""
    outcomes: Counter[str] = Counter()
    made = programs(seed)
    while outcomes["programs"] < count:
        program = next(made)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                derivation = program.derived()
                read, unread, wrong = misreadings(derivation)
        except cr.ChainruleError as error:
            outcomes["refused"] += 1
            outcomes[type(error).__name__] += 1
            continue
        except Exception as error:
            outcomes["crashed"] += 1
            tell(f"{program.source}    {program.shapes}\n{''.join(traceback.format_exception(error)[-3:])}\n")
            continue
        outcomes["programs"] += 1
        outcomes["lines"] += read
        outcomes["unread"] += len(unread)
        outcomes["false"] += len(wrong)
        if wrong:
            outcomes["programs with a false line"] += 1
            shown = "\n".join(f"    {each.form} {each.script}: {each.line}\n      {each.reason}" for each in wrong[:4])
            tell(f"# {seed}:{program.number}\n{program.source}    {program.shapes}\n{shown}\n")
    return outcomes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sys.stdout.write(f"{dict(run(arguments.count, arguments.seed))}\n")
