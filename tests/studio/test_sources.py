"""What an answer repeats, how curves come about, and what is said of a recipe."""

from __future__ import annotations

import json

import pytest

from runtime.wire.records import ScoreLeaf
from runtime.wire.rows import Row
from studio.chain.attribution import shares_of_epoch
from studio.chain.datanets import NATS_GRID, OwnedRow
from studio.citations import Library
from studio.curves import Curves
from studio.errors import ServerRefused
from studio.parts.sources import marked
from studio.parts.training_form import readiness
from studio.serving import Ended, _pieces

ROWS = (
    ("ann", "What is red?", "Red is the colour at the long end of the visible light."),
    ("ben", "What is blue?", "Blue is a colour between violet and cyan on the spectrum."),
)


@pytest.fixture
def library():
    """Two rows of two contributors."""
    return Library([OwnedRow(owner, Row(prompt, text), b"") for owner, prompt, text in ROWS])


def test_the_longest_verbatim_part_is_found_and_marked(library):
    """A copied part is one span, as long as it goes, with the row that it is from."""
    answer = "I think the colour at the long end of the visible light is warm."
    (span,) = library.spans(answer)
    assert answer[span.start : span.end] == "the colour at the long end of the visible light"
    assert span.rows == (0,)
    assert "<mark>the colour at" in marked(answer, [span])


def test_common_words_are_no_citation(library):
    """A few words that stand everywhere are not a span."""
    assert library.spans("It is a colour.") == []


def test_an_answer_with_markup_in_it_is_shown_as_text(library):
    """What a model says is escaped around the marks."""
    assert "<b>" not in marked("<b>no</b>", library.spans("<b>no</b>"))


def test_rows_that_share_rare_words_resemble_a_question(library):
    """The closest row comes first; nothing in common is no row."""
    assert library.resembling("Tell me of violet and cyan")[0] == 1
    assert library.resembling("zebra") == []


def test_shares_of_an_epoch_are_sums_over_rows():
    """A contributor's influence is the sum of its rows', in nats, the largest first."""
    ann, ben = b"a" * 32, b"b" * 32
    leaves = [
        ScoreLeaf(bytes(32), owner, int(nats * NATS_GRID))
        for owner, nats in ((ann, 0.5), (ben, 2.0), (ann, 1.0))
    ]
    found = shares_of_epoch(leaves)
    assert [(share.owner, share.influence) for share in found] == [
        (ben.hex(), 2.0),
        (ann.hex(), 1.5),
    ]
    assert found[1].rows == (2, 0)


def test_errors_of_rows_add_up_as_those_of_independent_ones():
    """Errors of 3 and 4 nats are one of 5 together; the bar's whisker shows it."""
    ann = b"a" * 32
    leaves = [ScoreLeaf(bytes(32), ann, NATS_GRID, nats * NATS_GRID) for nats in (3, 4)]
    (share,) = shares_of_epoch(leaves)
    assert share.error == pytest.approx(5.0)


def test_a_curve_grows_by_what_the_worker_tells(tmp_path):
    """Each step is noted once, for its own job; other stages add nothing."""
    curves = Curves(tmp_path)
    for done, loss in ((1, 4.0), (2, 3.5), (2, 3.5)):
        curves.note({"stage": "training", "job": 0, "done": done, "total": 9, "loss": loss})
    curves.note({"stage": "attributing", "job": None, "done": 1, "total": 2, "loss": None})
    assert curves.live(0) == [(1.0, 4.0), (2.0, 3.5)]
    assert curves.live(1) == []


def test_a_rough_recipe_is_named_before_it_is_paid_for():
    """What makes influence unfaithful is said in words; the default recipe is ready."""
    smooth = {"batch_rows": 50, "epsilon_ppb": 10_000, "learning_rate_ppb": 6_000_000}
    assert readiness(smooth, 2_000, 1_500) == []
    assert len(readiness({**smooth, "batch_rows": 2, "dropout_ppb": 1}, 10, 1_500)) == 3


def test_streamed_events_become_pieces_and_an_end():
    """Text as it comes, the receipt at the end, an error as an error."""
    text = {"choices": [{"delta": {"content": "Hi"}}]}
    last = {"choices": [{"delta": {}}], "receipt": {"hex": "00ff", "fee": "7"}}
    assert _pieces("data: " + json.dumps(text)) == ["Hi"]
    assert _pieces("data: " + json.dumps(last)) == [Ended(b"\x00\xff", 7)]
    assert _pieces("data: [DONE]") == _pieces("") == []
    with pytest.raises(ServerRefused):
        _pieces('data: {"error": {"message": "no escrow"}}')
