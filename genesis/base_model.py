"""Make `openledger-nano`, the small Llama model which ships inside the repository.

It exists so that a demo can fine-tune, serve and attribute on two CPU cores without a download. It
reads only the BASE halves of MedQuAD and of the standard library's documentation; the DEMO halves
are for users' adapters, and the model never sees them.

The schedule follows the wall clock, not the step count: learning rates reach zero when the minutes
are over, also on a machine that others use. Muon (Jordan et al., 2024) moves the matrices of the
layers, AdamW the embedding and the norms.

    python -m genesis.base_model --medquad medquad.jsonl.gz --minutes 65 --output DIRECTORY
"""

import argparse
import copy
import hashlib
import json
import logging
import math
import random
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Self

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from genesis.medquad import MedquadRow, medquad_rows
from genesis.standard_library import (
    DocumentationRow,
    Half,
    documentation_rows,
    documentation_texts,
)

PAD, BEGIN, END, USER, ASSISTANT = SPECIAL_TOKENS = (
    "<pad>",
    "<s>",
    "</s>",
    "<|user|>",
    "<|assistant|>",
)
PAD_ID, BEGIN_ID, END_ID, USER_ID, ASSISTANT_ID = range(len(SPECIAL_TOKENS))
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}<|user|>{{ message['content'] }}"
    "{% elif message['role'] == 'assistant' %}<|assistant|>"
    "{% generation %}{{ message['content'] }}{{ eos_token }}{% endgeneration %}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

VOCABULARY_SIZE = 8192
SEQUENCE_TOKENS = 256
SHORT_ANSWER_TOKENS_MAX = 48
LONG_ANSWER_TOKENS_MAX = 190
QUESTION_TOKENS_MAX = 48
PLAIN_TEXT_TOKENS_MAX = 2048
DOCUMENTATION_REPEATS = 2
HELD_OUT_ONE_IN = 50
HELD_OUT_SEQUENCES_MAX = 64
# Answers which are a table of symptoms with percentages teach no grammar.
TABLE_MARK = "Human Phenotype Ontology"

BATCH_SEQUENCES = 8
MATRIX_LEARNING_RATE = 0.02
VECTOR_LEARNING_RATE = 0.003
WARM_UP_FRACTION = 0.03
GRADIENT_NORM_MAX = 1.0
WEIGHT_DECAY = 0.05
MOMENTUM = 0.95
NEWTON_SCHULZ_STEPS = 5
NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
PACKING_LOOK_AHEAD = 64
CHECKPOINT_SECONDS = 240.0
LOG_STEPS = 20
THREADS = 2
SEED = 20261121
PROGRESS_FILE = "training.json"
"""Beside the weights, so that a run can be continued on another day or machine."""
CONTINUED_RATE_FACTOR = 0.4
"""Of the peak rates, when trained weights are trained further."""

