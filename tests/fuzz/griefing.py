"""Attacks that are to cost others more than oneself: tying up deposits, and disputing what is right.

Whoever is attacked does what it should, and so do the panel and the validators.  Fees are zero, so
that a loss is a rule's and not a fee's.
"""

from __future__ import annotations

from functools import cache
from random import Random

from genesis.scenes import (
    ALICE,
    BOB,
    CURATOR,
    FEE,
    SERVER,
    USER,
    WORKER,
    commit,
    create,
    enrol,
    judge,
    publish,
    report,
    reveal,
    set_sponsor_budget,
    settle_submission,
    terms,
)
from pallets.balances.pallet import Balances
from pallets.compute.pallet import Compute
from pallets.datanet_votes.pallet import DatanetVotes
from pallets.disputes.pallet import Disputes
from pallets.disputes.types import Dispute, Turn
from pallets.governance.pallet import Governance
from pallets.preimage.pallet import Preimage
from pallets.reports.pallet import Reports
from pallets.reports.types import EvidenceKind, Report, ReportState
from pallets.submissions.bonds import BOND
from pallets.submissions.pallet import Submissions
from runtime import OPEN, PPB, RuntimeCall
from runtime.keys import Keypair
from runtime.wire.datanets import SubmissionState
from runtime.wire.records import JobState
from runtime.wire.transcripts import split
from runtime.wire.votes import TrackName
from tests.fuzz.campaign import Finding
from tests.pallets.assembly import SHORTER, hash_of
from tests.pallets.chain import Chain, key_of, spec
from tests.pallets.market import HONEST, VALIDATORS, Market

ATTACKERS = (BOB, key_of("mule"), key_of("ass"))
CAPITAL = 20_000 * OPEN
"""Of each attacker: enough for the deposit of a referendum."""
MOVES_MAX = 8
ROWS_MAX = 50
BUDGET = 200 * OPEN
CHALLENGES_MAX = 4
LATER_BLOCKS = 1_000
"""More than any deadline of the chain has."""
_HASH_BYTES = 32


def grief_deposits(random: Random) -> int:
    """Tie up the deposits, bonds and budgets of others with one's own, in any order.

    Several accounts of one owner contribute rows that a sponsor answers for, good and bad ones,
    report each other's and honest rows, and propose whatever holds a deposit.  The curator reviews
    what it is shown, the panel says what is true, and in the end everything is over.
    """
    chain = _town().fork()
    before, honest = _wealth(chain, ATTACKERS), _wealth(chain, (ALICE,))
    bad: dict[int, bool] = {}
    for _ in range(random.randint(2, MOVES_MAX)):
        who = random.choice(ATTACKERS)
        if random.random() < 0.5:
            _contribute(chain, random, who, bad)
        else:
            chain.send(who, _nuisance(random, chain))
    _finish(chain, bad)
    if _wealth(chain, (ALICE,)) != honest or chain.held(ALICE.account, BOND):
        raise Finding("griefing by deposits costs the honest", b"")
    gain = _wealth(chain, ATTACKERS) - before
    if gain > 0:
        raise Finding(f"griefing by deposits gains {gain}", b"")
    return gain


@cache
def _town() -> Chain:
    """A Datanet with a sponsor and honest rows, a panelist, and attackers: where all begin."""
    chain = Chain(
        spec(
            voting_blocks=30,
            undecided_blocks=50,
            commit_blocks=5,
            open_blocks=5,
            answer_blocks=5,
            answerable_blocks=200,
        )
    )
    for attacker in ATTACKERS[1:]:
        chain.ok(BOB, Balances.transfer.Call(receiver=attacker.account, amount=CAPITAL))
    chain.ok(SERVER, enrol())
    chain.ok(CURATOR, create(contributor_bond_per_row=OPEN))
    chain.ok(CURATOR, set_sponsor_budget(BUDGET))
    chain.ok(ALICE, commit(ALICE, bond=5 * OPEN))
    chain.ok(ALICE, reveal())
    chain.ok(CURATOR, publish((0, 5, 0, 0)))
    chain.ok(BOB, Preimage.note.Call(call=SHORTER))
    return chain


def _wealth(chain: Chain, people: tuple[Keypair, ...]) -> int:
    """All that is theirs, free and held."""
    with chain.reading() as pallets:
        accounts = [pallets.balances.accounts[each.account] for each in people]
    return sum(each.free + each.held for each in accounts)


def _contribute(chain: Chain, random: Random, who: Keypair, bad: dict[int, bool]) -> None:
    """Commit, sponsored if possible, and mostly show the rows; the curator rejects some of them."""
    rows, salt = random.randint(1, ROWS_MAX), random.randbytes(_HASH_BYTES)
    call = commit(who, rows, bond=rows * OPEN, salt=salt, sponsored=random.random() < 0.7)
    if not chain.send(who, call).ok:
        return
    number = next(each.fields["submission"] for each in chain.events if each.name == "Committed")
    bad[number] = random.random() < 0.5
    if random.random() < 0.2:
        return
    chain.ok(who, reveal(number, salt=salt))
    rejected = random.choice((0, 0, rows, random.randint(0, rows)))
    with chain.reading() as pallets:
        rows_before, reviewed_before, _ = pallets.datanets.totals(0)
        left = pallets.submissions.leaving[0]
    counts = (number, rows - rejected, 0, rejected)
    chain.ok(
        CURATOR,
        publish(counts, rows_before=rows_before - left, reviewed_before=reviewed_before),
    )


