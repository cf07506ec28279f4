"""The encodings of everything that is stored, sent or signed, pinned by hashes.

    python -m tests.runtime.conformance      write vectors/conformance.json anew

Random values of each type, always the same ones, are encoded and hashed together; what has rules of
its own (signatures, proofs, certificates) is built from constants.  The metadata names the types of
the pallets, so a new call, event, error or storage item is pinned without an edit here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from types import ModuleType
from typing import Any

from consensus.commit import Commit
from consensus.cryptography import CRYPTOGRAPHY
from consensus.evidence import Evidence
from consensus.light import LightClientAttack
from consensus.scheme import Scheme
from consensus.votes import Certificate, Statement, Vote, VoteKind, sign_vote
from genesis.compose import compose_runtime
from runtime import block, extrinsic, hashing
from runtime.block import Block, Header
from runtime.calls import CallDefinition
from runtime.codec import Codec, codec_of
from runtime.events import EventRecord
from runtime.executive import Runtime
from runtime.extrinsic import Era, sign_extrinsic
from runtime.hashing import ZERO_HASH
from runtime.keys import Keypair, pallet_account
from runtime.merkle import list_path, list_root, sum_path, sum_root
from runtime.state import snapshot, tables
from runtime.state.multiproof import prove_entries
from runtime.state.proof import prove_entry
from runtime.state.tree import Tree
from runtime.storage import Map
from runtime.testing import Pool, SeededDraws, Values
from runtime.wire import blobs, manifest, receipts, records, rows, state_proof, transcripts
from runtime.wire.receipts import ListPath, StateEntry, SumPath
from runtime.wire.session_keys import SessionKeys
from runtime.wire.validators import Validator, ValidatorSet
from tests.consensus import light_chain

FILE = Path(__file__).parent / "vectors" / "conformance.json"
SAMPLES = 32
"""How many values of each type are encoded."""
GENESIS_HASH = bytes(range(32))

Pin = tuple[str, str]
"""The type in the notation of the metadata, and the hash of the encodings."""


def wire_codecs() -> tuple[dict[str, Codec[Any]], Sequence[CallDefinition]]:
    """Every codec by a name, and the calls that a nested call may be."""
    runtime = compose_runtime()
    codecs: dict[str, Codec[Any]] = {f"wire {each.__name__}": codec_of(each) for each in _records()}
    for each in _records_of(snapshot, tables):
        codecs[f"state {each.__name__}"] = codec_of(each)
    codecs["call"] = runtime.call_codec
    for pallet, definition in _definitions(runtime):
        for call in definition.calls:
            codecs[f"call {pallet}.{call.name}"] = call.arguments
        for event in definition.events:
            codecs[f"event {pallet}.{event.name}"] = event.codec
        for error in definition.errors:
            codecs[f"error {pallet}.{error.name}"] = error.codec
        for name, item in definition.storage.items():
            codecs[f"storage {pallet}.{name}"] = item.codec
            if isinstance(item, Map):
                codecs[f"key {pallet}.{name}"] = item.key_codec
    return codecs, _calls(runtime)


def pins() -> dict[str, Pin]:
    """Every pin by its name."""
    runtime = compose_runtime()
    codecs, calls = wire_codecs()
    found: dict[str, Pin] = {}
    for name, codec in codecs.items():
        found[name] = (codec.describe(), _digest(_encodings(runtime, name, codec, calls)))
    for name, specimen in SPECIMENS.items():
        found[f"specimen {name}"] = (
            " ".join((specimen.__doc__ or "").split()),
            _digest(specimen()),
        )
    return found


def render() -> str:
    """The pins as the file has them."""
    entries = {name: {"type": kind, "hash": digest} for name, (kind, digest) in pins().items()}
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def _records() -> Iterator[type]:
    """The dataclasses that are sent or signed."""
    yield from _records_of(
        manifest, receipts, records, rows, state_proof, transcripts, block, extrinsic
    )
    yield from (Statement, Vote, Certificate, Commit, Validator)


def _records_of(*modules: ModuleType) -> Iterator[type]:
    """The dataclasses of the modules, in the order of their names."""
    for module in modules:
        for _, member in sorted(vars(module).items()):
            if not isinstance(member, type) or member.__module__ != module.__name__:
                continue
            if hasattr(member, "__dataclass_fields__") and member not in _NOT_ON_THE_WIRE:
                yield member


_NOT_ON_THE_WIRE = (block.BlockContext, extrinsic.CheckedExtrinsic)


def _definitions(runtime: Runtime) -> Iterator[tuple[str, Any]]:
    for name, pallet in runtime.pallets.items():
        yield name, pallet.definition


def _calls(runtime: Runtime) -> tuple[CallDefinition, ...]:
    return tuple(call for _, definition in _definitions(runtime) for call in definition.calls)


def _encodings(
    runtime: Runtime, name: str, codec: Codec[Any], calls: Sequence[CallDefinition]
) -> Iterator[bytes]:
    """The samples of one type as they are sent or stored."""
    values = Values(SeededDraws(f"conformance {name}".encode()), Pool(), calls)
    kind, _, place = name.partition(" ")
    for _ in range(SAMPLES):
        value = values.of(codec)
        yield _encode(runtime, kind, place, codec, value)


def _encode(runtime: Runtime, kind: str, place: str, codec: Codec[Any], value: Any) -> bytes:
    pallet, _, item = place.partition(".")
    if kind == "call":
        return runtime.call_codec.encode(value)
    if kind == "event":
        fields = {name: getattr(value, name) for name in value.event_definition.codec.items}
        return runtime.encode_events([EventRecord(None, pallet, item, fields)])
    if kind == "key":
        return bytes(runtime.pallets[pallet].definition.storage[item].storage_key(value))
    return codec.encode(value)


def _digest(encodings: Iterator[bytes]) -> str:
    digest = blake2b(digest_size=32)
    for encoding in encodings:
        digest.update(len(encoding).to_bytes(4, "big") + encoding)
    return digest.hexdigest()


def _keypair(number: int) -> Keypair:
    return Keypair.from_seed(bytes([number]) * 32)


def signed_extrinsics() -> Iterator[bytes]:
    """Signed extrinsics: immortal, mortal, with a tip, and the largest numbers."""
    runtime = compose_runtime()
    call = runtime.call("Balances", "transfer", receiver=bytes(32), amount=10**18)
    for nonce, tip, era in ((0, 0, None), (7, 5, Era(9, 64)), (2**64 - 1, 2**128 - 1, Era(0, 1))):
        yield sign_extrinsic(
            call,
            _keypair(1),
            genesis_hash=GENESIS_HASH,
            spec_version=1,
            nonce=nonce,
            tip=tip,
            era=era,
        )


def hash_domains() -> Iterator[bytes]:
    """Every hash domain of runtime.hashing, over the empty string and over `abc`."""
    for name, member in sorted(vars(hashing).items()):
        if name.startswith("hash_"):
            yield name.encode() + member(b"") + member(b"abc")


def keys_and_accounts() -> Iterator[bytes]:
    """Public keys, signatures, accounts of pallets, and prefixes of storage items."""
    for number in range(4):
        yield _keypair(number).account + _keypair(number).sign(b"payload")
    runtime = compose_runtime()
    for name, definition in _definitions(runtime):
        yield pallet_account(name)
        yield from (item.prefix for item in definition.storage.values())


def state_proofs() -> Iterator[bytes]:
    """Roots of state trees, and proofs of presence and of absence in them."""
    for tree, values in _trees():
        yield tree.root
        for key in PROVED_KEYS:
            yield codec_of(StateEntry).encode(prove_entry(tree, key, values.get(key)))


def multiproofs() -> Iterator[bytes]:
    """Proofs of one key, and of several with an absent one, in the state trees."""
    for tree, values in _trees():
        for keys in (PROVED_KEYS[:1], PROVED_KEYS):
            yield prove_entries(tree, {key: values.get(key) for key in keys}).encode()


PROVED_KEYS = (b"key 0", b"key 7", b"key 299", b"absent")


def _trees() -> Iterator[tuple[Tree, dict[bytes, bytes]]]:
    """State trees of no, one and many buckets, each with its values."""
    for count in (0, 1, 8, 9, 300):
        values = {b"key %d" % number: b"value %d" % number for number in range(count)}
        pairs = (
            (hashing.hash_state_key(key), hashing.hash_state_value(value))
            for key, value in values.items()
        )
        yield Tree().update(pairs), values


def store_records() -> Iterator[bytes]:
    """Keys of every table of the store and their ends, its format mark, and an undo log."""
    yield tables.FORMAT_KEY + tables.FORMAT
    yield tables.HEAD_KEY
    by_height = (tables.UNDO, tables.BLOCK, tables.HEADER, tables.COMMIT, tables.EVENTS)
    for table in by_height:
        yield tables.at_height(table, 2**40 + 1)
    others = (tables.VALUE, tables.INDEX, tables.HEIGHT, tables.EXTRINSIC, tables.METADATA)
    for table in (*by_height, *others):
        yield table + tables.end_of(table + b"\xff")
    yield tables.at_version(2**24 + 1)
    yield tables.encode_undo({b"new": None, b"old": b"value", b"": b""})


def snapshot_chunks() -> Iterator[bytes]:
    """The chunks of a state that fills one and begins another, each with its number of entries."""
    values = ((b"key %03d" % number, bytes([number]) * 60_000) for number in range(20))
    for chunk, count in snapshot.encode_chunks(values):
        yield count.to_bytes(4, "big") + chunk


def merkle_lists() -> Iterator[bytes]:
    """Roots and paths of Merkle lists and of Merkle-sum trees."""
    for count in (0, 1, 2, 3, 8, 21):
        leaves = [b"leaf %d" % number for number in range(count)]
        pairs = [(leaf, 10 * number) for number, leaf in enumerate(leaves)]
        root, total = sum_root(pairs)
        yield list_root(leaves) + root + total.to_bytes(16, "big")
        for index in range(count):
            yield codec_of(ListPath).encode(list_path(leaves, index))
            yield codec_of(SumPath).encode(sum_path(pairs, index))


def headers_and_blocks() -> Iterator[bytes]:
    """A header, its identity, and a block of it."""
    parts = [bytes([number]) * 32 for number in range(10)]
    header = Header(
        height=5,
        parent_hash=parts[0],
        time_ms=9,
        proposer=parts[1],
        state_root=parts[2],
        extrinsics_root=parts[3],
        events_root=parts[4],
        validators_hash=parts[5],
        next_validators_hash=parts[6],
        last_commit_hash=parts[7],
        evidence_root=parts[8],
        spec_version=1,
        beacon=parts[9],
        beacon_proof=b"proof",
    )
    yield header.encode()
    yield header.id()
    yield Block(header, tuple(signed_extrinsics()), b"commit").encode()


def votes_and_certificates() -> Iterator[bytes]:
    """A validator set, its hash, and of each kind a vote and the certificate of three of four."""
    keypairs = sorted((_keypair(number) for number in range(4)), key=lambda each: each.account)
    validators = ValidatorSet(
        tuple(Validator(each.account, 1, each.account, b"B" * 48) for each in keypairs)
    )
    yield codec_of(ValidatorSet).encode(validators)
    yield validators.hash()
    scheme = Scheme(validators, GENESIS_HASH, CRYPTOGRAPHY)
    for kind in VoteKind:
        statement = Statement(kind, 5, 1, None if kind is VoteKind.NULLIFY else bytes([9]) * 32)
        votes = {
            number: sign_vote(statement, scheme.payload(statement), each.account, each.sign, _share)
            for number, each in enumerate(keypairs[:3])
        }
        yield codec_of(Vote).encode(votes[0])
        yield codec_of(Certificate | None).encode(scheme.certify(statement, votes))


def _share(payload: bytes) -> bytes:
    return payload * 3


def light_blocks() -> Iterator[bytes]:
    """A commit, a light block and an attack on light clients, by keys from constants."""
    chain = light_chain.Chain(lambda _height: (1, 2, 3, 4))
    block, fork = chain.block(3), chain.fork(2, b"f").block(3)
    yield block.commit.encode()
    yield block.commit.hash()
    yield block.encode()
    attack = LightClientAttack.of(block, fork)
    yield attack.encode()
    sets = {block.validators.hash(): block.validators}
    yield Evidence(block.validators.hash(), attack=attack.without_known_sets(sets.get)).encode()


def blob_files() -> Iterator[bytes]:
    """Blobs of no, one and many items."""
    for count in (0, 1, 300):
        yield blobs.encode_blob([b"item %d" % number for number in range(count)])


def session_key_payloads() -> Iterator[bytes]:
    """What a validator's keys sign to prove themselves, before block 0 and after it."""
    keys = SessionKeys(vote_key=b"v" * 32, bls_key=b"b" * 48)
    for genesis_hash in (ZERO_HASH, b"g" * 32):
        yield keys.payload(genesis_hash, b"a" * 32)


SPECIMENS: dict[str, Callable[[], Iterator[bytes]]] = {
    "extrinsics": signed_extrinsics,
    "hash domains": hash_domains,
    "keys": keys_and_accounts,
    "session keys": session_key_payloads,
    "state proofs": state_proofs,
    "multiproofs": multiproofs,
    "store": store_records,
    "snapshot": snapshot_chunks,
    "merkle lists": merkle_lists,
    "blocks": headers_and_blocks,
    "votes": votes_and_certificates,
    "light blocks": light_blocks,
    "blobs": blob_files,
}


def main() -> None:
    """Write the file anew."""
    FILE.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
