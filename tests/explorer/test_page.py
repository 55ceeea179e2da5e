"""The file of a page: one script by hash, nothing from elsewhere, data that no name can break out of."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.gallery_samples import derived

import chainrule as cr
from chainrule.derivation import ValuesError
from chainrule.explorer import ExploreError
from chainrule.explorer.lines import lines_of
from chainrule.explorer.page import MODULES, unpacked
from chainrule.gallery import GALLERY
from chainrule.words import LANGUAGES

LARGEST = 250_000
FOLDER = files("chainrule.explorer") / "page"


@pytest.fixture(scope="module")
def network() -> str:
    return cr.explore().html()


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_each_word_of_the_page_is_written_once_in_each_language() -> None:
    """Of two with one key the second would stand in the place of the first."""
    text = (FOLDER / "words.js").read_text(encoding="utf-8")
    for part in re.split(r"^  zh: \{", text, flags=re.MULTILINE):
        keys = Counter(
            quoted or plain for quoted, plain in re.findall(r'^    (?:"([^"]+)"|(\w+)):', part, re.MULTILINE)
        )
        assert len(keys) > 50
        assert [key for key, count in keys.items() if count > 1] == []


def test_the_page_of_two_layers_is_small(network: str) -> None:
    assert len(network.encode()) <= LARGEST


def test_only_the_own_scripts_and_style_are_admitted(network: str) -> None:
    found = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', network)
    assert found is not None
    policy = dict(part.strip().split(" ", 1) for part in found[1].split(";"))
    assert policy["default-src"] == "'none'"
    scripts = re.findall(r'<script type="module">(.*?)</script>', network, re.DOTALL)
    data = unpacked(network)
    provided = data["scripts"]
    assert isinstance(provided, list)
    hashes = [hashed(str(each)) for each in (*scripts, data["program"], *provided)]
    assert policy["script-src"].split() == [*hashes, "'wasm-unsafe-eval'"]
    assert policy["style-src"] == hashed(re.findall("<style>(.*?)</style>", network, re.DOTALL)[0])


def test_nothing_is_named_elsewhere(network: str) -> None:
    for text in (network, str(unpacked(network)["program"])):
        outside = [url for url in re.findall(r"https?://[^\"'\s)]*", text) if not url.startswith("http://www.w3.org/")]
        assert outside == []
        assert not re.search(r"<(?:link|img|iframe|object)\b|\bsrc=|\bhref=|@import|url\(", text)


def test_a_page_is_the_same_each_time() -> None:
    assert (
        cr.explore("sum((X @ w)^2)", {"w": [1, 2]}, {"X": np.eye(2)}).html()
        == cr.explore("sum((X @ w)^2)", {"w": [1, 2]}, {"X": np.eye(2)}).html()
    )


def test_every_module_is_in_the_page_after_those_that_it_imports() -> None:
    assert sorted(MODULES) == sorted(each.name for each in FOLDER.iterdir() if each.name.endswith(".js"))
    for place, name in enumerate(MODULES):
        text = (FOLDER / name).read_text(encoding="utf-8")
        for imported in re.findall(r'^import .* from "\./(.*)";$', text, re.MULTILINE):
            assert imported in MODULES[:place], f"{name} imports {imported}"
        assert len(re.findall(r"^import ", text, re.MULTILINE)) == len(
            re.findall(r'^import .* from "\./', text, re.MULTILINE)
        )


def test_modules_without_a_document_do_not_use_one() -> None:
    for name in MODULES[: MODULES.index("dom.js")]:
        text = re.sub(r"^ *//.*$", "", (FOLDER / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert not re.search(r"\b(document|window|location|history\.replace)\b", text), name


def test_top_level_names_differ() -> None:
    names: Counter[str] = Counter()
    for name in MODULES:
        text = (FOLDER / name).read_text(encoding="utf-8")
        names.update(re.findall(r"^(?:export )?(?:async )?(?:function\*?|const|let|class) (\w+)", text, re.MULTILINE))
    assert [name for name, count in names.items() if count > 1] == []


def calls_of(function: str, text: str) -> Iterator[str]:
    """Yield what stands between the parentheses of each call."""
    for found in re.finditer(rf"\b{function}\(", text):
        depth, end = 1, found.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        yield text[found.end() : end - 1]


def test_every_word_that_is_said_exists_and_every_word_is_said() -> None:
    text = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in MODULES)
    english = text[text.index("export const WORDS") : text.index("  zh: {")]
    words = set(re.findall(r'^    (?:"([^"]+)"|(\w+)):', english, re.MULTILINE))
    known = {quoted or plain for quoted, plain in words}
    said = {word for call in calls_of("say", text) for word in re.findall(r'"([^"]+)"', call)}
    assert said <= known, said - known
    variable = {"forward", "derivative", "gradient", "matrix", "path", "index", "sgd", "momentum", "adam"}
    variable |= {"activation", "loss", "depth", "size of h"}
    problems = ("letter", "end", "open", "stray", "expected", "index", "empty", "nothing")
    variable |= {f"unreadable {each}" for each in problems}
    variable |= {f"as {each}" for each in ("numpy", "torch", "jax", "c", "js", "latex", "notebook")}
    assert known - said - variable == set()


NAMES = [
    "</script><script>alert(1)</script>",
    "<!--",
    "a</style>",
    '"><img src=x onerror=alert(1)>',
    "\u2028",
    "\ud800",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_breaks_out_of_the_page(name: str) -> None:
    def loss(**data: Any) -> Any:
        return np.sum(data[name] ** 2)

    page = cr.explore(cr.derive(loss, **{name: "n"})).html()
    assert page.count("<script") == page.count("</script>") == 2
    assert name not in page


def test_explore_without_a_function_takes_no_values() -> None:
    with pytest.raises(ExploreError, match="give the function first"):
        cr.explore(params={"w": 1})


def test_values_are_those_of_the_page_and_wrong_ones_are_refused() -> None:
    def loss(X: Any, y: Any, w: Any) -> Any:
        r = X @ w - y
        return np.sum(r**2)

    data = {"X": [[1.0, 2.0], [3.0, 4.0]], "y": [0.5, 1.5]}
    explorer = cr.explore(loss, {"w": [0.1, 0.2]}, data)
    structures: Any = unpacked(explorer.html())["structures"]
    assert structures[0]["inputs"]["w"]["data"] == [0.1, 0.2]
    assert structures[0]["wrt"] == ["w"]
    with pytest.raises(ValuesError, match=r"should be \(2, 2\)"):
        cr.explore(explorer.derivation, {"w": [0.1, 0.2]}, {**data, "X": [[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]})


def test_a_notebook_shows_the_page_in_a_frame() -> None:
    shown = cr.explore("sum(sin(x)^2)", {"x": [1.0, 2.0]})._repr_html_()
    assert shown.startswith("<iframe")
    assert shown.count("<") == 2


def test_a_page_is_saved_and_opens_in_a_language(tmp_path: Path) -> None:
    explorer = cr.explore("sum(sin(x)^2)", {"x": [1.0, 2.0]})
    explorer.save(tmp_path / "page.html", lang="zh")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in text
    assert unpacked(text)["language"] == "zh"


@pytest.mark.parametrize("name", GALLERY)
def test_every_line_of_the_gallery_is_linked_to_its_forms(name: str) -> None:
    record = derived(name).record
    lines = lines_of(record)
    assert len({line.key for line in lines}) == len(lines)
    expected = {stage.stage.name for stage in record.stages} | {f"∂ {each.name}" for each in record.backward.wrt}
    expected -= {record.loss.name} if record.is_layer else set()
    assert expected <= {line.key for line in lines}
    for line in lines:
        assert set(line.forms) >= {"matrix", "index"}, line.key
        assert len(line.reasons["en"]) == len(line.reasons["zh"])
        assert line.kind != "gradient" or line.reasons["en"]
        assert f'data-s="{line.key}"' in line.forms["index"]
    for language in LANGUAGES:
        assert sum(len(line.remarks[language]) for line in lines) == len(record.observations)


def test_a_block_of_html_in_markdown_has_no_empty_line(network: str) -> None:
    assert all(line.strip() for line in network.splitlines())
