"""Proofs: a changed proof never shows what is not so.

The fuzzer knows what every root stands for, so an accepted proof is compared with the truth: a
state proof with the tree's entries (`multiproofs.py`: those of many keys), a Merkle path with the list's leaf and count, a path in a sum
tree with leaf, amount and total.  A proof may be accepted after a change only if it still says
something true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from runtime.codec import codec_of
from runtime.errors import DecodeError, InvalidProof
from runtime.hashing import ZERO_HASH, hash_state_key, hash_state_value
from runtime.merkle import list_path, list_root, sum_path, sum_root, verify_list, verify_sum
from runtime.state.proof import ABSENT, prove_entry, verify_entry
from runtime.state.tree import PAIR_BYTES, Tree
from runtime.wire.receipts import ListPath, StateEntry, SumPath, SumSibling
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.multiproofs import Multiproofs
from tests.fuzz.mutation import change_list, flipped, mutate, pick

TREE_SIZES = (0, 1, 2, 7, 8, 9, 40, 600)
LIST_SIZES = (1, 2, 3, 5, 8, 13, 64)
ENTRIES_PER_TREE = 12


def make() -> Step:
    """Return the fuzzer's step; making it builds trees, lists and all their proofs."""
    trees = _Trees()
    multiproofs = Multiproofs()
    lists = _Lists()
    sums = _Sums()
    steps: tuple[Step, ...] = (
        *(trees.step, trees.step, trees.step_encoded, lists.step, sums.step),
        *(multiproofs.step, multiproofs.step, multiproofs.step_encoded),
    )

    def step(random: Random) -> bool:
        return steps[int(random.random() * len(steps))](random)

    return step


class _Trees:
    """State trees, what is in them, and proofs from each."""

    def __init__(self) -> None:
        self._content: dict[bytes, Mapping[bytes, bytes]] = {}
        self._proofs: list[tuple[bytes, StateEntry]] = []
        for size in TREE_SIZES:
            for version in range(2):
                self._add(
                    {b"key %d" % each: b"value %d %d" % (each, version) for each in range(size)}
                )
        self._encodings = [codec_of(StateEntry).encode(entry) for _, entry in self._proofs]

    def _add(self, content: dict[bytes, bytes]) -> None:
        tree = Tree().update(
            (hash_state_key(key), hash_state_value(value)) for key, value in content.items()
        )
        self._content[tree.root] = content
        keys = [*list(content)[:ENTRIES_PER_TREE], b"absent", b"", b"key 599"]
        self._proofs += [(tree.root, prove_entry(tree, key, content.get(key))) for key in keys]

    def step(self, random: Random) -> bool:
        """Change fields of a proof, or take them from others."""
        root, entry = pick(random, self._proofs)
        for _ in range(1 + int(random.random() * 2)):
            change = pick(random, _STATE_CHANGES)
            entry = change(random, entry, pick(random, self._proofs)[1])
        if random.random() < 0.1:
            root = pick(random, self._proofs)[0]
        return self._try(root, entry)

    def step_encoded(self, random: Random) -> bool:
        """Change the bytes of a proof."""
        root, _ = pick(random, self._proofs)
        try:
            entry = codec_of(StateEntry).decode(mutate(random, self._encodings))
        except DecodeError:
            return False
        return self._try(root, entry)

    def _try(self, root: bytes, entry: StateEntry) -> bool:
        try:
            verify_entry(root, entry)
        except InvalidProof:
            return False
        if self._content[root].get(entry.key, ABSENT) != entry.value:
            data = root + codec_of(StateEntry).encode(entry)
            raise Finding("a state proof shows what is not in the tree", data)
        return True


StateChange = Callable[[Random, StateEntry, StateEntry], StateEntry]


def _change_bucket(random: Random, entry: StateEntry, other: StateEntry) -> StateEntry:
    pairs = [entry.bucket[at : at + PAIR_BYTES] for at in range(0, len(entry.bucket), PAIR_BYTES)]
    kind = int(random.random() * 6)
    if kind == 0 and pairs:
        del pairs[int(random.random() * len(pairs))]
    elif kind == 1:
        pairs.append(hash_state_key(entry.key) + hash_state_value(entry.value))
        pairs.sort()
    elif kind == 2:
        random.shuffle(pairs)
    elif kind == 3:
        pairs += pairs[:1]
    elif kind == 4:
        pairs.append(other.bucket[:PAIR_BYTES])
        pairs.sort()
    else:
        return replace(entry, bucket=flipped(random, entry.bucket))
    return replace(entry, bucket=b"".join(pairs))


def _change_siblings(random: Random, entry: StateEntry, other: StateEntry) -> StateEntry:
    siblings = list(entry.siblings)
    change_list(random, siblings, other.siblings, lambda: flipped(random, _any(random, siblings)))
    return replace(entry, siblings=tuple(siblings))


def _any(random: Random, items: Sequence[bytes]) -> bytes:
    return pick(random, items) if items else ZERO_HASH


