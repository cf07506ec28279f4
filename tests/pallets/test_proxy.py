"""Proxy: a delegate makes the calls that a right includes, and none that hides in them."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pallets.balances.pallet import Balances
from pallets.multisig.pallet import Multisig
from pallets.preimage.pallet import Preimage
from pallets.proxy.pallet import ANNOUNCED, RIGHTS, Proxy, pure_account
from pallets.proxy.types import PROXIES_MAX, Kind, Right
from pallets.system.pallet import System
from pallets.utility.pallet import Utility
from pallets.voting.pallet import Voting
from runtime import OPEN, RuntimeCall
from runtime.wire.votes import TrackName
from tests.pallets.assembly import ALICE, BOB, SHORTER, USER, hash_of
from tests.pallets.chain import Chain

PAY = Balances.transfer.Call(receiver=USER.account, amount=OPEN)
REMARK = System.remark.Call(data=b"for Alice")
NOTE = Preimage.note.Call(call=SHORTER)


def right(kind: Kind, *pallets: str, delay_blocks: int = 0) -> Right:
    """What Alice lets Bob do."""
    return Right(BOB.account, kind, pallets, delay_blocks)


def opened(*rights: Right) -> Chain:
    """With these rights of Bob to make calls for Alice."""
    chain = Chain()
    for each in rights:
        chain.ok(ALICE, Proxy.give_right.Call(right=each))
    return chain


def proxy(call: RuntimeCall) -> RuntimeCall:
    """A call for Alice."""
    return Proxy.proxy.Call(owner=ALICE.account, call=call)


def test_a_delegate_makes_calls_for_its_owner() -> None:
    """The owner pays what the call moves, the delegate the fee."""
    chain = opened(right(Kind.ANY))
    before = chain.free(ALICE.account)
    events = chain.ok(BOB, proxy(PAY))
    assert events["Proxy.Made"].fields["error"] == ""
    assert chain.free(ALICE.account) == before - OPEN
    broke = Balances.transfer.Call(receiver=USER.account, amount=10**9 * OPEN)
    events = chain.ok(BOB, proxy(broke))
    assert events["Proxy.Made"].fields["error"] == "Balances.Insufficient"
    chain.fails(USER, proxy(PAY), "Proxy.NoRight")
    chain.ok(ALICE, Proxy.take_right.Call(right=right(Kind.ANY)))
    chain.fails(BOB, proxy(PAY), "Proxy.NoRight")
    assert chain.held(ALICE.account, RIGHTS) == 0


GIVE_ALL = Proxy.give_right.Call(right=Right(USER.account, Kind.ANY, (), 0))
BATCHED = Utility.batch.Call(calls=(REMARK, PAY))
NESTED = Utility.batch_all.Call(calls=(Utility.batch.Call(calls=(PAY,)),))
ALONE = Multisig.execute.Call(threshold=1, others=(), opened_at=None, call=PAY)


@pytest.mark.parametrize(
    ("given", "call", "allowed"),
    [
        (right(Kind.NON_TRANSFER), REMARK, True),
        (right(Kind.NON_TRANSFER), NOTE, True),
        (right(Kind.NON_TRANSFER), PAY, False),
        (right(Kind.NON_TRANSFER), BATCHED, False),
        (right(Kind.NON_TRANSFER), NESTED, False),
        (right(Kind.NON_TRANSFER), ALONE, False),
        (right(Kind.NON_TRANSFER), GIVE_ALL, False),
        (right(Kind.GOVERNANCE), Utility.batch_all.Call(calls=(NOTE,)), True),
        (right(Kind.GOVERNANCE), Voting.undelegate.Call(track=TrackName.ROOT), True),
        (right(Kind.STAKING), REMARK, False),
        (right(Kind.PALLETS, "System"), REMARK, True),
        (right(Kind.PALLETS, "System"), Utility.batch.Call(calls=(REMARK,)), False),
        (right(Kind.PALLETS, "System", "Utility"), Utility.batch.Call(calls=(REMARK,)), True),
        (right(Kind.PALLETS, "System", "Utility"), BATCHED, False),
    ],
)
def test_a_right_includes_what_is_on_its_list(given, call, allowed) -> None:
    """Batches, operations and further rights hide nothing."""
    chain = opened(given)
    if allowed:
        events = chain.ok(BOB, proxy(call))
        assert events["Proxy.Made"].fields["error"] in {"", "Voting.NotDelegating"}
    else:
        chain.fails(BOB, proxy(call), "Proxy.NoRight")


@pytest.mark.parametrize(
    "wrong",
    [
        Right(ALICE.account, Kind.ANY, (), 0),
        right(Kind.PALLETS),
        right(Kind.GOVERNANCE, "System"),
    ],
)
def test_a_right_says_whose_and_what(wrong) -> None:
    """Nobody is its own delegate, and pallets go with their kind."""
    opened().fails(ALICE, Proxy.give_right.Call(right=wrong), "Proxy.InvalidRight")


def test_rights_are_bounded_and_given_once() -> None:
    """Each costs a deposit."""
    chain = opened(*(right(Kind.ANY, delay_blocks=each) for each in range(PROXIES_MAX)))
    assert chain.held(ALICE.account, RIGHTS) == PROXIES_MAX * OPEN
    again = Proxy.give_right.Call(right=right(Kind.ANY))
    chain.fails(ALICE, again, "Proxy.AlreadyGiven")
    more = Proxy.give_right.Call(right=right(Kind.ANY, delay_blocks=PROXIES_MAX))
    chain.fails(ALICE, more, "Proxy.TooMany")
    chain.fails(USER, Proxy.take_right.Call(right=right(Kind.ANY)), "Proxy.NoRight")


def test_a_delayed_call_is_announced_and_can_be_rejected() -> None:
    """The owner sees its hash for the whole delay; then it is made once."""
    chain = opened(right(Kind.ANY, delay_blocks=5))
    announce = Proxy.announce.Call(owner=ALICE.account, call_hash=hash_of(PAY))
    make = Proxy.proxy_announced.Call(owner=ALICE.account, call=PAY)
    chain.fails(BOB, proxy(PAY), "Proxy.NotAnnounced")
    chain.fails(BOB, make, "Proxy.NotAnnounced")
    chain.fails(USER, announce, "Proxy.NoRight")
    chain.ok(BOB, announce)
    announced_at = chain.height
    chain.fails(BOB, make, "Proxy.NotAnnounced")
    chain.ok(ALICE, Proxy.reject.Call(delegate=BOB.account, call_hash=hash_of(PAY)))
    chain.fails(BOB, make, "Proxy.NotAnnounced", height=announced_at + 5)
    chain.ok(BOB, announce)
    chain.ok(BOB, make, height=chain.height + 5)
    chain.fails(BOB, make, "Proxy.NotAnnounced")
    assert chain.held(BOB.account, ANNOUNCED) == 0
    chain.ok(BOB, announce)
    chain.ok(BOB, Proxy.withdraw.Call(owner=ALICE.account, call_hash=hash_of(PAY)))
    assert chain.held(BOB.account, ANNOUNCED) == 0


def test_a_pure_account_lives_by_its_rights() -> None:
    """Its creator makes calls for it, and may hand it to somebody else."""
    chain = Chain()
    events = chain.ok(ALICE, Proxy.create_pure.Call())
    account = events["Proxy.PureCreated"].fields["account"]
    assert account == pure_account(ALICE.account, chain.height, 0)
    chain.ok(BOB, Balances.transfer.Call(receiver=account, amount=10 * OPEN))

    def by(who, call):
        chain.ok(who, Proxy.proxy.Call(owner=account, call=call))

    by(ALICE, PAY)
    assert chain.free(account) == 9 * OPEN
    by(ALICE, Proxy.give_right.Call(right=Right(BOB.account, Kind.ANY, (), 0)))
    by(BOB, Proxy.take_right.Call(right=Right(ALICE.account, Kind.ANY, (), 0)))
    chain.fails(ALICE, Proxy.proxy.Call(owner=account, call=PAY), "Proxy.NoRight")
    again = chain.ok(ALICE, Proxy.create_pure.Call())["Proxy.PureCreated"].fields["account"]
    assert again != account


class ProxyMachine(RuleBasedStateMachine):
    """Random rights and announcements: holds are as many deposits as there are of them."""

    @initialize()
    def begin(self):
        self.chain = Chain()
        self.rights: set[Right] = set()
        self.announced: list[bytes] = []

    @rule(kind=st.sampled_from([Kind.ANY, Kind.STAKING]), delay=st.integers(0, 1))
    def give(self, kind, delay):
        given = right(kind, delay_blocks=delay)
        ok = self.chain.send(ALICE, Proxy.give_right.Call(right=given)).ok
        assert ok == (given not in self.rights)
        self.rights.add(given)

    @rule(kind=st.sampled_from([Kind.ANY, Kind.STAKING]), delay=st.integers(0, 1))
    def take(self, kind, delay):
        taken = right(kind, delay_blocks=delay)
        ok = self.chain.send(ALICE, Proxy.take_right.Call(right=taken)).ok
        assert ok == (taken in self.rights)
        self.rights.discard(taken)

    @rule(number=st.integers(0, 2))
    def announce(self, number):
        call = Proxy.announce.Call(owner=ALICE.account, call_hash=bytes([number]) * 32)
        ok = self.chain.send(BOB, call).ok
        assert ok == (bool(self.rights) and len(self.announced) < 16)
        if ok:
            self.announced.append(bytes([number]) * 32)

    @rule(number=st.integers(0, 2), rejected=st.booleans())
    def withdraw(self, number, rejected):
        call_hash = bytes([number]) * 32
        if rejected:
            who, call = ALICE, Proxy.reject.Call(delegate=BOB.account, call_hash=call_hash)
        else:
            who, call = BOB, Proxy.withdraw.Call(owner=ALICE.account, call_hash=call_hash)
        assert self.chain.send(who, call).ok == (call_hash in self.announced)
        if call_hash in self.announced:
            self.announced.remove(call_hash)

    @rule()
    def use(self):
        free = {each.delay_blocks for each in self.rights if each.kind is Kind.ANY}
        assert self.chain.send(BOB, proxy(PAY)).ok == (0 in free)

    @invariant()
    def deposits_are_holds(self):
        assert self.chain.held(ALICE.account, RIGHTS) == len(self.rights) * OPEN
        assert self.chain.held(BOB.account, ANNOUNCED) == len(self.announced) * OPEN


ProxyMachine.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestProxyMachine = ProxyMachine.TestCase
