"""`chainrule emit`: the forward and the backward pass of a function as source."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from chainrule.cli.errors import CommandError
from chainrule.cli.output import print_json
from chainrule.cli.sentences import message_language_option
from chainrule.cli.targets import TargetCommand, further_options, opened, target_options, wanted_derivatives
from chainrule.emit import TARGETS
from chainrule.files import check_writable, replacing


@click.command("emit", cls=TargetCommand)
@click.argument("target", metavar="FILE.py:FUNC|gallery:NAME|FORMULA")
@click.option("--to", "language", type=click.Choice(TARGETS), required=True, help="What to write.")
@target_options
@further_options
@click.option(
    "--size",
    "sizes",
    multiple=True,
    help='Numbers for symbolic sizes, as in "n=32, d=4": for c and wasm, and if wanted for js.',
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    help="With --to c: float32 (default) or float64. js and wasm have float64; others, that of their arguments.",
)
@click.option("--name", help="Name of the function; by default its own.")
@click.option("--output", metavar="FILE", help="Write to a file instead of standard output.")
@message_language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def command(
    target: str,
    language: str,
    wrt: str | None,
    shapes: Sequence[str],
    assume: str | None,
    hessian: bool,
    jacobian: bool,
    sizes: Sequence[str],
    dtype: str | None,
    name: str | None,
    output: str | None,
    as_json: bool,
) -> int:
    """Write the forward and the backward pass of a function as standalone source.

    numpy: two functions. torch: a torch.autograd.Function. jax: a custom_vjp. c: a C99 header with static sizes,
    without allocation. js: an ES module on typed arrays. wasm: gradient descent in WebAssembly, in an ES module.

    Before anything is written, every line of the derivation is verified, and the NumPy source is run at a point; the
    source of other targets is written from the same lines, and is not run, except for js and wasm where node is
    installed.

    --hessian and --jacobian add functions of the matrix and of its product with a vector, except for wasm.
    """
    wanted = wanted_derivatives(hessian, jacobian)
    if output is not None:
        check_writable(output)
    numbers = parse_sizes(sizes)
    if numbers and language not in ("c", "js", "wasm"):
        raise CommandError(f"--size is for --to c, js and wasm; what is written for {language} works for any")
    if dtype and language != "c":
        raise CommandError(f"--dtype is for --to c; what is written for {language} works for any dtype")
    with opened(target, wrt, shapes, assume) as subject:
        derivation = subject.derivation(wanted)
        text = derivation.source(language, name, numbers, dtype or "float32")
    if output is not None:
        with replacing(output) as stream:
            stream.write(text.encode())
    if as_json:
        print_json(
            {
                "function": subject.name,
                "target": language,
                "output": output,
                "source": text,
                "verified": True,
                "lines": text.count("\n"),
            }
        )
    elif output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"{text.count(chr(10))} lines written to {output}", err=True)
    return 0


def parse_sizes(texts: Sequence[str]) -> dict[str, int]:
    """Parse `"n=32, d=4"` to `{"n": 32, "d": 4}`; raise CommandError for invalid text."""
    sizes: dict[str, int] = {}
    for text in texts:
        for part in re.split(r"[,;\s]+(?=[^\W\d]\w*\s*[=:])", text.strip(" ,;")):
            match = re.fullmatch(r"([^\W\d]\w*)\s*[=:]\s*(\d+)", part.strip())
            if match is None:
                raise CommandError(f'--size {part.strip()!r} is not a name and a number, as in "n=32, d=4"')
            if match[1] in sizes:
                raise CommandError(f"--size gives {match[1]} twice; give it once")
            sizes[match[1]] = int(match[2])
    return sizes
