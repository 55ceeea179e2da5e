"""Diagnosis of vanishing and exploding gradients: the norm of `∂L/∂s` along the chain rule, factor by factor.

The backward pass is the one used for training and derivation. Every equation of the forward pass propagates `Jᵀδ`; the
gain of that factor is ‖Jᵀδ‖ / ‖δ‖, with the Frobenius norm over all rows, which is 1 for a matrix with orthonormal rows
and columns. The total change along a path is the product of the gains, so the contribution of each factor is its
logarithm (Glorot and Bengio 2010, section 4.2; Pascanu, Mikolov and Bengio 2013, equation 5).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import Backward, Contribution, backward
from chainrule.charts import CHART_STYLE, bars, escape
from chainrule.engines import evaluate
from chainrule.ir import Apply, Const, Input, Node, Program, applies, refuse_subclass, substitute, topological_order
from chainrule.networks.flow_words import say
from chainrule.plots import axes_for
from chainrule.primitives import Contract, Elementwise, RandomUniform
from chainrule.training import named_loss, traced_loss
from chainrule.words import Language, at_callers_line, listed_in, used_language, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
Kind: TypeAlias = Literal["activation", "weights", "mask", "equation"]
Status: TypeAlias = Literal["healthy", "vanishing", "exploding", "dead", "zero", "not finite"]

MOST_ROWS: Final = 1_000
"""Maximum number of rows used: the first, since the order of rows does not affect gradients."""
VANISHED: Final = 1e-2
"""A path with a total gain below this has a vanishing gradient; above the inverse, an exploding one."""
A_LAYER: Final = 0.5
"""The same limit per layer, for networks with many layers."""
SATURATED: Final = 0.05
"""A unit is saturated if its derivative is below this fraction of the largest."""
MANY: Final = 0.5
"""The fraction of dead or saturated units in a layer from which they are reported."""


@dataclass(frozen=True)
class Factor:
    """The effect of one equation of the forward pass on the gradient.

    Attributes
    ----------
    symbol, source : str
        The factor is `∂symbol/∂source`, such as `∂a2/∂z2`.
    kind : str
        `"activation"`, `"weights"` (a product with a parameter), `"mask"` (dropout), or `"equation"`.
    gain : float
        ‖∂L/∂source‖ / ‖∂L/∂symbol‖, for the part of the gradient through this factor; nan if no gradient arrives.
    slope, largest : float
        The mean and maximum of |σ′| of an activation; nan for other kinds.
    dead, saturated : float
        The fraction of units whose σ′ is 0 in every row, and of elements whose |σ′| is less than a twentieth of the
        maximum (0 for an activation that is on or off, such as relu).

    """

    symbol: str
    source: str
    kind: Kind
    gain: float
    slope: float = math.nan
    largest: float = math.nan
    dead: float = 0.0
    saturated: float = 0.0

    @property
    def name(self) -> str:
        return f"∂{self.symbol}/∂{self.source}"


@dataclass(frozen=True)
class ParameterGradient:
    """The norms of a parameter and of its gradient."""

    name: str
    gradient: float
    value: float


@dataclass(frozen=True, repr=False)
class GradientReport:
    """The gradient along the path from the loss to the first layer.

    Attributes
    ----------
    status : str
        `"healthy"`, `"vanishing"`, `"exploding"`, `"dead"` (whole units propagate nothing), `"zero"` (the gradient at
        the loss is zero), or `"not finite"`.
    norms : dict
        ‖∂L/∂s‖ of every named quantity, from the loss backwards.
    path : tuple of Factor
        The factors of the chain rule along the path that carries most of the gradient to the first layer.
    params : tuple of ParameterGradient
        In the order of the loss's arguments.
    rows : int
        The number of rows used.

    Examples
    --------
    >>> import chainrule as cr
    >>> X = np.linspace(-1, 1, 20)[:, None]
    >>> network = cr.MLP([1, 8, 8, 1], "tanh", seed=0)
    >>> report = cr.gradient_report(network.loss_function, network.params, {"X": X, "y": X**2})
    >>> report.status, [factor.name for factor in report.between_layers]
    ('healthy', ['∂z3/∂a2', '∂a2/∂z2', '∂z2/∂a1', '∂a1/∂z1'])

    """

    status: Status
    norms: Mapping[str, float]
    path: tuple[Factor, ...]
    params: tuple[ParameterGradient, ...]
    rows: int

    @property
    def total(self) -> float:
        """‖∂L/∂z‖ of the first layer divided by that of the last: the product of the gains between them."""
        return _product(self.between_layers)

    @property
    def between_layers(self) -> tuple[Factor, ...]:
        """The factors between the last layer's and the first layer's pre-activations."""
        return tuple(_between_layers(self.path))

    def part(self, kind: Kind) -> float:
        """The product of the gains of all factors of one kind between these layers."""
        return _product([factor for factor in self.between_layers if factor.kind == kind])

    def sentences(self, lang: Language | None = None) -> list[str]:
        """Describe whether and where the gradient vanishes or explodes, why, and what to try; in English or Chinese."""
        lang = used_language(lang)
        return list(_sentences(self, lang))

    def text(self, lang: Language | None = None) -> str:
        """A table of the factors and the parameters, for a terminal of 80 columns, with the sentences."""
        lang = used_language(lang)
        return _text(self, lang)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Plot ‖∂L/∂s‖ of every named quantity, from the loss backwards, as bars on `ax`, by default on new axes.

        Returns the axes. Raises MissingDependencyError without matplotlib.
        """
        ax = axes_for(ax)
        names, norms = zip(*self._bars, strict=True) if self._bars else ((), ())
        ax.barh(names, norms)
        if any(0 < norm < math.inf for norm in norms):
            ax.set_xscale("log")
        ax.invert_yaxis()
        ax.set_xlabel("norm of the gradient")
        return ax

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<GradientReport: {self.status}; {' '.join(self.sentences('en')[:1])}>"

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(sentence)}</p>\n" for sentence in self.sentences())
        return f"<style>{CHART_STYLE}</style>\n{said}{bars(self._bars, say(used_language(None), 'axis'))}"

    @property
    def _bars(self) -> list[tuple[str, float]]:
        """The norms by name, without that of the loss itself, which is 1."""
        loss = self.path[0].symbol if self.path else None
        return [(f"∂L/∂{name}", norm) for name, norm in self.norms.items() if name != loss]


