"""The engine: equal to PEFT, and to itself whatever else is in the batch."""

import random
import threading
from contextlib import closing
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, MistralConfig, Qwen2Config, Qwen3Config

from ml.serving.engine import Engine, EngineSettings
from ml.serving.errors import (
    AdapterMissing,
    AdapterRefused,
    EngineStopped,
    QueueFull,
    RequestRefused,
)
from ml.serving.merging import Merge
from ml.serving.requests import GenerationRequest
from ml.serving.ticket import Ticket
from runtime.types import PPB
from tests.ml.serving.adapters import (
    PROMPT,
    answer_all,
    peft_tokens,
    rename_to_hash,
    save_adapter,
    tokens_of,
)

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")


def random_requests(hashes, count, seed=0, tokens_max=12):
    """Requests of all kinds: lengths, adapters, greedy and sampled, each stating its logits."""
    source = random.Random(seed)
    return [
        GenerationRequest(
            tuple(source.randrange(5, 200) for _ in range(source.randint(1, 40))),
            source.choice([None, *hashes]),
            source.randint(1, tokens_max),
            temperature_ppb=source.choice([0, PPB]),
            seed=source.randrange(100),
            top_p_ppb=source.choice([PPB, PPB // 2]),
            top_k=source.choice([0, 10]),
            logprobs=3,
        )
        for _ in range(count)
    ]


def steps_of(ticket: Ticket):
    """All steps of a finished answer; its log-probabilities are the bits of the logits."""
    steps = [ticket.next_step()]
    while steps[-1].finish is None:
        steps.append(ticket.next_step())
    return steps


def run(engine, requests):
    tickets = [engine.submit(request) for request in requests]
    while engine.step():
        pass
    return [steps_of(ticket) for ticket in tickets]


def test_greedy_tokens_equal_peft(make_engine, base, adapters, hashes):
    """In float32, all adapters in one batch, the tokens are those of PEFT and `generate`."""
    engine = make_engine(precision="float32")
    requests = [GenerationRequest(PROMPT, key, 20) for key in (None, *hashes)]
    expected = [peft_tokens(base, adapters, key, 20) for key in (None, *hashes)]
    assert answer_all(engine, requests) == expected
    assert len({tuple(answer) for answer in expected}) == len(expected)


def test_an_adapter_of_some_layers_equals_peft(make_engine, base, tmp_path):
    """Layers that an adapter does not change are the base model's."""
    digest = save_adapter(base, tmp_path, 9, 8, ("q_proj", "down_proj"))
    engine = make_engine(directory=tmp_path, precision="float32")
    expected = [peft_tokens(base, tmp_path, digest, 12)]
    assert answer_all(engine, [GenerationRequest(PROMPT, digest, 12)]) == expected


def test_int8_follows_float32(make_engine, hashes):
    """Rounded base layers give logits close to the exact ones."""
    requests = [GenerationRequest(PROMPT, key, 1, logprobs=0) for key in (None, *hashes)]
    exact, rounded = (
        [steps[0].logprobs.chosen for steps in run(make_engine(precision=precision), requests)]
        for precision in ("float32", "int8")
    )
    assert rounded == pytest.approx(exact, abs=0.5)


def test_a_request_alone_has_the_bits_it_has_among_32(make_engine, hashes):
    """The lane `fast` is invariant to company, to the last bit of every logit."""
    engine = make_engine(slots=32, cache_tokens=4_096)
    requests = random_requests(hashes, 32)
    together = run(engine, requests)
    backwards = run(make_engine(slots=32, cache_tokens=4_096), requests[::-1])[::-1]
    alone = [run(make_engine(slots=1), [request])[0] for request in requests[:12]]
    assert together == backwards
    assert together[:12] == alone


def test_chunks_of_a_prompt_equal_the_whole(make_engine, hashes):
    """Computing a prompt in pieces of a page, a few at a time, gives the same tokens."""
    requests = [replace(request, logprobs=None) for request in random_requests(hashes, 8, seed=3)]
    whole = run(make_engine(), requests)
    assert run(make_engine(chunk_tokens=16, prompt_tokens_per_step=16), requests) == whole


def test_pages_in_any_order_equal_pages_in_a_row(make_engine, hashes):
    """Where pages lie is of no consequence: after much traffic they are scattered."""
    requests = random_requests(hashes, 8, seed=4)
    fresh = run(make_engine(), requests)
    used = make_engine(cache_tokens=640)
    for seed in range(5, 9):
        run(used, random_requests(hashes, 6, seed=seed))
    assert run(used, requests) == fresh


def test_a_known_beginning_is_not_computed_again(make_engine, hashes):
    """A prompt whose pages are known gives the same bits from fewer tokens."""
    engine = make_engine(chunk_tokens=16)
    request = GenerationRequest(tuple(range(5, 45)), hashes[0], 6, logprobs=3)
    first = run(engine, [request])
    computed = engine.figures().batch["prompt_tokens"]
    assert run(engine, [request]) == first
    assert engine.figures().batch["prompt_tokens"] - computed == 40 - 32


def test_known_beginnings_belong_to_one_adapter(make_engine, base, adapters, hashes):
    """The same prompt through another adapter shares nothing with the first."""
    engine = make_engine(precision="float32", chunk_tokens=16)
    prompt = tuple(range(5, 45))
    for key in (*hashes[:3], None, hashes[0]):
        expected = [peft_tokens(base, adapters, key, 6, prompt)]
        assert answer_all(engine, [GenerationRequest(prompt, key, 6)]) == expected


def test_more_requests_than_slots_and_pages_all_answer(make_engine, hashes):
    """The queue empties through two slots and few pages, and every answer is whole."""
    engine = make_engine(slots=2, cache_tokens=64)
    requests = random_requests(hashes, 20, seed=6)
    whole = run(make_engine(slots=32, cache_tokens=4_096), requests)
    assert run(engine, requests) == whole
    assert engine.figures().running == 0


def test_more_adapters_than_memory_all_answer(make_engine, hashes):
    """A budget of one row serves all adapters, one after another."""
    engine = make_engine(adapters_resident_bytes=1, slots=4)
    requests = random_requests(hashes, 16, seed=7)
    assert run(engine, requests) == run(make_engine(), requests)
    assert engine.figures().adapters_resident <= 1


def test_a_packed_adapter_outlives_its_folder(make_engine, base, tmp_path):
    """Files removed under load do not disturb an adapter that was packed."""
    digest = save_adapter(base, tmp_path, 21)
    request = GenerationRequest(PROMPT, digest, 6)
    first = answer_all(make_engine(directory=tmp_path), [request])
    for file in (tmp_path / digest.hex()).iterdir():
        file.unlink()
    again = make_engine(directory=tmp_path)
    assert answer_all(again, [request]) == first
    assert again.figures().adapters_found_in == {"packed": 1}


def test_a_bad_adapter_fails_alone(make_engine, hashes):
    """One request of a batch learns that its adapter is missing; the others are answered."""
    engine = make_engine()
    good = [GenerationRequest(PROMPT, key, 6) for key in hashes]
    alone = answer_all(engine, good)
    bad = engine.submit(GenerationRequest(PROMPT, bytes(32), 6))
    assert answer_all(engine, good) == alone
    with pytest.raises(AdapterMissing):
        bad.next_step()


def test_infinite_numbers_fail_alone(make_engine, base, tmp_path, hashes):
    """An adapter of finite but enormous weights harms no neighbour, nor who has its pages later."""
    staging = tmp_path / "staging"
    good = save_adapter(base, tmp_path, 31)
    (tmp_path / good.hex()).rename(staging)
    weights = staging / "adapter_model.safetensors"
    tensors = {name: tensor * 1e30 for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    huge = rename_to_hash(staging)
    good = save_adapter(base, tmp_path, 31)
    engine = make_engine(directory=tmp_path, slots=4, cache_tokens=128)
    request = GenerationRequest(PROMPT, good, 20)
    alone = answer_all(engine, [request])
    for _ in range(3):
        bad = engine.submit(GenerationRequest(PROMPT, huge, 20))
        assert answer_all(engine, [request]) == alone
        with pytest.raises(AdapterRefused, match="finite"):
            bad.next_step()


def test_a_cancelled_answer_gives_back_its_place(make_engine, hashes):
    """Waiting, computing or streaming: who leaves takes nothing from the others."""
    engine = make_engine(slots=2, cache_tokens=128)
    requests = random_requests(hashes, 8, seed=8)
    tickets = [engine.submit(request) for request in requests]
    engine.step()
    for ticket in tickets[::2]:
        ticket.cancel()
    while engine.step():
        pass
    whole = run(make_engine(), requests)
    assert [steps_of(ticket) for ticket in tickets[1::2]] == whole[1::2]
    figures = engine.figures()
    assert (figures.running, figures.ready, figures.waiting) == (0, 0, 0)
    assert engine._batch._table.available_count == 128 // 16


def test_a_full_queue_refuses(make_engine, hashes):
    """Neither all requests nor those of one adapter wait without bound; leaving makes room."""
    engine = make_engine(slots=1, waiting_max=4, waiting_per_adapter_max=2)
    with pytest.raises(QueueFull):
        [engine.submit(GenerationRequest(PROMPT, hashes[0], 2)) for _ in range(9)]
    while engine.step():
        pass
    assert answer_all(engine, [GenerationRequest(PROMPT, hashes[0], 2)])


def test_adapters_take_turns(make_engine, hashes):
    """One request through a quiet adapter does not wait for a crowd at another."""
    engine = make_engine(slots=1)
    crowd = [engine.submit(GenerationRequest(PROMPT, hashes[0], 4)) for _ in range(12)]
    quiet = engine.submit(GenerationRequest(PROMPT, hashes[1], 4))
    while not quiet.closed:
        engine.step()
    assert sum(ticket.closed for ticket in crowd) < 6


def test_few_answers_are_computed_in_few_rows(make_engine, hashes):
    """When most of a batch is done, the rest moves down, and its answers stay the same."""
    engine = make_engine(slots=8)
    prompts = [GenerationRequest(PROMPT, key, 4, logprobs=3) for key in (hashes * 2)[:7]]
    last = GenerationRequest(PROMPT, hashes[2], 40, logprobs=3)
    together = run(engine, [*prompts, last])
    assert together[-1] == run(make_engine(), [last])[0]
    batch = engine.figures().batch
    assert batch["rows"] <= 2 * batch["answer_tokens"]


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"prompt_tokens": ()}, "prompt"),
        ({"prompt_tokens": PROMPT * 20}, "prompt"),
        ({"prompt_tokens": (5, 100_000)}, "prompt"),
        ({"tokens_max": 0}, "max_tokens"),
        ({"tokens_max": 60}, "max_tokens"),
        ({"temperature_ppb": 2 * PPB + 1}, "temperature"),
        ({"top_p_ppb": 0}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"presence_penalty_ppb": 3 * PPB}, "presence_penalty"),
        ({"frequency_penalty_ppb": -3 * PPB}, "frequency_penalty"),
        ({"logprobs": 21}, "logprobs"),
        ({"seed": -1}, "seed"),
        ({"stops": ("",)}, "stop"),
        ({"adapter": Merge("linear", (bytes(32),), (PPB,))}, "adapters"),
    ],
)
def test_a_bad_request_names_its_parameter(make_engine, fields, parameter):
    """What cannot be answered is refused when it is submitted."""
    request = GenerationRequest(**{"prompt_tokens": PROMPT, "adapter": None} | fields)
    with pytest.raises(RequestRefused) as refusal:
        make_engine().submit(request)
    assert refusal.value.parameter == parameter


