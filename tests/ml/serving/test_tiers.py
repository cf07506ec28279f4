"""Packed files, rows in memory, pages and the queue, each by itself."""

import errno
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from ml.serving.admission import Admission, QueueLimits
from ml.serving.base import BaseShape
from ml.serving.errors import QueueFull, RowDamaged
from ml.serving.layout import RowLayout, rank_class
from ml.serving.packed import PackedRows
from ml.serving.pages import PAGE_TOKENS, PageTable, page_hashes
from ml.serving.requests import GenerationRequest
from ml.serving.residents import Residents
from ml.serving.rows import AdapterRow
from ml.serving.ticket import Ticket
from tests.ml.serving.adapters import PROMPT, answer_all, save_adapter

# peft 0.21 asks transformers 5.23 for a property that version 6 renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

LAYOUT = RowLayout(BaseShape(16, 24, 2, 4, 2, 4, 64))


def row_of(key, rank=8) -> AdapterRow:
    values = torch.randn(LAYOUT.size(rank), generator=torch.Generator().manual_seed(key))
    return AdapterRow(bytes([key]) * 32, rank, 0.1, values)


@pytest.fixture
def packed(tmp_path):
    return PackedRows(tmp_path, bytes(32), LAYOUT, 1 << 30)


def file_of(tmp_path):
    return next(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("rank", [8, 64])
def test_a_packed_row_comes_back(packed, rank):
    """Every bit, the rank and the scale are those that were written."""
    row = row_of(1, rank)
    packed.write(row)
    found = packed.read(row.key)
    assert found is not None
    assert (found.key, found.rank, found.scale) == (row.key, row.rank, row.scale)
    assert torch.equal(found.values, row.values)


def test_what_was_never_packed_is_none(packed):
    """A miss is no error."""
    assert packed.read(bytes(32)) is None


def test_a_packed_row_is_an_ordinary_safetensors_file(packed, tmp_path):
    """Other tools read it."""
    packed.write(row_of(1))
    assert torch.equal(load_file(file_of(tmp_path))["row"], row_of(1).values)


def test_rows_of_another_base_model_are_not_looked_at(packed, tmp_path):
    """The same adapter packed for another base model is a miss."""
    packed.write(row_of(1))
    assert PackedRows(tmp_path, bytes(31) + b"a", LAYOUT, 1 << 30).read(row_of(1).key) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data[:40],
        lambda data: b"",
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data.replace(b'"rank":"8"', b'"rank":"9"'),
        lambda data: data.replace(b'"version":"2"', b'"version":"3"'),
        lambda data: data.replace(b'"F32"', b'"I32"'),
        lambda data: data[:8] + b"[" + data[9:],
    ],
)
def test_a_damaged_packed_row_is_found_out(packed, tmp_path, damage):
    """Truncation, rot and other versions are all one typed error."""
    packed.write(row_of(1))
    path = file_of(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RowDamaged):
        packed.read(row_of(1).key)


def test_a_damaged_packed_row_is_packed_again(make_engine, base, tmp_path):
    """The engine answers all the same, and the file is whole afterwards."""
    digest = save_adapter(base, tmp_path, 41)
    request = GenerationRequest(PROMPT, digest, 4)
    first = answer_all(make_engine(directory=tmp_path), [request])
    path = next((tmp_path / ".packed").rglob("*.safetensors"))
    path.write_bytes(path.read_bytes()[:-7])
    assert answer_all(make_engine(directory=tmp_path), [request]) == first
    engine = make_engine(directory=tmp_path)
    assert answer_all(engine, [request]) == first
    assert engine.figures().adapters_found_in == {"packed": 1}


def test_a_full_disk_fails_nothing(make_engine, base, tmp_path, monkeypatch):
    """An adapter that cannot be packed is served from its folder, and it is counted."""
    digest = save_adapter(base, tmp_path, 42)
    engine = make_engine(directory=tmp_path)

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ml.serving.packed.os.fsync", refuse)
    assert answer_all(engine, [GenerationRequest(PROMPT, digest, 4)])
    assert engine.figures().adapters_unwritten == 1
    assert list((tmp_path / ".packed").rglob("*.*")) == []


def test_the_oldest_files_go_first(tmp_path):
    """On disk too there is a budget, also for what a former process has left."""
    size = row_of(0).size_bytes
    for key in range(6):
        PackedRows(tmp_path, bytes(32), LAYOUT, 4 * size).write(row_of(key))
    packed = PackedRows(tmp_path, bytes(32), LAYOUT, 4 * size)
    kept = [packed.read(row_of(key).key) is not None for key in range(6)]
    assert kept == [False, False, False, True, True, True]


