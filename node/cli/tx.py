"""`openledger tx`: sign a call, send it, wait for its block; without a call, list what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.key_choice import (
    KeyOption,
    PasswordFile,
    account_of,
    choose_account,
    choose_key,
)
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)
from node.cli.query import pallet_name
from node.errors import ConfigError
from runtime.extrinsic import PERIOD_BLOCKS_MAX
from runtime.storage import PREFIX_BYTES
from runtime.types import OPEN

if TYPE_CHECKING:
    from node.client import NodeClient
    from node.submission import Rehearsal
    from runtime.calls import CallDefinition
    from runtime.executive import Runtime

EXIT_WOULD_FAIL = 1
ERA_BLOCKS_MAX = PERIOD_BLOCKS_MAX - 1
PalletName = Annotated[str | None, typer.Argument(help="Pallet, e.g. Balances.")]
CallName = Annotated[str | None, typer.Argument(help="Call, e.g. transfer.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait for the block.", min=1)]
EraBlocks = Annotated[
    str | None,
    typer.Option(
        "--era",
        help=f"How many of the next blocks may take it (1 to {ERA_BLOCKS_MAX}), or `immortal`.",
        metavar="BLOCKS",
    ),
]
Cost = Annotated[bool, typer.Option("--cost", help="Say what it would cost now; send nothing.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would do now; sign and send nothing.")
]
Tip = Annotated[int, typer.Option(help=f"Paid to the block's proposer; 1 OPEN is {OPEN}.", min=0)]


def submit(
    context: typer.Context,
    pallet: PalletName = None,
    call: CallName = None,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    tip: Tip = 0,
    era: EraBlocks = None,
    timeout_s: Timeout = 30,
    cost: Cost = False,
    dry_run: DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Send a call and wait for its block: openledger tx PALLET CALL --argument value ...

    Amounts may be written as 2.5OPEN, accounts as the name of a key or dev:bob, and records, tuples
    and calls as JSON.  Without CALL, the calls of the node's runtime are listed.  With --cost or
    --dry-run nothing is signed, and --key needs no password.

    Example: openledger tx balances transfer --receiver dev:bob --amount 2.5OPEN --dry-run
    """
    from node.cli.arguments import calls_of, options_of, typed_arguments
    from node.client import NodeClient

    era_blocks = _era_blocks(era)
    with NodeClient(node) as client:
        definitions = _calls(client.runtime, pallet)
        if call is None:
            _list_calls(definitions, as_json)
            return
        definition = _find(definitions, call)
        options = options_of(context.args)
        arguments = typed_arguments(
            definition.arguments.items, options, account_of, calls_of(client.runtime)
        )
        value = definition.arguments.record(**arguments)
        if cost:
            costs = {"fee": client.fee(value, choose_account(key))}
            (print_json if as_json else print_fields)(costs)
            return
        if dry_run:
            _print_rehearsal(client, client.rehearse(value, choose_account(key), tip=tip), as_json)
            return
        keypair = choose_key(key, password_file)
        inclusion = client.submit(
            value, keypair, tip=tip, era_blocks=era_blocks, timeout_s=timeout_s
        )
    if as_json:
        print_json(inclusion)
        return
    print_fields(
        {
            "included": f"block {inclusion.height}, index {inclusion.index}",
            "extrinsic": inclusion.extrinsic_hash,
        }
    )
    for event in inclusion.events:
        print_fields({f"{event.pallet}.{event.name}": event.fields})


def _print_rehearsal(client: NodeClient, rehearsal: Rehearsal, as_json: bool) -> None:
    """Print what a call would do, with storage items by their names; exit 1 if it would fail."""
    decoder = client.decoder_at(None)
    names = decoder.names_by_prefix()
    storage = [
        {"item": names.get(key[:PREFIX_BYTES], "?"), "key": key, "before": before, "after": after}
        for key, (before, after) in rehearsal.storage.items()
    ]
    fields = {
        "ok": rehearsal.ok,
        "fee": rehearsal.fee,
        "units": rehearsal.units,
        "units_used": rehearsal.units_used,
        "error_name": rehearsal.error_name,
        "error": rehearsal.error,
        "remedy": rehearsal.remedy,
    }
    if as_json:
        print_json(fields | {"events": rehearsal.events, "storage": storage})
    else:
        print_fields({name: value for name, value in fields.items() if value != ""})
        for event in rehearsal.events:
            print_fields({f"{event.pallet}.{event.name}": event.fields})
        print_table(("changes", "key"), [(each["item"], each["key"]) for each in storage])
    if not rehearsal.ok:
        raise typer.Exit(EXIT_WOULD_FAIL)


def _era_blocks(text: str | None) -> int | None:
    """The option's value, None for `immortal`; raises `ConfigError`."""
    from node.submission import ERA_BLOCKS

    if text is None:
        return ERA_BLOCKS
    if text == "immortal":
        return None
    if text.isdecimal() and 1 <= int(text) <= ERA_BLOCKS_MAX:
        return int(text)
    message = f"{text!r} is not a number of blocks."
    remedy = f"Write --era with a number from 1 to {ERA_BLOCKS_MAX}, or with `immortal`."
    raise ConfigError(message, remedy=remedy)


def _calls(runtime: Runtime, pallet: str | None) -> list[CallDefinition]:
    """The calls of one pallet, whatever its capitals, or of all."""
    chosen = runtime.pallets if pallet is None else [pallet_name(runtime.pallets, pallet)]
    return [call for name in chosen for call in runtime.pallets[name].definition.calls]


def _find(definitions: list[CallDefinition], name: str) -> CallDefinition:
    for definition in definitions:
        if definition.name == name.replace("-", "_"):
            return definition
    names = ", ".join(definition.name for definition in definitions) or "none"
    raise ConfigError(f"There is no call {name!r}.", remedy=f"Choose one of {names}.")


def _list_calls(definitions: list[CallDefinition], as_json: bool) -> None:
    rows = [
        {
            "pallet": definition.pallet,
            "call": definition.name,
            "arguments": {
                name: codec.describe() for name, codec in definition.arguments.items.items()
            },
            "documentation": definition.documentation.split("\n\n")[0],
        }
        for definition in definitions
    ]
    if as_json:
        print_json(rows)
        return
    cells = (
        (f"{row['pallet']}.{row['call']}", " ".join(f"--{name}" for name in row["arguments"]))
        for row in rows
    )
    print_table(("call", "arguments"), cells)
