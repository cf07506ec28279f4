"""Evidence that validators broke the rules of consensus, and what it costs them.

Terms.  *Evidence* is bytes that prove an *offence* by signatures of the offenders; the verifier
that the runtime is composed with tells which.  Anybody reports it with a signed call and gets a
part of what is slashed; a proposer puts it first into its block and gets nothing, because it is
its duty.

Rules:

- An offender loses a fraction of the stake that its vote had at the height of the offence, whatever
  was bonded or unbonded since, leaves the set from the next height on, and is jailed.
- The fraction grows with how much of the set offends: by the square of three times the part of the
  weight that the evidence is against, so that a third of it loses everything and a mistake of one
  among many costs little (prior art: Polkadot).
- It is jailed at once, and loses its stake `appeal_blocks` later: until then the chain may cancel
  the slash, and nothing of that stake can be withdrawn.
- An account is punished once for one kind of offence at one height.
- Evidence counts as long as the stake can be slashed, and only if the set it names decided the
  height: nobody is punished for the votes of another time, or shielded by them.
- The reporter's part is small and capped, so that nobody gains by being slashed; the rest goes to
  the treasury.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pallets.offences import weights
from pallets.offences.types import PUNISHMENTS_MAX, Punishment, Punishments, Slash
from pallets.pots import TREASURY
from runtime import (
    OPEN,
    PPB,
    U32,
    U64,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    Hash,
    Inherent,
    Map,
    Needs,
    Pallet,
    Parameter,
    Root,
    RuntimeCall,
    Signed,
    Value,
    Weight,
    call,
    inherent,
    on_initialize,
)
from runtime.arithmetic import apply_ppb
from runtime.codec import codec_of
from runtime.traits import Currency, EvidenceVerifier, Stakes, ValidatorSets
from runtime.wire.offences import (
    OFFERED_AS,
    EvidenceBytes,
    Offence,
    OffenceKind,
    OfferedEvidence,
)
from runtime.wire.validators import VALIDATORS_MAX, WEIGHT_UNIT

BLOCKS_MOST = 2**32
SLASH_PPB_LEAST = 1_000_000
REPORTER_PPB_MOST = 100_000_000
_PUNISHING = Weight(
    reads=7 * VALIDATORS_MAX, writes=7 * VALIDATORS_MAX, time_ns=150_000 * VALIDATORS_MAX
)
"""Of a whole set of offenders: jail, backing, joins, punishments, and the slash of each."""
_JUDGING = Weight(
    reads=32, writes=32, hashes=2 * VALIDATORS_MAX + 8, bytes=128 * 1024, time_ns=5_000_000
)
"""Of a report beside that: a BLS share, the set's history, the new set, the pots."""
_BYTE_NS = 12_000
"""Reference cost of verifying a byte of evidence.

The dearest is a light client's: a member of a set that is not known takes 227 bytes with its proof
of possession, which takes 2.4 ms.  A vote takes less of both.
"""


def weight_of(evidence: bytes) -> Weight:
    """Return the weight of judging `evidence` and punishing a whole set."""
    return _PUNISHING + _JUDGING + Weight(0, 0, time_ns=_BYTE_NS * len(evidence))


