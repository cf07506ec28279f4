"""`Submitter`: brings calls into blocks, each at most once.

A submission is safe to interrupt and repeat.  An extrinsic is signed once; while its fate is
unknown only the same bytes are sent again, so that it enters at most one block.  It is signed anew,
with another nonce or a later era, only once the old bytes can enter no block any more:

- its nonce belongs to another extrinsic, or its era is over, and
- a look-up after that was known finds it neither in a block nor waiting.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from node.connection import POLL_INTERVAL_S, EncodedEvents, NodeConnection
from node.errors import CallFailed, ClientError, InclusionTimeout, NodeUnreachable, RpcFailed
from runtime.events import EventRecord
from runtime.extrinsic import Era, sign_extrinsic, unsigned_extrinsic
from runtime.hashing import hash_extrinsic
from runtime.keys import Keypair

SIGNATURES_MAX = 16
"""How often one call is signed anew because its nonce or its era is gone."""
IN_FLIGHT_MAX = 64
"""Extrinsics that `submit_many` sends ahead: as many as a node queues for one sender."""
ERA_BLOCKS = 1_024
"""How long an extrinsic may enter a block unless its sender says otherwise, in blocks.

At the fastest, ten blocks a second, that is three times the time that a submission is waited for:
an interrupted one is still found under its hash, and a lost one cannot come back the next day.
"""
_NONCE_REFUSALS = frozenset({"NonceTaken", "InvalidTransaction"})
"""What the node says of a nonce that belongs to another extrinsic, waiting or in a block."""
_PASSING_REFUSALS = frozenset({"MempoolFull", "NonceTooHigh", "StorageMigrating"})
"""What the node says while it is busy: sending again later is all it takes."""


@dataclass(frozen=True, slots=True)
class Inclusion:
    """An extrinsic in a finalised block, with the events that it left there."""

    extrinsic_hash: bytes
    height: int
    index: int
    ok: bool
    events: tuple[EventRecord, ...]
    error: str = ""
    error_name: str = ""
    remedy: str = ""

    def fields(self, pallet: str, event: str) -> Mapping[str, Any]:
        """The fields of the extrinsic's first such event; raises `ClientError` without one."""
        for record in self.events:
            if (record.pallet, record.name) == (pallet, event):
                return record.fields
        message = f"The extrinsic left no event {pallet}.{event}."
        raise ClientError(message, remedy="Check the call; its events are in `events`.")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What an extrinsic would do in a block on the head."""

    ok: bool
    error: str
    error_name: str
    remedy: str
    fee: int
    """Beside the tip, in units of 10**-18 OPEN."""
    units: int
    """The weight it pays for."""
    units_used: int
    events: tuple[EventRecord, ...]
    storage: Mapping[bytes, tuple[bytes | None, bytes | None]]
    """Encoded values by storage key, without and with the extrinsic; None: none."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a sender adds to a call."""

    tip: int = 0
    """Paid to the block's proposer, in units of 10**-18 OPEN."""
    era_blocks: int | None = ERA_BLOCKS
    """How many of the next blocks the extrinsic may enter, 65,535 at most; None: any, for ever."""


@dataclass(slots=True)
class _Sent:
    """One call on its way into a block, with the bytes it is signed as at present."""

    call: Any
    keypair: Keypair
    terms: Terms
    nonce: int = 0
    era: Era | None = None
    raw: bytes = b""
    signatures: int = 0
    inclusion: Inclusion | None = None

    @property
    def hash(self) -> bytes:
        """What the extrinsic is looked up by."""
        return hash_extrinsic(self.raw)


