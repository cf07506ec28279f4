"""Inference: escrow is reserved, servers charge what was authorised, fees split to the unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.scenes import (
    ADAPTER,
    ALICE,
    BOB,
    BUILDER,
    CURATOR,
    PLATFORM_FEE,
    SERVER,
    USER,
    serving,
    settle_batch,
    trained,
    unsigned_receipt,
)
from pallets.balances.pallet import Balances
from pallets.inference.pallet import BOND, ESCROW, Inference
from pallets.inference.types import CHARGES_MAX, Authorization
from pallets.pots import STAKERS, TREASURY
from runtime.hashing import hash_text
from runtime.keys import pallet_account
from runtime.merkle import sum_path, sum_root
from runtime.types import OPEN
from tests.pallets.chain import Chain, key_of

LIMIT = 10 * OPEN
CONTRIBUTORS = pallet_account("Attribution")
POT = pallet_account("Inference")


def authorize(limit, server=SERVER):
    return Inference.authorize.Call(server=server.account, limit=limit)


def escrow(chain):
    """The user's escrow: all of it, what is unreserved, what the server may charge."""
    with chain.reading() as pallets:
        authorization = pallets.inference.authorizations[USER.account, SERVER.account]
        unreserved = pallets.inference.unreserved[USER.account]
    return chain.held(USER.account, ESCROW), unreserved, authorization


def test_an_authorisation_reserves_escrow():
    """What is authorised cannot be withdrawn, or authorised again; the rest can."""
    chain = serving(Chain(), LIMIT)
    chain.ok(USER, Inference.deposit.Call(amount=5))
    assert escrow(chain) == (LIMIT + 5, 5, Authorization(LIMIT))
    chain.ok(ALICE, Inference.register_server.Call())
    chain.fails(USER, authorize(6, ALICE), "Inference.EscrowTooLow")
    chain.fails(USER, Inference.withdraw.Call(amount=6), "Inference.EscrowTooLow")
    chain.ok(USER, Inference.withdraw.Call(amount=5))
    assert escrow(chain) == (LIMIT, 0, Authorization(LIMIT))


def test_a_limit_is_raised_by_the_difference_and_never_lowered():
    """Authorising again replaces what remains; lowering it would cheat the server."""
    chain = serving(Chain(), LIMIT)
    chain.ok(USER, Inference.deposit.Call(amount=5))
    chain.fails(USER, authorize(LIMIT - 1), "Inference.LimitTooLow")
    chain.ok(USER, authorize(LIMIT + 5))
    assert escrow(chain) == (LIMIT + 5, 0, Authorization(LIMIT + 5))


def test_a_revoked_authorisation_still_pays_until_it_is_reclaimed():
    """The server has time to settle; then the rest, and only it, comes back."""
    chain = serving(Chain(), LIMIT)
    revoke = Inference.revoke.Call(server=SERVER.account)
    reclaim = Inference.reclaim.Call(server=SERVER.account)
    chain.fails(USER, reclaim, "Inference.NotRevoked")
    chain.ok(USER, revoke, height=100)
    chain.fails(USER, revoke, "Inference.AlreadyRevoked")
    chain.ok(SERVER, settle_batch((USER.account, OPEN)), height=120)
    chain.fails(USER, reclaim, "Inference.TooEarly", height=129)
    chain.ok(USER, reclaim, height=130)
    assert escrow(chain) == (9 * OPEN, 9 * OPEN, Authorization())
    chain.fails(USER, revoke, "Inference.NotAuthorized")
    late = settle_batch((USER.account, OPEN), root=hash_text(b"late"))
    chain.fails(SERVER, late, "Inference.ChargeExceedsAuthorization")


def test_authorising_again_takes_a_revocation_back():
    """A user who goes on with the server need not reclaim first."""
    chain = serving(Chain(), LIMIT)
    chain.ok(USER, Inference.revoke.Call(server=SERVER.account), height=100)
    chain.ok(USER, authorize(LIMIT))
    chain.fails(
        USER, Inference.reclaim.Call(server=SERVER.account), "Inference.NotRevoked", height=200
    )


