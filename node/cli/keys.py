"""`openledger keys`: make, list, import and export the keys of this user."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from node.cli.key_choice import PasswordFile, keystore, password_for
from node.cli.output import JsonFlag, print_fields, print_json, print_table
from node.errors import KeystoreError
from node.keystore import KeyEntry

app = typer.Typer(no_args_is_help=True, help="Make, list, import and export keys.")
Name = Annotated[str, typer.Argument(help="Name of the key: a-z, 0-9, dot, dash, underscore.")]


@app.command("new")
def new_key(name: Name, password_file: PasswordFile = None, as_json: JsonFlag = False) -> None:
    """Make a random key and keep it encrypted."""
    password = password_for(name, password_file, new=True)
    _show(keystore().new(name, password), as_json)


@app.command("list")
def list_keys(as_json: JsonFlag = False) -> None:
    """List names and accounts; no password is needed."""
    entries = keystore().entries()
    if as_json:
        print_json([_fields(entry) for entry in entries])
    elif entries:
        print_table(("name", "account"), ((entry.name, entry.account) for entry in entries))
    else:
        print("There are no keys yet.  Make one with `openledger keys new NAME`.")


@app.command("import")
def import_key(name: Name, password_file: PasswordFile = None, as_json: JsonFlag = False) -> None:
    """Keep a seed (64 hexadecimal digits, read from standard input) under a name."""
    text = sys.stdin.readline().strip().removeprefix("0x")
    try:
        seed = bytes.fromhex(text)
    except ValueError as error:
        message = "Standard input does not hold a seed."
        raise KeystoreError(message, remedy="Give 64 hexadecimal digits.") from error
    _show(keystore().keep(name, password_for(name, password_file, new=True), seed), as_json)


@app.command("export")
def export_key(name: Name, password_file: PasswordFile = None, as_json: JsonFlag = False) -> None:
    """Print the secret seed of a key: whoever reads it has the account."""
    seed = keystore().export(name, password_for(name, password_file))
    if as_json:
        print_json({"name": name, "seed": seed})
    else:
        print(seed.hex())


def _show(entry: KeyEntry, as_json: bool) -> None:
    (print_json if as_json else print_fields)(_fields(entry))


def _fields(entry: KeyEntry) -> dict[str, object]:
    return {"name": entry.name, "account": entry.account, "file": str(entry.path)}
