"""Counter streams are pinned, and a longer draw begins with a shorter one."""

import hashlib

from ml.exact.streams import CounterStream, kept


def test_streams_are_pinned():
    """A change here would change every job."""
    stream = CounterStream(b"key", "purpose")
    assert stream.permutation(8) == [1, 7, 3, 2, 4, 5, 6, 0]
    assert stream.words(2).tolist() == [21738469, 2870563809]
    assert stream.uniform(2).tolist() == [-0.7075141668319702, 0.439674973487854]
    assert stream.bytes(4).tolist() == [217, 8, 246, 104]
    prefix = b"\x00\x03keypurpose\x00"
    assert bytes(stream.bytes(4)) == hashlib.shake_128(prefix + b"bytes").digest(4)


def test_streams_of_two_names_differ():
    """Key and purpose are told apart even where their bytes are the same together."""
    assert bytes(CounterStream(b"a", "b").bytes(8)) != bytes(CounterStream(b"ab", "").bytes(8))


def test_dropout_of_a_token_does_not_depend_on_later_ones():
    """And drops about the share it should."""
    short, long = kept(b"key", "d", 3, 50, 64), kept(b"key", "d", 40, 50, 64)
    assert short.equal(long[:3])
    assert 0.70 < long.float().mean() < 0.80
    assert kept(b"key", "d", 4, 5, 0).all()