def test_only_registered_servers_are_authorised_and_settle():
    """A typing error in an account reserves nothing, and strangers settle nothing."""
    chain = serving(Chain(), LIMIT)
    chain.fails(USER, authorize(1, ALICE), "Inference.UnknownServer")
    chain.fails(ALICE, settle_batch((USER.account, OPEN)), "Inference.UnknownServer")
    chain.fails(SERVER, Inference.register_server.Call(), "Inference.AlreadyRegistered")


def test_a_batch_divides_its_fees_to_the_unit():
    """Platform to the treasury, net by shares; pot empty; the record says what happened."""
    chain = serving(Chain(), LIMIT)
    builder, server = chain.free(BUILDER.account), chain.free(SERVER.account)
    fees = OPEN + 7
    chain.ok(SERVER, settle_batch((USER.account, fees), answers=2), height=2_500)
    net = fees - 2 * PLATFORM_FEE
    paid = {
        "owner": chain.free(BUILDER.account) - builder,
        "stakers": chain.free(STAKERS),
        "worker": chain.free(SERVER.account) - server,
        "contributors": chain.free(CONTRIBUTORS),
    }
    assert sum(paid.values()) == net
    exact = {"owner": 3, "stakers": 1, "worker": 2, "contributors": 4}
    assert all(abs(10 * paid[name] - net * part) < 10 for name, part in exact.items())
    assert chain.free(TREASURY) == 2 * PLATFORM_FEE
    assert chain.free(POT) == 0
    assert escrow(chain)[2] == Authorization(LIMIT - fees)
    with chain.reading() as pallets:
        batch = pallets.inference.batches[ADAPTER, 2, 0]
        assert pallets.inference.next_batch[ADAPTER, 2] == 1
        assert pallets.attribution.pools[ADAPTER, 2] == paid["contributors"]
        assert pallets.inference.current_epoch(2_500) == 2
    assert (batch.server, batch.fees, batch.answer_count) == (SERVER.account, fees, 2)
    assert batch.contributor_share == paid["contributors"]


def test_a_server_cannot_charge_beyond_the_authorisation():
    """Not in one batch and not over several; other users' escrow is out of reach."""
    chain = serving(Chain(), LIMIT)
    chain.fails(
        SERVER, settle_batch((USER.account, LIMIT + 1)), "Inference.ChargeExceedsAuthorization"
    )
    chain.fails(SERVER, settle_batch((ALICE.account, OPEN)), "Inference.ChargeExceedsAuthorization")
    chain.ok(SERVER, settle_batch((USER.account, LIMIT - OPEN)))
    rest = settle_batch((USER.account, OPEN + 1), root=hash_text(b"rest"))
    chain.fails(SERVER, rest, "Inference.ChargeExceedsAuthorization")
    both = settle_batch(
        (USER.account, OPEN), (ALICE.account, OPEN), root=hash_text(b"both"), answers=2
    )
    chain.fails(SERVER, both, "Inference.ChargeExceedsAuthorization")


def test_the_same_receipts_are_settled_once():
    """A server that does not know whether its call got through can send it again safely."""
    chain = serving(Chain(), LIMIT)
    call = settle_batch((USER.account, OPEN))
    chain.ok(SERVER, call)
    chain.fails(SERVER, call, "Inference.AlreadySettled")


def test_a_private_model_charges_its_owner_only():
    """Before it is published, nobody else can be made to pay for it."""
    chain = trained(Chain())
    chain.ok(SERVER, Inference.register_server.Call())
    for who in (USER, BUILDER):
        chain.ok(who, Inference.deposit.Call(amount=OPEN))
        chain.ok(who, authorize(OPEN))
    chain.fails(SERVER, settle_batch((USER.account, OPEN)), "Inference.NotPublic")
    chain.ok(SERVER, settle_batch((BUILDER.account, OPEN)))


def unsorted(*charges):
    call = settle_batch(*charges, answers=2)
    fields: dict[str, Any] = {
        name: getattr(call, name) for name in call.call_definition.arguments.items
    }
    return Inference.settle_batch.Call(**fields | {"charges": charges})


