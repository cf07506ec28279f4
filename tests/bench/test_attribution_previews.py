"""A preview's price is measured for every query of the testbed."""

from bench.attribution.previews import preview_ms


def test_every_query_has_a_price(testbed, run):
    """One figure a query, none of them nothing."""
    found = preview_ms(testbed, run)
    assert len(found) == len(testbed.queries)
    assert min(found) > 0
