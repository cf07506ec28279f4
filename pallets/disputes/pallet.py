"""Disputes about results, and the validators who referee them.

A dispute finds the first leaf of a transcript on which two parties disagree, and has the validators
compute that leaf alone.  Its moves, each against a clock (`Turn`):

    SPLIT   the worker posts the nodes four levels below the disputed one     -+ repeated until
    PICK    the challenger names the first of them that is wrong              -+ a leaf is found
    OPEN    the worker opens that leaf and the one before, and names the state between them
    JUDGE   each validator computes the leaf from the state, and signs the 32 bytes of its result;
            what has more than 2/3 of the weight is the verdict

Rules:

- The posted nodes must hash to the disputed one, so the worker can only post what it committed to.
- The leaf before the first wrong one was not named, so both agree on it; whoever is right about
  every leaf wins, whatever the other does.
- Each side has `clock_blocks` for all its moves; whose clock runs out loses.
- Where the state that the worker named cannot be had for `patience_blocks`, or is not the one that
  the leaf commits to, the right result is 32 zero bytes: the leaf is not shown, and the worker
  loses.
- The loser's bond, the worker's or the challenger's, is divided: `winner_ppb` to the winner,
  `referees_ppb` to the validators who signed the verdict, by weight, and the rest is burnt.
- Who signed something else than the verdict loses `attestation_slash_ppb` of the stake behind its
  vote.  Who signed nothing earns nothing.  Without a verdict after `judge_blocks` everybody has
  their bond back, and the result can be challenged again.
- `challenge_step` names the leaf at once, for a smaller bond: what it takes to see a state that is
  withheld, or to have one row's score computed again.
- One dispute at a time for each result; with its end a new window begins.

A validator signs with its own account, or with the one that it named as its referee.  The same
accounts certify that they hold what it takes to check a result.  (Prior art: Truebit; Arbitrum.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.disputes import weights
from pallets.disputes.openings import (
    LONGEST_LEAF,
    SEARCH,
    opened_step,
    openings_of,
    weight_of_opening,
)
from pallets.disputes.tallies import is_carried, may_be_certified
from pallets.disputes.types import Attestation, Dispute, OpenedStep, Tally, Turn
from pallets.pots import TREASURY
from runtime import (
    PPB,
    U8,
    U32,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    Hash,
    LongText,
    Map,
    Needs,
    Pallet,
    Parameter,
    Signed,
    Value,
    Weight,
    call,
)
from runtime.arithmetic import apply_ppb, split_by_largest_remainder
from runtime.errors import InvalidProof
from runtime.traits import CheckedWork, Currency, Stakes, ValidatorSets
from runtime.wire.records import PANEL_MAX
from runtime.wire.training_parameters import SOURCES_MAX
from runtime.wire.transcripts import (
    Split,
    StepOpening,
    Subtree,
    check_split,
    leaf_result,
    parts_of,
    verify_step,
    whole_tree,
)
from runtime.wire.validators import VALIDATORS_MAX, WEIGHT_UNIT, ValidatorSet

BOND = "Disputes.bond"
"""Why a challenger's balance is held."""
CLOCK_BLOCKS_MOST = 2**31
_NODE_BYTES = 64
_WHOLE_SET = Weight(
    reads=12 * VALIDATORS_MAX, writes=12 * VALIDATORS_MAX, time_ns=60_000 * VALIDATORS_MAX
)
"""Of paying or slashing every validator: account, hold, ledger and candidates of each."""
FORGOTTEN_MAX = 8
"""Works that the first certificate of another one looks back at."""
_FORGETTING = Weight(reads=2 * FORGOTTEN_MAX + 1, writes=FORGOTTEN_MAX + 1)
_COUNTING = Weight(reads=2, writes=2, time_ns=2_000 * VALIDATORS_MAX)
"""Of a tally that a whole set has signed."""
_ENDING = Weight(
    reads=4 * PANEL_MAX + 3 * SOURCES_MAX, writes=4 * PANEL_MAX + 2 * SOURCES_MAX, time_ns=500_000
)
"""Of the end of a job with the most auditors and sources."""
Clock = Annotated[int, Between(1, CLOCK_BLOCKS_MOST)]
Share = Annotated[int, Between(0, PPB)]


