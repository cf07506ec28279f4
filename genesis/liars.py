"""Validators that break the rules: evidence with real signatures, for tests and benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from consensus.bls import BLS, key_gen
from consensus.cryptography import key_scheme
from consensus.evidence import CertificatePair, Evidence, VotePair
from consensus.votes import Certificate, Statement, Vote, VoteKind, sign_vote
from genesis.chain_spec import development_keypair
from runtime.errors import DefinitionError
from runtime.keys import Keypair
from runtime.wire.validators import ValidatorSet

ONE, OTHER = b"\1" * 32, b"\2" * 32
"""Two blocks."""


@dataclass(frozen=True, slots=True)
class Liar:
    """A validator whose account key is its vote key, too."""

    keypair: Keypair
    bls_secret: bytes

    @classmethod
    def development(cls, name: str) -> Liar:
        """A development account, with the keys of `development_validator`."""
        keypair = development_keypair(name)
        return cls(keypair, key_gen(keypair.seed))

    def share(self, payload: bytes) -> bytes:
        """The right BLS share."""
        return BLS.sign(self.bls_secret, payload)


class Liars:
    """The validators of one set on one chain, who sign whatever they are told."""

    def __init__(self, genesis_hash: bytes, validators: ValidatorSet) -> None:
        """They vote under `validators`, whether that set decides or not."""
        self.validators = validators
        self.scheme = key_scheme(validators, genesis_hash)

    def vote(
        self, liar: Liar, said: Statement, share: Callable[[bytes], bytes] | None = None
    ) -> Vote:
        """The vote of a validator, with a share of its own or another."""
        payload = self.scheme.payload(said)
        keypair = liar.keypair
        return sign_vote(said, payload, keypair.account, keypair.sign, share or liar.share)

    def certificate(self, liars: Sequence[Liar], said: Statement) -> Certificate:
        """The certificate of their votes; raises `DefinitionError` below the quorum."""
        votes = [self.vote(liar, said) for liar in liars]
        certificate = self.scheme.certify(
            said, {self.scheme.verify_vote(vote): vote for vote in votes}
        )
        if certificate is None:
            message = f"{len(liars)} validators are no quorum."
            raise DefinitionError(message, remedy="Let more of them sign.")
        return certificate

    def pair(self, liar: Liar, first: Statement, second: Statement) -> bytes:
        """Evidence of two votes of one validator."""
        votes = VotePair(self.vote(liar, first), self.vote(liar, second))
        return Evidence(self.scheme.validators_hash, votes=votes).encode()

    def double_vote(
        self, liar: Liar, height: int, kind: VoteKind = VoteKind.NOTARIZE, round_: int = 1
    ) -> bytes:
        """Evidence of two votes for different blocks."""
        first = Statement(kind, height, round_, ONE)
        return self.pair(liar, first, replace(first, block_id=OTHER))

    def bad_share(self, liar: Liar, height: int) -> bytes:
        """Evidence of a vote with a share of something else, signed all the same."""
        said = Statement(VoteKind.FINALIZE, height, 1, ONE)
        vote = self.vote(liar, said, lambda _payload: liar.share(b"another payload"))
        return Evidence(self.scheme.validators_hash, bad_share=vote).encode()

    def fork(self, liars: Sequence[Liar], height: int) -> bytes:
        """Evidence of a quorum that finalized two blocks of one round."""
        first = Statement(VoteKind.FINALIZE, height, 1, ONE)
        second = replace(first, block_id=OTHER)
        pair = CertificatePair(self.certificate(liars, first), self.certificate(liars, second))
        return Evidence(self.scheme.validators_hash, certificates=pair).encode()
