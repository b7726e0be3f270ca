"""The table of the real clients is what their tests wrote down."""

from __future__ import annotations

from integration.client_rows import COLUMNS, PAGE, rows, table, written


def test_the_page_has_the_rows_of_the_tests() -> None:
    """To write it anew: WRITE_PAGES=1 with the tests that run the clients."""
    page = PAGE.read_text(encoding="utf-8")

    assert page == written(page, table())


def test_a_row_says_what_was_seen() -> None:
    """Every column of it, and either that it works or why it was not run."""
    for each in rows():
        assert tuple(each) == COLUMNS
        assert each["result"] == "works" or each["result"].startswith("not run: ")
        assert each["version"] or each["result"] != "works"
