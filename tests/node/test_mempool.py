"""The mempool orders by nonce and tip, and its caps hold."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from node import mempool as module
from node.errors import Banned, MempoolError, MempoolFull, NonceTaken, NonceTooHigh, Usurped
from node.mempool import (
    BANNED_BLOCKS,
    BLOCKS_MISSED_MAX,
    BLOCKS_WAITED_MAX,
    NONCES_AHEAD_MAX,
    TIP_RAISE_MIN,
    Mempool,
    Progress,
    Stage,
)
from pallets.system.pallet import System
from runtime.admission import block_full
from runtime.errors import InvalidTransaction
from runtime.extrinsic import CheckedExtrinsic, Era

ALICE, BOB = b"a" * 32, b"b" * 32


def extrinsic(signer: bytes, nonce: int, tip: int = 0, size_bytes: int = 100) -> CheckedExtrinsic:
    """An extrinsic as admission leaves it; its hash says what it is, and so do its bytes."""
    name = b"%b %d %d %d" % (signer, nonce, tip, size_bytes)
    call = System.remark.definition
    raw = name.ljust(size_bytes)
    return CheckedExtrinsic(raw, name, signer, 1, None, nonce, tip, call, (b"",))


def zero(_account: bytes) -> int:
    """Every account begins with nonce 0."""
    return 0


def ready(mempool: Mempool, count_max: int = 5_000, bytes_max: int = 2**22) -> list[int]:
    """The nonces of what is ready, in order."""
    return [each.nonce for each in mempool.ready(zero, count_max, bytes_max)]


def waiting_in(mempool: Mempool) -> list[CheckedExtrinsic]:
    """All that waits."""
    return [each.extrinsic for each in mempool._by_hash.values()]


def test_a_sender_goes_in_order_of_nonces() -> None:
    """Whatever order they come in, and nothing behind a gap."""
    mempool = Mempool()
    for nonce in (2, 0, 1, 4):
        mempool.add(extrinsic(ALICE, nonce), 0, 1)
    assert ready(mempool) == [0, 1, 2]
    assert mempool.next_nonce(ALICE, 0) == 3
    assert mempool.next_nonce(BOB, 7) == 7


def test_tips_go_first_between_senders_only() -> None:
    """A tip overtakes other senders, never the same sender's earlier nonce."""
    mempool = Mempool()
    for each in (extrinsic(ALICE, 0), extrinsic(ALICE, 1, 9), extrinsic(BOB, 0, 5)):
        mempool.add(each, 0, 1)
    order = [(each.signer, each.nonce) for each in mempool.ready(zero, 10, 10_000)]
    assert order == [(BOB, 0), (ALICE, 0), (ALICE, 1)]


def test_a_block_takes_no_more_than_fits() -> None:
    """Count and bytes are bounded, and what does not fit stays."""
    mempool = Mempool()
    for nonce in range(10):
        mempool.add(extrinsic(ALICE, nonce), 0, 1)
    assert ready(mempool, count_max=3) == [0, 1, 2]
    assert ready(mempool, bytes_max=450) == [0, 1, 2, 3]
    assert len(mempool) == 10


def test_the_same_extrinsic_again_is_no_error() -> None:
    """A client that repeats its bytes changes nothing; other bytes with the nonce are refused."""
    mempool = Mempool()
    mempool.add(extrinsic(ALICE, 0), 0, 1)
    mempool.add(extrinsic(ALICE, 0), 0, 1)
    assert (len(mempool), mempool.size_bytes) == (1, 100)
    with pytest.raises(NonceTaken):
        mempool.add(extrinsic(ALICE, 0, tip=1), 0, 1)


