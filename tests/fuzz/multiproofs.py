"""Multiproofs: a changed proof of many keys never shows what is not so.

Stronger than for the other proofs, an accepted multiproof has to be the one that `prove_entries`
makes of its keys: `runtime/state/multiproof.py` promises that there is no second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from runtime.errors import DecodeError, InvalidProof
from runtime.hashing import ZERO_HASH, hash_state_key, hash_state_value
from runtime.state.multiproof import prove_entries, verify_entries
from runtime.state.proof import ABSENT
from runtime.state.tree import HASH_BYTES, PAIR_BYTES, Tree
from runtime.wire.state_proof import ProvedValue, StateProof
from tests.fuzz.campaign import Finding
from tests.fuzz.mutation import change_list, flipped, mutate, pick

TREE_SIZES = (0, 1, 2, 7, 8, 9, 40, 600)
KEY_COUNTS = (1, 1, 2, 3, 5, 12, 30)
"""How many keys the proofs of a tree are of."""

Content = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class _Specimen:
    """A true proof of the tree with this root."""

    root: bytes
    proof: StateProof
    encoding: bytes


class Multiproofs:
    """Families of trees that have most of their entries in common, and proofs from each."""

    def __init__(self) -> None:
        random = Random("multiproofs")
        self._trees: dict[bytes, tuple[Tree, Content]] = {}
        self._families = [
            [each for content in _family(size) for each in self._specimens(random, content)]
            for size in TREE_SIZES
        ]

    def _specimens(self, random: Random, content: Content) -> Iterator[_Specimen]:
        tree = Tree().update(
            (hash_state_key(key), hash_state_value(value)) for key, value in content.items()
        )
        self._trees[tree.root] = (tree, content)
        keys = [*content, b"absent", b"", b"key 599", b"key 600"]
        for count in KEY_COUNTS:
            asked = random.sample(keys, min(count, len(keys)))
            proof = prove_entries(tree, {key: content.get(key) for key in asked})
            yield _Specimen(tree.root, proof, proof.encode())

    def step(self, random: Random) -> bool:
        """Change parts of a proof, or take them from the proofs of similar trees."""
        family = pick(random, self._families)
        specimen = pick(random, family)
        proof = specimen.proof
        for _ in range(1 + int(random.random() * 3)):
            proof = pick(random, _CHANGES)(random, proof, pick(random, family).proof)
        root = specimen.root if random.random() < 0.9 else pick(random, family).root
        return self._try(root, proof)

    def step_encoded(self, random: Random) -> bool:
        """Change the bytes of a proof."""
        family = pick(random, self._families)
        try:
            proof = StateProof.decode(mutate(random, [each.encoding for each in family]))
        except DecodeError:
            return False
        return self._try(pick(random, family).root, proof)

    def _try(self, root: bytes, proof: StateProof) -> bool:
        try:
            values = verify_entries(root, proof)
        except InvalidProof:
            return False
        tree, content = self._trees[root]
        true = {entry.key: content.get(entry.key) for entry in proof.entries}
        if values != true or any(
            (true[each.key] or ABSENT) != each.value for each in proof.entries
        ):
            raise Finding("a multiproof shows what is not in the tree", root + proof.encode())
        if prove_entries(tree, true) != proof:
            raise Finding("there is a second multiproof of the same keys", root + proof.encode())
        return True


def _family(size: int) -> Iterator[Content]:
    """A state, and states that differ from it in all values, one value, or one key."""
    content = {b"key %d" % number: b"value %d" % number for number in range(size)}
    yield content
    yield {key: b"other %s" % value for key, value in content.items()}
    yield {**content, b"key 0": b"one other value"}
    yield {**content, b"key 600": b"one more"}


Change = Callable[[Random, StateProof, StateProof], StateProof]


def _with_entries(proof: StateProof, entries: Iterable[ProvedValue]) -> StateProof:
    """The proof with other entries, each in its place."""
    ordered = sorted(entries, key=lambda entry: hash_state_key(entry.key))
    return replace(proof, entries=tuple(ordered))


def _change_value(random: Random, proof: StateProof, other: StateProof) -> StateProof:
    entries = list(proof.entries)
    if not entries:
        return proof
    at = int(random.random() * len(entries))
    values = (ABSENT, flipped(random, entries[at].value), _value(random, other))
    entries[at] = replace(entries[at], value=pick(random, values))
    return replace(proof, entries=tuple(entries))


def _value(random: Random, proof: StateProof) -> bytes:
    return pick(random, proof.entries).value


def _change_key(random: Random, proof: StateProof, other: StateProof) -> StateProof:
    entries = list(proof.entries)
    if not entries:
        return proof
    at = int(random.random() * len(entries))
    keys = (flipped(random, entries[at].key), pick(random, other.entries).key)
    entries[at] = replace(entries[at], key=pick(random, keys))
    return _with_entries(proof, entries)


def _add_entry(random: Random, proof: StateProof, other: StateProof) -> StateProof:
    """One more: of another proof, or the denial of one that is there."""
    added = pick(random, other.entries)
    if proof.entries and random.random() < 0.5:
        added = replace(pick(random, proof.entries), value=ABSENT)
    return _with_entries(proof, [added, *proof.entries])


def _change_entries(random: Random, proof: StateProof, other: StateProof) -> StateProof:
    """Without regard to their order."""
    entries = list(proof.entries)
    change_list(random, entries, other.entries, lambda: pick(random, other.entries))
    return replace(proof, entries=tuple(entries))


def _hide_entry(random: Random, proof: StateProof, _other: StateProof) -> StateProof:
    """Put an entry's pair beside the entries of a bucket, and deny or drop the entry."""
    if not proof.others or not proof.entries:
        return proof
    entries, others = list(proof.entries), list(proof.others)
    at, bucket = int(random.random() * len(entries)), int(random.random() * len(others))
    pair = hash_state_key(entries[at].key) + hash_state_value(entries[at].value)
    others[bucket] = b"".join(sorted([*_chunks(others[bucket], PAIR_BYTES), pair]))
    entries[at : at + 1] = [replace(entries[at], value=ABSENT)] if random.random() < 0.5 else []
    return replace(proof, entries=tuple(entries), others=tuple(others))


