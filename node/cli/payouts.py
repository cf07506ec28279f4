"""`openledger why-paid`, `why-not-paid`, `audit`: who earned what in an epoch, and whether so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli.key_choice import KeyOption, PasswordFile, choose_key
from node.cli.output import DEFAULT_NODE_URL, JsonFlag, NodeUrl, print_fields, print_json
from node.errors import ConfigError, NotFound

Account = Annotated[str, typer.Argument(help="The account, 64 hexadecimal digits.")]
EpochOption = Annotated[int, typer.Option("--epoch", min=0, help="The epoch.")]
_HASH_BYTES = 32


def why_paid(
    account: Account,
    epoch: EpochOption,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Say what each model paid an account for an epoch, and for what.

    Example: openledger why-paid 5a...e1 --epoch 3
    """
    _print_reasons(account, epoch, node, as_json)


def why_not_paid(
    account: Account,
    epoch: EpochOption,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Say why an account was not paid for an epoch, or not yet, model by model.

    Example: openledger why-not-paid 5a...e1 --epoch 3
    """
    _print_reasons(account, epoch, node, as_json)


def audit(
    model: Annotated[str, typer.Argument(help="The model, 64 hexadecimal digits.")],
    epoch: EpochOption,
    key: KeyOption,
    server: Annotated[
        list[str], typer.Option(help="URL of a server whose answers are attributed; repeatable.")
    ],
    work: Annotated[Path, typer.Option(help="Folder to compute in.", metavar="DIR")] = Path(
        "openledger-audit"
    ),
    node: NodeUrl = DEFAULT_NODE_URL,
    base_model: Annotated[
        Path | None, typer.Option(help="Folder of the base model.", metavar="DIR")
    ] = None,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Run an epoch's settlement again and compare the roots; exit 1 where they differ.

    The key is a bonded worker's or a referee's: servers show the epoch's answers to them alone.

    Example: openledger audit 3f...07 --epoch 3 --key worker --server http://10.0.0.5:8080
    """
    from genesis.embedded_model import EMBEDDED_MODEL
    from node.client import NodeClient
    from node.epoch_audit import audit_epoch

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        found = audit_epoch(
            client, keypair, _hash(model), epoch, server, base_model or EMBEDDED_MODEL, work
        )
    if as_json:
        print_json(found)
    else:
        print_fields(
            {
                "job": found.job,
                "settled root": found.settled_root,
                "computed root": found.computed_root,
                "verdict": "the same" if found.holds else "DIFFERENT: do not rely on this epoch",
            }
        )
    if not found.holds:
        raise typer.Exit(1)


def _print_reasons(account: str, epoch: int, node: str, as_json: bool) -> None:
    from node.client import NodeClient
    from node.payout_reasons import models_with_pool, reasons

    owner = _hash(account)
    with NodeClient(node) as client:
        found = {
            model.hex(): reasons(client, owner, model, epoch, pool)
            for model, pool in models_with_pool(client, epoch)
        }
    if as_json:
        print_json({"account": account, "epoch": epoch, "models": found})
        return
    if not found:
        message = f"No model earned anything for contributors in epoch {epoch}."
        raise NotFound(message, remedy="Read `openledger query Attribution pools` for epochs.")
    for model, sentences in found.items():
        print(f"model {model}")
        for sentence in sentences:
            print(f"  {sentence}")


def _hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        value = b""
    if len(value) != _HASH_BYTES:
        message = f"{text} is no account and no model."
        raise ConfigError(message, remedy="Give 64 hexadecimal digits.")
    return value
