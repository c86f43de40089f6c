"""The one file that a page is: self-contained, and nothing in it runs but our own script."""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from roboreward.core import StoreError
from roboreward.pages import write_page

Tags = Callable[[str], list[tuple[str, dict[str, str | None]]]]


@pytest.fixture
def page(tmp_path: Path) -> str:
    path = write_page(tmp_path / "p.html", title='a "<b>" title', body_html="<p>$body 100 %</p>")
    return path.read_text("utf-8")


def test_the_policy_allows_exactly_our_style_and_script(page: str, tags_of: Tags) -> None:
    policy = next(a["content"] for _, a in tags_of(page) if "http-equiv" in a) or ""
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for tag in ("style", "script"):
        (source,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_the_page_asks_no_network(page: str, tags_of: Tags) -> None:
    assert not [a for _, a in tags_of(page) if {"href", "src", "srcset"} & set(a)]
    assert not re.search(r"url\(|@import|https?://", page)


def test_the_title_is_escaped_and_the_body_is_kept_as_it_is(page: str) -> None:
    assert "<title>a &quot;&lt;b&gt;&quot; title</title>" in page
    assert "<main><p>$body 100 %</p></main>" in page


def test_every_class_that_charts_use_has_a_style(page: str) -> None:
    for tone in ("1", "2", "3", "4", "5", "6", "7", "8", "none", "floor"):
        assert f".tone-{tone}" in page
    for tone in range(1, 9):
        assert len(re.findall(rf"--tone-{tone}: #", page)) == 2, "one for light, one for dark"


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"p\.html"):
        write_page(tmp_path / "file" / "p.html", title="t", body_html="")
