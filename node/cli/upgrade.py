"""`openledger try-upgrade`: what the installed runtime would do to a chain's state."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from node.cli.output import JsonFlag, print_fields, print_json, print_table

COLUMNS = ("item", "before", "after", "added", "changed", "removed", "bytes before", "bytes after")


def try_upgrade(
    snapshot: Annotated[Path, typer.Option(help="Snapshot of a live chain; see `db export`.")],
    spec: Annotated[
        Path | None, typer.Option(help="The chain.toml, for a chain with pallets from packages.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Carry out the upgrade to the installed version on a snapshot, and print what it changes.

    Nothing is written.  Afterwards every stored value must decode, and every invariant must hold.

    Example: openledger try-upgrade --snapshot snapshots/1200
    """
    from genesis.chain_spec import ChainSpec
    from genesis.compose import compose_runtime
    from node import try_upgrade as dry_run
    from node.snapshots import read_snapshot

    runtime = compose_runtime() if spec is None else ChainSpec.load(spec).runtime()
    report = dry_run.try_upgrade(runtime, read_snapshot(snapshot))
    if as_json:
        print_json(asdict(report))
        return
    print_fields(
        {
            "height": report.height,
            "spec version": f"{report.spec_version_before} -> {report.spec_version_after}",
            "blocks": report.blocks,
            "slowest block": f"{report.seconds_max * 1_000:.0f} ms",
            "issuance": f"{report.issuance_before:,} -> {report.issuance_after:,}",
        }
        | {
            f"storage of {name}": f"version {old or 'none'} -> {new}"
            for name, (old, new) in report.versions.items()
        }
    )
    if report.items:
        print_table(COLUMNS, [list(asdict(item).values()) for item in report.items])
