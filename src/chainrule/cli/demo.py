"""`chainrule demo`: the XOR example from derivation to predictions."""

from __future__ import annotations

import inspect
import math
import re
import time
from typing import Any

import click
import numpy as np

from chainrule.cli.errors import CommandError
from chainrule.cli.help import Command
from chainrule.cli.output import aligned, duration, heading, in_color, page_width, print_json, progress, say_line
from chainrule.cli.sentences import language_option, say
from chainrule.cli.verification import print_verification
from chainrule.derivation import FORMS, Form, Verification
from chainrule.deriving import Derivation, derive
from chainrule.interrupts import INTERRUPTED
from chainrule.networks import NeuralNetwork, two_layer_loss, two_layer_program
from chainrule.training import SGD, FitResult, fit
from chainrule.words import Language

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])
SHAPES = {"X": "n d", "y": "n o", "W1": "d h", "b1": "h", "W2": "h o", "b2": "o"}
REPORTED = 4000
REPORTS = 20
"""The loss is printed every 4000 epochs, or every multiple of that which gives at most this many lines."""
SHORT, REPETITIONS = 0.1, 4
"""A run of less than 0.1 s is timed five times; the least counts."""
MOST_TIMED = 20_000
"""The loop in plain NumPy is timed on at most this many epochs, to keep the demo short."""


