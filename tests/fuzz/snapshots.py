"""Snapshots: what a peer sends in place of a manifest and its chunks.

It is read in the order of `node/consensus/state_sync.py` and `restore`, in memory.  Changed are the
bytes of the manifest, its parts, the entries of the chunks, and their bytes; mostly the hashes in
the manifest are then made to fit, and sometimes the number of keys and the state root in the
header, as a liar would.  Who finalised the header is for `certificates` to try.  Found would be,
beside an error that has no type:

- an accepted state that does not lead to the state root of its header, or has an empty value;
- another state than the chain's under a header of the chain;
- a chunk that its manifest does not name, or a second encoding of a manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from consensus.commit import commit_of
from consensus.decision import Decision
from consensus.errors import InvalidCertificate
from consensus.votes import Statement, VoteKind
from runtime.block import Block, Header
from runtime.codec import codec_of
from runtime.errors import DecodeError, InvalidProof
from runtime.hashing import ZERO_HASH, hash_snapshot_chunk, hash_state_key, hash_state_value
from runtime.state.snapshot import SNAPSHOT_VERSION, Chunk, Entry, Manifest, SnapshotTree
from runtime.state.tables import SpecMetadata
from runtime.state.tree import Tree
from tests.consensus.light_chain import certify
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import change_list, flipped, mutate, pick

STATE_KEYS = (1, 7, 8, 20)
"""Sizes of the states: within and beyond one bucket of the tree."""
CHUNK_ENTRIES = 5
SIGNERS = (1, 2, 3, 4)
REFUSALS = (DecodeError, InvalidCertificate, InvalidProof)

Content = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Sent:
    """A manifest and the chunks beside it."""

    manifest: Manifest
    chunks: tuple[bytes, ...]


def make() -> Step:
    """Return the fuzzer's step."""
    return Snapshots().step


class Snapshots:
    """True snapshots of similar states, from which the changed ones are made."""

    def __init__(self) -> None:
        contents = [content for size in STATE_KEYS for content in _family(size)]
        self._sent = [_snapshot(height, content) for height, content in enumerate(contents, 1)]
        self._contents = {
            each.manifest.header.id(): content
            for each, content in zip(self._sent, contents, strict=True)
        }
        self._manifests = [each.manifest.encode() for each in self._sent]
        self._chunks = [chunk for each in self._sent for chunk in each.chunks]

    def step(self, random: Random) -> bool:
        """Receive a snapshot of which something is changed."""
        try:
            manifest, chunks = self._changed(random)
            values = _receive(manifest, chunks)
        except REFUSALS:
            return False
        self._judge(manifest, chunks, values)
        return True

    def _changed(self, random: Random) -> tuple[bytes, Sequence[bytes]]:
        sent = pick(random, self._sent)
        kind = random.random()
        if kind < 0.25:
            return mutate(random, self._manifests), sent.chunks
        if kind < 0.4:
            sent = _with_changed_part(random, sent, pick(random, self._sent))
        else:
            sent = self._with_changed_chunks(random, sent)
        if random.random() < 0.8:
            sent = _made_to_fit(random, sent)
        return sent.manifest.encode(), sent.chunks

    def _with_changed_chunks(self, random: Random, sent: Sent) -> Sent:
        chunks = list(sent.chunks)
        other = pick(random, self._sent)
        kind = random.random()
        if kind < 0.2:
            change_list(random, chunks, other.chunks, lambda: pick(random, self._chunks))
        elif chunks:
            at = int(random.random() * len(chunks))
            if kind < 0.4:
                chunks[at] = mutate(random, [chunks[at], *other.chunks])
            else:
                entries = list(codec_of(Chunk).decode(chunks[at]).entries)
                taken = codec_of(Chunk).decode(pick(random, self._chunks)).entries
                change_list(random, entries, taken, lambda: _changed_entry(random, taken))
                chunks[at] = codec_of(Chunk).encode(Chunk(tuple(entries)))
        return replace(sent, chunks=tuple(chunks))

    def _judge(self, encoded: bytes, chunks: Sequence[bytes], values: Content) -> None:
        """Compare an accepted snapshot with what it must be, computed another way."""
        manifest = Manifest.decode(encoded)
        if manifest.encode() != encoded:
            raise Finding("a manifest has two encodings", encoded)
        if tuple(map(hash_snapshot_chunk, chunks)) != manifest.chunks:
            raise Finding("a chunk is accepted that the manifest does not name", encoded)
        header = manifest.header
        if not all(values.values()) or _root(values) != header.state_root:
            raise Finding("a state is accepted that is not of its header", encoded)
        if values != self._contents.get(header.id(), values):
            raise Finding("another state than the chain's is accepted", encoded)


