"""Attacks on the money: random strategies of whoever wants more than it is due, and what they gain.

    python -m tests.fuzz.attacks --inputs 10000 --json

An input is one strategy of one attack; the report names the largest gain of each attack, in units
of 10**-18 OPEN beside what the same account would have had honestly.  A gain above the attack's
bound is a finding.  docs/reference/attacks.md says what each attack is, and what was measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from random import Random

from genesis.allocation import SUPPLY
from genesis.chain_spec import DEV_BOND
from ml.attribution.payout import RowScore, divide_pool
from pallets.balances.pallet import Balances
from pallets.fees.pallet import Fees
from pallets.models.pallet import Models
from pallets.pots import STAKERS
from pallets.staking import shares as arithmetic
from pallets.staking.types import Backing, Position
from runtime.arithmetic import split_by_largest_remainder
from runtime.hashing import ZERO_HASH, hash_text
from runtime.offchain import TrainingRow
from runtime.types import OPEN, PPB
from runtime.wire.rows import Row, RowRecord
from tests.fuzz.borrowed_votes import borrow_votes
from tests.fuzz.campaign import Finding
from tests.fuzz.griefing import grief_deposits, spam_challenges
from tests.pallets.chain import Chain
from tests.pallets.test_staking import (
    ALICE,
    BOB,
    BOND,
    FAUCET,
    SESSION_BLOCKS,
    VALIDATOR,
    claim,
    end_session,
    nominate,
    opened,
    unbond,
)

PLATFORM_FEE = OPEN // 1_000
CALL_FEE = Fees.base_price.default
"""The least that an extrinsic costs."""
SESSIONS = 4
"""Through which an attacker comes and goes."""

Attack = Callable[[Random], int]
"""Play a strategy; returns its gain.  Raises `Finding` for one that is worth it."""


def self_query(random: Random) -> int:
    """Ask one's own model, on one's own server, trained on one's own rows, and be paid for it.

    The attacker is owner, server and every contributor, sets the shares within their bounds, and
    has a part of all stake.
    """
    owner, stakers, worker, contributors = _random_shares(random)
    stake_ppb = random.randint(0, PPB)
    paid = gained = 0
    for _ in range(random.randint(1, 20)):
        fee = PLATFORM_FEE + random.choice((0, 1, random.randint(0, 100), random.randint(0, OPEN)))
        parts = split_by_largest_remainder(
            fee - PLATFORM_FEE, (owner, stakers, worker, contributors)
        )
        paid += fee
        gained += parts[0] + parts[2] + parts[3] + parts[1] * stake_ppb // PPB
    return _bounded(gained - paid, -PLATFORM_FEE, "self-query")


def _random_shares(random: Random) -> tuple[int, int, int, int]:
    terms = Models.share_terms.default
    least, most = terms.least, terms.most
    stakers = random.randint(least.stakers_ppb, most.stakers_ppb)
    worker = random.randint(least.worker_ppb, most.worker_ppb)
    low = max(least.contributors_ppb, PPB - stakers - worker - most.owner_ppb)
    high = min(most.contributors_ppb, PPB - stakers - worker - least.owner_ppb)
    contributors = random.randint(low, high)
    return PPB - stakers - worker - contributors, stakers, worker, contributors


def split_batches(random: Random) -> int:
    """Settle answers in many small batches, so that the remainders of their division add up."""
    shares = _random_shares(random)
    mine = random.randrange(len(shares))
    nets = [random.randint(1, random.choice((9, 99, OPEN))) for _ in range(random.randint(2, 50))]
    together = split_by_largest_remainder(sum(nets), shares)[mine]
    apart = sum(split_by_largest_remainder(net, shares)[mine] for net in nets)
    return _bounded(apart - together - CALL_FEE * (len(nets) - 1), 0, "split batches")


def split_owners(random: Random) -> int:
    """Spread one's rows over many accounts: more remainders, and bad rows apart from good ones."""
    mine, others = random.randint(2, 8), random.randint(1, 8)
    scores = [_random_score(random) for _ in range(mine + others)]
    pool = random.randint(1, random.choice((50, OPEN)))
    together = _paid([0] * mine, others, scores, pool)
    accounts = [random.randrange(mine) for _ in range(mine)]
    apart = _paid(accounts, others, scores, pool)
    claims = len(dict.fromkeys(accounts)) - 1
    return _bounded(apart - together - CALL_FEE * claims, 0, "split owners")