class Submitter:
    """Signs, sends and follows extrinsics over one connection; threads may share it."""

    def __init__(self, connection: NodeConnection, spec_version: int | None = None) -> None:
        """Sign for `spec_version`, whose calls the caller knows; None: for the node's."""
        self._connection = connection
        self._spec_version = spec_version

    def submit(
        self, calls: Sequence[Any], keypair: Keypair, terms: Terms, timeout_s: float
    ) -> tuple[Inclusion, ...]:
        """Bring calls into blocks, in order; what became of each is in its `Inclusion`.

        `timeout_s` is for each `IN_FLIGHT_MAX` calls.  Raises `InclusionTimeout`, and `RpcFailed`
        for what the node refuses.
        """
        inclusions: list[Inclusion] = []
        for start in range(0, len(calls), IN_FLIGHT_MAX):
            part = calls[start : start + IN_FLIGHT_MAX]
            inclusions.extend(self._submit_part(part, keypair, terms, timeout_s))
        return tuple(inclusions)

    def fee(self, call: Any, account: bytes, terms: Terms) -> int:
        """What `account` would pay for a call now beside the tip, in units of 10**-18 OPEN."""
        raw = self._unsigned(call, account, terms)
        return int(self._connection.call("payment_queryInfo", raw.hex())["fee"])

    def rehearse(self, call: Any, account: bytes, terms: Terms) -> Rehearsal:
        """What a call of `account` would do in the next block; nothing is sent.

        Raises `RpcFailed` for what no block would take.
        """
        answer = self._connection.call("system_dryRun", self._unsigned(call, account, terms).hex())
        return _rehearsal_of(answer, self._connection)

    def _unsigned(self, call: Any, account: bytes, terms: Terms) -> bytes:
        """The extrinsic that `account` would send: the node asked gets nothing to send itself."""
        return unsigned_extrinsic(
            call,
            account,
            spec_version=self._spec_version or self._connection.spec_version,
            nonce=self._connection.next_nonce(account),
            tip=terms.tip,
            era=_era(terms, self._connection.height()),
        )

    def _submit_part(
        self, calls: Sequence[Any], keypair: Keypair, terms: Terms, timeout_s: float
    ) -> list[Inclusion]:
        deadline = time.monotonic() + timeout_s
        sent = [_Sent(call, keypair, terms) for call in calls]
        self._sign_all(sent)
        waiting = sent
        while waiting:
            # A node that is gone may be starting again, and finds in its blocks what was sent.
            with suppress(NodeUnreachable):
                waiting = self._advance(waiting)
            if waiting and time.monotonic() > deadline:
                raise _not_included(waiting)
            if waiting:
                time.sleep(POLL_INTERVAL_S)
        return [each.inclusion for each in sent if each.inclusion is not None]

    def _sign_all(self, sent: Sequence[_Sent]) -> None:
        """Sign with the next nonces and eras that begin now."""
        height = self._connection.height()
        nonce = self._connection.next_nonce(sent[0].keypair.account)
        for offset, each in enumerate(sent):
            self._sign(each, nonce + offset, height)

    def _sign(self, sent: _Sent, nonce: int, height: int) -> None:
        """Sign, for the first time or anew; raises `ClientError` when that happened too often."""
        if sent.signatures == SIGNATURES_MAX:
            message = f"{SIGNATURES_MAX} signatures of one call lost their nonce or their time."
            remedy = "Use one key from one process at a time, and a longer era."
            raise ClientError(message, remedy=remedy)
        era = _era(sent.terms, height)
        sent.raw = sign_extrinsic(
            sent.call,
            sent.keypair,
            genesis_hash=self._connection.genesis_hash,
            spec_version=self._spec_version or self._connection.spec_version,
            nonce=nonce,
            tip=sent.terms.tip,
            era=era,
        )
        sent.nonce, sent.era = nonce, era
        sent.signatures += 1

    def _advance(self, waiting: Sequence[_Sent]) -> list[_Sent]:
        """Look every extrinsic up, send what the node does not know; return what is in no block."""
        unknown: list[_Sent] = []
        for each, status in zip(waiting, self._statuses(waiting), strict=True):
            if status["state"] == "included":
                each.inclusion = self._inclusion(each.hash, status)
            elif status["state"] == "unknown":
                unknown.append(each)
        if unknown:
            self._send(unknown)
        return [each for each in waiting if each.inclusion is None]

    def _send(self, unknown: Sequence[_Sent]) -> None:
        """Send extrinsics in order; those that have no chance are signed anew for the next time."""
        hopeless, sendable = self._split_by_era(unknown)
        answers = self._connection.try_many(
            "author_submitExtrinsic", [[each.raw.hex()] for each in sendable]
        )
        for each, answer in zip(sendable, answers, strict=True):
            if not isinstance(answer, RpcFailed) or answer.kind in _PASSING_REFUSALS:
                continue
            if not self._lost_its_place(each, answer):
                raise answer
            hopeless.append(each)
        if hopeless:
            self._sign_anew(hopeless)

    def _lost_its_place(self, sent: _Sent, refusal: RpcFailed) -> bool:
        """Whether a refusal is of the nonce or the era, and not of what the sender wants."""
        if refusal.kind not in _NONCE_REFUSALS:
            return False
        if refusal.kind == "NonceTaken":
            return True
        if self._connection.next_nonce(sent.keypair.account) != sent.nonce:
            return True
        # The era may have ended since it was looked at.
        return bool(self._split_by_era([sent])[0])

    def _split_by_era(self, sent: Sequence[_Sent]) -> tuple[list[_Sent], list[_Sent]]:
        """Those whose era is over, and the others."""
        next_height = self._connection.height() + 1
        over, current = list[_Sent](), list[_Sent]()
        for each in sent:
            is_over = each.era is not None and each.era.is_over(next_height)
            (over if is_over else current).append(each)
        return over, current

    def _sign_anew(self, hopeless: Sequence[_Sent]) -> None:
        # A block may have taken the extrinsic since it was looked up.  Now that its nonce is used
        # or its era is over for good, what is still in no block never will be.
        statuses = self._statuses(hopeless)
        lost = [
            each
            for each, status in zip(hopeless, statuses, strict=True)
            if status["state"] == "unknown"
        ]
        if lost:
            self._sign_all(sorted(lost, key=lambda each: each.nonce))

    def _statuses(self, extrinsics: Sequence[_Sent]) -> list[Any]:
        hashes = [[each.hash.hex()] for each in extrinsics]
        return self._connection.call_many("author_extrinsicStatus", hashes)

    def _inclusion(self, extrinsic_hash: bytes, status: Mapping[str, Any]) -> Inclusion:
        height, index = int(status["height"]), int(status["index"])
        records = self._connection.events(height)
        events = tuple(each for each in records if each.extrinsic_index == index)
        return Inclusion(
            extrinsic_hash,
            height,
            index,
            bool(status["ok"]),
            events,
            error=status["error"],
            error_name=status["error_name"],
            remedy=status["remedy"],
        )


