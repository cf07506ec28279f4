"""`openledger datanet`: create, contribute to, review, read and change Datanets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.key_choice import KeyOption, PasswordFile, choose_account, choose_key, named_account
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)
from node.errors import ConfigError

if TYPE_CHECKING:
    from ml.data.spool import RowSpool
    from node.client import NodeClient
    from node.datanets.importing import Imported, Preview
    from runtime.wire.datanets import Schema

app = typer.Typer(
    no_args_is_help=True,
    help="Collections of rows that models are trained on.\n\nExample: openledger datanet show 0",
)
Number = Annotated[int, typer.Argument(help="The Datanet's number.", min=0)]
Table = Annotated[Path, typer.Argument(help="A .jsonl, .csv or .parquet file, also .gz.")]
Prompt = Annotated[str, typer.Option(help="The column with the prompt.")]
Completion = Annotated[str, typer.Option(help="The column with the completion, or the text.")]
Language = Annotated[str, typer.Option(help="The rows' language, as an ISO 639 code.")]
Submission = Annotated[int, typer.Option(help="The submission's number.", min=0)]
Purpose = Annotated[list[str], typer.Option(help="Permitted: research, education, commercial.")]
BAD_ROWS_SHOWN = 10


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    description: Annotated[str, typer.Option(help="What rows belong here.")] = "",
    licence: Annotated[str, typer.Option(help="SPDX identifier.")] = "CC-BY-4.0",
    purpose: Purpose = ["research", "education", "commercial"],  # noqa: B006 # typer copies it
    bond_per_row: Annotated[str, typer.Option(help="What a rejected row costs.")] = "0.001OPEN",
    panel: Annotated[bool, typer.Option("--panel", help="A drawn panel curates.")] = False,
    access: Annotated[str, typer.Option(help="public, request or encrypted.")] = "public",
    plain_text: Annotated[bool, typer.Option("--plain-text", help="Rows are one text.")] = False,
    language: Annotated[list[str], typer.Option(help="Rows must be in it; several: any.")] = [],  # noqa: B006 # typer copies it
    sponsor: Annotated[str, typer.Option(help="Pays newcomers' first bonds.")] = "0OPEN",
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Open a Datanet; the signer is its owner and curator.

    Example: openledger datanet create medicine --licence CC0-1.0 --language en
    """
    from node.cli.arguments import amount_of, member_of
    from node.client import NodeClient
    from pallets.datanets.pallet import Datanets
    from runtime.wire.datanets import Access, Curation, Terms
    from runtime.wire.datanets import Purpose as Purposes

    terms = Terms(
        licence=licence,
        purposes=tuple(sorted(member_of(Purposes, each) for each in purpose)),
        contributor_bond_per_row=amount_of(bond_per_row, "bond-per-row"),
        curation=Curation.PANEL if panel else Curation.OWNER,
        access=member_of(Access, access),
        rows_min=0,
    )
    schema = _schema(language, plain_text=plain_text)
    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        call = Datanets.create.Call(name=name, description=description, schema=schema, terms=terms)
        number = int(client.submit(call, keypair).fields("Datanets", "Created")["datanet"])
        if budget := amount_of(sponsor, "sponsor"):
            client.submit(Datanets.set_sponsor_budget.Call(datanet=number, budget=budget), keypair)
    (print_json if as_json else print_fields)({"datanet": number})


@app.command()
def show(datanet: Number, node: NodeUrl = DEFAULT_NODE_URL, as_json: JsonFlag = False) -> None:
    """What a Datanet is, on which terms, and its submissions.

    Example: openledger datanet show 0 --json
    """
    from node.client import NodeClient
    from node.datanets.curating import submissions_of

    with NodeClient(node) as client:
        with client.reading() as pallets:
            fixed, terms = pallets.datanets.datanet(datanet), pallets.datanets.terms_of(datanet)
        submissions = submissions_of(client, datanet)
        latest = client.read("Datanets", "latest_version", datanet)
        version = client.read("Datanets", "versions", datanet, latest)
    rows = 0 if version is None else version.row_count
    if as_json:
        print_json(
            {"datanet": fixed, "terms": terms, "latest_version": latest, "rows": rows}
            | {"submissions": {str(number): each for number, each in submissions.items()}}
        )
        return
    print_fields(
        {
            "name": fixed.name,
            "owner": fixed.owner,
            "licence": terms.licence,
            "purposes": ", ".join(each.name.lower() for each in terms.purposes),
            "columns": ", ".join(column.name for column in fixed.schema.columns),
            "languages": ", ".join(fixed.schema.languages) or "any",
            "curation": terms.curation.name.lower(),
            "access": terms.access.name.lower(),
            "version": f"{latest}, {rows} rows",
        }
    )
    print_table(
        ("submission", "contributor", "state", "rows", "accepted"),
        [
            (
                number,
                each.contributor.hex()[:12],
                each.state.name,
                each.offer.row_count,
                each.accepted,
            )
            for number, each in submissions.items()
        ],
    )