def _receive(encoded: bytes, chunks: Sequence[bytes]) -> Content:
    """Read a snapshot as a node that joins does; raises what it refuses."""
    manifest = Manifest.decode(encoded)
    codec_of(Header).decode(manifest.genesis_header).id()
    _read_commit(manifest.commit)
    if len(chunks) != len(manifest.chunks):
        raise InvalidProof("A peer has no such chunk.")
    checked = SnapshotTree(manifest)
    values: Content = {}
    for index, data in enumerate(chunks):
        values.update(checked.read(index, data))
    checked.check()
    return values


@lru_cache(maxsize=64)
def _read_commit(commit: bytes) -> None:
    """Adding shares up takes longer than all else, and mostly the bytes are not changed."""
    commit_of(Decision.decode(commit).certificate)


def _family(size: int) -> list[Content]:
    """A state, one that differs in a value, and one that has a key more."""
    content = {b"key %03d" % number: b"value %d" % number for number in range(size)}
    return [content, content | {b"key 000": b"another"}, content | {b"key 999": b"one more"}]


def _snapshot(height: int, content: Content) -> Sent:
    entries = [Entry(key, value) for key, value in sorted(content.items())]
    groups = [
        entries[start : start + CHUNK_ENTRIES] for start in range(0, len(entries), CHUNK_ENTRIES)
    ]
    chunks = tuple(codec_of(Chunk).encode(Chunk(tuple(group))) for group in groups)
    header = _header(height, _root(content))
    statement = Statement(VoteKind.FINALIZE, height, 1, header.id())
    certificate = certify(SIGNERS, SIGNERS, statement, _header(0, ZERO_HASH).id())
    manifest = Manifest(
        version=SNAPSHOT_VERSION,
        genesis_header=codec_of(Header).encode(_header(0, ZERO_HASH)),
        block=Block(header, (b"extrinsic",), b"").encode(),
        commit=Decision(certificate, ()).encode(),
        events=b"events",
        metadata=(SpecMetadata(1, b"{}"),),
        keys_count=len(content),
        chunks=tuple(map(hash_snapshot_chunk, chunks)),
    )
    return Sent(manifest, chunks)


def _header(height: int, state_root: bytes) -> Header:
    return Header(
        height=height,
        parent_hash=ZERO_HASH,
        time_ms=height,
        proposer=ZERO_HASH,
        state_root=state_root,
        extrinsics_root=ZERO_HASH,
        events_root=ZERO_HASH,
        validators_hash=ZERO_HASH,
        next_validators_hash=ZERO_HASH,
        last_commit_hash=ZERO_HASH,
        evidence_root=ZERO_HASH,
        spec_version=1,
        beacon=ZERO_HASH,
        beacon_proof=b"",
    )


def _root(content: Content) -> bytes:
    pairs = [(hash_state_key(key), hash_state_value(value)) for key, value in content.items()]
    return Tree().update(pairs).root


def _with_changed_part(random: Random, sent: Sent, other: Sent) -> Sent:
    """A part of the manifest is another snapshot's, or has a bit changed."""
    manifest = sent.manifest
    name = pick(random, ("genesis_header", "block", "commit", "events", "chunks", "keys_count"))
    value, taken = getattr(manifest, name), getattr(other.manifest, name)
    if random.random() < 0.5:
        value = taken
    elif isinstance(value, int):
        value = max(0, value + pick(random, (-1, 1)))
    elif isinstance(value, bytes):
        value = flipped(random, value)
    else:
        hashes = list(value)
        change_list(random, hashes, taken, lambda: flipped(random, ZERO_HASH))
        value = tuple(hashes)
    return replace(sent, manifest=replace(manifest, **{name: value}))


def _changed_entry(random: Random, taken: Sequence[Entry]) -> Entry:
    entry = pick(random, taken) if taken else Entry(b"key", b"value")
    kind = int(random.random() * 3)
    if kind == 0:
        return replace(entry, key=flipped(random, entry.key))
    return replace(entry, value=flipped(random, entry.value) if kind == 1 else b"")


def _made_to_fit(random: Random, sent: Sent) -> Sent:
    """The manifest names the chunks; sometimes it also counts them, and has a root for them."""
    manifest = replace(sent.manifest, chunks=tuple(map(hash_snapshot_chunk, sent.chunks)))
    if random.random() < 0.5:
        entries = [
            entry for chunk in sent.chunks for entry in codec_of(Chunk).decode(chunk).entries
        ]
        manifest = replace(manifest, keys_count=len(entries))
        if random.random() < 0.3:
            block = codec_of(Block).decode(manifest.block)
            root = _root({entry.key: entry.value for entry in entries})
            header = replace(block.header, state_root=root)
            manifest = replace(manifest, block=replace(block, header=header).encode())
    return replace(sent, manifest=manifest)


if __name__ == "__main__":
    main("snapshots", make)
