"""Each rule by its number, on the real engine, driven by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.engine import (
    Append,
    BlockBuilt,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Finalize,
    Flush,
    HeightBegan,
    Misbehaved,
    ReportEvidence,
    Send,
    SendDecided,
    Sign,
    Signed,
    StartTimer,
)
from consensus.facts import BLOCKS_MAX
from consensus.log import KeptBlock
from consensus.messages import (
    ROUNDS_MAX,
    BlockReply,
    BlockRequest,
    Decided,
    Entry,
    Proposal,
    Status,
)
from consensus.rules import ROUNDS_AHEAD_MAX, STEADY_ROUNDS
from consensus.simplex import BUFFERED_PER_PEER_MAX
from consensus.votes import Certificate, Vote, signed_payload
from runtime.errors import InvariantViolation
from tests.consensus.hand_driven import (
    FOUR,
    PARENT,
    PEER,
    TIMEOUTS,
    A,
    B,
    F,
    HandDriven,
    N,
    P,
    X,
    broadcast,
    id_of,
    make_block,
    of_type,
)

A_ID, B_ID = id_of(A), id_of(B)


@pytest.fixture
def node() -> HandDriven:
    """A validator that does not lead round 1, at its beginning."""
    node = HandDriven()
    node.begin()
    return node


def leading(round_: int) -> HandDriven:
    """The validator that leads a round."""
    return HandDriven(HandDriven().leader(round_))


def test_r0_only_the_leader_is_heard(node):
    """R0: a proposal of anybody else is not even evidence."""
    other = next(n for n in range(4) if n not in (node.leader(1), node.number))
    node.receive(node.proposal(1, A, number=other))
    assert node.signed() == []
    node.receive(node.proposal(1, A))
    assert node.signed() == [(N, 1, A_ID)]


def test_r1_the_leader_proposes_a_new_block_at_once():
    """R1: it builds, signs the proposal, sends it with its block, and notarizes it."""
    node = leading(1)
    effects = node.begin()
    assert of_type(effects, BuildBlock) == [BuildBlock(1, PARENT)]
    assert node.signed() == [(P, 1, A_ID), (N, 1, A_ID)]
    assert broadcast(effects, Proposal) == [node.proposal(1, A)]


def test_r1_a_notarized_block_is_proposed_again_after_some_patience():
    """R1: with rp > 0 no other block; not before the votes that finalize had their time."""
    node = leading(2)
    node.begin()
    certificate = node.certificate(N, 1, A)
    effects = node.receive(certificate)
    assert of_type(effects, StartTimer)[-1] == StartTimer(1, 2, TIMEOUTS.patience_ms)
    assert (P, 2, A_ID) not in node.signed()
    effects = node.fire(2)
    assert of_type(effects, StartTimer)[0] == StartTimer(1, 2, TIMEOUTS.of(2))
    assert (P, 2, A_ID) in node.signed()
    assert broadcast(effects, Proposal)[0].entry == Entry(certificate, ())


def test_r1_after_nullified_rounds_a_new_block_is_proposed():
    """R1: rp = 0 needs the X-certificates of all rounds before."""
    node = leading(2)
    node.begin()
    nullified = node.certificate(X, 1)
    effects = node.receive(nullified)
    assert broadcast(effects, Proposal) == [node.proposal(2, A, Entry(None, (nullified,)))]


def test_r1_nothing_is_proposed_without_an_entry():
    """R1: who skipped a round without its certificate waits for it."""
    node = leading(3)
    node.begin()
    node.receive(node.certificate(X, 2))
    assert P not in [kind for kind, _, _ in node.signed()]
    node.receive(Status(1, 2, Entry(None, (node.certificate(X, 1),))))
    assert node.signed()[-2:] == [(P, 3, A_ID), (N, 3, A_ID)]


def test_r1_a_forgotten_block_is_built_again():
    """R1: other blocks can push the own one out; then a proposal of it would be empty."""
    node = leading(2)
    node.begin()
    node.on(BlockBuilt(1, A_ID, A))
    rules = node.engine._rules
    assert rules is not None
    for number in range(10, 10 + BLOCKS_MAX + 1):
        block = make_block(number)
        rules._facts.add_block(block, id_of(block))
    effects = node.receive(node.certificate(X, 1))
    assert of_type(effects, BuildBlock)
    assert broadcast(effects, Proposal)[0].block == A


def test_r1_time_outs_grow_to_a_limit():
    """R1: base + round * step, at most so much for 64 rounds."""
    assert [TIMEOUTS.of(round_) for round_ in (1, 2, 3, 4, 79)] == [500, 600, 700, 700, 700]


def test_r1_time_outs_that_double_keep_a_height_from_its_last_round():
    """R1: it would take longer than the universe, and no round is long beside what came before."""
    assert [TIMEOUTS.of(round_) for round_ in (80, 95, 96, 112)] == [1_400, 1_400, 2_800, 5_600]
    before_ms = 0
    for round_ in range(1, ROUNDS_MAX):
        if round_ > STEADY_ROUNDS:
            assert TIMEOUTS.of(round_) <= before_ms / 15
        before_ms += TIMEOUTS.of(round_)
    assert before_ms > 10**20


def test_r2_the_first_valid_proposal_is_notarized_once(node):
    """R2: a second one of the round is evidence, and changes nothing."""
    effects = node.receive(node.proposal(1, A))
    assert of_type(effects, CheckBlock) == [CheckBlock(1, A_ID, A)]
    assert broadcast(effects, Vote) == [node.vote(node.number, N, 1, A)]
    effects = node.receive(node.proposal(1, B))
    assert len(of_type(effects, ReportEvidence)) == 1
    assert node.signed() == [(N, 1, A_ID)]


def test_r2_an_invalid_block_ends_the_round_at_once(node):
    """R2, R4: X without waiting for the timer."""
    node.receive(node.proposal(1, make_block(3, valid=False)))
    assert node.signed() == [(X, 1, None)]


def test_r2_an_entry_must_hold():
    """R2: certificates of exactly the rounds between, for the block that is proposed."""
    one = HandDriven()
    nullified, notarized = one.certificate(X, 1), one.certificate(N, 1, A)
    forged = replace(nullified, signatures=(bytes(64), *nullified.signatures[1:]))
    lacking = [
        (B, Entry(None, ())),
        (B, Entry(notarized, ())),
        (A, Entry(notarized, (nullified,))),
        (B, Entry(None, (nullified, nullified))),
        (B, Entry(None, (notarized,))),
        (B, Entry(None, (one.certificate(X, 2),))),
        (A, Entry(one.certificate(F, 1, A), ())),
        (B, Entry(None, (forged,))),
    ]
    for block, entry in lacking:
        node = HandDriven()
        node.table, node.scheme = one.table, one.scheme
        node.begin()
        effects = node.receive(node.proposal(2, block, entry))
        assert node.signed() == []
        assert bool(of_type(effects, Misbehaved)) == (entry.nullified == (forged,))
    node.receive(node.proposal(2, B, Entry(None, (nullified,))))
    assert node.signed() == [(N, 2, B_ID)]


def test_r2_a_proposal_of_a_later_round_leads_there(node):
    """R2: its entry says why that round may start."""
    entry = Entry(node.certificate(N, 1, A), (node.certificate(X, 2),))
    node.receive(node.proposal(3, A, entry))
    assert node.engine.round == 3
    assert (N, 3, A_ID) in node.signed()


def test_r3_a_notarized_block_is_finalized(node):
    """R3: the certificate is sent on, F is signed, and the next round entered."""
    certificate = node.certificate(N, 1, A)
    effects = node.receive(certificate)
    assert broadcast(effects, Certificate) == [certificate]
    assert node.signed() == [(F, 1, A_ID)]
    assert node.engine.round == 2


def test_r3_votes_make_a_certificate():
    """R3: two others and the own vote are a quorum of four."""
    node = leading(1)
    node.begin()
    others = [number for number in range(4) if number != node.number]
    node.receive(node.vote(others[0], N, 1, A))
    assert F not in [kind for kind, _, _ in node.signed()]
    node.receive(node.vote(others[1], N, 1, A))
    assert node.signed()[-1] == (F, 1, A_ID)


def test_r4_the_timer_nullifies_and_everything_is_sent_again(node):
    """R4: X once; then, every retry, all own votes and where the node is."""
    node.receive(node.proposal(1, A))
    first = node.fire(1)
    assert node.signed() == [(N, 1, A_ID), (X, 1, None)]
    assert of_type(first, StartTimer)[-1] == StartTimer(1, 1, TIMEOUTS.retry_ms)
    again = node.fire(1)
    own = [node.vote(node.number, N, 1, A), node.vote(node.number, X, 1)]
    assert broadcast(again, Vote) == own
    assert broadcast(again, Status) == [Status(1, 1, Entry(None, ()))]
    assert len(node.signed()) == 2


def test_r4_an_invalid_block_ends_only_the_first_rounds_at_once(node):
    """R4: where every block is invalid, the last round must not come within minutes."""
    for round_ in range(1, STEADY_ROUNDS + 3):
        invalid = make_block(round_, valid=False)
        entry = Entry(None, tuple(node.certificate(X, each) for each in range(1, round_)))
        if node.leader(round_) != node.number:
            node.receive(node.proposal(round_, invalid, entry))
            assert ((X, round_, None) in node.signed()) == (round_ <= STEADY_ROUNDS)
        node.receive(node.certificate(X, round_))
    assert (X, STEADY_ROUNDS + 3, None) not in node.signed()


def test_r4_a_timer_of_another_round_or_height_is_ignored(node):
    """R4: rounds go forward only."""
    node.receive(node.certificate(X, 1))
    assert node.fire(1) == []
    assert node.signed() == []


def test_r5_a_nullified_round_is_left(node):
    """R5: the certificate is sent on, and the next round entered with a longer time."""
    certificate = node.certificate(X, 1)
    effects = node.receive(certificate)
    assert broadcast(effects, Certificate) == [certificate]
    assert StartTimer(1, 2, TIMEOUTS.of(2)) in effects


@pytest.mark.parametrize("round_", [1, 5])
def test_r6_a_finalized_block_of_any_round_is_decided(node, round_):
    """R6: with what decided it, and every other certificate seen."""
    other = node.certificate(X, 2)
    node.receive(other)
    node.receive(node.proposal(1, A))
    node.receive(BlockReply(1, A))
    certificate = node.certificate(F, round_, A)
    effects = node.receive(Decided(1, A, certificate))
    assert of_type(effects, Finalize) == [Finalize(1, A_ID, A, certificate, (other,))]
    assert node.fire(node.engine.round) == []


def test_r6_a_decision_waits_for_its_block(node):
    """R6: the block is asked for, again after every time-out, and only then committed."""
    effects = node.receive(node.certificate(F, 1, A))
    assert broadcast(effects, BlockRequest) == [BlockRequest(1, A_ID)]
    assert not of_type(effects, Finalize)
    assert broadcast(node.fire(1), BlockRequest) == [BlockRequest(1, A_ID)]
    assert not of_type(node.receive(BlockReply(1, B)), Finalize)
    assert of_type(node.receive(BlockReply(1, A)), Finalize)


def test_r6_a_decision_with_wrong_shares_is_not_one(node):
    """R6: who signed a wrong share is reported; the others' votes still count."""
    certificate = node.certificate(F, 1, A)
    liar = next(number for number in range(4) if number != node.number)
    keys = FOUR.validators[liar]
    statement = certificate.statement
    vote = node.vote_for(liar, statement)
    payload = signed_payload(node.scheme.payload(statement), bytes(96))
    signature = node.table.sign(keys.vote_key, payload)
    bad = replace(vote, share=bytes(96), signature=signature)
    votes = {n: node.vote_for(n, statement) for n in range(4) if n not in (node.number, liar)}
    wrong = node.scheme.certify(statement, votes | {liar: bad})
    assert wrong is not None
    node.receive(node.proposal(1, A))
    effects = node.receive(wrong)
    assert [each.evidence.bad_share for each in of_type(effects, ReportEvidence)] == [bad]
    assert not of_type(effects, Finalize)
    assert of_type(node.receive(node.certificate(N, 1, A)), Finalize)


