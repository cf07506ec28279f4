"""A call enters a block at most once, whatever is lost on the way and however long it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node import submission as module
from node.connection import NodeConnection
from node.errors import CallFailed, ClientError, InclusionTimeout, NodeUnreachable, RpcFailed
from node.submission import Submitter, Terms, check_success
from pallets.system.pallet import System
from runtime.cbor import decode
from runtime.extrinsic import Era
from runtime.hashing import hash_extrinsic
from runtime.keys import Keypair

ALICE = Keypair.from_seed(bytes(32))
GENESIS = bytes(32)
CALLS = [System.remark.Call(data=bytes([number])) for number in range(3)]


@dataclass(frozen=True)
class Received:
    """An extrinsic as the node reads it."""

    hash: bytes
    nonce: int
    era: Era | None
    number: int
    """Which of `CALLS` it has."""

    @classmethod
    def read(cls, raw: bytes) -> Received:
        """Decode what matters here."""
        _spec_version, era, nonce, _tip, call = decode(decode(raw)[3])
        return cls(hash_extrinsic(raw), nonce, era and Era(*era), call[2][0][0])

    def is_over(self, height: int) -> bool:
        """Whether it can enter no block from `height` on."""
        return self.era is not None and self.era.is_over(height)


class UnreliableNode(NodeConnection):
    """A chain in memory; before each request, the next thing of a list of mishaps happens."""

    def __init__(self, mishaps: Sequence[str]) -> None:
        super().__init__("http://127.0.0.1:1", decode_events=lambda _encoded: ())
        self.mishaps = list(mishaps)
        self.waiting: dict[bytes, Received] = {}
        self.blocks: list[list[Received]] = [[]]
        self.stopped = False

    @property
    def included(self) -> list[Received]:
        """Everything in blocks, in order."""
        return [each for block in self.blocks for each in block]

    def make_block(self) -> None:
        """What waits, is next and is still in its era; the mempool forgets what is too late."""
        block: list[Received] = []
        height = len(self.blocks)
        for each in sorted(self.waiting.values(), key=lambda each: each.nonce):
            if each.nonce == len(self.included) + len(block) and not each.is_over(height):
                block.append(each)
                del self.waiting[each.hash]
        self.blocks.append(block)
        for each in list(self.waiting.values()):
            if each.is_over(height + 1):
                del self.waiting[each.hash]

    def call(self, method: str, *parameters: Any) -> Any:
        """One request, after a mishap."""
        mishap = self.mishaps.pop(0) if self.mishaps else "block"
        if mishap == "unreachable":
            raise NodeUnreachable("Nobody.", remedy="")
        if mishap == "block" and not self.stopped:
            self.make_block()
        if mishap == "restart":
            self.waiting.clear()
        answer = self._answer(method, *parameters)
        if mishap == "answer lost":
            raise NodeUnreachable("Lost.", remedy="")
        return answer

    def call_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """One request for each: anything may happen between two."""
        return [self.call(method, *each) for each in parameters]

    def try_many(self, method: str, parameters: Sequence[Sequence[Any]]) -> list[Any]:
        """As `call_many`, with refusals as values."""
        results: list[Any] = []
        for each in parameters:
            try:
                results.append(self.call(method, *each))
            except RpcFailed as error:
                results.append(error)
        return results

    def _answer(self, method: str, *parameters: Any) -> Any:
        answers: dict[str, Callable[..., Any]] = {
            "system_properties": lambda: {"genesis_hash": GENESIS.hex(), "spec_version": 1},
            "system_health": lambda: {"finalized_height": len(self.blocks) - 1},
            "system_accountNextIndex": lambda _account: self._next_nonce(),
            "author_extrinsicStatus": self._status,
            "author_submitExtrinsic": self._submit,
            "chain_getEvents": lambda height, _decoded: {
                "height": height,
                "spec_version": 1,
                "encoded": "",
            },
        }
        return answers[method](*parameters)

    def _next_nonce(self) -> int:
        nonce = len(self.included)
        while any(each.nonce == nonce for each in self.waiting.values()):
            nonce += 1
        return nonce

    def _status(self, wanted: str) -> dict[str, Any]:
        for height, block in enumerate(self.blocks):
            for index, each in enumerate(block):
                if each.hash.hex() == wanted:
                    ending = {"ok": True, "error": "", "error_name": "", "remedy": ""}
                    return {"state": "included", "height": height, "index": index} | ending
        return {"state": "pending" if bytes.fromhex(wanted) in self.waiting else "unknown"}

    def _submit(self, raw: str) -> None:
        received = Received.read(bytes.fromhex(raw))
        if received.hash in self.waiting or received in self.included:
            return
        if received.nonce < len(self.included) or received.is_over(len(self.blocks)):
            raise RpcFailed("Too late.", remedy="", kind="InvalidTransaction", code=0)
        if any(each.nonce == received.nonce for each in self.waiting.values()):
            raise RpcFailed("Taken.", remedy="", kind="NonceTaken", code=0)
        self.waiting[received.hash] = received


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_INTERVAL_S", 0)


def remarks(node: UnreliableNode) -> list[int]:
    """The numbers of the calls in blocks."""
    return sorted(each.number for each in node.included)


MISHAPS = st.sampled_from(["nothing", "block", "unreachable", "answer lost", "restart"])


@settings(deadline=None, max_examples=150)
@given(
    mishaps=st.lists(MISHAPS, max_size=60),
    era_blocks=st.one_of(st.none(), st.integers(1, 6)),
    count=st.integers(1, 3),
)
def test_every_call_enters_exactly_once(
    mishaps: list[str], era_blocks: int | None, count: int
) -> None:
    """Lost requests, lost answers, restarts and eras that end: no call is lost, none is doubled."""
    node = UnreliableNode(mishaps)
    submitter = Submitter(node)
    try:
        inclusions = submitter.submit(CALLS[:count], ALICE, Terms(era_blocks=era_blocks), 60)
    except NodeUnreachable:
        assert remarks(node) == []  # the first nonce could not be asked for
    except ClientError:
        assert era_blocks is not None  # a node without luck outlasts 16 short eras
        assert len(remarks(node)) == len(set(remarks(node)))
    else:
        assert remarks(node) == list(range(count))
        assert [each.extrinsic_hash for each in inclusions] == [
            each.hash for each in sorted(node.included, key=lambda each: each.number)
        ]
    node.close()


def test_an_era_that_ends_is_followed_by_another() -> None:
    """The call is signed anew with a later era, once the old one cannot be included any more."""
    node = UnreliableNode(["nothing"] * 6 + ["restart", "block"] + ["nothing"] * 6)
    (inclusion,) = Submitter(node).submit(CALLS[:1], ALICE, Terms(era_blocks=1), 60)
    (included,) = node.included
    assert included.era is not None
    assert included.era.birth_height > 0
    assert included.era.holds(inclusion.height)
    node.close()


def test_what_was_included_late_is_not_signed_anew() -> None:
    """An era that is over says nothing of an extrinsic that a block took in time."""
    # Health, nonce, properties; unknown; sent and answer lost; in a block, far beyond its era.
    mishaps = ["nothing"] * 5 + ["answer lost"] + ["block"] * 5
    node = UnreliableNode(mishaps)
    Submitter(node).submit(CALLS[:1], ALICE, Terms(era_blocks=1), 60)
    assert remarks(node) == [0]
    assert node.included[0].era is not None
    assert node.included[0].era.birth_height == 0
    node.close()


def test_a_timeout_says_until_when_it_may_still_enter() -> None:
    """A mortal extrinsic that was not seen in a block cannot surprise its sender for ever."""
    node = UnreliableNode([])
    node.stopped = True
    with pytest.raises(InclusionTimeout, match="up to height 7"):
        Submitter(node).submit(CALLS[:1], ALICE, Terms(era_blocks=7), 0)
    with pytest.raises(InclusionTimeout, match="enter one: see"):
        Submitter(node).submit(CALLS[1:2], ALICE, Terms(era_blocks=None), 0)
    node.close()


def test_a_failure_is_raised_by_name() -> None:
    """`check_success` passes what went well and raises what did not."""
    failed = module.Inclusion(
        b"", 1, 0, ok=False, events=(), error="No.", error_name="A.B", remedy="Do."
    )
    with pytest.raises(CallFailed) as caught:
        check_success(failed)
    assert (caught.value.name, caught.value.remedy) == ("A.B", "Do.")
