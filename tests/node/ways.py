"""Two ways to make calls on a real node, for scenes that are played by each of them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Protocol

from bench.local_network import wait_until
from genesis.chain_spec import DEV_ACCOUNTS, LOCAL_VALIDATORS, ChainSpec, development_keypair
from node.chain_client.generator import attribute_of
from node.chain_client.openledger import Chain
from node.client import NodeClient
from node.json_values import to_json
from runtime.calls import CallDefinition, RuntimeCall
from runtime.events import EventRecord
from runtime.keys import Keypair

NAMES = {development_keypair(name).account: name for name in (*DEV_ACCOUNTS, *LOCAL_VALIDATORS)}
"""By account: what `--key dev:NAME` means."""


class Finished(Protocol):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Way(ABC):
    """A stage of `genesis.scenes` on a real chain: how a call gets there is a subclass's matter."""

    def __init__(self, client: NodeClient, spec: ChainSpec) -> None:
        self.client = client
        self.spec = spec
        self.played: dict[str, int] = {}
        """How many calls of each pallet were made."""

    @abstractmethod
    def send(self, keypair: Keypair, call: RuntimeCall) -> list[EventRecord]:
        """Make a call; returns its events."""

    @abstractmethod
    def fee(self, keypair: Keypair, call: RuntimeCall) -> int:
        """What the call would cost."""

    @property
    def height(self) -> int:
        """The finalised height."""
        return self.client.height()

    def advance(self, count: int) -> None:
        """Wait for blocks."""
        self.wait_for(self.height + count)

    def wait_for(self, height: int) -> None:
        """Wait for a height."""
        wait_until(lambda: self.height >= height, f"height {height}")

    def ok(
        self, keypair: Keypair, call: RuntimeCall, height: int | None = None
    ) -> dict[str, EventRecord]:
        """Make a call, not before `height`; returns its events by name, the last of each."""
        if height is not None:
            self.wait_for(height - 1)
        pallet = call.call_definition.pallet
        self.played[pallet] = self.played.get(pallet, 0) + 1
        return {f"{each.pallet}.{each.name}": each for each in self.send(keypair, call)}


class ByCommand(Way):
    """`openledger tx PALLET CALL --argument value ...`."""

    def __init__(
        self, client: NodeClient, spec: ChainSpec, openledger: Callable[..., Finished]
    ) -> None:
        super().__init__(client, spec)
        self._openledger = openledger

    def send(self, keypair: Keypair, call: RuntimeCall) -> list[EventRecord]:
        """As somebody types it."""
        answer = self._run(keypair, call)
        return [
            EventRecord(None, each["pallet"], each["name"], each["fields"])
            for each in answer["events"]
        ]

    def fee(self, keypair: Keypair, call: RuntimeCall) -> int:
        """With `--cost`."""
        fee: int = self._run(keypair, call, "--cost")["fee"]
        return fee

    def _run(self, keypair: Keypair, call: RuntimeCall, *options: str) -> Any:
        definition = call.call_definition
        words = [f"--key=dev:{NAMES[keypair.account]}", f"--node={self.client.url}", "--json"]
        for name in definition.arguments.items:
            value = to_json(getattr(call, name))
            text = value if isinstance(value, str) else json.dumps(value)
            words.append(f"--{name.replace('_', '-')}={text}")
        done = self._openledger("tx", definition.pallet, definition.name, *words, *options)
        assert done.returncode == 0, (str(definition), done.stderr)
        return json.loads(done.stdout)


class ByClient(Way):
    """The client that is generated from the chain's metadata."""

    def __init__(self, client: NodeClient, spec: ChainSpec, chain: Chain) -> None:
        super().__init__(client, spec)
        self._chain = chain

    def send(self, keypair: Keypair, call: RuntimeCall) -> list[EventRecord]:
        """As a program writes it: `chain.balances.transfer(receiver, amount).sign(...)`."""
        included = self._typed(call).sign(keypair).submit()
        events = []
        for event in included.events:
            defined = event.event_definition
            values = {each.name: getattr(event, each.name) for each in fields(event)}
            events.append(EventRecord(None, defined.pallet, defined.name, values))
        return events

    def fee(self, keypair: Keypair, call: RuntimeCall) -> int:
        """Before it is signed."""
        fee: int = self._typed(call).sign(keypair).fee()
        return fee

    def _typed(self, call: RuntimeCall) -> Any:
        definition: CallDefinition = call.call_definition
        pallet = getattr(self._chain, attribute_of(definition.pallet))
        codecs = getattr(type(pallet), definition.name)._codecs
        arguments = [
            # The client has records of its own, with the same encoding.
            codecs[name].restore(codec.to_plain(getattr(call, name)))
            for name, codec in definition.arguments.items.items()
        ]
        return getattr(pallet, definition.name)(*arguments)
