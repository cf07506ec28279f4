"""Chains of headers with real commits, for the tests of commits and of the light client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from consensus.bls import BLS, key_gen
from consensus.commit import COMMIT_VERSION, Commit
from consensus.cryptography import key_scheme
from consensus.light import LightBlock, LightPolicy, TrustedState
from consensus.scheme import Scheme
from consensus.votes import Certificate, Statement, VoteKind, encode_bitmap, sign_vote
from runtime.block import Header
from runtime.hashing import hash_state_key, hash_state_value
from runtime.keys import Keypair
from runtime.state.tree import Tree
from runtime.wire.validators import Validator, ValidatorSet

BLOCK_TIME_MS = 1_000
STATE = {b"key": b"value", b"other": b"thing"}
TREE = Tree().update((hash_state_key(key), hash_state_value(value)) for key, value in STATE.items())


@dataclass(frozen=True)
class Member:
    """A validator with its secrets."""

    keypair: Keypair
    secret: bytes
    bls_key: bytes

    @property
    def account(self) -> bytes:
        return self.keypair.account


@cache
def member(number: int) -> Member:
    """The validator of a number, always the same one."""
    seed = bytes([number]) * 32
    secret = key_gen(seed)
    return Member(Keypair.from_seed(seed), secret, BLS.public_key(secret))


@cache
def possession(number: int) -> bytes:
    """The proof that a member has the secret of its BLS key."""
    return BLS.prove_possession(member(number).secret)


@cache
def share(number: int, payload: bytes) -> bytes:
    """A member's BLS signature; kept, because tests want the same ones again and again."""
    return BLS.sign(member(number).secret, payload)


@cache
def ordered(numbers: Sequence[int]) -> tuple[int, ...]:
    """Numbers of members in the order of their accounts."""
    return tuple(sorted(numbers, key=lambda number: member(number).account))


@cache
def set_of(numbers: tuple[int, ...]) -> ValidatorSet:
    """The set of members; each weighs 10, and one more with each number."""
    return ValidatorSet(
        tuple(
            Validator(each.account, 10 + number, each.account, each.bls_key)
            for number, each in ((number, member(number)) for number in ordered(numbers))
        )
    )


def scheme_of(numbers: tuple[int, ...], genesis_hash: bytes) -> Scheme:
    """The scheme of the set of members."""
    return key_scheme(set_of(numbers), genesis_hash)


def certify(
    numbers: tuple[int, ...], signers: Sequence[int], statement: Statement, genesis_hash: bytes
) -> Certificate:
    """The certificate of some members of a set."""
    scheme = scheme_of(numbers, genesis_hash)
    votes = {}
    for index, number in enumerate(ordered(numbers)):
        if number in signers:
            each = member(number)
            votes[index] = sign_vote(
                statement,
                scheme.payload(statement),
                each.account,
                each.keypair.sign,
                partial(share, number),
            )
    certificate = scheme.certify(statement, votes)
    assert certificate is not None
    return certificate


def raw_commit(
    validators: ValidatorSet, signers: Sequence[int], statement: Statement, genesis_hash: bytes
) -> Commit:
    """The commit of these signers, quorum or not, even under a set that is made up."""
    payload = statement.payload(genesis_hash, validators.hash())
    keys = {member(number).bls_key for number in signers}
    voters = tuple(n for n, each in enumerate(validators.validators) if each.bls_key in keys)
    signature = BLS.aggregate([share(number, payload) for number in signers])
    assert signature is not None
    assert statement.block_id is not None
    return Commit(
        COMMIT_VERSION,
        statement.height,
        statement.round,
        statement.block_id,
        encode_bitmap(voters, validators),
        signature,
    )


class Chain:
    """Headers from genesis on, whose sets are a function of the height; all members sign."""

    def __init__(self, members_at: Callable[[int], tuple[int, ...]], mark: bytes = b"a") -> None:
        """`mark` makes the blocks different from those of another chain."""
        self.members_at = members_at
        self.mark = mark
        self.headers = [_header(0, bytes(32), members_at, b"g")]
        self.genesis_hash = self.headers[0].id()

    @property
    def policy(self) -> LightPolicy:
        """To follow this chain for a day."""
        return LightPolicy(self.genesis_hash, trusting_period_ms=86_400_000)

    def header(self, height: int) -> Header:
        """The header of a height."""
        while len(self.headers) <= height:
            parent = self.headers[-1]
            number = len(self.headers)
            self.headers.append(_header(number, parent.id(), self.members_at, self.mark))
        return self.headers[height]

    def state(self, height: int) -> TrustedState:
        """What a client trusts that has verified this height."""
        return TrustedState(self.header(height), set_of(self.members_at(height)))

    def block(
        self, height: int, signers: Sequence[int] | None = None, round_: int = 1, **changes: Any
    ) -> LightBlock:
        """The light block of a height, signed by all or some members, with or without changes."""
        header = replace(self.header(height), **changes)
        numbers = self.members_at(height)
        statement = Statement(VoteKind.FINALIZE, height, round_, header.id())
        validators = set_of(numbers)
        commit = raw_commit(validators, signers or numbers, statement, self.genesis_hash)
        proofs = tuple(possession(number) for number in ordered(numbers))
        return LightBlock(header, commit, validators, proofs)

    def fork(self, height: int, mark: bytes) -> Chain:
        """A chain that has the same blocks below a height, and others from it on."""
        self.header(height)
        other = Chain(self.members_at, mark)
        other.headers = self.headers[:height]
        return other


def now_ms(height: int) -> int:
    """A time at which the block of a height is new."""
    return (height + 1) * BLOCK_TIME_MS


def _header(
    height: int, parent: bytes, members_at: Callable[[int], tuple[int, ...]], mark: bytes
) -> Header:
    numbers = members_at(height)
    return Header(
        height=height,
        parent_hash=parent,
        time_ms=(height + 1) * BLOCK_TIME_MS,
        proposer=member(numbers[0]).account,
        state_root=TREE.root,
        extrinsics_root=bytes(32),
        events_root=mark * 32,
        validators_hash=set_of(numbers).hash(),
        next_validators_hash=set_of(members_at(height + 1)).hash(),
        last_commit_hash=bytes(32),
        evidence_root=bytes(32),
        spec_version=1,
        beacon=bytes(32),
        beacon_proof=b"",
    )
