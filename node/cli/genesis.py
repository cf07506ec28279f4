"""`openledger genesis new | add-validator | collect`: make a chain spec together with others."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.key_choice import KeyOption, PasswordFile, choose_key
from node.cli.output import JsonFlag, print_fields, print_json
from node.errors import ConfigError

if TYPE_CHECKING:
    from genesis.ceremony import Draft

FILE_BYTES_MAX = 1024 * 1024
app = typer.Typer(
    no_args_is_help=True,
    help="Make a chain spec together with other validators.\n\n"
    "Example: openledger genesis new my-chain --output draft.toml",
)
DraftFile = Annotated[
    Path, typer.Option("--draft", help="The draft that all parties have.", metavar="DRAFT.toml")
]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The chain's name.")],
    output: Annotated[Path, typer.Option(help="The draft to write.", metavar="DRAFT.toml")],
    block_time_ms: Annotated[
        int, typer.Option(help="The longest time between two blocks.", min=50)
    ] = 1_000,
    as_json: JsonFlag = False,
) -> None:
    """Write a draft, to be edited and then given to all parties.

    Example: openledger genesis new my-chain --output draft.toml
    """
    from genesis.ceremony import new_draft

    draft = new_draft(name, time.time_ns() // 1_000_000, block_time_ms)
    _write(output, draft.to_toml())
    fields = {"chain": draft.name, "draft": str(output), "draft_hash": draft.hash()}
    (print_json if as_json else print_fields)(fields)


@app.command("add-validator")
def add_validator(
    draft: DraftFile,
    moniker: Annotated[str, typer.Option(help="Whose validator it is, for readers.")],
    bond: Annotated[str, typer.Option(help="What it bonds, e.g. 100000OPEN.")],
    output: Annotated[Path, typer.Option(help="The entry to write.", metavar="ENTRY.toml")],
    key: KeyOption,
    password_file: PasswordFile = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the entry of your validator, signed for this draft; the key stays here.

    Compare the draft's hash with the other parties' first.

    Example: openledger genesis add-validator --draft draft.toml --moniker carol --bond 100000OPEN \
--key validator --output carol.toml
    """
    from genesis.ceremony import make_entry
    from node.cli.arguments import amount_of

    agreed = _load(draft)
    amount = amount_of(bond, "--bond")
    entry = make_entry(agreed, moniker, choose_key(key, password_file), amount)
    _write(output, entry.to_toml())
    fields = {
        "entry": str(output),
        "account": entry.validator.account,
        "vote_key": entry.validator.vote_key,
        "bls_key": entry.validator.bls_key,
        "draft_hash": entry.draft,
    }
    (print_json if as_json else print_fields)(fields)


@app.command()
def collect(
    entries: Annotated[list[Path], typer.Argument(help="The entries of all parties.")],
    draft: DraftFile,
    output: Annotated[Path, typer.Option(help="The chain spec to write.", metavar="CHAIN.toml")],
    as_json: JsonFlag = False,
) -> None:
    """Check all entries and write the chain spec; every party gets the same genesis hash.

    Example: openledger genesis collect --draft draft.toml --output chain.toml alice.toml bob.toml
    """
    from genesis.ceremony import Entry
    from genesis.ceremony import collect as collect_entries
    from genesis.chain_spec import genesis_block

    parties = [Entry.from_toml(_read(path)) for path in entries]
    spec = collect_entries(_load(draft), parties)
    _write(output, spec.to_toml())
    fields = {
        "chain": spec.name,
        "validators": len(spec.validators),
        "genesis_hash": genesis_block(spec)[0].header.id(),
        "spec": str(output),
    }
    (print_json if as_json else print_fields)(fields)


def _load(path: Path) -> Draft:
    from genesis.ceremony import Draft

    return Draft.from_toml(_read(path))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode()
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read as text: {error}."
        raise ConfigError(message, remedy="Give the file that the party has sent.") from error


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}."
        raise ConfigError(message, remedy="Choose a file that is not there yet.") from error
