"""An attribute job's leaves: each follows from what it is judged from, and a changed bit is found."""

from dataclasses import replace

import pytest
import torch

from ml.attribution import influence_steps, trail
from ml.attribution.influence_job import prepare_influence
from ml.attribution.influence_steps import direction_bytes, next_leaf, row_contribution
from ml.attribution.metagradient import Replay, metagradients, replay
from ml.attribution.states import ReplayState
from ml.errors import AttributionInvalid, OrderInvalid
from ml.exact.adapter import Adapter
from ml.exact.adjoint import undo_step
from ml.exact.gradients import Fault, evaluate
from ml.exact.optimiser import AdamState
from ml.exact.products import Backend
from ml.training.recipe import step_settings
from runtime.merkle import list_root
from runtime.offchain import Answer
from runtime.wire.influence_transcripts import Phase, needs, place_of
from runtime.wire.transcripts import state_root
from tests.ml.attribution.conftest import ANSWERS, POOL

BACKENDS: tuple[Backend, ...] = ("int8", "float64")
RECIPES = [
    {"steps": 4},
    {"steps": 3, "dropout_ppb": 250_000_000, "clip_norm_ppb": 1_000_000, "batch_rows": 30},
]


def run(job) -> tuple[Replay, dict[int, bytes]]:
    """A replay with all of its states."""
    states: dict[int, bytes] = {}
    return replay(job, states.__setitem__), states


def opened(job, done, states, position):
    """What an honest worker opens for a leaf."""
    return [(done.leaves[place], states[place]) for place in needs(job.shape, position)]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_leaf_follows_from_what_it_is_judged_from(make_job, recipe):
    """The whole transcript again, leaf by leaf, each from the states that an opening shows."""
    job = make_job(**recipe)
    done, states = run(job)
    assert len(done.leaves) == job.shape.leaf_count
    for position, leaf in enumerate(done.leaves):
        assert next_leaf(job, position, opened(job, done, states, position)) == leaf


def test_a_run_that_keeps_less_computes_the_same(make_job, monkeypatch):
    """Kept whole or computed again between a few states, the transcript has the same bits."""
    job = make_job(nodes=1, steps=7)
    whole = replay(job)
    monkeypatch.setattr(trail, "TRAIL_BYTES_MAX", 0)
    assert replay(job).leaves == whole.leaves


@pytest.mark.parametrize("steps", [1, 2, 7, 9, 10])
def test_memory_is_two_roots_of_the_steps(make_job, monkeypatch, steps):
    """While going back, there are never more than 2 sqrt(T) + 1 states, and every step comes."""
    monkeypatch.setattr(trail, "TRAIL_BYTES_MAX", 0)
    job = make_job(nodes=1, steps=steps, warmup_steps=1, checkpoint_count=1, batch_rows=1)
    walk = trail.Trail(job.training, 1.0)
    seen, most = [], 0
    for _taken in walk.forward():
        most = max(most, walk.state_count)
    for taken in walk.backward():
        seen.append(taken.step)
        most = max(most, walk.state_count)
    assert seen == list(range(steps, 0, -1))
    assert most <= 2 * (steps - 1) ** 0.5 + 2


def test_one_row_at_one_step_is_checked_by_that_row_alone(make_job):
    """Each contribution of a backward leaf follows from its direction and its forward state."""
    job = make_job(nodes=1, **RECIPES[1])
    done, states = run(job)
    position = job.shape.node_leaves - 2
    place, (last, start) = place_of(job.shape, position), needs(job.shape, position)
    assert (place.phase, place.step) == (Phase.BACKWARD, 2)
    after, before = ReplayState.decode(states[last]), AdamState.decode(states[start])
    batch = trail.gradient_of(job.training, before, 2)
    settings = step_settings(job.training.parameters, 2)
    direction = direction_bytes(undo_step(after.adjoint, before, batch, settings, 1.0).direction)
    assert state_root(direction) == done.leaves[position].direction_root
    found = [
        row_contribution(job, position, direction, before, number)
        for number in range(len(job.training.plan.batches[1]))
    ]
    leaf = done.leaves[position]
    assert list_root([one.encode() for one in found]) == leaf.record_root
    assert sum(one.units for one in found) == leaf.total


def test_scores_are_the_contributions_of_all_steps(make_job):
    """A node's scores sum to its leaves' totals; the conclusion pays the mean of the nodes."""
    job = make_job()
    done, _states = run(job)
    for node, scores in enumerate(done.node_scores.tolist()):
        leaves = done.leaves[node * job.shape.node_leaves : (node + 1) * job.shape.node_leaves]
        backward = leaves[job.shape.steps + 2 :]
        assert sum(scores) == sum(leaf.total for leaf in backward)
    assert done.payout is not None
    assert sum(leaf.amount for leaf in done.payout.payouts) == POOL
    first = sum(scores[0] for scores in done.node_scores.tolist()) / 2 / 2**10
    assert abs(done.payout.scores[0].score - first) <= 0.5
    assert done.leaves[-1].record_root == done.payout.result(POOL).hash()


