"""The serving engine: one base model, thousands of adapters, all answers in one batch.

    submit -> admission -> loader thread -> admission -> stepping thread -> ticket

Invariants:

- The loader alone reads files, the stepping thread alone computes: no step waits for a disk.
- The same request gives the same tokens whatever else is in the batch (precision `int8`; in
  `float32` but for the last bit of a sum).
- A bad adapter or request fails itself only; the engine goes on.
- An engine computes one lane.  The lanes of a server share the shelf of adapters, nothing else.

Prior art: Punica and S-LoRA (many adapters in one batch), Orca (batches that change between two
tokens), vLLM (paged keys and values), LoRAX (adapters loaded while others are served).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from ml.manifest import manifest_of
from ml.serving.adapter import AdapterLimits
from ml.serving.admission import Admission, QueueLimits
from ml.serving.batch import AnswerBatch, BatchLimits
from ml.serving.errors import AdapterRefused, EngineStopped, RequestRefused, ServingError
from ml.serving.exact import ExactNetwork
from ml.serving.layout import RANKS, RowLayout
from ml.serving.linears import Precision
from ml.serving.merging import Merge
from ml.serving.network import FloatNetwork
from ml.serving.packed import PackedRows
from ml.serving.pages import PAGE_TOKENS, page_count_of
from ml.serving.passes import Network
from ml.serving.requests import GenerationRequest, Lane, check_request
from ml.serving.residents import Residents
from ml.serving.rows import AdapterRow
from ml.serving.shelf import Shelf
from ml.serving.ticket import Ticket

PACKED_FOLDER = ".packed"
"""Where packed adapters are kept, beside the folders they come from."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The engine's limits; everything that grows has one here."""

    lane: Lane = "fast"
    precision: Precision = "int8"
    """Of the lane `fast`."""
    device: str = "cpu"
    """Of the lane `fast`; exact answers are computed on the CPU."""
    slots: int = 32
    """Answers computed at once."""
    rank_max: int = RANKS[-1]
    """The largest rank of an adapter; a slot has room for it."""
    context_tokens_max: int = 2_048
    """Prompt and output together; the base model's own limit, if lower, wins."""
    cache_tokens: int = 16_384
    """Tokens whose keys and values are kept, for running answers and for prompts like them."""
    adapters_resident_bytes: int = 1 << 30
    """Adapters in memory, beside the slots."""
    packed_bytes_max: int = 32 << 30
    """Packed adapters on disk; over it, those that were packed first are deleted."""
    chunk_tokens: int = 64
    """Prompts are computed, and shared, in pieces of this size; a multiple of the page's."""
    prompt_tokens_per_step: int = 512
    """What answers in progress wait for at most when prompts arrive."""
    prompt_characters_max: int = 65_536
    waiting_max: int = 1_024
    waiting_per_adapter_max: int = 256


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """What the engine is doing, and has done since it was made."""

    running: int
    ready: int
    waiting: int
    adapters_resident: int
    adapters_resident_bytes: int
    adapters_found_in: Mapping[str, int]
    """How often an adapter was found in which tier, `shelf.Tier`."""
    adapters_unwritten: int
    """Adapters that could not be packed, such as on a full disk."""
    batch: Mapping[str, int]
    """`batch.BatchCounters`."""