@app.command("import")
def import_rows(
    datanet: Number,
    table: Table,
    prompt: Prompt = "prompt",
    completion: Completion = "completion",
    language: Language = "en",
    sponsored: Annotated[
        bool, typer.Option("--sponsored", help="The Datanet's sponsor pays the bond.")
    ] = False,
    keep_rejected: Annotated[
        bool, typer.Option("--keep-rejected", help="Send rows that would be rejected, too.")
    ] = False,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Contribute the rows of a table: commit, upload, reveal.

    Rows that the published validator would reject are left out, because they would cost their bond;
    `openledger datanet preview` shows them.

    Example: openledger datanet import 0 rows.csv --prompt question --completion answer
    """
    from ml.data.spool import RowSpool
    from node.client import NodeClient
    from node.datanets.contributing import contribute
    from runtime.wire.rows import Verdict

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client, RowSpool() as good:
        with _judged(client, datanet, table, (prompt, completion), keypair.account) as judged:
            spool, found, seen = judged
            for index, verdict in enumerate(seen.verdicts):
                if keep_rejected or verdict.verdict is Verdict.ACCEPTED:
                    good.append(spool[index])
        if not len(good):
            message = f"Of {found.rows} rows of {table} none would be accepted."
            raise ConfigError(message, remedy="See why: `openledger datanet preview`.")
        done = contribute(client, keypair, datanet, good, language, sponsored=sponsored)
    left_out = found.rows + found.unreadable - done.rows
    fields = {"submission": done.submission, "rows": done.rows, "left_out": left_out}
    (print_json if as_json else print_fields)(fields | {"bond": done.bond, "blob": done.blob})


@app.command()
def preview(
    datanet: Number,
    table: Table,
    prompt: Prompt = "prompt",
    completion: Completion = "completion",
    key: KeyOption = "dev:alice",
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Say what would be accepted, and of everything else why not; nothing is sent.

    Example: openledger datanet preview 0 rows.jsonl.gz --prompt question --completion answer
    """
    from node.client import NodeClient

    columns = (prompt, completion)
    with (
        NodeClient(node) as client,
        _judged(client, datanet, table, columns, choose_account(key)) as (_spool, found, seen),
    ):
        counts = seen.counts() | {"unreadable": found.unreadable}
    reasons = [
        {"finding": finding.name, "rows": count, "reason": reason, "remedy": remedy}
        for finding, count, reason, remedy in seen.reasons()
    ]
    if as_json:
        print_json(counts | {"reasons": reasons, "unreadable_rows": found.bad_rows})
        return
    print_fields(counts)
    print_table(
        ("rows", "reason", "remedy"),
        [(each["rows"], each["reason"], each["remedy"]) for each in reasons],
    )
    print_table(
        ("line", "unreadable", "remedy"),
        [(each.number, each.message, each.remedy) for each in found.bad_rows[:BAD_ROWS_SHOWN]],
    )


@app.command()
def review(
    datanet: Number,
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish the version; only the owner can.")
    ] = False,
    without: Annotated[
        list[str], typer.Option(help="SUBMISSION:INDEX of a row that a report took out.")
    ] = [],  # noqa: B006 # typer copies it
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Run the published validator on what was revealed since the last version.

    Everybody gets the same result; a panelist scores a submission by its `share`.

    Example: openledger datanet review 0 --publish --key dev:alice
    """
    from node.client import NodeClient
    from node.datanets.curating import draft_version
    from node.datanets.curating import publish as publish_draft
    from runtime.types import PPB

    places = [_place(each) for each in without]
    with NodeClient(node) as client:
        draft = draft_version(client, datanet, places)
        version = None
        if publish:
            version = publish_draft(client, choose_key(key, password_file), datanet, draft)
    rows = [
        {
            "submission": each.submission,
            "accepted": each.accepted,
            "duplicate": each.duplicate,
            "rejected": each.rejected,
            "share_ppb": PPB
            * (each.accepted + each.duplicate)
            // max(1, each.accepted + each.duplicate + each.rejected),
        }
        for each in draft.counts
    ]
    fields = {"version": version, "rows": len(draft.records), "left": len(draft.left)}
    if as_json:
        print_json(fields | {"submissions": rows})
        return
    print_fields({name: value for name, value in fields.items() if value is not None})
    print_table(
        ("submission", "accepted", "duplicate", "rejected", "share"),
        [tuple(each.values()) for each in rows],
    )


@app.command()
def versions(datanet: Number, node: NodeUrl = DEFAULT_NODE_URL, as_json: JsonFlag = False) -> None:
    """The versions of a Datanet, with what joined and left.

    Example: openledger datanet versions 0
    """
    from node.client import NodeClient

    with NodeClient(node) as client:
        latest = int(client.read("Datanets", "latest_version", datanet))
        span = client.read("Datanets", "retired", datanet)
        found = []
        for number in range(1, latest + 1):
            record = client.read("Datanets", "versions", datanet, number)
            notes = client.read("Datanets", "notes", datanet, number)
            fields = {"version": number, "rows": record.row_count, "joined": notes.joined}
            fields |= {"left": notes.left, "retired": span is not None and span.holds(number)}
            found.append(fields | {"height": record.published_at, "root": record.rows_root})
    if as_json:
        print_json(found)
        return
    print_table(
        ("version", "rows", "joined", "left", "retired", "height"),
        [tuple(each.values())[:6] for each in found],
    )


@app.command()
def diff(
    datanet: Number,
    version: Annotated[int, typer.Argument(help="The version's number.", min=1)],
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Which rows joined or left with a version, when and why, checked against the chain.

    Example: openledger datanet diff 0 2
    """
    from node.client import NodeClient
    from node.datanets.versions import changes_of

    with NodeClient(node) as client:
        changes = changes_of(client, datanet, version)
    if as_json:
        print_json(changes)
        return
    print_table(
        ("row", "submission", "index", "change", "reason"),
        [
            (
                each.row_hash.hex()[:16],
                each.submission,
                each.index,
                "joined" if each.joined else "left",
                each.reason,
            )
            for each in changes
        ],
    )


@app.command()
def withdraw(
    datanet: Number,
    submission: Submission,
    row: Annotated[int | None, typer.Option(help="Only this row of it.", min=0)] = None,
    replacement: Annotated[
        int | None, typer.Option(help="The later submission that replaces the row.", min=0)
    ] = None,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Withdraw a submission of the signer, or one row of it.

    Example: openledger datanet withdraw 0 --submission 3 --row 17
    """
    from node.client import NodeClient
    from node.datanets.contributing import withdraw_row
    from pallets.data_rights.pallet import DataRights

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        if row is None:
            call = DataRights.withdraw.Call(datanet=datanet, submission=submission)
            client.submit(call, keypair)
        else:
            withdraw_row(client, keypair, datanet, submission, row, replacement)
    (print_json if as_json else print_fields)({"withdrawn": submission, "row": row})


@app.command()
def erase(
    datanet: Number,
    submission: Submission,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Have the nodes erase withdrawn rows, once no job that was under way needs them.

    Anybody can where all of a submission was withdrawn; of single rows the owner, who leaves their
    hashes in their place.

    Example: openledger datanet erase 0 --submission 3 --key dev:faucet
    """
    from node.client import NodeClient
    from node.datanets.contributing import erase as erase_rows

    with NodeClient(node) as client:
        left = erase_rows(client, choose_key(key, password_file), datanet, submission)
    (print_json if as_json else print_fields)({"erased": submission, "redacted": left})


@app.command()
def grant(
    datanet: Number,
    account: Annotated[str, typer.Argument(help="Whom: an account, or a key's name.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Admit it no longer.")] = False,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Admit an account to a Datanet that is not public.

    Example: openledger datanet grant 0 dev:builder
    """
    from node.client import NodeClient
    from pallets.data_rights.pallet import DataRights

    member = named_account(account)
    call = DataRights.set_member.Call(datanet=datanet, account=member, admitted=not revoke)
    with NodeClient(node) as client:
        client.submit(call, choose_key(key, password_file))
    (print_json if as_json else print_fields)({"account": member, "admitted": not revoke})


@contextmanager
def _judged(
    client: NodeClient, datanet: int, table: Path, columns: tuple[str, str], owner: bytes
) -> Iterator[tuple[RowSpool, Imported, Preview]]:
    """The rows of a table in a spool, and what the validator would say of them."""
    from ml.data.spool import RowSpool
    from ml.data.tables import Columns
    from node.datanets.curating import known_rows
    from node.datanets.importing import preview as judge
    from node.datanets.importing import read_into

    with client.reading() as pallets:
        fixed = pallets.datanets.datanet(datanet)
    prompt = columns[0] if fixed.schema.has_prompt() else None
    with RowSpool() as spool:
        found = read_into(spool, table, Columns(prompt, columns[1]))
        known = known_rows(client, datanet)
        yield spool, found, judge(spool, owner, fixed.schema, fixed.minhash_seed, known)


def _schema(languages: list[str], *, plain_text: bool) -> Schema:
    from runtime.wire.datanets import DIALOGUE, Column
    from runtime.wire.datanets import Schema as SchemaRecord

    columns = (Column("text", 1, DIALOGUE.columns[1].bytes_max),)
    return SchemaRecord(
        media_type=DIALOGUE.media_type,
        columns=columns if plain_text else DIALOGUE.columns,
        languages=tuple(languages),
    )


def _place(text: str) -> tuple[int, int]:
    submission, _, index = text.partition(":")
    if not submission.isdecimal() or not index.isdecimal():
        message = f"{text!r} does not name a row."
        raise ConfigError(message, remedy="Write SUBMISSION:INDEX, such as 3:17.")
    return int(submission), int(index)
