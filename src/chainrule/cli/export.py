"""`chainrule export`: write a model in a form that runs without this package."""

from __future__ import annotations

import os

import click

from chainrule.cli.errors import check_outputs
from chainrule.cli.help import Command
from chainrule.cli.output import print_json, say_line
from chainrule.cli.sentences import language_option, say
from chainrule.exports import TARGETS, export_model
from chainrule.models import load_model
from chainrule.words import Language


@click.command("export", cls=Command)
@click.argument("model_path", metavar="MODEL")
@click.option("--to", "target", type=click.Choice(TARGETS), required=True, help="What to write.")
@click.option("--output", required=True, metavar="FILE", help="Output file, ending in .onnx, .h or .py.")
@click.option("--train", is_flag=True, help="With --to c: also training steps.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
@language_option
def command(model_path: str, target: str, output: str, train: bool, as_json: bool, lang: Language) -> None:
    """Write a model as ONNX, C, NumPy or PyTorch, including the preprocessing of a table's columns.

    onnx: a graph for any runtime, with one input per column. c: a C99 header without allocation. numpy, torch: a module
    with `predict`, and its weights in an .npz file. None of them needs this package.
    """
    check_outputs({"--output": output}, [model_path])
    paths = export_model(load_model(model_path), target, output, train)
    sizes = {path: os.path.getsize(path) for path in paths}
    if as_json:
        print_json({"model": model_path, "target": target, "train": train, "files": sizes})
        return
    for path, size in sizes.items():
        say_line(say(lang, "exported", path=path, size=f"{size:,}"))
