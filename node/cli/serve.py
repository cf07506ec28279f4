"""`openledger serve`: the OpenAI-compatible API, and the keys it accepts."""

from __future__ import annotations

from dataclasses import astuple
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
        Path,
        typer.Option("--base-model", "--base", help="Folder of the base model.", metavar="DIR"),
    ] = EMBEDDED_MODEL,
    adapters: Annotated[
        Path | None,
        typer.Option(
            help="Serve the PEFT folders in DIR by name, without any chain; "
            "then --key, --node and --models have no meaning, and --keys is optional.",
            metavar="DIR",
        ),
    ] = None,
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
    from node.api.service import ServerSettings, run_server
    from node.http.messages import LOCAL_HOSTS
    from node.logs import configure_logs

    def ready(url: str) -> None:
        print_json({"url": url}) if as_json else print(f"OpenLedger API ready at {url}/v1")

    configure_logs(log_level)
    hosts = LOCAL_HOSTS | frozenset(allow_host or ())
    if adapters is not None:
        from node.lora.service import LoraSettings, run_lora_server

        plain = LoraSettings(adapters, base_model, data, keys, host, port, hosts)
        run_lora_server(plain, ready)
        return
    if not key:
        raise ConfigError(
            "A server needs a key to sign receipts with.",
            remedy="Give --key, or --adapters to serve without a chain.",
        )
    settings = ServerSettings(
        node=node,
        data=data,
        models=models or data / "models",
        base_model=base_model,
        keys=keys or data / KEYS_FILE,
        host=host,
        port=port,
        allowed_hosts=hosts,
        settle_every_seconds=settle_every_seconds,
    )
    run_server(settings, choose_key(key, password_file), ready)


@keys_app.command("add")
def add_key(
    account: Annotated[str, typer.Option(help="Who pays: an account in hex, or a key's name.")],
    label: Annotated[str, typer.Option(help="A name by which to remove the key.")] = "",
    requests_per_minute: Annotated[
        int | None, typer.Option(help="The most requests it may send.", min=1)
    ] = None,
    tokens_per_day: Annotated[
        int | None,
        typer.Option(help="The most tokens of prompts and answers; days are UTC's.", min=1),
    ] = None,
    spend_per_day: Annotated[
        str | None, typer.Option(help="The most that the chain is asked to pay, e.g. 5OPEN.")
    ] = None,
    operator: Annotated[
        bool, typer.Option("--operator", help="It may load and unload adapters.")
    ] = False,
    data: Data = DEFAULT_DATA,
    keys: KeysFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Make an API key for an account and print it, once.

    Example: openledger serve keys add --account alice --label laptop --requests-per-minute 60
    """
    from node.api.keys import ApiKeys, KeyLimits

    payer = _account(account)
    fees_per_day = None if spend_per_day is None else _amount(spend_per_day)
    limits = KeyLimits(requests_per_minute, tokens_per_day, fees_per_day)
    file = ApiKeys(keys or data / KEYS_FILE)
    api_key = file.add(payer, label or account, limits, operator=operator)
    fields = {"api_key": api_key, "account": payer, "label": label or account}
    (print_json if as_json else print_fields)(fields)


@keys_app.command("list")
def list_keys(data: Data = DEFAULT_DATA, keys: KeysFile = None, as_json: JsonFlag = False) -> None:
    """List labels and accounts of all API keys.

    Example: openledger serve keys list
    """
    from node.api.keys import LIMITS, ApiKeys

    entries = ApiKeys(keys or data / KEYS_FILE).entries()
    if as_json:
        print_json(entries)
    else:
        print_table(
            ["label", "account", "operator", *(each.name for each in LIMITS)],
            [[each.label, each.account, each.operator, *astuple(each.limits)] for each in entries],
        )


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


def _amount(text: str) -> int:
    from node.cli.arguments import amount_of

    return amount_of(text, "--spend-per-day")


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
