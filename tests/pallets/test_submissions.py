"""Datanets: commit-reveal, bonds, sponsoring, versions; nobody gains by copying or by silence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.scenes import (
    ALICE,
    BLOB,
    BOB,
    BOND_PER_ROW,
    CURATOR,
    ROOT,
    SALT,
    commit,
    create,
    offer,
    publish,
    reveal,
    set_sponsor_budget,
    settle_submission,
)
from pallets.balances.pallet import Balances
from pallets.datanets.pallet import SPONSOR, Datanets
from pallets.pots import TREASURY
from pallets.submissions.bonds import BOND
from pallets.submissions.pallet import Submissions
from pallets.submissions.types import VERDICT_COUNTS_MAX
from runtime.hashing import hash_text
from runtime.types import OPEN
from runtime.wire.datanets import Curation, SubmissionState
from runtime.wire.rows import submission_commitment
from tests.pallets.chain import Chain, key_of

NEWCOMER = key_of("newcomer")


def opened(sponsor_budget=0):
    chain = Chain()
    chain.ok(CURATOR, create())
    if sponsor_budget:
        chain.ok(CURATOR, set_sponsor_budget(sponsor_budget))
    return chain


def settle(chain, submission=0):
    """Wait until the bond may be settled, and settle it."""
    chain.height += chain.spec.parameters[Submissions.answerable_blocks]
    return chain.ok(BOB, settle_submission(submission))


def expire(submission=0):
    return Submissions.expire.Call(datanet=0, submission=submission)


def test_commit_reveal_publish():
    """The whole life of a submission: bond held, rows revealed, version published, bond released."""
    chain = opened()
    free = chain.free(ALICE.account)
    events = chain.ok(ALICE, commit(ALICE))
    assert events["Submissions.Committed"].fields["submission"] == 0
    assert chain.held(ALICE.account, BOND) == 50
    chain.ok(ALICE, reveal())
    events = chain.ok(CURATOR, publish((0, 3, 2, 0)))
    assert events["Datanets.VersionPublished"].fields["version"] == 1
    assert events["Submissions.Reviewed"].fields["contributor"] == ALICE.account
    assert chain.held(ALICE.account, BOND) == 50
    published_at = chain.height
    settle(chain)
    assert chain.held(ALICE.account, BOND) == 0
    assert chain.free(ALICE.account) == free
    with chain.reading() as pallets:
        version = pallets.datanets.published_version(0, 1)
        record = pallets.submissions.submissions[0, 0]
    assert (version.rows_root, version.records, version.row_count) == (ROOT, BLOB, 3)
    assert (version.reviewed_count, version.published_at) == (5, published_at)
    assert (record.state, record.blob) == (SubmissionState.SETTLED, BLOB)


def test_rejected_rows_cost_their_bond_and_the_curator_gains_nothing():
    """The bond of rejected rows goes to the treasury; what was bonded beyond comes back."""
    chain = opened()
    free, curator = chain.free(ALICE.account), chain.free(CURATOR.account)
    chain.ok(ALICE, commit(ALICE, bond=80))
    chain.ok(ALICE, reveal())
    chain.ok(CURATOR, publish((0, 1, 1, 3)))
    settle(chain)
    assert chain.free(ALICE.account) == free - 3 * BOND_PER_ROW
    assert chain.free(TREASURY) == 3 * BOND_PER_ROW
    assert chain.free(CURATOR.account) == curator


def test_a_sponsored_contributor_pays_the_panel_itself():
    """A juror who made accounts would be paid by the sponsor; the fee is the contributor's."""
    chain = Chain()
    chain.ok(CURATOR, create(curation=Curation.PANEL))
    chain.ok(CURATOR, set_sponsor_budget(100))
    chain.ok(NEWCOMER, commit(NEWCOMER, sponsored=True))
    chain.fails(NEWCOMER, reveal(), "Balances.Insufficient")
    chain.ok(BOB, Balances.transfer.Call(receiver=NEWCOMER.account, amount=2 * OPEN))
    chain.ok(NEWCOMER, reveal())
    assert chain.free(NEWCOMER.account) == OPEN
    assert chain.held(CURATOR.account, SPONSOR) == 100


