"""The shipped base model, and the program that makes it."""

import gzip
import itertools
import json
import math
import re
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BatchEncoding,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from genesis import base_model
from genesis.standard_library import Half, documentation_rows

FOLDER = Path(base_model.__file__).parent / "models" / "openledger-nano"
DOCUMENTS = st.lists(
    st.lists(st.integers(5, 99), min_size=1, max_size=base_model.SEQUENCE_TOKENS), max_size=40
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """The shipped tokenizer."""
    return AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    """The shipped model, in float32."""
    return AutoModelForCausalLM.from_pretrained(
        FOLDER, local_files_only=True, dtype=torch.float32
    ).eval()


@pytest.fixture
def tiny() -> LlamaForCausalLM:
    """A fresh Llama of a few thousand parameters."""
    torch.manual_seed(1)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=100,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=True,
        )
    )


def prompt_of(tokenizer: PreTrainedTokenizerFast, question: str) -> BatchEncoding:
    """The inputs of one question, ready for generation."""
    chat = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )


def test_the_folder_is_complete_and_at_most_16_mb() -> None:
    """Everything a loader needs is there, without pickle, and small enough for a repository."""
    names = {path.name for path in FOLDER.iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "training.json",
    }
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 16_000_000


def test_the_card_names_the_hash_of_the_weights_and_the_licences() -> None:
    """The blake2b-256 in the card is the file's, and both sources are credited."""
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert base_model.file_hash(FOLDER / "model.safetensors") in card
    assert "CC BY 4.0" in card
    assert "Python Software Foundation License" in card
    perplexities = re.findall(r"perplexity ([\d.]+)", card)
    assert [float(found) < base_model.VOCABULARY_SIZE / 10 for found in perplexities] == [True]


def test_the_model_has_at_most_three_million_parameters_beside_its_embedding(
    model: LlamaForCausalLM,
) -> None:
    """Its shape is the program's, its weights are stored in bfloat16 and the embedding is tied."""
    layers, embedding = base_model.parameter_counts(model)
    assert layers <= 3_000_000
    assert embedding == 8192 * 256
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert json.loads((FOLDER / "config.json").read_text())["dtype"] == "bfloat16"