@at_callers_line
def gradient_report(
    loss: Callable[..., Any] | Program | str,
    params: Any,
    data: Any,
    constants: Mapping[str, Any] | None = None,
) -> GradientReport:
    """Report whether the gradients of `loss` vanish or explode, where, and through which factor.

    The arguments are those of `fit`; at most the first 1,000 rows are used. Raises what `fit` raises for invalid
    arguments.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> random = np.random.default_rng(0)
    >>> W1, W2, W3 = (random.normal(size=shape) for shape in ((3, 8), (8, 8), (8, 1)))
    >>> def loss(X, y, W1, W2, W3):
    ...     z1 = X @ W1
    ...     a1 = cr.sigmoid(z1)
    ...     z2 = a1 @ W2
    ...     a2 = cr.sigmoid(z2)
    ...     z3 = a2 @ W3
    ...     return np.mean((z3 - y) ** 2)
    >>> report = gradient_report(
    ...     loss,
    ...     {"W1": W1, "W2": W2, "W3": W3},
    ...     {"X": random.normal(size=(50, 3)), "y": np.ones((50, 1))},
    ... )
    >>> [factor.name for factor in report.path]
    ['∂L/∂z3', '∂z3/∂a2', '∂a2/∂z2', '∂z2/∂a1', '∂a1/∂z1', '∂z1/∂W1']

    """
    named = named_loss(loss, params, data, constants or {})
    for value in named.data.values():
        refuse_subclass(value)
    first = {name: np.asarray(value)[:MOST_ROWS] if np.ndim(value) else value for name, value in named.data.items()}
    program, values = traced_loss(named.loss, named.params, first, constants or {})
    program = _with_layers_named(program)
    rows = max((len(value) for value in first.values()), default=1)
    flow = _Flow(backward(program, [program.input(name) for name in named.params]), values)
    parameters = tuple(
        ParameterGradient(name, flow.norms.get(name, 0.0), float(np.linalg.norm(values[name]))) for name in named.params
    )
    norms = {name: norm for name, norm in flow.norms.items() if name not in named.params}
    path = flow.path(list(named.params))
    return GradientReport(_status(path, norms, parameters), norms, path, parameters, rows)


def _with_layers_named(program: Program) -> Program:
    """Name unnamed values of the program: arguments of activations, and operands of products.

    Otherwise an activation and the product before it would be one factor.
    """
    names, taken = dict(program.names), {*program.names.values(), *(node.name for node in program.inputs)}
    ahead: set[Node] = set()
    for node in reversed(program.nodes):
        if isinstance(node, Apply) and (isinstance(node.primitive, Contract) or node in ahead):
            ahead.update(node.operands)
    multiplied: set[Node] = set()
    bent: set[Node] = set()

    def name(node: Node, letter: str) -> None:
        if isinstance(node, Apply) and node not in names and node.type.ndim:
            free = (f"{letter}({number})" for number in itertools.count(1))
            names[node] = next(each for each in free if each not in taken)
            taken.add(names[node])

    for node in program.nodes:
        if not isinstance(node, Apply):
            continue
        acts = isinstance(node.primitive, Elementwise) and len(node.operands) == 1 and node in ahead
        if acts and node.operands[0] in multiplied:
            name(node.operands[0], "z")
            bent.add(node)
        if isinstance(node.primitive, Contract):
            for operand in node.operands:
                if operand in bent:
                    name(operand, "a")
            multiplied.add(node)
        if not multiplied.isdisjoint(node.operands):
            multiplied.add(node)
        if not bent.isdisjoint(node.operands):
            bent.add(node)
    return Program(program.inputs, program.outputs, names)