def test_nobody_reveals_what_another_committed():
    """A replayed commitment is worthless: neither its number nor a copy of it can be revealed."""
    chain = opened()
    chain.ok(ALICE, commit(ALICE))
    chain.fails(BOB, reveal(0), "Submissions.NotContributor")
    chain.ok(BOB, commit(ALICE))
    chain.ok(ALICE, reveal(0))
    chain.fails(BOB, reveal(1), "Submissions.WrongCommitment")


def test_a_replayed_commitment_does_not_keep_its_maker_out():
    """Whoever is first to send another's commitment cannot stop the other from sending it."""
    chain = opened()
    chain.ok(BOB, commit(ALICE))
    chain.ok(ALICE, commit(ALICE))
    chain.ok(ALICE, reveal(1))


def test_the_same_commitment_is_made_once():
    """A client that retries does not bond twice for the same rows."""
    chain = opened()
    chain.ok(ALICE, commit(ALICE))
    chain.fails(ALICE, commit(ALICE), "Submissions.AlreadyCommitted")


def test_a_reveal_needs_the_committed_root_and_salt():
    """Root and salt are bound; a wrong one fails, and the right one still works."""
    chain = opened()
    chain.ok(ALICE, commit(ALICE))
    other = hash_text(b"other")
    chain.fails(ALICE, reveal(root=other), "Submissions.WrongCommitment")
    chain.fails(ALICE, reveal(salt=other), "Submissions.WrongCommitment")
    chain.ok(ALICE, reveal())
    chain.fails(ALICE, reveal(), "Submissions.WrongState")


def test_a_reveal_waits_for_a_later_block():
    """Commitment and reveal in one block would show the rows before their number is final."""
    chain = opened()
    outcome = chain.execute(
        chain.sign(ALICE, commit(ALICE), nonce=0), chain.sign(ALICE, reveal(), nonce=1)
    )
    assert [result.error for result in outcome.results] == ["", "Submissions.TooEarly"]


def test_the_reveal_deadline_is_a_height():
    """The last block of the deadline still reveals; the next one does not."""
    chain = opened()
    chain.ok(ALICE, commit(ALICE), height=10)
    chain.ok(BOB, commit(BOB), height=10)
    chain.ok(ALICE, reveal(0), height=30)
    chain.fails(BOB, reveal(1), "Submissions.TooLate", height=31)


def test_what_is_not_revealed_loses_its_bond():
    """After the deadline anybody expires the submission; its bond goes to the treasury, once."""
    chain = opened()
    chain.ok(ALICE, commit(ALICE), height=10)
    chain.fails(BOB, expire(), "Submissions.TooEarly", height=30)
    events = chain.ok(BOB, expire(), height=31)
    assert events["Submissions.Expired"].fields["forfeited"] == 50
    assert chain.free(TREASURY) == 50
    assert chain.held(ALICE.account, BOND) == 0
    chain.fails(BOB, expire(), "Submissions.UnknownSubmission")


def test_a_silent_curator_cannot_keep_a_bond():
    """What is revealed and not reviewed in time gets its bond back."""
    chain = opened()
    free = chain.free(ALICE.account)
    chain.ok(ALICE, commit(ALICE), height=10)
    chain.ok(ALICE, reveal(), height=11)
    chain.fails(ALICE, expire(), "Submissions.TooEarly", height=10 + 20 + 200)
    chain.ok(ALICE, expire(), height=10 + 20 + 201)
    assert chain.free(ALICE.account) == free
    chain.fails(CURATOR, publish((0, 5, 0, 0)), "Submissions.UnknownSubmission")


def test_a_sponsor_pays_the_first_bond_of_who_has_nothing():
    """The budget goes down by the bond, and comes back for what is not rejected."""
    chain = opened(sponsor_budget=100)
    chain.ok(NEWCOMER, commit(NEWCOMER, sponsored=True))
    with chain.reading() as pallets:
        assert pallets.datanets.sponsor_budgets[0] == 50
    chain.ok(NEWCOMER, reveal())
    chain.ok(CURATOR, publish((0, 3, 0, 2)))
    settle(chain)
    with chain.reading() as pallets:
        assert pallets.datanets.sponsor_budgets[0] == 80
    assert chain.held(CURATOR.account, SPONSOR) == 80
    assert chain.free(TREASURY) == 20
    again = commit(NEWCOMER, sponsored=True, salt=hash_text(b"again"))
    chain.fails(NEWCOMER, again, "Datanets.BondNotSponsored")


