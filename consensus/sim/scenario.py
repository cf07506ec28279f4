"""What a seed stands for: validators, who of them is faulty and how, and what goes wrong when.

| part | drawn from |
|---|---|
| validators | 4, 7 or 10 in a set, up to 3 sets, equal or unequal weights; some nodes only follow |
| faulty weight | up to f in every set; above f and up to 2f to see forks (`Faults.FORKS`) |
| network | loss up to half, duplicates, heavy tails, partitions (also one way), hidden kinds |
| nodes | clocks from half to double speed, crashes, power cuts of all, lost signer files |

A tenth of the runs have no fault at all: these show that nothing is slow without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random

from consensus.rules import TimeOuts
from consensus.sim.chain import validator
from consensus.sim.invariants import faulty_weight_max
from consensus.votes import VoteKind
from runtime.wire.validators import ValidatorSet

DELTA_MS = 100
"""The longest way of a message when the network is calm."""
EVERYWHERE = -1
SETS_TRIED = 64
WEIGHTS_MAX = 9


class Faults(Enum):
    """How much weight is faulty."""

    NONE = "none"
    LAWFUL = "lawful"
    """Up to f: everything must hold."""
    FORKS = "forks"
    """Above f, up to 2f: the chain may fork, and then the faulty are named."""


class Habit(Enum):
    """What a faulty node does, beside following the protocol."""

    TWIN = "two nodes have one key, each honest by itself"
    EQUIVOCATE = "signs everything, for some; pretends not to know what was certified"
    PROPOSE_TWICE = "proposes several blocks, with whatever entries hold"
    FORGE = "proposes with entries that lack or fake certificates, or out of turn"
    WITHHOLD = "leads without proposing, or proposes to few, and hides blocks"
    INVALID = "builds invalid blocks, and votes for them"
    STALE = "sends old messages again, and certificates under another height or round"
    BAD_SHARE = "finalizes with shares that are not its own"
    LIE = "invents statuses, decisions, blocks and certificates below the quorum"


@dataclass(frozen=True, slots=True)
class Partition:
    """Nodes of different groups do not hear each other; one way, only the later of the earlier.

    Those of group `EVERYWHERE` hear all, and all hear them.
    """

    begin_ms: int
    end_ms: int
    groups: tuple[int, ...]
    one_way: bool


@dataclass(frozen=True, slots=True)
class Crash:
    """A node loses power, and starts again."""

    at_ms: int
    place: int
    down_ms: int
    loses_signer: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run; a place is a node's number in the network, and twins are two of one validator."""

    seed: int
    faults: Faults
    validator_sets: tuple[ValidatorSet, ...]
    places: tuple[int, ...]
    """The validator's number of each node."""
    faulty: dict[int, tuple[Habit, ...]]
    """By validator's number."""
    calm_from_ms: int
    """From then on the network loses nothing, is fast, and nothing crashes (GST)."""
    is_undisturbed: bool
    timeouts: TimeOuts
    speeds_percent: tuple[int, ...]
    """Of each node's clock: a timer takes this part of its time."""
    work_ms_max: int
    """How long building, checking and committing a block take."""
    loss: float
    duplication: float
    slowness: float
    """The part of messages that takes a multiple of `DELTA_MS`."""
    hidden: tuple[tuple[VoteKind | None, int], ...]
    """Kinds of statements that hardly reach a place; `None` for decided blocks."""
    partitions: tuple[Partition, ...]
    crashes: tuple[Crash, ...]

    @property
    def heights(self) -> int:
        """How many heights are decided after the network is calm, before the run ends."""
        return 3 if self.is_undisturbed else 2


def generator(name: str) -> Random:
    """The generator of a run's draws; its name is its seed."""
    return Random(name)  # noqa: S311 # repeatable on purpose


