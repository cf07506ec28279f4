r"""Rows as token ids, in the one form that training, attribution and serving share.

A row is `<s><|user|>{prompt}<|assistant|>{completion}</s>`, with the loss on the completion and its
`</s>` alone.  A tokenizer without the two role tokens (an ordinary base model) gets
`{prompt}\n{completion}` between its own begin and end tokens.

A text never becomes a special token: "<|assistant|>" inside a prompt is eleven ordinary characters,
so no contributor and no user can speak in the other role.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ml.errors import ModelUnusable
from runtime.wire.rows import Row

USER_TOKEN = "<|user|>"  # noqa: S105 # a token of the model, not a secret
ASSISTANT_TOKEN = "<|assistant|>"  # noqa: S105 # likewise
PLAIN_SEPARATOR = "\n"
IGNORED = -100
"""The label of a position that no loss is taken at."""


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """A row's token ids, and the index of the first one that a loss is taken on."""

    ids: tuple[int, ...]
    completion_start: int


@dataclass(frozen=True, slots=True)
class Framing:
    """The token ids around prompt and completion."""

    begin: tuple[int, ...]
    middle: tuple[int, ...]
    end: tuple[int, ...]


def load_tokenizer(base_model: Path) -> Any:
    """Return the tokenizer of a local base model; raises `ModelUnusable`."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(base_model, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        message = f"{base_model} has no tokenizer that can be read: {reason}"
        raise ModelUnusable(message, remedy="Put the model's tokenizer.json there.") from error


def framing_of(tokenizer: Any) -> Framing:
    """The tokens that frame a row, by what special tokens the tokenizer knows."""
    end = _known(tokenizer.eos_token_id)
    known = tokenizer.get_vocab()
    if USER_TOKEN in known and ASSISTANT_TOKEN in known:
        begin = (*_known(tokenizer.bos_token_id), known[USER_TOKEN])
        return Framing(begin, (known[ASSISTANT_TOKEN],), end)
    middle = tuple(encode_plain(tokenizer, PLAIN_SEPARATOR))
    return Framing(_known(tokenizer.bos_token_id), middle, end)


def encode_plain(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text alone, in which no special token is recognised or added."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=True)
    ids: list[int] = encoded["input_ids"]
    return ids


def encode_prompt(tokenizer: Any, prompt: str) -> list[int]:
    """The ids after which a model trained on rows writes the completion of `prompt`."""
    framing = framing_of(tokenizer)
    return [*framing.begin, *encode_plain(tokenizer, prompt), *framing.middle]


def encode_rows(tokenizer: Any, rows: Sequence[Row], tokens_max: int) -> tuple[EncodedRow, ...]:
    """Encode rows into at most `tokens_max` tokens each.

    A row that is longer loses the ends of its texts: the completion keeps half of the room and what
    the prompt leaves, the prompt the rest.  A completion that was cut has no end token, so that
    nobody learns to stop inside a sentence.
    """
    framing = framing_of(tokenizer)
    return tuple(_encode_row(tokenizer, framing, row, tokens_max) for row in rows)


def pad(rows: Sequence[EncodedRow]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and labels, both int64 [rows, tokens], padded on the right.

    `labels[n, t]` is the token after position t where a loss is taken, else `IGNORED`.  Under a
    causal mask no real position sees the padding, so none is needed beside it and any id serves as
    padding.
    """
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.int64)
    labels = torch.full((len(rows), width), IGNORED, dtype=torch.int64)
    for number, row in enumerate(rows):
        tokens = torch.tensor(row.ids, dtype=torch.int64)
        ids[number, : len(row.ids)] = tokens
        first = row.completion_start
        labels[number, first - 1 : len(row.ids) - 1] = tokens[first:]
    return ids, labels


def _encode_row(tokenizer: Any, framing: Framing, row: Row, tokens_max: int) -> EncodedRow:
    prompt = encode_plain(tokenizer, row.prompt)
    completion = [*encode_plain(tokenizer, row.completion), *framing.end]
    room = tokens_max - len(framing.begin) - len(framing.middle)
    completion = completion[: max(room - room // 2, room - len(prompt))]
    head = (*framing.begin, *prompt[: room - len(completion)], *framing.middle)
    return EncodedRow((*head, *completion), len(head))


def _known(token: int | None) -> tuple[int, ...]:
    return () if token is None else (token,)