def test_an_unrevealed_submission_costs_its_sponsor_nothing():
    """Accounts made to commit and never reveal cannot destroy a budget, and get no second bond."""
    chain = opened(sponsor_budget=100)
    chain.ok(NEWCOMER, commit(NEWCOMER, sponsored=True), height=10)
    events = chain.ok(BOB, expire(), height=31)
    assert events["Submissions.Expired"].fields["forfeited"] == 0
    assert chain.held(CURATOR.account, SPONSOR) == 100
    assert chain.free(TREASURY) == 0
    with chain.reading() as pallets:
        assert pallets.datanets.sponsor_budgets[0] == 100
    again = commit(NEWCOMER, sponsored=True, salt=hash_text(b"again"))
    chain.fails(NEWCOMER, again, "Datanets.BondNotSponsored")


def test_sponsored_bonds_are_the_least_and_within_the_budget():
    """A contributor can draw neither more than the least bond nor more than there is."""
    chain = opened(sponsor_budget=49)
    chain.fails(NEWCOMER, commit(NEWCOMER, bond=51, sponsored=True), "Datanets.BondNotSponsored")
    chain.fails(NEWCOMER, commit(NEWCOMER, sponsored=True), "Datanets.SponsorBudgetTooLow")
    chain.ok(CURATOR, set_sponsor_budget(50))
    chain.ok(NEWCOMER, commit(NEWCOMER, sponsored=True))


def test_a_sponsor_takes_back_what_is_left():
    """The unspent budget is the owner's to lower, the spent part is not."""
    chain = opened(sponsor_budget=100)
    chain.ok(NEWCOMER, commit(NEWCOMER, sponsored=True))
    budget = set_sponsor_budget(0)
    chain.fails(BOB, budget, "Datanets.NotOwner")
    chain.ok(CURATOR, budget)
    assert chain.held(CURATOR.account, SPONSOR) == 50


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (commit(ALICE, bond=49), "Submissions.BondTooLow"),
        (commit(ALICE, rows=100_001), "Submissions.TooManyRows"),
        (reveal(7), "Submissions.UnknownSubmission"),
        (expire(7), "Submissions.UnknownSubmission"),
        (
            Submissions.commit.Call(
                datanet=9, commitment=ROOT, offer=offer(), bond=0, sponsored=False
            ),
            "Datanets.UnknownDatanet",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, error):
    """Wrong numbers and too low bonds are typed errors."""
    opened().fails(ALICE, call, error)


def reviewed():
    chain = opened()
    for who in (ALICE, BOB):
        chain.ok(who, commit(who))
    chain.ok(ALICE, reveal(0))
    chain.ok(BOB, reveal(1))
    return chain


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (publish(), "Submissions.NothingReviewed"),
        (publish((1, 5, 0, 0), (0, 5, 0, 0)), "Submissions.NotInOrder"),
        (publish((0, 5, 0, 0), (0, 5, 0, 0)), "Submissions.NotInOrder"),
        (publish((0, 4, 0, 0)), "Submissions.WrongCounts"),
        (publish((0, 4, 1, 1)), "Submissions.WrongCounts"),
        (publish((0, 5, 0, 0), row_count=6), "Submissions.WrongCounts"),
        (publish((0, 5, 0, 0), reviewed_count=4), "Submissions.WrongCounts"),
        (publish((2, 5, 0, 0)), "Submissions.UnknownSubmission"),
    ],
)
def test_a_version_must_add_up(call, error):
    """Every submission once and in order, every row one verdict, totals exact."""
    reviewed().fails(CURATOR, call, error)


def test_only_the_curator_publishes():
    """A contributor cannot review itself."""
    reviewed().fails(ALICE, publish((0, 5, 0, 0)), "Datanets.NotOwner")


