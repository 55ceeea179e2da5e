"""Verification before export: of the lines of the derivation, and of the values of the NumPy source."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
from numpy.typing import NDArray

from chainrule.derivation import (
    Claim,
    Derivatives,
    LossDerivative,
    Record,
    Recurrent,
    Verification,
    Verifier,
    derivative_at_zero,
    derivatives_verifier,
    is_smooth,
    is_upstream,
    output_name,
    recurrent_gradients,
)
from chainrule.emit.errors import EmitError, UnverifiedError
from chainrule.emit.js_source import JsSource
from chainrule.emit.node import find_node, run_in_node
from chainrule.emit.tasks import further_tasks
from chainrule.emit.wasm_source import WasmSource
from chainrule.ir import DType, Input, Node, concrete
from chainrule.primitives import evaluate_nodes

_TOLERANCE = 1e-8
_DIRECTIONS = 3
"""The number of directions along which a kink is sought."""
_verified: WeakSet[Record] = WeakSet()


def check_lines(record: Record) -> None:
    """Raise UnverifiedError unless every line of the derivation holds; a verified one is not checked again."""
    if record in _verified:
        return
    _refuse_unless_holding(Verifier(record, printed=()).run())  # source does not depend on the printed text
    _verified.add(record)


def check_gradients(record: Record, recurrent: Recurrent, lines: Verification) -> None:
    """Raise UnverifiedError unless `lines` hold and the gradients of the record are those that they give at a point.

    It is for a record of every step of a recurrence, or with recurrences as values, whose lines are those of one step.
    At a kink two right derivatives may differ: there alone, finite differences of the forward pass decide.
    """
    if record in _verified:
        return
    _refuse_unless_holding(lines)
    trial = _trial(record, record.backward.wrt)
    given = recurrent_gradients(recurrent, {node.name: value for node, value in trial.given.items()})
    if trial.agrees_with(given):
        _verified.add(record)
        return
    if not _is_at_a_kink(record, trial):
        raise UnverifiedError(
            "nothing is written, since the gradients of the whole function are not those of its lines"
        )
    wrt = set(record.backward.wrt)
    claims = [
        Claim("gradient", LossDerivative(entry.symbol, entry.cotangent), entry.cotangent)
        for entry in record.backward.accumulations
        if entry.symbol in wrt
    ]
    _refuse_unless_holding(Verifier(record, claims=claims, printed=()).run())
    _verified.add(record)


def _is_at_a_kink(record: Record, trial: _Trial) -> bool:
    """Whether the loss bends at the point of a trial, along one of a few directions in the parameters."""
    program = record.backward.gradient_program()
    numbers = program.sizes({node.name: value.shape for node, value in trial.given.items()})
    bound = program.bind({size: concrete(k) for size, k in numbers.items()}, DType.FLOAT64)
    given = {node.name: value for node, value in trial.given.items()}
    random = np.random.default_rng(0)
    for _ in range(_DIRECTIONS):
        changes = {node.name: random.standard_normal(given[node.name].shape) for node in trial.by}

        def along(step: float, changes: Mapping[str, NDArray[Any]] = changes) -> NDArray[Any]:
            moved = {name: value + step * changes[name] if name in changes else value for name, value in given.items()}
            found = evaluate_nodes(bound.outputs[:1], {node: moved[node.name] for node in bound.inputs})
            return np.asarray(found[bound.outputs[0]], float)

        with np.errstate(all="ignore"):
            if not is_smooth(along, *derivative_at_zero(along)):
                return True
    return False


def note_verified(record: Record) -> None:
    """Note that every line of the derivation holds, so that `check_lines` need not find it again."""
    _verified.add(record)


def check_derivatives(derivatives: Derivatives) -> None:
    """Raise UnverifiedError unless every line of a Hessian or of Jacobians holds."""
    _refuse_unless_holding(derivatives_verifier(derivatives).run())


def _refuse_unless_holding(verification: Verification) -> None:
    """Raise UnverifiedError if a line does not hold."""
    if not verification.holds:
        raise UnverifiedError(f"nothing is written, since the derivation is not verified: {verification}")


@dataclass(frozen=True)
class _Trial:
    """A point at which source is run: the inputs, and what was derived there, with its uncertainty.

    The outputs come first, then the gradients `by` inputs.
    """

    given: Mapping[Input, NDArray[Any]]
    names: Sequence[str]
    expected: Sequence[NDArray[Any]]
    spreads: Sequence[NDArray[Any]]
    by: Sequence[Input] = ()

    def agrees_with(self, gradients: Mapping[Input, NDArray[Any]]) -> bool:
        """Whether each of these gradients is what was derived."""
        first = len(self.names) - len(self.by)
        rows = zip(self.by, self.expected[first:], self.spreads[first:], strict=True)
        return all(_agree(np.asarray(gradients[node], float), right, spread) for node, right, spread in rows)

    def check(self, language: str, found: Sequence[NDArray[Any]]) -> None:
        """Raise UnverifiedError unless what the source gives agrees with the derivation."""
        for name, value, right, spread in zip(self.names, found, self.expected, self.spreads, strict=True):
            if not _agree(value, right, spread):
                raise UnverifiedError(
                    f"nothing is written, since what the source in {language} gives for {name} is not what was derived"
                )


def _trial(record: Record, wrt: Sequence[Input]) -> _Trial:
    """Return a point, with the gradients by `wrt`; that of a record is drawn once."""
    if record not in _trials:
        _trials[record] = _drawn_trial(record)
    trial = _trials[record]
    count = len(trial.names) - len(trial.by)
    places = [*range(count), *(count + list(trial.by).index(node) for node in wrt)]
    names, expected, spreads = ([row[k] for k in places] for row in (trial.names, trial.expected, trial.spreads))
    return _Trial(trial.given, names, expected, spreads, wrt)


def _drawn_trial(record: Record) -> _Trial:
    wrt = record.backward.wrt
    stages = {stage.name: stage.symbol for stage in record.backward.stages}
    given = [node for node in record.program.inputs if is_upstream(node)]
    outputs: list[Node] = [stages[output_name(node)] for node in given] or [record.loss]
    cotangents = {entry.symbol: entry.cotangent for entry in record.backward.accumulations}
    verifier = Verifier(record, claims=())
    values, expected, spreads = verifier.values_with_spread([*outputs, *(cotangents[node] for node in wrt)])
    names = [output_name(node) for node in given] or [record.loss.name]
    names += [f"the gradient by {node.name}" for node in wrt]
    at = {node: verifier.value_of(node, values) for node in record.program.inputs}
    return _Trial(at, names, expected, spreads, wrt)


_trials: WeakKeyDictionary[Record, _Trial] = WeakKeyDictionary()


def check_numpy(record: Record, text: str) -> None:
    """Run the NumPy source at a point; raise UnverifiedError unless it agrees with the derivation."""
    order = [node for node in record.program.inputs if node in record.backward.wrt]
    trial = _trial(record, order)
    arguments = [value for node, value in trial.given.items() if not is_upstream(node)]
    seeds = [value for node, value in trial.given.items() if is_upstream(node)]
    space: dict[str, Any] = {}
    try:
        with np.errstate(all="ignore"):
            exec(compile(text, "<emitted source>", "exec"), space)  # noqa: S102
            *found, saved = space["forward"](*arguments)
            gradients = space["backward"](saved, *seeds)
    except Exception as error:
        raise UnverifiedError(
            f"nothing is written, since the source in NumPy fails with {type(error).__name__}: {error}"
        ) from error
    found += [gradients] if len(order) == 1 else gradients
    trial.check("NumPy", [np.asarray(value, float) for value in found])


def check_js(
    subject: Record | Recurrent, name: str, sizes: Collection[str], derivatives: Derivatives | None = None
) -> None:
    """Run the JavaScript module, with constants for `sizes`, at a point; raise UnverifiedError unless it agrees.

    It is run by node. Without node, the program that it was written from is evaluated, in which composite operations
    are expanded.
    """
    record = subject.joined if isinstance(subject, Recurrent) else subject
    trial = _trial(record, record.backward.wrt)
    given = {node.name: value for node, value in trial.given.items()}
    source, results = _js_results(subject, name, sizes, given)
    labels = [f"output {k}" for k in range(len(source.outputs))]
    labels += [f"gradient {by}" for by in source.by]
    arrays = [results[label].reshape(right.shape) for label, right in zip(labels, trial.expected, strict=True)]
    trial.check("JavaScript", arrays)
    for by in source.stepped:
        step = results.get(f"step {by}")
        moved = given[by].ravel() - 0.1 * results[f"gradient {by}"].ravel()
        if step is not None and not np.allclose(step, moved, _TOLERANCE, 0, equal_nan=True):
            raise UnverifiedError(f"nothing is written, since a step in JavaScript moves {by} to another place")
    if derivatives is not None:
        _check_further_js(derivatives, name, sizes)


def _check_further_js(derivatives: Derivatives, name: str, sizes: Collection[str]) -> None:
    """Run the functions of a Hessian or of Jacobians at a point, as `check_js` runs the passes."""
    verifier = derivatives_verifier(derivatives)
    values = verifier.point()
    tasks = further_tasks(derivatives)
    inputs = [*derivatives.first.program.inputs, *derivatives.directions.values()]
    given = {node.name: verifier.value_of(node, values) for node in inputs}
    source, results = _js_results(derivatives.first, name, sizes, given, derivatives)
    for function, task in zip(source.further, tasks, strict=True):
        right = [verifier.value_of(node, values) for node in task.nodes]
        found = [results[f"{function.structure} {k}"].reshape(x.shape) for k, x in enumerate(right)]
        names = [f"{member.name} of {task.name}" for member in function.members]
        _Trial({}, names, right, [np.zeros(()) for _ in right]).check("JavaScript", found)


def _js_results(
    subject: Record | Recurrent,
    name: str,
    sizes: Collection[str],
    given: Mapping[str, NDArray[Any]],
    derivatives: Derivatives | None = None,
) -> tuple[JsSource, Mapping[str, NDArray[Any]]]:
    """Return the source for a point, and what it gives there: under node what `JsSource.trial` leaves, flat."""
    shapes = {node.name: given[node.name].shape for node in subject.program.inputs}
    numbers = {size: concrete(k) for size, k in subject.program.sizes(shapes).items()}
    source = JsSource(subject, name, {size: numbers[size] for size in numbers if size in sizes}, derivatives)
    node = find_node()
    if node is not None:
        text = source.text()
        try:
            return source, run_in_node(node, text, source.trial(numbers), given)
        except EmitError as error:
            raise UnverifiedError(f"nothing is written, since the source in JavaScript fails: {error}") from error
    labels = [f"output {k}" for k in range(len(source.outputs))]
    labels += [f"gradient {by}" for by in source.by]
    programs = {"": source.program, **{each.structure: each.program for each in source.further}}
    results: dict[str, NDArray[Any]] = {}
    for structure, program in programs.items():
        bound = program.bind(numbers)
        found = evaluate_nodes(bound.outputs, {each: given[each.name] for each in bound.inputs})
        places = [f"{structure} {k}" for k in range(len(bound.outputs))] if structure else labels
        results |= {x: np.asarray(found[output], float) for x, output in zip(places, bound.outputs, strict=True)}
    return source, results


def check_wasm(record: Record, name: str) -> None:
    """Take a step in WebAssembly at a point; raise UnverifiedError unless it agrees with the derivation.

    Without node, the step that it was written from is evaluated.
    """
    trial = _trial(record, record.backward.wrt)
    given = {node.name: value for node, value in trial.given.items()}
    numbers = {size: concrete(k) for size, k in record.program.sizes({n: v.shape for n, v in given.items()}).items()}
    source = WasmSource(record, name, numbers)
    given[source.rate] = np.ones(())
    node = find_node()
    if node is None:
        step = source.loop.step
        values = evaluate_nodes(step.outputs, {each: given[each.name] for each in step.inputs})
        results = {label: values[output] for label, output in zip(("", *source.parameters), step.outputs, strict=True)}
    else:
        statements = "\n".join(
            [
                "const run = await open();",
                "run.set(given);",
                'results[""] = run.advance(1).losses;',
                *(f"results[{text}] = run.get({text});" for text in map(json.dumps, source.parameters)),
            ]
        )
        try:
            results = run_in_node(node, source.text(), statements, given)
        except EmitError as error:
            raise UnverifiedError(f"nothing is written, since WebAssembly fails: {error}") from error
    loss, *gradients = trial.expected
    moved = [given[each] - gradient for each, gradient in zip(source.parameters, gradients, strict=True)]
    wanted = replace(trial, expected=[loss, *moved])
    labels = ("", *source.parameters)
    wanted.check(
        "WebAssembly", [results[x].reshape(right.shape) for x, right in zip(labels, wanted.expected, strict=True)]
    )


def _agree(found: NDArray[Any], expected: NDArray[Any], spread: NDArray[Any]) -> bool:
    if found.shape != expected.shape:
        return False
    size = float(np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0))
    with np.errstate(invalid="ignore"):
        near = np.abs(found - expected) <= _TOLERANCE * size + spread + 1e-300
    return bool(np.all(near | (found == expected) | (np.isnan(found) & np.isnan(expected))))
