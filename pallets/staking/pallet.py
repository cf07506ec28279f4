"""OPEN behind the validators: whose it is, what it earns, and how it is slashed.

Terms.  A *staker* is an account with stake behind a validator: the validator itself, which *bonds*,
or a *nominator*.  All stake behind one validator is its *backing*, divided into shares.  Stake that
*leaves* does so in *parts*: all that left a backing up to one height.

Rules:

- All stake and all rewards that were not claimed lie in this pallet's account, which never has
  less.  Shares say whose they are (`pallets.staking.shares`), so that paying and slashing cost the
  same for one staker and for a million.
- Who leaves waits until the session is over, in which the stake still counts, then
  `unbonding_blocks`, and can be slashed all that time: nobody is gone before the evidence is here.
  In a session at most `leaving_most` of the elected stake may leave.
- Rewards are shared out at the end of each session, by the stake that was there from its beginning
  to its end: who comes for the last block earns nothing, and so does who has left.
- They come from what answers paid to the stakers and from the ecosystem's account: nothing mints.
- A slash takes from all stake that was there at the offence, leaving or not, in the same
  proportion.  A backing is *frozen* while a slash waits for it: nobody joins, and nothing that the
  slash may take is withdrawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pallets.pots import ECOSYSTEM, STAKERS
from pallets.staking import shares as arithmetic
from pallets.staking import weights
from pallets.staking.types import (
    FRACTION_BITS,
    FROZEN_MAX,
    LEAVING_MAX,
    PARTS_MAX,
    PARTS_PER_PERIOD,
    TARGETS_MAX,
    Backing,
    Elected,
    FrozenSince,
    Join,
    Leaving,
    OpenPart,
    OpenParts,
    Part,
    PartsPerBillion,
    Position,
    Targets,
)
from runtime import (
    OPEN,
    U32,
    U64,
    AccountId,
    Amount,
    Between,
    BlockNumber,
    Error,
    Event,
    InvariantViolation,
    Map,
    Needs,
    Pallet,
    Parameter,
    Positive,
    Signed,
    Value,
    call,
    invariant,
)
from runtime.arithmetic import mul_div_ceil, split_by_largest_remainder
from runtime.traits import BondCurrency

BOND_LEAST = OPEN
BOND_MOST = 10_000_000 * OPEN
BLOCKS_MOST = 2**32
STREAM_MOST = 100_000 * OPEN


class Staking(Pallet, index=5):
    """Stake, rewards and slashes."""

    # Needs

    currency: Needs[BondCurrency]

    # Storage, parameters first

    bond_min = Parameter[Annotated[Amount, Between(BOND_LEAST, BOND_MOST)]](
        10_000 * OPEN, "The least bond of a validator, in 10**-18 OPEN."
    )
    unbonding_blocks = Parameter[Annotated[int, Between(1, BLOCKS_MOST)]](
        2_419_200, "How long the stake behind a vote can be slashed: two weeks of half seconds."
    )
    nomination_min = Parameter[Annotated[Amount, Between(1, BOND_MOST)]](
        10 * OPEN, "The least stake of a nominator behind one validator, in 10**-18 OPEN."
    )
    commission_max_ppb = Parameter[PartsPerBillion](
        500_000_000, "The most of the rewards that a validator may keep before they are divided."
    )
    stream_per_session = Parameter[Annotated[Amount, Between(0, STREAM_MOST)]](
        0, "What the ecosystem's account adds to the rewards of a session, while it has that."
    )
    backings = Map[AccountId, Backing](Backing())
    positions = Map[tuple[AccountId, AccountId], Position](Position())
    """By staker and validator."""
    targets = Map[AccountId, Targets](())
    """The validators behind which an account has a position."""
    joins = Map[tuple[AccountId, U64], Join](Join())
    """By validator and session, as long as somebody's rewards are counted from there."""
    parts = Map[tuple[AccountId, BlockNumber], Part](Part())
    """What leaves, by validator and the last height at which it counts."""
    open_parts = Map[AccountId, OpenParts](())
    frozen_since = Map[AccountId, FrozenSince](())
    """The heights of the offences for which a backing waits to be slashed."""
    staked = Value[Amount](0)
    """All stake, leaving or not."""
    owed = Value[Amount](0)
    """All rewards that were shared out and not claimed, and what rounding left of them."""
    session = Value[U64](0)
    counts_until = Value[BlockNumber](0)
    """The last height that the stake of the last election decides."""
    leaving_most = Value[Amount](0)
    left = Value[Amount](0)
    """What has left of the elected stake in this session."""
    elected = Value[Elected](())

    # Events

    class Bonded(Event):
        """Stake was added behind a validator, by itself or a nominator."""

        staker: AccountId
        validator: AccountId
        amount: Amount
        stake: Amount
        """All that is behind the validator now."""

    class Unbonded(Event):
        """Stake leaves a validator, and can be withdrawn from the height that is named."""

        staker: AccountId
        validator: AccountId
        amount: Amount
        withdrawable_at: BlockNumber

    class Withdrawn(Event):
        """Stake that was leaving is free again."""

        staker: AccountId
        validator: AccountId
        amount: Amount

    class RewardsShared(Event):
        """A session's rewards were shared out among the stakers of its validators."""

        session: U64
        answers: Amount
        """What the stakers' shares of answers were."""
        stream: Amount
        """What the ecosystem's account added."""

    class RewardClaimed(Event):
        """A staker was paid what it had earned behind a validator."""

        staker: AccountId
        validator: AccountId
        amount: Amount

    class CommissionSet(Event):
        """A validator will keep another part of the rewards from the next session on."""

        validator: AccountId
        commission_ppb: PartsPerBillion

    class Slashed(Event):
        """The stake behind a validator lost an amount."""

        validator: AccountId
        staked: Amount
        """What was taken of the stake that was not leaving."""
        leaving: Amount
        """What was taken of the rest."""

    # Errors

    class NotBonded(Error):
        """The account has no stake behind this validator."""

        remedy: ClassVar[str] = "Stake with Staking.bond or Staking.nominate."
        validator: AccountId

    class NotAValidator(Error):
        """The account has bonded nothing itself, so nobody can stand behind it."""

        remedy: ClassVar[str] = "Choose one of Session.candidates."
        validator: AccountId

    class BondTooLow(Error):
        """What would be staked is less than the least."""

        remedy: ClassVar[str] = "Stake more, or take everything out."
        staked: Amount
        least: Amount

    class MoreThanBonded(Error):
        """The account has staked less than is to leave."""

        remedy: ClassVar[str] = "Take out at most what the stake is worth; slashes lower that."
        staked: Amount
        needed: Amount

    class TooMuchLeaves(Error):
        """No more of the elected stake may leave in this session."""

        remedy: ClassVar[str] = "Take out less, or wait for the next session."
        left: Amount
        most: Amount

    class TooManyParts(Error):
        """As many parts of the stake are leaving as may be at a time."""

        remedy: ClassVar[str] = "Withdraw, or wait until the first part can be withdrawn."
        parts: U32
        counts_until: BlockNumber
        """Of the first of them; it can be withdrawn `unbonding_blocks` later."""

    class TooManyTargets(Error):
        """The account has stake behind as many validators as it may."""

        remedy: ClassVar[str] = "Take everything out from behind one of them, withdraw, and claim."
        targets: U32

    class NothingToWithdraw(Error):
        """No part of the stake can be withdrawn at this height."""

        remedy: ClassVar[str] = (
            "Read Staking.parts for its height; a slash that waits keeps it longer."
        )
        validator: AccountId

    class NothingToClaim(Error):
        """The account has earned nothing behind this validator since it last claimed."""

        remedy: ClassVar[str] = "Wait for the end of a session in which the validator is elected."
        validator: AccountId

    class CommissionTooHigh(Error):
        """A validator may not keep so much."""

        remedy: ClassVar[str] = "Choose at most Staking.commission_max_ppb."
        commission_ppb: PartsPerBillion
        most_ppb: PartsPerBillion

    class Worthless(Error):
        """Slashes took everything behind this validator: its shares are worth nothing."""

        remedy: ClassVar[str] = "Stake behind another validator, or bond with another account."
        validator: AccountId

    class Frozen(Error):
        """The stake behind this validator is about to be slashed."""

        remedy: ClassVar[str] = "Wait until the slash is taken or cancelled."
        validator: AccountId

    # Calls

    @call(0, weight=weights.bond)
    def bond(self, account: Signed, amount: Positive[Amount]) -> None:
        """Stake `amount` (in 10**-18 OPEN) of the signer behind itself, as a validator."""
        self._join(account, account, amount)

    @call(1, weight=weights.nominate)
    def nominate(self, staker: Signed, validator: AccountId, amount: Positive[Amount]) -> None:
        """Stake `amount` behind a validator: it earns with it, and is slashed with it."""
        if not self.backings[validator].own_shares:
            raise self.NotAValidator(validator=validator)
        self._join(staker, validator, amount)

    @call(2, weight=weights.unbond)
    def unbond(self, staker: Signed, validator: AccountId, amount: Positive[Amount]) -> None:
        """Let `amount` leave from behind a validator; without its bond nobody is elected again."""
        self._leave(staker, validator, amount)

    @call(3, weight=weights.withdraw)
    def withdraw(self, staker: Signed, validator: AccountId) -> None:
        """Take out what has left from behind a validator and has waited long enough."""
        position = self.positions[staker, validator]
        frozen = self.frozen_since[validator]
        kept, amount, bonded = [], 0, 0
        for leaving in position.leaving:
            part = self.parts[validator, leaving.until]
            is_frozen = any(height <= leaving.until for height in frozen)
            if is_frozen or part.withdrawable_at > self.block.height:
                kept.append(leaving)
                continue
            taken = arithmetic.worth(leaving.shares, part.amount, part.shares)
            part.amount -= taken
            part.shares -= leaving.shares
            amount += taken
            bonded += leaving.principal
            self._store_part(validator, leaving.until, part)
        if len(kept) == len(position.leaving):
            raise self.NothingToWithdraw(validator=validator)
        position.leaving = tuple(kept)
        self._store_position(staker, validator, position)
        self.staked.put(self.staked.get() - amount)
        self.currency.return_bond(self.account, staker, amount, bonded)
        self.emit(self.Withdrawn(staker=staker, validator=validator, amount=amount))

    @call(4, weight=weights.claim)
    def claim(self, staker: Signed, validator: AccountId) -> None:
        """Pay the signer what it has earned behind a validator, and its commission if it is one."""
        backing = self.backings[validator]
        position = self._settled(staker, validator, backing)
        amount = arithmetic.take_earned(position)
        if staker == validator and backing.commission:
            amount += backing.commission
            backing.commission = 0
            self.backings[validator] = backing
        if not amount:
            raise self.NothingToClaim(validator=validator)
        self._store_position(staker, validator, position)
        self.owed.put(self.owed.get() - amount)
        self.currency.move(self.account, staker, amount)
        self.emit(self.RewardClaimed(staker=staker, validator=validator, amount=amount))

    @call(5, weight=weights.set_commission)
    def set_commission(self, validator: Signed, commission_ppb: PartsPerBillion) -> None:
        """Keep this part of the rewards from the next session on, before they are divided."""
        backing = self.backings[validator]
        if not backing.own_shares:
            raise self.NotBonded(validator=validator)
        most = self.commission_max_ppb.get()
        if commission_ppb > most:
            raise self.CommissionTooHigh(commission_ppb=commission_ppb, most_ppb=most)
        backing.next_commission_ppb = commission_ppb
        if not backing.elected:
            backing.commission_ppb = commission_ppb
        self.backings[validator] = backing
        self.emit(self.CommissionSet(validator=validator, commission_ppb=commission_ppb))

    # Invariants

    @invariant
    def can_pay_everybody(self) -> None:
        """The pallet's account has all stake and rewards; anybody may send it more."""
        balance, due = self.currency.free_balance(self.account), self.staked.get() + self.owed.get()
        if balance < due:
            message = f"The stakers' account has {balance} and owes {due}."
            raise InvariantViolation(message, remedy="This is a bug: report it.")

    # Helpers: `Stakes` for other pallets

    def stake_of(self, account: bytes) -> int:
        """All stake behind a validator, its own and others', in 10**-18 OPEN."""
        return self.backings[account].stake

    def may_validate(self, account: bytes) -> bool:
        """Whether an account has bonded enough itself."""
        backing = self.backings[account]
        own = arithmetic.worth(backing.own_shares, backing.stake, backing.shares)
        return own >= self.bond_min.get()

    def end_session(self) -> None:
        """Share out the rewards of a session that ends."""
        elected = [(account, self.backings[account]) for account in self.elected.get()]
        earning = [arithmetic.earning_stake(backing) for _, backing in elected]
        answers, stream = self._collect_rewards() if any(earning) else (0, 0)
        reward = answers + stream
        parts = split_by_largest_remainder(reward, earning) if reward else [0] * len(elected)
        for (account, backing), part in zip(elected, parts, strict=True):
            if part:
                arithmetic.reward(backing, part)
            self._dismiss(account, backing)
        if reward:
            self.owed.put(self.owed.get() + reward)
            self.emit(self.RewardsShared(self.session.get(), answers=answers, stream=stream))

    def begin_session(self, ends_at: int, elected: Sequence[bytes], leaving_most: int) -> None:
        """The stake of this moment was elected, and decides up to the height `ends_at`."""
        self.session.put(self.session.get() + 1)
        self.counts_until.put(ends_at)
        self.leaving_most.put(leaving_most)
        self.left.put(0)
        self.elected.put(tuple(elected))
        for account in elected:
            with self.backings.edit(account) as backing:
                backing.elected = True

    def dismiss(self, account: bytes) -> None:
        """A validator was taken out of the set: its stakers earn nothing in this session."""
        elected = self.elected.get()
        if account in elected:
            self.elected.put(tuple([each for each in elected if each != account]))
            self._dismiss(account, self.backings[account])

    def answerable_blocks(self) -> int:
        """How long the stake behind a vote can be slashed."""
        return self.unbonding_blocks.get()

    def freeze(self, account: bytes, offence_height: int) -> bool:
        """Keep what was behind a validator at an offence, for a slash; False: too many wait."""
        frozen = self.frozen_since[account]
        if len(frozen) == FROZEN_MAX:
            return False
        self.frozen_since[account] = (*frozen, offence_height)
        return True

    def thaw(self, account: bytes, offence_height: int) -> None:
        """The slash for which `freeze` kept the stake was taken, or will not be."""
        frozen = list(self.frozen_since[account])
        frozen.remove(offence_height)
        if frozen:
            self.frozen_since[account] = tuple(frozen)
        else:
            del self.frozen_since[account]

    def slash(self, account: bytes, amount: int, offence_height: int, receiver: bytes) -> int:
        """Pay up to `amount` of what was staked at an offence to `receiver`; returns how much."""
        backing = self.backings[account]
        heights = [each.until for each in self.open_parts[account] if each.until >= offence_height]
        parts = [self.parts[account, height] for height in heights]
        of_stake, *of_parts = arithmetic.cuts(amount, [backing.stake, *(p.amount for p in parts)])
        taken = of_stake + sum(of_parts)
        if taken:
            backing.stake -= of_stake
            self.backings[account] = backing
            for height, part, cut in zip(heights, parts, of_parts, strict=True):
                if cut:
                    part.amount -= cut
                    self.parts[account, height] = part
            self.staked.put(self.staked.get() - taken)
            self.currency.move(self.account, receiver, taken)
            self.emit(self.Slashed(account, staked=of_stake, leaving=taken - of_stake))
        return taken

    # Helpers

    def _collect_rewards(self) -> tuple[int, int]:
        """Take what answers paid to the stakers, and the ecosystem's part; returns both."""
        answers = self.currency.free_balance(STAKERS)
        stream = min(self.stream_per_session.get(), self.currency.free_balance(ECOSYSTEM))
        for pot, amount in ((STAKERS, answers), (ECOSYSTEM, stream)):
            if amount:
                self.currency.move(pot, self.account, amount)
        return answers, stream

    def _dismiss(self, account: bytes, backing: Backing) -> None:
        """End a validator's session: who joined in it earns from here on."""
        if backing.joining:
            with self.joins.edit((account, self.session.get())) as join:
                join.index = backing.index
            backing.joining = 0
        backing.commission_ppb = backing.next_commission_ppb
        backing.elected = False
        self.backings[account] = backing

    def _require_enough(self, staker: bytes, validator: bytes, staked: int) -> None:
        least = (self.bond_min if staker == validator else self.nomination_min).get()
        if staked < least:
            raise self.BondTooLow(staked=staked, least=least)

    def _settled(self, staker: bytes, validator: bytes, backing: Backing) -> Position:
        """The position with all it has earned so far, for the caller to store."""
        position = self.positions[staker, validator]
        joined_index = None
        if position.joining:
            joined_index = self.joins[validator, position.joined_in].index
            if joined_index is not None:
                self._leave_join(validator, position.joined_in, position.joining)
        arithmetic.settle(position, backing, joined_index)
        return position

    def _leave_join(self, validator: bytes, session: int, shares: int) -> None:
        join = self.joins[validator, session]
        join.shares -= shares
        if join.shares:
            self.joins[validator, session] = join
        else:
            del self.joins[validator, session]

    def _join(self, staker: bytes, validator: bytes, amount: int) -> None:
        if self.frozen_since[validator]:
            raise self.Frozen(validator=validator)
        backing = self.backings[validator]
        position = self._settled(staker, validator, backing)
        added = arithmetic.shares_for(amount, backing.stake, backing.shares)
        if added is None:
            raise self.Worthless(validator=validator)
        arithmetic.join(position, backing, amount, added, own=staker == validator)
        staked = arithmetic.worth(position.shares, backing.stake, backing.shares)
        self._require_enough(staker, validator, staked)
        if backing.elected:
            position.joined_in = self.session.get()
            with self.joins.edit((validator, position.joined_in)) as join:
                join.shares += added
        self.currency.bond(staker, amount, self.account)
        self.staked.put(self.staked.get() + amount)
        self.backings[validator] = backing
        self._store_position(staker, validator, position)
        self.emit(self.Bonded(staker, validator=validator, amount=amount, stake=backing.stake))

    def _leave(self, staker: bytes, validator: bytes, amount: int) -> None:
        backing = self.backings[validator]
        position = self._settled(staker, validator, backing)
        if not position.shares:
            raise self.NotBonded(validator=validator)
        staked = arithmetic.worth(position.shares, backing.stake, backing.shares)
        if amount > staked:
            raise self.MoreThanBonded(staked=staked, needed=amount)
        if staked > amount:
            self._require_enough(staker, validator, staked - amount)
        if backing.elected:
            self._count_leaving(amount)
        shares = arithmetic.shares_of(amount, position, backing)
        joining, principal = arithmetic.leave(
            position, backing, amount, shares, own=staker == validator
        )
        if joining:
            self._leave_join(validator, position.joined_in, joining)
        withdrawable_at = self._add_leaving(validator, position, amount, principal)
        self.backings[validator] = backing
        self._store_position(staker, validator, position)
        self.emit(self.Unbonded(staker, validator, amount, withdrawable_at=withdrawable_at))

    def _count_leaving(self, amount: int) -> None:
        left, most = self.left.get(), self.leaving_most.get()
        if left + amount > most:
            raise self.TooMuchLeaves(left=left, most=most)
        self.left.put(left + amount)

    def _add_leaving(
        self, validator: bytes, position: Position, amount: int, principal: int
    ) -> int:
        """Put an amount into the part that leaves now; returns when it can be withdrawn."""
        waiting = self.unbonding_blocks.get()
        step = mul_div_ceil(waiting, 1, PARTS_PER_PERIOD)
        counts_until = max(self.block.height, self.counts_until.get())
        until = mul_div_ceil(counts_until, 1, step) * step
        part = self.parts[validator, until]
        if not part.withdrawable_at:
            part.withdrawable_at = until + waiting
            self._open_part(validator, OpenPart(until, part.withdrawable_at))
        added = arithmetic.shares_for(amount, part.amount, part.shares)
        if added is None:
            raise self.Worthless(validator=validator)
        part.amount += amount
        part.shares += added
        self.parts[validator, until] = part
        position.leaving = self._with_leaving(position.leaving, Leaving(until, added, principal))
        return part.withdrawable_at

    def _with_leaving(self, leaving: tuple[Leaving, ...], added: Leaving) -> tuple[Leaving, ...]:
        if leaving and leaving[-1].until == added.until:
            last = leaving[-1]
            merged = replace(
                added, shares=last.shares + added.shares, principal=last.principal + added.principal
            )
            return (*leaving[:-1], merged)
        if len(leaving) == LEAVING_MAX:
            raise self.TooManyParts(parts=len(leaving), counts_until=leaving[0].until)
        return (*leaving, added)

    def _open_part(self, validator: bytes, added: OpenPart) -> None:
        """Remember a part as long as it can be slashed, and forget those that cannot be."""
        known = self.open_parts[validator]
        if not self.frozen_since[validator]:
            height = self.block.height
            known = tuple([each for each in known if each.withdrawable_at > height])
        if len(known) == PARTS_MAX:
            raise self.TooManyParts(parts=len(known), counts_until=known[0].until)
        self.open_parts[validator] = (*known, added)

    def _store_part(self, validator: bytes, until: int, part: Part) -> None:
        if part.shares:
            self.parts[validator, until] = part
        else:
            del self.parts[validator, until]

    def _store_position(self, staker: bytes, validator: bytes, position: Position) -> None:
        """Store a position, or forget one without stake and rewards."""
        known = self.targets[staker]
        others = tuple([each for each in known if each != validator])
        if position.shares or position.leaving or position.earned >> FRACTION_BITS:
            if len(others) == TARGETS_MAX:
                raise self.TooManyTargets(targets=TARGETS_MAX)
            self.positions[staker, validator] = position
            targets = known if validator in known else (*known, validator)
        else:
            del self.positions[staker, validator]
            targets = others
        if not targets:
            del self.targets[staker]
        elif targets != known:
            self.targets[staker] = targets