def duplicate_rows(random: Random) -> int:
    """Add copies of one's own rows, and of others': what a class earns, its first row earns.

    A copy has a score of its own, which may be larger than the original's.
    """
    mine, others = random.randint(1, 6), random.randint(1, 6)
    scores = [_random_score(random) for _ in range(mine + others)]
    pool = random.randint(1, random.choice((50, OPEN)))
    honest = _paid([0] * mine, others, scores, pool)
    copied = [random.randrange(mine + others) for _ in range(random.randint(1, 9))]
    # What was learnt twice is worth less each time: a copy scores no more than its original did.
    echoes = [
        RowScore(scores[each].score - random.randint(0, 9), scores[each].error) for each in copied
    ]
    classes = [*range(mine + others), *copied]
    stuffed = _paid([0] * mine, others, scores + echoes, pool, classes)
    return _bounded(stuffed - honest - CALL_FEE, 0, "duplicate rows")


def _random_score(random: Random) -> RowScore:
    score = random.choice((-1, 1)) * random.randint(0, 2**30)
    return RowScore(score, random.choice((0, random.randint(0, 2**28))))


def _paid(
    accounts: list[int],
    others: int,
    scores: list[RowScore],
    pool: int,
    classes: list[int] | None = None,
) -> int:
    """What the attacker's accounts are paid; `accounts` has the account of each of its rows.

    Rows after the attacker's and the others' are the attacker's first account's.
    """
    names = [_name(b"mine", each) for each in accounts] + [
        _name(b"other", each) for each in range(others)
    ]
    names += [_name(b"mine", 0)] * (len(scores) - len(names))
    rows = [_row(owner, number) for number, owner in enumerate(names)]
    paid = divide_pool(rows, scores, classes or range(len(rows)), pool, ZERO_HASH)
    own = dict.fromkeys(_name(b"mine", each) for each in accounts)
    return sum(leaf.amount for leaf in paid.payouts if leaf.owner in own)


