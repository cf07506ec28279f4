"""Models: registered once, private until published, shares within bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.embedded_model import EMBEDDED_BASE, EMBEDDED_MODEL
from genesis.sandbox import Sandbox
from genesis.scenes import (
    ADAPTER,
    ALICE,
    BASE_MODEL,
    BUILDER,
    USER,
    submit_job,
    trained,
    worked,
)
from ml.manifest import manifest_of
from ml.training.recipe import work_shape
from pallets.compute.pallet import Compute
from pallets.models.pallet import GRANT, Models
from runtime.errors import DecodeError
from runtime.hashing import hash_text
from runtime.types import OPEN, PPB
from runtime.wire.records import Prices, Shares
from tests.pallets.chain import Chain, spec
from tests.pallets.governor import Governor

SHAPE = EMBEDDED_BASE.shape
NOWHERE = hash_text(b"nowhere")
DEFAULT = Shares(300_000_000, 100_000_000, 200_000_000, 400_000_000)


def set_shares(owner, stakers, worker, contributors, model=ADAPTER):
    return Models.set_shares.Call(
        model=model,
        owner_ppb=owner,
        stakers_ppb=stakers,
        worker_ppb=worker,
        contributors_ppb=contributors,
    )


def test_a_base_model_is_proposed_once_and_admitted_by_the_chain():
    """Anybody proposes one; until Root admits it, and then once, no job may name it."""
    chain = Sandbox(Governor, spec=spec())
    propose = Models.register_base.Call(content_hash=NOWHERE, name="far", shape=SHAPE)
    admit = Governor.decree.Call(wish=Models.admit_base.Call(content_hash=NOWHERE))
    chain.fails(ALICE, admit, "Models.UnknownBase")
    chain.ok(ALICE, propose)
    chain.fails(BUILDER, propose, "Models.AlreadyRegistered")
    with chain.reading() as pallets:
        assert pallets.models.admitted_shape(NOWHERE) is None
        assert pallets.models.admitted_shape(BASE_MODEL) == SHAPE
    chain.ok(ALICE, admit)
    chain.fails(ALICE, admit, "Models.AlreadyAdmitted")
    with chain.reading() as pallets:
        assert pallets.models.admitted_shape(NOWHERE) == SHAPE


def test_a_base_model_without_layers_is_no_model():
    """Work on it would cost nothing."""
    shape = replace(SHAPE, layers=0)
    propose = Models.register_base.Call(content_hash=NOWHERE, name="none", shape=shape)
    Chain().fails(ALICE, propose, "Models.InvalidShape")


def test_the_chain_admits_the_model_that_comes_with_it():
    """The spec's hash and dimensions are those of the folder."""
    assert manifest_of(EMBEDDED_MODEL).hash() == EMBEDDED_BASE.content_hash
    assert work_shape(EMBEDDED_MODEL) == EMBEDDED_BASE.shape


def test_an_adapter_is_private_with_default_prices_and_shares():
    """A settled job's result belongs to the job's owner and is listed by its index."""
    chain = trained(Chain())
    with chain.reading() as pallets:
        model = pallets.models.model(ADAPTER)
        assert pallets.models.by_index[0] == ADAPTER
        assert pallets.models.next_index.get() == 1
    assert (model.owner, model.job, model.datanet, model.version) == (BUILDER.account, 0, 0, 1)
    assert not model.public
    assert model.shares == DEFAULT


def test_a_second_job_with_the_same_result_changes_nothing():
    """The first registration stands, whoever trains the same adapter again."""
    chain = trained(Chain())
    chain.ok(ALICE, submit_job())
    events = chain.ok(USER, Compute.settle.Call(job=1), height=worked(chain, job=1))
    assert "Compute.Settled" in events
    assert "Models.AdapterRegistered" not in events
    with chain.reading() as pallets:
        assert pallets.models.model(ADAPTER).owner == BUILDER.account
        assert pallets.models.next_index.get() == 1


def test_only_the_owner_changes_a_model():
    """Publishing, prices and shares are the owner's."""
    chain = trained(Chain())
    price = Models.set_price.Call(model=ADAPTER, input_per_1000=1, output_per_1000=2)
    for call in (Models.publish.Call(model=ADAPTER), price, set_shares(*vars_of(DEFAULT))):
        chain.fails(ALICE, call, "Models.NotOwner")
        chain.ok(BUILDER, call)
    chain.fails(BUILDER, Models.publish.Call(model=ADAPTER), "Models.AlreadyPublic")
    chain.fails(BUILDER, Models.publish.Call(model=NOWHERE), "Models.UnknownModel")
    with chain.reading() as pallets:
        model = pallets.models.model(ADAPTER)
    assert model.public
    assert model.prices == Prices(1, 2)


