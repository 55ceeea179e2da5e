"""`chainrule explore`: a page in which the backward pass of a function is alive."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from chainrule.cli.errors import CommandError
from chainrule.cli.output import print_json, say_line
from chainrule.cli.sentences import language_option, say
from chainrule.cli.targets import TargetCommand, opened, target_options
from chainrule.cli.values import parse_values
from chainrule.cli.verification import print_verification
from chainrule.explorer import Explorer, Server, explore, open_in_browser, write_site
from chainrule.files import check_writable
from chainrule.words import Language


@click.command("explore", cls=TargetCommand)
@click.argument("target", metavar="[FILE.py:FUNC|gallery:NAME|FORMULA]", required=False)
@target_options
@click.option(
    "--at",
    "values",
    multiple=True,
    metavar="VALUES",
    help='The values it opens with: "x=2, w=[1,-3], W=[[1,2],[3,4]]", or a file .npz or .json; by default random ones.',
)
@language_option
@click.option("--output", metavar="FILE", help="Write the page to a file; by default it opens in the browser.")
@click.option("--serve", is_flag=True, help="Serve the page on this computer, to derive what is typed on it anew.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The port of --serve; by default a free one.")
@click.option(
    "--site", metavar="DIR", help="Write a folder for a web site: an index and a page for each gallery entry."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with the path of the page; open nothing.")
def command(
    target: str | None,
    wrt: str | None,
    shapes: Sequence[str],
    assume: str | None,
    values: Sequence[str],
    lang: Language,
    output: str | None,
    serve: bool,
    port: int,
    site: str | None,
    as_json: bool,
) -> int:
    """Make a page in which the backward pass of a function is alive, with numbers in every line.

    Without a target it is a network of two layers that learns XOR, whose activation, loss and size can be changed.

    Click a line, and its matrices stand as in a product on paper; point at an entry, and see what it is made of and
    where it goes. Change a weight or a datum, and everything follows. The page is one HTML file that works without a
    network, and can be sent, or put on a web site. On a machine without a browser give --output.

    Its lines can be hidden and answered as a quiz, own points or a table trained on, and the whole taken away as source
    code, LaTeX or a notebook.

    With --serve other formulas and functions can be typed on the page; Ctrl-C ends it.
    """
    if site is not None:
        if target is not None or output is not None or serve:
            raise CommandError("--site writes a whole folder; give it without a target, --output and --serve")
        return _write_site(site, lang, as_json)
    if serve and (output is not None or as_json):
        raise CommandError("--serve shows the page in the browser; give it without --output and --json")
    if port and not serve:
        raise CommandError("--port is for --serve; give both, or neither")
    if target is None and (wrt or shapes or assume or values):
        raise CommandError("options of a function were given without one; give FILE.py:FUNC, gallery:NAME or a formula")
    if output is not None:
        check_writable(output)
    if target is None:
        explorer = explore()
        return _serve(explorer, lang, port) if serve else _finish(explorer, lang, output, as_json)
    at = parse_values(values) if values else None
    with opened(target, wrt, shapes, assume) as subject:
        explorer = explore(subject.derivation(), data=at)
        return _serve(explorer, lang, port) if serve else _finish(explorer, lang, output, as_json)


def _serve(explorer: Explorer, lang: Language, port: int) -> int:
    """Serve the page until Ctrl-C."""
    try:
        server = Server(explorer, lang, port)
    except OSError as error:
        raise CommandError(f"port {port} cannot be used ({error.strerror}); give another with --port") from None
    try:
        click.echo(say(lang, "page served", url=server.url))
        open_in_browser(server.url)
        server.run()
    except KeyboardInterrupt:
        say_line(say(lang, "server ended"))
    finally:
        server.close()
    return 0


def _write_site(folder: str, lang: Language, as_json: bool) -> int:
    """Write the folder, and report."""
    written = write_site(folder)
    index = os.path.join(folder, os.path.basename(written[-2 if lang == "en" else -1]))
    if as_json:
        print_json({"folder": folder, "files": [os.path.basename(path) for path in written], "index": index})
    else:
        say_line(say(lang, "site written", count=len(written), path=index))
    return 0


def _finish(explorer: Explorer, lang: Language, output: str | None, as_json: bool) -> int:
    """Write the page, open it if nothing else was asked for, and report."""
    verification = explorer.verification
    path = explorer.save_temporarily(lang) if output is None else output
    if output is not None:
        explorer.save(output, lang)
    if as_json:
        print_json(
            {
                "function": explorer.derivation.name,
                "output": path,
                "bytes": os.path.getsize(path),
                "lines": verification.lines,
                "verified": verification.ok,
            }
        )
        return 0 if verification.ok else 1
    opened_there = output is None and open_in_browser(path)
    say_line(say(lang, "page opened" if opened_there else "page written", path=path))
    print_verification(verification, lang)
    return 0 if verification.ok else 1