class _Flow:
    """The norms and gains of a backward pass at the inputs `values`."""

    def __init__(self, found: Backward, values: Mapping[str, Array]) -> None:
        self.backward = found
        self.outputs: dict[Node, Array] = {}
        known: dict[Node, Node] = {stage.symbol: stage.node for stage in found.stages}
        wanted: dict[Node, Node] = {}
        for accumulation in found.accumulations:
            for part in accumulation.contributions:
                (wanted[part.adjoint],) = substitute([part.adjoint], known)
                slope = _slope(part)
                if slope is not None:
                    (wanted[slope],) = substitute([slope], known)
            (known[accumulation.cotangent],) = substitute([accumulation.result], known)
            wanted[accumulation.cotangent] = known[accumulation.cotangent]
        program = Program(found.program.inputs, tuple(wanted.values()), {})
        with np.errstate(all="ignore"):
            self.outputs.update(zip(wanted, evaluate(program, values), strict=True))
        self.norms = {
            accumulation.symbol.name: float(np.linalg.norm(self.outputs[accumulation.cotangent]))
            for accumulation in found.accumulations
        }

    def path(self, parameters: Sequence[str]) -> tuple[Factor, ...]:
        """Return the factors from the loss to the first parameter, along the path with the largest gradient."""
        reached: dict[Input, tuple[float, tuple[Factor, ...]]] = {}
        for accumulation in self.backward.accumulations:
            arriving = [
                (gain * factor.gain, (*before, factor))
                for part in accumulation.contributions
                for factor in [self._factor(part)]
                for gain, before in [reached.get(part.stage.symbol, (1.0, ()))]
            ]
            if arriving:
                reached[accumulation.symbol] = max(arriving, key=lambda way: (way[0] == way[0], way[0]))
        entering = [
            operand for stage in self.backward.stages for operand in stage.operands if operand.name in parameters
        ]
        first = next((operand for operand in entering if operand in reached), None)
        return reached[first][1] if first is not None else ()

    def _factor(self, part: Contribution) -> Factor:
        sent = float(np.linalg.norm(self.outputs[part.adjoint]))
        given = 1.0 if isinstance(part.cotangent, Const) else float(np.linalg.norm(self.outputs[part.cotangent]))
        gain = sent / given if given else math.nan
        names = part.stage.name, part.operand.name
        slope = _slope(part)
        if slope is None:
            return Factor(*names, "weights" if _multiplies(part) else "equation", gain)
        if _draws(part.stage.expression):
            return Factor(*names, "mask", gain)
        sizes = np.abs(self.outputs[slope])
        largest = float(sizes.max(initial=0.0))
        small = sizes < SATURATED * largest
        smooth = bool((small & (sizes > 0)).any())  # a rectifier is off, not saturated
        units = sizes.reshape(-1, sizes.shape[-1]) if sizes.ndim else sizes.reshape(1, 1)
        return Factor(
            *names, "activation", gain, float(sizes.mean()), largest,
            float((units == 0).all(axis=0).mean()), float(small.mean()) if smooth else 0.0,
        )  # fmt: skip


def _slope(part: Contribution) -> Node | None:
    """`σ′(z)` of an elementwise equation: J dx for a dx of ones."""
    expression, operand = part.stage.expression, part.operand
    if expression.type.shape != operand.type.shape or not operand.type.ndim:
        return None
    depends: set[Node] = {operand}
    for node in topological_order([expression]):
        if isinstance(node, Apply) and not depends.isdisjoint(node.operands):
            if not node.primitive.is_pointwise:
                return None
            depends.add(node)
    (slope,) = substitute([part.linear_map], {part.tangent: Const(1, part.tangent.type)})
    return slope


def _multiplies(part: Contribution) -> bool:
    """Whether the operand is a factor of a matrix product."""
    depends: set[Node] = {part.operand}
    for node in topological_order([part.stage.expression]):
        if isinstance(node, Apply) and not depends.isdisjoint(node.operands):
            if isinstance(node.primitive, Contract):
                return True
            depends.add(node)
    return False


