"""`openledger serve`: the OpenAI-compatible API, and the keys it accepts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genesis.embedded_model import EMBEDDED_MODEL
from node.cli.key_choice import KeyOption, PasswordFile, account_of, choose_key
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)
from node.errors import ConfigError

app = typer.Typer(
    invoke_without_command=True,
    help="Answer through the chain's models at an OpenAI-compatible API, and be paid for it.",
)
keys_app = typer.Typer(no_args_is_help=True, help="Add, list and remove API keys.")
app.add_typer(keys_app, name="keys")

DEFAULT_PORT = 8000
DEFAULT_DATA = Path("openledger-server")
KEYS_FILE = "api-keys.json"

Data = Annotated[Path, typer.Option("--data", help="The server's folder.", metavar="DIR")]
KeysFile = Annotated[
    Path | None,
    typer.Option("--keys", help=f"File of API keys; by default {KEYS_FILE} in --data."),
]


@app.callback()
def serve(
    context: typer.Context,
    key: KeyOption = "",
    data: Data = DEFAULT_DATA,
    node: NodeUrl = DEFAULT_NODE_URL,
    models: Annotated[
        Path | None,
        typer.Option(help="Folder of adapters; by default models/ in --data.", metavar="DIR"),
    ] = None,
    base_model: Annotated[
        Path, typer.Option(help="Folder of the base model.", metavar="DIR")
    ] = EMBEDDED_MODEL,
    keys: KeysFile = None,
    port: Annotated[int, typer.Option(help="TCP port; 0 for any free one.")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Also answer requests for this host name; may be repeated."),
    ] = None,
    settle_every_seconds: Annotated[
        float, typer.Option(help="How long an answer may wait to be settled.", min=0.1)
    ] = 10.0,
    password_file: PasswordFile = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    as_json: JsonFlag = False,
) -> None:
    """Answer requests until stopped."""
    if context.invoked_subcommand is not None:
        return
    if not key:
        raise ConfigError("A server needs a key to sign receipts with.", remedy="Give --key.")
    from node.api.service import ServerSettings, run_server
    from node.http.messages import LOCAL_HOSTS
    from node.logs import configure_logs

    configure_logs(log_level)
    settings = ServerSettings(
        node=node,
        data=data,
        models=models or data / "models",
        base_model=base_model,
        keys=keys or data / KEYS_FILE,
        host=host,
        port=port,
        allowed_hosts=LOCAL_HOSTS | frozenset(allow_host or ()),
        settle_every_seconds=settle_every_seconds,
    )

    def ready(url: str) -> None:
        print_json({"url": url}) if as_json else print(f"OpenLedger API ready at {url}/v1")

    run_server(settings, choose_key(key, password_file), ready)


@keys_app.command("add")
def add_key(
    account: Annotated[str, typer.Option(help="Who pays: an account in hex, or a key's name.")],
    label: Annotated[str, typer.Option(help="A name by which to remove the key.")] = "",
    data: Data = DEFAULT_DATA,
    keys: KeysFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Make an API key for an account and print it, once.

    Example: openledger serve keys add --account alice --label laptop
    """
    from node.api.keys import ApiKeys

    payer = _account(account)
    api_key = ApiKeys(keys or data / KEYS_FILE).add(payer, label or account)
    fields = {"api_key": api_key, "account": payer, "label": label or account}
    (print_json if as_json else print_fields)(fields)


@keys_app.command("list")
def list_keys(data: Data = DEFAULT_DATA, keys: KeysFile = None, as_json: JsonFlag = False) -> None:
    """List labels and accounts of all API keys.

    Example: openledger serve keys list
    """
    from node.api.keys import ApiKeys

    entries = ApiKeys(keys or data / KEYS_FILE).entries()
    if as_json:
        print_json(entries)
    else:
        print_table(["label", "account"], [[entry.label, entry.account] for entry in entries])


@keys_app.command("remove")
def remove_key(
    label: Annotated[str, typer.Argument(help="The label that the keys were made with.")],
    data: Data = DEFAULT_DATA,
    keys: KeysFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Remove all API keys with a label.

    Example: openledger serve keys remove laptop
    """
    from node.api.keys import ApiKeys

    removed = ApiKeys(keys or data / KEYS_FILE).remove(label)
    (print_json if as_json else print_fields)({"removed": removed})


def _account(text: str) -> bytes:
    known = account_of(text)
    if known is not None:
        return known
    try:
        account = bytes.fromhex(text)
    except ValueError:
        account = b""
    if len(account) != 32:
        message = f"{text!r} is neither an account nor the name of a key."
        raise ConfigError(message, remedy="Give 64 hexadecimal digits, or a name of a key.")
    return account
