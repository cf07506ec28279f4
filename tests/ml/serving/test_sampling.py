"""Choosing tokens: by a pinned stream, cuts and penalties."""

import math

import pytest
import torch
from transformers import RepetitionPenaltyLogitsProcessor

from ml.serving.requests import GenerationRequest
from ml.serving.sampling import choose_token, logprobs_of, uniform
from runtime.types import PPB

LOGITS = torch.log(torch.tensor([0.5, 0.0, 0.3, 0.2]))


def draws(count=400, answer=(), **fields):
    """What is drawn from `LOGITS` at temperature 1, as the share of each token."""
    drawn = []
    for seed in range(count):
        request = GenerationRequest((1,), None, temperature_ppb=PPB, seed=seed, **fields)
        drawn.append(choose_token(LOGITS, request, answer))
    return [drawn.count(token) / count for token in range(4)]


def test_draws_follow_the_distribution():
    """Sampling picks tokens as often as their probabilities say."""
    assert draws(2_000) == pytest.approx([0.5, 0, 0.3, 0.2], abs=0.04)


def test_the_stream_is_pinned():
    """The number of a seed and a position is the same on every machine and in every version."""
    assert [uniform(0, 0), uniform(7, 3)] == [0.7232069684924569, 0.11564754211173078]


def test_top_k_keeps_the_likeliest():
    """Only so many tokens are drawn from."""
    assert draws(top_k=2) == pytest.approx([0.625, 0, 0.375, 0], abs=0.1)
    assert draws(top_k=1) == [1, 0, 0, 0]


def test_top_p_keeps_the_smallest_set_that_holds_it():
    """The token that crosses the share is the last that is kept."""
    assert draws(top_p_ppb=PPB // 2) == [1, 0, 0, 0]
    assert draws(top_p_ppb=51 * PPB // 100) == pytest.approx([0.625, 0, 0.375, 0], abs=0.1)


def test_ties_are_cut_by_index():
    """Of equal tokens the first stays, so that a cut is the same everywhere."""
    request = GenerationRequest((1,), None, temperature_ppb=PPB, top_k=1, seed=5)
    assert choose_token(torch.zeros(4), request, ()) == 0


def test_penalties_are_those_of_openai():
    """A token that was said loses the presence penalty once and the frequency penalty each time."""
    request = GenerationRequest(
        (1,), None, presence_penalty_ppb=PPB // 10, frequency_penalty_ppb=PPB // 4
    )
    logits = torch.tensor([1.0, 0.7, 0.0])
    assert choose_token(logits, request, ()) == 0
    assert choose_token(logits, request, (0,)) == 1
    assert choose_token(logits, request, (0, 1)) == 0
    assert choose_token(logits, request, (0, 0, 0, 1)) == 1


def test_the_repetition_penalty_is_that_of_transformers():
    """Tokens of prompt and answer are divided where positive, multiplied where negative."""
    logits = torch.tensor([1.0, 0.9, -0.5, -0.6])
    request = GenerationRequest((0,), None, repetition_penalty_ppb=3 * PPB // 2)
    theirs = RepetitionPenaltyLogitsProcessor(1.5)
    for answer in ((), (1,), (1, 2)):
        expected = theirs(torch.tensor([[0, *answer]]), logits[None])[0]
        assert choose_token(logits, request, answer) == int(expected.argmax())
    assert choose_token(logits, request, ()) == 1
    assert choose_token(logits, request, (1,)) == 0


def test_logprobs_are_those_of_the_logits():
    """The likeliest come first, and the chosen one is stated whatever it is."""
    stated = logprobs_of(LOGITS, 3, 2)
    assert stated.chosen == pytest.approx(math.log(0.2))
    assert [token for token, _ in stated.likeliest] == [0, 2]
    assert [value for _, value in stated.likeliest] == pytest.approx([math.log(0.5), math.log(0.3)])