def _draws(expression: Node) -> bool:
    parts = topological_order([expression])
    return any(applies(part, RandomUniform) for part in parts)


def _status(path: Sequence[Factor], norms: Mapping[str, float], parameters: Sequence[ParameterGradient]) -> Status:
    reached = [*norms.values(), *(parameter.gradient for parameter in parameters)]
    if not all(map(math.isfinite, reached)):
        return "not finite"
    if not any(parameter.gradient for parameter in parameters):
        return "zero"
    inner = _between_layers(path)
    if any(factor.kind == "activation" and factor.dead >= MANY for factor in inner):
        return "dead"
    total, layers = _product(inner), sum(factor.kind == "weights" for factor in inner)
    if layers and total < VANISHED and total ** (1 / layers) < A_LAYER:
        return "vanishing"
    if layers and total > 1 / VANISHED and total ** (1 / layers) > 1 / A_LAYER:
        return "exploding"
    return "healthy"


def _between_layers(path: Sequence[Factor]) -> Sequence[Factor]:
    """Return the factors between the last layer's and the first layer's pre-activations."""
    layers = [k for k, factor in enumerate(path) if factor.kind == "weights"]
    return path[layers[0] : layers[-1]] if len(layers) > 1 else ()


def _product(factors: Sequence[Factor]) -> float:
    return math.prod(factor.gain for factor in factors)


def _sentences(report: GradientReport, lang: Language) -> Iterator[str]:
    if report.status in ("zero", "not finite"):
        bad = next((name for name, norm in report.norms.items() if not math.isfinite(norm)), report.params[0].name)
        yield say(lang, report.status, name=bad)
        return
    inner = report.between_layers
    if not inner:
        yield say(lang, "one layer")
        return
    first, last = inner[-1].source, inner[0].symbol
    ratio = report.total if report.total >= 1 else 1 / report.total if report.total else math.inf
    yield say(lang, f"is {report.status}", first=first, last=last, ratio=_times(ratio), total=_number(report.total))
    if report.status in ("vanishing", "exploding"):
        yield from _causes(report, lang)
    for factor in inner:
        if factor.kind == "activation" and factor.dead >= MANY:
            yield say(lang, "dead units", name=factor.symbol, share=f"{factor.dead:.0%}", factor=factor.name)
    crowded = [factor for factor in inner if factor.kind == "activation" and factor.dead < MANY <= factor.saturated]
    if crowded:
        names = listed_in(lang, (factor.symbol for factor in crowded))
        yield say(lang, "saturated", names=names)
    if report.status != "healthy" or crowded:
        yield say(lang, f"advice {report.status}")


def _causes(report: GradientReport, lang: Language) -> Iterator[str]:
    """Describe the kind of factor that dominates, and the most extreme single factor."""
    shrinks = report.status == "vanishing"
    kinds: tuple[Kind, ...] = ("activation", "weights", "mask", "equation")
    for kind in sorted(kinds, key=report.part, reverse=not shrinks):
        part = report.part(kind)
        factors = [factor for factor in report.between_layers if factor.kind == kind]
        if not factors or (part >= A_LAYER if shrinks else part <= 1 / A_LAYER):
            continue
        worst = (min if shrinks else max)(factors, key=lambda factor: factor.gain)
        mean = part ** (1 / len(factors))
        yield say(
            lang, f"through {kind}", count=len(factors), part=_number(part), mean=_number(mean),
            worst=worst.name, gain=_number(worst.gain), slope=_number(worst.slope), largest=_number(worst.largest),
        )  # fmt: skip


def _text(report: GradientReport, lang: Language) -> str:
    lines = [_row(say(lang, "head factor"), say(lang, "head gain"), say(lang, "head what"))]
    lines += [_row(factor.name, _number(factor.gain), _what(factor, lang)) for factor in report.path]
    lines += ["", _row(say(lang, "head parameter"), "‖∂L/∂W‖", "‖W‖")]
    lines += [_row(each.name, _number(each.gradient), _number(each.value)) for each in report.params]
    lines.append("")
    for sentence in report.sentences(lang):
        lines += [f"  {line}" for line in wrapped(sentence, 74)] if lang == "en" else [sentence]
    return "\n".join(lines)


def _row(name: str, number: str, words: str) -> str:
    return f"  {name:<20} {number:>10}   {words}"


def _what(factor: Factor, lang: Language) -> str:
    if factor.kind != "activation":
        return say(lang, f"what {factor.kind}")
    words = say(lang, "what activation", slope=_number(factor.slope), largest=_number(factor.largest))
    dead = say(lang, "what dead", share=f"{factor.dead:.0%}") if factor.dead else ""
    return f"{words}{dead}"


def _number(value: float) -> str:
    return f"{value:.3g}"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"