def _nuisance(random: Random, chain: Chain) -> RuntimeCall:
    """Something that holds a deposit, of oneself or of another."""
    with chain.reading() as pallets:
        submission = random.randrange(pallets.submissions.next_submission[0])
    rows, kind = random.randint(1, 5), random.choice(list(EvidenceKind))
    referendum = Governance.submit.Call(
        track=TrackName.PARAMETERS, call_hash=hash_of(SHORTER), enactment_blocks=0
    )
    return random.choice(
        (
            report(kind, rows, submission),
            report(EvidenceKind.POISONED, random.randint(1, ROWS_MAX), submission),
            Submissions.expire.Call(datanet=0, submission=submission),
            referendum,
            DatanetVotes.propose.Call(datanet=0, terms=terms(licence="CC0-1.0")),
            DatanetVotes.vote.Call(datanet=0, proposal=0, approve=False, stake=OPEN),
        )
    )


def _finish(chain: Chain, bad: dict[int, bool]) -> None:
    """The panel judges every report, everything that is overdue ends, and bonds are settled."""
    for number, each in enumerate(_reports(chain)):
        if each.state is ReportState.OPEN:
            chain.ok(USER, Reports.convene.Call(report=number), height=chain.height + 6)
            guilty = bad.get(each.submission, False) is not (each.kind is EvidenceKind.APPEAL)
            case = _reports(chain)[number].case
            judge(chain, 0 if case is None else case, {SERVER: PPB if guilty else 0})
            chain.ok(USER, Reports.resolve.Call(report=number))
    chain.execute(height=chain.height + LATER_BLOCKS)
    with chain.reading() as pallets:
        count = pallets.submissions.next_submission[0]
        found = [pallets.submissions.submissions.get((0, number)) for number in range(count)]
        proposals = range(pallets.datanet_votes.next_proposal[0])
    for number, submission in enumerate(found):
        if submission is not None and submission.state is SubmissionState.COMMITTED:
            chain.ok(USER, Submissions.expire.Call(datanet=0, submission=number))
        elif submission is not None:
            chain.ok(USER, settle_submission(number))
    for number in proposals:
        chain.ok(USER, DatanetVotes.close.Call(datanet=0, proposal=number))


def _reports(chain: Chain) -> list[Report]:
    with chain.reading() as pallets:
        return [pallets.reports.reports[n] for n in range(pallets.reports.next_report.get())]


def spam_challenges(random: Random) -> int:
    """Dispute a right result again and again, as a whole or one step of it, and play on or not.

    Worker and validators answer as they should; in the end the job is settled.
    """
    market = _market().fork()
    attackers, defenders = (BOB, USER), (WORKER, *VALIDATORS)
    before, defended = _wealth(market, attackers), _wealth(market, defenders)
    for _ in range(random.randint(1, CHALLENGES_MAX)):
        who = random.choice(attackers)
        index = random.randrange(len(HONEST))
        whole, step = Disputes.challenge.Call(work=0), Disputes.challenge_step.Call(0, index)
        market.ok(who, random.choice((whole, step)))
        while (dispute := _dispute(market)) is not None:
            _play(market, random, who, dispute)
    market.ok(USER, Compute.settle.Call(job=0), height=market.job.deadline)
    if market.job.state is not JobState.SETTLED or _wealth(market, defenders) < defended:
        raise Finding("spamming challenges costs the honest", b"")
    gain = _wealth(market, attackers) - before
    if gain > -FEE // 10:
        raise Finding(f"spamming challenges costs {-gain}, less than a step's bond", b"")
    return gain


@cache
def _market() -> Market:
    """A right result that can be disputed: where all strategies begin."""
    return Market().revealed()


def _dispute(market: Market) -> Dispute | None:
    with market.reading() as pallets:
        found: Dispute | None = pallets.disputes.disputes.get(0)
    return found


def _play(market: Market, random: Random, challenger: Keypair, dispute: Dispute) -> None:
    """The next move of a dispute: the honest make theirs, the challenger any, or none."""
    if dispute.turn is Turn.SPLIT:
        nodes = split(HONEST, dispute.subtree)
        market.ok(WORKER, Disputes.split.Call(work=0, nodes=nodes))
    elif dispute.turn is Turn.OPEN:
        market.open(HONEST)
    elif dispute.turn is Turn.JUDGE:
        market.judge(market.truth())
    elif random.random() < 0.2:
        ends_at = dispute.since + dispute.challenger_blocks
        market.ok(USER, Disputes.time_out.Call(work=0), height=ends_at)
    else:
        place = random.randrange(len(dispute.nodes))
        market.ok(challenger, Disputes.pick.Call(work=0, place=place))
