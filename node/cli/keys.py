"""`openledger keys`: make, list, import and export the keys of this user."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from node.cli.key_choice import PasswordFile, keystore, new_password_for, password_for
from node.cli.output import JsonFlag, print_fields, print_json, print_table
from node.errors import KeystoreError
from node.keystore import SEED_WORDS, KeyEntry, seed_of_words, seed_words

app = typer.Typer(
    no_args_is_help=True,
    help="Make, list, import and export keys.\n\nExample: openledger keys new alice",
)
Name = Annotated[str, typer.Argument(help="Name of the key: a-z, 0-9, dot, dash, underscore.")]
Words = Annotated[bool, typer.Option("--words", help="Also print the 24 words of the key, once.")]
InputFile = Annotated[
    Path | None,
    typer.Option("--file", help="Import this encrypted key file.", metavar="FILE.json"),
]
OutputFile = Annotated[
    Path | None,
    typer.Option("--file", help="Write an encrypted copy here.", metavar="FILE.json"),
]
NewPasswordFile = Annotated[
    Path | None,
    typer.Option(help="File whose first line is the new password; else it is asked."),
]


@app.command("new")
def new_key(
    name: Name, password_file: PasswordFile = None, words: Words = False, as_json: JsonFlag = False
) -> None:
    """Make a random key and keep it encrypted.

    Example: openledger keys new alice --words
    """
    password = password_for(name, password_file, new=True)
    entry = keystore().new(name, password)
    secret = seed_words(keystore().export(name, password)) if words else None
    _show(entry, as_json, secret)


@app.command("list")
def list_keys(as_json: JsonFlag = False) -> None:
    """List names and accounts; no password is needed.

    Example: openledger keys list
    """
    entries = keystore().entries()
    if as_json:
        print_json([_fields(entry) for entry in entries])
    elif entries:
        print_table(("name", "account"), ((entry.name, entry.account) for entry in entries))
    else:
        print("There are no keys yet.  Make one with `openledger keys new NAME`.")


@app.command("show")
def show_key(name: Name, as_json: JsonFlag = False) -> None:
    """Show the account and the file of a key; no password is needed.

    Example: openledger keys show alice
    """
    _show(keystore().entry(name), as_json)


@app.command("import")
def import_key(
    name: Name,
    password_file: PasswordFile = None,
    file: InputFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Keep a key under a name: from a file, or a seed or 24 words on standard input.

    A key file keeps its password.  A seed is 64 hexadecimal digits.

    Example: openledger keys import alice --file alice.json
    """
    if file is not None:
        _show(keystore().take(name, file, password_for(name, password_file)), as_json)
        return
    seed = _seed_of(sys.stdin.readline())
    _show(keystore().keep(name, password_for(name, password_file, new=True), seed), as_json)


@app.command("export")
def export_key(
    name: Name,
    password_file: PasswordFile = None,
    file: OutputFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Write an encrypted copy of a key; without --file, print its secret seed.

    Whoever reads the seed has the account.

    Example: openledger keys export alice --file alice.json
    """
    if file is not None:
        _show(keystore().copy(name, file), as_json)
        return
    seed = keystore().export(name, password_for(name, password_file))
    if as_json:
        print_json({"name": name, "seed": seed})
    else:
        print(seed.hex())


@app.command("mnemonic")
def show_words(name: Name, password_file: PasswordFile = None, as_json: JsonFlag = False) -> None:
    """Print the 24 words of a key (BIP-39), to write down: whoever reads them has the account.

    `openledger keys import` takes them on standard input.

    Example: openledger keys mnemonic alice
    """
    words = seed_words(keystore().export(name, password_for(name, password_file)))
    if as_json:
        print_json({"name": name, "words": words.split()})
    else:
        print(words)


@app.command("change-password")
def change_password(
    name: Name,
    password_file: PasswordFile = None,
    new_password_file: NewPasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Encrypt a key with another password.

    Example: openledger keys change-password alice
    """
    password = password_for(name, password_file)
    _show(
        keystore().change_password(name, password, new_password_for(name, new_password_file)),
        as_json,
    )


def _seed_of(text: str) -> bytes:
    """The seed that standard input spells; raises `KeystoreError`."""
    if len(text.split()) > 1:
        return seed_of_words(text)
    try:
        return bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError as error:
        message = "Standard input does not hold a seed."
        remedy = f"Give 64 hexadecimal digits, or {SEED_WORDS} words on one line."
        raise KeystoreError(message, remedy=remedy) from error


def _show(entry: KeyEntry, as_json: bool, words: str | None = None) -> None:
    fields = _fields(entry)
    if words is not None:
        fields["words"] = words
    (print_json if as_json else print_fields)(fields)


def _fields(entry: KeyEntry) -> dict[str, object]:
    return {"name": entry.name, "account": entry.account, "file": str(entry.path)}