def round_stake(random: Random) -> int:
    """Join and leave a validator's stake again and again, where shares are not whole units.

    Slashes make them so; what the slashes took of the attacker is no part of the gain.
    """
    backing, honest, mine = Backing(), Position(), Position()
    _join(backing, honest, random.randint(1, random.choice((9, 10**6, SUPPLY // 10))))
    spent = returned = lost = 0
    for _ in range(random.randint(1, 30)):
        value = arithmetic.worth(mine.shares, backing.stake, backing.shares)
        action = random.randrange(4)
        if action == 0 and backing.stake:
            amount = random.randint(1, random.choice((9, 10**6, SUPPLY // 10)))
            _join(backing, mine, amount)
            spent += amount
        elif action == 1 and value:
            amount = random.choice((value, random.randint(1, value)))
            _leave(backing, mine, amount)
            returned += amount
        elif action == 2 and backing.stake > 1:
            backing.stake -= random.randint(1, backing.stake - 1)
            lost += value - arithmetic.worth(mine.shares, backing.stake, backing.shares)
        elif action == 3:
            theirs = arithmetic.worth(honest.shares, backing.stake, backing.shares)
            if theirs > 1:
                _leave(backing, honest, random.randint(1, theirs - 1))
    value = arithmetic.worth(mine.shares, backing.stake, backing.shares)
    return _bounded(value + returned + lost - spent, _UNITS_OF_ROUNDING, "round stake")


_UNITS_OF_ROUNDING = 30
"""What others' roundings can leave to somebody, in units: one for each time they leave."""


def _join(backing: Backing, position: Position, amount: int) -> None:
    added = arithmetic.shares_for(amount, backing.stake, backing.shares)
    if added is not None:
        arithmetic.join(position, backing, amount, added, own=False)


def _leave(backing: Backing, position: Position, amount: int) -> None:
    shares = arithmetic.shares_of(amount, position, backing)
    arithmetic.leave(position, backing, amount, shares, own=False)


def split_stake(random: Random) -> int:
    """Stake as many accounts instead of one: each reward is rounded down for each of them."""
    backing, honest, one = Backing(), Position(), Position()
    stake = random.randint(10, random.choice((10**3, SUPPLY // 10)))
    _join(backing, honest, random.randint(1, SUPPLY // 10))
    parts = [Position() for _ in range(random.randint(2, 10))]
    divided = split_by_largest_remainder(stake, [random.randint(1, 9) for _ in parts])
    _join(backing, one, stake)
    for position, amount in zip(parts, divided, strict=True):
        _join(backing, position, amount)
    for _ in range(random.randint(1, 20)):
        arithmetic.reward(backing, random.randint(0, random.choice((9, OPEN))))
    for position in (one, *parts):
        arithmetic.settle(position, backing, None)
    together = arithmetic.take_earned(one)
    apart = sum(map(arithmetic.take_earned, parts))
    return _bounded(apart - together, 0, "split stake")


def _row(owner: bytes, number: int) -> TrainingRow:
    row = Row(prompt=f"question {number}", completion="answer")
    return TrainingRow(row, RowRecord(_name(b"row", number), owner, 0, number))


def flash_stake(random: Random) -> int:
    """Come and go with stake at chosen blocks, for rewards of sessions that others stake through.

    What is due is the reward of each session by the least stake that was there at any time in it.
    """
    chain = _staked().fork()
    due, staked, least = 0, 0, 0
    for block in range(SESSIONS * SESSION_BLOCKS):
        if block % SESSION_BLOCKS == 0:
            reward, least = random.randint(1, OPEN), staked
            raw = [chain.sign(FAUCET, Balances.transfer.Call(receiver=STAKERS, amount=reward))]
        else:
            raw = []
        change = random.choice((0, 0, BOND, 3 * DEV_BOND, -staked, -staked // 2))
        if change:
            call = nominate(VALIDATOR, change) if change > 0 else unbond(VALIDATOR, -change)
            raw.append(chain.sign(BOB, call))
        done = chain.execute(*raw).results
        if change and done[-1].ok:
            staked += change
        least = min(least, staked)
        if block % SESSION_BLOCKS == SESSION_BLOCKS - 1:
            due += reward * 9 * least // (10 * (2 * DEV_BOND + least))
    earned = chain.send(BOB, claim(VALIDATOR))
    amount = chain.events[-1].fields["amount"] if earned.ok else 0
    return _bounded(amount - due, SESSIONS, "flash stake")


@cache
def _staked() -> Chain:
    """Somebody else stakes, and a session begins: every strategy begins from here."""
    chain = opened()
    chain.ok(ALICE, nominate(VALIDATOR, DEV_BOND))
    end_session(chain)
    return chain


def _bounded(gain: int, bound: int, attack: str) -> int:
    if gain > bound:
        raise Finding(f"{attack} gains {gain}, which is more than {bound}", b"")
    return gain


def _name(kind: bytes, number: int) -> bytes:
    return hash_text(kind + bytes([number]))


ATTACKS: Mapping[str, Attack] = {
    each.__name__: each
    for each in (
        self_query,
        split_batches,
        split_owners,
        duplicate_rows,
        round_stake,
        split_stake,
        flash_stake,
        borrow_votes,
        grief_deposits,
        spam_challenges,
    )
}


def largest_gains(inputs: int, seed: int) -> dict[str, int]:
    """Play so many strategies of each attack; returns the largest gains.  Raises `Finding`."""
    found = {}
    for name, attack in ATTACKS.items():
        random = Random(f"{name} {seed}")
        found[name] = max(attack(random) for _ in range(inputs))
    return found


def main() -> None:
    """Play as many strategies as the options say, and print the largest gain of each attack."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.attacks")
    parser.add_argument("--inputs", type=int, default=10_000, help="strategies of each attack")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other strategies")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args()
    gains = largest_gains(options.inputs, options.seed)
    if options.json:
        sys.stdout.write(json.dumps({"inputs": options.inputs, "largest_gains": gains}) + "\n")
        return
    for name, gain in gains.items():
        sys.stdout.write(f"{name:16s} {gain:>24d}\n")


if __name__ == "__main__":
    main()
