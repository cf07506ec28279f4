"""Wire formats: blobs, rows, manifests and receipts have one encoding and refuse every other."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.codec import codec_of, encode
from runtime.errors import DecodeError, OpenLedgerError
from runtime.hashing import hash_content
from runtime.wire.blobs import decode_blob, encode_blob
from runtime.wire.manifest import Manifest, ManifestFile
from runtime.wire.rows import ROW_BYTES_MAX, Row, RowRecord, submission_commitment


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=30))
def test_a_blob_survives_its_encoding(items):
    """Items come back in order; the number of items may be bounded."""
    data = encode_blob(items)
    assert decode_blob(data, len(items)) == tuple(items)
    if items:
        with pytest.raises(DecodeError, match="at most"):
            decode_blob(data, len(items) - 1)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=5), st.data())
def test_a_blob_has_one_encoding(items, data):
    """A changed byte never gives the same items."""
    blob = encode_blob(items)
    position, change = data.draw(st.integers(0, len(blob) - 1)), data.draw(st.integers(1, 255))
    bad = blob[:position] + bytes([blob[position] ^ change]) + blob[position + 1 :]
    with suppress(DecodeError):
        assert decode_blob(bad, 100) != tuple(items)


@pytest.mark.parametrize("plain", [5, b"bytes", None, [b"a", "text"], [[b"a"]], [None]])
def test_what_is_not_a_list_of_byte_strings_is_no_blob(plain):
    """Other CBOR is refused with the item that is wrong."""
    with pytest.raises(DecodeError):
        decode_blob(encode(plain), 10)


@settings(deadline=None)
@given(st.text(max_size=50), st.text(max_size=50))
def test_a_row_survives_its_encoding_and_its_hash_binds_both_texts(prompt, completion):
    """No other division of the same text has the same hash."""
    row = Row(prompt, completion)
    assert codec_of(Row).decode(row.encode()) == row
    assert row.hash() != Row(prompt + "x", completion).hash()
    if completion:
        assert row.hash() != Row(prompt + completion, "").hash()


def test_a_row_is_bounded():
    """Texts over 64 KiB have no encoding."""
    with pytest.raises(OpenLedgerError):
        Row("x" * (ROW_BYTES_MAX + 1), "").encode()


def test_records_and_manifests_survive_their_encoding():
    """Round trips of the small formats; a manifest's hash is the content hash of its bytes."""
    record = RowRecord(b"r" * 32, b"o" * 32, 3, 4)
    assert codec_of(RowRecord).decode(record.encode()) == record
    manifest = Manifest((ManifestFile("config.json", b"c" * 32, 5),))
    assert codec_of(Manifest).decode(manifest.encode()) == manifest
    assert manifest.hash() == hash_content(manifest.encode())


def test_a_commitment_hides_and_binds():
    """Another contributor, root or salt is another commitment: nobody can copy one."""
    parts = [b"c" * 32, b"r" * 32, b"s" * 32]
    one = submission_commitment(*parts)
    for index in range(3):
        others = [*parts[:index], b"x" * 32, *parts[index + 1 :]]
        assert submission_commitment(*others) != one
