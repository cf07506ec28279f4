"""What docs/operate/network.md says is there is there, and nothing is left out."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from node.p2p import errors
from node.p2p.errors import HandshakeError
from node.p2p.metrics import NetworkMetrics
from node.p2p.reputation import POINTS_MAX, Misbehaviour

PAGE = (Path(__file__).parents[3] / "docs/operate/network.md").read_text()


def test_every_metric_is_on_the_page_with_its_labels():
    """And the page names no other."""
    registry = CollectorRegistry()
    NetworkMetrics(registry)
    names = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in registry.collect()
    }
    assert set(re.findall(r"openledger_p2p_\w+", PAGE)) == names


def test_every_reason_and_every_misbehaviour_is_explained():
    """With its points."""
    reasons = {
        each.reason
        for each in vars(errors).values()
        if isinstance(each, type)
        and issubclass(each, HandshakeError)
        and each is not HandshakeError
    }
    explained = set(re.findall(r"^\| `(\w+)` \| [^\d]", PAGE, re.MULTILINE))
    assert reasons <= explained
    for misbehaviour in Misbehaviour:
        assert re.search(rf"`{misbehaviour.label}`[^|]*\| {misbehaviour.points} \|", PAGE)
    assert f"at {POINTS_MAX} the peer" in PAGE
