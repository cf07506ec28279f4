"""`openledger validator`: the keys of a validator on a running chain."""

from __future__ import annotations

from typing import Annotated

import typer

from node.cli.key_choice import PasswordFile, choose_key
from node.cli.output import DEFAULT_NODE_URL, JsonFlag, NodeUrl, print_fields, print_json

app = typer.Typer(no_args_is_help=True, help="Prove the keys of a validator.")
AccountKey = Annotated[
    str,
    typer.Option(
        "--key",
        envvar="OPENLEDGER_KEY",
        help="The validator's key: a file, a name in the keystore, or dev:NAME.",
        metavar="KEY",
    ),
]
SessionKey = Annotated[
    str | None,
    typer.Option(
        "--session", help="The key whose seed the node signs with, if another.", metavar="KEY"
    ),
]


@app.command("set-keys")
def set_keys(
    key: AccountKey,
    password_file: PasswordFile = None,
    session: SessionKey = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Register the keys with which `openledger node --key KEY` signs, with their proofs.

    They count from the next election on.  Bond and stand for election with Staking.bond and
    Session.validate.  With --session the account's own key need not be where the node is: start it
    with `--key SESSION --validator ACCOUNT` after the election.

    Example: openledger validator set-keys --key validator --session hot
    """
    from node.client import NodeClient
    from node.consensus.keys import ValidatorKeys
    from pallets.session.pallet import Session

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        signing = ValidatorKeys.from_keypair(
            keypair if session is None else choose_key(session, password_file), keypair.account
        )
        keys, proofs = signing.prove(client.genesis_hash)
        inclusion = client.submit(Session.set_keys.Call(keys=keys, proofs=proofs), keypair)
    (print_json if as_json else print_fields)(
        {"account": keypair.account, "height": inclusion.height, "keys": keys}
    )
