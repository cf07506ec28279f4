"""A whole attribute job in a folder: what it leaves, what it opens, and how it is judged."""

from dataclasses import replace

import numpy as np
import pytest

from ml.attribution.inputs import (
    InfluenceInputs,
    decode_influence_inputs,
    encode_influence_inputs,
)
from ml.attribution.payout import RowScore, divide_pool, mean_over_nodes
from ml.attribution.settlement import (
    RESULT_DIRECTORY,
    attribute,
    judged_leaf,
    prepared,
    preview,
    states_at,
)
from ml.attribution.states import ReplayState
from ml.errors import AttributionInvalid, OrderInvalid
from ml.training.run_files import TRANSCRIPT_FILE
from runtime.codec import codec_of
from runtime.hashing import hash_content
from runtime.wire.attribution import AttributionResult
from runtime.wire.blobs import decode_blob
from runtime.wire.influence_transcripts import decode_influence_leaf, needs
from runtime.wire.records import ScoreLeaf
from tests.ml.attribution.conftest import ANSWERS, POOL


@pytest.fixture
def inputs(make_job) -> InfluenceInputs:
    """A job over 24 rows at two nodes."""
    job = make_job(steps=2, checkpoint_count=2)
    return InfluenceInputs(job.training.order, job.training.rows, job.order, tuple(ANSWERS))


@pytest.fixture
def run(inputs, tiny_base, tmp_path):
    """It, done: the outcome, the encoded leaves, and the folder."""
    outcome = attribute(inputs, tiny_base, tmp_path)
    leaves = decode_blob((tmp_path / TRANSCRIPT_FILE).read_bytes(), outcome.leaf_count)
    return outcome, leaves, tmp_path


def test_inputs_are_read_back(inputs):
    """One file has training, rows, order and answers; cut or changed bytes are no inputs."""
    data = encode_influence_inputs(inputs)
    assert decode_influence_inputs(data) == inputs
    with pytest.raises(AttributionInvalid):
        decode_influence_inputs(data[:-1])


def test_the_result_is_what_the_last_leaf_says(run):
    """Its hash is the outcome's; the blobs that it names are in the folder; the pool is divided."""
    outcome, leaves, folder = run
    data = (folder / RESULT_DIRECTORY / "result").read_bytes()
    result = codec_of(AttributionResult).decode(data)
    assert hash_content(data) == outcome.adapter == decode_influence_leaf(leaves[-1]).record_root
    assert hash_content((folder / RESULT_DIRECTORY / "scores").read_bytes()) == result.scores
    assert hash_content((folder / RESULT_DIRECTORY / "payouts").read_bytes()) == result.payouts
    assert (result.pool, outcome.fault, outcome.leaf_count) == (POOL, 0, len(leaves))


def test_every_leaf_is_judged_right_from_what_is_opened(run, inputs, tiny_base):
    """The worker opens the leaf before and, for a step back, the training's state at that step."""
    _outcome, leaves, _folder = run
    job = prepared(inputs, tiny_base)
    for position in (0, 1, 3, 4, 5, 6, len(leaves) - 1):
        needed = needs(job.shape, position)
        states = states_at(inputs, tiny_base, needed)
        opened = [(leaves[place], states[place]) for place in needed]
        assert judged_leaf(inputs, tiny_base, position, opened) == leaves[position]


def test_one_score_shifted_by_one_unit_is_another_last_leaf(run, inputs, tiny_base):
    """Whoever is paid one unit of influence too much has a result that nobody else computes."""
    _outcome, leaves, folder = run
    job = prepared(inputs, tiny_base)
    blob = (folder / RESULT_DIRECTORY / "scores").read_bytes()
    leaves_of_rows = [codec_of(ScoreLeaf).decode(item) for item in decode_blob(blob, 100)]
    scores = [RowScore(each.score, each.error) for each in leaves_of_rows]
    shifted = replace(scores[0], score=scores[0].score + 1)
    lie = divide_pool(job.trained_rows(), [shifted, *scores[1:]], job.classes, POOL, b"t" * 32)
    last = decode_influence_leaf(leaves[-1])
    liar = replace(last, record_root=lie.result(POOL).hash()).encode()
    (before,) = needs(job.shape, len(leaves) - 1)
    opened = [(leaves[before], states_at(inputs, tiny_base, (before,))[before])]
    judged = judged_leaf(inputs, tiny_base, len(leaves) - 1, opened)
    assert judged == leaves[-1] != liar


def test_nothing_follows_a_fault(run, inputs, tiny_base):
    """A transcript that goes on after a fault is wrong wherever it goes."""
    _outcome, leaves, _folder = run
    state = states_at(inputs, tiny_base, (1,))[1]
    faulty = replace(decode_influence_leaf(leaves[1]), fault=1).encode()
    assert judged_leaf(inputs, tiny_base, 2, [(faulty, state)]) is None


def test_a_judge_needs_all_leaves(run, inputs, tiny_base):
    """Without the training's state a step back cannot be judged."""
    _outcome, leaves, _folder = run
    state = states_at(inputs, tiny_base, (3,))[3]
    with pytest.raises(OrderInvalid, match="judged from"):
        judged_leaf(inputs, tiny_base, 4, [(leaves[3], state)])


def test_a_preview_explains_single_answers(run, inputs, tiny_base):
    """TracIn over what the run has kept: one number a row and answer, the same rows as the scores."""
    _outcome, _leaves, folder = run
    found = preview(inputs, tiny_base, folder)
    job = prepared(inputs, tiny_base)
    assert found.shape == (len(job.trained_rows()), len(ANSWERS))
    assert np.isfinite(found).all()
    assert found.any()


def test_the_scores_are_the_mean_of_the_nodes(run, inputs, tiny_base):
    """Each row's score and error follow from the last state, which is opened in a dispute."""
    _outcome, leaves, folder = run
    job = prepared(inputs, tiny_base)
    (before,) = needs(job.shape, len(leaves) - 1)
    last = ReplayState.decode(states_at(inputs, tiny_base, (before,))[before])
    expected = mean_over_nodes(last.scores.tolist(), 2**10)
    blob = (folder / RESULT_DIRECTORY / "scores").read_bytes()
    leaves_of_rows = [codec_of(ScoreLeaf).decode(item) for item in decode_blob(blob, 100)]
    scores = [RowScore(each.score, each.error) for each in leaves_of_rows]
    assert [(leaf.score, leaf.error) for leaf in scores] == [
        (each.score, each.error) for each in expected
    ]
