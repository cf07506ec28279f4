"""Counter streams: what is drawn is documented, uniform, and the same everywhere."""

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.exact.streams import CounterStream, kept


def test_a_stream_is_shake_128_of_key_purpose_and_counter():
    """The first draw is the first word of the documented hash: another worker can repeat it."""
    prefix = (3).to_bytes(2, "big") + b"key" + b"purpose\x00"
    block = hashlib.shake_128(prefix + bytes(8)).digest(4096)
    word = int.from_bytes(block[:8], "big")
    assert CounterStream(b"key", "purpose").below(1000) == word % 1000


def test_draws_are_uniform_where_words_do_not_divide_evenly():
    """Of numbers below 3 * 2**62, a third lies below 2**62; taking a remainder would give half."""
    stream = CounterStream(b"key", "bias")
    low = sum(stream.below(3 << 62) < 1 << 62 for _ in range(2_000))
    assert 600 < low < 733


@settings(deadline=None, max_examples=50)
@given(key=st.binary(max_size=40), count=st.integers(0, 300))
def test_a_permutation_is_one_and_depends_on_the_key_alone(key, count):
    """Every index occurs once; the same key gives the same order."""
    drawn = CounterStream(key, "order").permutation(count)
    assert sorted(drawn) == list(range(count))
    assert CounterStream(key, "order").permutation(count) == drawn


def test_uniform_floats_are_on_their_grid():
    """Values lie in [-1, 1) on a grid of 2**-23, with the moments of a uniform variable."""
    drawn = CounterStream(b"k", "initial").uniform(20_000)
    assert drawn.dtype == np.float32
    assert np.array_equal(drawn * 2**23, np.rint(drawn * 2**23))
    assert -1 <= drawn.min() < -0.99 < 0.99 < drawn.max() < 1
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.var() - 1 / 3) < 0.01


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
