"""Consensus: changed messages into a running engine, changed logs, changed signer files.

The messages are those of four validators, two of which sign whatever they like; the engine of a
third hears them in any order, changed or not.  Found would be: an error that has no type; an
accepted encoding that is not the only one; two statements that the engine has signed and that
conflict; a decision that no quorum signed; a log from which comes what was never written.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from random import Random

from consensus import signer
from consensus.engine import Effect, Finalize, Sign
from consensus.errors import LogError, SignerStateError
from consensus.log import LogWriter, Record, recover
from consensus.messages import (
    BlockReply,
    BlockRequest,
    Decided,
    Entry,
    Message,
    Status,
    decode_message,
    encode_message,
)
from consensus.signer import CHECKSUM_BYTES, SignerState
from consensus.sim.invariants import is_decided
from consensus.votes import Certificate, Vote, conflict
from runtime.errors import DecodeError
from tests.consensus.hand_driven import FOUR, A, B, F, HandDriven, N, P, X, id_of
from tests.fuzz.campaign import Finding, Step, main
from tests.fuzz.mutation import generate, mutate, pick

ROUNDS = (1, 2, 3)
INPUTS_PER_ENGINE = 40
LOGS = 16
UNCHANGED = 0.5
"""The part of the messages that is not changed, so that the engine gets on."""


def make() -> Step:
    """Return the fuzzer's step."""
    target = Target()
    logs = Logs()
    steps: list[Step] = [*[target.step] * 6, *[logs.step] * 3, logs.step_signer]
    return lambda random: pick(random, steps)(random)


class Target:
    """An engine that hears everything, and is begun anew now and then."""

    def __init__(self) -> None:
        node = HandDriven()
        self._messages = [encode_message(message) for message in _messages(node)]
        self._node = node
        self._inputs = 0

    def step(self, random: Random) -> bool:
        """Let a message arrive, or a timer fire."""
        self._inputs += 1
        if self._inputs % INPUTS_PER_ENGINE == 1:
            self._restart()
        if random.random() < 0.05:
            self._check(self._node.fire(self._node.engine.round), b"")
            return True
        if random.random() < UNCHANGED:
            data = pick(random, self._messages)
        elif random.random() < 0.9:
            data = mutate(random, self._messages)
        else:
            data = bytes([int(random.random() * 8)]) + generate(random)
        try:
            message = decode_message(data)
        except DecodeError:
            return False
        if encode_message(message) != data:
            raise Finding("a message has two encodings", data)
        self._check(self._node.receive(message, random.randbytes(1) * 32), data)
        return True

    def _restart(self) -> None:
        """A new engine of the same validator."""
        node = self._node
        node.effects.clear()
        node.engine = node.new_engine()
        node.begin()

    def _check(self, effects: Iterable[Effect], data: bytes) -> None:
        signed = [each.statement for each in self._node.effects if isinstance(each, Sign)]
        for one, other in combinations(signed, 2):
            if conflict(one, other):
                raise Finding(f"{one} and {other} are signed", data)
        for effect in effects:
            if isinstance(effect, Finalize) and not (
                is_decided(effect.certificate, FOUR, FOUR.hash(), self._node.table)
                and effect.certificate.statement.block_id == id_of(effect.block)
            ):
                raise Finding("a block is decided that no quorum finalized", data)


class Logs:
    """Logs of one height and files of signers."""

    def __init__(self) -> None:
        node = HandDriven()
        self._records = [each for each in _messages(node) if isinstance(each, Vote | Certificate)]
        self._known = dict.fromkeys(self._records)
        random = Random("logs")
        self._logs = [self._log(random) for _ in range(LOGS)]
        self._files = [self._file(random) for _ in range(LOGS)]

    def step(self, random: Random) -> bool:
        """Change a log's bytes."""
        data = mutate(random, self._logs)
        try:
            recovered = recover(data)
        except LogError:
            return False
        if recovered is None:
            return False
        if any(record not in self._known for record in recovered.records):
            raise Finding("a record is recovered that was never written", data)
        if recover(data[: recovered.valid_bytes]) != recovered:
            raise Finding("what is kept of a log is not what was recovered", data)
        return True

    def step_signer(self, random: Random) -> bool:
        """Change the bytes of a signer's file, half of the time under a good checksum."""
        data = mutate(random, self._files)
        if random.random() < 0.5:
            body = data[:-CHECKSUM_BYTES]
            data = body + signer._checksum(body)[:CHECKSUM_BYTES]
        try:
            state = SignerState.decode(data)
        except (DecodeError, SignerStateError):
            return False
        if state.encode() != data:
            raise Finding("a signer's file has two encodings", data)
        return True

    def _log(self, random: Random) -> bytes:
        writer = LogWriter(1 + random.randrange(3))
        data = b""
        for _ in range(random.randrange(1, 6)):
            record: Record = pick(random, self._records)
            data += writer.frame(record).encode()
            if random.random() < 0.5:
                writer.flushed()
        return data

    def _file(self, random: Random) -> bytes:
        state = SignerState.new()
        for record in random.sample(self._records, 20):
            if isinstance(record, Vote):
                try:
                    state = state.with_vote(record)
                except SignerStateError:
                    continue
        return state.encode()


def _messages(node: HandDriven) -> list[Message]:
    """Votes of all but the node, certificates, and whatever else is sent about them."""
    messages: list[Message] = [Status(1, 1, None), Status(9, 2, None)]
    for block in (A, B):
        messages += [BlockRequest(1, id_of(block)), BlockReply(1, block)]
        for round_ in ROUNDS:
            final = node.certificate(F, round_, block)
            notarized = node.certificate(N, round_, block)
            messages += [final, notarized, Decided(1, block, final)]
            messages += [
                node.vote(number, kind, round_, block)
                for number in range(len(FOUR.validators))
                if number != node.number
                for kind in (N, F, P)
            ]
            nullified = tuple(node.certificate(X, each) for each in range(1, round_))
            messages.append(node.proposal(round_, block, Entry(None, nullified)))
            messages.append(Status(1, round_, Entry(None, nullified)))
            messages.append(node.proposal(round_ + 1, block, Entry(notarized, ())))
    for round_ in ROUNDS:
        messages.append(node.certificate(X, round_))
        messages += [
            node.vote(number, X, round_)
            for number in range(len(FOUR.validators))
            if number != node.number
        ]
    return messages


if __name__ == "__main__":
    main("consensus", make)