def test_more_tokens_than_the_cache_are_refused(make_engine):
    """A request that could never have its pages does not wait for them."""
    engine = make_engine(cache_tokens=32)
    with pytest.raises(RequestRefused, match="keeps 32"):
        engine.submit(GenerationRequest(PROMPT, None, 40))


def test_closing_fails_what_is_not_done(base, adapters, hashes):
    """Nobody waits for an engine that is closed, and it takes nothing more."""
    engine = Engine(base, adapters)
    tickets = [engine.submit(GenerationRequest(PROMPT, key, 20)) for key in hashes]
    engine.step()
    engine.close()
    for ticket in tickets:
        with pytest.raises(EngineStopped):
            tokens_of(ticket)
    with pytest.raises(EngineStopped):
        engine.submit(GenerationRequest(PROMPT, None))


def test_a_fault_is_told_to_all(make_engine, hashes, monkeypatch):
    """If computing itself fails, every request hears of it and the engine refuses more."""
    engine = make_engine()

    def fail(*_):
        raise RuntimeError("no memory")

    monkeypatch.setattr(engine._batch, "step", fail)
    engine.start()
    ticket = engine.submit(GenerationRequest(PROMPT, hashes[0], 4))
    with pytest.raises(EngineStopped, match="no memory"):
        tokens_of(ticket)


