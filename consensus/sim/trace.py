"""A run as lines that people read: when, which node, what it received, did or suffered."""

from __future__ import annotations

from hashlib import blake2b

from consensus.engine import (
    Append,
    Broadcast,
    BuildBlock,
    CheckBlock,
    Effect,
    Finalize,
    Flush,
    Misbehaved,
    ReportEvidence,
    Send,
    SendDecided,
    Sign,
    StartTimer,
)
from consensus.log import KeptBlock
from consensus.messages import (
    BlockReply,
    BlockRequest,
    Decided,
    Entry,
    Message,
    Proposal,
    Status,
)
from consensus.votes import Certificate, Statement, Vote

SHOWN_DIGITS = 6


class Trace:
    """The lines of a run, and their digest: equal digests are equal runs."""

    def __init__(self) -> None:
        """Nothing has happened."""
        self.lines: list[str] = []

    def note(self, now_ms: int, place: int | None, what: str) -> None:
        """Note what happened at a place, or to the network."""
        who = "network" if place is None else f"node {place:<2}"
        self.lines.append(f"{now_ms:>7} ms  {who}  {what}")

    def digest(self) -> str:
        """The hash of all lines, in hexadecimal."""
        return blake2b("\n".join(self.lines).encode(), digest_size=16).hexdigest()


def name_of(account: bytes) -> str:
    """A validator as it is called in a trace."""
    return account.rstrip(b".").decode(errors="replace")


def show_id(block_id: bytes | None) -> str:
    """The beginning of a block's id."""
    return "-" if block_id is None else block_id.hex()[:SHOWN_DIGITS]


def show_statement(statement: Statement) -> str:
    """A statement in short: `NOTARIZE 3.1 ab12cd` is of height 3 and round 1."""
    place = f"{statement.height}.{statement.round}"
    return f"{statement.kind.name} {place} {show_id(statement.block_id)}"


def show_entry(entry: Entry | None) -> str:
    """The rounds that an entry has certificates of."""
    if entry is None:
        return "no entry"
    notarized = "-" if entry.notarized is None else show_statement(entry.notarized.statement)
    nullified = ",".join(str(each.statement.round) for each in entry.nullified)
    return f"entry [{notarized}; X {nullified or '-'}]"


def show_message(message: Message | KeptBlock) -> str:
    """A message or a record of the log in short."""
    match message:
        case Vote():
            text = f"vote {show_statement(message.statement)} of {name_of(message.validator)}"
        case Certificate():
            voters = int.from_bytes(message.bitmap, "little")
            text = f"certificate {show_statement(message.statement)} of {voters:b}"
        case Proposal():
            block = "block" if message.block else "no block"
            text = f"{show_message(message.vote)}, {show_entry(message.entry)}, {block}"
        case Status():
            text = f"status {message.height}.{message.round} {show_entry(message.entry)}"
        case Decided():
            text = f"decided {message.height}: {show_message(message.certificate)}"
        case BlockRequest():
            text = f"request of block {message.height} {show_id(message.block_id)}"
        case BlockReply():
            text = f"reply with a block of {message.height}"
        case KeptBlock():
            text = f"block {show_id(message.block_id)}"
    return text


def show_effect(effect: Effect) -> str:
    """An effect in short."""
    match effect:
        case Append():
            text = show_message(effect.record)
        case Broadcast() | Send():
            text = show_message(effect.message)
        case Sign():
            text = show_statement(effect.statement)
        case StartTimer():
            text = f"{effect.height}.{effect.round} {effect.after_ms} ms"
        case CheckBlock() | Finalize():
            text = f"{effect.height} {show_id(effect.block_id)}"
        case BuildBlock() | SendDecided():
            text = f"{effect.height}"
        case Misbehaved():
            text = effect.reason
        case ReportEvidence():
            text = f"at {show_statement(effect.evidence.statement)}"
        case Flush():
            text = ""
    return f"{type(effect).__name__} {text}".rstrip()