def test_r6_an_invented_decision_pushes_no_block_out(node):
    """R6: only a block that a certificate names is kept of a decision that somebody sends."""
    node.receive(node.proposal(1, A))
    forged = replace(node.certificate(F, 1, A), signatures=(bytes(64),) * 3)
    for number in range(10, 10 + 2 * BLOCKS_MAX):
        block = make_block(number)
        named = replace(forged.statement, block_id=id_of(block))
        assert of_type(
            node.receive(Decided(1, block, replace(forged, statement=named))), Misbehaved
        )
    assert of_type(node.receive(BlockRequest(1, A_ID)), Send) == [Send(PEER, BlockReply(1, A))]


def test_r7_no_n_after_x(node):
    """R7: a proposal that comes too late is not notarized."""
    node.fire(1)
    node.receive(node.proposal(1, A))
    assert node.signed() == [(X, 1, None)]


def test_r7_no_f_after_x(node):
    """R7: X and F exclude each other; the round ends all the same."""
    node.fire(1)
    node.receive(node.certificate(N, 1, A))
    assert node.signed() == [(X, 1, None)]
    assert node.engine.round == 2


def test_r7_no_x_after_f(node):
    """R7: after F the round is over."""
    node.receive(node.certificate(N, 1, A))
    node.fire(1)
    assert node.signed() == [(F, 1, A_ID)]


