"""The page in a browser: every flow by keyboard, quiet, accessible, at three widths, light and dark."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from support.browsing import WIDTHS, launched, reach, shown, visiting
from support.gallery_samples import page_of

import chainrule as cr
from chainrule.derivation import Record
from chainrule.emit import LiveModule, live_module
from chainrule.gallery import GALLERY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Scheme = Literal["light", "dark"]
GRADIENT = "%E2%88%82%20"
"""∂ and a space, as in the key of a gradient, in a fragment."""


WRITTEN = """() => {
  const { state } = explorer;
  const written = document.querySelector(".line.open .written");
  if (!written || written.textContent.includes("⋯")) return null;
  const said = [...written.querySelectorAll(".side:nth-child(2) [data-element]")].map((each) => each.dataset.element);
  const reads = state.point.reads(state.structure.lines[state.line].number, state.entry.index);
  const read = reads.map((each) => `${each.name}|${each.at}`);
  return JSON.stringify([...new Set(said)].sort()) === JSON.stringify([...new Set(read)].sort());
}"""
"""Whether an entry is written out with the entries that it reads; null if it is listed, or not all of its terms are."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def network(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "network.html"
    cr.explore().save(path)
    return path


def opened(page: Page) -> str:
    """The formula of the open line."""
    return shown(page.locator(".line.open .formula").inner_text())


def sentence(page: Page) -> str:
    """What is said of the entry, without spaces; it follows with the next frame."""
    page.evaluate("() => new Promise(requestAnimationFrame)")
    return shown(page.locator(".line.open .sentence").inner_text())


def loss(page: Page) -> float:
    value: float = page.evaluate("explorer.state.point.loss")
    return value


def into_matrix(page: Page, key: str) -> None:
    """Focus the first entry of a matrix of the open line."""
    page.locator(f".line.open .cell[data-key='{key}'][data-at='0']").focus()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_quietly_and_is_accessible(browser: Browser, network: Path, width: int, scheme: Scheme) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    fragments = (
        "",
        f"#line={GRADIENT}W1&entry={GRADIENT}W1:1.2&train=40%400.5",
        f"#line={GRADIENT}W1&hidden={GRADIENT}W1,{GRADIENT}b1",
    )
    light = scheme == "light"
    # Every two of a fragment, a width and a scheme meet.
    for fragment in (each for k, each in enumerate(fragments) if (k + WIDTHS.index(width)) % 2 == light):
        with visiting(browser, network, fragment, width, scheme) as visit:
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
            found = axe.run(visit.page).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
            visit.page.locator(".language").click()
            assert visit.page.locator("html").get_attribute("lang") == "zh-Hans"
            assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
            assert visit.is_quiet(), (visit.requests, visit.complaints)


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_are_stepped_through_with_the_network(browser: Browser, network: Path, width: int) -> None:
    with visiting(browser, network, width=width) as visit:
        page = visit.page
        lines: int = page.evaluate("explorer.state.structure.lines.length")
        seen = []
        for _ in range(lines):
            seen.append((opened(page), page.locator(".network .layer.chosen").all_text_contents()))
            page.keyboard.press("ArrowRight")
        assert len({formula for formula, _ in seen}) == lines
        assert seen[0][1] == ["a1"]
        assert seen[-2][1] == ["∂L/∂W1"]
        page.keyboard.press("ArrowLeft")
        assert opened(page) == seen[-2][0]
        assert visit.is_quiet()


@pytest.mark.parametrize("width", WIDTHS)
def test_entries_are_reached_by_keys_and_written_out(browser: Browser, network: Path, width: int) -> None:
    with visiting(browser, network, f"#line={GRADIENT}W1", width) as visit:
        page = visit.page
        page.locator(".line.open .head").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        assert sentence(page).startswith("∂L/∂W1[2,2]=X[1,2]δ1[1,2]+X[2,2]δ1[2,2]+X[3,2]δ1[3,2]+X[4,2]δ1[4,2]=")
        marked = page.locator(".line.open .cell.from, .line.open .cell.read")
        assert marked.count() == 8
        assert page.locator(".line.open .cell.me").count() == 1
        assert page.locator(".network .edge.entry").count() == 1
        assert "✓" in sentence(page)
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.className") == "head"
        into_matrix(page, "∂ z1")
        assert page.locator(".line.open .cell.to").count() == 0, "x is 0 in the first row, so δ goes nowhere"
        page.keyboard.press("ArrowDown")
        assert page.locator(".line.open .cell.to").count() == 1
        assert visit.is_quiet()