_STATE_CHANGES: tuple[StateChange, ...] = (
    lambda _random, entry, other: replace(entry, key=other.key),
    lambda _random, entry, other: replace(entry, value=other.value),
    lambda _random, entry, _other: replace(entry, value=ABSENT),
    lambda _random, entry, other: replace(entry, bucket=other.bucket),
    lambda _random, entry, other: replace(entry, siblings=other.siblings),
    lambda random, entry, _other: replace(entry, value=flipped(random, entry.value)),
    _change_bucket,
    _change_bucket,
    _change_siblings,
)


class _Lists:
    """Merkle lists with every path in them."""

    def __init__(self) -> None:
        self._leaves: dict[bytes, list[bytes]] = {}
        self._proofs: list[tuple[bytes, bytes, ListPath]] = []
        for size in LIST_SIZES:
            leaves = [b"leaf %d of %d" % (number, size) for number in range(size)]
            root = list_root(leaves)
            self._leaves[root] = leaves
            self._proofs += [(root, leaf, list_path(leaves, at)) for at, leaf in enumerate(leaves)]

    def step(self, random: Random) -> bool:
        """Change leaf, root, index, count or siblings of a path."""
        root, leaf, path = pick(random, self._proofs)
        other_root, other_leaf, other = pick(random, self._proofs)
        kind = int(random.random() * 6)
        if kind == 0:
            leaf = other_leaf if random.random() < 0.8 else flipped(random, leaf)
        elif kind == 1:
            root = other_root
        path = _changed_place(random, path, other, kind)
        if kind >= 4:
            siblings = list(path.siblings)
            change_list(
                random, siblings, other.siblings, lambda: flipped(random, _any(random, siblings))
            )
            path = replace(path, siblings=tuple(siblings))
        return self._try(root, leaf, path)

    def _try(self, root: bytes, leaf: bytes, path: ListPath) -> bool:
        try:
            verify_list(root, leaf, path)
        except InvalidProof:
            return False
        leaves = self._leaves[root]
        if path.count != len(leaves) or leaves[path.index] != leaf:
            data = root + codec_of(ListPath).encode(path) + leaf
            raise Finding("a path shows a leaf that is not in the list", data)
        return True


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a path in a sum tree shows."""

    root: bytes
    total: int
    leaf: bytes
    amount: int
    path: SumPath


class _Sums:
    """Merkle-sum trees with every path in them."""

    def __init__(self) -> None:
        self._pairs: dict[bytes, list[tuple[bytes, int]]] = {}
        self._claims: list[_Claim] = []
        for size in LIST_SIZES:
            pairs = [(b"leaf %d of %d" % (at, size), 10**at % 997) for at in range(size)]
            root, total = sum_root(pairs)
            self._pairs[root] = pairs
            self._claims += [
                _Claim(root, total, leaf, amount, sum_path(pairs, at))
                for at, (leaf, amount) in enumerate(pairs)
            ]

    def step(self, random: Random) -> bool:
        """Change any part of a claim."""
        claim, other = pick(random, self._claims), pick(random, self._claims)
        kind = int(random.random() * 8)
        path = _changed_place(random, claim.path, other.path, kind)
        if kind >= 6:
            siblings = list(path.siblings)
            change_list(
                random, siblings, other.path.siblings, lambda: _other_sibling(random, siblings)
            )
            path = replace(path, siblings=tuple(siblings))
        claim = replace(claim, path=path)
        if kind == 0:
            claim = replace(claim, leaf=other.leaf)
        elif kind == 1:
            claim = replace(claim, root=other.root, total=other.total)
        elif kind == 4:
            claim = replace(claim, amount=_near(random, claim.amount))
        elif kind == 5:
            claim = replace(claim, total=_near(random, claim.total))
        return self._try(claim)

    def _try(self, claim: _Claim) -> bool:
        try:
            verify_sum(claim.root, claim.total, claim.leaf, claim.amount, claim.path)
        except InvalidProof:
            return False
        pairs = self._pairs[claim.root]
        true = len(pairs) == claim.path.count and sum(amount for _, amount in pairs) == claim.total
        if not true or pairs[claim.path.index] != (claim.leaf, claim.amount):
            data = claim.root + codec_of(SumPath).encode(claim.path) + claim.leaf
            raise Finding(f"a path shows what is not in the sum tree: {claim}", data)
        return True


def _changed_place(random: Random, path: Any, other: Any, kind: int) -> Any:
    """A path with another index or count, for two of the kinds."""
    if kind == 2:
        index = other.index if random.random() < 0.5 else path.index ^ 1 << int(random.random() * 3)
        return replace(path, index=index)
    if kind == 3:
        return replace(path, count=max(0, path.count + int(random.random() * 5) - 2))
    return path


def _other_sibling(random: Random, siblings: Sequence[SumSibling]) -> SumSibling:
    if not siblings:
        return SumSibling(ZERO_HASH, 0)
    sibling = pick(random, siblings)
    if random.random() < 0.5:
        return replace(sibling, sum=_near(random, sibling.sum))
    return replace(sibling, hash=flipped(random, sibling.hash))


def _near(random: Random, number: int) -> int:
    return (number - 1, number + 1, -number, 0, 2**128, number + 2**128)[int(random.random() * 6)]


if __name__ == "__main__":
    main("proofs", make)
