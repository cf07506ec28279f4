"""The log after a crash: a prefix of what was written, and never less than what was flushed (W3)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus import log
from consensus.errors import LogError
from consensus.log import KeptBlock, LogWriter, Record, recover
from tests.consensus.hand_driven import A, F, HandDriven, N, X, id_of

NODE = HandDriven(height=7)
RECORDS: tuple[Record, ...] = (
    KeptBlock(id_of(A), A),
    NODE.vote(0, N, 1, A),
    NODE.certificate(N, 1, A),
    NODE.vote(0, F, 1, A),
    NODE.certificate(X, 2),
    NODE.vote(0, X, 3),
)


def _written(flushes):
    """A log's frames, flushed before the records of these numbers."""
    writer, frames = LogWriter(7), []
    for number, record in enumerate(RECORDS):
        if number in flushes:
            writer.flushed()
        frames.append(writer.frame(record).encode())
    return frames


def _recover(data):
    """What a log holds that is not empty."""
    recovered = recover(data)
    assert recovered is not None
    return recovered


def test_a_whole_log_is_read_again():
    """Height, records and length are those that were written; writing goes on behind them."""
    frames = _written({2, 4})
    recovered = _recover(b"".join(frames))
    assert (recovered.height, recovered.records) == (7, RECORDS)
    assert recovered.valid_bytes == sum(map(len, frames))
    more = LogWriter(7, len(RECORDS)).frame(RECORDS[1]).encode()
    assert _recover(b"".join(frames) + more).records == (*RECORDS, RECORDS[1])
    assert recover(b"") is None


def test_every_prefix_is_recovered():
    """A torn tail costs the torn record alone, wherever it is torn."""
    frames = _written({3})
    data = b"".join(frames)
    for length in range(len(data) + 1):
        whole = sum(sum(map(len, frames[: n + 1])) <= length for n in range(len(frames)))
        recovered = recover(data[:length])
        assert (() if recovered is None else recovered.records) == RECORDS[:whole]


@settings(deadline=None, max_examples=400)
@given(st.sets(st.integers(1, 5)), st.data())
def test_a_changed_byte_is_found(flushes, data):
    """A prefix before it is recovered, or it had been on disk: `LogError`; never anything else."""
    frames = _written(flushes)
    whole = b"".join(frames)
    position = data.draw(st.integers(0, len(whole) - 1))
    change = data.draw(st.integers(1, 255))
    bad = whole[:position] + bytes([whole[position] ^ change]) + whole[position + 1 :]
    damaged = next(n for n in range(len(frames)) if position < sum(map(len, frames[: n + 1])))
    durable = max((n for n in flushes if n < len(frames)), default=0)
    if damaged < durable:
        with pytest.raises(LogError):
            recover(bad)
    else:
        recovered = recover(bad)
        assert (() if recovered is None else recovered.records) == RECORDS[:damaged]


@settings(deadline=None, max_examples=400)
@given(st.sets(st.integers(1, 5)), st.data())
def test_what_a_crash_leaves_is_recovered(flushes, data):
    """Of the tail, any part in any order: all that was flushed, and only what was written."""
    frames = _written(flushes)
    durable = max(flushes, default=0)
    tail = b""
    for frame in frames[durable:]:
        kept = data.draw(st.integers(0, len(frame)))
        tail += data.draw(st.sampled_from([frame, frame[:kept].ljust(len(frame), b"\0")]))
    recovered = recover(b"".join(frames[:durable]) + tail)
    records = () if recovered is None else recovered.records
    assert records[:durable] == RECORDS[:durable]
    assert records == RECORDS[: len(records)]


def test_what_is_left_of_another_height_is_told_apart():
    """Records of a height before, behind those of this one, are of no use and no damage."""
    old = b"".join(_written({3}))
    new = LogWriter(8).frame(RECORDS[1]).encode()
    recovered = _recover(new + old)
    assert (recovered.height, recovered.records) == (8, RECORDS[1:2])


def test_a_record_of_the_middle_is_no_beginning():
    """Without its first record, which was on disk, a log is damaged."""
    frames = _written({1, 2})
    with pytest.raises(LogError, match="Record 0"):
        recover(b"".join(frames[1:]))


def test_a_height_has_so_many_records(monkeypatch):
    """A network that never agrees does not fill the disk."""
    monkeypatch.setattr(log, "RECORDS_MAX", 2)
    writer = LogWriter(7)
    writer.frame(RECORDS[1])
    writer.frame(RECORDS[1])
    with pytest.raises(LogError, match="does not agree") as caught:
        writer.frame(RECORDS[1])
    assert caught.value.remedy