def test_versions_build_on_each_other():
    """The second version counts the rows and verdicts of the first, and no submission twice."""
    chain = reviewed()
    chain.ok(CURATOR, publish((0, 4, 0, 1)))
    again = publish((0, 5, 0, 0), rows_before=4, reviewed_before=5)
    chain.fails(CURATOR, again, "Submissions.WrongState")
    chain.fails(CURATOR, publish((1, 5, 0, 0)), "Submissions.WrongCounts")
    chain.ok(CURATOR, publish((1, 5, 0, 0), rows_before=4, reviewed_before=5))
    with chain.reading() as pallets:
        assert pallets.datanets.latest_version[0] == 2
        assert pallets.datanets.versions[0, 2].row_count == 9
        assert pallets.datanets.versions[0, 2].reviewed_count == 10
        with pytest.raises(Datanets.UnknownVersion):
            pallets.datanets.published_version(0, 3)


def test_the_largest_version_stays_within_its_weight():
    """As many reviewed submissions as a version may have, of different contributors, sponsored."""
    chain = opened(sponsor_budget=VERDICT_COUNTS_MAX * BOND_PER_ROW)
    people = [key_of(f"contributor {number}") for number in range(VERDICT_COUNTS_MAX)]
    calls = [[commit(who, rows=1, sponsored=True) for who in people]]
    calls.append([reveal(number) for number in range(VERDICT_COUNTS_MAX)])
    for nonce, batch in enumerate(calls):
        outcome = chain.execute(
            *(chain.sign(who, call, nonce) for who, call in zip(people, batch, strict=True))
        )
        assert all(result.ok for result in outcome.results)
    verdicts = [(number, number % 2, 0, 1 - number % 2) for number in range(VERDICT_COUNTS_MAX)]
    chain.ok(CURATOR, publish(*verdicts))


def test_the_largest_unsponsored_version_stays_within_its_weight():
    """The same with everybody's own bond, part of it forfeited."""
    chain = opened()
    people = [key_of(f"contributor {number}") for number in range(VERDICT_COUNTS_MAX)]
    for who in people:
        chain.execute(chain.sign(CURATOR, Balances.transfer.Call(receiver=who.account, amount=100)))
    outcome = chain.execute(*(chain.sign(who, commit(who, rows=2), 0) for who in people))
    assert all(result.ok for result in outcome.results)
    outcome = chain.execute(
        *(chain.sign(who, reveal(number), 1) for number, who in enumerate(people))
    )
    assert all(result.ok for result in outcome.results)
    chain.ok(CURATOR, publish(*((number, 1, 0, 1) for number in range(VERDICT_COUNTS_MAX))))
    for number in range(VERDICT_COUNTS_MAX):
        settle(chain, number)
    assert chain.free(TREASURY) == VERDICT_COUNTS_MAX * BOND_PER_ROW


@given(
    rows=st.integers(1, 50),
    extra=st.integers(0, 1_000),
    sponsored=st.booleans(),
    data=st.data(),
)
@settings(max_examples=20, deadline=None)
def test_every_bond_ends_in_whole_units(rows, extra, sponsored, data):
    """Whatever the verdicts, a bond is split between its payer and the treasury, to the unit."""
    chain = opened(sponsor_budget=500)
    payer = CURATOR if sponsored else ALICE
    before = chain.free(payer.account) + chain.held(payer.account, SPONSOR)
    bond = rows * BOND_PER_ROW + (0 if sponsored else extra)
    chain.ok(ALICE, commit(ALICE, rows, bond=bond, sponsored=sponsored))
    chain.ok(ALICE, reveal())
    accepted = data.draw(st.integers(0, rows))
    rejected = data.draw(st.integers(0, rows - accepted))
    chain.ok(CURATOR, publish((0, accepted, rows - accepted - rejected, rejected)))
    settle(chain)
    after = chain.free(payer.account) + chain.held(payer.account, SPONSOR)
    assert chain.free(TREASURY) == before - after == rejected * BOND_PER_ROW
    assert chain.held(ALICE.account, BOND) == 0


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
@settings(max_examples=50, deadline=None)
def test_a_commitment_binds_its_contributor(root, salt):
    """Two accounts never share a commitment, so none can be revealed by another."""
    ours = submission_commitment(ALICE.account, root, salt)
    assert ours != submission_commitment(BOB.account, root, salt)
    assert ours != submission_commitment(ALICE.account, salt, root) or root == salt
    assert ours != submission_commitment(ALICE.account, root, SALT) or salt == SALT
