"""Which key a command signs with: a key file, a name in the keystore, or a development account."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from node.errors import KeystoreError
from node.keystore import Keystore, account_in_file, read_password, unlock_file
from runtime.keys import Keypair

DEV_PREFIX = "dev:"

KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        envvar="OPENLEDGER_KEY",
        help="Key file, name in the keystore, or dev:NAME on a development chain.",
        metavar="KEY",
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="File whose first line is the password; else OPENLEDGER_PASSWORD or asked."),
]


def keystore() -> Keystore:
    """The user's keystore: $OPENLEDGER_HOME/keys, by default ~/.openledger/keys."""
    home = os.environ.get("OPENLEDGER_HOME")
    return Keystore((Path(home) if home else Path.home() / ".openledger") / "keys")


def password_for(name: str, password_file: Path | None, *, new: bool = False) -> str:
    """The password from file, environment or terminal; raises `KeystoreError` without any."""
    password = read_password(password_file)
    if password is not None:
        return password
    if not os.isatty(0):
        message = f"There is no password for the key {name!r}."
        remedy = "Set OPENLEDGER_PASSWORD, or give --password-file."
        raise KeystoreError(message, remedy=remedy)
    asked: str = typer.prompt(
        f"Password for {name}", hide_input=True, confirmation_prompt=new, err=True
    )
    return asked


def new_password_for(name: str, password_file: Path | None) -> str:
    """The new password of a key, from a file or the terminal; raises `KeystoreError`.

    Not from OPENLEDGER_PASSWORD, which is the one that the key has.
    """
    if password_file is not None:
        return read_password(password_file) or ""
    if not os.isatty(0):
        message = f"There is no new password for the key {name!r}."
        raise KeystoreError(message, remedy="Give --new-password-file.")
    asked: str = typer.prompt(
        f"New password for {name}", hide_input=True, confirmation_prompt=True, err=True
    )
    return asked


def choose_key(key: str, password_file: Path | None) -> Keypair:
    """The key pair that `--key` means; raises `KeystoreError`."""
    if key.startswith(DEV_PREFIX):
        return dev_keypair(key.removeprefix(DEV_PREFIX))
    return unlock_file(key_file(key), password_for(key, password_file))


def key_file(key: str) -> Path:
    """The file of a key; raises `KeystoreError` if there is none."""
    path = Path(key) if os.sep in key or key.endswith(".json") else keystore().path(key)
    if not path.exists():
        message = f"There is no key {key!r}."
        remedy = "Make one with `openledger keys new NAME`; `openledger keys list` shows yours."
        raise KeystoreError(message, remedy=remedy)
    return path


def choose_account(key: str) -> bytes:
    """The account of the key that `--key` means, which needs no password; raises `KeystoreError`.

    64 hexadecimal digits are an account whose key is elsewhere.
    """
    if key.startswith(DEV_PREFIX):
        return dev_keypair(key.removeprefix(DEV_PREFIX)).account
    if re.fullmatch("[0-9a-f]{64}", key):
        return bytes.fromhex(key)
    return account_in_file(key_file(key))


def dev_keypair(name: str) -> Keypair:
    """The key pair of a development account, which everybody knows; raises `InvalidChainSpec`."""
    from genesis.chain_spec import development_keypair

    return development_keypair(name)


ValidatorAccount = Annotated[
    str | None,
    typer.Option(
        "--validator",
        help="The account that --key signs for, if not its own: a name, or 64 digits.",
        metavar="ACCOUNT",
    ),
]


def named_account(text: str) -> bytes:
    """The account that a name or hexadecimal digits mean; raises `ConfigError`."""
    from node.config import parse_hash

    return account_of(text) or parse_hash(text)


def account_of(name: str) -> bytes | None:
    """The account of a development name or of a key in the keystore; None if there is none."""
    if name.startswith(DEV_PREFIX):
        return dev_keypair(name.removeprefix(DEV_PREFIX)).account
    for entry in keystore().entries():
        if entry.name == name:
            return entry.account
    return None