def test_r7_no_f_against_the_own_n(node):
    """R7: another block may be notarized, by others."""
    node.receive(node.proposal(1, A))
    node.receive(node.certificate(N, 1, B))
    assert node.signed() == [(N, 1, A_ID)]
    assert node.engine.round == 2


def test_r8_who_is_behind_is_told():
    """R8: a status or a request of a lower height is answered; votes are not."""
    node = HandDriven(height=5)
    node.begin()
    assert node.receive(Status(3, 1, None)) == [SendDecided(PEER, 3)]
    assert node.receive(BlockRequest(4, A_ID)) == [SendDecided(PEER, 4)]
    late = HandDriven(height=4)
    assert node.receive(late.vote(0, N, 1, A)) == []


def test_r8_who_is_behind_asks_once(node):
    """R8: of every peer that is further ahead than one height, until the next time-out."""
    ahead = Status(3, 1, None)
    assert node.receive(ahead) == [Send(PEER, Status(1, 1, None))]
    assert node.receive(ahead) == []
    node.fire(1)
    assert node.receive(ahead) == [Send(PEER, Status(1, 1, None))]


def test_r8_messages_of_the_next_height_wait_for_it(node):
    """R8: while a block is committed, others may be further already."""
    later = HandDriven(height=2)
    later.table = node.table
    block = make_block(1, height=2)
    assert node.receive(later.proposal(1, block)) == []
    effects = node.on(HeightBegan(2, PARENT, FOUR, node.seed))
    assert of_type(effects, CheckBlock) == [CheckBlock(2, id_of(block), block)]