def _era(terms: Terms, height: int) -> Era | None:
    # Born at the finalised height, so that another node, one block behind, takes it, too.
    return None if terms.era_blocks is None else Era(height, terms.era_blocks + 1)


def _rehearsal_of(answer: Mapping[str, Any], connection: NodeConnection) -> Rehearsal:
    outcome = answer["outcome"]
    encoded = bytes.fromhex(answer["encoded_events"])
    events = EncodedEvents(connection.height(), int(answer["spec_version"]), encoded)
    return Rehearsal(
        ok=bool(outcome["ok"]),
        error=outcome["error"],
        error_name=outcome["error_name"],
        remedy=outcome["remedy"],
        fee=int(answer["fee"]),
        units=int(answer["units"]),
        units_used=int(answer["units_used"]),
        events=connection.decode_events(events),
        storage={
            bytes.fromhex(each["key"]): (_bytes(each["before"]), _bytes(each["after"]))
            for each in answer["storage"]
        },
    )


def _bytes(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)


def check_success(inclusion: Inclusion) -> Inclusion:
    """The inclusion itself; raises `CallFailed` if the call failed."""
    if not inclusion.ok:
        raise CallFailed(inclusion.error, inclusion.remedy, name=inclusion.error_name)
    return inclusion


def _not_included(waiting: Sequence[_Sent]) -> InclusionTimeout:
    missing = waiting[0]
    name = missing.hash.hex()
    until = "" if missing.era is None else f", up to height {missing.era.last_height}"
    return InclusionTimeout(
        f"No block took the extrinsic {name} in time.",
        remedy=f"It may still enter one{until}: see `openledger status {name}` before sending"
        " again.",
        extrinsic_hash=missing.hash,
    )
