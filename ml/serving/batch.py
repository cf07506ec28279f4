"""The batch: requests in slots, each with its adapter, its pages and the tokens it has so far.

A step computes whole chunks of prompts, up to a budget, and one token of every answer that has
begun, in one forward pass.

Invariants:

- What a request computes does not depend on its company, not even in the shape of a product:
  prompts are cut into chunks at fixed positions, whole chunks are shared or none, a pass takes
  together only chunks of one shape and place, and a decoding row is one token.
- A request is in the batch only with all the pages it can ever need: nothing is pre-empted.
- Row n of a decoding pass is slot n.  Answers that end leave gaps; when more than half of the rows
  are gaps, the last ones move down.
- A request whose numbers are no longer finite fails alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from ml.exact.inference import state_bytes
from ml.serving.errors import AdapterRefused, EngineStopped
from ml.serving.pages import (
    BLANK_PAGE,
    IDLE_PAGE,
    PAGE_TOKENS,
    KeyValuePages,
    PageTable,
    page_count_of,
    page_hashes,
)
from ml.serving.passes import Network, Pass
from ml.serving.requests import ExactToken, FinishReason, GenerationRequest, TokenStep
from ml.serving.sampling import logprobs_of
from ml.serving.ticket import Ticket


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How much is computed, and kept, at once."""

    slot_count: int
    page_count: int
    chunk_tokens: int
    """A prompt is computed in pieces of this size, a multiple of the page's."""
    prompt_tokens_per_step: int
    """Chunks are begun in a step until they are as many tokens: it bounds what answers wait."""
    rank_max: int


@dataclass(slots=True)
class BatchCounters:
    """What the batch has done since it was made."""

    steps: int = 0
    """Decoding passes."""
    rows: int = 0
    """Rows of those passes, gaps included."""
    answer_tokens: int = 0
    """Tokens chosen in those passes."""
    prompt_tokens: int = 0
    """Tokens of prompts computed."""
    shared_tokens: int = 0
    """Tokens of prompts found in pages of earlier requests."""
    slot_loads: int = 0
    """Requests whose slot did not hold their adapter yet."""


@dataclass(slots=True)
class _Answer:
    """A request in a slot."""

    ticket: Ticket
    number: int
    """Its place in the order of arrival, in which prompts are computed."""
    slot: int
    pages: list[int]
    hashes: list[bytes]
    """Of the pages of the prompt that others may share."""
    computed_count: int
    """Tokens of the prompt whose keys and values are in the pages."""
    tokens: list[int] = field(default_factory=list)
    """The answer so far."""

    @property
    def request(self) -> GenerationRequest:
        return self.ticket.request

    @property
    def remaining_count(self) -> int:
        """Tokens of the prompt that are not computed yet."""
        return len(self.request.prompt_tokens) - self.computed_count

    @property
    def position(self) -> int:
        """The position of the last token, which the next step computes."""
        return len(self.request.prompt_tokens) + len(self.tokens) - 1


