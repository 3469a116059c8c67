from __future__ import annotations

from tests.hardware import table


def test_the_page_shows_the_table():
    page = table.PAGE.read_text(encoding="utf-8")
    assert table.replaced(page) == page