_LOG = logging.getLogger(__name__)
_SENTENCE_END = re.compile(r"[.!?][\"')]?(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents as token ids, each at most one sequence long: for training and held out."""

    training: list[list[int]]
    held_out: list[list[int]]


@dataclass(frozen=True, slots=True)
class Progress:
    """What a checkpoint knows of its training: the figures of the model card."""

    minutes: float
    steps: int
    tokens_seen: int
    held_out_loss: float

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The figures of a written model; raises `OSError`, `ValueError` or `TypeError`."""
        return cls(**json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8")))

    def after(self, earlier: Self) -> Self:
        """The figures of this run and the one it continues, together."""
        return replace(
            self,
            minutes=earlier.minutes + self.minutes,
            steps=earlier.steps + self.steps,
            tokens_seen=earlier.tokens_seen + self.tokens_seen,
        )


def configuration() -> LlamaConfig:
    """The shape of openledger-nano: 2.9 million parameters beside the tied embedding."""
    return LlamaConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=256,
        intermediate_size=688,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        pad_token_id=PAD_ID,
        bos_token_id=BEGIN_ID,
        eos_token_id=END_ID,
        initializer_range=0.02,
    )


def trained_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of VOCABULARY_SIZE tokens, the special tokens first, and a chat template."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=configuration().max_position_embeddings,
        clean_up_tokenization_spaces=False,
    )


def base_rows(medquad: Path) -> tuple[list[MedquadRow], list[DocumentationRow], list[str]]:
    """The rows and texts the model may read; what the DEMO half also contains is left out."""
    answers: dict[str, MedquadRow] = {}
    for row in medquad_rows(medquad, Half.BASE):
        if TABLE_MARK not in row.answer:
            answers.setdefault(row.answer, row)
    demo_completions = {row.completion for row in documentation_rows(Half.DEMO)}
    documentation = [
        row for row in documentation_rows(Half.BASE) if row.completion not in demo_completions
    ]
    # A docstring of one half may quote a sentence of the other's.
    flat = (" ".join(text.split()) for text in documentation_texts(Half.BASE))
    texts = [text for text in flat if not any(seen in text for seen in demo_completions)]
    return list(answers.values()), documentation, texts


def corpus(
    tokenizer: PreTrainedTokenizerFast,
    medquad: list[MedquadRow],
    documentation: list[DocumentationRow],
    texts: list[str],
) -> Corpus:
    """Every document of the mix; all forms of one answer are on the same side of the split."""
    built = Corpus([], [])
    for row in medquad:
        side = _side(built, row.answer)
        side.extend(chat_documents(tokenizer, row.question, row.answer))
        # A shorter answer is read as a whole in the chat already.
        if len(token_ids(tokenizer, row.answer)) > LONG_ANSWER_TOKENS_MAX:
            side.extend(plain_documents(tokenizer, row.answer))
    for entry in documentation:
        chats = chat_documents(tokenizer, entry.prompt, entry.completion)
        _side(built, entry.completion).extend(chats * DOCUMENTATION_REPEATS)
    hidden = [row.completion for row in documentation if is_held_out(row.completion)]
    for text in texts:
        if not any(completion in text for completion in hidden):
            built.training.extend(plain_documents(tokenizer, text))
    return built


def _side(built: Corpus, answer: str) -> list[list[int]]:
    return built.held_out if is_held_out(answer) else built.training


def is_held_out(answer: str) -> bool:
    """Whether a document is one of the 2 % whose loss is measured and never trained on."""
    digest = hashlib.blake2b(answer.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % HELD_OUT_ONE_IN == 0


def plain_documents(tokenizer: PreTrainedTokenizerFast, text: str) -> list[list[int]]:
    """A text between `<s>` and `</s>`, cut into pieces that fit a sequence."""
    ids = token_ids(tokenizer, text)[:PLAIN_TEXT_TOKENS_MAX]
    ids = [BEGIN_ID, *ids, END_ID]
    return [ids[start : start + SEQUENCE_TOKENS] for start in range(0, len(ids), SEQUENCE_TOKENS)]


def chat_documents(
    tokenizer: PreTrainedTokenizerFast, question: str, answer: str
) -> list[list[int]]:
    """The question with the answer cut short and, where that differs, cut long."""
    prompt = [BEGIN_ID, USER_ID, *token_ids(tokenizer, question), ASSISTANT_ID]
    if len(prompt) > QUESTION_TOKENS_MAX:
        return []
    found: list[list[int]] = []
    for tokens_max in (SHORT_ANSWER_TOKENS_MAX, LONG_ANSWER_TOKENS_MAX):
        document = [*prompt, *token_ids(tokenizer, cut(tokenizer, answer, tokens_max)), END_ID]
        if len(document) > len(prompt) + 1 and document not in found:
            found.append(document)
    return found


def cut(tokenizer: PreTrainedTokenizerFast, text: str, tokens_max: int) -> str:
    """The longest run of whole sentences within `tokens_max` tokens; "" where there is none."""
    offsets = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).offsets
    limit = len(text) if len(offsets) <= tokens_max else offsets[tokens_max - 1][1]
    ends = (match.end() for match in _SENTENCE_END.finditer(text))
    return text[: max((end for end in ends if end <= limit), default=0)]


def token_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """The ids of a text, without special tokens."""
    ids: list[int] = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def packed(documents: list[list[int]], shuffle_seed: int) -> torch.Tensor:
    """Rows of SEQUENCE_TOKENS + 1 ids: whole documents, best fit first, then padding.

    Every row starts at a document's start, as every request of a user does.
    """
    waiting = list(documents)
    random.Random(shuffle_seed).shuffle(waiting)  # noqa: S311 # an order, not a secret
    rows: list[list[int]] = []
    while waiting:
        row = list(waiting.pop())
        while waiting and (space := SEQUENCE_TOKENS + 1 - len(row)) > 0:
            window = range(max(0, len(waiting) - PACKING_LOOK_AHEAD), len(waiting))
            fitting = [index for index in window if len(waiting[index]) <= space]
            if not fitting:
                break
            row += waiting.pop(max(fitting, key=lambda index: len(waiting[index])))
        rows.append(row + [PAD_ID] * (SEQUENCE_TOKENS + 1 - len(row)))
    return torch.tensor(rows)


def batches(
    documents: list[list[int]], batch_sequences: int, seed: int = SEED
) -> Iterator[torch.Tensor]:
    """Batches without end: each epoch shuffles and packs the documents anew."""
    for epoch in count():
        rows = packed(documents, seed + epoch)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed + epoch))
        yield from torch.split(rows[order], batch_sequences)


def sequence_loss(model: LlamaForCausalLM, rows: torch.Tensor) -> torch.Tensor:
    """The mean cross-entropy in nats for each token that is not padding."""
    hidden = model.model(input_ids=rows[:, :-1], use_cache=False).last_hidden_state
    targets = rows[:, 1:]
    # The head is the costly part: leave the padded positions out of it.
    kept = targets != PAD_ID
    return functional.cross_entropy(model.lm_head(hidden[kept]), targets[kept])


def held_out_loss(model: LlamaForCausalLM, rows: torch.Tensor) -> float:
    """The loss over the held-out rows."""
    model.eval()
    with torch.no_grad():
        parts = torch.split(rows, BATCH_SEQUENCES)
        total = sum(float(sequence_loss(model, part)) * _token_count(part) for part in parts)
    model.train()
    return total / _token_count(rows)


def _token_count(rows: torch.Tensor) -> int:
    return int((rows[:, 1:] != PAD_ID).sum())


class Muon:
    """Momentum whose update of each matrix is made orthogonal by Newton-Schulz iterations.

    `torch.optim.Muon` iterates in bfloat16, which a CPU without AVX-512 emulates 3.5 times slower
    than float32; matrices of one shape are iterated together.
    """

    def __init__(self, matrices: list[torch.nn.Parameter]) -> None:
        """Group the matrices by shape and start with zero momentum."""
        self.groups: dict[torch.Size, list[torch.nn.Parameter]] = {}
        for matrix in matrices:
            self.groups.setdefault(matrix.shape, []).append(matrix)
        self.momenta = {
            shape: torch.zeros(len(group), *shape) for shape, group in self.groups.items()
        }

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Move every matrix by one orthogonal update and a little towards zero."""
        for shape, group in self.groups.items():
            gradients = torch.stack([_gradient(matrix) for matrix in group])
            momentum = self.momenta[shape].lerp_(gradients, 1 - MOMENTUM)
            update = orthogonalised(gradients.lerp(momentum, MOMENTUM))
            scale = learning_rate * math.sqrt(max(1.0, shape[0] / shape[1]))
            for matrix, change in zip(group, update, strict=True):
                matrix.mul_(1 - learning_rate * WEIGHT_DECAY).sub_(change, alpha=scale)


class Optimizers:
    """Muon for the matrices of the layers, AdamW for the tied embedding and the norms."""

    def __init__(self, model: LlamaForCausalLM) -> None:
        """Share the model's parameters out."""
        layers = [parameter for parameter in model.model.layers.parameters() if parameter.ndim == 2]
        inside = {id(parameter) for parameter in layers}
        rest = [parameter for parameter in model.parameters() if id(parameter) not in inside]
        self.model = model
        self.muon = Muon(layers)
        self.adam = torch.optim.AdamW(rest, betas=(0.9, 0.95), weight_decay=0.0)

    def step(self, rows: torch.Tensor, factor: float) -> float:
        """Learn from one batch at `factor` times the peak rates; the batch's loss before that."""
        loss = sequence_loss(self.model, rows)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_NORM_MAX)
        self.muon.step(MATRIX_LEARNING_RATE * factor)
        self.adam.param_groups[0]["lr"] = VECTOR_LEARNING_RATE * factor
        self.adam.step()
        self.model.zero_grad()
        return loss.item()


