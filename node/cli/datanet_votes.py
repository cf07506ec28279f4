"""`openledger datanet propose|proposals|vote|close`: contributors decide about its terms."""

from __future__ import annotations

from typing import Annotated

import typer

from node.cli.datanet import Number
from node.cli.key_choice import KeyOption, PasswordFile, choose_key
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)
from node.errors import ConfigError

Proposal = Annotated[int, typer.Argument(help="The proposal's number.", min=0)]


def propose(
    datanet: Number,
    licence: Annotated[str | None, typer.Option(help="SPDX identifier.")] = None,
    purpose: Annotated[
        list[str], typer.Option(help="Permitted: research, education, commercial.")
    ] = [],  # noqa: B006 # typer copies it
    bond_per_row: Annotated[str | None, typer.Option(help="What a rejected row costs.")] = None,
    curation: Annotated[str | None, typer.Option(help="owner or panel.")] = None,
    access: Annotated[str | None, typer.Option(help="public, request or encrypted.")] = None,
    rows_min: Annotated[
        int | None, typer.Option(help="Rows below which what models earn waits.", min=0)
    ] = None,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Propose other terms; what is not named stays. Only contributors can, and leave a deposit.

    Example: openledger datanet propose 0 --licence CC0-1.0
    """
    from node.cli.arguments import amount_of, member_of
    from node.client import NodeClient
    from pallets.datanet_votes.pallet import DatanetVotes
    from runtime.wire.datanets import Access, Curation, Purpose, Terms

    keypair = choose_key(key, password_file)
    bond = None if bond_per_row is None else amount_of(bond_per_row, "bond-per-row")
    with NodeClient(node) as client:
        with client.reading() as pallets:
            before = pallets.datanets.terms_of(datanet)
        terms = Terms(
            licence=before.licence if licence is None else licence,
            purposes=tuple(sorted(member_of(Purpose, each) for each in purpose)) or before.purposes,
            contributor_bond_per_row=before.contributor_bond_per_row if bond is None else bond,
            curation=before.curation if curation is None else member_of(Curation, curation),
            access=before.access if access is None else member_of(Access, access),
            rows_min=before.rows_min if rows_min is None else rows_min,
        )
        if terms == before:
            message = "The proposal would change nothing."
            raise ConfigError(message, remedy="Name another term, such as --licence CC0-1.0.")
        call = DatanetVotes.propose.Call(datanet=datanet, terms=terms)
        fields = client.submit(call, keypair).fields("DatanetVotes", "Proposed")
    shown = {name: fields[name] for name in ("proposal", "ends_at", "terms")}
    (print_json if as_json else print_fields)(shown)


def proposals(datanet: Number, node: NodeUrl = DEFAULT_NODE_URL, as_json: JsonFlag = False) -> None:
    """The proposals of other terms, with what weighs for and against them.

    Example: openledger datanet proposals 0
    """
    from node.client import NodeClient

    with NodeClient(node) as client:
        count = client.read("DatanetVotes", "next_proposal", datanet)
        found = [
            (number, client.read("DatanetVotes", "proposals", datanet, number))
            for number in range(count)
        ]
    if as_json:
        print_json([{"proposal": number, "record": each} for number, each in found])
        return
    print_table(
        ("proposal", "state", "licence", "ends at", "approving", "rejecting"),
        [
            (number, each.state.name, each.terms.licence, each.ends_at, each.approving,
             each.rejecting)
            for number, each in found
        ],
    )  # fmt: skip


def vote(
    datanet: Number,
    proposal: Proposal,
    answer: Annotated[str, typer.Argument(help="yes or no.")],
    stake: Annotated[str, typer.Argument(help="Held until the end, e.g. 100OPEN.")] = "0OPEN",
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Vote once on other terms: a vote weighs its stake, and what the voter's rows have earned.

    Example: openledger datanet vote 0 1 yes 100OPEN
    """
    from node.cli.arguments import amount_of
    from node.client import NodeClient
    from pallets.datanet_votes.pallet import DatanetVotes

    if answer not in {"yes", "no"}:
        raise ConfigError(f"{answer!r} is neither yes nor no.", remedy="Write yes or no.")
    call = DatanetVotes.vote.Call(
        datanet=datanet,
        proposal=proposal,
        approve=answer == "yes",
        stake=amount_of(stake, "the stake"),
    )
    with NodeClient(node) as client:
        included = client.submit(call, choose_key(key, password_file))
    voted = included.fields("DatanetVotes", "Voted")
    (print_json if as_json else print_fields)({"answer": answer, "weight": voted["weight"]})


def close(
    datanet: Number,
    proposal: Proposal,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Count a proposal whose time is over, if nobody has, and take one's own stake back.

    Example: openledger datanet close 0 1
    """
    from node.client import NodeClient
    from pallets.datanet_votes.pallet import DatanetVotes
    from pallets.datanet_votes.types import ProposalState

    keypair = choose_key(key, password_file)
    place = {"datanet": datanet, "proposal": proposal}
    with NodeClient(node) as client:
        record = client.read("DatanetVotes", "proposals", datanet, proposal)
        if record is None or record.state is ProposalState.OPEN:
            client.submit(DatanetVotes.close.Call(**place), keypair)
        stake = client.read("DatanetVotes", "votes", datanet, proposal, keypair.account)
        if stake is not None:
            client.submit(DatanetVotes.release.Call(**place), keypair)
        record = client.read("DatanetVotes", "proposals", datanet, proposal)
    shown = {"state": record.state, "approving": record.approving, "rejecting": record.rejecting}
    (print_json if as_json else print_fields)(shown | {"released": stake or 0})