def test_pointing_with_the_mouse_says_the_same(browser: Browser, network: Path) -> None:
    with visiting(browser, network, f"#line={GRADIENT}z1") as visit:
        page = visit.page
        page.locator(".cell[data-key='∂ z1'][data-at='6']").hover()
        assert sentence(page).startswith("δ1[2,3]=∂L/∂a1[2,3]σ′(z1)[2,3]=")
        page.locator(".cell[data-key='∂ a1'][data-at='6']").hover()
        assert "1entryofδ1" in sentence(page)
        assert page.locator(".formula .s.lit").count() == 1
        page.locator(".journey .link").first.click()
        assert "=" in opened(page)
        assert visit.is_quiet()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_weight_is_changed_checked_and_taken_back(browser: Browser, network: Path, width: int) -> None:
    with visiting(browser, network, width=width) as visit:
        page = visit.page
        before = loss(page)
        into_matrix(page, "W1")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("2")
        page.keyboard.type(".5")
        page.keyboard.press("Enter")
        assert page.evaluate("explorer.state.point.value('W1').data[1]") == 2.5
        assert page.locator(".cell[data-key='W1'][data-at='1']").inner_text() == "2.5"
        changed = loss(page)
        assert changed != before
        assert "✓" in sentence(page)
        page.keyboard.press("+")
        assert page.evaluate("explorer.state.point.value('W1').data[1]") == 2.6
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Escape")
        assert page.evaluate("explorer.state.point.value('W1').data[1]") == 2.6, "Escape leaves it"
        page.keyboard.press("Enter")
        page.keyboard.type("nonsense")
        page.keyboard.press("Enter")
        assert "not a number" in page.locator(".told").inner_text()
        assert page.evaluate("explorer.state.point.value('W1').data[1]") == 2.6
        page.keyboard.press("Control+z")
        assert loss(page) == before
        assert visit.is_quiet()


def test_a_line_has_three_forms(browser: Browser, network: Path) -> None:
    with visiting(browser, network, f"#line={GRADIENT}W1") as visit:
        page = visit.page
        written = []
        for name in ("matrix form", "path form", "index form"):
            page.get_by_role("button", name=name).focus()
            page.keyboard.press("Enter")
            written.append(opened(page))
            assert page.get_by_role("button", name=name).get_attribute("aria-pressed") == "true"
        assert len(set(written)) == 3
        assert "∑" in written[2]
        reach(page, "location.hash.includes('form=index')")
        assert visit.is_quiet()


POINTED = """async () => {
  const cells = [...document.querySelectorAll(".line.open .cell")].filter((cell) => cell.index);
  const said = () => document.querySelector(".line.open .sentence").textContent;
  const [before, seen] = [said(), []];
  for (const cell of cells.slice(0, 3)) {
    cell.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }));
    const me = [...document.querySelectorAll(".cell.me")].map((each) => `${each.dataset.key}|${each.dataset.at}`);
    seen.push(me.join() === `${cell.dataset.key}|${cell.dataset.at}` && said() === before);
  }
  await new Promise(requestAnimationFrame);
  return [seen, said() !== before];
}"""


def test_cells_are_marked_at_once_and_the_sentence_follows_with_the_next_frame(browser: Browser, network: Path) -> None:
    with visiting(browser, network, f"#line={GRADIENT}W1") as visit:
        assert visit.page.evaluate(POINTED) == [[True] * 3, True]
        assert visit.page.locator(".cell.me").count() == 1