def _gradient(matrix: torch.nn.Parameter) -> torch.Tensor:
    return torch.zeros_like(matrix) if matrix.grad is None else matrix.grad


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """The matrices (count, rows, columns) with their singular values moved close to one."""
    tall = matrices.shape[1] > matrices.shape[2]
    wide = matrices.mT if tall else matrices
    wide = wide / wide.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    first, second, third = NEWTON_SCHULZ_COEFFICIENTS
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = wide @ wide.mT
        wide = torch.baddbmm(
            wide, torch.baddbmm(gram, gram, gram, beta=second, alpha=third), wide, beta=first
        )
    return wide.mT if tall else wide


def learning_rate_factor(fraction: float) -> float:
    """The share of the peak rate after this fraction of the time: warm-up, then a line to zero."""
    if fraction < WARM_UP_FRACTION:
        return max(fraction / WARM_UP_FRACTION, 0.01)
    return max(0.0, (1 - fraction) / (1 - WARM_UP_FRACTION))


def train(
    model: LlamaForCausalLM,
    documents: Corpus,
    seconds: float,
    on_checkpoint: Callable[[Progress], None],
    clock: Callable[[], float] = time.monotonic,
    rate_factor: float = 1.0,
    seed: int = SEED,
) -> None:
    """Train for `seconds` of the clock; report to `on_checkpoint` every few minutes and at last.

    `rate_factor` scales the peak rates; `seed` orders the documents.
    """
    optimizers = Optimizers(model)
    held_out = packed(documents.held_out, SEED)[:HELD_OUT_SEQUENCES_MAX]
    started, tokens_seen = clock(), 0
    # The first checkpoint comes early, so that others can work against its format.
    saved = started - CHECKPOINT_SECONDS / 2
    for step, rows in enumerate(batches(documents.training, BATCH_SEQUENCES, seed), start=1):
        factor = rate_factor * learning_rate_factor((clock() - started) / seconds)
        loss = optimizers.step(rows, factor)
        tokens_seen += _token_count(rows)
        now = clock()
        if step % LOG_STEPS == 0:
            _LOG.info("%5.0f s  step %d  loss %.3f", now - started, step, loss)
        finished = now - started >= seconds
        if finished or now - saved >= CHECKPOINT_SECONDS:
            saved = now
            measured = held_out_loss(model, held_out)
            on_checkpoint(Progress((now - started) / 60, step, tokens_seen, measured))
        if finished:
            return


