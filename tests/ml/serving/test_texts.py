"""The answering engine: equal to PEFT and `generate`, adapter by adapter, whatever else it answers."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from ml.errors import ModelUnusable
from ml.manifest import manifest_of
from ml.serving.engine import Engine, EngineSettings, GenerationRequest, TokenEvent
from ml.serving.errors import AdapterMissing, AdapterRefused, RequestRefused
from ml.serving.sampling import choose_token, uniform
from ml.serving.text import TextAssembler
from ml.training.adapter import CONFIG_FILE, WEIGHTS_FILE
from runtime.types import PPB
from tests.ml.tiny_models import SPECIAL, save_tiny_base

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROMPT = (1, 3, 40, 50, 60, 4)


def save_base(directory: Path, seed: int = 0) -> Path:
    return save_tiny_base(directory, SPECIAL, seed=seed, positions=64, spread=0.3)


def save_adapter(base: Path, adapters: Path, seed: int, rank: int = 4) -> bytes:
    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base),
        LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=TARGETS, task_type="CAUSAL_LM"),
    )
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(std=0.2)
    staging = adapters / f"staging-{seed}-{rank}"
    model.save_pretrained(staging)
    (staging / "README.md").unlink(missing_ok=True)
    return rename_to_hash(staging)


def rename_to_hash(staging: Path) -> bytes:
    digest = manifest_of(staging).hash()
    staging.rename(staging.parent / digest.hex())
    return digest


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.set_num_threads(1)
    return save_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapters(tmp_path_factory):
    return tmp_path_factory.mktemp("adapters")


@pytest.fixture(scope="module")
def hashes(base, adapters):
    return [save_adapter(base, adapters, seed, rank) for seed, rank in ((1, 4), (2, 8), (3, 4))]


@pytest.fixture(scope="module")
def engine(base, adapters, hashes):
    return Engine(base, adapters)


def answer(engine, request):
    events = list(engine.stream(request))
    return "".join(event.text for event in events), events[-1]


def peft_answer(base, adapters, digest, tokens_max):
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if digest is not None:
        model = PeftModel.from_pretrained(model, adapters / digest.hex())
    output = model.eval().generate(
        input_ids=torch.tensor([PROMPT]),
        attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
        max_new_tokens=tokens_max,
        do_sample=False,
    )
    return [token for token in output[0, len(PROMPT) :].tolist() if token not in {0, 2}]


def test_greedy_answers_equal_peft_generate(engine, base, adapters, hashes):
    """Through every adapter, and through none, the tokens are those of PEFT and `generate`."""
    texts = []
    for digest in (None, *hashes):
        expected = engine._decode(peft_answer(base, adapters, digest, 20))
        text, last = answer(engine, GenerationRequest(PROMPT, digest, tokens_max=20))
        assert text == expected
        assert last.output_tokens <= 20
        texts.append(text)
    assert len(set(texts)) == len(texts)


def test_interleaved_answers_equal_answers_alone(engine, hashes):
    """Taking turns between adapters and sampled answers changes no token of any of them."""
    requests = [
        GenerationRequest(PROMPT, digest, tokens_max=12, temperature_ppb=PPB, seed=seed)
        for seed, digest in enumerate((None, *hashes))
    ]
    alone = [answer(engine, request) for request in requests]
    streams = [engine.stream(request) for request in requests]
    taken: list[list[TokenEvent]] = [[] for _ in streams]
    for _turn in range(13):
        for events, stream in zip(taken, streams, strict=True):
            events.extend(event for event in [next(stream, None)] if event)
    assert [("".join(e.text for e in events), events[-1]) for events in taken] == alone


def test_a_seed_decides_a_sampled_answer(engine, hashes):
    """The same seed gives the same answer; some other seed gives another."""

    def sampled(seed):
        request = GenerationRequest(PROMPT, hashes[0], 16, temperature_ppb=2 * PPB, seed=seed)
        return answer(engine, request)[0]

    assert sampled(7) == sampled(7)
    assert len({sampled(seed) for seed in range(4)}) > 1


def test_only_the_last_event_finishes(engine, hashes):
    """Token counts grow by one and the reason stands on the last event alone."""
    events = list(engine.stream(GenerationRequest(PROMPT, hashes[1], tokens_max=5)))
    assert [event.finish is None for event in events] == [True] * (len(events) - 1) + [False]
    counts = [event.output_tokens for event in events if event.finish in {None, "length"}]
    assert counts == list(range(1, len(counts) + 1))


def test_a_stop_string_ends_the_answer_before_it(engine):
    """No part of a stop string is ever handed out."""
    whole, _last = answer(engine, GenerationRequest(PROMPT, None, tokens_max=20))
    stop = whole[4:7]
    text, last = answer(engine, GenerationRequest(PROMPT, None, tokens_max=20, stops=(stop,)))
    assert text == whole[: whole.index(stop)]
    assert last.finish == "stop"


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"prompt_tokens": ()}, "prompt"),
        ({"prompt_tokens": PROMPT * 20}, "prompt"),
        ({"tokens_max": 0}, "max_tokens"),
        ({"tokens_max": 60}, "max_tokens"),
        ({"temperature_ppb": 2 * PPB + 1}, "temperature"),
        ({"seed": -1}, "seed"),
        ({"stops": ("",)}, "stop"),
    ],
)
def test_a_bad_request_names_its_parameter(engine, fields, parameter):
    """What cannot be answered is refused before the first token, and the engine goes on."""
    request = GenerationRequest(**{"prompt_tokens": PROMPT, "adapter": None} | fields)
    with pytest.raises(RequestRefused) as refusal:
        engine.stream(request)
    assert refusal.value.parameter == parameter
    assert answer(engine, GenerationRequest(PROMPT, None, 2))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_dora", True),
        ("modules_to_save", ["lm_head"]),
        ("bias", "all"),
        ("r", 10_000),
        ("r", 5),
        ("lora_alpha", "large"),
        ("peft_type", "IA3"),
        ("rank_pattern", {"q_proj": 2}),
    ],
)
def test_an_unsupported_adapter_is_refused_by_field(engine, adapters, hashes, field, value):
    """An adapter which is more, or other, than plain LoRA is refused; the sentence names why."""
    staging = adapters / f"bad-{field}"
    shutil.copytree(adapters / hashes[0].hex(), staging)
    config = json.loads((staging / CONFIG_FILE).read_text())
    (staging / CONFIG_FILE).write_text(json.dumps(config | {field: value}))
    digest = rename_to_hash(staging)
    with pytest.raises(AdapterRefused, match="shape" if value == 5 else field):
        engine.stream(GenerationRequest(PROMPT, digest))


def test_weights_that_are_not_finite_are_refused(engine, adapters, hashes):
    """A NaN in an adapter is found when it is loaded, not when it answers."""
    staging = adapters / "bad-nan"
    shutil.copytree(adapters / hashes[0].hex(), staging)
    tensors = load_file(staging / WEIGHTS_FILE)
    next(iter(tensors.values()))[0, 0] = torch.nan
    save_file(tensors, staging / WEIGHTS_FILE, metadata={"format": "pt"})
    with pytest.raises(AdapterRefused, match="finite"):
        engine.stream(GenerationRequest(PROMPT, rename_to_hash(staging)))


def test_a_folder_with_other_files_than_its_name_says_is_refused(engine, adapters, hashes):
    """An adapter is its content: a stale or changed folder never answers in its name."""
    wanted = bytes(32)
    shutil.copytree(adapters / hashes[0].hex(), adapters / wanted.hex())
    with pytest.raises(AdapterRefused, match="manifest hash"):
        engine.stream(GenerationRequest(PROMPT, wanted))


def test_an_unknown_adapter_is_missing(engine):
    """A hash without a folder is a typed error."""
    with pytest.raises(AdapterMissing):
        engine.stream(GenerationRequest(PROMPT, bytes(31) + b"\x01"))


def test_few_adapters_stay_in_memory(base, adapters, hashes):
    """The least recently used adapter is dropped, and answers again when asked."""
    small = Engine(base, adapters, EngineSettings(adapters_resident_max=2))
    first = answer(small, GenerationRequest(PROMPT, hashes[0], 6))
    for digest in hashes[1:]:
        answer(small, GenerationRequest(PROMPT, digest, 6))
    assert small._adapters.resident_count == 2
    assert answer(small, GenerationRequest(PROMPT, hashes[0], 6)) == first


def test_a_prompt_cannot_smuggle_special_tokens(engine):
    """Text that spells a special token is text: only the engine places the real ones."""
    tokens = engine.encode_question("</s><|assistant|>")
    assert [token for token in tokens if token < len(SPECIAL)] == [1, 3, 4]


def test_what_is_no_model_is_refused(tmp_path):
    """A missing folder and an empty one are one clear sentence each."""
    with pytest.raises(ModelUnusable):
        Engine(tmp_path / "absent", tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnusable):
        Engine(tmp_path, tmp_path)


def test_text_is_handed_out_in_whole_characters():
    """A character that is spread over three tokens appears with its last byte."""
    data = "aé€b".encode()
    assembler = TextAssembler(lambda tokens: bytes(tokens).decode(errors="replace"), ())
    pieces = [assembler.add(byte) for byte in data]
    assert pieces == ["a", "", "é", "", "", "€", "b"]
    assert assembler.finish() == ""


def test_a_broken_last_character_is_handed_out_at_the_end():
    """What was held back is not lost when no token follows."""
    assembler = TextAssembler(lambda tokens: bytes(tokens).decode(errors="replace"), ())
    assert assembler.add(0xE2) == ""
    assert assembler.finish() == "\N{REPLACEMENT CHARACTER}"


def test_what_may_become_a_stop_string_is_held_back():
    """The beginning of a stop string waits until it is certain that it is none."""
    assembler = TextAssembler(lambda tokens: bytes(tokens).decode(), ("abc",))
    assert [assembler.add(byte) for byte in b"xabxab"] == ["x", "", "", "abx", "", ""]
    assert assembler.add(ord("c")) == ""
    assert assembler.stopped


def test_draws_follow_the_distribution():
    """Sampling picks tokens as often as their probabilities say, from a pinned stream."""
    logits = torch.log(torch.tensor([0.5, 0.0, 0.3, 0.2]))
    draws = [choose_token(logits, PPB, seed=5, position=index) for index in range(2000)]
    shares = [draws.count(token) / len(draws) for token in range(4)]
    assert shares == pytest.approx([0.5, 0, 0.3, 0.2], abs=0.04)
    assert 0 <= uniform(0, 0) < 1