class Offences(Pallet, index=6):
    """Evidence and punishments."""

    # Needs

    currency: Needs[Currency]
    stakes: Needs[Stakes]
    sets: Needs[ValidatorSets]
    verifier: Needs[EvidenceVerifier]

    # Storage, parameters first

    slash_ppb = Map[OffenceKind, Annotated[int, Between(SLASH_PPB_LEAST, PPB)]](50_000_000)
    """Which part of the stake behind a vote an offence costs, in billionths."""
    jail_blocks = Parameter[Annotated[int, Between(1, BLOCKS_MOST)]](
        172_800, "How long an offender is jailed: a day of half seconds."
    )
    appeal_blocks = Parameter[Annotated[int, Between(0, BLOCKS_MOST)]](
        1_209_600, "From the punishment to the height that takes the stake: a week of half seconds."
    )
    reporter_ppb = Parameter[Annotated[int, Between(0, REPORTER_PPB_MOST)]](
        10_000_000, "Which part of what is slashed the reporter gets, in billionths."
    )
    reporter_reward_max = Parameter[Amount](
        100 * OPEN, "The most that a reporter gets, in 10**-18 OPEN."
    )
    punishments = Map[AccountId, Punishments](())
    """What an account was punished for, as long as evidence of it could be shown again."""
    slashes = Map[U64, Slash]()
    """What waits to be taken, in the order in which it will be."""
    first_slash = Value[U64](0)
    next_slash = Value[U64](0)
    waiting = Map[AccountId, U32](0)
    """How many slashes of an account wait."""

    # Events

    class Punished(Event):
        """A validator broke a rule of consensus, was slashed and is out of the set."""

        account: AccountId
        kind: OffenceKind
        height: BlockNumber
        round: U32
        amount: Amount
        """What it will lose: the fraction of its stake at that height, or all that is left."""

    class SlashDeferred(Event):
        """What an offence costs will be taken at a height, unless the chain cancels it."""

        slash: U64
        account: AccountId
        due_at: BlockNumber

    class SlashTaken(Event):
        """An offender's stake was slashed; the reporter got its part, the treasury the rest."""

        slash: U64
        account: AccountId
        amount: Amount
        reward: Amount

    class SlashCancelled(Event):
        """The chain cancelled a slash: nobody loses anything by it."""

        slash: U64
        account: AccountId

    # Errors

    class ProvesNothing(Error):
        """The evidence proves no offence of validators that are known."""

        remedy: ClassVar[str] = "Report evidence of this chain, as `consensus/README.md` says."

    class WrongSet(Error):
        """The evidence names a set that did not decide its height, or is forgotten."""

        remedy: ClassVar[str] = "Report evidence under the validators_hash of that header."
        height: BlockNumber
        validators_hash: Hash

    class TooOld(Error):
        """The offence is so long ago that the stake behind it may be gone."""

        remedy: ClassVar[str] = "Report evidence as soon as it is there."
        height: BlockNumber
        oldest: BlockNumber

    class NotYet(Error):
        """The offence is at a height that no block has."""

        remedy: ClassVar[str] = "Report it again in a block of that height, or a later one."
        height: BlockNumber

    class AlreadyPunished(Error):
        """All culprits have been punished for this."""

        remedy: ClassVar[str] = "Nothing is left to do: an offence is punished once."
        height: BlockNumber
        kind: OffenceKind

    class UnknownSlash(Error):
        """There is no such slash, or it is over."""

        remedy: ClassVar[str] = "Take the number from the event Offences.SlashDeferred."
        slash: U64

    # Calls

    @call(0, weight=weight_of, operational=True)
    def report(self, reporter: Signed, evidence: EvidenceBytes) -> None:
        """Punish whom `evidence` proves guilty; the signer gets a part of what is slashed."""
        offence, culprits = self._judge(evidence)
        self._punish(offence, culprits, reporter)

    @call(1, weight=weight_of, operational=True)
    def submit(self, _origin: Inherent, evidence: EvidenceBytes) -> None:
        """Punish whom `evidence` proves guilty; it comes from the proposer of the block."""
        offence, culprits = self._judge(evidence)
        self._punish(offence, culprits, None)

    @call(2, weight=weights.cancel_slash, operational=True)
    def cancel_slash(self, _origin: Root, slash: U64) -> None:
        """Cancel a slash that waits; with its last one the account may leave its jail, too."""
        record = self.slashes.get(slash)
        if record is None:
            raise self.UnknownSlash(slash=slash)
        if not self._end(slash, record):
            self.sets.release(record.account)
        self.emit(self.SlashCancelled(slash=slash, account=record.account))

    # Hooks

    @on_initialize
    def take_due_slash(self) -> None:
        """Take the oldest slash if it is due: one a block, so that no block takes long."""
        number = self.first_slash.get()
        if number == self.next_slash.get():
            return
        record = self.slashes.get(number)
        if record is not None and record.due_at > self.block.height:
            return
        self.first_slash.put(number + 1)
        if record is not None:
            self._take(number, record)
            self._end(number, record)

    @inherent
    def provide(self, offered: Mapping[str, bytes]) -> RuntimeCall | None:
        """The first piece of evidence that the proposer's node has and that still counts."""
        encoded = offered.get(OFFERED_AS)
        if encoded is None:
            return None
        pieces: OfferedEvidence = codec_of(OfferedEvidence).decode(encoded)
        for evidence in pieces:
            if self._counts(evidence):
                return Offences.submit.Call(evidence=evidence)
        return None

    # Helpers

    def _counts(self, evidence: bytes) -> bool:
        try:
            self._judge(evidence)
        except (
            self.ProvesNothing,
            self.WrongSet,
            self.TooOld,
            self.NotYet,
            self.AlreadyPunished,
        ):
            return False
        return True

    def _judge(self, evidence: bytes) -> tuple[Offence, Sequence[tuple[bytes, int]]]:
        """The offence, and those who are to be punished for it with the stakes they had."""
        offence = self.verifier(evidence, self.genesis_hash, self.sets.known_set)
        if offence is None:
            raise self.ProvesNothing
        height = offence.height
        oldest = max(0, self.block.height + 1 - self.stakes.answerable_blocks())
        if height > self.block.height:
            raise self.NotYet(height=height)
        if height < oldest:
            raise self.TooOld(height=height, oldest=oldest)
        validators = self.sets.known_set(offence.validators_hash)
        if validators is None or self.sets.hash_at(height) != offence.validators_hash:
            raise self.WrongSet(height=height, validators_hash=offence.validators_hash)
        culprits = [
            (member.account, member.weight * WEIGHT_UNIT)
            for member in validators.validators
            if member.account in offence.culprits
            and not self._is_punished(member.account, offence, oldest)
        ]
        if not culprits:
            raise self.AlreadyPunished(height=height, kind=offence.kind)
        return offence, culprits

    def _is_punished(self, account: bytes, offence: Offence, oldest: int) -> bool:
        known = self._remembered(account, oldest)
        return len(known) == PUNISHMENTS_MAX or _punishment_of(offence) in known

    def _remembered(self, account: bytes, oldest: int) -> Punishments:
        known = self.punishments[account]
        return tuple([each for each in known if each.height >= oldest])

    def _punish(
        self, offence: Offence, culprits: Sequence[tuple[bytes, int]], reporter: bytes | None
    ) -> None:
        """Jail the culprits, and note what is to be taken of their stakes."""
        fraction = self._fraction(offence, sum(stake for _, stake in culprits))
        self.sets.jail(
            [account for account, _ in culprits], self.block.height + self.jail_blocks.get()
        )
        for account, stake in culprits:
            amount = apply_ppb(stake, fraction)
            self._remember(account, offence)
            self.emit(
                self.Punished(
                    account=account,
                    kind=offence.kind,
                    height=offence.height,
                    round=offence.round,
                    amount=amount,
                )
            )
            self._defer(account, amount, offence.height, reporter)

    def _fraction(self, offence: Offence, stake: int) -> int:
        """Which part of their stake culprits with so much of the set's lose, in billionths."""
        decided = self.sets.known_set(offence.validators_hash)
        members = () if decided is None else decided.validators
        whole = WEIGHT_UNIT * sum(member.weight for member in members)
        tripled = min(3 * stake * PPB // whole, PPB) if whole else 0
        return max(self.slash_ppb[offence.kind], apply_ppb(tripled, tripled))

    def _defer(self, account: bytes, amount: int, height: int, reporter: bytes | None) -> None:
        if not self.stakes.freeze(account, height):
            return  # whoever offends as often has nothing left
        number = self.next_slash.get()
        due_at = self.block.height + self.appeal_blocks.get() + 1
        self.slashes[number] = Slash(account, amount, height, due_at, reporter)
        self.next_slash.put(number + 1)
        self.waiting[account] += 1
        self.emit(self.SlashDeferred(slash=number, account=account, due_at=due_at))

    def _take(self, number: int, record: Slash) -> None:
        """Slash, and pay the reporter and the treasury."""
        amount = self.stakes.slash(
            record.account, record.amount, record.offence_height, self.account
        )
        reward = 0
        if record.reporter is not None:
            part = apply_ppb(amount, self.reporter_ppb.get())
            reward = min(part, self.reporter_reward_max.get())
            self.currency.move(self.account, record.reporter, reward)
        self.currency.move(self.account, TREASURY, amount - reward)
        self.emit(self.SlashTaken(number, record.account, amount, reward))

    def _end(self, number: int, record: Slash) -> int:
        """Forget a slash; returns how many of the account still wait."""
        del self.slashes[number]
        self.stakes.thaw(record.account, record.offence_height)
        waiting = self.waiting[record.account] - 1
        if waiting:
            self.waiting[record.account] = waiting
        else:
            del self.waiting[record.account]
        return waiting

    def _remember(self, account: bytes, offence: Offence) -> None:
        oldest = max(0, self.block.height + 1 - self.stakes.answerable_blocks())
        known = self._remembered(account, oldest)
        self.punishments[account] = (*known, _punishment_of(offence))


def _punishment_of(offence: Offence) -> Punishment:
    return Punishment(offence.height, offence.kind)
