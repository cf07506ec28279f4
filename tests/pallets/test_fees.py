"""Fees: charged before the call, shared out after the block, to the unit."""

from __future__ import annotations

import pytest

from genesis.chain_spec import development_keypair
from pallets.balances.pallet import Balances
from pallets.fees.pallet import (
    MULTIPLIER_MAX,
    TARGET_UNITS,
    Fees,
    FeeShares,
    next_multiplier,
)
from pallets.pots import TREASURY
from pallets.system.pallet import System
from runtime import OPEN, PPB
from runtime.block import BLOCK_UNITS_MAX
from runtime.errors import DecodeError, InvalidBlock
from runtime.extrinsic import sign_extrinsic
from runtime.fees import EXTRINSIC_UNITS
from runtime.hashing import ZERO_HASH
from tests.pallets.chain import Chain, key_of, spec

USER = development_keypair("user")
BOB = development_keypair("validator")
BASE, BYTE, UNIT = 1_000_003, 101, 7


def priced() -> Chain:
    """A chain whose prices are easy to tell apart."""
    return Chain(spec(base_price=BASE, byte_price=BYTE, unit_price=UNIT))


def fee_of(chain: Chain, raw: bytes) -> int:
    """What the runtime says it costs."""
    return chain.runtime.fee(chain.state, chain.runtime.check(raw, chain.genesis_hash))


def test_a_fee_is_for_length_and_weight():
    """Base, bytes and weight units, each at its price."""
    chain = priced()
    raw = chain.sign(USER, Balances.transfer.Call(receiver=BOB.account, amount=5))
    units = EXTRINSIC_UNITS + Balances.transfer.definition.weigh(()).units
    assert fee_of(chain, raw) == BASE + BYTE * len(raw) + UNIT * units


def test_a_fifth_goes_to_the_proposer_and_the_rest_is_burned():
    """Nothing is lost: what the signer paid is the reward and what issuance fell by."""
    chain = priced()
    before = {account: chain.free(account) for account in (USER.account, ZERO_HASH)}
    with chain.reading() as pallets:
        issuance = pallets.balances.issuance.get()
    raw = chain.sign(USER, System.remark.Call(data=b"x"))
    fee = fee_of(chain, raw)
    outcome = chain.execute(raw)
    chain.check_money()
    reward = fee // 5
    assert outcome.results[0].fee == fee
    assert before[USER.account] - chain.free(USER.account) == fee
    assert chain.free(ZERO_HASH) - before[ZERO_HASH] == reward
    with chain.reading() as pallets:
        assert issuance - pallets.balances.issuance.get() == fee - reward
    collected = outcome.events[-1]
    assert (collected.pallet, collected.name, collected.extrinsic_index) == (
        "Fees", "Collected", None,
    )  # fmt: skip
    assert collected.fields == {
        "fees": fee, "tips": 0, "proposer": ZERO_HASH, "reward": reward, "treasury": 0,
        "burned": fee - reward, "multiplier_ppb": PPB,
    }  # fmt: skip


@pytest.mark.parametrize("fee", [1, 2, 3, 10, 10**9 + 7])
def test_governance_gives_the_treasury_a_part(fee):
    """Fees are divided by largest remainder, to the unit, whatever their amount is."""
    chain = Chain(spec(base_price=fee))
    shares = Fees.shares.codec.encode(FeeShares(333_333_333, 333_333_333, 333_333_334))
    chain.state[Fees.shares.prefix] = shares
    before = chain.free(USER.account)
    chain.execute(chain.sign(USER, System.remark.Call(data=b"")))
    chain.check_money()
    collected = chain.events[-1].fields
    assert before - chain.free(USER.account) == fee
    assert chain.free(ZERO_HASH) == collected["reward"]
    assert chain.free(TREASURY) == collected["treasury"]
    assert collected["reward"] + collected["treasury"] + collected["burned"] == fee


def test_shares_of_the_fees_are_whole():
    """Governance cannot give away more, or less, than there is."""
    for shares in (FeeShares(PPB, 1, 0), FeeShares(0, 0, 0)):
        with pytest.raises(DecodeError, match="add up to"):
            Fees.shares.decode(Fees.shares.codec.encode(shares))


def test_a_tip_goes_to_the_proposer_whole():
    """On top of the fee."""
    chain = priced()
    raw = sign_extrinsic(
        System.remark.Call(data=b""), USER, genesis_hash=chain.genesis_hash, spec_version=1,
        nonce=0, tip=77,
    )  # fmt: skip
    fee = fee_of(chain, raw)
    before = chain.free(USER.account)
    chain.execute(raw)
    assert before - chain.free(USER.account) == fee + 77
    assert chain.free(ZERO_HASH) == fee // 5 + 77


def test_a_failing_call_pays():
    """Its work was done; its nonce is used."""
    chain = priced()
    too_much = Balances.transfer.Call(receiver=BOB.account, amount=10**9 * OPEN)
    raw = chain.sign(USER, too_much)
    fee, before = fee_of(chain, raw), chain.free(USER.account)
    (result,) = chain.execute(raw).results
    assert result.error == "Balances.Insufficient"
    assert before - chain.free(USER.account) == fee
    chain.check_money()


def test_who_cannot_pay_does_not_enter():
    """Not one unit short."""
    chain = priced()
    poor = key_of("poor")
    raw = chain.sign(poor, System.remark.Call(data=b""))
    fee = fee_of(chain, raw)
    chain.ok(USER, Balances.transfer.Call(receiver=poor.account, amount=fee - 1))
    with pytest.raises(InvalidBlock, match=f"fee and tip are {fee}, and the account has {fee - 1}"):
        chain.execute(raw)
    chain.ok(USER, Balances.transfer.Call(receiver=poor.account, amount=1))
    chain.execute(raw)
    assert chain.free(poor.account) == 0


def test_the_multiplier_follows_the_load():
    """Up when a block is fuller than the target, down when it is emptier, within its bounds."""
    assert next_multiplier(2 * PPB, TARGET_UNITS) == 2 * PPB
    assert next_multiplier(2 * PPB, 0) == 2 * PPB * 7 // 8
    assert next_multiplier(2 * PPB, BLOCK_UNITS_MAX) == 2 * PPB * 11 // 8
    assert next_multiplier(PPB, 0) == PPB
    assert next_multiplier(MULTIPLIER_MAX, BLOCK_UNITS_MAX) == MULTIPLIER_MAX


def test_congestion_raises_the_price_of_weight(monkeypatch):
    """The next block is dearer, and falls back to the start when nobody comes."""
    chain = priced()
    quiet = fee_of(chain, chain.sign(USER, System.remark.Call(data=b"")))
    monkeypatch.setattr("pallets.fees.pallet.TARGET_UNITS", EXTRINSIC_UNITS // 4)
    chain.execute(chain.sign(USER, System.remark.Call(data=b"")))
    assert fee_of(chain, chain.sign(USER, System.remark.Call(data=b""))) > quiet
    for _ in range(20):
        chain.execute()
    assert fee_of(chain, chain.sign(USER, System.remark.Call(data=b""))) == quiet
    with chain.reading() as pallets:
        assert pallets.fees.multiplier_ppb.get() == PPB
