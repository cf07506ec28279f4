"""Evidence from anybody: what it proves, or nothing; never an error that would stop a node."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from consensus.evidence import Evidence
from consensus.light import LightClientAttack
from genesis.chain_spec import LOCAL_VALIDATORS, local_spec
from genesis.evidence import verify_evidence
from genesis.liars import Liar, Liars
from runtime.wire.offences import EVIDENCE_BYTES_MAX, Offence, OffenceKind
from runtime.wire.validators import ValidatorSet
from tests.consensus.light_chain import Chain, set_of
from tests.fuzz.mutation import mutate

MUTATIONS = 1_000
EVERYBODY = (1, 2, 3, 4)
CHAIN = Chain(lambda _height: EVERYBODY)
LIGHT_SET, VALIDATORS = set_of(EVERYBODY), local_spec(4).validator_set()
KNOWN = {each.hash(): each for each in (LIGHT_SET, VALIDATORS)}
LIARS = [Liar.development(name) for name in LOCAL_VALIDATORS[:4]]
ATTACK = LightClientAttack.of(CHAIN.block(9), CHAIN.fork(9, b"f").block(9))
SIGNED = Liars(CHAIN.genesis_hash, VALIDATORS)
PIECES = (
    SIGNED.double_vote(LIARS[0], 5),
    SIGNED.bad_share(LIARS[1], 6),
    SIGNED.fork(LIARS[1:], 7),
    Evidence(LIGHT_SET.hash(), attack=ATTACK).encode(),
)


def verify(evidence: bytes) -> Offence | None:
    """On the chain whose sets are known."""
    return verify_evidence(evidence, CHAIN.genesis_hash, KNOWN.get)


def test_every_form_of_evidence_proves_its_offence() -> None:
    """Kind, height, the set that is meant, and culprits of that set."""
    offences = [verify(piece) for piece in PIECES]
    assert [each and (each.kind, each.height, len(each.culprits)) for each in offences] == [
        (OffenceKind.CONFLICTING_NOTARIZE, 5, 1),
        (OffenceKind.BAD_SHARE, 6, 1),
        (OffenceKind.CONFLICTING_FINALIZE, 7, 3),
        (OffenceKind.LIGHT_CLIENT_ATTACK, 9, 4),
    ]
    for offence in filter(None, offences):
        members = [each.account for each in KNOWN[offence.validators_hash].validators]
        assert set(offence.culprits) <= set(members)
    assert all(len(piece) <= EVIDENCE_BYTES_MAX for piece in PIECES)


def test_changed_evidence_proves_nothing_else() -> None:
    """Bytes changed at random: mostly nothing, sometimes the same; no error, nobody else."""
    honest = {piece: verify(piece) for piece in PIECES}
    guilty = {offence.culprits for offence in honest.values() if offence}
    found: Counter[str] = Counter()
    for seed in range(MUTATIONS):
        changed = mutate(Random(seed), PIECES)
        offence = verify(changed)
        found["nothing" if offence is None else "an offence"] += 1
        assert offence is None or offence.culprits in guilty, f"seed {seed}"
    assert found["nothing"] > MUTATIONS // 2


def test_sets_that_are_none_prove_nothing() -> None:
    """Light blocks carry sets of their own: one out of order is refused, not an error."""
    members = LIGHT_SET.validators
    broken = object.__new__(ValidatorSet)
    object.__setattr__(broken, "validators", tuple(reversed(members)))
    attack = replace(ATTACK, one=replace(ATTACK.one, validators=broken))
    assert verify(Evidence(LIGHT_SET.hash(), attack=attack).encode()) is None