def vars_of(shares):
    return shares.owner_ppb, shares.stakers_ppb, shares.worker_ppb, shares.contributors_ppb


@pytest.mark.parametrize(
    ("shares", "error"),
    [
        ((300_000_000, 100_000_000, 200_000_000, 399_999_999), "Models.SharesNotWhole"),
        ((300_000_001, 100_000_000, 200_000_000, 400_000_000), "Models.SharesNotWhole"),
        ((600_000_000, 50_000_000, 150_000_000, 200_000_000), "Models.ShareOutOfBounds"),
        ((500_000_000, 100_000_000, 300_000_000, 100_000_000), "Models.ShareOutOfBounds"),
        ((400_000_000, 0, 200_000_000, 400_000_000), "Models.ShareOutOfBounds"),
    ],
)
def test_shares_are_whole_and_within_bounds(shares, error):
    """An owner can neither starve the contributors nor create parts out of nothing."""
    trained(Chain()).fails(BUILDER, set_shares(*shares), error)


PARTS = st.integers(0, PPB)


@given(PARTS, PARTS, PARTS, PARTS)
@settings(max_examples=60, deadline=None)
def test_accepted_shares_always_sum_to_one(owner, stakers, worker, contributors):
    """No accepted division gives more or less than the whole."""
    shares = Shares(owner, stakers, worker, contributors)
    with Chain().reading() as pallets:
        try:
            pallets.models._check_shares(shares)
        except (Models.SharesNotWhole, Models.ShareOutOfBounds):
            return
    assert sum(vars_of(shares)) == PPB


def grant(account, model=ADAPTER):
    return Models.grant.Call(model=model, account=account)


def test_a_private_model_is_granted_to_accounts():
    """For a deposit that comes back; whoever has a grant may be charged, nobody else."""
    chain = trained(Chain())
    revoke = Models.revoke_grant.Call(model=ADAPTER, account=USER.account)
    chain.fails(ALICE, grant(USER.account), "Models.NotOwner")
    chain.fails(BUILDER, revoke, "Models.NotGranted")
    chain.ok(BUILDER, grant(USER.account))
    chain.fails(BUILDER, grant(USER.account), "Models.AlreadyGranted")
    assert chain.held(BUILDER.account, GRANT) == OPEN // 100
    with chain.reading() as pallets:
        record = pallets.models.model(ADAPTER)
        usable = [
            pallets.models.may_use(ADAPTER, record, each.account) for each in (BUILDER, USER, ALICE)
        ]
    assert usable == [True, True, False]
    chain.ok(BUILDER, revoke)
    assert chain.held(BUILDER.account, GRANT) == 0
    chain.ok(BUILDER, Models.publish.Call(model=ADAPTER))
    chain.fails(BUILDER, grant(USER.account), "Models.AlreadyGranted")


def test_a_retired_model_is_not_changed_any_more():
    """It is retired once; grants can still be taken back, for their deposits."""
    chain = trained(Chain())
    chain.ok(BUILDER, grant(USER.account))
    retire = Models.retire.Call(model=ADAPTER)
    chain.fails(ALICE, retire, "Models.NotOwner")
    chain.ok(BUILDER, retire)
    for call in (
        retire,
        grant(ALICE.account),
        Models.publish.Call(model=ADAPTER),
        Models.set_price.Call(model=ADAPTER, input_per_1000=1, output_per_1000=1),
    ):
        chain.fails(BUILDER, call, "Models.Retired")
    chain.ok(BUILDER, Models.revoke_grant.Call(model=ADAPTER, account=USER.account))
    with chain.reading() as pallets:
        assert pallets.models.retired[ADAPTER] <= chain.height


@pytest.mark.parametrize(
    "changed",
    [
        {"usual": Shares(400_000_000, 100_000_000, 200_000_000, 400_000_000)},
        {"least": Shares(300_000_001, 0, 0, 0)},
        {"most": Shares(PPB, PPB, PPB, 399_999_999)},
    ],
)
def test_governance_keeps_share_terms_whole(changed):
    """What new models get is within the bounds that owners have, and adds up."""
    terms = replace(Models.share_terms.default, **changed)
    with pytest.raises(DecodeError):
        Models.share_terms.decode(Models.share_terms.codec.encode(terms))
