"""Values, tags and tables as people read them."""

from __future__ import annotations

import pytest

from studio.parts import values
from studio.parts.tables import columns, pager, table
from studio.parts.tags import tag

OPEN = 10**18


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, "0"),
        (1, "<0.000001"),
        (OPEN, "1"),
        (1_234_567 * OPEN + OPEN // 2, "1,234,567.5"),
        (-OPEN // 4, "-0.25"),
        (1_999_999_999_999_999_999, "1.999999"),
    ],
)
def test_amounts_are_grouped_and_never_rounded_up(units, text):
    """An amount is rounded toward zero, and what is not zero does not look like zero."""
    assert values.amount_text(units) == text


def test_everything_that_came_from_a_chain_is_escaped():
    """A name with markup in it is shown, not run: in text, and in attributes."""
    evil = '"><script>alert(1)</script>'
    html = str(tag("a", evil, title=evil))
    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 2
    assert "<script>" not in values.account("ab" * 32, evil)
    assert "<script>" not in table(columns("A"), [[evil]], caption=evil)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "now"), (59, "59 s ago"), (3_600, "1 h ago"), (-90, "in 1 min")]
)
def test_ages_are_told_in_their_largest_unit(seconds, text):
    """A distance in time is one number and one unit."""
    assert values.ago(1_000_000 - 1_000 * seconds, 1_000_000) == text


def test_a_pager_links_to_its_neighbours_and_keeps_the_query():
    """The middle page has links to all sides; a single page has no pager."""
    html = pager(2, 60, "/extrinsics", {"call": "Balances.transfer"})
    assert "call=Balances.transfer&amp;page=1" in html
    assert "page=3" in html
    assert pager(1, 25, "/extrinsics") == ""


def test_an_empty_table_teaches():
    """Without rows a table says what is missing."""
    assert "Begin with a Datanet." in table(
        columns("A"), [], caption="", empty="Begin with a Datanet."
    )


def test_cells_carry_their_headings_for_phones():
    """On a phone each cell is beside its heading, which the style sheet takes from the cell."""
    assert 'data-head="Height"' in table(columns("Height#"), [["1"]], caption="")
