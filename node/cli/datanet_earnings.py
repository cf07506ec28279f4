"""`openledger datanet earned|claim`: what a contributor's rows earned, and having it paid."""

from __future__ import annotations

from node.cli.datanet import Number
from node.cli.key_choice import KeyOption, PasswordFile, choose_account, choose_key
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)


def earned(
    datanet: Number,
    key: KeyOption = "dev:alice",
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """What your rows in a Datanet earned: by model and epoch, and what waits to be claimed.

    Example: openledger datanet earned 0 --key dev:alice
    """
    from node.client import NodeClient
    from node.datanets.earning import payouts_of

    account = choose_account(key)
    with NodeClient(node) as client:
        payouts = list(payouts_of(client, datanet, account))
        paid = client.read("Datanets", "earned", datanet, account)
    waits = sum(each.amount for each in payouts if not each.is_claimed)
    if as_json:
        print_json({"paid": paid, "waits": waits, "payouts": payouts})
        return
    print_fields({"paid so far": paid, "waits": waits})
    print_table(
        ("model", "epoch", "amount", "state"),
        [
            (
                each.model.hex()[:12],
                each.epoch,
                each.amount,
                "paid" if each.is_claimed else "to be claimed",
            )
            for each in payouts
        ],
    )


def claim(
    datanet: Number,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Have everything paid that your rows in a Datanet earned in settled epochs.

    Example: openledger datanet claim 0 --key dev:alice
    """
    from node.client import NodeClient
    from node.datanets.earning import claim as claim_payout
    from node.datanets.earning import payouts_of

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        payouts = payouts_of(client, datanet, keypair.account)
        ready = [each for each in payouts if not each.is_claimed]
        for payout in ready:
            claim_payout(client, keypair, payout)
        paid = client.read("Datanets", "earned", datanet, keypair.account)
    fields = {"claimed": sum(each.amount for each in ready), "paid_so_far": paid}
    (print_json if as_json else print_fields)(fields)
