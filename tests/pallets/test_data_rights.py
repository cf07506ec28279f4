"""Withdrawals, erasures, members and keys: nothing is erased under a payment, or put off for ever."""

from __future__ import annotations

import pytest

from genesis.scenes import (
    ALICE,
    BLOB,
    BOB,
    BUILDER,
    CURATOR,
    USER,
    commit,
    create,
    publish,
    reveal,
    submit_job,
)
from pallets.compute.pallet import Compute
from pallets.data_rights.pallet import KEY, DataRights
from runtime.hashing import hash_text
from runtime.merkle import list_path, list_root
from runtime.wire.datanets import Access, Purpose
from runtime.wire.rows import RowRecord
from tests.pallets.chain import Chain, spec

RECORDS = [RowRecord(hash_text(bytes([n])), ALICE.account, 0, n) for n in range(5)]
LEAVES = [each.encode() for each in RECORDS]
WITHDRAW = DataRights.withdraw.Call(datanet=0, submission=0)
ERASE = DataRights.erase.Call(datanet=0, submission=0, redacted=None)


def row(index=0, replacement=None, record=None):
    return DataRights.withdraw_row.Call(
        datanet=0,
        row=record or RECORDS[index],
        path=list_path(LEAVES, index),
        replacement=replacement,
    )


def published(quota_files=20, **terms):
    chain = Chain(spec(quota_files=quota_files))
    chain.ok(CURATOR, create(**terms))
    chain.ok(ALICE, commit(ALICE))
    chain.ok(ALICE, reveal())
    chain.ok(CURATOR, publish((0, 5, 0, 0), rows_root=list_root(LEAVES)))
    return chain


def permits(chain, version=1, who=BUILDER, purpose=Purpose.COMMERCIAL):
    with chain.reading() as pallets:
        return pallets.datanets.permits(0, version, purpose, who.account)


def test_a_withdrawn_row_leaves_with_the_next_version():
    """Jobs cannot name the old version any more, and the next has one row less."""
    chain = published()
    assert permits(chain)
    chain.ok(ALICE, row(2))
    assert not permits(chain)
    chain.fails(ALICE, row(2), "DataRights.AlreadyWithdrawn")
    chain.fails(CURATOR, publish(row_count=5, reviewed_count=5), "Submissions.WrongCounts")
    events = chain.ok(CURATOR, publish(row_count=4, reviewed_count=5))
    assert events["Datanets.VersionPublished"].fields["notes"].left == 1
    assert permits(chain, 2)
    assert not permits(chain, 1)


def test_only_ones_own_rows_of_the_latest_version_can_be_withdrawn():
    """Another's row, a row that is not there, a replacement that is none."""
    chain = published()
    chain.fails(BOB, row(0), "DataRights.NotContributor")
    chain.fails(BOB, WITHDRAW, "DataRights.NotContributor")
    other = RowRecord(hash_text(b"other"), ALICE.account, 0, 0)
    chain.fails(ALICE, row(0, record=other), "DataRights.NotInVersion")
    chain.fails(ALICE, row(0, replacement=0), "DataRights.WrongReplacement")
    chain.ok(ALICE, commit(ALICE, 1, salt=hash_text(b"better")))
    chain.ok(ALICE, row(0, replacement=1))
    chain.ok(ALICE, WITHDRAW)
    chain.fails(ALICE, WITHDRAW, "Submissions.NoSuchRows")


def test_erasure_waits_for_what_began_before_and_for_nothing_else():
    """A job under way keeps the content; no job can begin on the closed version any more."""
    chain = published()
    chain.ok(BUILDER, submit_job())
    chain.ok(ALICE, WITHDRAW)
    chain.fails(USER, ERASE, "DataRights.InUse")
    assert not chain.send(BUILDER, submit_job()).ok
    late = chain.height + chain.spec.parameters[Compute.claim_blocks] + 1
    chain.ok(USER, Compute.settle.Call(job=0), height=late)
    events = chain.ok(USER, ERASE)
    assert events["DataRights.Erased"].fields["blob"] == BLOB
    chain.fails(USER, ERASE, "DataRights.NothingWithdrawn")
    with chain.reading() as pallets:
        record = pallets.submissions.submissions[0, 0]
    assert record.blob is None
    assert record.rows_root is not None  # the tombstone


def test_a_part_is_erased_by_the_curator():
    """Where rows are left, the owner names the redacted blob."""
    chain = published()
    chain.ok(ALICE, row(1))
    redacted = DataRights.erase.Call(datanet=0, submission=0, redacted=hash_text(b"redacted"))
    chain.fails(USER, ERASE, "DataRights.WrongRedaction")
    chain.fails(USER, redacted, "Datanets.NotOwner")
    chain.ok(CURATOR, redacted)


def test_withdrawing_row_after_row_is_bounded():
    """Each withdrawal is a file of the day's quota: training is not kept out for ever."""
    chain = published(quota_files=3)
    chain.ok(ALICE, row(0))
    chain.ok(ALICE, row(1))
    chain.fails(ALICE, row(2), "Datanets.QuotaExceeded")


@pytest.mark.parametrize("access", [Access.REQUEST, Access.ENCRYPTED])
def test_members_only(access):
    """The owner admits; others may not train."""
    chain = published(access=access)
    assert not permits(chain)
    assert permits(chain, who=CURATOR)
    ask = DataRights.request_access.Call(datanet=0, purpose=Purpose.RESEARCH, reason="A thesis.")
    chain.ok(BUILDER, ask)
    member = DataRights.set_member.Call(datanet=0, account=BUILDER.account, admitted=True)
    chain.fails(BUILDER, member, "Datanets.NotOwner")
    chain.ok(CURATOR, member)
    assert permits(chain)
    leave = DataRights.set_member.Call(datanet=0, account=BUILDER.account, admitted=False)
    chain.ok(CURATOR, leave)
    assert not permits(chain)


def test_purposes_are_what_the_contributors_permitted():
    """A licence for research and teaching is none for business."""
    chain = published(purposes=(Purpose.RESEARCH, Purpose.EDUCATION))
    assert permits(chain, purpose=Purpose.RESEARCH)
    assert not permits(chain, purpose=Purpose.COMMERCIAL)


def test_sealed_keys_cost_a_deposit_that_comes_back():
    """Storage is paid for; only who shared a key removes it."""
    chain = published()
    share = DataRights.share_key.Call(
        datanet=0, submission=0, reader=BOB.account, sealed_key=bytes(80)
    )
    chain.fails(BOB, share, "DataRights.NotContributor")
    chain.ok(ALICE, share)
    chain.ok(ALICE, share)
    assert chain.held(ALICE.account, KEY) == chain.spec.parameters[DataRights.key_deposit]
    remove = DataRights.remove_key.Call(datanet=0, submission=0, reader=BOB.account)
    chain.fails(BOB, remove, "DataRights.UnknownKey")
    chain.ok(ALICE, remove)
    assert chain.held(ALICE.account, KEY) == 0