HIGH, LOW = sorted((USER.account, ALICE.account), reverse=True)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (settle_batch((USER.account, OPEN), fees=OPEN + 1), "Inference.ChargesDoNotAddUp"),
        (settle_batch((USER.account, OPEN), fees=OPEN - 1), "Inference.ChargesDoNotAddUp"),
        (settle_batch((USER.account, OPEN), platform_fees=0), "Inference.WrongPlatformFees"),
        (settle_batch((USER.account, OPEN), answers=1_001), "Inference.WrongPlatformFees"),
        (settle_batch((USER.account, OPEN), model=bytes(32)), "Models.UnknownModel"),
        (unsorted((HIGH, OPEN), (LOW, OPEN)), "Inference.ChargesNotInOrder"),
        (unsorted((USER.account, OPEN), (USER.account, OPEN)), "Inference.ChargesNotInOrder"),
    ],
)
def test_a_batch_must_add_up(call, error):
    """Charges sorted and unique, summing to the fees; platform fees as the chain sets them."""
    serving(Chain(), LIMIT).fails(SERVER, call, error)


def test_escrow_cannot_exceed_what_one_has():
    """Deposits are bounded by the free balance."""
    chain = Chain()
    chain.fails(key_of("poor"), Inference.deposit.Call(amount=1), "Balances.Insufficient")
    chain.fails(USER, Inference.withdraw.Call(amount=1), "Inference.EscrowTooLow")


def test_the_largest_batch_stays_within_its_weight():
    """As many users as a batch may charge, all of them charged everything they authorised."""
    chain = serving(Chain(), LIMIT)
    users = [key_of(f"user {number}") for number in range(CHARGES_MAX)]
    with chain.reading() as pallets:
        nonce = pallets.balances.next_nonce(CURATOR.account)
    gifts = [Balances.transfer.Call(receiver=user.account, amount=2 * OPEN) for user in users]
    blocks = (
        [chain.sign(CURATOR, gift, nonce + number) for number, gift in enumerate(gifts)],
        [chain.sign(user, Inference.deposit.Call(amount=OPEN), 0) for user in users],
        [chain.sign(user, authorize(OPEN), 1) for user in users],
    )
    for block in blocks:
        assert all(result.ok for result in chain.execute(*block).results)
    chain.ok(SERVER, settle_batch(*((user.account, OPEN) for user in users), answers=CHARGES_MAX))


@given(
    charges=st.lists(st.integers(1, 3 * OPEN), min_size=1, max_size=3),
    answers=st.integers(1, 3),
)
@settings(max_examples=15, deadline=None)
def test_fees_are_divided_without_a_remainder(charges, answers):
    """Whatever is charged, the five receivers have it all, and the users' escrow is short by it."""
    chain = serving(Chain(), LIMIT)
    people = (USER, ALICE, BOB)
    for who in people[1:]:
        chain.ok(who, Inference.deposit.Call(amount=LIMIT))
        chain.ok(who, authorize(LIMIT))
    accounts = (BUILDER.account, STAKERS, SERVER.account, CONTRIBUTORS, TREASURY)
    before = [chain.free(account) for account in accounts]
    fees = [(who.account, amount) for who, amount in zip(people, charges, strict=False)]
    call = settle_batch(*fees, answers=answers)
    if sum(charges) < answers * PLATFORM_FEE:
        chain.fails(SERVER, call, "Inference.WrongPlatformFees")
        return
    events = chain.ok(SERVER, call)
    gained = [chain.free(account) - old for account, old in zip(accounts, before, strict=True)]
    assert sum(gained) == sum(charges) == sum(events["Inference.FeesSplit"].fields.values())
    for (account, amount), who in zip(fees, people, strict=False):
        assert chain.held(account, ESCROW) == LIMIT - amount
        assert account == who.account


def settled(*receipts, chain=None):
    """A chain whose server settled these receipts, charged at what the tree sums them up with."""
    chain = chain or serving(Chain(), LIMIT)
    pairs = [(receipt.encode(), amount) for receipt, amount in receipts]
    root, fees = sum_root(pairs)
    chain.ok(SERVER, settle_batch((USER.account, fees), answers=len(receipts), root=root))
    return chain, pairs


def signed(chain, number=0, **changed):
    """A receipt of this chain, signed by its server."""
    receipt = unsigned_receipt(number, **{"genesis_hash": chain.genesis_hash} | changed)
    return replace(receipt, signature=SERVER.sign(receipt.signing_payload()))


def show(receipt, amount, pairs, index=0, batch=0):
    return Inference.show_fault.Call(
        model=ADAPTER,
        epoch=0,
        batch=batch,
        receipt=receipt,
        amount=amount,
        path=sum_path(pairs, index),
    )


