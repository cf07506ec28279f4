"""A chain in memory for tests: one call a block, money checked after each, every block replayable."""

from __future__ import annotations

from collections import defaultdict
from copy import copy
from dataclasses import replace
from typing import Any, Self

from genesis.chain_spec import ChainSpec, dev_spec
from genesis.parameters import Parameters, built_in_parameters
from genesis.sandbox import Sandbox
from pallets.attribution.pallet import Attribution
from pallets.audits.pallet import Audits
from pallets.balances.types import Account
from pallets.compute.pallet import Compute
from pallets.disputes.pallet import Disputes
from pallets.fees.pallet import Fees
from pallets.inference.pallet import Inference
from pallets.offences.pallet import Offences
from pallets.session.pallet import Session
from pallets.submissions.pallet import Submissions
from runtime import RuntimeCall
from runtime.block import BlockContext
from runtime.codec import codec_of
from runtime.dispatch import ExtrinsicResult
from runtime.hashing import hash_text
from runtime.keys import Keypair
from runtime.outcome import BlockOutcome
from runtime.storage import PREFIX_BYTES, storage_key
from runtime.types import Amount

PARAMETERS = {
    Attribution.epoch_blocks: 1_000,
    Attribution.claim_blocks: 5_000,
    Attribution.rows_min: 1,
    Compute.window_blocks: 10,
    Compute.claim_blocks: 100,
    Compute.commit_blocks: 50,
    Submissions.reveal_blocks: 20,
    Submissions.review_blocks: 200,
    Submissions.answerable_blocks: 40,
    Submissions.byte_bond: 0,
    Compute.reveal_blocks: 15,
    Compute.certify_blocks: 12,
    Compute.abort_blocks: 10,
    Audits.audit_blocks: 30,
    Disputes.clock_blocks: 20,
    Disputes.judge_blocks: 25,
    Inference.revocation_blocks: 30,
    Session.change_max_ppb: 10**9,
    Offences.appeal_blocks: 10,
    Fees.base_price: 0,
    Fees.byte_price: 0,
    Fees.unit_price: 0,
}
_ACCOUNT_PART_BYTES = 34
_EVERY_BLOCK = frozenset(
    storage_key(*item.split("."))
    for item in (
        "Session.beacons",
        "Session.index",
        "Session.ends_at",
        "Staking.counts_until",
        "Staking.session",
        "Staking.left",
        "Offences.first_slash",
    )
)
"""What blocks change, whatever is in them."""


def spec(**parameters: Any) -> ChainSpec:
    """A development chain with windows that are easy to count in.

    `parameters` are chosen by their name in every pallet that has one of it.
    """
    known = built_in_parameters()
    assert set(parameters) <= {name for _, name in known}
    chosen = {each: parameters[name] for (_, name), each in known.items() if name in parameters}
    return replace(dev_spec(), parameters=Parameters().choosing(PARAMETERS | chosen))


def key_of(name: str) -> Keypair:
    """The key pair of an account that begins with nothing."""
    return Keypair.from_seed(hash_text(b"test account: " + name.encode()))


class Chain(Sandbox):
    """A sandbox that keeps what it takes to replay its blocks, and what each call was metered at."""

    def __init__(self, chain_spec: ChainSpec | None = None) -> None:
        """Begin at height 0."""
        super().__init__(spec=chain_spec or spec())
        self.blocks: list[tuple[BlockContext, tuple[bytes, ...], dict[bytes, bytes | None]]] = []
        self.metered: dict[str, ExtrinsicResult] = {}

    def fork(self) -> Self:
        """Another chain from here on: it shares the runtime, which keeps nothing between blocks."""
        forked = copy(self)
        forked.state, forked.blocks, forked.metered = dict(self.state), list(self.blocks), {}
        return forked

    def execute(self, *raw: bytes, height: int | None = None) -> BlockOutcome:
        """Execute a block and remember it."""
        outcome = super().execute(*raw, height=height)
        self.blocks.append((self.context(self.height), outcome.included, outcome.changes))
        return outcome

    def send(
        self, keypair: Keypair, call: RuntimeCall, height: int | None = None
    ) -> ExtrinsicResult:
        """Execute one call in a block of its own, check all money, return its result."""
        result = super().send(keypair, call, height)
        self.check_money()
        name = str(call.call_definition)
        if name not in self.metered or self.metered[name].reads < result.reads:
            self.metered[name] = result
        return result

    def fails(
        self, keypair: Keypair, call: RuntimeCall, error: str, height: int | None = None
    ) -> ExtrinsicResult:
        """Execute a call that fails with this error, and changes nothing but the nonce."""
        before = dict(self.state)
        result = super().fails(keypair, call, error, height)
        assert result.remedy
        assert result.message
        account = storage_key("Balances", "accounts", keypair.account)
        changed = {key for key in before | self.state if before.get(key) != self.state.get(key)}
        assert {key for key in changed if key[:PREFIX_BYTES] not in _EVERY_BLOCK} == {account}
        codec = self.pallets.balances.definition.storage["accounts"].codec
        stored = before.get(account)
        expected = codec.decode(stored) if stored else Account()
        expected.nonce += 1
        assert self.state[account] == codec.encode(expected)
        return result

    def free(self, account: bytes) -> int:
        """The free balance of an account."""
        with self.reading() as pallets:
            return pallets.balances.accounts[account].free

    def held(self, account: bytes, reason: str) -> int:
        """What is held of an account for a reason."""
        with self.reading() as pallets:
            return pallets.balances.holds[account, reason]

    def entries(self, pallet: str, item: str) -> dict[bytes, bytes]:
        """All encoded entries of a map, without the map's prefix."""
        prefix = storage_key(pallet, item)
        return {
            key[PREFIX_BYTES:]: value for key, value in self.state.items() if key.startswith(prefix)
        }

    def accounts(self) -> dict[bytes, Account]:
        """All accounts, by their storage keys without the map's prefix."""
        codec = self.pallets.balances.definition.storage["accounts"].codec
        return {
            key: codec.decode(value) for key, value in self.entries("Balances", "accounts").items()
        }

    def money(self) -> dict[bytes, tuple[int, int]]:
        """What is free and held of every account that has anything."""
        return {
            key: (each.free, each.held)
            for key, each in self.accounts().items()
            if each.free or each.held
        }

    def check_money(self) -> None:
        """Issuance is the sum of all balances, and every held unit has its hold."""
        accounts = self.accounts()
        with self.reading() as pallets:
            issuance = pallets.balances.issuance.get()
        assert sum(each.free + each.held for each in accounts.values()) == issuance
        held: dict[bytes, int] = defaultdict(int)
        for key, value in self.entries("Balances", "holds").items():
            held[key[:_ACCOUNT_PART_BYTES]] += codec_of(Amount).decode(value)
        assert held == {key: each.held for key, each in accounts.items() if each.held}

    def check_replay(self) -> None:
        """The same blocks on the same genesis change the same keys to the same bytes."""
        other = Chain(self.spec)
        for context, included, changes in self.blocks:
            checked = [other.runtime.check_any(each, other.genesis_hash) for each in included]
            outcome = other.runtime.execute(
                other.state, context, other.genesis_hash, checked, skip_invalid=False
            )
            assert outcome.changes == changes
            other.apply(outcome.changes)
        assert other.state == self.state
