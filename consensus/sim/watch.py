"""Looks at all nodes of a run at once, and raises `Violation` when an invariant does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, NoReturn

from consensus.engine import Finalize
from consensus.errors import InvalidEvidence
from consensus.evidence import Evidence, judge
from consensus.leader import leader_index
from consensus.sim.chain import GENESIS_HASH, Head, validator
from consensus.sim.cryptography import TableCryptography
from consensus.sim.invariants import (
    Invariant,
    Violation,
    culprits_of,
    faulty_weight_max,
    held,
    held_max,
    is_decided,
    is_justified,
)
from consensus.sim.scenario import Faults, Scenario
from consensus.sim.trace import name_of, show_statement
from consensus.votes import Certificate, Statement, VoteKind, conflict, signed_payload
from runtime.wire.validators import ValidatorSet

if TYPE_CHECKING:
    from consensus.sim.node import Node


class Watch:
    """What happened so far at honest nodes."""

    def __init__(self, scenario: Scenario, cryptography: TableCryptography) -> None:
        """Nothing has happened."""
        self._scenario = scenario
        self._cryptography = cryptography
        self._hashes = {id(each): each.hash() for each in scenario.validator_sets}
        """By identity: the scenario keeps the sets."""
        self._sets = {self._hashes[id(each)]: each for each in scenario.validator_sets}
        self._faulty = frozenset(validator(number, 1).account for number in scenario.faulty)
        self._signed: dict[tuple[int, int, int], list[Statement]] = {}
        """By validator's number, height and round."""
        self.decisions: dict[int, Head] = {}
        self.rounds_max = 0
        self.reports = 0
        self._convicted: dict[int, dict[bytes, None]] = {}
        """Who is guilty by evidence that honest nodes reported, by height."""
        self._fork: tuple[int, ValidatorSet] | None = None
        """The height at which the chain forked, and its validators."""
        self._heights = {
            place: 0
            for place, number in enumerate(scenario.places)
            if number not in scenario.faulty
        }
        self.lowest = 0
        """The height that every honest node has decided."""

    def violate(self, invariant: Invariant, what: str) -> NoReturn:
        """Raise a `Violation` of this run."""
        raise Violation(invariant, self._scenario.seed, what)

    @property
    def is_forked(self) -> bool:
        """Whether two honest nodes decided different blocks."""
        return self._fork is not None

    # What honest nodes do

    def signed(self, node: Node, statement: Statement) -> None:
        """An honest node signs: nothing that conflicts, and N only for what was proposed."""
        place = (node.number, statement.height, statement.round)
        earlier = self._signed.setdefault(place, [])
        for other in earlier:
            if conflict(other, statement):
                self.violate(
                    Invariant.HONESTY,
                    f"node {node.place} signs {show_statement(other)}, {show_statement(statement)}",
                )
        earlier.append(statement)
        if statement.kind is VoteKind.NOTARIZE:
            self._check_leader(node, statement)
            validators = node.disk.head.validators
            validators_hash = self._hash_of(validators)
            if not is_justified(statement, validators, validators_hash, self._cryptography):
                self.violate(
                    Invariant.JUSTIFICATION,
                    f"node {node.place} notarizes {show_statement(statement)}",
                )

    def _check_leader(self, node: Node, statement: Statement) -> None:
        head = node.disk.head
        weights = [each.weight for each in head.validators.validators]
        index = leader_index(weights, head.seed, statement.height, statement.round)
        leader = head.validators.validators[index]
        proposed = Statement(
            VoteKind.PROPOSE, statement.height, statement.round, statement.block_id
        )
        payload = proposed.payload(GENESIS_HASH, self._hash_of(head.validators))
        if not self._cryptography.has_signed(leader.vote_key, signed_payload(payload, None)):
            self.violate(
                Invariant.LEADER, f"node {node.place} notarizes {show_statement(statement)}"
            )

    def decided(self, node: Node, after: Head, effect: Finalize) -> None:
        """An honest node decides."""
        certificate = effect.certificate
        validators = node.disk.head.validators
        named = certificate.statement
        if (named.height, named.block_id) != (after.height, after.block_id):
            self.violate(
                Invariant.VALIDITY,
                f"node {node.place}: {show_statement(named)} decides {after.height}",
            )
        validators_hash = self._hash_of(validators)
        if not is_decided(certificate, validators, validators_hash, self._cryptography):
            self.violate(
                Invariant.VALIDITY, f"node {node.place}: no quorum for {show_statement(named)}"
            )
        known = self.decisions.setdefault(after.height, after)
        if known.block_id != after.block_id:
            if self._scenario.faults is not Faults.FORKS:
                self.violate(Invariant.AGREEMENT, f"two blocks are decided at {after.height}")
            self._fork = (after.height, validators)
        elif known.root != after.root:
            self.violate(Invariant.ROOTS, f"two states after height {after.height}")
        self._measure(node, after.height, named.round)

    def _measure(self, node: Node, height: int, round_: int) -> None:
        """Progress, speed and memory."""
        if self._scenario.is_undisturbed and round_ > 1:
            self.violate(Invariant.PROMPTNESS, f"height {height} is decided in round {round_}")
        self.rounds_max = max(self.rounds_max, round_)
        self._heights[node.place] = height
        self.lowest = min(self._heights.values())
        engine = node.engine
        if engine is not None:
            count = held(engine)
            most = held_max(len(node.disk.head.validators.validators), max(round_, engine.round))
            if count > most:
                self.violate(Invariant.MEMORY, f"node {node.place} keeps {count} > {most} things")

    def reported(self, node: Node, evidence: Evidence) -> None:
        """An honest node reports evidence."""
        self.reports += 1
        try:
            verdict = judge(evidence, self._sets.get, GENESIS_HASH, self._cryptography)
        except InvalidEvidence as error:
            self.violate(Invariant.EVIDENCE, f"node {node.place}: {error.message}")
        self._convict(verdict.height, verdict.culprits)

    def _convict(self, height: int, culprits: Sequence[bytes]) -> None:
        innocent = [name_of(account) for account in culprits if account not in self._faulty]
        if innocent:
            self.violate(Invariant.EVIDENCE, f"evidence names {innocent}")
        self._convicted.setdefault(height, {}).update(dict.fromkeys(culprits))

    # Forks

    def attribute(self, honest: Sequence[Node]) -> None:
        """Name the faulty behind a fork, from what honest nodes have on disk and reported."""
        if self._fork is None:
            return
        height, validators = self._fork
        certificates = [each for node in honest for each in _certificates(node, height)]
        distinct = list({each.statement: each for each in certificates}.values())
        self._convict(height, tuple(culprits_of(distinct, validators, self._cryptography)))
        convicted = self._convicted[height]
        weight = sum(each.weight for each in validators.validators if each.account in convicted)
        if weight <= faulty_weight_max(validators):
            what = f"only {[name_of(account) for account in convicted]}, weight {weight}"
            self.violate(Invariant.ACCOUNTABILITY, f"{what}, are convicted at height {height}")

    def _hash_of(self, validators: ValidatorSet) -> bytes:
        """The hash of a set of the scenario, which costs something to make."""
        return self._hashes[id(validators)]

    def digest(self) -> str:
        """The hash of what was decided, in hexadecimal."""
        heads = b"".join(head.root for head in self.decisions.values())
        return blake2b(heads, digest_size=16).hexdigest()


def _certificates(node: Node, height: int) -> list[Certificate]:
    """All certificates of a height on a node's disk."""
    commit = node.disk.commits.get(height)
    found = [] if commit is None else [commit.certificate, *commit.justification]
    log = node.disk.read_log()
    records = () if log is None else log.records
    logged = [record for record in records if isinstance(record, Certificate)]
    return found + [each for each in logged if each.statement.height == height]