def test_caps_are_typed_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too far ahead, too many, too many bytes: each says what to do."""
    mempool = Mempool()
    mempool.add(extrinsic(ALICE, NONCES_AHEAD_MAX + 6), 7, 1)
    with pytest.raises(NonceTooHigh):
        mempool.add(extrinsic(ALICE, NONCES_AHEAD_MAX + 7), 7, 1)
    monkeypatch.setattr(module, "BYTES_MAX", 250)
    mempool.add(extrinsic(BOB, 0), 0, 1)
    with pytest.raises(MempoolFull, match="200 bytes"):
        mempool.add(extrinsic(BOB, 1), 0, 1)
    monkeypatch.setattr(module, "EXTRINSICS_MAX", 2)
    with pytest.raises(MempoolFull, match="2 extrinsics"):
        mempool.add(extrinsic(BOB, 1, size_bytes=1), 0, 1)


def test_what_is_in_a_block_is_forgotten() -> None:
    """Included extrinsics leave; others stay for the next block."""
    mempool = Mempool()
    first, second = extrinsic(ALICE, 0), extrinsic(ALICE, 1)
    mempool.add(first, 0, 1)
    mempool.add(second, 0, 1)
    mempool.settle([first.hash], {}, 2)
    assert first.hash not in mempool
    assert second.hash in mempool
    assert mempool.reason(first.hash) is None
    assert mempool.size_bytes == 100


def test_what_blocks_cannot_take_is_dropped_with_a_reason() -> None:
    """Refused a few times, an extrinsic is given up, and its sender can ask why."""
    mempool = Mempool()
    stuck = extrinsic(ALICE, 0)
    mempool.add(stuck, 0, 1)
    refused = InvalidTransaction("Nobody pays for it.", remedy="Pay.")
    for height in range(BLOCKS_MISSED_MAX):
        assert stuck.hash in mempool
        mempool.settle([], {stuck.hash: refused}, height)
    assert stuck.hash not in mempool
    assert mempool.reason(stuck.hash) is refused
    with pytest.raises(Banned, match="Nobody pays"):
        mempool.add(stuck, 0, 9)
    mempool.add(stuck, 0, BLOCKS_MISSED_MAX + BANNED_BLOCKS)
    assert mempool.reason(stuck.hash) is None


def test_full_blocks_drop_nobody() -> None:
    """What found no room waits on, however many blocks are full."""
    mempool = Mempool()
    patient = extrinsic(ALICE, 0)
    mempool.add(patient, 0, 1)
    for height in range(2 * BLOCKS_MISSED_MAX):
        mempool.settle([], {patient.hash: block_full(5)}, height)
    assert patient.hash in mempool


def test_what_waits_too_long_expires() -> None:
    """A gap that never closes does not hold its place for ever."""
    mempool = Mempool()
    gapped, fresh = extrinsic(ALICE, 5), extrinsic(BOB, 5)
    mempool.add(gapped, 0, 10)
    mempool.add(fresh, 0, 11)
    mempool.settle([], {}, 10 + BLOCKS_WAITED_MAX)
    assert gapped.hash not in mempool
    assert fresh.hash in mempool
    assert mempool.reason(gapped.hash) is not None


def test_reasons_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest reason goes first."""
    monkeypatch.setattr(module, "REFUSALS_MAX", 2)
    mempool = Mempool()
    hashes = []
    for nonce in range(3):
        each = extrinsic(ALICE, nonce)
        hashes.append(each.hash)
        mempool.add(each, 0, 0)
        mempool.settle([], {}, BLOCKS_WAITED_MAX)
    assert [mempool.reason(each) is None for each in hashes] == [True, False, False]


def test_a_higher_tip_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a tenth and by a minimum; what is replaced is told by whom, also when all is full."""
    monkeypatch.setattr(module, "EXTRINSICS_MAX", 1)
    mempool, told = Mempool(), list[Progress]()
    cheap = extrinsic(ALICE, 0, tip=100 * TIP_RAISE_MIN)
    mempool.add(cheap, 0, 1)
    mempool.watch(cheap.hash, told.append)
    with pytest.raises(NonceTaken, match=f"tip of {110 * TIP_RAISE_MIN}"):
        mempool.add(extrinsic(ALICE, 0, tip=110 * TIP_RAISE_MIN - 1), 0, 1)
    dear = extrinsic(ALICE, 0, tip=110 * TIP_RAISE_MIN)
    mempool.add(dear, 0, 1)
    assert ready(mempool) == [0]
    assert (len(mempool), dear.hash in mempool) == (1, True)
    assert [each.stage for each in told] == [Stage.READY, Stage.USURPED]
    assert told[-1].usurper == dear.hash
    assert isinstance(mempool.reason(cheap.hash), Usurped)


def test_what_a_block_overtook_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A nonce that was used by another extrinsic is not offered for ever."""
    mempool, told = Mempool(), list[Progress]()
    mempool.add(extrinsic(ALICE, 0), 0, 1)
    mempool.watch(extrinsic(ALICE, 0).hash, told.append)
    assert mempool.ready(lambda _account: 1, 10, 10_000) == []
    assert len(mempool) == 0
    assert told[-1].stage is Stage.INVALID