def draw_scenario(seed: int, faults: Faults) -> Scenario:
    """Return the scenario of a seed."""
    random = generator(f"scenario {seed} {faults.value}")
    undisturbed = faults is not Faults.FORKS and random.random() < 0.1
    count = random.choice((4, 4, 4, 4, 4, 4, 7, 7, 10))
    pool = count + random.choice((0, 0, 0, 1, 2))
    sets, faulty = _draw_validators(random, count, pool, Faults.NONE if undisturbed else faults)
    places = _places(pool, faulty)
    calm_from_ms = 0 if undisturbed else int(random.uniform(5, 40) * DELTA_MS)
    unlucky = 0 if undisturbed else 1
    return Scenario(
        seed=seed,
        faults=faults,
        validator_sets=sets,
        places=places,
        faulty=faulty,
        calm_from_ms=calm_from_ms,
        is_undisturbed=undisturbed,
        timeouts=_draw_timeouts(random, undisturbed),
        speeds_percent=tuple(int(random.uniform(50, 200)) if unlucky else 100 for _ in places),
        work_ms_max=random.choice((1, DELTA_MS // 4, DELTA_MS)),
        loss=random.choice((0, 0.05, 0.2, 0.5)) * unlucky,
        duplication=random.choice((0, 0.1)) * unlucky,
        slowness=random.choice((0.02, 0.2)) * unlucky,
        hidden=_draw_hidden(random, len(places)) if unlucky else (),
        partitions=_draw_partitions(random, places, faulty, calm_from_ms),
        crashes=_draw_crashes(random, sets, places, faulty, calm_from_ms),
    )


def _draw_timeouts(random: Random, undisturbed: bool) -> TimeOuts:
    """Time-outs that are enough from round 1 on, or only after they have grown (R1)."""
    base_ms = 18 * DELTA_MS if undisturbed else random.choice((25, 100, 400, 400, 800))
    return TimeOuts(base_ms, 2 * DELTA_MS, 20 * DELTA_MS, 4 * DELTA_MS)


def _draw_validators(
    random: Random, count: int, pool: int, faults: Faults
) -> tuple[tuple[ValidatorSet, ...], dict[int, tuple[Habit, ...]]]:
    """Validator sets, and who is faulty, so that the faulty weight is right in each of them."""
    for _ in range(SETS_TRIED):
        weight_max = random.choice((1, WEIGHTS_MAX))
        sets_count = random.choice((1, 2, 3)) if faults is Faults.LAWFUL else 1
        sets = tuple(_draw_set(random, count, pool, weight_max) for _ in range(sets_count))
        numbers = _draw_faulty(random, sets, pool, faults)
        if numbers is not None:
            if faults is Faults.FORKS and random.random() < 0.6:
                return sets, dict.fromkeys(numbers, (Habit.TWIN,))
            return sets, {number: _draw_habits(random) for number in numbers}
    equal = tuple(validator(number, 1) for number in range(count))
    return (ValidatorSet(equal),), {}


def _draw_set(random: Random, count: int, pool: int, weight_max: int) -> ValidatorSet:
    members = sorted(random.sample(range(pool), count))
    return ValidatorSet(
        tuple(validator(number, random.randint(1, weight_max)) for number in members)
    )


def _draw_faulty(
    random: Random, sets: tuple[ValidatorSet, ...], pool: int, faults: Faults
) -> tuple[int, ...] | None:
    """Numbers of faulty validators; `None` if these sets do not allow as many as wanted."""
    if faults is Faults.NONE or (faults is Faults.LAWFUL and random.random() < 0.2):
        return ()
    factor = 2 if faults is Faults.FORKS else 1
    chosen: tuple[int, ...] = ()
    for number in random.sample(range(pool), pool):
        more = (*chosen, number)
        if all(weight_of(each, more) <= factor * faulty_weight_max(each) for each in sets):
            chosen = more
    enough = all(weight_of(each, chosen) > faulty_weight_max(each) for each in sets)
    return None if faults is Faults.FORKS and not enough else chosen


def weight_of(validators: ValidatorSet, numbers: tuple[int, ...]) -> int:
    """The weight of validators by number in a set."""
    accounts = frozenset(validator(number, 1).account for number in numbers)
    return sum(each.weight for each in validators.validators if each.account in accounts)


def _draw_habits(random: Random) -> tuple[Habit, ...]:
    """A third are twins, a third equivocate with other habits, a third have some habits."""
    others = [each for each in Habit if each not in (Habit.TWIN, Habit.EQUIVOCATE)]
    luck = random.random()
    if luck < 0.3:
        return (Habit.TWIN,)
    some = tuple(random.sample(others, random.randint(1, 3)))
    if luck < 0.7:
        return (Habit.EQUIVOCATE, Habit.PROPOSE_TWICE, *some)
    return some


def _places(pool: int, faulty: dict[int, tuple[Habit, ...]]) -> tuple[int, ...]:
    twins = tuple(number for number, habits in faulty.items() if Habit.TWIN in habits)
    return (*range(pool), *twins)


def _draw_hidden(random: Random, places: int) -> tuple[tuple[VoteKind | None, int], ...]:
    kinds: tuple[VoteKind | None, ...] = random.choice(
        (
            (),
            (),
            (VoteKind.FINALIZE, None),
            (VoteKind.NOTARIZE, None),
            (VoteKind.FINALIZE, VoteKind.NOTARIZE, None),
            (VoteKind.NULLIFY,),
            (VoteKind.PROPOSE,),
        )
    )
    return tuple(
        (kind, place) for kind in kinds for place in range(places) if random.random() < 0.6
    )


def _draw_partitions(
    random: Random, places: tuple[int, ...], faulty: dict[int, tuple[Habit, ...]], until_ms: int
) -> tuple[Partition, ...]:
    partitions, now_ms = [], 0
    while now_ms < until_ms:
        are_camps = random.random() < 0.5
        length_ms = int(random.expovariate(1 / ((30 if are_camps else 12) * DELTA_MS)))
        end_ms = min(now_ms + length_ms, until_ms)
        if are_camps:
            groups = _camps(random, places, faulty)
        else:
            groups_count = random.choice((1, 2, 2, 3))
            groups = tuple(random.randrange(groups_count) for _ in places)
        partitions.append(Partition(now_ms, end_ms, groups, random.random() < 0.25))
        now_ms += length_ms + int(random.expovariate(1 / (6 * DELTA_MS))) + 1
    return tuple(partitions)


def _camps(
    random: Random, places: tuple[int, ...], faulty: dict[int, tuple[Habit, ...]]
) -> tuple[int, ...]:
    """Two camps that hear the faulty and not each other: so the chain forks, if it can."""
    groups: list[int] = []
    for place, number in enumerate(places):
        if Habit.TWIN in faulty.get(number, ()):
            groups.append(int(places.index(number) == place))
        else:
            groups.append(EVERYWHERE if number in faulty else random.randrange(2))
    return tuple(groups)


def _draw_crashes(
    random: Random,
    sets: tuple[ValidatorSet, ...],
    places: tuple[int, ...],
    faulty: dict[int, tuple[Habit, ...]],
    until_ms: int,
) -> tuple[Crash, ...]:
    """Single crashes, sometimes the power of all, sometimes one signer's file that is lost."""
    crashes = []
    for place in range(len(places)):
        for _ in range(random.choice((0, 0, 1, 2, 3))):
            at_ms = int(random.uniform(0, until_ms))
            crashes.append(Crash(at_ms, place, int(random.expovariate(1 / (10 * DELTA_MS)))))
    if random.random() < 0.2:
        at_ms = int(random.uniform(0, until_ms))
        crashes += [
            Crash(at_ms, place, int(random.uniform(0, 5 * DELTA_MS)))
            for place in range(len(places))
        ]
    if random.random() < 0.1:
        victim = random.randrange(len(places))
        silent = (*faulty, places[victim])
        if all(weight_of(each, silent) <= faulty_weight_max(each) for each in sets):
            crashes.append(Crash(int(random.uniform(0, until_ms)), victim, DELTA_MS, True))
    return tuple(crashes) if until_ms else ()
