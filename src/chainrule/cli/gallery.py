"""`chainrule gallery`: list the networks, layers and losses that can be derived by name."""

from __future__ import annotations

import click

from chainrule.cli.help import Command
from chainrule.cli.output import aligned, print_json
from chainrule.cli.sentences import language_option
from chainrule.gallery import GALLERY
from chainrule.words import Language


@click.command("gallery", cls=Command)
@language_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def command(lang: Language, as_json: bool) -> int:
    """List the networks, layers and losses of the gallery; derive one with `chainrule derive gallery:NAME`."""
    titles = {name: entry.title if lang == "en" else entry.title_zh for name, entry in GALLERY.items()}
    if as_json:
        print_json({"entries": [{"name": name, "title": title} for name, title in titles.items()]})
    else:
        aligned(list(titles.items()), indent="")
    return 0
