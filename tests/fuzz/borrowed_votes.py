"""The attack on votes: several accounts of one owner vote with the same OPEN more than once.

They send it on, let one another pull it, put it into escrows, stake it and take it back, delegate in
every direction, change and remove votes, all in random order and several moves a block.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

from genesis.chain_spec import development_keypair
from pallets.balances.pallet import Balances
from pallets.inference.pallet import Inference
from pallets.staking.pallet import Staking
from pallets.voting.pallet import Voting
from pallets.voting.types import Vote
from runtime import OPEN, RuntimeCall
from runtime.keys import Keypair
from runtime.wire.votes import TrackName
from tests.fuzz.campaign import Finding
from tests.pallets.assembly import ALICE, BOB, QUICK, assembly, propose
from tests.pallets.chain import Chain, key_of

TRACK = TrackName.PARAMETERS
PEOPLE = (ALICE, BOB, key_of("carol"))
VALIDATOR = development_keypair("validator").account
ENDOWED = 1_000_000 * OPEN
CAPITAL = 2 * ENDOWED
"""Of Alice and Bob; Carol has nothing of her own."""
BLOCKS = 12
MOVES_MAX = 4


def borrow_votes(random: Random) -> int:
    """Play random moves; returns how much more OPEN was ever counted than there is."""
    opened, poll = _opened()
    chain = opened.fork()
    gain = -CAPITAL
    for _ in range(BLOCKS):
        moves = [
            (each, _move(random, poll))
            for each in random.choices(PEOPLE, k=random.randint(1, MOVES_MAX))
        ]
        chain.execute(*_signed(chain, moves))
        with chain.reading() as pallets:
            counted = pallets.governance.referenda[poll].tally.support
        gain = max(gain, counted - CAPITAL)
    if gain > 0:
        raise Finding(f"borrowed votes gain {gain}", b"")
    return gain


@cache
def _opened() -> tuple[Chain, int]:
    """A referendum that stays open: every strategy begins from here."""
    chain = assembly(
        submission_deposit=0,
        undecided_blocks=10_000,
        parameters_terms=replace(QUICK, decision_blocks=10_000),
    )
    return chain, propose(chain, deposit=False)


def _signed(chain: Chain, moves: list[tuple[Keypair, RuntimeCall]]) -> list[bytes]:
    nonces = {each.account: chain.nonce(each.account) for each in PEOPLE}
    raw = []
    for who, call in moves:
        raw.append(chain.sign(who, call, nonces[who.account]))
        nonces[who.account] += 1
    return raw


def _move(random: Random, poll: int) -> RuntimeCall:
    """A call of somebody; half of them vote or send."""
    amount = random.choice((1, ENDOWED // 2, ENDOWED, CAPITAL))
    other = random.choice(PEOPLE).account
    conviction = random.randint(0, 6)
    if random.random() < 0.5:
        send = Balances.transfer.Call(receiver=other, amount=amount)
        vote = Voting.vote.Call(poll=poll, vote=Vote(amount, 0, 0, conviction))
        return random.choice((send, vote))
    return random.choice(
        (
            Voting.vote.Call(poll=poll, vote=Vote(amount // 2, 0, amount // 2, 0)),
            Voting.remove_vote.Call(poll=poll),
            Voting.delegate.Call(track=TRACK, to=other, balance=amount, conviction=conviction),
            Voting.undelegate.Call(track=TRACK),
            Voting.unlock.Call(voter=other, track=TRACK),
            Balances.approve.Call(spender=other, amount=amount),
            Balances.transfer_from.Call(
                owner=other, receiver=random.choice(PEOPLE).account, amount=amount
            ),
            Inference.deposit.Call(amount=amount),
            Staking.nominate.Call(validator=VALIDATOR, amount=amount),
            Staking.unbond.Call(validator=VALIDATOR, amount=amount),
            Staking.withdraw.Call(validator=VALIDATOR),
        )
    )
