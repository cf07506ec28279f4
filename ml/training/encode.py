r"""Rows as token ids, in the one form that training, attribution and serving share.

A row is `<s><|user|>{prompt}<|assistant|>{completion}</s>`, with the loss on the completion and its
`</s>` alone.  A tokenizer without the two role tokens (an ordinary base model) gets
`{prompt}\n{completion}` between its own begin and end tokens; an order may bring a template of its
own: `Q: {prompt}\nA: {completion}`.

A text never becomes a special token: "<|assistant|>" inside a prompt is eleven ordinary characters,
so no contributor and no user can speak in the other role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ml.errors import ModelUnusable, OrderInvalid
from ml.exact.loss import IGNORED
from runtime.wire.rows import Row
from runtime.wire.training_parameters import template_parts

USER_TOKEN = "<|user|>"  # noqa: S105 # a token of the model, not a secret
ASSISTANT_TOKEN = "<|assistant|>"  # noqa: S105 # likewise
PLAIN_TEMPLATE = "{prompt}\n{completion}"
TEXT_TOKENS_MIN = 8
"""The room that a template must leave for the texts of a row."""


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row's token ids, or those of the rows that share a sequence."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]
    """For each position the token after it where a loss is taken, else `IGNORED`."""


@dataclass(frozen=True, slots=True)
class Framing:
    """The token ids around prompt and completion."""

    begin: tuple[int, ...]
    middle: tuple[int, ...]
    end: tuple[int, ...]


def load_tokenizer(base_model: Path) -> Any:
    """Return the tokenizer of a local base model; raises `ModelUnusable`.

    It is what `tokenizer.json` says.  `AutoTokenizer` would look for a class of the model's own,
    which takes it seconds at every start and may read the same file otherwise in another version.
    """
    from transformers import PreTrainedTokenizerFast

    try:
        return PreTrainedTokenizerFast.from_pretrained(base_model, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        message = f"{base_model} has no tokenizer that can be read: {reason}"
        raise ModelUnusable(message, remedy="Put the model's tokenizer.json there.") from error


def framing_of(tokenizer: Any, template: str = "") -> Framing:
    """The tokens that frame a row: by the template, else by what special tokens are known.

    Raises `OrderInvalid` for a template without its two fields.
    """
    begin, end = _known(tokenizer.bos_token_id), _known(tokenizer.eos_token_id)
    known = tokenizer.get_vocab()
    if not template and USER_TOKEN in known and ASSISTANT_TOKEN in known:
        return Framing((*begin, known[USER_TOKEN]), (known[ASSISTANT_TOKEN],), end)
    parts = template_parts(template or PLAIN_TEMPLATE)
    if parts is None:
        message = f"The prompt template is {template!r}."
        raise OrderInvalid(message, remedy="Write {prompt} and then {completion} into it.")
    before, between, after = (tuple(encode_plain(tokenizer, part)) for part in parts)
    return Framing((*begin, *before), between, (*after, *end))


def encode_plain(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text alone, in which no special token is recognised or added."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
    ids: list[int] = encoded["input_ids"]
    return ids


def encode_prompt(tokenizer: Any, prompt: str, template: str = "") -> list[int]:
    """The ids after which a model trained on rows writes the completion of `prompt`."""
    framing = framing_of(tokenizer, template)
    return [*framing.begin, *encode_plain(tokenizer, prompt), *framing.middle]


def encode_rows(
    tokenizer: Any, rows: Sequence[Row], tokens_max: int, template: str = ""
) -> tuple[EncodedRow, ...]:
    """Encode rows into at most `tokens_max` tokens each.

    A row that is longer loses the ends of its texts: the completion keeps half of the room and what
    the prompt leaves, the prompt the rest.  A completion that was cut has no end token, so that
    nobody learns to stop inside a sentence.  Raises `OrderInvalid` for a template that leaves no
    room for texts.
    """
    framing = framing_of(tokenizer, template)
    if _framing_tokens(framing) + TEXT_TOKENS_MIN > tokens_max:
        message = f"The prompt template takes {_framing_tokens(framing)} of {tokens_max} tokens."
        raise OrderInvalid(message, remedy="Shorten it, or train with a larger tokens_max.")
    return tuple(_encode_row(tokenizer, framing, row, tokens_max) for row in rows)


def pack(rows: Sequence[EncodedRow], tokens_max: int) -> tuple[EncodedRow, ...]:
    """Join rows, in their order, into sequences of at most `tokens_max` tokens.

    A row is never split.  Inside a sequence the later rows see the earlier ones.
    """
    sequences: list[EncodedRow] = []
    for row in rows:
        last = sequences[-1] if sequences else None
        if last is not None and len(last.ids) + len(row.ids) <= tokens_max:
            sequences[-1] = EncodedRow(last.ids + row.ids, last.labels + row.labels)
        else:
            sequences.append(row)
    return tuple(sequences)


def pad(rows: Sequence[EncodedRow]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and labels, both int64 [rows, tokens], padded on the right.

    Under a causal mask no real position sees the padding, so none is needed beside it and any id
    serves as padding.
    """
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.int64)
    labels = torch.full((len(rows), width), IGNORED, dtype=torch.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids, dtype=torch.int64)
        labels[number, : len(row.ids)] = torch.tensor(row.labels, dtype=torch.int64)
    return ids, labels


def _encode_row(tokenizer: Any, framing: Framing, row: Row, tokens_max: int) -> EncodedRow:
    prompt = encode_plain(tokenizer, row.prompt)
    completion = [*encode_plain(tokenizer, row.completion), *framing.end]
    room = tokens_max - len(framing.begin) - len(framing.middle)
    completion = completion[: max(room - room // 2, room - len(prompt))]
    head = (*framing.begin, *prompt[: room - len(completion)], *framing.middle)
    taken = (*[IGNORED] * len(head), *completion)
    return EncodedRow((*head, *completion), (*taken[1:], IGNORED))


def _framing_tokens(framing: Framing) -> int:
    return len(framing.begin) + len(framing.middle) + len(framing.end)


def _known(token: int | None) -> tuple[int, ...]:
    return () if token is None else (token,)