def test_the_lowest_tip_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sender loses the last of its queue; an equal tip, or one's own past, gives no room."""
    monkeypatch.setattr(module, "EXTRINSICS_MAX", 3)
    mempool, told = Mempool(), list[Progress]()
    first, last = extrinsic(ALICE, 0, tip=1), extrinsic(ALICE, 1, tip=9)
    for each in (first, last, extrinsic(BOB, 0, tip=5)):
        mempool.add(each, 0, 1)
    mempool.watch(last.hash, told.append)
    with pytest.raises(MempoolFull):
        mempool.add(extrinsic(b"c" * 32, 0, tip=1), 0, 1)
    with pytest.raises(MempoolFull):
        mempool.add(extrinsic(ALICE, 2, tip=3), 0, 1)
    mempool.add(extrinsic(b"c" * 32, 0, tip=2), 0, 1)
    assert (first.hash in mempool, last.hash in mempool) == (True, False)
    assert [each.stage for each in told] == [Stage.READY, Stage.DROPPED]
    mempool.add(last._replace(hash=b"again", nonce=1, tip=9), 0, 1)
    assert first.hash in mempool


def test_a_large_one_pushes_several_small_ones_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as it needs, or none when that would not be enough."""
    monkeypatch.setattr(module, "BYTES_MAX", 500)
    mempool = Mempool()
    senders = [bytes([number]) * 32 for number in range(5)]
    for tip, sender in enumerate(senders):
        mempool.add(extrinsic(sender, 0, tip=tip), 0, 1)
    with pytest.raises(MempoolFull):
        mempool.add(extrinsic(ALICE, 0, tip=2, size_bytes=300), 0, 1)
    assert len(mempool) == 5
    mempool.add(extrinsic(ALICE, 0, tip=3, size_bytes=300), 0, 1)
    order = [each.signer for each in mempool.ready(zero, 10, 10_000)]
    assert order == [senders[4], senders[3], ALICE]


def test_watchers_hear_every_stage() -> None:
    """Future behind a gap, ready without it, final in a block; nothing after they leave."""
    mempool, told, left = Mempool(), list[Progress](), list[Progress]()
    second = extrinsic(ALICE, 1)
    mempool.watch(second.hash, told.append)
    mempool.add(second, 0, 1)
    mempool.watch(second.hash, left.append)
    mempool.unwatch(second.hash, left.append)
    mempool.unwatch(second.hash, left.append)
    mempool.add(extrinsic(ALICE, 0), 0, 1)
    mempool.settle([second.hash], {}, 2)
    mempool.settle([second.hash], {}, 3)
    assert [each.stage for each in told] == [Stage.FUTURE, Stage.READY, Stage.FINALIZED]
    assert [each.stage for each in left] == [Stage.FUTURE]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from([ALICE, BOB]), st.integers(0, 12), st.integers(0, 3)),
        max_size=40,
    ),
    st.integers(1, 12),
)
def test_blocks_drain_the_mempool_in_nonce_order(
    arrivals: list[tuple[bytes, int, int]], count_max: int
) -> None:
    """Block by block, every sender's extrinsics come out in order, each once, up to its first gap."""
    mempool = Mempool()
    nonces: Counter[bytes] = Counter()
    waiting = set()
    for signer, nonce, tip in arrivals:
        if (signer, nonce) not in waiting:
            mempool.add(extrinsic(signer, nonce, tip), 0, 1)
            waiting.add((signer, nonce))
    for height in range(len(waiting) + 1):
        offered = mempool.ready(nonces.__getitem__, count_max, 10_000)
        for each in offered:
            assert each.nonce == nonces[each.signer]
            nonces[each.signer] += 1
        mempool.settle([each.hash for each in offered], {}, height)
    for signer in (ALICE, BOB):
        gap = next(nonce for nonce in range(14) if (signer, nonce) not in waiting)
        assert nonces[signer] == gap
    assert len(mempool) == len(waiting) - sum(nonces.values())
    assert mempool.size_bytes == 100 * len(mempool)


def test_an_extrinsic_leaves_when_its_era_is_over() -> None:
    """It is dropped with its reason after the last block it may enter, and frees its nonce."""
    mempool = Mempool()
    mortal = extrinsic(ALICE, 0)._replace(era=Era(5, 10))
    immortal = extrinsic(BOB, 0)
    for each in (mortal, immortal):
        mempool.add(each, 0, 5)
    mempool.settle((), {}, 13)
    assert mortal.hash in mempool
    mempool.settle((), {}, 14)
    assert mortal.hash not in mempool
    assert immortal.hash in mempool
    assert "height 14" in str(mempool.reason(mortal.hash))
    assert mempool.next_nonce(ALICE, 0) == 0


