"""Records of Datanets: what they say of themselves, and what they commit to."""

from __future__ import annotations

from dataclasses import replace

from ml.training.recipe import default_training_parameters
from runtime.codec import codec_of
from runtime.offchain import RowsOfVersion, TrainingOrder
from runtime.wire.datanets import DIALOGUE, RowChange, VersionSpan
from runtime.wire.panels import score_commitment

CHANGE = RowChange(bytes(32), submission=1, index=2, joined=True, height=3, reason="accepted")


def test_rows_of_two_columns_are_prompts_with_completions():
    """Of one column they are plain text."""
    assert DIALOGUE.has_prompt()
    assert not replace(DIALOGUE, columns=DIALOGUE.columns[:1]).has_prompt()


def test_a_change_is_a_leaf_of_a_version_s_diff():
    """Its bytes are canonical, and say everything of it."""
    assert codec_of(RowChange).decode(CHANGE.encode()) == CHANGE
    assert replace(CHANGE, joined=False).encode() != CHANGE.encode()


def test_a_span_has_both_its_ends():
    """And nothing outside them."""
    span = VersionSpan(2, 4)
    assert [span.holds(version) for version in range(1, 6)] == [False, True, True, True, False]


def test_a_score_is_its_juror_s_own():
    """Nobody can commit to another's score by copying, and no case has another's."""
    made = score_commitment(bytes(32), 1, 500_000_000, bytes(32))
    others = {
        score_commitment(bytes([1]) * 32, 1, 500_000_000, bytes(32)),
        score_commitment(bytes(32), 2, 500_000_000, bytes(32)),
        score_commitment(bytes(32), 1, 500_000_001, bytes(32)),
        score_commitment(bytes(32), 1, 500_000_000, bytes([1]) * 32),
    }
    assert len({made, *others}) == 5


def test_an_order_s_hash_binds_what_decides_the_run():
    """Another beacon, other rows: another job."""
    order = TrainingOrder(
        job=1,
        base_model=bytes(32),
        sources=(RowsOfVersion(bytes(32), 1_500),),
        beacon=bytes(32),
        parameters=default_training_parameters(1_500),
    )
    other_rows = replace(order, sources=(RowsOfVersion(bytes(32), 1_501),))
    other_beacon = replace(order, beacon=bytes([1]) * 32)
    assert len({order.hash(), other_rows.hash(), other_beacon.hash()}) == 3