def test_memory_keeps_the_recently_used():
    """Over the budget, the row that was not asked for longest goes."""
    rows = [row_of(key) for key in range(3)]
    residents = Residents(2 * rows[0].size_bytes)
    for row in rows[:2]:
        residents.insert(row)
        residents.unpin(row.key)
    assert residents.pin(rows[0].key) is rows[0]
    residents.unpin(rows[0].key)
    residents.insert(rows[2])
    assert residents.pin(rows[1].key) is None
    assert residents.count == 2
    assert residents.used_bytes == 2 * rows[0].size_bytes


def test_pinned_rows_stay():
    """Where all rows are pinned, a new one waits for the first that is not."""
    first, second = row_of(1), row_of(2)
    residents = Residents(first.size_bytes)
    residents.insert(first)
    thread = threading.Thread(target=residents.insert, args=(second,))
    thread.start()
    assert residents.pin(first.key) is first
    residents.unpin(first.key)
    residents.unpin(first.key)
    thread.join()
    assert residents.pin(first.key) is None
    assert residents.pin(second.key) is second


def test_pages_are_known_by_adapter_and_all_tokens_before():
    """The same tokens after other ones, or through another adapter, are another page."""
    tokens = list(range(40))
    first = page_hashes(None, tokens)
    assert len(first) == 2
    assert page_hashes(None, [99, *tokens[1:]])[1] != first[1]
    assert page_hashes(b"a" * 32, tokens)[0] != first[0]
    assert page_hashes(None, tokens[:33]) == first
    assert page_hashes(None, tokens[:32]) == first[:1]


page_actions = st.lists(
    st.tuples(st.sampled_from(["allocate", "share", "release"]), st.integers(0, 5)), max_size=60
)


@settings(deadline=None)
@given(actions=page_actions)
def test_pages_have_one_writer(actions):
    """However pages are taken, shared and given back, none is free and owned, none is lost."""
    table = PageTable(8)
    held: list[list[int]] = []
    prompts = [page_hashes(None, [prompt] * (PAGE_TOKENS * 3 + 1)) for prompt in range(6)]
    for action, index in actions:
        if action == "release" and held:
            table.release(held.pop(index % len(held)))
        elif action == "share":
            pages = table.share(prompts[index], 1)
            own = table.allocate(3 - len(pages))
            if own is None:
                table.release(pages)
                continue
            pages += own
            for page, content in zip(pages, prompts[index], strict=True):
                table.publish(page, content)
            held.append(pages)
        elif action == "allocate" and (own := table.allocate(index)) is not None:
            assert not set(own) & {page for pages in held for page in pages}
            held.append(own)
        owned = {page for pages in held for page in pages}
        assert table.available_count == 8 - len(owned)
        assert min(owned, default=2) >= 2
    for pages in held:
        table.release(pages)
    assert table.available_count == 8


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=20))
def test_turns_go_round(adapters):
    """The queue is a permutation in which no adapter is served twice before another that waits."""
    admission = Admission(QueueLimits(100, 100, 100))
    for adapter in adapters:
        admission.put(Ticket(GenerationRequest((1,), bytes([adapter]) * 32)))
    taken = []
    for _ in adapters:
        ticket = admission.next_to_load()
        assert ticket is not None
        admission.finish_load(ticket)
        taken.append((ticket.request.adapter_key or bytes(1))[0])
    assert sorted(taken) == sorted(adapters)
    rounds = max((adapters.count(adapter) for adapter in adapters), default=0)
    left = taken
    for turn in range(rounds):
        count = sum(adapters.count(adapter) > turn for adapter in set(adapters))
        assert len(set(left[:count])) == count
        left = left[count:]


def test_who_left_makes_room_in_the_queue():
    """Requests that were cancelled while they waited do not count."""
    admission = Admission(QueueLimits(2, 2, 1))
    tickets = [Ticket(GenerationRequest((1,), None)) for _ in range(3)]
    admission.put(tickets[0])
    admission.put(tickets[1])
    with pytest.raises(QueueFull):
        admission.put(tickets[2])
    tickets[0].cancel()
    admission.put(tickets[2])
    assert admission.next_to_load() is tickets[1]


def test_rank_classes():
    """A rank takes the smallest class that holds it."""
    assert [rank_class(rank) for rank in (1, 8, 9, 16, 33, 64)] == [8, 8, 16, 16, 64, 64]