@pytest.mark.parametrize("still", [True, False])
def test_a_transpose_is_turned_back_and_entries_travel(browser: Browser, network: Path, still: bool) -> None:
    with visiting(browser, network, f"#line={GRADIENT}W1", still=still) as visit:
        page = visit.page
        size = page.locator(".matrix[data-key='X'] .size")
        assert size.inner_text() == "2×4"
        page.get_by_role("button", name="turn back").focus()
        page.keyboard.press("Enter")
        assert size.inner_text() == "4×2"
        moving = page.evaluate(
            "document.getAnimations().filter((each) => each.effect.target.dataset?.key === 'X').length"
        )
        assert (moving == 0) == still
        page.get_by_role("button", name="transpose").focus()
        page.keyboard.press("Enter")
        assert size.inner_text() == "2×4"
        assert visit.is_quiet()


@pytest.mark.parametrize("width", WIDTHS)
def test_training_lowers_the_loss_and_an_address_restores_it(browser: Browser, network: Path, width: int) -> None:
    with visiting(browser, network, "#seed=3", width) as visit:
        page = visit.page
        before = loss(page)
        page.locator(".training .train").focus()
        page.keyboard.press("Enter")
        reach(page, "explorer.state.run.steps > 100")
        page.keyboard.press("Enter")
        assert loss(page) < before
        assert page.locator(".chart").count() == 2
        assert page.locator(".boundary canvas").count() == 1
        reach(page, "location.hash.slice(1) === explorer.state.address().text")
        fragment = page.evaluate("location.hash")
        trained = page.evaluate("[...explorer.state.point.value('W1').data]")
        assert visit.is_quiet()
    with visiting(browser, network, fragment, width) as visit:
        assert visit.page.evaluate("[...explorer.state.point.value('W1').data]") == trained
        visit.page.get_by_role("button", name="Start again").click()
        assert loss(visit.page) == before


def test_an_address_that_changes_shows_its_line_and_its_entry(browser: Browser, network: Path) -> None:
    with visiting(browser, network) as visit:
        page = visit.page
        page.evaluate("explorer.select(9)")
        page.locator(".line.open .cell").last.click()
        reach(page, "location.hash.includes('entry') && location.hash.slice(1) === explorer.state.address().text")
        fragment, said = page.evaluate("[location.hash, document.querySelector('.line.open .sentence').textContent]")
        page.evaluate("explorer.select(0); scrollTo(0, 0)")
        reach(page, "location.hash.slice(1) === explorer.state.address().text")
        page.evaluate("(fragment) => { location.hash = fragment }", fragment)
        reach(page, "explorer.state.line === 9")
        assert page.locator(".line.open .sentence").evaluate("(said) => said.textContent") == said
        assert page.locator(".line.open").evaluate("(line) => line.getBoundingClientRect().top < innerHeight")
        assert visit.is_quiet()


def test_structures_are_chosen_on_the_page(browser: Browser, network: Path) -> None:
    with visiting(browser, network) as visit:
        page = visit.page
        page.get_by_label("hidden units").select_option("3")
        assert page.evaluate("explorer.state.shape('W1')") == [2, 3]
        page.get_by_label("activation").select_option("tanh")
        page.get_by_label("hidden layers").select_option("3")
        page.get_by_label(re.compile("^loss")).select_option("entropy")
        assert page.evaluate("explorer.state.structure.id") == "tanh-entropy-3"
        assert page.evaluate("explorer.state.shape('W3')") == [3, 3]
        assert "✓" in page.locator(".checks").inner_text()
        page.get_by_label("optimizer").select_option("adam")
        page.get_by_label("rate").select_option("0.03")
        before = loss(page)
        page.get_by_role("button", name="1 step").click()
        assert loss(page) < before
        reach(page, "location.hash.slice(1) === explorer.state.address().text")
        fragment = page.evaluate("location.hash")
        after = loss(page)
        assert visit.is_quiet()
    with visiting(browser, network, fragment) as visit:
        assert loss(visit.page) == after


