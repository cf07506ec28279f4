"""One answer from the question to its signed receipt.

    check model and access -> reserve the highest fee -> stream tokens -> journal -> receipt

Invariants:

- A receipt leaves the process only after its answer is in the journal.
- A client that goes away pays for the tokens it was sent, and only when it asked for a stream; a
  fault of ours costs nothing.
- The engine computes all answers together in a thread of its own; each waits for its tokens in a
  worker thread, and at most `active_max` are in progress.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog
import trio

from ml.exact.inference import ExactAnswer
from ml.serving.errors import (
    AdapterMissing,
    AdapterRefused,
    QueueFull,
    RequestRefused,
    ServingError,
)
from ml.serving.requests import FinishReason, GenerationRequest, TokenEvent
from ml.serving.texts import TextEngine
from node.api.answers import AnswerLog
from node.api.errors import (
    ApiError,
    BrokenModel,
    InvalidRequest,
    Overloaded,
    Unavailable,
    UnknownModel,
)
from node.api.escrow import Escrow
from node.api.evidence import Evidence, sign_evidence
from node.api.generation import generation_of
from node.api.keys import ApiKey
from node.api.ledger import Ledger
from node.api.meter import Amounts, Meter
from node.api.metrics import ServingMetrics, TokenClock
from node.api.requests import CompletionRequest
from node.api.responses import Delta, Finished, SignedEvidence, error_response
from node.api.streams import Piece
from node.errors import HttpError, NodeError
from node.http.messages import Request, Response
from node.workers.model_folders import fetch_folder
from runtime.arithmetic import answer_fee
from runtime.errors import DecodeError
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.wire.receipts import INFERENCE_RECEIPT_VERSION, UNSIGNED, InferenceReceipt
from runtime.wire.records import Model

T = TypeVar("T")
_log = structlog.get_logger("api")

RECORD_TIMEOUT_S = 30.0
"""How long a cancelled answer may take to be journalled."""


@dataclass(frozen=True, slots=True)
class Order:
    """A request that will be answered: access, price and escrow are settled."""

    request: CompletionRequest
    user: bytes
    model: Model
    generation: GenerationRequest
    height: int
    platform_fee: int

    @property
    def most(self) -> Amounts:
        """What the answer takes at its longest."""
        tokens = len(self.generation.prompt_tokens) + self.generation.tokens_max
        return Amounts(tokens, self.fee_max)

    @property
    def fee_max(self) -> int:
        """What the answer costs at its longest."""
        return self.fee(self.generation.tokens_max)

    def fee(self, output_tokens: int) -> int:
        """What the answer costs with so many output tokens."""
        prices = self.model.prices
        return answer_fee(
            len(self.generation.prompt_tokens),
            output_tokens,
            prices.input_per_1000,
            prices.output_per_1000,
            self.platform_fee,
        )


@dataclass(slots=True)
class Progress:
    """What the client has been sent so far."""

    text: str = ""
    output_tokens: int = 0
    finish: FinishReason | None = None
    receipt: InferenceReceipt | None = None
    evidence: SignedEvidence | None = None

    def add(self, event: TokenEvent) -> None:
        """Take one more token."""
        self.text += event.text
        self.output_tokens = event.output_tokens
        self.finish = event.finish

    @property
    def taken(self) -> Amounts:
        """What the client pays for; nothing without a receipt."""
        receipt = self.receipt
        if receipt is None:
            return Amounts()
        return Amounts(receipt.prompt_tokens + receipt.output_tokens, receipt.fee)

    def finished(self) -> Finished:
        """The last piece; raises `Unavailable` without a receipt."""
        if self.receipt is None or self.finish is None:
            raise Unavailable("The answer has no receipt.", remedy="Ask again.")
        return Finished(self.finish, self.receipt, self.evidence)


class Answering:
    """Answers requests one token at a time, each paid and receipted."""

    def __init__(
        self,
        engine: TextEngine,
        ledger: Ledger,
        log: AnswerLog,
        keypair: Keypair,
        models: Path,
        meter: Meter,
        metrics: ServingMetrics,
        *,
        active_max: int,
    ) -> None:
        """Adapters are kept in `models`, one folder a manifest hash."""
        self._meter = meter
        self._metrics = metrics
        self._engine = engine
        self._ledger = ledger
        self._log = log
        self._escrow = Escrow(ledger, log)
        self._keypair = keypair
        self._models = models
        self._active_max = active_max
        self._active_count = 0
        self._engine_threads = trio.CapacityLimiter(active_max)
        self._ledger_thread = trio.CapacityLimiter(1)
        self._disk_thread = trio.CapacityLimiter(1)

    async def pieces(self, request: CompletionRequest, key: ApiKey) -> AsyncGenerator[Piece, None]:
        """Yield an empty piece once the answer is certain to begin, texts, then `Finished`.

        Raises `ApiError` before the first piece for everything a client can do wrong.
        """
        if self._active_count >= self._active_max:
            raise Overloaded(
                f"{self._active_count} answers are in progress.", remedy="Try again in a moment."
            )
        self._active_count += 1
        try:
            with explained():
                order = await trio.to_thread.run_sync(
                    self._order, request, key.account, limiter=self._ledger_thread
                )
            progress = Progress()
            try:
                with self._meter.metered(key, order.most) as tally:
                    try:
                        async with aclosing(self._answer(order, progress)) as answer:
                            async for piece in answer:
                                yield piece
                    finally:
                        tally.taken = progress.taken
            finally:
                self._escrow.release(key.account, order.fee_max)
        finally:
            self._active_count -= 1

    async def _answer(self, order: Order, progress: Progress) -> AsyncGenerator[Piece, None]:
        clock = TokenClock(self._metrics)
        with explained():
            events = await self._compute(partial(self._engine.stream, order.generation))
        with closing(events):
            yield Delta()
            try:
                while progress.finish is None:
                    with explained():
                        event = await self._compute(partial(next, events))
                    clock.tick()
                    progress.add(event)
                    if event.finish is not None:
                        await self._record(order, progress)
                        self._prove(order, progress, events.exact_answer)
                    if event.text or event.stated:
                        yield Delta.of(event)
            except (GeneratorExit, trio.Cancelled):
                if order.request.stream and progress.output_tokens and progress.receipt is None:
                    with trio.move_on_after(RECORD_TIMEOUT_S, shield=True):
                        await self._record(order, progress)
                raise
        yield progress.finished()

    def _prove(self, order: Order, progress: Progress, exact: ExactAnswer | None) -> None:
        """Sign for what checks an answer of the lane `verifiable`."""
        if exact is None or progress.receipt is None:
            return
        evidence = Evidence.of(order.generation, order.model.base_model, exact)
        signature = sign_evidence(self._keypair, progress.receipt, evidence)
        progress.evidence = SignedEvidence(evidence, signature)

    async def _compute(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._engine_threads)

    async def _record(self, order: Order, progress: Progress) -> None:
        """Journal the answer as far as it went, and sign for it."""
        with explained():
            progress.receipt = await trio.to_thread.run_sync(
                partial(
                    self._log.record,
                    partial(self._receipt, order, progress),
                    order.request.prompt,
                    progress.text,
                    disclose=order.request.disclose,
                ),
                limiter=self._disk_thread,
            )

    def _order(self, request: CompletionRequest, user: bytes) -> Order:
        """Check model, access and price, and reserve the most that the answer may cost."""
        model = self._ledger.model(request.model)
        if not self._ledger.may_use(request.model, model, user):
            raise UnknownModel.of(request.model)
        if self._ledger.is_retired(request.model):
            raise UnknownModel(
                f"The model {request.model.hex()} is retired.",
                remedy="Use another one: GET /v1/models lists those that you may use.",
                parameter="model",
            )
        if model.base_model != self._engine.base_hash:
            raise UnknownModel(
                f"The model {request.model.hex()} needs the base model {model.base_model.hex()}.",
                remedy="Ask a server that has this base model.",
                parameter="model",
            )
        fetch_folder(self._ledger.client, request.model, self._models)
        generation = self._generation(request, self._ledger.prompt_template(model))
        order = Order(
            request,
            user,
            model,
            generation,
            self._ledger.height(),
            self._ledger.platform_fee,
        )
        self._escrow.reserve(user, order.fee_max)
        return order

    def _generation(self, request: CompletionRequest, template: str) -> GenerationRequest:
        engine = self._engine
        if request.shape == "chat":
            tokens = engine.encode_question(request.prompt, template)
        else:
            tokens = engine.encode_text(request.prompt)
        return generation_of(request, tokens, request.model, engine.context_tokens_max)

    def _receipt(self, order: Order, progress: Progress, number: int) -> InferenceReceipt:
        request, prices = order.request, order.model.prices
        unsigned = InferenceReceipt(
            version=INFERENCE_RECEIPT_VERSION,
            genesis_hash=self._ledger.genesis_hash,
            model=request.model,
            base_model=order.model.base_model,
            server=self._keypair.account,
            user=order.user,
            request=number,
            prompt_hash=hash_text(request.prompt.encode()),
            output_hash=hash_text(progress.text.encode()),
            prompt_tokens=len(order.generation.prompt_tokens),
            output_tokens=progress.output_tokens,
            lane=request.lane,
            temperature_ppb=request.sampling.temperature_ppb,
            seed=request.sampling.seed,
            input_per_1000=prices.input_per_1000,
            output_per_1000=prices.output_per_1000,
            platform_fee=order.platform_fee,
            fee=order.fee(progress.output_tokens),
            height=order.height,
            disclosed=request.disclose,
            signature=UNSIGNED,
        )
        return replace(unsigned, signature=self._keypair.sign(unsigned.signing_payload()))


@contextmanager
def explained() -> Iterator[None]:
    """Turn what goes wrong below into the error that a client is told."""
    try:
        yield
    except (ApiError, HttpError):
        raise
    except RequestRefused as error:
        raise InvalidRequest(
            error.message, remedy=error.remedy, parameter=error.parameter
        ) from error
    except QueueFull as error:
        raise Overloaded(error.message, remedy=error.remedy) from error
    except AdapterMissing as error:
        raise UnknownModel(error.message, remedy=error.remedy, parameter="model") from error
    except AdapterRefused as error:
        raise BrokenModel(error.message, remedy=error.remedy, parameter="model") from error
    except (ServingError, NodeError, DecodeError) as error:
        _log.warning("answer refused", error=error.message, remedy=error.remedy)
        raise Unavailable(error.message, remedy=error.remedy) from error


async def answered(route: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Answer a request by its route; every expected error is an answer in OpenAI's shape."""
    try:
        with explained():
            return await route(request)
    except ApiError as error:
        return error_response(error)
