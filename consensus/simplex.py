"""Simplex, one instance per height: the engine behind `consensus/engine.py`.

Prior art: Chan and Pass, "Simplex Consensus: A Simple and Fast Consensus Protocol" (TCC 2023). Ours
decides one height at a time, so that a parent is always final and the validator set may change with
every block; a notarized block of an earlier round must be proposed again, which the `Entry` of a
proposal proves.  `rules.py` has the rules of a height; this module finds the height of a message.
"""

from __future__ import annotations

from collections.abc import Callable

from consensus.engine import (
    BlockBuilt,
    BlockChecked,
    Effect,
    Event,
    HeightBegan,
    MessageReceived,
    Misbehaved,
    Send,
    SendDecided,
    Signed,
    SignRefused,
    TimerFired,
)
from consensus.errors import InvalidCertificate, InvalidVote
from consensus.facts import Identify
from consensus.messages import (
    ENCODED_BLOCK_BYTES_MAX,
    BlockReply,
    BlockRequest,
    Decided,
    Message,
    Proposal,
    Status,
    height_of,
)
from consensus.rules import Rules, TimeOuts
from consensus.scheme import Scheme
from runtime.wire.validators import ValidatorSet

BUFFERED_MAX = 1_024
"""Messages of the next height that are kept while this one is committed, of all peers."""
BUFFERED_PER_PEER_MAX = 64
"""Of one peer; together their blocks have at most the size of one."""
PEERS_TOLD_MAX = 4_096

SchemeOf = Callable[[ValidatorSet], Scheme]


class Simplex:
    """The engine of one node; `account` is its validator's, if it is one."""

    def __init__(
        self,
        account: bytes | None,
        scheme_of: SchemeOf,
        identify: Identify,
        timeouts: TimeOuts,
    ) -> None:
        """Wait for the first `HeightBegan`."""
        self._account = account
        self._scheme_of = scheme_of
        self._identify = identify
        self._timeouts = timeouts
        self._rules: Rules | None = None
        self._effects: list[Effect] = []
        self._buffered: dict[bytes, list[Message]] = {}
        self._told: dict[bytes, None] = {}
        """Peers from further ahead that know where we are."""

    @property
    def height(self) -> int:
        """The height that is being decided, or was last; 0 before the first."""
        return 0 if self._rules is None else self._rules.height

    @property
    def round(self) -> int:
        """The current round; 0 before the first height."""
        return 0 if self._rules is None else self._rules.round

    def on(self, event: Event) -> tuple[Effect, ...]:
        """Take one event and return what to do, in order."""
        rules = self._rules
        if isinstance(event, HeightBegan):
            rules = self._begin(event)
        elif rules is None:
            return ()
        elif isinstance(event, MessageReceived):
            self._receive(rules, event.peer, event.message)
        elif not rules.decided:
            self._step(rules, event)
        return self._settled(rules)

    def _begin(self, began: HeightBegan) -> Rules:
        self._rules = rules = Rules(
            began,
            self._account,
            self._scheme_of(began.validators),
            self._identify,
            self._timeouts,
        )
        self._told.clear()
        buffered, self._buffered = self._buffered, {}
        for peer, messages in buffered.items():
            for message in messages:
                self._receive(rules, peer, message)
        return rules

    def _settled(self, rules: Rules) -> tuple[Effect, ...]:
        """Apply the rules, and take out what is to be done."""
        if not rules.decided:
            rules.settle()
        if not (self._effects or rules.effects):
            return ()  # most votes that arrive change nothing
        effects = (*self._effects, *rules.effects)
        self._effects.clear()
        rules.effects.clear()
        return effects

    def _step(self, rules: Rules, event: Event) -> None:
        """Take an event of the node's own, if it is of this height."""
        match event:
            case Signed():
                rules.signed(event.vote)
            case SignRefused():
                rules.refused(event.statement)
            case TimerFired() if event.height == rules.height:
                self._told.clear()
                rules.fired(event.round)
            case BlockBuilt() if event.height == rules.height:
                rules.keep_built(event.block_id, event.block)
            case BlockChecked() if event.height == rules.height:
                rules.keep_checked(event.block_id, event.valid)
            case _:
                pass

    def _receive(self, rules: Rules, peer: bytes, message: Message) -> None:
        height = height_of(message)
        if height > rules.height:
            self._receive_early(rules, peer, message, height)
        elif height < rules.height:
            # R8: who asks is told what was decided; who only votes hears of it by certificate.
            if isinstance(message, Status | BlockRequest):
                self._effects.append(SendDecided(peer, height))
        elif not rules.decided or isinstance(message, BlockRequest):
            # Who still needs the block has it from us while we commit it.
            try:
                rules.take(peer, message)
            except (InvalidVote, InvalidCertificate) as error:
                self._effects.append(Misbehaved(peer, error.message))

    def _receive_early(self, rules: Rules, peer: bytes, message: Message, height: int) -> None:
        """R8: keep what the next height will need; from further ahead, ask what was decided."""
        if height == rules.height + 1:
            waiting = self._buffered.get(peer, [])
            count = sum(len(each) for each in self._buffered.values())
            size_bytes = sum(_block_bytes(each) for each in (*waiting, message))
            if (
                len(waiting) < BUFFERED_PER_PEER_MAX
                and count < BUFFERED_MAX
                and size_bytes <= ENCODED_BLOCK_BYTES_MAX
            ):
                self._buffered.setdefault(peer, waiting).append(message)
        elif not rules.decided and peer not in self._told:
            if len(self._told) >= PEERS_TOLD_MAX:
                self._told.clear()
            self._told[peer] = None
            self._effects.append(Send(peer, Status(rules.height, rules.round, None)))


def _block_bytes(message: Message) -> int:
    """The size of the block in a message."""
    match message:
        case Proposal(block=bytes() as block) | Decided(block=block) | BlockReply(block=block):
            return len(block)
        case _:
            return 0