class Engine:
    """Answers through adapters of one base model, in tokens."""

    def __init__(
        self,
        base_model: Path,
        adapters: Path,
        settings: EngineSettings | None = None,
        end_tokens: frozenset[int] = frozenset(),
        shelf: Shelf | None = None,
    ) -> None:
        """Load the base model; adapters are read from `adapters/<hash in hex>/` when first asked.

        `end_tokens` end an answer beside those that the model names; a `shelf` is that of another
        engine of the same folders.  Somebody must call `step` for anything to be answered: `start`
        lets a thread do it.  Raises `ModelUnusable`.
        """
        self.settings = settings or EngineSettings()
        self.base_hash = manifest_of(base_model).hash()
        self.network = _load_network(base_model, self.settings)
        self.shelf = shelf or self._open_shelf(adapters)
        self._batch = AnswerBatch(
            self.network, _batch_limits(self.settings), self.network.end_tokens | end_tokens
        )
        self._admission = Admission(_queue_limits(self.settings))
        self._loader = threading.Thread(target=self._load, name="adapter loader", daemon=True)
        self._loader.start()
        self._stepper: threading.Thread | None = None

    @property
    def context_tokens_max(self) -> int:
        """The most tokens of prompt and output together."""
        return self.network.shape.positions_max

    @property
    def width(self) -> int:
        """How many numbers the base model's vectors have."""
        return self.network.shape.width

    @property
    def vocabulary_size(self) -> int:
        """How many tokens the base model knows."""
        return self.network.vocabulary_size

    def submit(self, request: GenerationRequest) -> Ticket:
        """Queue a request; raises `RequestRefused`, `QueueFull` and `EngineStopped`.

        What is wrong with its adapter is found out later, and raised by the ticket.
        """
        check_request(request, self.context_tokens_max, self.vocabulary_size)
        if isinstance(request.adapter, Merge):
            request.adapter.check()
        self._check_room(request)
        if request.lane != self.settings.lane:
            raise RequestRefused(
                f"The request's lane is {request.lane!r}.",
                remedy=f"This engine answers in the lane {self.settings.lane!r} alone.",
                parameter="lane",
            )
        ticket = Ticket(request)
        self._admission.put(ticket)
        return ticket

    def step(self) -> bool:
        """Compute once; returns False, computing nothing, if no request is in the engine.

        Waits while all requests are still being loaded.
        """
        self._admit()
        if not self._batch.running_count:
            if not self._admission.wait_for_ready():
                return False
            self._admit()
        with torch.inference_mode():
            self._batch.step()
        return True

    def start(self) -> None:
        """Let a thread compute until `close`."""
        self._stepper = threading.Thread(target=self._compute, name="engine", daemon=True)
        self._stepper.start()

    def close(self) -> None:
        """End both threads; requests that are not done fail with `EngineStopped`."""
        self._drop_waiting(_stopped())
        if self._stepper is not None:
            self._stepper.join()
        # Once more for a request that the last step put back: the loader may wait for its memory.
        self._drop_waiting(_stopped())
        self._loader.join()
        self._batch.fail_all(_stopped())

    def figures(self) -> EngineFigures:
        """The engine's counters, each as it is at some moment of the call."""
        return EngineFigures(
            running=self._batch.running_count,
            ready=self._admission.ready_count,
            waiting=self._admission.waiting_count,
            adapters_resident=self.shelf.residents.count,
            adapters_resident_bytes=self.shelf.residents.used_bytes,
            adapters_found_in={
                str(tier): count for tier, count in dict(self.shelf.found_in).items()
            },
            adapters_unwritten=self.shelf.unwritten_count,
            batch=asdict(self._batch.counters),
        )

    def _open_shelf(self, adapters: Path) -> Shelf:
        settings, layout = self.settings, RowLayout(self.network.shape)
        packed = PackedRows(
            adapters / PACKED_FOLDER, self.base_hash, layout, settings.packed_bytes_max
        )
        residents = Residents(settings.adapters_resident_bytes)
        limits = AdapterLimits(self.base_hash, settings.rank_max)
        return Shelf(adapters, packed, residents, layout, limits)

    def _check_room(self, request: GenerationRequest) -> None:
        tokens, limit = len(request.prompt_tokens) + request.tokens_max, self.settings.cache_tokens
        if page_count_of(tokens) * PAGE_TOKENS > limit:
            raise RequestRefused(
                f"Prompt and answer may take {tokens} tokens; this engine keeps {limit}.",
                remedy="Ask for a shorter answer.",
                parameter="max_tokens",
            )

    def _admit(self) -> None:
        while (ticket := self._admission.take_ready()) is not None:
            if ticket.cancelled:
                self._drop(ticket, _stopped())
            elif self._batch.start(ticket):
                self._release(ticket)
            else:
                self._admission.put_back(ticket)
                return

    def _release(self, ticket: Ticket) -> None:
        """Let go of the row in memory: the slot has a copy."""
        if ticket.row is not None:
            self.shelf.release(ticket.row)
            ticket.row = None

    def _drop_waiting(self, error: ServingError) -> None:
        """Take no more requests, and fail those that do not run."""
        for ticket in self._admission.close():
            self._drop(ticket, error)

    def _drop(self, ticket: Ticket, error: ServingError) -> None:
        self._release(ticket)
        ticket.fail(error)

    def _compute(self) -> None:
        """Step until closed (the stepping thread)."""
        try:
            while self._admission.wait_for_any(busy=self._batch.running_count > 0):
                self.step()
        except Exception as error:  # noqa: BLE001 # whoever waits must hear of any fault
            failure = EngineStopped(f"The engine failed: {error!r}.", remedy="Start it again.")
            self._drop_waiting(failure)
            self._batch.fail_all(failure)

    def _load(self) -> None:
        """Bring adapters into memory until closed (the loader thread)."""
        while (ticket := self._admission.next_to_load()) is not None:
            self._load_one(ticket)
            if not self._admission.finish_load(ticket):
                self._drop(ticket, _stopped())

    def _load_one(self, ticket: Ticket) -> None:
        adapter = ticket.request.adapter
        try:
            if adapter is not None:
                ticket.row = self.shelf.fetch(adapter)
                ticket.shares_ppb = ticket.row.shares_ppb
                self._check_lane(ticket.row)
        except ServingError as error:
            self._drop(ticket, error)
        except Exception as error:  # noqa: BLE001 # an odd file must not end the thread
            message = f"The adapter cannot be loaded: {error!r}."
            self._drop(ticket, AdapterRefused(message, remedy="Fetch its files again."))
        else:
            ticket.put_ready()

    def _check_lane(self, row: AdapterRow) -> None:
        if self.settings.lane == "verifiable" and not row.verifiable:
            raise AdapterRefused(
                f"The adapter {row.key.hex()} is a merge, has a scale that is not a whole "
                "lora_alpha over its rank, or leaves out layers.",
                remedy="Ask for it in the lane 'fast': the exact operators do not read it.",
            )


def _load_network(base_model: Path, settings: EngineSettings) -> Network:
    positions_max = settings.context_tokens_max
    if settings.lane == "verifiable":
        return ExactNetwork.load(base_model, positions_max)
    device = torch.device(settings.device)
    return FloatNetwork.load(base_model, settings.precision, positions_max, device)


def _stopped() -> EngineStopped:
    return EngineStopped("The engine was stopped.", remedy="Ask again, or another server.")


def _batch_limits(settings: EngineSettings) -> BatchLimits:
    return BatchLimits(
        slot_count=settings.slots,
        page_count=settings.cache_tokens // PAGE_TOKENS,
        chunk_tokens=settings.chunk_tokens,
        prompt_tokens_per_step=settings.prompt_tokens_per_step,
        rank_max=settings.rank_max,
    )


def _queue_limits(settings: EngineSettings) -> QueueLimits:
    return QueueLimits(
        waiting_max=settings.waiting_max,
        waiting_per_adapter_max=settings.waiting_per_adapter_max,
        ready_max=settings.slots,
    )
