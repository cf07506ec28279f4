"""One run: the heap of events, the network between the nodes, and when the run is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

from consensus.messages import Decided, Message, Proposal
from consensus.scheme import Scheme
from consensus.sim.byzantine import FaultyNode, TwinNode
from consensus.sim.chain import GENESIS_HASH
from consensus.sim.coalition import Coalition
from consensus.sim.cryptography import TableCryptography
from consensus.sim.invariants import Invariant
from consensus.sim.node import Node
from consensus.sim.scenario import (
    DELTA_MS,
    EVERYWHERE,
    Crash,
    Faults,
    Habit,
    Partition,
    Scenario,
    generator,
)
from consensus.sim.scheme import SharedScheme
from consensus.sim.trace import Trace
from consensus.sim.watch import Watch
from consensus.votes import Certificate, Vote, VoteKind
from runtime.wire.validators import ValidatorSet

LIVENESS_MS = 1_000 * DELTA_MS
"""Within this time after the network is calm every honest node decides some heights more."""
EVENTS_MAX = 400_000
"""More than that is a storm: a run has about a thousand."""
EFFECTS_BEFORE_FAILURE_MAX = 8
HIDDEN = 0.9
"""The part of the hidden messages that is lost."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to without a violation."""

    seed: int
    events: int
    heights: int
    rounds_max: int
    """The latest round in which a height was decided."""
    after_calm_ms: int
    """How long it took from when the network was calm to the end."""
    crashes: int
    evidence: int
    """Reports of honest nodes."""
    is_forked: bool
    digest: str
    """Of the decided chain, so that two runs of a seed can be compared."""