class AnswerBatch:
    """The requests that run; used by the stepping thread alone."""

    def __init__(
        self,
        network: Network,
        limits: BatchLimits,
        end_tokens: frozenset[int],
    ) -> None:
        """Reserve slots and pages; nothing runs."""
        device = network.device
        self._network = network
        self._end_tokens = end_tokens
        self._limits = limits
        self._device = device
        self._slab = network.slab(limits.slot_count, limits.rank_max)
        self._past = KeyValuePages(network.shape, limits.page_count, device)
        self._table = PageTable(limits.page_count)
        self._answers: list[_Answer | None] = [None] * limits.slot_count
        width = page_count_of(network.shape.positions_max)
        self._pages = torch.full((limits.slot_count, width), IDLE_PAGE, device=device)
        self._started_count = 0
        self.counters = BatchCounters()

    @property
    def running_count(self) -> int:
        """How many requests are in slots."""
        return sum(answer is not None for answer in self._answers)

    def start(self, ticket: Ticket) -> bool:
        """Put a request with its adapter into a slot; False if there is no slot, or no pages."""
        request = ticket.request
        slot = self._choose_slot(request.adapter_key)
        if slot is None:
            return False
        hashes = page_hashes(request.adapter_key, request.prompt_tokens)
        pages = self._table.share(hashes, self._limits.chunk_tokens // PAGE_TOKENS)
        shared_count = len(pages)
        needed = page_count_of(len(request.prompt_tokens) + request.tokens_max) - shared_count
        own = self._table.allocate(needed)
        if own is None:
            self._table.release(pages)
            return False
        # The pages of the prompt are written as a whole before anybody reads them.
        self._past.clear(own[page_count_of(len(request.prompt_tokens)) - shared_count :])
        if self._slab.adapter_in(slot) != request.adapter_key:
            self.counters.slot_loads += 1
        self._slab.place(slot, ticket.row)
        computed_count = shared_count * PAGE_TOKENS
        self.counters.shared_tokens += computed_count
        self._started_count += 1
        self._answers[slot] = _Answer(
            ticket, self._started_count, slot, pages + own, hashes, computed_count
        )
        return True

    def step(self) -> None:
        """Compute some chunks of prompts, and a token of every answer that has begun."""
        for answer in self._running():
            if answer.ticket.cancelled:
                self._end(answer)
        self._close_gaps()
        decoding = [answer for answer in self._running() if not answer.remaining_count]
        chunks = self._next_chunks()
        passes = [self._chunk_pass(answers) for answers in chunks]
        if decoding:
            passes.append(self._decoding_pass(decoding))
        if not passes:
            return
        hidden = self._network.forward(self._past, passes)
        last: list[tuple[_Answer, int]] = []
        start = 0
        for answers, each in zip(chunks, passes, strict=False):
            last += self._finish_chunk(answers, start, each.tokens.shape[1])
            start += each.size
        last += [(answer, start + answer.slot) for answer in decoding]
        if last:
            self._extend([answer for answer, _ in last], hidden[[row for _, row in last]])

    def fail_all(self, error: EngineStopped) -> None:
        """End every request with `error`."""
        for answer in self._running():
            answer.ticket.fail(error)
            self._end(answer)

    def _running(self) -> list[_Answer]:
        return [answer for answer in self._answers if answer is not None]

    def _choose_slot(self, adapter: bytes | None) -> int | None:
        """A free slot: one that holds the adapter if that widens no batch, else the first."""
        free = [slot for slot, answer in enumerate(self._answers) if answer is None]
        if not free:
            return None
        top = max((answer.slot for answer in self._running()), default=-1)
        for slot in free:
            if slot <= max(top, free[0]) and self._slab.adapter_in(slot) == adapter:
                return slot
        return free[0]

    def _next_chunks(self) -> list[list[_Answer]]:
        """The next chunks within the step's budget, those of one shape together."""
        groups: defaultdict[tuple[int, int], list[_Answer]] = defaultdict(list)
        budget = self._limits.prompt_tokens_per_step
        for answer in sorted(self._running(), key=lambda each: each.number):
            if answer.remaining_count and budget > 0:
                count = min(answer.remaining_count, self._limits.chunk_tokens)
                groups[answer.computed_count, page_count_of(count)].append(answer)
                budget -= count
        return list(groups.values())

    def _chunk_pass(self, answers: Sequence[_Answer]) -> Pass:
        """The next chunk of each prompt; all begin at one position and have one size."""
        start = answers[0].computed_count
        count_max = min(answers[0].remaining_count, self._limits.chunk_tokens)
        width = page_count_of(count_max) * PAGE_TOKENS
        end = start + width
        # What pads a chunk to whole pages is masked for all real tokens, which come before it.
        tokens = torch.zeros(len(answers), width, dtype=torch.int64)
        for row, answer in enumerate(answers):
            piece = answer.request.prompt_tokens[start:end]
            tokens[row, : len(piece)] = torch.tensor(piece)
        pages = torch.tensor([answer.pages[: end // PAGE_TOKENS] for answer in answers])
        slots = [answer.slot for answer in answers]
        return Pass(
            tokens.to(self._device),
            torch.arange(start, end, device=self._device).expand(len(answers), width),
            pages.to(self._device),
            self._slab.adapters_of(slots, slots),
        )

    def _finish_chunk(
        self, answers: Sequence[_Answer], first: int, width: int
    ) -> list[tuple[_Answer, int]]:
        """Note that the chunks were computed; the answers that begin, and their last states' rows.

        The chunks' states begin at row `first`, `width` of them for each answer.
        """
        begun = []
        for row, answer in enumerate(answers):
            start = answer.computed_count
            count = min(answer.remaining_count, width)
            self.counters.prompt_tokens += count
            answer.computed_count += count
            self._publish(answer, start // PAGE_TOKENS)
            if not answer.remaining_count:
                self._begin(answer)
                begun.append((answer, first + row * width + count - 1))
        return begun

    def _publish(self, answer: _Answer, first: int) -> None:
        whole = min(answer.computed_count // PAGE_TOKENS, len(answer.hashes))
        for index in range(first, whole):
            self._table.publish(answer.pages[index], answer.hashes[index])

    def _begin(self, answer: _Answer) -> None:
        """Let the decoding pass see a row whose prompt is computed."""
        slot = answer.slot
        self._pages[slot] = BLANK_PAGE
        self._pages[slot, : len(answer.pages)] = torch.tensor(answer.pages, device=self._device)

    def _decoding_pass(self, answers: Sequence[_Answer]) -> Pass:
        """The last token of each answer; row n is slot n."""
        count = answers[-1].slot + 1
        self.counters.steps += 1
        self.counters.rows += count
        self.counters.answer_tokens += len(answers)
        tokens, positions = [0] * count, [0] * count
        for answer in answers:
            tokens[answer.slot] = answer.tokens[-1]
            positions[answer.slot] = answer.position
        return Pass(
            torch.tensor(tokens, device=self._device)[:, None],
            torch.tensor(positions, device=self._device)[:, None],
            self._pages[:count, : page_count_of(max(positions) + 1)],
            self._slab.adapters_of(range(count), [answer.slot for answer in answers]),
        )

    def _extend(self, answers: Sequence[_Answer], states: torch.Tensor) -> None:
        """Choose the next token of each answer from its row of states, and hand it on."""
        logits = self._network.logits(states)
        finite: list[bool] = torch.isfinite(logits.amax(dim=-1)).tolist()
        good = [row for row, is_finite in enumerate(finite) if is_finite]
        for row in set(range(len(answers))).difference(good):
            answers[row].ticket.fail(_not_finite(answers[row].request))
            self._end(answers[row])
        chosen = self._network.choose(
            logits if len(good) == len(answers) else logits[good],
            [(answers[row].request, answers[row].tokens) for row in good],
        )
        for row, token in zip(good, chosen, strict=True):
            self._take(answers[row], token, logits[row], states[row])

    def _take(self, answer: _Answer, token: int, logits: torch.Tensor, state: torch.Tensor) -> None:
        request, exact = answer.request, None
        if request.lane == "verifiable":
            exact = ExactToken(token, state_bytes(state))
        if token in self._end_tokens:
            answer.ticket.put_step(TokenStep(None, "stop", exact=exact))
            self._end(answer)
            return
        answer.tokens.append(token)
        finish: FinishReason | None = "length" if len(answer.tokens) == request.tokens_max else None
        stated = None
        if request.logprobs is not None:
            stated = logprobs_of(logits, token, request.logprobs)
        answer.ticket.put_step(TokenStep(token, finish, stated, exact))
        if finish:
            self._end(answer)

    def _end(self, answer: _Answer) -> None:
        self._table.release(answer.pages)
        self._pages[answer.slot] = IDLE_PAGE
        self._answers[answer.slot] = None

    def _close_gaps(self) -> None:
        """Move the last rows into gaps while more than half of the rows are gaps."""
        while True:
            running = self._running()
            if not running or running[-1].slot + 1 <= 2 * len(running):
                return
            answer, gap = running[-1], self._answers.index(None)
            self._slab.move(answer.slot, gap)
            self._pages[gap] = self._pages[answer.slot]
            self._pages[answer.slot] = IDLE_PAGE
            self._answers[answer.slot], self._answers[gap] = None, answer
            answer.slot = gap


def _not_finite(request: GenerationRequest) -> AdapterRefused:
    key = request.adapter_key
    name = "The base model" if key is None else f"The adapter {key.hex()}"
    return AdapterRefused(
        f"{name} gives numbers that are not finite.", remedy="Use another adapter."
    )
