"""Validators that break the rules: real evidence, signed with the keys of development accounts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from consensus.bls import BLS, key_gen
from consensus.cryptography import key_scheme
from consensus.evidence import CertificatePair, Evidence, VotePair
from consensus.votes import Certificate, Statement, Vote, VoteKind, sign_vote
from genesis.chain_spec import DEV_ACCOUNTS, development_keypair
from runtime.wire.validators import ValidatorSet

ONE, OTHER = b"\1" * 32, b"\2" * 32
NOTARIZE, NULLIFY, FINALIZE, PROPOSE = VoteKind


def statement(kind: VoteKind, block_id: bytes | None, height: int, round_: int = 1) -> Statement:
    """What is voted."""
    return Statement(kind, height, round_, block_id)


class Liars:
    """The validators of one set on one chain, who sign whatever they are told."""

    def __init__(self, genesis_hash: bytes, validators: ValidatorSet) -> None:
        """They vote under `validators`, whether that set decides or not."""
        self.validators = validators
        self.scheme = key_scheme(validators, genesis_hash)

    def vote(self, name: str, said: Statement) -> Vote:
        """The vote of a development account."""
        keypair = development_keypair(name)
        secret = key_gen(DEV_ACCOUNTS[name])
        share: Callable[[bytes], bytes] = lambda payload: BLS.sign(secret, payload)  # noqa: E731 # so short
        return sign_vote(said, self.scheme.payload(said), keypair.account, keypair.sign, share)

    def certificate(self, names: tuple[str, ...], said: Statement) -> Certificate:
        """The certificate of a quorum's votes."""
        votes = [self.vote(name, said) for name in names]
        indexed = {self.scheme.verify_vote(vote): vote for vote in votes}
        certificate = self.scheme.certify(said, indexed)
        if certificate is None:
            raise AssertionError
        return certificate

    def pair(self, name: str, first: Statement, second: Statement) -> bytes:
        """Evidence of two votes of one validator."""
        votes = VotePair(self.vote(name, first), self.vote(name, second))
        return Evidence(self.scheme.validators_hash, votes=votes).encode()

    def double_vote(self, name: str, height: int, kind: VoteKind = NOTARIZE) -> bytes:
        """Evidence of two votes for different blocks."""
        return self.pair(name, statement(kind, ONE, height), statement(kind, OTHER, height))

    def bad_share(self, name: str, height: int) -> bytes:
        """Evidence of a vote with a share of something else, signed all the same."""
        said = statement(FINALIZE, ONE, height)
        keypair = development_keypair(name)
        wrong = BLS.sign(key_gen(DEV_ACCOUNTS[name]), b"another payload")
        vote = sign_vote(
            said, self.scheme.payload(said), keypair.account, keypair.sign, lambda _: wrong
        )
        return Evidence(self.scheme.validators_hash, bad_share=vote).encode()

    def fork(self, names: tuple[str, ...], height: int) -> bytes:
        """Evidence of a quorum that finalized two blocks of one round."""
        first = statement(FINALIZE, ONE, height)
        second = replace(first, block_id=OTHER)
        pair = CertificatePair(self.certificate(names, first), self.certificate(names, second))
        return Evidence(self.scheme.validators_hash, certificates=pair).encode()
