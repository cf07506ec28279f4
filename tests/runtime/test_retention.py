"""What a store keeps of the past, and what it says of the rest."""

from __future__ import annotations

import pytest

from runtime.errors import StoreError
from runtime.hashing import hash_extrinsic
from runtime.state.history import RECENT_HEIGHTS_MAX, UnknownHeight, View
from runtime.state.proof import verify_entry
from runtime.state.store import INDEX_HEIGHTS_MAX, Kept, Pruned, Retention, Store
from runtime.state.tables import UNDO, at_height
from tests.runtime.stored_chain import commit_block, grow

BLOCKS = 2 * INDEX_HEIGHTS_MAX + 10


@pytest.fixture
def directory(tmp_path):
    """Where the store of a test lies."""
    return tmp_path / "state"


def _open(directory, state_heights=None, block_heights=None):
    return Store.open(directory, True, Retention(state_heights, block_heights))


def test_old_blocks_are_pruned_to_their_headers(directory):
    """Extrinsics, events and their look-up go; header, certificate and height by id stay."""
    store = _open(directory, block_heights=10)
    headers = grow(store, 30)
    assert store.kept == Kept(state=0, blocks=20, headers=0)
    for height in (0, 5, 19):
        for read in (store.block, store.events):
            with pytest.raises(Pruned, match=f"height {height} is not kept. .* from 20 on"):
                read(height)
        assert store.header(height) == headers[height]
        assert store.commit_certificate(height) == b"commit"
        assert store.height_of(headers[height].id()) == height
        assert store.locate_extrinsic(hash_extrinsic(b"extrinsic %d" % height)) is None
    for height in (20, 29):
        assert store.block(height) is not None
        assert store.events(height) == b"events"
        assert store.header(height) == headers[height]
        assert store.locate_extrinsic(hash_extrinsic(b"extrinsic %d" % height)) == (height, 0)
    assert store.header(30) is store.block(30) is store.header(-1) is None
    store.close()


def test_a_lower_limit_is_reached_in_steps(directory):
    """Each block removes two old heights at most, so that no commit takes long."""
    store = _open(directory)
    grow(store, 40)
    store.close()
    store = _open(directory, block_heights=5)
    grow(store, 10)
    assert store.kept.blocks == 20
    grow(store, 30)
    assert store.kept.blocks == 75
    store.close()


def test_old_states_are_pruned_and_the_error_says_from_where_on_they_are_kept(directory):
    """Undo logs go once they are old and the index no longer needs them."""
    store = _open(directory, state_heights=20)
    headers = grow(store, BLOCKS)
    first = store.kept.state
    assert INDEX_HEIGHTS_MAX < first <= BLOCKS - 20
    store.close()
    store = _open(directory, state_heights=20)
    for height in range(first, BLOCKS):
        verify_entry(headers[height].state_root, store.state_at(height).prove(b"key 3"))
    for height in (0, first - 1, BLOCKS):
        with pytest.raises(UnknownHeight, match=f"from {first} to {BLOCKS - 1}"):
            store.state_at(height).prove(b"key 3")
    store.close()


def test_heights_in_memory_are_served_although_their_undo_logs_are_gone(directory):
    """A short retention never says no to what is there."""
    store = _open(directory, state_heights=1)
    headers = grow(store, 150)
    assert store.kept.state > 0
    verify_entry(headers[0].state_root, store.state_at(0).prove(b"key 3"))
    store.close()


def test_memory_is_limited_by_changed_keys_too(directory, monkeypatch):
    """Few large blocks stay in memory; older ones come from undo logs."""
    monkeypatch.setattr("runtime.state.history.RECENT_CHANGES_MAX", 50)
    store = _open(directory)
    headers = grow(store, 20)
    assert len(store._view.recent) < 7
    commit_block(store, {b"big %d" % number: b"value" for number in range(60)})
    assert len(store._view.recent) == 1
    for height, header in enumerate(headers):
        verify_entry(header.state_root, store.state_at(height).prove(b"key 3"))
    assert len(store._view.recent) <= RECENT_HEIGHTS_MAX
    store.close()


