"""A chain in memory, for the tests and benchmarks of pallets: no files, no clock, no network.

    sandbox = Sandbox(Greeter)
    alice = sandbox.keypair("alice")
    events = sandbox.ok(alice, Greeter.say.Call(text="hello"))
    sandbox.fails(alice, Greeter.say.Call(text=""), "Greeter.NothingSaid")
    with sandbox.reading():
        greetings = sandbox.pallet(Greeter).greetings[alice.account]

It is the development chain of `openledger dev`, with the same funded accounts but without fees, so
that balances are easy to count.  Every call is signed, admitted, metered and executed as in a node;
every invariant is checked after each block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from genesis.chain_spec import ChainSpec, dev_spec, development_keypair, genesis_of
from genesis.compose import Pallets, compose
from pallets.fees.pallet import Fees
from runtime.block import BlockContext
from runtime.calls import RuntimeCall
from runtime.dispatch import ExtrinsicResult
from runtime.errors import OpenLedgerError
from runtime.events import EventRecord
from runtime.extrinsic import sign_extrinsic
from runtime.hashing import ZERO_HASH, hash_text
from runtime.keys import Keypair
from runtime.outcome import BlockOutcome
from runtime.pallet import Pallet

P = TypeVar("P", bound=Pallet)
_HEIGHT_BYTES = 8


class UnexpectedResult(OpenLedgerError):
    """A call in the sandbox ended otherwise than the test says."""


class Sandbox:
    """One chain: its state, its height, and the events of its last block."""

    def __init__(self, *extra: type[Pallet], spec: ChainSpec | None = None) -> None:
        """Begin at height 0 with the built-in pallets and `extra`; raises `DefinitionError`."""
        self.spec = spec or _without_fees(dev_spec())
        runtime, self.pallets = compose(extra)
        block, changes, self.runtime = genesis_of(self.spec, runtime, self.pallets)
        self.genesis_hash = block.header.id()
        self.state = {key: value for key, value in changes.items() if value is not None}
        self.height = 0
        self.events: tuple[EventRecord, ...] = ()

    def keypair(self, name: str) -> Keypair:
        """The key pair of a funded account: alice, bob, faucet, ...; raises `InvalidChainSpec`."""
        return development_keypair(name)

    def pallet(self, pallet: type[P]) -> P:
        """The pallet of this chain; its storage is read inside `reading`."""
        found: P = self.runtime.pallets[pallet.definition.name]
        return found

    @contextmanager
    def reading(self) -> Iterator[Pallets]:
        """Bind the pallets to the state."""
        with self.runtime.reading(self.state):
            yield self.pallets

    def nonce(self, account: bytes) -> int:
        """The account's next nonce."""
        with self.reading() as pallets:
            return pallets.balances.next_nonce(account)

    def sign(self, keypair: Keypair, call: RuntimeCall, nonce: int | None = None) -> bytes:
        """The call as an extrinsic, by default with the account's next nonce."""
        return sign_extrinsic(
            call,
            keypair,
            genesis_hash=self.genesis_hash,
            spec_version=self.runtime.spec_version,
            nonce=self.nonce(keypair.account) if nonce is None else nonce,
        )

    def context(self, height: int) -> BlockContext:
        """What a block at `height` knows of itself."""
        return BlockContext(
            height=height,
            time_ms=self.spec.genesis_time_ms + height * self.spec.block_time_ms,
            proposer=ZERO_HASH,
            beacon=hash_text(height.to_bytes(_HEIGHT_BYTES, "big")),
            parent_hash=ZERO_HASH,
        )

    def execute(self, *raw: bytes, height: int | None = None) -> BlockOutcome:
        """Execute a block of extrinsics at `height`, by default the next; heights may be skipped.

        Raises `InvalidBlock` for an extrinsic that may not enter, `InvariantViolation` for a bug.
        """
        self.height = self.height + 1 if height is None else height
        checked = [self.runtime.check_any(each, self.genesis_hash) for each in raw]
        outcome = self.runtime.execute(
            self.state, self.context(self.height), self.genesis_hash, checked, skip_invalid=False
        )
        self.apply(outcome.changes)
        self.events = outcome.events
        self.runtime.check_invariants(self.state)
        return outcome

    def apply(self, changes: dict[bytes, bytes | None]) -> None:
        """Write a block's changes."""
        for key, value in changes.items():
            if value is None:
                self.state.pop(key, None)  # a key may come and go within one block
            else:
                self.state[key] = value

    def advance(self, count: int) -> None:
        """Execute `count` empty blocks: hooks run."""
        for _ in range(count):
            self.execute()

    def send(
        self, keypair: Keypair, call: RuntimeCall, height: int | None = None
    ) -> ExtrinsicResult:
        """Execute one call in a block of its own, whatever becomes of it."""
        (result,) = self.execute(self.sign(keypair, call), height=height).results
        return result

    def ok(
        self, keypair: Keypair, call: RuntimeCall, height: int | None = None
    ) -> dict[str, EventRecord]:
        """Execute a call that succeeds; returns the block's events by name, the last of each.

        Raises `UnexpectedResult` if it fails.
        """
        result = self.send(keypair, call, height)
        if not result.ok:
            message = f"{call.call_definition} failed with {result.error}: {result.message}"
            raise UnexpectedResult(message, remedy=result.remedy)
        return {f"{event.pallet}.{event.name}": event for event in self.events}

    def fails(
        self, keypair: Keypair, call: RuntimeCall, error: str, height: int | None = None
    ) -> ExtrinsicResult:
        """Execute a call that fails with this error; raises `UnexpectedResult` if it does not."""
        result = self.send(keypair, call, height)
        if result.error != error:
            message = f"{call.call_definition} ended with {result.error or 'success'}, not {error}."
            raise UnexpectedResult(message, remedy=result.message)
        return result


def _without_fees(spec: ChainSpec) -> ChainSpec:
    free = {Fees.base_price: 0, Fees.byte_price: 0, Fees.unit_price: 0}
    return replace(spec, parameters=spec.parameters.choosing(free))
