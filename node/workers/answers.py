"""The answers of one model and epoch: receipts from the content store, texts from their servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from node.api.disclosure import DisclosedAnswer, answers_target, sign_request
from node.client import NodeClient
from node.workers.errors import AnswersIncomplete, ServerUnreachable
from runtime.codec import codec_of
from runtime.errors import DecodeError
from runtime.hashing import hash_receipt, hash_text
from runtime.keys import Keypair
from runtime.merkle import sum_root
from runtime.offchain import Answer
from runtime.wire.blobs import decode_blob
from runtime.wire.receipts import InferenceReceipt
from runtime.wire.records import AnswerBatch

BATCH_ANSWERS_MAX = 100_000
PAGE_ITEMS_MAX = 1_024
TIMEOUT_S = 30.0


def fetch_receipts(client: NodeClient, batches: Sequence[AnswerBatch]) -> list[InferenceReceipt]:
    """The receipts of settled batches, checked against the roots on chain.

    Raises `AnswersIncomplete` for a blob that does not lead to its batch's root.
    """
    receipts: list[InferenceReceipt] = []
    for index, batch in enumerate(batches):
        try:
            items = decode_blob(client.get_content(batch.receipts), BATCH_ANSWERS_MAX)
            found = [codec_of(InferenceReceipt).decode(item) for item in items]
        except DecodeError as error:
            message = f"The receipts of batch {index} cannot be read: {error.message}"
            raise AnswersIncomplete(message, remedy="Ask its server to upload them.") from error
        leaves = [(item, receipt.fee) for item, receipt in zip(items, found, strict=True)]
        if sum_root(leaves) != (batch.receipts_root, batch.fees):
            message = f"The receipts of batch {index} do not lead to its root."
            raise AnswersIncomplete(message, remedy="Do not attribute this epoch; dispute it.")
        receipts.extend(found)
    return receipts


class AnswerServers:
    """The servers that a worker knows, asked with its signature."""

    def __init__(self, urls: Sequence[str], client: NodeClient, keypair: Keypair) -> None:
        """Ask the servers at `urls` about the chain that `client` reads."""
        self._urls = [url.rstrip("/") for url in urls]
        self._client = client
        self._keypair = keypair

    def fetch(
        self, server: bytes, model: bytes, epoch: int, count: int
    ) -> dict[bytes, DisclosedAnswer]:
        """The `count` answers that `server` settled in the epoch, by receipt hash.

        Raises `ServerUnreachable` and `AnswersIncomplete`.
        """
        found: dict[bytes, DisclosedAnswer] = {}
        start = 0
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http:
            url = self._url_of(http, server)
            while start < count:
                page = self._page(http, url, server, answers_target(model, epoch, start))
                if not page:
                    break
                found.update((answer.receipt_hash, answer) for answer in page)
                start += len(page)
        return found

    def _url_of(self, http: httpx.Client, server: bytes) -> str:
        """The URL at which the account `server` answers."""
        for url in self._urls:
            try:
                account = http.get(f"{url}/health").json()["account"]
            except (httpx.TransportError, httpx.InvalidURL, ValueError, KeyError, TypeError):
                continue
            if account == server.hex():
                return url
        message = f"The server {server.hex()} answers at none of {', '.join(self._urls)}."
        raise ServerUnreachable(message, remedy="Start it, or add its URL with --server.")

    def _page(
        self, http: httpx.Client, url: str, server: bytes, target: str
    ) -> list[DisclosedAnswer]:
        chain = self._client
        headers = sign_request(self._keypair, chain.genesis_hash, server, target, chain.height())
        try:
            response = http.get(url + target, headers=headers)
        except httpx.TransportError as error:
            message = f"The server at {url} does not answer."
            raise ServerUnreachable(message, remedy="Start it again.") from error
        if response.status_code != 200:
            message = f"The server at {url} refused: {response.text[:200]}"
            raise AnswersIncomplete(message, remedy="Check that this worker holds its bond.")
        try:
            items = decode_blob(response.content, PAGE_ITEMS_MAX)
            return [codec_of(DisclosedAnswer).decode(item) for item in items]
        except DecodeError as error:
            message = f"The server at {url} sent an unreadable page: {error.message}"
            raise AnswersIncomplete(message, remedy="Check its version.") from error


@dataclass(frozen=True, slots=True)
class WeighedAnswers:
    """What an epoch's attribution looks at."""

    answers: tuple[Answer, ...]
    """Equal answers are one, whose weight is the sum of their fees."""
    places: Mapping[bytes, int]
    """Receipt hash -> index in `answers`."""

    def heaviest(self, count_max: int) -> WeighedAnswers:
        """The `count_max` answers of the largest fees, in their order."""
        if len(self.answers) <= count_max:
            return self
        by_weight = sorted(
            range(len(self.answers)), key=lambda index: (-self.answers[index].weight, index)
        )
        kept = {old: new for new, old in enumerate(sorted(by_weight[:count_max]))}
        return WeighedAnswers(
            tuple(self.answers[old] for old in kept),
            {each: kept[old] for each, old in self.places.items() if old in kept},
        )


def weigh_answers(
    receipts: Sequence[InferenceReceipt], disclosed: Mapping[bytes, DisclosedAnswer]
) -> WeighedAnswers:
    """The answers that may be read, each weighing its fee.

    Answers that their users keep to themselves, and empty ones, are left out: their contributor
    share follows the shares of the others.  Raises `AnswersIncomplete` for a missing or altered
    answer.
    """
    fees: dict[tuple[str, str], int] = {}
    keys: dict[bytes, tuple[str, str]] = {}
    for receipt in receipts:
        receipt_hash = hash_receipt(receipt.encode())
        key = _texts(receipt, disclosed.get(receipt_hash))
        if key is not None and receipt.fee:
            fees[key] = fees.get(key, 0) + receipt.fee
            keys[receipt_hash] = key
    index_of = {key: index for index, key in enumerate(fees)}
    return WeighedAnswers(
        tuple(Answer(prompt, output, fee) for (prompt, output), fee in fees.items()),
        {receipt_hash: index_of[key] for receipt_hash, key in keys.items()},
    )


def _texts(receipt: InferenceReceipt, answer: DisclosedAnswer | None) -> tuple[str, str] | None:
    """Prompt and output as the receipt commits to them, or None for what may not be looked at."""
    if not receipt.disclosed or not receipt.output_tokens:
        return None
    if answer is None:
        message = f"The server has lost the answer to its request {receipt.request}."
        raise AnswersIncomplete(message, remedy="Restore the server's journal.")
    prompt, output = answer.prompt or "", answer.output or ""
    hashes = (hash_text(prompt.encode()), hash_text(output.encode()))
    if hashes != (receipt.prompt_hash, receipt.output_hash):
        message = f"The answer to request {receipt.request} is not the one its receipt signs."
        raise AnswersIncomplete(message, remedy="Do not pay by this server's answers.")
    return (prompt, output) if output else None