def _change_pairs(random: Random, proof: StateProof, other: StateProof) -> StateProof:
    """Those beside the entries of one bucket."""
    others = list(proof.others)
    if not others:
        return proof
    at = int(random.random() * len(others))
    pairs = _chunks(others[at], PAIR_BYTES)
    taken = _chunks(b"".join(other.others), PAIR_BYTES)
    change_list(random, pairs, taken, lambda: flipped(random, pick(random, [b"", *pairs, *taken])))
    if random.random() < 0.5:
        pairs.sort()
    others[at] = b"".join(pairs)
    return replace(proof, others=tuple(others))


def _change_buckets(random: Random, proof: StateProof, other: StateProof) -> StateProof:
    """Depth and pairs together, sometimes of one only."""
    depths, others = list(proof.depths), list(proof.others)
    seed, kind = random.random(), random.random()
    if kind < 0.8:
        change_list(Random(seed), depths, other.depths, lambda: int(random.random() * 256))
    if kind > 0.2:
        change_list(Random(seed), others, other.others, lambda: b"")
    return replace(proof, depths=bytes(depths), others=tuple(others))


def _change_depth(random: Random, proof: StateProof, _other: StateProof) -> StateProof:
    """A bucket is lower or higher, sometimes with an empty sibling more or less."""
    depths, siblings = bytearray(proof.depths), _chunks(proof.siblings, HASH_BYTES)
    if not depths:
        return proof
    at = int(random.random() * len(depths))
    step = 1 if random.random() < 0.5 else -1
    depths[at] = (depths[at] + step) % 256
    place = int(random.random() * (len(siblings) + 1))
    if random.random() < 0.5:
        siblings[place : place + (step < 0)] = [ZERO_HASH] * (step > 0)
    return replace(proof, depths=bytes(depths), siblings=b"".join(siblings))


def _change_siblings(random: Random, proof: StateProof, other: StateProof) -> StateProof:
    siblings = _chunks(proof.siblings, HASH_BYTES)
    taken = _chunks(other.siblings, HASH_BYTES)
    change_list(random, siblings, taken, lambda: flipped(random, pick(random, [ZERO_HASH, *taken])))
    return replace(proof, siblings=b"".join(siblings))


def _chunks(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


_CHANGES: tuple[Change, ...] = (
    lambda _random, proof, other: replace(proof, entries=other.entries),
    lambda _random, proof, other: replace(proof, depths=other.depths, others=other.others),
    lambda _random, proof, other: replace(proof, siblings=other.siblings),
    lambda random, proof, _other: replace(proof, siblings=flipped(random, proof.siblings)),
    _change_value,
    _change_value,
    _change_key,
    _add_entry,
    _change_entries,
    _hide_entry,
    _change_pairs,
    _change_buckets,
    _change_depth,
    _change_siblings,
)