class MempoolMachine(RuleBasedStateMachine):
    """Arrivals and blocks in any order, against a model that only knows what was accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for name, value in (("EXTRINSICS_MAX", 6), ("BYTES_MAX", 900), ("NONCES_AHEAD_MAX", 4)):
            self.patch.setattr(module, name, value)
        self.mempool = Mempool()
        self.nonces: Counter[bytes] = Counter()
        self.height = 0
        self.told: dict[bytes, list[Progress]] = {}
        self.accepted: dict[bytes, CheckedExtrinsic] = {}
        self.included: set[bytes] = set()

    def teardown(self) -> None:
        self.patch.undo()

    @rule(
        signer=st.sampled_from([ALICE, BOB, b"c" * 32]),
        ahead=st.integers(0, 5),
        tip=st.integers(0, 3).map(lambda raises: raises * TIP_RAISE_MIN),
        size_bytes=st.sampled_from([1, 100, 400]),
    )
    def add(self, signer: bytes, ahead: int, tip: int, size_bytes: int) -> None:
        """An arrival is queued whole, or refused and nothing has changed."""
        each = extrinsic(signer, self.nonces[signer] + ahead, tip, size_bytes)
        before = waiting_in(self.mempool)
        try:
            self.mempool.add(each, self.nonces[signer], self.height)
        except MempoolError:
            assert waiting_in(self.mempool) == before
            return
        if each.hash in self.told and self.told[each.hash][-1].stage in (Stage.FUTURE, Stage.READY):
            return
        self.accepted[each.hash] = each
        told: list[Progress] = []
        self.told[each.hash] = told
        self.mempool.watch(each.hash, told.append)
        for gone in [each for each in before if each.hash not in self.mempool]:
            assert (gone.signer, gone.nonce) == (each.signer, each.nonce) or any(
                other.signer == gone.signer and other.tip < each.tip for other in before
            )

    @rule(count_max=st.integers(0, 6), refused=st.integers(0, 2))
    def make_block(self, count_max: int, refused: int) -> None:
        """A block takes some of what is ready, and refuses what comes behind."""
        offered = self.mempool.ready(self.nonces.__getitem__, count_max, 10_000)
        included = offered[: len(offered) - refused]
        left_out = {each.hash: InvalidTransaction("Refused.") for each in offered[len(included) :]}
        self.height += 1
        for each in included:
            assert each.nonce == self.nonces[each.signer]
            self.nonces[each.signer] += 1
            self.included.add(each.hash)
        self.mempool.settle([each.hash for each in included], left_out, self.height)

    @rule(signer=st.sampled_from([ALICE, BOB]))
    def overtake(self, signer: bytes) -> None:
        """A block of another node has an extrinsic that never came here."""
        self.nonces[signer] += 1
        self.mempool.ready(self.nonces.__getitem__, 0, 0)

    @invariant()
    def limits_hold(self) -> None:
        """Count and bytes are those of what waits, and within the caps."""
        waiting = waiting_in(self.mempool)
        assert self.mempool.size_bytes == sum(len(each.raw) for each in waiting) <= 900
        assert len(self.mempool) == len(waiting) <= 6

    @invariant()
    def blocks_find_what_waits(self) -> None:
        """By its bytes, so that a block's extrinsics are not checked again; nothing else."""
        waiting = waiting_in(self.mempool)
        assert [self.mempool.admitted(each.raw) for each in waiting] == waiting
        assert self.mempool.encoded() == [each.raw for each in waiting]

    @invariant()
    def nothing_vanishes(self) -> None:
        """Whatever was accepted waits, or its watcher has heard its end, once and truly."""
        for name in self.accepted:
            stages = [each.stage for each in self.told[name]]
            ends = [each for each in stages if each not in (Stage.FUTURE, Stage.READY)]
            assert ends == stages[len(stages) - len(ends) :]
            assert len(ends) == (name not in self.mempool)
            if ends:
                assert (ends == [Stage.FINALIZED]) == (name in self.included)


TestMempoolMachine = MempoolMachine.TestCase
TestMempoolMachine.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
