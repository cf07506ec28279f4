"""The verifiable lane: answers that one prefill checks to the bit.

Decoding with a cache gives the bits of a prefill, because every scale is one token's, and a sum
does not care in how many pieces it was added.  So whoever holds the model checks an answer of n
tokens in one pass over prompt and answer, and needs no tolerance:

    answer    prompt in chunks of 256 tokens, then token by token with a cache
    receipt   tokens, and for every 32 of them a hash of the last states they were chosen from
    check     all tokens at once through the same operators: same states, same choices

The states' hashes bind the server to its computation while the logits stay unsaid: a server that
guessed cheap tokens would have to find states that hash alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ml.errors import OrderInvalid
from ml.exact.adapter import Adapter
from ml.exact.attention import attention_weights, key_grid, value_grid
from ml.exact.elementary import rms_norm
from ml.exact.linears import part_table
from ml.exact.model import ExactModel
from ml.exact.network import feed, heads_of, linear_of, tables_of
from ml.exact.products import rows_of
from ml.exact.sampling import Sampler, choose
from ml.exact.shape import GROUPS, ModelShape
from runtime.hashing import hasher

STATE_TOKENS = 32
"""For how many tokens of an answer there is one hash of states."""
CHUNK_TOKENS = 256
"""How much of a text goes through at once; it changes no bit."""

_hash_states = hasher(b"answer states")


@dataclass(frozen=True, slots=True)
class ExactAnswer:
    """What a server commits to."""

    tokens: tuple[int, ...]
    states: tuple[bytes, ...]
    """The hash of each `STATE_TOKENS` tokens' states, the last of the rest."""


class Reading:
    """One text on its way through a model: its keys and values so far."""

    def __init__(self, model: ExactModel, adapter: Adapter | None, tokens_max: int) -> None:
        """Keep room for `tokens_max` tokens; raises `OrderInvalid` beyond the model's context."""
        if tokens_max > model.shape.positions_max:
            message = f"A text of {tokens_max} tokens was asked for."
            remedy = f"This model reads at most {model.shape.positions_max}."
            raise OrderInvalid(message, remedy=remedy)
        self._model = model
        self._table = part_table([block.groups for block in model.blocks], adapter, 1.0)
        self._keys, self._values = (_room(model.shape, tokens_max) for _ in range(2))
        self._count = 0

    @torch.inference_mode()
    def read(self, tokens: Sequence[int]) -> torch.Tensor:
        """The last states [tokens, width] after the final norm, of the tokens that come next."""
        parts = [
            self._read(tokens[start : start + CHUNK_TOKENS])
            for start in range(0, len(tokens), CHUNK_TOKENS)
        ]
        return torch.cat(parts)

    def _read(self, tokens: Sequence[int]) -> torch.Tensor:
        model, start, stop = self._model, self._count, self._count + len(tokens)
        hidden = model.embedding[torch.tensor(tokens)]
        tables = tables_of(model, start, len(tokens))
        unseen = torch.arange(stop) > torch.arange(start, stop)[:, None]
        for number, block in enumerate(model.blocks):
            linear = linear_of(block, self._table[number], [None] * len(GROUPS), None)
            heads = heads_of(model, block, linear, hidden, tables)
            keys, values = self._keys[number], self._values[number]
            keys[:, :, start:stop] = key_grid(heads.keys)
            values[:, :, start:stop] = value_grid(heads.values)
            weights = attention_weights(heads.queries, keys[:, :, :stop], unseen)
            attended = (weights.double() @ values[:, :, :stop]).float()
            hidden, _ = feed(model, block, linear, hidden, attended)
        self._count = stop
        return rms_norm(hidden, model.epsilon).values * model.final_norm


@torch.inference_mode()
def logits_of(model: ExactModel, states: torch.Tensor) -> torch.Tensor:
    """float32 logits [tokens, vocabulary] of last states."""
    return model.head.times(rows_of(states)).float()


