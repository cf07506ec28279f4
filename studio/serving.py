"""`Server`: an OpenAI-compatible server of answers, as the chat asks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx

from node.api.keys import ApiKeys
from studio.errors import ServerRefused
from studio.settings import Settings

TIMEOUT_S = 120.0
API_KEYS_FILE = "api-keys.json"
KEY_LABEL = "studio"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is drawn."""

    max_tokens: int = 64
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    disclose: bool = True
    """Whether workers may read it: only then is it attributed by itself."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an answer."""

    receipt: bytes
    """The signed `InferenceReceipt`, encoded."""
    fee: int


class Server:
    """The server at the settings' URL; for one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.url = (settings.server or "").rstrip("/")
        folder = settings.server_data
        self._keys = None if folder is None else ApiKeys(folder / API_KEYS_FILE)
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False)
        self._by_account: dict[str, str] = {}
        self._account: str | None = None

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def account(self) -> str:
        """The account that signs the server's receipts; raises `ServerRefused`."""
        if self._account is None:
            self._account = str((await self._get("/health"))["account"])
        return self._account

    def take_key(self, account: str, api_key: str) -> None:
        """Use an API key for what an account asks, until Studio ends."""
        self._by_account[account] = api_key.strip()

    def has_key(self, account: str) -> bool:
        """Whether an account can ask: it has a key, or this machine's server can make it one."""
        return account in self._by_account or self._keys is not None

    async def ask(
        self, account: str, model: str, question: str, sampling: Sampling
    ) -> AsyncIterator[str | Ended]:
        """The pieces of an answer as they come, and its end; raises `ServerRefused`."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": question}],
            "stream": True,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "disclose": sampling.disclose,
        }
        headers = {"Authorization": f"Bearer {await self._key(account)}"}
        url = f"{self.url}/v1/chat/completions"
        try:
            async with self._http.stream("POST", url, json=body, headers=headers) as response:
                if response.status_code != httpx.codes.OK:
                    raise _refused(await response.aread())
                async for line in response.aiter_lines():
                    for piece in _pieces(line):
                        yield piece
        except httpx.HTTPError as error:
            raise self._away(error) from error

    async def _key(self, account: str) -> str:
        if account not in self._by_account:
            if self._keys is None:
                message = "The server asks for an API key."
                raise ServerRefused(message, remedy="Paste the one that its operator gave you.")
            self._by_account[account] = await asyncio.to_thread(
                self._keys.add, bytes.fromhex(account), KEY_LABEL
            )
        return self._by_account[account]

    async def _get(self, path: str) -> Any:
        try:
            response = await self._http.get(self.url + path)
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> ServerRefused:
        where = self.url or "no address"
        message = f"No server answers at {where} ({type(error).__name__})."
        remedy = "Start one with `openledger serve`, and give Studio its URL with --server."
        return ServerRefused(message, remedy=remedy)


def _pieces(line: str) -> list[str | Ended]:
    """What a line of server-sent events says."""
    data = line.removeprefix("data: ")
    if data in {line, "[DONE]"}:
        return []
    event = json.loads(data)
    if "error" in event:
        raise ServerRefused(str(event["error"]["message"]), remedy="")
    found: list[str | Ended] = [
        choice["delta"]["content"]
        for choice in event.get("choices", [])
        if choice.get("delta", {}).get("content")
    ]
    if "receipt" in event:
        told = event["receipt"]
        found.append(Ended(bytes.fromhex(told["hex"]), int(told["fee"])))
    return found


def _refused(body: bytes) -> ServerRefused:
    try:
        message = str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = "The server refused the question."
    return ServerRefused(message, remedy="")
