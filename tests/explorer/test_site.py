"""The folder for a web site: every page is there, in both languages, and its links are relative."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.browsing import launched

from chainrule.explorer.site import write_site
from chainrule.gallery import GALLERY

FEW = ("linear_regression", "layer_norm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chainrule.explorer.site.GALLERY", {name: GALLERY[name] for name in FEW})
        written = write_site(root / "pages")
    assert sorted(path.name for path in (root / "pages").iterdir()) == sorted(Path(path).name for path in written)
    return root / "pages"


@pytest.mark.parametrize(("index", "language"), [("index.html", "en"), ("index.zh.html", "zh-Hans")])
def test_the_index_links_to_every_page_in_its_language(folder: Path, index: str, language: str) -> None:
    text = (folder / index).read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in text
    links = re.findall("href='([^']*)'", text)
    assert len(links) == 2 + len(FEW)
    for link in links:
        assert "/" not in link
        assert (folder / link).exists()
    for link in links[1:]:
        assert f'<html lang="{language}">' in (folder / link).read_text(encoding="utf-8")


def test_the_folder_works_from_a_disk(folder: Path) -> None:
    with launched() as browser:
        page = browser.new_page()
        requests: list[str] = []
        page.on("request", lambda asked: requests.append(asked.url))
        page.goto((folder / "index.html").as_uri())
        page.get_by_role("link", name="中文").click()
        page.get_by_role("link").nth(2).click()
        page.locator(".checks").wait_for()
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        assert all(url.startswith("file://") for url in requests)
        page.close()
