"""A chain on which results are audited and disputed: who is there, and how they play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from genesis.chain_spec import LOCAL_VALIDATORS, development_keypair, local_spec
from genesis.scenes import (
    ALICE,
    BOB,
    BOND,
    BUILDER,
    FEE,
    SALT,
    USER,
    WORKER,
    commit_result,
    published,
    reveal_result,
    submit_job,
    transcript,
)
from pallets.audits.pallet import Audits
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.disputes.types import Dispute, Turn
from pallets.workers.pallet import Workers
from runtime.hashing import ZERO_HASH
from runtime.keys import Keypair
from runtime.merkle import list_root
from runtime.types import PPB
from runtime.wire.records import Job
from runtime.wire.transcripts import (
    blinded_root,
    first_difference,
    leaf_result,
    open_step,
    parts_of,
    split,
)
from tests.pallets.chain import Chain, spec

HONEST = transcript()
"""What the job of every test really leads to."""
LIE_FROM = 9
LIE = transcript(changed=LIE_FROM)
"""The same up to a step that was done in another way."""
VALIDATORS = tuple(development_keypair(name) for name in LOCAL_VALIDATORS[:4])
PEOPLE = (BUILDER, WORKER, ALICE, BOB, USER, *VALIDATORS)
NEVER = {"start_ppb": 0, "floor_ppb": 0}
ALWAYS = {"start_ppb": PPB, "floor_ppb": PPB}
CHALLENGE = Disputes.challenge.Call(work=0)
TIME_OUT = Disputes.time_out.Call(work=0)
SETTLE = Compute.settle.Call(job=0)


class Market(Chain):
    """Four validators, a bonded worker, and one job for it."""

    def __init__(self, **parameters: Any) -> None:
        """By default no result is audited."""
        chosen = spec(**NEVER | parameters).parameters
        super().__init__(replace(local_spec(len(VALIDATORS)), parameters=chosen))
        self.people: tuple[Keypair, ...] = PEOPLE
        published(self)
        self.ok(WORKER, Workers.register.Call(bond=BOND))

    @property
    def job(self) -> Job:
        """The job."""
        with self.reading() as pallets:
            return pallets.compute.jobs[0]

    @property
    def dispute(self) -> Dispute:
        """The dispute about it, which there must be."""
        with self.reading() as pallets:
            return pallets.disputes.disputes[0]

    @property
    def issuance(self) -> int:
        """All OPEN there is."""
        with self.reading() as pallets:
            return pallets.balances.issuance.get()

    def wealth(self) -> dict[bytes, int]:
        """What everybody has, free and held."""
        return {
            account: each.free + each.held
            for account, each in ((who.account, self._account(who)) for who in self.people)
        }

    def _account(self, who: Keypair) -> Any:
        with self.reading() as pallets:
            return pallets.balances.accounts[who.account]

    def committed(self, leaves: Sequence[bytes] = HONEST, **changed: Any) -> Market:
        """Order, claim and commit; the draw is done."""
        self.ok(BUILDER, submit_job(FEE, **changed))
        self.ok(WORKER, Compute.claim.Call(job=0))
        self.ok(WORKER, commit_result(leaves=leaves))
        self.advance(2)
        return self

    def revealed(self, leaves: Sequence[bytes] = HONEST) -> Market:
        """With the result known, and certified by three of the four validators."""
        self.committed(leaves)
        self.ok(WORKER, reveal_result(leaves=leaves))
        self.certify()
        return self

    def certify(self) -> None:
        """Three of the four validators hold what it takes to check the result."""
        for validator in VALIDATORS[:3]:
            self.ok(validator, Disputes.certify.Call(work=0))

    def bond_auditors(self) -> None:
        """Let Alice and Bob be drawn."""
        for auditor in (ALICE, BOB):
            self.ok(auditor, Workers.register.Call(bond=BOND))

    def auditor(self) -> Keypair:
        """Who was drawn, first."""
        with self.reading() as pallets:
            account = pallets.audits.plans[0].audits[0].auditor
        return next(who for who in self.people if who.account == account)

    def commit_audit(self, auditor: Keypair, leaves: Sequence[bytes] = HONEST) -> None:
        """Commit to the root of these leaves."""
        blinded = blinded_root(list_root(leaves), auditor.account, SALT)
        self.ok(auditor, Audits.commit.Call(job=0, blinded=blinded))

    def reveal_audit(self, auditor: Keypair, leaves: Sequence[bytes] = HONEST) -> None:
        """Tell that root."""
        self.ok(auditor, Audits.reveal.Call(job=0, root=list_root(leaves), salt=SALT))

    def bisect(
        self, challenger: Keypair, leaves: Sequence[bytes], own: Sequence[bytes] = HONEST
    ) -> int:
        """Both sides play until the validators are to judge; returns the rounds it took."""
        rounds = 0
        while (dispute := self.dispute).turn is not Turn.JUDGE:
            if dispute.turn is Turn.SPLIT:
                nodes = split(leaves, dispute.subtree)
                self.ok(WORKER, Disputes.split.Call(work=0, nodes=nodes))
                rounds += 1
            elif dispute.turn is Turn.PICK:
                own_nodes = split(own, dispute.subtree)
                place = first_difference(dispute.nodes, own_nodes)
                last = len(parts_of(dispute.subtree, len(leaves))) - 1
                picked = last if place is None else place
                self.ok(challenger, Disputes.pick.Call(work=0, place=picked))
            else:
                self.open(leaves)
        return rounds

    def open(self, leaves: Sequence[bytes]) -> None:
        """The worker opens the disputed step of its transcript."""
        opening = open_step(leaves, self.dispute.subtree.index, ZERO_HASH)
        self.ok(WORKER, Disputes.open_step.Call(work=0, opening=opening))

    def truth(self) -> bytes:
        """What an honest validator signs of the opened step: what follows from the leaf before."""
        with self.reading() as pallets:
            opened = pallets.disputes.opened[0]
        for leaves in (HONEST, LIE):
            before = leaves[opened.index - 1] if opened.index else None
            if opened.before == before:
                # A lie is one wrong step; from there on its steps are done in the right way.
                honest = HONEST if opened.index <= LIE_FROM else leaves
                return leaf_result(honest[opened.index])
        raise AssertionError(opened)

    def judge(self, result: bytes, validators: Sequence[Keypair] = VALIDATORS[:3]) -> None:
        """These validators sign a result."""
        for validator in validators:
            self.ok(validator, Disputes.judge.Call(work=0, result=result))