def test_special_tokens_have_their_numbers_and_text_survives(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """The ids 0 to 4 are fixed; any text decodes to itself."""
    ids = tokenizer.convert_tokens_to_ids(list(base_model.SPECIAL_TOKENS))
    assert ids == [0, 1, 2, 3, 4]
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    text = "What does json.loads do?  2023 ≥ été\n\tend"
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_the_chat_template_writes_the_format_the_model_was_trained_on(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """A prompt ends with the assistant's mark, an answer with `</s>`."""
    chat = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So it is."}]
    written = tokenizer.apply_chat_template(chat, tokenize=False)
    assert written == "<s><|user|>Why?<|assistant|>So it is.</s>"
    trained_on = base_model.chat_documents(tokenizer, "Why?", "So it is.")
    assert trained_on == [tokenizer(written).input_ids]


def test_greedy_answers_are_words_and_the_same_each_time(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Generation works offline and gives text."""
    inputs = prompt_of(tokenizer, "What does json.loads do?")
    first, second = (model.generate(**inputs, max_new_tokens=24, do_sample=False) for _ in "12")
    answer = tokenizer.decode(first[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert torch.equal(first, second)
    assert len(answer.split()) >= 3


def test_the_model_has_learnt_english_of_the_domain(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    """Unseen demo rows cost it far less than random text of the same tokens."""
    rows = documentation_rows(Half.DEMO)[::60]
    documents = [base_model.chat_documents(tokenizer, row.prompt, row.completion) for row in rows]
    packed = base_model.packed([chats[0] for chats in documents if chats], 0)[:4]
    scrambled = packed[:, torch.randperm(packed.shape[1], generator=torch.Generator())]
    loss = base_model.held_out_loss(model, packed)
    assert loss < math.log(base_model.VOCABULARY_SIZE) * 0.6
    assert loss < base_model.held_out_loss(model, scrambled) - 1


@settings(max_examples=30, deadline=None)
@given(DOCUMENTS.filter(len), st.integers(0, 5))
def test_packing_keeps_every_document_whole(documents: list[list[int]], seed: int) -> None:
    """The rows hold each token once, at equal width, and start with a document's start."""
    rows = base_model.packed(documents, seed)
    assert rows.shape[1] == base_model.SEQUENCE_TOKENS + 1
    kept = sorted(rows[rows != base_model.PAD_ID].tolist())
    assert kept == sorted(itertools.chain(*documents))
    starts = {tuple(document[:1]) for document in documents}
    assert all(tuple(row[:1].tolist()) in starts for row in rows)


@settings(max_examples=30, deadline=None)
@given(text=st.text("ab .!?", max_size=80), tokens_max=st.integers(1, 40))
def test_a_cut_is_whole_sentences_within_the_limit(
    tokenizer: PreTrainedTokenizerFast, text: str, tokens_max: int
) -> None:
    """It is a beginning of the text which ends a sentence, or nothing."""
    found = base_model.cut(tokenizer, text, tokens_max)
    assert text.startswith(found)
    assert not found or found[-1] in ".!?"
    assert len(base_model.token_ids(tokenizer, found)) <= tokens_max + 1


def test_plain_documents_are_pieces_of_one_text(tokenizer: PreTrainedTokenizerFast) -> None:
    """Joined, the pieces are the text between `<s>` and `</s>`."""
    text = "Wash your hands. " * 200
    pieces = base_model.plain_documents(tokenizer, text)
    assert max(map(len, pieces)) <= base_model.SEQUENCE_TOKENS
    ids = list(itertools.chain(*pieces))
    assert (ids[0], ids[-1]) == (base_model.BEGIN_ID, base_model.END_ID)
    assert tokenizer.decode(ids[1:-1]) == text


def test_every_form_of_an_answer_is_on_one_side_of_the_split() -> None:
    """About one answer in fifty is held out, by its text alone."""
    held_out = sum(base_model.is_held_out(f"answer {number}") for number in range(5000))
    assert 60 <= held_out <= 140


def test_the_corpus_holds_no_demo_row(tmp_path: Path) -> None:
    """No text that trains the model contains a demo completion."""
    path = tmp_path / "medquad.jsonl.gz"
    record = dict.fromkeys(("question", "source", "qtype"), "q")
    record |= {"focus": "Breast Cancer", "answer": "An answer."}
    path.write_bytes(gzip.compress(json.dumps(record).encode()))
    medquad, documentation, texts = base_model.base_rows(path)
    demo = {row.completion for row in documentation_rows(Half.DEMO)}
    assert [row.answer for row in medquad] == ["An answer."]
    assert not demo & {row.completion for row in documentation}
    assert not any(completion in text for text in texts for completion in demo)


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    """Newton-Schulz brings them between 0.5 and 1.3, for wide and for tall matrices."""
    for shape in ((2, 16, 40), (2, 40, 16)):
        matrices = torch.randn(shape, generator=torch.Generator().manual_seed(3))
        values = torch.linalg.svdvals(base_model.orthogonalised(matrices))
        assert 0.5 < values.min() < values.max() < 1.3


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    """The peak comes after the warm-up; after the time is over the rate stays zero."""
    rates = [base_model.learning_rate_factor(step / 1000) for step in range(1101)]
    peak = rates.index(max(rates))
    assert peak == 30
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert set(rates[1000:]) == {0.0}


def test_five_steps_lower_the_loss_of_a_tiny_model(tiny: LlamaForCausalLM) -> None:
    """The optimisers, the loss and the gradients fit together."""
    rows = torch.randint(5, 100, (4, 33), generator=torch.Generator().manual_seed(2))
    optimizers = base_model.Optimizers(tiny)
    losses = [optimizers.step(rows, factor=1.0) for _ in range(5)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.2


def test_training_ends_with_the_clock_and_reports_its_figures(tiny: LlamaForCausalLM) -> None:
    """The last checkpoint comes when the time is over, whatever the number of steps."""
    ticks = itertools.count(0.0, 50.0)
    documents = base_model.Corpus([[5, 6, 7, 8] * 8] * 30, [[5, 6, 7, 8] * 8])
    reports: list[base_model.Progress] = []
    base_model.train(tiny, documents, 600.0, reports.append, clock=lambda: next(ticks))
    last = reports[-1]
    assert last.minutes >= 10
    assert 0 < last.steps <= 12
    assert last.tokens_seen > 0
    assert last.held_out_loss < math.log(100)


def test_a_written_model_loads_again_and_replaces_the_one_before(
    tiny: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    """The folder is written as a whole, twice, and its card has the figures."""
    progress = base_model.Progress(1.0, 2, 3, 4.0)
    for _ in range(2):
        base_model.write_model(tmp_path / "model", tiny, tokenizer, progress, "the command")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model", local_files_only=True)
    assert torch.equal(loaded.lm_head.weight, tiny.lm_head.weight.bfloat16())
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert base_model.file_hash(tmp_path / "model" / "model.safetensors") in card
    assert "the command" in card
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_continued_run_adds_up(tmp_path: Path) -> None:
    """The figures of a run that trains a model further include the earlier run's."""
    earlier = base_model.Progress(60.0, 100, 5_000, 3.0)
    (tmp_path / base_model.PROGRESS_FILE).write_text(json.dumps(asdict(earlier)), encoding="utf-8")
    both = base_model.Progress(30.0, 50, 2_000, 2.5).after(base_model.Progress.load(tmp_path))
    assert both == base_model.Progress(90.0, 150, 7_000, 2.5)
