"""The lane `verifiable` in the engine: however answers are batched, they are those of `ml.exact`."""

import random
from contextlib import closing
from dataclasses import replace

import pytest

from ml.exact.adapter import load_adapter
from ml.exact.inference import ExactAnswer, answer, first_difference, hashes_of_states
from ml.exact.model import ExactModel
from ml.serving.engine import Engine, EngineSettings
from ml.serving.errors import AdapterRefused, RequestRefused
from ml.serving.merging import Merge
from ml.serving.requests import GenerationRequest, sampler_of
from runtime.types import PPB
from tests.ml.serving.adapters import PROMPT, save_adapter, tokens_of
from tests.ml.serving.test_engine import run

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

TOKENS = 12


@pytest.fixture(scope="module")
def model(base):
    return ExactModel.load(base)


def requests_of(hashes, count, seed=0):
    """Prompts of 1 to 40 tokens through random adapters, or none; every other answer is drawn."""
    source = random.Random(seed)
    return [
        GenerationRequest(
            tuple(source.randrange(3, 200) for _ in range(source.randint(1, 40))),
            source.choice([None, *hashes]),
            source.randint(1, TOKENS),
            temperature_ppb=PPB if number % 2 else 0,
            seed=number,
            lane="verifiable",
        )
        for number in range(count)
    ]


def exact_answer(steps) -> ExactAnswer:
    """What the engine's steps commit to."""
    exact = [step.exact for step in steps]
    states = hashes_of_states([each.state for each in exact])
    return ExactAnswer(tuple(each.token for each in exact), tuple(states))


def alone(model, adapters, request) -> ExactAnswer:
    adapter = request.adapter and load_adapter(adapters / request.adapter.hex(), model.shape)
    return answer(model, adapter, request.prompt_tokens, sampler_of(request), request.tokens_max)


def test_an_answer_in_a_batch_of_32_is_that_of_the_exact_operators_alone(
    make_engine, model, adapters, hashes
):
    """Adapters of all ranks, greedy and drawn, prompts in chunks: every token and state."""
    engine = make_engine(lane="verifiable", slots=32, cache_tokens=4_096, chunk_tokens=16)
    requests = requests_of(hashes, 40)
    for request, steps in zip(requests, run(engine, requests), strict=True):
        given = exact_answer(steps)
        assert given == alone(model, adapters, request)
        adapter = request.adapter and load_adapter(adapters / request.adapter.hex(), model.shape)
        prompt, sampler = request.prompt_tokens, sampler_of(request)
        assert first_difference(model, adapter, prompt, sampler, given) is None


def test_a_known_beginning_changes_no_bit(make_engine, hashes):
    """Pages of an earlier prompt give the answer that computing them again gives."""
    engine = make_engine(lane="verifiable", chunk_tokens=16)
    request = GenerationRequest(tuple(range(5, 45)), hashes[0], 6, lane="verifiable")
    first = run(engine, [request])
    assert run(engine, [request]) == first
    assert engine.figures().batch["shared_tokens"] == 32


def test_an_adapter_of_some_modules_is_exact_too(base, model, tmp_path):
    """What it leaves out adds nothing, to the bit."""
    digest = save_adapter(base, tmp_path, 9, 8, ("q_proj", "down_proj"))
    request = GenerationRequest(PROMPT, digest, TOKENS, lane="verifiable")
    limits = EngineSettings(lane="verifiable", slots=4, cache_tokens=256)
    with closing(Engine(base, tmp_path, limits)) as engine:
        assert exact_answer(run(engine, [request])[0]) == alone(model, tmp_path, request)


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"top_p_ppb": PPB // 2}, "top_p"),
        ({"top_k": 3}, "top_k"),
        ({"presence_penalty_ppb": 1}, "presence_penalty"),
        ({"frequency_penalty_ppb": 1}, "frequency_penalty"),
        ({"temperature_ppb": 1}, "temperature"),
    ],
)
def test_what_is_not_exact_is_refused(make_engine, hashes, changes, parameter):
    """Cuts, penalties and temperatures near 0 have no exact operators."""
    request = replace(GenerationRequest(PROMPT, hashes[0], 4, lane="verifiable"), **changes)
    with pytest.raises(RequestRefused) as refused:
        make_engine(lane="verifiable").submit(request)
    assert refused.value.parameter == parameter


def test_an_engine_answers_in_its_lane_alone(make_engine, hashes):
    """A request of the other lane is refused, by its parameter."""
    with pytest.raises(RequestRefused, match="lane"):
        make_engine().submit(GenerationRequest(PROMPT, hashes[0], 4, lane="verifiable"))


def test_a_merge_is_not_verifiable(make_engine, hashes):
    """Nobody could read it from files."""
    merge = Merge("linear", tuple(hashes[:2]), (PPB, PPB))
    engine = make_engine(lane="verifiable")
    ticket = engine.submit(GenerationRequest(PROMPT, merge, 4, lane="verifiable"))
    while engine.step():
        pass
    with pytest.raises(AdapterRefused, match="fast"):
        tokens_of(ticket)
