"""`openledger signer run | export | import | rebuild`: keys in a process, and what they signed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from node.cli.key_choice import (
    KeyOption,
    PasswordFile,
    ValidatorAccount,
    choose_key,
    named_account,
)
from node.cli.output import JsonFlag, print_fields, print_json

app = typer.Typer(help="Sign in a process apart from the node.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", help="Where the signer file is.", metavar="DIR")]
File = Annotated[Path, typer.Option("--file", help="What was signed.", metavar="FILE")]


@app.command()
def run(
    data: Data,
    key: KeyOption,
    genesis: Annotated[str, typer.Option(help="The chain, by its genesis hash.", metavar="HASH")],
    socket: Annotated[Path, typer.Option(help="The UNIX socket to listen on.", metavar="PATH")],
    password_file: PasswordFile = None,
    validator: ValidatorAccount = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    as_json: JsonFlag = False,
) -> None:
    """Hold a validator's keys and sign for a node, which is started with --signer PATH.

    Example: openledger signer run --data signer --key validator --genesis HASH --socket signer.sock
    """
    from node.config import DataDirectory, parse_hash
    from node.consensus.keys import ValidatorKeys
    from node.consensus.remote_signer import SignerServer, serve_signer
    from node.consensus.start import file_signer
    from node.locks import locked_directory
    from node.logs import configure_logs

    configure_logs(log_level, None)
    genesis_hash = parse_hash(genesis)
    account = None if validator is None else named_account(validator)
    keys = ValidatorKeys.from_keypair(choose_key(key, password_file), account)
    with locked_directory(data):
        signer = file_signer(DataDirectory(data), keys)
        fields = {"socket": str(socket), "account": keys.account, "genesis_hash": genesis_hash}

        def announce() -> None:
            (print_json if as_json else print_fields)(fields)
            sys.stdout.flush()

        serve_signer(SignerServer(keys, signer, genesis_hash), socket, announce)


@app.command("export")
def export_(data: Data, file: File, as_json: JsonFlag = False) -> None:
    """Write what a validator's keys have signed, to take along to another machine.

    Stop the node or the signer first, and never start it here again.

    Example: openledger signer export --data DIR --file signed
    """
    from node.config import DataDirectory
    from node.signer_backup import export_signed

    place = export_signed(DataDirectory(data), file)
    (print_json if as_json else print_fields)(place)


@app.command("import")
def import_(data: Data, file: File, as_json: JsonFlag = False) -> None:
    """Take over what the keys have signed elsewhere; what is here already is never shortened.

    Example: openledger signer import --data DIR --file signed
    """
    from node.config import DataDirectory
    from node.signer_backup import import_signed

    place = import_signed(DataDirectory(data), file)
    (print_json if as_json else print_fields)(place)


@app.command()
def rebuild(
    data: Data,
    height: Annotated[
        int, typer.Option(help="Where the whole network stands: its head and one.", min=1)
    ],
    as_json: JsonFlag = False,
) -> None:
    """Make a lost signer file again from the log, where the network waits for it.

    Only in the directory with which the validator last ran, never in a copy, and only after all
    operators have found the same head: docs/operate/recover.md says how and why.

    Example: openledger signer rebuild --data DIR --height 1201
    """
    from node.config import DataDirectory
    from node.signer_backup import rebuild_signed

    place = rebuild_signed(DataDirectory(data), height)
    (print_json if as_json else print_fields)(place)
