"""`openledger db`: look into, check, mend, export and import the state of a stopped node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.output import JsonFlag, print_fields, print_json, print_table
from node.cli.query import key_parts, pallet_name

if TYPE_CHECKING:
    from runtime.state.store import Store

EXIT_DAMAGED = 1
app = typer.Typer(
    no_args_is_help=True,
    help="Look into, check, mend, export and import the state of a stopped node."
    " To export from a running one, send it SIGUSR1.",
)

Data = Annotated[Path, typer.Option("--data", help="The node's data directory.", metavar="DIR")]
Limit = Annotated[int, typer.Option(help="The most entries to list.", min=1, max=100_000)]


@app.command()
def stats(data: Data, as_json: JsonFlag = False) -> None:
    """Show the head, what is kept, and how much each storage item takes.

    Example: openledger db stats --data DIR
    """
    from node.history.stored import stored_decoder
    from node.storage_items import item_stats

    with _opened(data) as store:
        head, kept = store.head, store.kept
        items = item_stats(store, stored_decoder(store, None).names_by_prefix())
    fields = {
        "height": None if head is None else head.height,
        "block": None if head is None else head.block_id,
        "state_root": None if head is None else head.state_root,
        "states_from": kept.state,
        "blocks_from": kept.blocks,
        "headers_from": kept.headers,
        "entries": sum(each.entries for each in items),
        "bytes": sum(each.key_bytes + each.value_bytes for each in items),
        "disk_bytes": sum(path.stat().st_size for path in (data / "state").rglob("*.*")),
    }
    if as_json:
        print_json(fields | {"items": items})
        return
    print_fields(fields)
    rows = [
        (each.item, each.entries, each.key_bytes, each.value_bytes, each.largest_value_bytes)
        for each in items
    ]
    print_table(("item", "entries", "key bytes", "value bytes", "largest"), rows)


@app.command()
def get(
    data: Data,
    pallet: Annotated[str, typer.Argument(help="Pallet, e.g. Balances.")],
    item: Annotated[str, typer.Argument(help="Storage item, e.g. accounts.")],
    key: Annotated[
        list[str] | None, typer.Argument(help="The key's parts; none lists the whole map.")
    ] = None,
    at: Annotated[
        int | None, typer.Option(help="Read at this height instead of the head.", min=0)
    ] = None,
    limit: Limit = 100,
    as_json: JsonFlag = False,
) -> None:
    """Show a stored value, or the entries of a map: openledger db get PALLET ITEM [KEY ...].

    Example: openledger db get balances accounts --data DIR --limit 20
    """
    from node.history.stored import stored_decoder
    from node.storage_items import entries

    with _opened(data) as store:
        decoder = stored_decoder(store, at)
        stored = decoder.item(pallet_name(decoder.items, pallet), item)
        if stored.key_codec is not None and not key and at is None:
            found = [
                (stored.key_of(storage_key), decoder.to_json(stored.codec.decode(value)))
                for storage_key, value in entries(store, stored.prefix, limit)
            ]
            if as_json:
                print_json([{"key": each, "value": value} for each, value in found])
            else:
                print_table(("key", "value"), found)
            return
        storage_key = stored.storage_key(*key_parts(stored.key_codecs, key or []))
        encoded = store.get(storage_key) if at is None else store.get_at(storage_key, at)
    print_json(None if encoded is None else decoder.to_json(stored.codec.decode(encoded)))


@app.command()
def verify(data: Data, as_json: JsonFlag = False) -> None:
    """Check every record: values, index, state roots of all kept heights, blocks; exit 1 if bad.

    Example: openledger db verify --data DIR
    """
    from node.config import DataDirectory
    from runtime.state.audit import audit

    found = audit(DataDirectory(data).state)
    fields: dict[str, Any] = {
        "keys": found.keys,
        "blocks": found.blocks,
        "undo_logs": found.undo_logs,
        "ok": not found.findings,
    }
    if as_json:
        print_json(fields | {"findings": found.findings})
    else:
        print_fields(fields)
        for finding in found.findings:
            print(finding)
        if found.findings:
            print(
                "Mend it with `openledger db rebuild`, or begin anew with `openledger db import`."
            )
    if found.findings:
        raise typer.Exit(EXIT_DAMAGED)


@app.command()
def rebuild(data: Data, as_json: JsonFlag = False) -> None:
    """Mend the index and LevelDB's bookkeeping; copy the data directory first.

    What cannot be rebuilt is said: old data is then kept from a later height on.  When values of
    the state are lost, nothing is changed for good: import a snapshot or restore a backup.

    Example: openledger db rebuild --data DIR
    """
    from node.config import DataDirectory
    from runtime.state.audit import rebuild as rebuild_state

    done = rebuild_state(DataDirectory(data).state)
    if as_json:
        print_json(done)
        return
    print(f"The index of {done.keys} keys is rebuilt and leads to the head's state root.")
    if done.repaired:
        print(f"What LevelDB could not read is in {DataDirectory(data).state / 'lost'}.")
    for sentence in done.lost:
        print(sentence)


@app.command()
def export(
    data: Data,
    snapshot: Annotated[Path, typer.Argument(help="The directory to make.")],
    as_json: JsonFlag = False,
) -> None:
    """Write a snapshot of the state at the head, with what proves it, into a new directory.

    Example: openledger db export --data DIR snapshot
    """
    from node.snapshots import export_snapshot

    with _opened(data) as store:
        manifest = export_snapshot(store.freeze(), snapshot)
    fields = {
        "height": manifest.header.height,
        "block": manifest.header.id(),
        "state_root": manifest.header.state_root,
        "keys": manifest.keys_count,
        "chunks": len(manifest.chunks),
        "snapshot": str(snapshot),
    }
    (print_json if as_json else print_fields)(fields)


@app.command("import")
def import_(
    data: Data,
    snapshot: Annotated[Path, typer.Argument(help="The snapshot's directory.")],
    chain: Annotated[
        Path | None,
        typer.Option(
            "--chain", help="Chain spec; needed for a new directory.", metavar="SPEC.toml"
        ),
    ] = None,
    trust: Annotated[
        str | None,
        typer.Option(
            help="The snapshot's block, where others than the chain spec's validators decided it.",
            metavar="HEIGHT:ID",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Begin a node's state from a snapshot of its chain, which is checked completely.

    Example: openledger db import --data NEW --chain chain.toml snapshot
    """
    from genesis.chain_spec import genesis_block
    from node.config import Checkpoint, DataDirectory
    from node.snapshots import import_snapshot

    directory = DataDirectory(data)
    spec = directory.load_spec(chain)
    genesis = genesis_block(spec)[0].header
    trusted = spec.validator_set() if trust is None else Checkpoint.parse(trust)
    head = import_snapshot(snapshot, directory, genesis, trusted)
    fields = {"height": head.height, "block": head.block_id, "state_root": head.state_root}
    (print_json if as_json else print_fields)(fields)


@contextmanager
def _opened(data: Path) -> Iterator[Store]:
    """The store of a data directory that no node uses."""
    from node.config import DataDirectory
    from runtime.state.store import Store

    store = Store.open(DataDirectory(data).state, create=False)
    try:
        yield store
    finally:
        store.close()
