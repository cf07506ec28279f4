"""The verifiable lane: decoding is prefill to the bit, and one prefill finds every change."""

from dataclasses import replace

import pytest
import torch

from ml.errors import OrderInvalid
from ml.exact import inference
from ml.exact.inference import ExactAnswer, Reading, answer, first_difference
from ml.exact.sampling import Sampler, choose, seed_of
from tests.ml.exact.conftest import CONTEXT

PROMPT = (5, 9, 11, 40, 3)
SAMPLERS = [Sampler(), Sampler(1.3, seed_of(b"request", b"beacon"))]
TOKENS = 45


@pytest.fixture(scope="module")
def endless(model):
    """The model without an end token, so that answers are as long as asked."""
    return replace(model, end_tokens=frozenset())


@pytest.fixture(scope="module", params=SAMPLERS, ids=["greedy", "sampled"])
def said(request, endless, adapter):
    sampler = request.param
    return sampler, answer(endless, adapter, PROMPT, sampler, TOKENS)


@pytest.mark.parametrize("chunk", [1, 3, 256])
def test_a_text_has_the_same_states_in_any_pieces(model, adapter, monkeypatch, chunk):
    """Token by token, in chunks, or at once."""
    tokens = list(range(1, 60))
    whole = Reading(model, adapter, CONTEXT).read(tokens)
    monkeypatch.setattr(inference, "CHUNK_TOKENS", chunk)
    reading = Reading(model, adapter, CONTEXT)
    pieces = torch.cat([reading.read(tokens[:20]), reading.read(tokens[20:])])
    assert torch.equal(pieces, whole)


def test_one_prefill_accepts_an_honest_answer(endless, adapter, said, reference):
    """On the server's backend and on the other."""
    sampler, given = said
    assert len(given.tokens) == TOKENS
    assert len(given.states) == 2
    assert first_difference(endless, adapter, PROMPT, sampler, given) is None
    other = replace(reference, end_tokens=frozenset())
    assert first_difference(other, adapter, PROMPT, sampler, given) is None


@pytest.mark.parametrize("place", [0, 17, 31, 32, TOKENS - 1])
@pytest.mark.parametrize("change", [1, 1_000, -1_000])
def test_one_prefill_finds_a_changed_token(endless, adapter, said, place, change):
    """At its place, whether it is another token of the vocabulary or none."""
    sampler, given = said
    tokens = list(given.tokens)
    tokens[place] = (tokens[place] + 1) % 97 if change == 1 else tokens[place] + change
    changed = replace(given, tokens=tuple(tokens))
    assert first_difference(endless, adapter, PROMPT, sampler, changed) == place


def test_one_prefill_finds_changed_states(endless, adapter, said):
    """Guessed tokens do not help a server that cannot name the states, or names too many."""
    sampler, given = said
    wrong = replace(given, states=(given.states[0], bytes(32)))
    assert first_difference(endless, adapter, PROMPT, sampler, wrong) == 32
    for states in ((), given.states[:1], (*given.states, bytes(32))):
        other = replace(given, states=states)
        assert first_difference(endless, adapter, PROMPT, sampler, other) == 0


def test_another_adapter_or_seed_is_found(endless, adapter, said):
    """The answer of the base model is not the adapter's."""
    sampler, given = said
    assert first_difference(endless, None, PROMPT, sampler, given) is not None
    other = Sampler(1.3, seed_of(b"request", b"another beacon"))
    assert first_difference(endless, adapter, PROMPT, other, given) is not None


def test_an_answer_ends_at_an_end_token(endless, adapter, said):
    """And one that goes on behind it is not the model's."""
    sampler, given = said
    end = given.tokens[7]
    place = given.tokens.index(end)
    ending = replace(endless, end_tokens=frozenset([end]))
    cut = answer(ending, adapter, PROMPT, sampler, TOKENS)
    assert cut.tokens == given.tokens[: place + 1]
    assert first_difference(ending, adapter, PROMPT, sampler, cut) is None
    assert first_difference(ending, adapter, PROMPT, sampler, given) == place + 1


def test_sampling_draws_the_softmax():
    """Over many places, the shares of the tokens are their probabilities."""
    logits = torch.tensor([0.0, 1.0, 2.0, -60.0]).expand(4_000, 4)
    drawn = choose(logits, 0, Sampler(2.0, b"seed"))
    shares = torch.bincount(torch.tensor(drawn), minlength=4) / len(drawn)
    torch.testing.assert_close(shares, (logits[0] / 2).softmax(0), rtol=0, atol=0.03)
    assert shares[3] == 0
    assert choose(logits[5:9], 5, Sampler(2.0, b"seed")) == drawn[5:9]


def test_the_lowest_of_equal_tokens_is_chosen():
    """On every machine: `argmax` would not say."""
    assert choose(torch.tensor([[0.0, 7.0, 7.0, 7.0]]), 0, Sampler()) == [1]


def test_what_cannot_be_answered_is_refused(model):
    """Empty or foreign prompts, no tokens, more than the context, and odd temperatures."""
    for prompt, tokens in (((), 1), ((1,), 0), ((1,), CONTEXT), ((97,), 1), ((-1,), 1)):
        with pytest.raises(OrderInvalid):
            answer(model, None, prompt, Sampler(), tokens)
    with pytest.raises(OrderInvalid):
        first_difference(model, None, PROMPT, Sampler(), ExactAnswer((), ()))
    for temperature in (-1.0, 1e-9, 1e9, float("nan")):
        with pytest.raises(OrderInvalid, match="temperature"):
            Sampler(temperature)