FEE = 2 * PLATFORM_FEE


@pytest.mark.parametrize(
    ("changed", "charged", "fault"),
    [
        ({"version": 2}, FEE, "another version"),
        ({"genesis_hash": hash_text(b"elsewhere")}, FEE, "another chain"),
        ({"model": hash_text(b"model")}, FEE, "another model"),
        ({"server": ALICE.account}, FEE, "another server"),
        ({}, FEE + 1, "a fee that is not its tokens' price"),
        ({"fee": FEE + 1}, FEE + 1, "a fee that is not its tokens' price"),
        ({"output_tokens": 9}, FEE, "a fee that is not its tokens' price"),
        (
            {"platform_fee": PLATFORM_FEE - 1, "fee": FEE - 1},
            FEE - 1,
            "another platform fee",
        ),
        ({"height": 10_000}, FEE, "a height after its settlement"),
    ],
)
def test_a_wrong_receipt_is_refunded(changed, charged, fault):
    """The user has its fee back, and the rest of the penalty goes to reporter and treasury."""
    chain = serving(Chain(), LIMIT)
    receipt = signed(chain, **changed)
    _, pairs = settled((receipt, charged), (signed(chain, 1), FEE), chain=chain)
    before = [chain.free(account) for account in (USER.account, ALICE.account, TREASURY)]
    events = chain.ok(ALICE, show(receipt, charged, pairs))
    after = [chain.free(account) for account in (USER.account, ALICE.account, TREASURY)]
    user, reporter, treasury = (new - old for new, old in zip(after, before, strict=True))
    assert events["Inference.AnswerRefunded"].fields["fault"] == fault
    assert (user, user + reporter + treasury) == (charged, 10 * OPEN)
    assert reporter == (10 * OPEN - charged) // 10
    assert chain.held(SERVER.account, BOND) == 90 * OPEN
    chain.fails(ALICE, show(receipt, charged, pairs), "Inference.NothingWrong")


def test_a_receipt_that_nobody_signed_is_wrong():
    """Also one with the signature of another receipt."""
    chain = serving(Chain(), LIMIT)
    receipt = replace(signed(chain), signature=signed(chain, 1).signature)
    _, pairs = settled((receipt, FEE), chain=chain)
    chain.ok(ALICE, show(receipt, FEE, pairs))


def test_honest_receipts_cost_their_server_nothing():
    """What is right, or is not in the batch, is no fault; nor is what is shown too late."""
    chain = serving(Chain(), LIMIT)
    right, wrong = signed(chain), signed(chain, 1, output_tokens=9)
    _, pairs = settled((right, FEE), (wrong, FEE), chain=chain)
    chain.fails(ALICE, show(right, FEE, pairs), "Inference.NothingWrong")
    chain.fails(ALICE, show(wrong, FEE + 1, pairs, 1), "Inference.WrongPath")
    chain.fails(ALICE, show(wrong, FEE, pairs, 0), "Inference.WrongPath")
    chain.fails(ALICE, show(wrong, FEE, pairs, 1, batch=1), "Inference.UnknownBatch")
    chain.execute(height=chain.height + Inference.dispute_blocks.default)
    chain.fails(ALICE, show(wrong, FEE, pairs, 1), "Inference.TooLate")
    assert chain.held(SERVER.account, BOND) == 100 * OPEN


def test_a_server_refills_its_bond_before_it_settles_again():
    """And leaves with what is left of it when nothing can be shown against it any more."""
    chain = serving(Chain(), LIMIT)
    wrong = signed(chain, output_tokens=9)
    _, pairs = settled((wrong, FEE), chain=chain)
    chain.ok(ALICE, show(wrong, FEE, pairs))
    batch = settle_batch((USER.account, FEE), root=hash_text(b"next"))
    chain.fails(SERVER, batch, "Inference.BondTooLow")
    chain.ok(SERVER, Inference.register_server.Call())
    chain.ok(SERVER, batch)
    leave = Inference.leave.Call()
    chain.fails(SERVER, leave, "Inference.StillAnswerable")
    late = chain.height + Inference.dispute_blocks.default
    chain.ok(SERVER, leave, height=late)
    assert chain.held(SERVER.account, BOND) == 0
    chain.fails(SERVER, leave, "Inference.UnknownServer")
