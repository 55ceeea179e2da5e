"""`chainrule export`: write a model in a form that runs without this package."""

from __future__ import annotations

import os

import click

from chainrule.cli.errors import check_outputs
from chainrule.cli.output import print_json, say_line
from chainrule.cli.sentences import language_option, say
from chainrule.exports import TARGETS, export_model
from chainrule.models import load_model
from chainrule.words import Language


@click.command("export")
@click.argument("model_path", metavar="MODEL")
@click.option("--to", "target", type=click.Choice(TARGETS), required=True, help="What to write.")
@click.option("--output", required=True, metavar="FILE", help="Where to: a name ending in .onnx, .h or .py.")
@click.option("--train", is_flag=True, help="With --to c: steps of training too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@language_option
def command(model_path: str, target: str, output: str, train: bool, as_json: bool, lang: Language) -> None:
    """Write a model as ONNX, C, NumPy or PyTorch, with what makes of a table's columns what the network takes.

    onnx: a graph for any runtime, an input for each column. c: a header in C99 that allocates nothing. numpy, torch: a
    module with `predict`, and its weights beside it as .npz. None of them needs this package.
    """
    check_outputs({"--output": output}, [model_path])
    paths = export_model(load_model(model_path), target, output, train)
    sizes = {path: os.path.getsize(path) for path in paths}
    if as_json:
        print_json({"model": model_path, "target": target, "train": train, "files": sizes})
        return
    for path, size in sizes.items():
        say_line(say(lang, "exported", path=path, size=f"{size:,}"))