def test_a_replay_agrees_with_single_targets(make_job):
    """With one answer of the whole fee the transcript's scores are that target's."""
    job = make_job(nodes=1, answers=ANSWERS[:1], gain_floor_grid=0, steps=4)
    done, _states = run(job)
    single = metagradients(job.training, job.answers)
    both = metagradients(job.training, [*job.answers, *job.training.validation[:2]])
    assert torch.equal(both[:, :1], single)
    torch.testing.assert_close(
        done.node_scores[0].double() / 2**40, single[:, 0], rtol=0.0, atol=4 * 2**-40
    )


def test_other_leaves_and_states_are_refused(make_job):
    """A changed bit of a state, a leaf of elsewhere, a leaf of another job."""
    job = make_job(nodes=1)
    done, states = run(job)
    position = job.shape.leaf_count - 2
    honest = opened(job, done, states, position)
    for number in range(2):
        leaf, state = honest[number]
        changed = [*honest]
        changed[number] = (leaf, bytes([state[0] ^ 1]) + state[1:])
        with pytest.raises(OrderInvalid, match="The state is not"):
            next_leaf(job, position, changed)
        changed[number] = (replace(leaf, job=bytes(32)), state)
        with pytest.raises(OrderInvalid, match="is not of job"):
            next_leaf(job, position, changed)
    with pytest.raises(OrderInvalid, match="is judged from"):
        next_leaf(job, position, honest[:1])
    other = replace(honest[0][0], state_root=state_root(b"another state"))
    changed = [(other, b"another state"), honest[1]]
    with pytest.raises(AttributionInvalid, match="cannot have 13 bytes"):
        next_leaf(job, position, changed)


def test_a_fault_is_the_last_leaf(make_job, monkeypatch):
    """A contribution beyond all reason ends the job, and nothing follows it."""
    job = make_job(nodes=2)
    monkeypatch.setattr(influence_steps, "CONTRIBUTION_MAX", 0.0)
    done, states = run(job)
    assert done.payout is None
    assert [bool(leaf.fault) for leaf in done.leaves] == [False] * (job.shape.steps + 2) + [True]
    assert done.leaves[-1].fault == Fault.CONTRIBUTION_TOO_LARGE
    assert done.leaves[-1].state_root == done.leaves[-2].state_root
    behind = len(done.leaves)
    assert next_leaf(job, behind, opened(job, done, states, behind)) is None


def test_the_backend_changes_no_bit(make_job):
    """A transcript in float64 products is the one in int8 products."""
    leaves = [replay(make_job(nodes=1, steps=3, backend=kind)).leaves for kind in BACKENDS]
    assert leaves[0] == leaves[1]


def test_four_nodes_contain_two(make_job):
    """Full and half weights are among the quarters, so their scores are the same."""
    two, four = (make_job(nodes=count, steps=3) for count in (2, 4))
    assert [four.weight(node) for node in range(4)] == [1.0, 0.75, 0.5, 0.25]
    assert torch.equal(replay(four).node_scores[::2], replay(two).node_scores)


def test_an_answer_weighs_its_fee_over_what_the_adapter_gained_on_it(make_job):
    """At most its part of the fees; less where the gain is above the floor; found once."""
    job = make_job(nodes=2, gain_floor_grid=2**20)
    _done, states = run(job)
    last = AdamState.decode(states[job.shape.steps])
    adapter = Adapter(job.training.layout, last.parameters)
    model = job.training.model
    losses, bases = evaluate(model, adapter, job.answers), evaluate(model, None, job.answers)
    expected = [
        2**30 * fee * 2**20 // (sum(job.fees) * max(base - loss, 2**20))
        for fee, loss, base in zip(job.fees, losses, bases, strict=True)
    ]
    for node in range(2):
        place = node * job.shape.node_leaves + job.shape.steps + 1
        assert ReplayState.decode(states[place]).shares.tolist() == expected
    assert min(expected) < 2**30 * min(job.fees) // sum(job.fees)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"training": bytes(32)}, "replays another training"),
        ({"answer_count": 2}, "are not those"),
        ({"answers_root": bytes(32)}, "are not those"),
        ({"nodes": 0}, "at 0 nodes"),
        ({"nodes": 5}, "at 5 nodes"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(make_job, change, complaint):
    """Another training, other answers, and no number of nodes that there is."""
    job = make_job()
    with pytest.raises(AttributionInvalid, match=complaint):
        prepare_influence(job.training, replace(job.order, **change), ANSWERS)


def test_recipes_and_answers_without_scores_are_refused(make_job):
    """Rows that share sequences, and answers that nobody paid for."""
    with pytest.raises(AttributionInvalid, match="share sequences"):
        make_job(packing=True)
    with pytest.raises(AttributionInvalid, match="can be attributed"):
        make_job(answers=[Answer("Who?", "Me.", 0)])