class Disputes(Pallet, index=31):
    """Disputes and their referees."""

    # Needs

    currency: Needs[Currency]
    work: Needs[CheckedWork]
    sets: Needs[ValidatorSets]
    stakes: Needs[Stakes]

    # Storage, parameters first

    clock_blocks = Parameter[Clock](
        7_200, "How long each side may take for all its moves: an hour of half seconds."
    )
    judge_blocks = Parameter[Clock](7_200, "How long the validators may take.")
    patience_blocks = Parameter[Clock](
        3_600,
        "How long validators ask for an opened state before they sign that it is not there.",
    )
    challenge_ppb = Parameter[Annotated[int, Between(1, 10 * PPB)]](
        PPB, "Which part of the fee a challenger's bond is, in billionths."
    )
    step_ppb = Parameter[Annotated[int, Between(1, 10 * PPB)]](
        PPB // 10, "Which part of the fee the bond is of who names the leaf at once."
    )
    winner_ppb = Parameter[Annotated[int, Between(0, 600_000_000)]](
        500_000_000, "Which part of the loser's bond the winner gets."
    )
    referees_ppb = Parameter[Annotated[int, Between(0, 400_000_000)]](
        100_000_000, "Which part of it the validators get."
    )
    attestation_slash_ppb = Parameter[Share](
        50_000_000, "Which part of the stake behind a validator's vote a wrong attestation costs."
    )
    disputes = Map[U32, Dispute]()
    """By the number of the work."""
    opened = Map[U32, OpenedStep]()
    """What the validators judge."""
    tallies = Map[U32, Tally]()
    """What they have said of it."""
    certificates_from = Value[U32](0)
    """The first work that can be in `certificates`."""
    certificates = Map[U32, Tally]()
    """Who holds what it takes to check a result, until enough do."""
    referees = Map[AccountId, AccountId]()
    """The validator that an account signs for, if it is not its own."""

    # Events

    class RefereeNamed(Event):
        """An account signs for a validator."""

        validator: AccountId
        referee: AccountId

    class Held(Event):
        """A validator holds what it takes to check a result."""

        work: U32
        validator: AccountId

    class Challenged(Event):
        """A result is disputed."""

        work: U32
        challenger: AccountId
        bond: Amount

    class NodesPosted(Event):
        """The worker posted the nodes below the disputed one, and the challenger is to pick."""

        work: U32
        nodes: Split

    class NodePicked(Event):
        """The challenger named the first node that is wrong."""

        work: U32
        subtree: Subtree

    class StepOpened(Event):
        """One leaf is for the validators to judge, before the height that is named."""

        work: U32
        index: U32
        deadline: BlockNumber

    class Judged(Event):
        """A validator signed its result."""

        work: U32
        validator: AccountId
        result: Hash

    class WrongAttestation(Event):
        """A validator signed another result than the verdict, and was slashed."""

        work: U32
        validator: AccountId
        slashed: Amount

    class WorkerLost(Event):
        """The result is wrong, was withheld, or its worker was silent."""

        work: U32
        worker: AccountId
        challenger: AccountId
        bond: Amount

    class ChallengerLost(Event):
        """The result stands."""

        work: U32
        worker: AccountId
        challenger: AccountId
        bond: Amount

    class Undecided(Event):
        """The validators came to no verdict; the challenger has its bond back."""

        work: U32

    # Errors

    class NoDispute(Error):
        """The work is not in dispute."""

        remedy: ClassVar[str] = "Read Disputes.disputes; challenge it with Disputes.challenge."
        work: U32

    class OwnWork(Error):
        """The worker challenges its own result."""

        remedy: ClassVar[str] = "Challenge the results of others."
        work: U32

    class NoSuchLeaf(Error):
        """The transcript has no such leaf."""

        remedy: ClassVar[str] = "Name a leaf from 0 to the last one."
        leaf_count: U32

    class NotYourTurn(Error):
        """It is another party's move, or another kind of move."""

        remedy: ClassVar[str] = "Read Disputes.disputes: it says whose move it is."
        turn: U8

    class ClockRunOut(Error):
        """The party has used up its clock, and lost."""

        remedy: ClassVar[str] = "Anybody may end the dispute with Disputes.time_out."
        deadline: BlockNumber

    class ClockRuns(Error):
        """The party whose move it is still has time."""

        remedy: ClassVar[str] = "Send it again from the height that is named."
        deadline: BlockNumber

    class WrongNodes(Error):
        """What was posted or opened is not what was committed to."""

        remedy: ClassVar[str] = "Post what the transcript has at this place."
        problem: LongText

    class NoSuchNode(Error):
        """The worker has not posted so many nodes."""

        remedy: ClassVar[str] = "Pick one of those that were posted; the first is 0."
        nodes: U32

    class NotAValidator(Error):
        """The account signs for no validator of the set that decides this."""

        remedy: ClassVar[str] = "Sign with a validator's account, or the referee that it named."
        account: AccountId

    class NoValidators(Error):
        """The chain has forgotten who decides this."""

        remedy: ClassVar[str] = "Let the clock run out, and challenge the result again."

    class AlreadySigned(Error):
        """The validator has signed this already."""

        remedy: ClassVar[str] = "Nothing is left to do: a validator signs once."
        validator: AccountId

    class RefereeTaken(Error):
        """The account signs for another validator, or is one itself."""

        remedy: ClassVar[str] = "Name an account that is used for nothing else."
        validator: AccountId

    # Calls

    @call(0, weight=weights.name_referee)
    def name_referee(self, validator: Signed, referee: AccountId) -> None:
        """Let `referee` sign certificates and verdicts for the signer, for ever."""
        known = self.referees.get(referee)
        if known is not None and known != validator:
            raise self.RefereeTaken(validator=known)
        self.referees[referee] = validator
        self.emit(self.RefereeNamed(validator=validator, referee=referee))

    @call(1, weight=weights.certify + _COUNTING + SEARCH + _FORGETTING, operational=True)
    def certify(self, referee: Signed, work: U32) -> None:
        """State that the signer's validator holds all that it takes to check a result."""
        root = self.work.uncertified_root(work)
        tally = self._with(self.certificates.get(work) or self._new_tally(), referee, root)
        self.emit(self.Held(work=work, validator=tally.given[-1].validator))
        if is_carried(tally, self._set_of(tally), root):
            self.work.certify(work)
            if work in self.certificates:
                del self.certificates[work]
            return
        if len(tally.given) == 1:
            self._forget_certificates(work)
        self.certificates[work] = tally

    @call(2, weight=weights.challenge)
    def challenge(self, challenger: Signed, work: U32) -> None:
        """Dispute a result: the signer's bond is held, and the worker is to post nodes."""
        self._begin(challenger, work, None)

    @call(3, weight=weights.challenge_step)
    def challenge_step(self, challenger: Signed, work: U32, index: U32) -> None:
        """Have one leaf opened and computed again: a withheld state, or one row's score."""
        self._begin(challenger, work, index)

    @call(4, weight=weights.split)
    def split(self, worker: Signed, work: U32, nodes: Split) -> None:
        """Post the nodes below the disputed one."""
        dispute = self._move(work, Turn.SPLIT, worker)
        self.note_hashes(len(nodes) + 1, (len(nodes) + 1) * _NODE_BYTES)
        try:
            check_split(dispute.expected, dispute.subtree, dispute.leaf_count, nodes)
        except InvalidProof as error:
            raise self.WrongNodes(problem=error.message) from error
        self.disputes[work] = replace(dispute, nodes=nodes, turn=Turn.PICK)
        self.emit(self.NodesPosted(work=work, nodes=nodes))

    @call(5, weight=weights.pick)
    def pick(self, challenger: Signed, work: U32, place: U8) -> None:
        """Name the first of the posted nodes that is wrong, by its place from the left."""
        dispute = self._move(work, Turn.PICK, challenger)
        if place >= len(dispute.nodes):
            raise self.NoSuchNode(nodes=len(dispute.nodes))
        subtree = parts_of(dispute.subtree, dispute.leaf_count)[place]
        self.disputes[work] = replace(
            dispute,
            subtree=subtree,
            expected=dispute.nodes[place],
            nodes=(),
            turn=Turn.SPLIT if subtree.level else Turn.OPEN,
        )
        self.emit(self.NodePicked(work=work, subtree=subtree))

    @call(6, weight=weight_of_opening)
    def open_step(self, worker: Signed, work: U32, opening: StepOpening) -> None:
        """Open the disputed leaf with the one before, and name the state between them."""
        dispute = self._move(work, Turn.OPEN, worker)
        index = dispute.subtree.index
        self._check_opening(work, dispute, opening)
        self.opened[work] = opened_step(index, opening)
        self.tallies[work] = self._new_tally()
        self.disputes[work] = replace(dispute, turn=Turn.JUDGE)
        deadline = self.block.height + self.judge_blocks.get()
        self.emit(self.StepOpened(work=work, index=index, deadline=deadline))

    @call(
        7, weight=weights.judge + LONGEST_LEAF + _COUNTING + _WHOLE_SET + _ENDING, operational=True
    )
    def judge(self, referee: Signed, work: U32, result: Hash) -> None:
        """Sign the result of the opened step, or 32 zero bytes where its state is not there."""
        dispute = self._dispute(work)
        if dispute.turn is not Turn.JUDGE:
            raise self.NotYourTurn(turn=dispute.turn)
        self._require_time(dispute)
        tally = self._with(self.tallies[work], referee, result)
        self.tallies[work] = tally
        validator = tally.given[-1].validator
        self.emit(self.Judged(work=work, validator=validator, result=result))
        if is_carried(tally, self._set_of(tally), result):
            self._close(work, dispute, result)

    @call(8, weight=weights.time_out + _ENDING)
    def time_out(self, _origin: Signed, work: U32) -> None:
        """End a dispute in which a clock has run out, whoever asks."""
        dispute = self._dispute(work)
        deadline = self._deadline(dispute)
        if self.block.height < deadline:
            raise self.ClockRuns(deadline=deadline)
        if dispute.turn is Turn.JUDGE:
            self.currency.release(dispute.challenger, dispute.bond, BOND)
            self._forget(work)
            self.work.uphold(work)
            self.emit(self.Undecided(work=work))
        elif dispute.turn is Turn.PICK:
            self._challenger_loses(work, dispute, ())
        else:
            self._worker_loses(work, dispute, ())

    # Helpers: what the parties do

    def _begin(self, challenger: bytes, work: int, index: int | None) -> None:
        claimed = self.work.disputable(work)
        worker, result = claimed.worker, claimed.result
        if worker is None or result is None or worker == challenger:
            raise self.OwnWork(work=work)
        subtree = whole_tree(result.leaf_count)
        if index is not None:
            if index >= result.leaf_count:
                raise self.NoSuchLeaf(leaf_count=result.leaf_count)
            subtree = Subtree(0, index)
        share = self.challenge_ppb.get() if index is None else self.step_ppb.get()
        bond = apply_ppb(claimed.fee, share)
        self.currency.hold(challenger, bond, BOND)
        self.work.begin_dispute(work)
        clock = self.clock_blocks.get()
        self.disputes[work] = Dispute(
            challenger=challenger,
            worker=worker,
            bond=bond,
            root=result.transcript_root,
            leaf_count=result.leaf_count,
            subtree=subtree,
            expected=result.transcript_root,
            nodes=(),
            turn=Turn.SPLIT if subtree.level else Turn.OPEN,
            since=self.block.height,
            worker_blocks=clock,
            challenger_blocks=clock,
        )
        self.emit(self.Challenged(work=work, challenger=challenger, bond=bond))

    def _move(self, work: int, turn: Turn, mover: bytes) -> Dispute:
        """The dispute with the mover's clock stopped; raises unless it is that party's move."""
        dispute = self._dispute(work)
        party = dispute.challenger if turn is Turn.PICK else dispute.worker
        if dispute.turn is not turn or mover != party:
            raise self.NotYourTurn(turn=dispute.turn)
        self._require_time(dispute)
        height = self.block.height
        used = height - dispute.since
        if turn is Turn.PICK:
            left = dispute.challenger_blocks - used
            return replace(dispute, since=height, challenger_blocks=left)
        return replace(dispute, since=height, worker_blocks=dispute.worker_blocks - used)

    def _dispute(self, work: int) -> Dispute:
        dispute = self.disputes.get(work)
        if dispute is None:
            raise self.NoDispute(work=work)
        return dispute

    def _deadline(self, dispute: Dispute) -> int:
        """The height from which the party whose move it is has lost."""
        if dispute.turn is Turn.JUDGE:
            return dispute.since + self.judge_blocks.get()
        if dispute.turn is Turn.PICK:
            return dispute.since + dispute.challenger_blocks
        return dispute.since + dispute.worker_blocks

    def _require_time(self, dispute: Dispute) -> None:
        deadline = self._deadline(dispute)
        if self.block.height >= deadline:
            raise self.ClockRunOut(deadline=deadline)

    def _check_opening(self, work: int, dispute: Dispute, opening: StepOpening) -> None:
        index, openings = dispute.subtree.index, openings_of(opening)
        siblings = sum(len(each.path.siblings) for each in openings)
        leaves_bytes = sum(len(each.leaf) for each in openings)
        hashes = siblings + 2 * len(openings)
        self.note_hashes(hashes, hashes * _NODE_BYTES + leaves_bytes)
        try:
            other = self.work.other_leaf(work, index)
            verify_step(dispute.root, dispute.leaf_count, index, opening, other)
        except InvalidProof as error:
            raise self.WrongNodes(problem=error.message) from error

    # Helpers: what validators sign

    def _new_tally(self) -> Tally:
        """A tally of the validators who decide this height."""
        validators_hash = self.sets.hash_at(self.block.height)
        if validators_hash is None:
            raise self.NoValidators
        return Tally(validators_hash)

    def _set_of(self, tally: Tally) -> ValidatorSet:
        """The set that a tally counts."""
        validators = self.sets.known_set(tally.validators_hash)
        if validators is None:
            raise self.NoValidators
        return validators

    def _forget_certificates(self, work: int) -> None:
        """Forget signatures about results that came to nothing, of a few works in their order.

        As each work is passed once, no more are kept than work goes on at a time.
        """
        first = self.certificates_from.get()
        end = min(first + FORGOTTEN_MAX, work)
        while first < end and not may_be_certified(self.work.job(first)):
            if first in self.certificates:
                del self.certificates[first]
            first += 1
        self.certificates_from.put(first)

    def _with(self, tally: Tally, referee: bytes, result: bytes) -> Tally:
        """The tally with what the referee's validator says."""
        validator = self.referees.get(referee) or referee
        if all(member.account != validator for member in self._set_of(tally).validators):
            raise self.NotAValidator(account=referee)
        if any(each.validator == validator for each in tally.given):
            raise self.AlreadySigned(validator=validator)
        return replace(tally, given=(*tally.given, Attestation(validator, result)))

    # Helpers: how disputes end

    def _close(self, work: int, dispute: Dispute, verdict: bytes) -> None:
        """End a dispute that the validators decided, and punish who signed something else."""
        tally = self.tallies[work]
        members = self._set_of(tally).validators
        weights_of = {member.account: member.weight for member in members}
        right: list[tuple[bytes, int]] = []
        for each in tally.given:
            weight = weights_of[each.validator]
            if each.result == verdict:
                right.append((each.validator, weight))
            else:
                self._slash(work, each.validator, weight, dispute.since)
        after = self.opened[work].after
        self.note_hashes(1, len(after))
        if verdict == leaf_result(after):
            self._challenger_loses(work, dispute, right)
        else:
            self._worker_loses(work, dispute, right)

    def _slash(self, work: int, validator: bytes, weight: int, opened: int) -> None:
        amount = apply_ppb(weight * WEIGHT_UNIT, self.attestation_slash_ppb.get())
        slashed = self.stakes.slash(validator, amount, opened, TREASURY)
        self.emit(self.WrongAttestation(work=work, validator=validator, slashed=slashed))

    def _worker_loses(
        self, work: int, dispute: Dispute, referees: Sequence[tuple[bytes, int]]
    ) -> None:
        self._forget(work)
        self.currency.release(dispute.challenger, dispute.bond, BOND)
        bond = self.work.convict(work, self.account)
        self._divide(bond, dispute.challenger, referees)
        self.emit(
            self.WorkerLost(
                work=work, worker=dispute.worker, challenger=dispute.challenger, bond=bond
            )
        )

    def _challenger_loses(
        self, work: int, dispute: Dispute, referees: Sequence[tuple[bytes, int]]
    ) -> None:
        self._forget(work)
        self.currency.move_held(dispute.challenger, dispute.bond, BOND, self.account)
        self._divide(dispute.bond, dispute.worker, referees)
        self.work.uphold(work)
        self.emit(
            self.ChallengerLost(
                work=work, worker=dispute.worker, challenger=dispute.challenger, bond=dispute.bond
            )
        )

    def _divide(self, bond: int, winner: bytes, referees: Sequence[tuple[bytes, int]]) -> None:
        """Divide the loser's bond, which is in the pallet's account, and burn the rest."""
        to_winner = apply_ppb(bond, self.winner_ppb.get())
        to_referees = apply_ppb(bond, self.referees_ppb.get()) if referees else 0
        self.currency.move(self.account, winner, to_winner)
        if referees:
            parts = split_by_largest_remainder(to_referees, [weight for _, weight in referees])
            for (validator, _), part in zip(referees, parts, strict=True):
                self.currency.move(self.account, validator, part)
        self.currency.destroy(self.account, bond - to_winner - to_referees)

    def _forget(self, work: int) -> None:
        del self.disputes[work]
        if work in self.opened:
            del self.opened[work]
            del self.tallies[work]
