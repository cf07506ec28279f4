"""The cases of `DataRights`: paths of any length, erasures of either kind, keys."""

from __future__ import annotations

from genesis.benchmark import Benchmark, Component, Scene
from genesis.sandbox import Sandbox
from genesis.scenes import ALICE, BOB, CURATOR, ROOT, commit, create, publish, reveal
from pallets.data_rights.pallet import DataRights
from pallets.data_rights.types import SEALED_KEY_BYTES_MAX
from runtime.hashing import hash_text
from runtime.merkle import list_path, list_root
from runtime.types import OPEN
from runtime.wire.datanets import Purpose
from runtime.wire.rows import RowRecord

_DEPTH_MAX = 12
"""Paths up to here are measured; longer ones follow from their slope."""
_REASON_BYTES_MAX = 1_024
_ID_BYTES = 4


def _records(count: int) -> list[RowRecord]:
    return [
        RowRecord(hash_text(index.to_bytes(_ID_BYTES, "big")), ALICE.account, 0, index)
        for index in range(count)
    ]


def _published(sandbox: Sandbox, rows: int = 4) -> None:
    sandbox.ok(CURATOR, create())
    sandbox.ok(ALICE, commit(ALICE, rows, bond=5 * OPEN))
    sandbox.ok(ALICE, reveal(0))
    sandbox.ok(
        CURATOR,
        publish((0, rows, 0, 0), rows_root=list_root([each.encode() for each in _records(rows)])),
    )


def _withdraw(sandbox: Sandbox) -> Scene:
    _published(sandbox)
    return Scene(ALICE, DataRights.withdraw.Call(datanet=0, submission=0))


def _withdraw_row(sandbox: Sandbox, depth: int) -> Scene:
    _published(sandbox, 2**depth)
    sandbox.ok(ALICE, commit(ALICE, 1, bond=5 * OPEN, salt=hash_text(b"better")))
    records = _records(2**depth)
    return Scene(
        ALICE,
        DataRights.withdraw_row.Call(
            datanet=0,
            row=records[0],
            path=list_path([each.encode() for each in records], 0),
            replacement=1,
        ),
    )


def _erase(sandbox: Sandbox) -> Scene:
    _published(sandbox)
    sandbox.ok(ALICE, DataRights.withdraw.Call(datanet=0, submission=0))
    return Scene(BOB, DataRights.erase.Call(datanet=0, submission=0, redacted=None))


def _erase_row(sandbox: Sandbox) -> Scene:
    scene = _withdraw_row(sandbox, 2)
    sandbox.ok(ALICE, scene.call)
    return Scene(CURATOR, DataRights.erase.Call(datanet=0, submission=0, redacted=ROOT))


def _request_access(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create())
    call = DataRights.request_access.Call(
        datanet=0, purpose=Purpose.COMMERCIAL, reason="r" * _REASON_BYTES_MAX
    )
    return Scene(BOB, call)


def _set_member(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, create())
    call = DataRights.set_member.Call(datanet=0, account=BOB.account, admitted=True)
    return Scene(CURATOR, call)


def _exclude(sandbox: Sandbox) -> Scene:
    sandbox.ok(CURATOR, _set_member(sandbox).call)
    call = DataRights.set_member.Call(datanet=0, account=BOB.account, admitted=False)
    return Scene(CURATOR, call)


def _share_key(sandbox: Sandbox) -> Scene:
    """A key that is there already is replaced."""
    _published(sandbox)
    call = DataRights.share_key.Call(
        datanet=0, submission=0, reader=BOB.account, sealed_key=bytes(SEALED_KEY_BYTES_MAX)
    )
    sandbox.ok(ALICE, call)
    return Scene(ALICE, call)


def _remove_key(sandbox: Sandbox) -> Scene:
    _share_key(sandbox)
    call = DataRights.remove_key.Call(datanet=0, submission=0, reader=BOB.account)
    return Scene(ALICE, call)


BENCHMARKS = (
    Benchmark(_withdraw),
    Benchmark(_withdraw_row, Component("path.siblings", 0, _DEPTH_MAX)),
    Benchmark(_erase),
    Benchmark(_erase_row),
    Benchmark(_request_access),
    Benchmark(_set_member),
    Benchmark(_exclude),
    Benchmark(_share_key),
    Benchmark(_remove_key),
)