def test_threads_share_a_started_engine(make_engine, hashes):
    """32 clients at once get what each gets alone."""
    engine = make_engine(slots=8)
    engine.start()
    requests = random_requests(hashes, 32, seed=9)
    answers = [None] * len(requests)

    def ask(index):
        answers[index] = steps_of(engine.submit(requests[index]))

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == run(make_engine(), requests)


@pytest.fixture(scope="module")
def expected_steps(base, adapters, hashes):
    """Each of some requests, and its steps alone."""
    requests = random_requests(hashes, 10, seed=11, tokens_max=8)
    with closing(Engine(base, adapters, EngineSettings(slots=1, cache_tokens=128))) as engine:
        return [(request, run(engine, [request])[0]) for request in requests]


actions = st.lists(
    st.tuples(st.sampled_from(["submit", "step", "cancel"]), st.integers(0, 9)), max_size=40
)


@settings(max_examples=25, deadline=None)
@given(actions=actions, slots=st.integers(1, 5), pages=st.integers(4, 12))
def test_any_schedule_gives_the_same_answers(base, adapters, expected_steps, actions, slots, pages):
    """However requests arrive, leave and share slots and pages, each answer is its own."""
    limits = EngineSettings(slots=slots, cache_tokens=16 * pages, prompt_tokens_per_step=32)
    with closing(Engine(base, adapters, limits)) as engine:
        tickets = []
        for action, index in actions:
            if action == "submit":
                request, steps = expected_steps[index]
                tickets.append((engine.submit(request), steps))
            elif action == "step":
                engine.step()
            elif tickets:
                tickets[index % len(tickets)][0].cancel()
        while engine.step():
            pass
        for ticket, steps in tickets:
            if not ticket.cancelled:
                assert steps_of(ticket) == steps
        assert engine._batch._table.available_count == pages
        assert engine._batch.running_count == 0


def test_numbers_of_all_model_families_equal_transformers(tmp_path):
    """Qwen's biases and head norms, and Mistral's window, are computed as transformers does."""
    sizes = {
        "vocab_size": 64,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
        "eos_token_id": None,
        "bos_token_id": None,
    }
    for config in (
        MistralConfig(**sizes, head_dim=16, sliding_window=48),
        Qwen2Config(**sizes),
        Qwen3Config(**sizes, head_dim=16),
    ):
        torch.manual_seed(1)
        model = AutoModelForCausalLM.from_config(config).eval()
        for parameter in model.parameters():
            if parameter.dim() == 1:
                torch.nn.init.normal_(parameter, mean=1.0, std=0.3)
        directory = tmp_path / config.model_type
        model.save_pretrained(directory)
        expected = model.generate(
            input_ids=torch.tensor([PROMPT]), max_new_tokens=16, do_sample=False, pad_token_id=0
        )[0, len(PROMPT) :].tolist()
        limits = EngineSettings(precision="float32", slots=1, cache_tokens=64)
        with closing(Engine(directory, tmp_path, limits)) as engine:
            assert answer_all(engine, [GenerationRequest(PROMPT, None, 16)]) == [expected]
