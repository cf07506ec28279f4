"""Evidence that validators broke the rules of consensus, and what it costs them.

Terms.  *Evidence* is bytes that prove an *offence* by signatures of the offenders; the verifier
that the runtime is composed with tells which.  Anybody reports it with a signed call and gets a
part of what is slashed; a proposer puts it first into its block and gets nothing, because it is
its duty.

Rules:

- An offender loses a fraction of the stake that its vote had at the height of the offence, whatever
  it bonded or unbonded since, leaves the set from the next height on, and is jailed.
- An account is punished once for one kind of offence at one height.
- Evidence counts as long as the stake can be slashed, and only if the set it names decided the
  height: nobody is punished for the votes of another time, or shielded by them.
- The reporter's part is small and capped, so that nobody gains by being slashed; the rest goes to
  the treasury.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pallets.offences.types import PUNISHMENTS_MAX, Punishment, Punishments
from pallets.pots import TREASURY
from runtime import (
    OPEN,
    PPB,
    U32,
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
    RuntimeCall,
    Signed,
    Weight,
    call,
    inherent,
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

JAIL_BLOCKS_MOST = 2**32
SLASH_PPB_LEAST = 1_000_000
REPORTER_PPB_MOST = 100_000_000
_PUNISHING = Weight(
    reads=5 * VALIDATORS_MAX, writes=5 * VALIDATORS_MAX, time_ns=150_000 * VALIDATORS_MAX
)
"""Of a whole set of offenders: account, hold, ledger, candidates and punishments of each."""
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
    jail_blocks = Parameter[Annotated[int, Between(1, JAIL_BLOCKS_MOST)]](
        172_800, "How long an offender is jailed: a day of half seconds."
    )
    reporter_ppb = Parameter[Annotated[int, Between(0, REPORTER_PPB_MOST)]](
        10_000_000, "Which part of what is slashed the reporter gets, in billionths."
    )
    reporter_reward_max = Parameter[Amount](
        100 * OPEN, "The most that a reporter gets, in 10**-18 OPEN."
    )
    punishments = Map[AccountId, Punishments](())
    """What an account was punished for, as long as evidence of it could be shown again."""

    # Events

    class Punished(Event):
        """A validator broke a rule of consensus, was slashed and is out of the set."""

        account: AccountId
        kind: OffenceKind
        height: BlockNumber
        round: U32
        slashed: Amount
        """What it lost: the fraction of its stake at that height, or all that was left."""

    class Reported(Event):
        """Evidence was rewarded; the rest of what was slashed went to the treasury."""

        reporter: AccountId
        reward: Amount

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

    # Calls

    @call(0, weight=weight_of, operational=True)
    def report(self, reporter: Signed, evidence: EvidenceBytes) -> None:
        """Punish whom `evidence` proves guilty; the signer gets a part of what is slashed."""
        slashed = self._punish(*self._judge(evidence))
        part = apply_ppb(slashed, self.reporter_ppb.get())
        reward = min(part, self.reporter_reward_max.get())
        self.currency.move(self.account, reporter, reward)
        self.currency.move(self.account, TREASURY, slashed - reward)
        self.emit(self.Reported(reporter=reporter, reward=reward))

    @call(1, weight=weight_of, operational=True)
    def submit(self, _origin: Inherent, evidence: EvidenceBytes) -> None:
        """Punish whom `evidence` proves guilty; it comes from the proposer of the block."""
        slashed = self._punish(*self._judge(evidence))
        self.currency.move(self.account, TREASURY, slashed)

    # Hooks

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

    def _punish(self, offence: Offence, culprits: Sequence[tuple[bytes, int]]) -> int:
        """Slash and jail the culprits; returns what came into the pallet's account."""
        height = self.block.height
        fraction = self.slash_ppb[offence.kind]
        total = 0
        for account, stake in culprits:
            slashed = self.stakes.slash(account, apply_ppb(stake, fraction), self.account)
            total += slashed
            self.stakes.jail(account, height + self.jail_blocks.get())
            self._remember(account, offence)
            self.emit(
                self.Punished(
                    account=account,
                    kind=offence.kind,
                    height=offence.height,
                    round=offence.round,
                    slashed=slashed,
                )
            )
        self.sets.expel([account for account, _ in culprits])
        return total

    def _remember(self, account: bytes, offence: Offence) -> None:
        oldest = max(0, self.block.height + 1 - self.stakes.answerable_blocks())
        known = self._remembered(account, oldest)
        self.punishments[account] = (*known, _punishment_of(offence))


def _punishment_of(offence: Offence) -> Punishment:
    return Punishment(offence.height, offence.kind)
