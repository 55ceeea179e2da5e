"""Text in columns: widths of letters, and lines that end only where they may."""

from __future__ import annotations

import itertools
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.words import cut, in_rows, may_part, padded, runs, shortened, table, width_of, wrapped

NEVER_FIRST = "，。、；：！？）」』】》〉”’…"
NEVER_LAST = "（「『【《〈“‘"


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("", 0),
        ("abc", 3),
        ("中文", 4),
        ("z\N{COMBINING MACRON}", 1),
        ("x\N{COMBINING CYRILLIC HUNDRED THOUSANDS SIGN}", 1),
        ("ｘ", 2),
    ],
)
def test_columns_of_letters(text: str, width: int) -> None:
    assert width_of(text) == width


@given(st.text(alphabet="ab中文（），。\N{COMBINING MACRON}", max_size=60), st.integers(4, 30))
def test_no_line_ends_where_it_may_not(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join(lines) == text
    for line, following in itertools.pairwise(lines):
        assert may_part(line[-1], following[0])
        assert line[-1] not in NEVER_LAST
        assert following[0] not in NEVER_FIRST
        assert width_of(following[0]) > 0
        assert width_of(line) <= width or not any(map(may_part, line, line[1:]))


@given(st.text(alphabet="ab 中文，", max_size=60))
def test_runs_are_the_text(text: str) -> None:
    assert "".join(runs(text)) == text


def test_a_line_keeps_the_spaces_within_it() -> None:
    assert wrapped("  a  b c", 6) == ["  a  b", "c"]
    assert wrapped("word\u00a0word word", 9) == ["word\u00a0word", "word"]
    assert wrapped("他说：“好。”然后（她）走了", 10) == ["他说：", "“好。”然后", "（她）走了"]


def test_what_is_left_out_is_marked() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdefg", 6) == "abcde…"
    assert cut("中文列名", 7) == "中文列…"
    assert width_of(cut("中文列名", 6)) <= 6


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("名", "b", "c"), ("a", "bbb", "1")]
    assert table(rows) == ["  名  b    c", "  a   bbb  1"]
    assert table(rows, " ", right=1, indent="") == ["名   b c", "a  bbb 1"]
    assert table(rows, right=0) == ["  名    b  c", "   a  bbb  1"]
    assert table([]) == []


def test_entries_fill_rows() -> None:
    assert in_rows([], 10) == []
    assert in_rows(["11", "22", "33"], 7) == ["11, 22,", "33,"]
    assert in_rows(["11", "22", "33"], 6) == ["11,", "22,", "33,"]
    assert in_rows(["a long entry", "b"], 6) == ["a long entry,", "b,"]


@given(st.text(alphabet=string.ascii_letters + "   中文，。", max_size=200), st.integers(20, 60))
def test_wrapping_keeps_every_letter(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        assert width_of(line) <= width or " " not in line


def test_chinese_letters_take_two_columns() -> None:
    assert width_of("验证 ok") == 7
    assert padded("验证", 6) == "验证  "
    assert wrapped("一二三四五，六七", 10) == ["一二三四", "五，六七"]