@click.command("demo", cls=Command)
@click.option(
    "--form", type=click.Choice(FORMS), default="path", show_default=True, help="How the derivation is written."
)
@language_option
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Draws the weights.")
@click.option("--epochs", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--learning-rate", type=float, default=0.1, show_default=True, help="Learning rate.")
@click.option("--hidden", type=click.IntRange(1, 4096), default=4, show_default=True, help="Hidden units.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def command(
    form: Form, lang: Language, seed: int, epochs: int, learning_rate: float, hidden: int, as_json: bool
) -> int:
    """Derive, verify, train and use the two-layer network on XOR."""
    optimizer = SGD(learning_rate)
    if not as_json:
        _print_network(lang, hidden)  # at once, while the derivation is made
    derivation = derive(two_layer_loss, wrt=["W1", "b1", "W2", "b2"], **SHAPES)
    verification = derivation.verify()
    if not as_json:
        _print_derivation(derivation, verification, form, lang)
    network = NeuralNetwork(2, hidden, 1, seed)
    started = time.perf_counter()
    _train(network, optimizer, 1)
    compiling = time.perf_counter() - started
    if as_json:
        result = _train(network, optimizer, epochs)
    else:
        with progress(say(lang, "progress"), epochs) as report:
            result = _train(network, optimizer, epochs, callback=report)
    # Without the progress display, and repeated if it is too short for one measurement.
    runs = REPETITIONS if result.seconds < SHORT and result.status == "finished" else 0
    seconds = min(result.seconds, *(_train(network, optimizer, epochs).seconds for _ in range(runs)), math.inf)
    if result.status == "diverged":
        what = f"{result.culprit} is no longer finite" if result.culprit else "the loss grew beyond any scale"
        raise CommandError(
            f"training diverged in epoch {result.epochs}: {what}; give a --learning-rate smaller than {learning_rate:g}"
        )
    _adopt(network, result)
    timed = min(max(result.epochs, 1), MOST_TIMED)
    started = time.perf_counter()
    train_in_numpy(NeuralNetwork(2, hidden, 1, seed), timed, learning_rate)
    numpy_seconds = (time.perf_counter() - started) / timed * result.epochs
    predictions = network.feedforward(X)
    errors = 2 * result.history["loss"] / Y.size
    final = float(np.mean((predictions - Y) ** 2))
    every = REPORTED * max(1, -(-len(errors) // (REPORTED * REPORTS)))
    at = {epoch: float(errors[epoch]) for epoch in range(0, len(errors), every)}
    if as_json:
        print_json(
            {
                "epochs": result.epochs,
                "seed": seed,
                "learning_rate": learning_rate,
                "hidden": hidden,
                "loss": at,
                "final_loss": final,
                "predictions": predictions[:, 0].tolist(),
                "lines": verification.lines,
                "lines_checked": verification.lines_checked,
                "verified": verification.ok,
                "worst_relative_error": verification.worst_relative_error,
                "finite_difference_error": verification.finite_difference_error,
                "train_seconds": seconds,
                "compile_seconds": compiling,
                "numpy_seconds": numpy_seconds,
                "weights": {name: value.tolist() for name, value in result.params.items()},
            }
        )
    else:
        heading(say(lang, "training xor", epochs=f"{epochs:,}", learning_rate=f"{learning_rate:g}", seed=seed))
        _print_training(result, at, final, predictions, lang)
        click.echo()
        times = {
            "native": duration(seconds),
            "compiling": duration(compiling),
            "numpy": duration(numpy_seconds),
            "factor": f"{numpy_seconds / seconds:,.0f}",
        }
        say_line(say(lang, "times", **times))
    if result.status == "interrupted":
        return INTERRUPTED
    return 0 if verification.ok else 1


def _train(network: NeuralNetwork, optimizer: SGD, epochs: int, **options: Any) -> FitResult:
    """Train on XOR; `network` is not modified."""
    params = {
        "W1": network.weights_input_hidden,
        "b1": network.bias_hidden,
        "W2": network.weights_hidden_output,
        "b2": network.bias_output,
    }
    return fit(two_layer_program(), params=params, data={"X": X, "y": Y}, optimizer=optimizer, epochs=epochs, **options)


def train_in_numpy(network: NeuralNetwork, epochs: int, learning_rate: float) -> dict[str, Any]:
    """Train on XOR as a loop in plain NumPy does, for the comparison of times; return the weights."""
    W1, b1 = network.weights_input_hidden, network.bias_hidden
    W2, b2 = network.weights_hidden_output, network.bias_output
    for _ in range(epochs):
        a1 = 1 / (1 + np.exp(-(X @ W1 + b1)))
        a2 = 1 / (1 + np.exp(-(a1 @ W2 + b2)))
        d2 = (a2 - Y) * a2 * (1 - a2)
        d1 = d2 @ W2.T * a1 * (1 - a1)
        W2 = W2 - learning_rate * a1.T @ d2
        b2 = b2 - learning_rate * d2.sum(axis=0, keepdims=True)
        W1 = W1 - learning_rate * X.T @ d1
        b1 = b1 - learning_rate * d1.sum(axis=0, keepdims=True)
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


def _adopt(network: NeuralNetwork, result: FitResult) -> None:
    network.weights_input_hidden, network.bias_hidden = result.params["W1"], result.params["b1"]
    network.weights_hidden_output, network.bias_output = result.params["W2"], result.params["b2"]


_ANNOTATION = re.compile(r"(: Any|(?<=\)) -> Any)")
"""Type annotations, which are removed from the printed loss."""


def _print_network(lang: Language, hidden: int) -> None:
    say_line(say(lang, "network", inputs=2, hidden=hidden, outputs=1))
    say_line(say(lang, "network code"))
    click.echo()
    code = inspect.getsource(two_layer_loss).splitlines()
    for line in code:
        if '"""' not in line:
            click.echo(f"  {_ANNOTATION.sub('', line)}")
    click.echo()


def _print_derivation(derivation: Derivation, verification: Verification, form: Form, lang: Language) -> None:
    click.echo(derivation.text(form, lang, page_width(), color=in_color()).rstrip())
    click.echo()
    print_verification(verification, lang)
    click.echo()


def _print_training(
    result: FitResult, at: dict[int, float], final: float, predictions: np.ndarray[Any, Any], lang: Language
) -> None:
    rows = [(say(lang, "epoch", epoch=epoch), value) for epoch, value in at.items()]
    rows.append((say(lang, "end"), final))
    aligned([(place, say(lang, "mean squared error", value=f"{value:.6f}")) for place, value in rows])
    if result.status == "interrupted":
        click.echo(say(lang, "interrupted run", epochs=f"{result.epochs:,}"))
    click.echo()
    heading(say(lang, "predictions"))
    for (a, b), predicted, right in zip(X, predictions[:, 0], Y[:, 0], strict=True):
        click.echo(
            "  " + say(lang, "prediction", a=f"{a:.0f}", b=f"{b:.0f}", value=f"{predicted:.4f}", right=f"{right:.0f}")
        )
