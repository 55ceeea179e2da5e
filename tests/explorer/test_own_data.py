"""Data of the reader's own: points drawn with the mouse, a finger or keys, and tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.browsing import WIDTHS, launched, reach, visiting

import chainrule as cr

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Position

TABLE = "length,width,kind\n" + "\n".join(
    f"{4 + k % 5 / 4},{k % 3 + k % 7 / 9:.2f},{('oak', 'elm', 'ash')[k % 3]}" for k in range(30)
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "network.html"
    cr.explore().save(path)
    return path


def points(page: Page) -> list[list[float]]:
    script = "['X', 'y'].map((name) => [...explorer.state.point.value(name).data])"
    values: list[list[float]] = page.evaluate(script)
    return [[*values[0][2 * k : 2 * k + 2], each] for k, each in enumerate(values[1])]


def in_plane(page: Page, x: float, y: float) -> Position:
    plane = page.locator(".plane")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box is not None
    return {"x": box["width"] * x, "y": box["height"] * y}


@pytest.mark.parametrize("width", WIDTHS)
def test_points_are_drawn_removed_and_taken_back(browser: Browser, network: Path, width: int) -> None:
    with visiting(browser, network, width=width) as visit:
        page = visit.page
        plane = page.locator(".plane")
        put = plane.tap if width < 500 else plane.click
        put(position=in_plane(page, 0.5, 0.5))
        assert points(page)[-1] == [0.5, 0.5, 1]
        page.get_by_role("button", name="class 0").click()
        put(position=in_plane(page, 0.5, 0.2))
        assert len(points(page)) == 6
        assert points(page)[-1][2] == 0
        page.evaluate("explorer.state.train(20)")
        weights = page.evaluate("[...explorer.state.point.value('W1').data]")
        page.get_by_role("button", name="remove").click()
        put(position=in_plane(page, 0.5, 0.5))
        assert [0.5, 0.5, 1] not in points(page)
        assert page.evaluate("[...explorer.state.point.value('W1').data]") == weights, "the weights stay"
        page.locator("h1").click()
        page.keyboard.press("Control+z")
        assert [0.5, 0.5, 1] in points(page)
        page.get_by_role("button", name="Start again").click()
        assert len(points(page)) == 6
        assert page.locator(".plane .point").count() == 6
        page.get_by_role("button", name="Clear").click()
        assert page.locator(".plane .point").count() == 0
        page.get_by_role("button", name="class 1").click()
        put(position=in_plane(page, 0.25, 0.75))
        assert len(points(page)) == 1
        assert page.locator(".checks").inner_text().startswith("✓")
        page.get_by_role("button", name="First data").click()
        assert len(points(page)) == 4
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.is_quiet(), visit.complaints


def test_a_point_is_dragged_as_one_change(browser: Browser, network: Path) -> None:
    with visiting(browser, network) as visit:
        page = visit.page
        start = page.evaluate("explorer.state.acts.length")
        plane = page.locator(".plane")
        plane.scroll_into_view_if_needed()
        box = plane.bounding_box()
        assert box is not None
        at = [
            (box["x"] + box["width"] * x, box["y"] + box["height"] * y)
            for x, y in ((1 / 6, 5 / 6), (0.3, 0.7), (0.4, 0.6))
        ]
        page.mouse.move(*at[0])
        page.mouse.down()
        page.mouse.move(*at[1])
        page.mouse.move(*at[2])
        page.mouse.up()
        assert points(page)[0] == pytest.approx([0.35, 0.35, 0], abs=0.02)
        assert page.evaluate("explorer.state.acts.length") == start + 1
        assert visit.is_quiet()


def test_points_are_drawn_by_keys(browser: Browser, network: Path) -> None:
    with visiting(browser, network) as visit:
        page = visit.page
        before = page.evaluate("explorer.state.line")
        page.locator(".plane").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("0")
        page.keyboard.press("Enter")
        assert points(page)[-1] == pytest.approx([0.575, 0.575, 0], abs=0.01)
        assert page.locator(".plane .cross").count() == 1
        page.keyboard.press("Delete")
        assert len(points(page)) == 4
        assert page.evaluate("explorer.state.line") == before
        page.keyboard.press("2")
        page.keyboard.press("Space")
        assert page.evaluate("explorer.state.shape('y')") == [5, 3], "a third class has an output of its own"
        assert page.locator(".plane polygon.own2").count() == 1
        assert visit.is_quiet()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_table_is_pasted_trained_with_and_restored(browser: Browser, network: Path, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with visiting(browser, network, width=width) as visit:
        page = visit.page
        page.get_by_text("Your own table").click()
        page.get_by_label("Rows of a table").fill("a,b\n1,2\n3")
        assert "Line 3 has 1 cell" in page.locator(".answer.bad, .answer .bad").inner_text()
        page.get_by_label("Rows of a table").fill(TABLE)
        found = axe.run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
        page.get_by_role("button", name="Use these rows").click()
        assert page.evaluate("['X', 'y', 'W2'].map((name) => explorer.state.shape(name))") == [[30, 2], [30, 3], [4, 3]]
        assert page.get_by_role("button", name="elm").count() == 1
        before = page.evaluate("explorer.state.point.loss")
        page.evaluate("explorer.state.train(500)")
        after = page.evaluate("explorer.state.point.loss")
        assert after < before / 2
        page.get_by_label("activation").select_option("tanh")
        assert page.evaluate("explorer.state.shape('X')") == [30, 2], "another network keeps the data"
        reach(page, "location.hash.slice(1) === explorer.state.address().text")
        fragment, loss = page.evaluate("[location.hash, explorer.state.point.loss]")
        page.locator(".language").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert visit.is_quiet(), visit.complaints
    with visiting(browser, network, fragment, width) as visit:
        assert visit.page.evaluate("explorer.state.point.loss") == loss


def test_a_table_longer_than_an_address_returns_with_the_tab_and_is_asked_about(
    browser: Browser, network: Path
) -> None:
    rows = "\n".join(f"{k / 7:.5f},{k * k % 31 / 9:.5f},{'elm' if k % 2 else 'oak'}" for k in range(200))
    with visiting(browser, network) as visit:
        page = visit.page
        page.get_by_text("Your own table").click()
        page.get_by_label("Rows of a table").fill(f"a,b,c\n{rows}")
        assert page.locator(".addressed").inner_text() == ""
        page.get_by_role("button", name="Use these rows").click()
        page.get_by_text("longer than an address").wait_for()
        given = page.evaluate("[...explorer.state.point.value('X').data]")
        page.reload()
        page.locator(".line.open").wait_for()
        assert len(given) == 400
        assert page.evaluate("[...explorer.state.point.value('X').data]") == given
        page.locator(".quizzes").first.click()
        for answer, shown in (("y - a2", ".reply:not(:empty)"), ("a2 - y", ".line.open .grid")):
            page.locator(".line.open .typed").fill(answer)
            page.keyboard.press("Enter")
            page.locator(shown).first.wait_for()
        assert page.evaluate("explorer.state.hidden.size") == 7
        assert visit.is_quiet(), visit.complaints


def test_a_file_is_dropped_and_columns_are_chosen(browser: Browser, network: Path, tmp_path: Path) -> None:
    (tmp_path / "trees.csv").write_text(TABLE)
    with visiting(browser, network) as visit:
        page = visit.page
        page.evaluate(
            """(text) => {
              const transfer = new DataTransfer();
              transfer.items.add(new File([text], "trees.csv"));
              const options = { dataTransfer: transfer, bubbles: true, cancelable: true };
              document.querySelector("main").dispatchEvent(new DragEvent("drop", options));
            }""",
            TABLE,
        )
        page.get_by_text("30 rows of 3 columns.").wait_for()
        page.get_by_label("target").select_option("1")
        page.get_by_role("checkbox", name="length (numbers)").set_checked(False)
        page.get_by_role("button", name="Use these rows").click()
        assert page.evaluate("['X', 'y'].map((name) => explorer.state.shape(name))") == [[30, 3], [30, 1]]
        assert "scaled from 0 … 2.67 to 0 … 1" in page.locator(".answer").inner_text()
        page.get_by_label("A file of a table").set_input_files(tmp_path / "trees.csv")
        page.get_by_role("combobox", name="target").wait_for()
        assert visit.is_quiet(), visit.complaints


def test_a_function_with_other_data_takes_no_table(browser: Browser, tmp_path: Path) -> None:
    cr.explore("norm(A @ x - b)^2", {"x": [1.0, 2.0]}, {"A": [[1.0, 2.0]], "b": [1.0]}).save(tmp_path / "fit.html")
    cr.explore("sum(sin(x)^2)", {"x": [1.0, 2.0]}).save(tmp_path / "sine.html")
    for name, count in (("fit", 1), ("sine", 0)):
        with visiting(browser, tmp_path / f"{name}.html") as visit:
            assert visit.page.get_by_text("Your own table").count() == count
            assert visit.page.locator(".plane").is_hidden()
            assert visit.is_quiet(), visit.complaints