def test_r8_what_waits_is_bounded(node):
    """R8: so many messages of a peer, and together no more blocks than one."""
    later = HandDriven(height=2)
    large = replace(later.proposal(1, A), block=bytes(3 * 1024 * 1024))
    for _ in range(3):
        node.receive(large)
    assert len(node.engine._buffered[PEER]) == 1
    for number in range(2 * BUFFERED_PER_PEER_MAX):
        node.receive(later.vote(0, X, 1 + number))
    assert len(node.engine._buffered[PEER]) == BUFFERED_PER_PEER_MAX


def test_votes_far_ahead_are_dropped(node):
    """Memory is bounded: certificates lead there, not votes."""
    far = 2 + ROUNDS_AHEAD_MAX
    for number in range(4):
        if number != node.number:
            node.receive(node.vote(number, X, far))
    assert node.engine.round == 1
    node.receive(node.certificate(X, far))
    assert node.engine.round == far + 1


def test_a_vote_that_was_not_asked_for_is_a_bug(node):
    """The engine's interface: `Signed` answers `Sign`."""
    with pytest.raises(InvariantViolation):
        node.engine.on(Signed(node.vote(node.number, X, 1)))


def test_w1_w2_the_log_is_flushed_before_and_after_every_signature(node):
    """W1, W2: nothing is signed before what it rests on is on disk, nor leaves before itself is."""
    effects = node.receive(node.certificate(N, 1, A))
    kinds = [
        type(each).__name__
        for each in effects
        if isinstance(each, Append | Flush | Sign | Broadcast)
    ]
    assert kinds == ["Append", "Broadcast", "Flush", "Sign", "Append", "Flush", "Broadcast"]


def test_w3_after_a_crash_the_node_goes_on_where_it_signed_last(node):
    """W3: with the log's records; never back to a round before."""
    node.fire(1)
    node.receive(node.certificate(X, 1))
    node.fire(2)
    records = [each.record for each in of_type(node.effects, Append)]
    again = HandDriven()
    again.table, again.scheme = node.table, node.scheme
    again.engine = again.new_engine()
    effects = again.begin([*records, node.certificate(N, 1, A)])
    assert again.engine.round == 2
    assert broadcast(effects, Vote) == [node.vote(node.number, X, 1), node.vote(node.number, X, 2)]
    again.fire(2)
    assert again.signed() == []


def test_w5_a_vote_that_only_the_signer_remembers_is_kept(node):
    """W5: signed, and the power failed before it was in the log."""
    vote = node.vote(node.number, X, 1)
    again = HandDriven()
    again.table, again.scheme = node.table, node.scheme
    again.engine = again.new_engine()
    effects = again.begin(signed=[vote])
    assert Append(vote) in effects
    again.receive(node.certificate(N, 1, A))
    assert again.signed() == []


def test_w6_who_must_not_sign_still_follows():
    """W6: an observer enters rounds and decides, and asks for each signature only once."""
    node = HandDriven(signs=False)
    node.begin()
    node.receive(node.proposal(1, A))
    node.receive(node.certificate(N, 1, A))
    assert node.signed() == [(N, 1, A_ID), (F, 1, A_ID)]
    assert node.engine.round == 2
    effects = node.receive(node.certificate(F, 1, A))
    assert not broadcast(node.effects, Vote)
    assert of_type(effects, Finalize)


def test_w7_a_block_is_in_the_log_before_a_vote_for_it(node):
    """W7: the power of all may fail; a block that may be decided must not be lost."""
    effects = node.receive(node.proposal(1, A))
    logged = effects.index(Append(KeptBlock(A_ID, A)))
    assert logged < effects.index(Sign(node.statement(N, 1, A)))
    again = HandDriven()
    again.table, again.scheme = node.table, node.scheme
    again.engine = again.new_engine()
    again.begin([each.record for each in of_type(node.effects, Append)])
    assert of_type(again.receive(BlockRequest(1, A_ID)), Send) == [Send(PEER, BlockReply(1, A))]