def test_rebuilt_versions_follow_the_head(directory, monkeypatch):
    """A version rebuilt earlier is still right after more blocks, whichever heights are asked."""
    monkeypatch.setattr("runtime.state.history.RECENT_HEIGHTS_MAX", 3)
    store, headers = _open(directory), []
    for _ in range(12):
        headers += grow(store, 4)
        for height in (0, len(headers) // 2, 2, len(headers) // 3, len(headers) - 1):
            for key in (b"key 3", b"key 11", b"key 29", b"none"):
                entry = store.state_at(height).prove(key)
                verify_entry(headers[height].state_root, entry)
                assert store.get_at(key, height) == (entry.value or None)
    store.close()


def test_a_missing_undo_log_is_an_error_not_a_wrong_state(directory, monkeypatch):
    """The error names the height and the command that looks closer."""
    monkeypatch.setattr("runtime.state.history.RECENT_HEIGHTS_MAX", 3)
    store = _open(directory)
    grow(store, 20)
    with store._database.batch() as batch:
        batch.delete(at_height(UNDO, 9))
    store.close()
    store = _open(directory)
    store.state_at(9).prove(b"key 3")
    with pytest.raises(StoreError, match=r"undo log of height 9 is missing. .* verify"):
        store.state_at(8).prove(b"key 3")
    store.close()


def test_a_missing_block_stops_pruning_with_a_typed_error(directory):
    """What is to be pruned must be there."""
    store = _open(directory, block_heights=3)
    grow(store, 3)
    with store._database.batch() as batch:
        batch.delete(at_height(b"b", 0))
    with pytest.raises(StoreError, match="A record of height 0 is missing"):
        grow(store, 1)
    store.close()


def test_before_genesis_there_is_no_state(directory):
    """Neither proofs nor exports."""
    store = _open(directory)
    with pytest.raises(UnknownHeight, match="before genesis"):
        store.state_at(0)
    with pytest.raises(StoreError, match="before genesis"):
        store.freeze()
    assert View(store._database, 0).recent == ()
    store.close()


@pytest.mark.parametrize("blocks", [1, 5, INDEX_HEIGHTS_MAX, INDEX_HEIGHTS_MAX + 1, BLOCKS])
def test_the_index_is_caught_up_after_a_crash(directory, blocks):
    """Without a clean end, undo logs name the keys to hash again; later blocks complete them."""
    store = _open(directory)
    grow(store, blocks)
    store._database.close()
    for _ in range(2):
        store = _open(directory)
        assert store.head is not None
        assert store.head.height >= blocks - 1
        grow(store, INDEX_HEIGHTS_MAX - 3)
        store._database.close()
    store = _open(directory)
    headers = grow(store, 1)
    store.close()
    store = _open(directory)
    verify_entry(headers[0].state_root, store.prove(b"key 3"))
    store.close()


def test_many_changed_keys_write_the_index_early(directory, monkeypatch):
    """What waits for the index is limited, too."""
    monkeypatch.setattr("runtime.state.store.INDEX_KEYS_MAX", 25)
    store = _open(directory)
    grow(store, 10)
    assert store._record is not None
    assert store._record.indexed >= 8
    store.close()


def test_caches_are_limited_and_never_stale(directory, monkeypatch):
    """With caches of a few entries, reads and undo logs are those of a dictionary."""
    monkeypatch.setattr("runtime.state.store.CACHE_BYTES_MAX", 1_000)
    store = _open(directory)
    model: dict[bytes, bytes] = {}
    past = []
    for height in range(40):
        changes: dict[bytes, bytes | None] = {
            b"key %d" % (height * 3 % 20 + place): b"%d" % height for place in range(6)
        }
        changes[b"key %d" % (height % 20)] = None
        for place in range(20):
            assert store.get(b"key %d" % place) == model.get(b"key %d" % place)
        commit_block(store, changes)
        model = {k: v for k, v in {**model, **changes}.items() if v is not None}
        past.append(model)
    for height, then in enumerate(past):
        assert all(
            store.get_at(b"key %d" % n, height) == then.get(b"key %d" % n) for n in range(26)
        )
    store.close()


def test_what_changes_nothing_is_not_written(directory):
    """A value written again as it was costs neither a hash nor an undo record."""
    store = _open(directory)
    grow(store, 2)
    prepared = store.prepare({b"key 8": store.get(b"key 8"), b"none": None})
    assert prepared.changes == prepared.replaced == prepared.index == {}
    assert store.head is not None
    assert prepared.root == store.head.state_root
    store.close()