def answer(
    model: ExactModel,
    adapter: Adapter | None,
    prompt: Sequence[int],
    sampler: Sampler,
    tokens_max: int,
) -> ExactAnswer:
    """Answer a prompt with at most `tokens_max` tokens, the last of which may be an end token.

    Raises `OrderInvalid` for a prompt and answer that together exceed the context, or are empty.
    """
    reading = _reading(model, adapter, prompt, tokens_max)
    tokens: list[int] = []
    states = [reading.read(prompt)[-1:]]
    while True:
        tokens.extend(choose(logits_of(model, states[-1]), len(tokens), sampler))
        if len(tokens) == tokens_max or tokens[-1] in model.end_tokens:
            return ExactAnswer(tuple(tokens), tuple(state_hashes(torch.cat(states))))
        states.append(reading.read(tokens[-1:]))


def first_difference(
    model: ExactModel,
    adapter: Adapter | None,
    prompt: Sequence[int],
    sampler: Sampler,
    claimed: ExactAnswer,
) -> int | None:
    """Check an answer by one prefill: None, or the place of the first token that is not exact.

    A wrong hash of states counts at the first token that it covers, a token behind an end token at
    its place, and a wrong number of hashes at 0.  Raises `OrderInvalid` where the context is too
    short for the answer, or one of both is empty.
    """
    reading = _reading(model, adapter, prompt, len(claimed.tokens))
    tokens = _plausible(model, claimed.tokens)
    if not tokens or len(claimed.states) != -(-len(claimed.tokens) // STATE_TOKENS):
        return 0
    states = reading.read([*prompt, *tokens[:-1]])[len(prompt) - 1 :]
    whole = len(tokens) == len(claimed.tokens)
    for number, own_hash in enumerate(state_hashes(states)):
        start = number * STATE_TOKENS
        part = slice(start, start + STATE_TOKENS)
        chosen = choose(logits_of(model, states[part]), start, sampler)
        for place, (own, said) in enumerate(zip(chosen, tokens[part], strict=True), start):
            if own != said:
                return place
        if own_hash != claimed.states[number] and (whole or part.stop <= len(tokens)):
            return start
    return None if whole else len(tokens)


def _reading(
    model: ExactModel, adapter: Adapter | None, prompt: Sequence[int], tokens_max: int
) -> Reading:
    if not prompt or tokens_max < 1:
        message = f"An answer of {tokens_max} tokens to {len(prompt)} was asked for."
        raise OrderInvalid(message, remedy="Give a prompt, and ask for at least one token.")
    if not 0 <= min(prompt) <= max(prompt) < model.shape.vocabulary:
        message = f"The prompt has a token outside 0 to {model.shape.vocabulary - 1}."
        raise OrderInvalid(message, remedy="Encode the prompt with the model's own tokenizer.")
    return Reading(model, adapter, len(prompt) + tokens_max)


def _plausible(model: ExactModel, tokens: Sequence[int]) -> tuple[int, ...]:
    """The tokens up to the first that no answer can have there: unknown, or behind an end."""
    ended = False
    for place, token in enumerate(tokens):
        if ended or not 0 <= token < model.shape.vocabulary:
            return tuple(tokens[:place])
        ended = token in model.end_tokens
    return tuple(tokens)


def state_hashes(states: torch.Tensor) -> Iterator[bytes]:
    """The hash of each `STATE_TOKENS` rows of float32 states, as little-endian bytes."""
    return hashes_of_states([state_bytes(state) for state in states])


def hashes_of_states(states: Sequence[bytes]) -> Iterator[bytes]:
    """The same of each token's `state_bytes`."""
    for start in range(0, len(states), STATE_TOKENS):
        yield _hash_states(b"".join(states[start : start + STATE_TOKENS]))


def state_bytes(state: torch.Tensor) -> bytes:
    """One token's float32 state [width], little-endian."""
    return state.numpy().astype("<f4", copy=False).tobytes()


def _room(shape: ModelShape, tokens_max: int) -> torch.Tensor:
    sizes = (shape.layer_count, 1, shape.key_value_head_count, tokens_max, shape.head_width)
    return torch.zeros(sizes, dtype=torch.float64)