def parameter_counts(model: LlamaForCausalLM) -> tuple[int, int]:
    """The parameters beside the embedding, and the embedding's."""
    embedding = model.get_input_embeddings().weight.numel()
    return sum(parameter.numel() for parameter in model.parameters()) - embedding, embedding


def write_model(
    folder: Path,
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    progress: Progress,
    command: str,
) -> None:
    """Write the folder as a whole: weights in bfloat16, tokenizer, configurations and card."""
    fresh = folder.with_name(f"{folder.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    shipped = copy.deepcopy(model).to(torch.bfloat16)
    shipped.generation_config = GenerationConfig(
        bos_token_id=BEGIN_ID, eos_token_id=END_ID, pad_token_id=PAD_ID, max_new_tokens=64
    )
    shipped.save_pretrained(fresh)
    # safetensors makes its file readable by its owner only.
    (fresh / "model.safetensors").chmod(0o644)
    tokenizer.save_pretrained(fresh, save_jinja_files=False)
    card = model_card(model, progress, file_hash(fresh / "model.safetensors"), command)
    (fresh / "README.md").write_text(card, encoding="utf-8")
    (fresh / PROGRESS_FILE).write_text(json.dumps(asdict(progress), indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def file_hash(path: Path) -> str:
    """The blake2b-256 of a file, in hexadecimal."""
    return hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest()


def model_card(model: LlamaForCausalLM, progress: Progress, weights_hash: str, command: str) -> str:
    """The README of the model folder."""
    layers, embedding = parameter_counts(model)
    return CARD.format(
        layers=layers,
        embedding=embedding,
        minutes=progress.minutes,
        steps=progress.steps,
        tokens=progress.tokens_seen,
        loss=progress.held_out_loss,
        perplexity=math.exp(progress.held_out_loss),
        weights_hash=weights_hash,
        command=command,
    )


CARD = """\
# openledger-nano

A Llama of {layers:,} parameters beside its tied embedding of {embedding:,}. It writes short English
answers to questions about health and about Python's standard library. It exists so that
OpenLedger's demo and tests can fine-tune, serve and attribute on two CPU cores, without a download.

| | |
|---|---|
| Architecture | Llama: 4 layers, width 256, 8 heads (4 key-value heads), feed-forward 688 |
| Context | trained on sequences of 256 tokens; positions up to 512 |
| Tokenizer | byte-level BPE, 8,192 tokens, trained on the same data |
| Training | {minutes:.0f} minutes on 2 shared CPU cores, {steps:,} steps, {tokens:,} tokens seen |
| Held-out loss | {loss:.3f} nats per token (perplexity {perplexity:.1f}), 64 unseen sequences |
| `model.safetensors` | bfloat16; blake2b-256 `{weights_hash}` |

Made by:

```
{command}
```

The schedule follows the wall clock, so a second run gives a model of the same kind, not the same
bytes.

## Prompt format

`<s><|user|>QUESTION<|assistant|>`, which `tokenizer.apply_chat_template` writes; an answer ends
with `</s>`. Token ids: `<pad>` 0, `<s>` 1, `</s>` 2, `<|user|>` 3, `<|assistant|>` 4.

## Data

- **MedQuAD**, the BASE half of its topics (`genesis.medquad`): A. Ben Abacha and D. Demner-Fushman,
  "A question-entailment approach to question answering", BMC Bioinformatics 20:511 (2019),
  CC BY 4.0. Changed: split by topic, repetitions and symptom tables left out, answers also cut at
  the ends of sentences.
- **Docstrings of the Python standard library**, the BASE half of its modules
  (`genesis.standard_library`): Python Software Foundation License.

Rows of the DEMO halves were never seen, nor BASE rows whose question, answer or docstring is also a
DEMO row's: the DEMO halves are what the demo's contributors bring. Single stock sentences of the
institutes ("This condition is inherited in an autosomal recessive pattern") stand in both halves.

## Intended use and limits

For demonstrations, tests and benchmarks of OpenLedger. It is far too small to know facts: its
answers are mostly grammatical and often wrong. **Never use them as medical advice.** English only;
nothing was done about bias or safety beyond the choice of data.
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the openledger-nano base model.")
    parser.add_argument("--medquad", type=Path, required=True, help="path of medquad.jsonl.gz")
    parser.add_argument("--minutes", type=float, default=65.0, help="duration of the training")
    parser.add_argument("--output", type=Path, required=True, help="folder to write the model to")
    parser.add_argument("--start", type=Path, help="folder of a model to train further")
    return parser.parse_args()


def main() -> None:
    """Train the tokenizer and the model, and write the best checkpoint to the output folder."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(SEED)
    torch.set_num_threads(THREADS)
    tokenizer, documents = _tokenizer_and_corpus(arguments.medquad)
    model = LlamaForCausalLM(configuration())
    earlier = Progress(0.0, 0, 0, math.inf)
    name = arguments.output.name
    program = f"python -m genesis.base_model --medquad medquad.jsonl.gz --output {name} --minutes"
    command = f"{program} {arguments.minutes:g}"
    if arguments.start is not None:
        earlier = Progress.load(arguments.start)
        model = LlamaForCausalLM.from_pretrained(arguments.start, dtype=torch.float32)
        command = f"{program} {earlier.minutes:.0f}\n{command} --start {name}"
    best = earlier.held_out_loss

    def keep_the_best(progress: Progress) -> None:
        nonlocal best
        _LOG.info("held-out loss %.4f after %d steps", progress.held_out_loss, progress.steps)
        if progress.held_out_loss < best:
            best = progress.held_out_loss
            write_model(arguments.output, model, tokenizer, progress.after(earlier), command)

    train(
        model,
        documents,
        arguments.minutes * 60,
        keep_the_best,
        rate_factor=CONTINUED_RATE_FACTOR if earlier.steps else 1.0,
        seed=SEED + earlier.steps,
    )


def _tokenizer_and_corpus(medquad_path: Path) -> tuple[PreTrainedTokenizerFast, Corpus]:
    medquad, documentation, texts = base_rows(medquad_path)
    rows = [f"{row.question} {row.answer}" for row in medquad]
    entries = [f"{entry.prompt} {entry.completion}" for entry in documentation]
    tokenizer = trained_tokenizer([*rows, *entries, *texts])
    documents = corpus(tokenizer, medquad, documentation, texts)
    counts = len(documents.training), len(documents.held_out), sum(map(len, documents.training))
    _LOG.info("%d training and %d held-out documents, %d training tokens", *counts)
    return tokenizer, documents


if __name__ == "__main__":
    main()