class World:
    """A network of nodes, as a scenario says."""

    def __init__(self, scenario: Scenario, trace: Trace | None = None) -> None:
        """Place the nodes, and put everything that will happen to them on the heap."""
        self.scenario = scenario
        self.trace = trace
        self.now_ms = 0
        self.random = generator(f"run {scenario.seed} {scenario.faults.value}")
        self.cryptography = TableCryptography()
        self.watch = Watch(scenario, self.cryptography)
        self.coalition = Coalition()
        self._schemes: dict[int, SharedScheme] = {}
        self._heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._sequence = 0
        self._groups: tuple[int, ...] | None = None
        self._one_way = False
        self._hidden = dict.fromkeys(scenario.hidden)
        self._target = 0
        self._crashes = 0
        self.nodes = [self._node_at(place) for place in range(len(scenario.places))]
        self._others = tuple(
            tuple(other for other, name in enumerate(scenario.places) if name != own)
            for own in scenario.places
        )
        """Whom a node at each place sends to: everybody but itself and its twins."""
        self._plan()

    def _node_at(self, place: int) -> Node:
        habits = self.scenario.faulty.get(self.scenario.places[place])
        if habits is None:
            return Node(self, place)
        if Habit.TWIN in habits:
            return TwinNode(self, place)
        return FaultyNode(self, place, habits)

    def _plan(self) -> None:
        scenario = self.scenario
        for node in self.nodes:
            self.schedule(int(self.random.random() * DELTA_MS), node.start)
        for partition in scenario.partitions:
            self.schedule(partition.begin_ms, self._divide, partition)
            self.schedule(partition.end_ms, self._divide, None)
        for crash in scenario.crashes:
            self.schedule(crash.at_ms, self._fail, crash)
            up_ms = min(crash.at_ms + crash.down_ms, scenario.calm_from_ms)
            self.schedule(up_ms, self.nodes[crash.place].start)
        self.schedule(scenario.calm_from_ms, self._calm)

    # Time

    def schedule(self, after_ms: int, action: Callable[..., None], *arguments: object) -> None:
        """Have something happen later; what is of the same time happens in order."""
        self._sequence += 1
        heappush(self._heap, (self.now_ms + after_ms, self._sequence, action, arguments))

    def run(self) -> Outcome:
        """Run until every honest node has decided enough; raises `Violation`."""
        scenario = self.scenario
        end_ms = scenario.calm_from_ms + LIVENESS_MS
        events = 0
        heap, watch = self._heap, self.watch
        while heap and not (watch.is_forked or 0 < self._target <= watch.lowest):
            self.now_ms, _, action, arguments = heappop(heap)
            events += 1
            if self.now_ms > end_ms or events > EVENTS_MAX:
                break
            action(*arguments)
        self._judge(events)
        decided = self.watch.decisions
        return Outcome(
            seed=scenario.seed,
            events=events,
            heights=len(decided),
            rounds_max=self.watch.rounds_max,
            after_calm_ms=self.now_ms - scenario.calm_from_ms,
            crashes=self._crashes,
            evidence=self.watch.reports,
            is_forked=self.watch.is_forked,
            digest=self.watch.digest(),
        )

    def _is_over(self) -> bool:
        return self._target > 0 and self.watch.lowest >= self._target

    def _judge(self, events: int) -> None:
        honest = [node for node in self.nodes if node.is_honest]
        if self.watch.is_forked:
            self.watch.attribute(honest)
        elif self.scenario.faults is not Faults.FORKS and not self._is_over():
            heights = [node.disk.head.height for node in honest]
            what = f"heights {heights} of {self._target} at {self.now_ms} ms, {events} events"
            self.watch.violate(Invariant.LIVENESS, what)

    def _calm(self) -> None:
        """From now on nothing goes wrong."""
        honest = [node for node in self.nodes if node.is_honest]
        self._target = max(node.disk.head.height for node in honest) + self.scenario.heights
        self._groups = None
        for node in self.nodes:
            node.start()
        self.note(None, f"is calm; every honest node must decide height {self._target}")

    def _divide(self, partition: Partition | None) -> None:
        self._groups = None if partition is None else partition.groups
        self._one_way = partition is not None and partition.one_way
        self.note(None, f"is divided into {self._groups}")

    def _fail(self, crash: Crash) -> None:
        node = self.nodes[crash.place]
        self._crashes += 1
        if crash.loses_signer:
            node.disk.signer = None
            node.fail()
        elif node.engine is not None:
            node.effects_left = int(self.random.random() * EFFECTS_BEFORE_FAILURE_MAX)

    def draw_work_ms(self) -> int:
        """How long a block takes to build, check or commit."""
        return int(self.random.random() * self.scenario.work_ms_max)

    # Network

    def broadcast(self, sender: int, message: Message) -> None:
        """Send to every other node."""
        for receiver in self._others[sender]:
            self.post(sender, receiver, message)

    def post(self, sender: int, receiver: int, message: Message) -> None:
        """Send to one node: it arrives late, twice or never until the network is calm."""
        random = self.random.random
        deliver = self.nodes[receiver].receive
        peer = self.nodes[sender].peer
        delay_ms = 5 + int(random() * (DELTA_MS - 5))
        if self.now_ms < self.scenario.calm_from_ms:
            if self._is_lost(sender, receiver, message):
                return
            if random() < self.scenario.duplication:
                again_ms = delay_ms + int(random() * 4 * DELTA_MS)
                self.schedule(again_ms, deliver, peer, message)
            if random() < self.scenario.slowness:
                delay_ms = int(self.random.expovariate(1 / (8 * DELTA_MS)))
        self.schedule(delay_ms, deliver, peer, message)

    def _is_lost(self, sender: int, receiver: int, message: Message) -> bool:
        groups = self._groups
        if groups is not None:
            one, other = groups[sender], groups[receiver]
            apart = one != other and EVERYWHERE not in (one, other)
            if apart and (not self._one_way or one < other):
                return True
        random = self.random.random
        if random() < self.scenario.loss:
            return True
        return bool(self._hidden) and self._is_hidden(receiver, message) and random() < HIDDEN

    def _is_hidden(self, receiver: int, message: Message) -> bool:
        match message:
            case Vote() | Certificate():
                return (message.statement.kind, receiver) in self._hidden
            case Proposal():
                return (VoteKind.PROPOSE, receiver) in self._hidden
            case Decided():
                return (None, receiver) in self._hidden
            case _:
                return False

    # What nodes share

    def scheme_of(self, validators: ValidatorSet) -> Scheme:
        """The one scheme of a validator set."""
        scheme = self._schemes.get(id(validators))
        if scheme is None:
            scheme = SharedScheme(validators, GENESIS_HASH, self.cryptography)
            self._schemes[id(validators)] = scheme
        return scheme

    def note(self, place: int | None, what: str) -> None:
        """Write a line of the trace, if there is one."""
        if self.trace is not None:
            self.trace.note(self.now_ms, place, what)