def test_a_phone_reaches_line_and_network_without_losing_the_place(browser: Browser, network: Path) -> None:
    with visiting(browser, network, f"#line={GRADIENT}z2", 390) as visit:
        page = visit.page
        dock = page.locator(".dock")
        place = page.evaluate("scrollY")
        dock.get_by_role("button", name="Network").tap()
        assert page.locator(".figure.sheet").is_visible()
        assert page.evaluate("scrollY") == place
        dock.get_by_role("button", name="Network").tap()
        assert page.locator(".figure.sheet").count() == 0
        before = opened(page)
        dock.get_by_role("button", name="Next line").tap()
        assert opened(page) != before
        page.locator(".line.open .cell[data-key='∂ W2'][data-at='1']").tap()
        assert sentence(page).startswith("∂L/∂W2[2,1]=a1[1,2]δ2[1,1]+")
        page.locator(".head").first.tap()
        weight = page.locator(".line.open .cell[data-key='W1'][data-at='0']")
        weight.tap()
        assert page.locator("input.entry").count() == 0
        weight.tap()
        page.locator("input.entry").fill("-3")
        page.keyboard.press("Enter")
        assert weight.inner_text() == "−3"
        assert visit.is_quiet()


@pytest.mark.parametrize("name", GALLERY)
def test_every_page_of_the_gallery_opens(browser: Browser, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.html"
    path.write_text(page_of(name), encoding="utf-8")
    with visiting(browser, path, width=390) as visit:
        page = visit.page
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert "✓" in page.locator(".checks").inner_text()
        for _ in range(page.evaluate("explorer.state.structure.lines.length") - 1):
            page.keyboard.press("ArrowRight")
            key = page.evaluate("explorer.state.structure.lines[explorer.state.line].key")
            page.evaluate("key => explorer.point(key, explorer.state.shape(key).map(() => 0))", key)
            assert sentence(page), key
            assert page.evaluate(WRITTEN) in (None, True), f"{key} is written out with other entries than it reads"
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, key
        assert visit.is_quiet(), (visit.requests, visit.complaints)


@pytest.mark.parametrize(
    ("right", "wrong", "name"),
    [
        ("a1(k, i) * u2202_z2(k, j)", "a1(k, i) * 1.001 * u2202_z2(k, j)", "∂L/∂W2"),
        ("(a1(i, j) * (1 - a1(i, j)))", "(a1(i, j) * (1 + a1(i, j)))", "∂L/∂W1"),
        ("u2202_z2(i, k) * W2(j, k)", "u2202_z2(i, k) * W2(k, j)", "∂L/∂W1"),
    ],
)
def test_a_corrupted_line_is_caught_by_the_page(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str, name: str
) -> None:
    def corrupted(record: Record) -> LiveModule:
        module = live_module(record)
        assert right in module.text
        return replace(module, text=module.text.replace(right, wrong))

    monkeypatch.setattr("chainrule.explorer.payload.live_module", corrupted)
    path = tmp_path / "corrupted.html"
    cr.explore(cr.derive(GALLERY["two_layer_rows"].function)).save(path)
    with visiting(browser, path, f"#line={GRADIENT}W1&entry={GRADIENT}W1:0.0") as visit:
        said = visit.page.locator(".checks").inner_text()
        assert said.startswith("✗")
        assert name in said
        assert ("✗" in sentence(visit.page)) == (name == "∂L/∂W1")


def test_it_works_in_the_frame_of_a_notebook(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "notebook.html"
    frame = cr.explore("sum(sin(X @ w)^2)", {"w": [0.5, -1.0]}, {"X": [[1.0, 2.0], [3.0, 4.0]]})._repr_html_()
    path.write_text(f"<!DOCTYPE html><title>notebook</title>{frame}<script>globalThis.explorer = null</script>")
    with visiting(browser, path) as visit:
        inside = visit.page.frame_locator("iframe")
        inside.locator(".line.open").wait_for()
        inside.locator(".line .head").nth(1).click()
        assert inside.locator(".line.open").count() == 1
        assert visit.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
def test_the_derivation_is_taken_away_by_keys(browser: Browser, network: Path, width: int) -> None:
    with visiting(browser, network, width=width) as visit:
        page = visit.page
        page.locator(".export select").select_option("notebook")
        with page.expect_download() as download:
            page.locator(".export .download").press("Enter")
        assert download.value.suggested_filename == "sigmoid-squares-1.ipynb"
        assert json.loads(Path(download.value.path()).read_text(encoding="utf-8"))["nbformat"] == 4
        page.locator(".export select").select_option("c")
        page.locator(".export summary").press("Enter")
        reach(page, "document.querySelector('.export pre').textContent.includes('f_forward_backward')")
        page.locator(".export .copy").press("Enter")
        reach(page, "/clipboard/.test(document.querySelector('.told').textContent)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.is_quiet(), (visit.requests, visit.complaints)


def mean_squared(X: Any) -> Any:
    mu = np.mean(X, axis=1)
    return np.sum(mu**2)


def test_a_long_sum_in_brackets_is_broken_between_its_terms(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "mean.html"
    cr.explore(mean_squared, {"X": np.linspace(-2, 3, 24).reshape(2, 12)}).save(path)
    with visiting(browser, path, width=390) as visit:
        visit.page.locator(".line.open .cell").last.click()
        reach(visit.page, "document.querySelector('.line.open .written')")
        widths = visit.page.locator(".line.open .sentence").evaluate("(said) => [said.scrollWidth, said.clientWidth]")
        assert widths[0] == widths[1]
        assert visit.is_quiet(), visit.complaints


def reply(page: Page) -> str:
    return page.locator(".reply").inner_text()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_hidden_line_is_found_by_keys(browser: Browser, network: Path, width: int) -> None:
    with visiting(browser, network, width=width) as visit:
        page = visit.page
        page.locator(".quizzes").press("Enter")
        assert opened(page) == "∂L/∂a2=?"
        page.keyboard.type("y - a2")
        page.keyboard.press("Enter")
        assert "The sign is wrong: y − a2 should be a2 − y." in reply(page)
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("a2 - y")
        page.keyboard.press("Enter")
        assert opened(page).startswith("∂L∂a2=a2−y")
        assert page.locator(".quizbar").first.inner_text().startswith("1 of 8 lines found")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.keyboard.type("a1 δ2")
        page.keyboard.press("Enter")
        assert reply(page).endswith("Transposed: a1 stands where a1ᵀ belongs.")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.is_quiet(), (visit.requests, visit.complaints)


def test_a_line_is_put_together_from_tiles_with_hints(browser: Browser, network: Path) -> None:
    with visiting(browser, network, f"#line={GRADIENT}W1&hidden={GRADIENT}W1", 390) as visit:
        page = visit.page
        assert opened(page) == "∂L/∂W1=?"
        for step in range(3):
            page.get_by_role("button", name="Hint").press("Enter")
            assert page.locator(".hints > *").count() == step + 1
        tiles = page.locator(".tiles")
        tiles.get_by_role("button", name="X", exact=True).press("Enter")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        assert opened(page) == "∂L/∂W1=?"
        tiles.get_by_role("button", name="ᵀ").press("Enter")
        tiles.get_by_role("button", name="δ2").click()
        page.locator(".check").press("Enter")
        assert "The shapes" in reply(page) or "operand" in reply(page)
        page.locator(".tiles button").last.press("Enter")
        tiles.get_by_role("button", name="δ1").press("Enter")
        assert page.locator(".typed").input_value() == "Xᵀ δ1"
        page.locator(".check").press("Enter")
        assert opened(page).startswith("∂L∂W1=X")
        assert "all lines are found" in page.locator(".told").inner_text()
        assert visit.is_quiet(), (visit.requests, visit.complaints)


def test_a_single_line_is_hidden_and_shown_and_the_address_keeps_it(browser: Browser, network: Path) -> None:
    with visiting(browser, network, f"#line={GRADIENT}b1") as visit:
        page = visit.page
        page.locator(".line.open .hide").press("Enter")
        assert opened(page) == "∂L/∂b1=?"
        reach(page, "location.hash.includes('hidden=%E2%88%82%20b1')")
        page.locator(".language").click()
        assert page.locator(".check").inner_text() == "检查"
        page.locator(".typed").fill("2 1ᵀ δ1")
        page.locator(".check").press("Enter")
        assert "系数有误：所得的值是正确值的 2 倍。" in reply(page)
        page.locator(".reveal").press("Enter")
        assert opened(page).startswith("∂L∂b1=1")
        assert visit.is_quiet(), (visit.requests, visit.complaints)
