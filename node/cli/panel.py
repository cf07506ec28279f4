"""`openledger panel`: be drawn to judge rows and reports, bonded and paid."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.key_choice import KeyOption, PasswordFile, choose_account, choose_key
from node.cli.output import (
    DEFAULT_NODE_URL,
    JsonFlag,
    NodeUrl,
    print_fields,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from node.client import NodeClient
    from node.datanets.jury import Ballots, Duty
    from runtime.keys import Keypair

app = typer.Typer(
    no_args_is_help=True,
    help="Judge rows and reports as a panelist.\n\nExample: openledger panel cases",
)
CaseNumber = Annotated[int, typer.Argument(help="The case's number.", min=0)]
PER_CENT_PPB = 10**7
POLL_S = 1.0


@app.command()
def join(
    stake: Annotated[str, typer.Argument(help="What answers for your scores, e.g. 1000OPEN.")],
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Stake, and be drawn for panels from now on, in proportion to it.

    Example: openledger panel join 1000OPEN
    """
    from node.cli.arguments import amount_of
    from node.client import NodeClient
    from pallets.panels.pallet import Panels

    amount = amount_of(stake, "the stake")
    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        client.submit(Panels.enrol.Call(stake=amount), keypair)
    (print_json if as_json else print_fields)({"panelist": keypair.account, "stake": amount})


@app.command()
def leave(
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Take the stake back, when no open case has you on its panel.

    Example: openledger panel leave
    """
    from node.client import NodeClient
    from pallets.panels.pallet import Panels

    with NodeClient(node) as client:
        left = client.submit(Panels.leave.Call(), choose_key(key, password_file))
    fields = dict(left.fields("Panels", "Left"))
    (print_json if as_json else print_fields)(fields)


@app.command()
def cases(
    key: KeyOption = "dev:alice", node: NodeUrl = DEFAULT_NODE_URL, as_json: JsonFlag = False
) -> None:
    """The cases that are not closed: what each is about, and what is due from you.

    Example: openledger panel cases --key dev:alice
    """
    from node.client import NodeClient
    from node.datanets.jury import duties, subject_of

    account = choose_account(key)
    with NodeClient(node) as client:
        found = [(each, subject_of(client, each.case)) for each in duties(client, account)]
    rows = [
        {
            "case": duty.case,
            "datanet": None if about is None else about.datanet,
            "submission": None if about is None else about.submission,
            "report": None if about is None else about.report,
            "seats": sum(each.seats for each in duty.record.jury if each.account == account),
            "due": duty.step,
            "until": duty.until,
        }
        for duty, about in found
    ]
    if as_json:
        print_json(rows)
    else:
        columns = ("case", "datanet", "submission", "report", "seats", "due", "until")
        print_table(columns, [tuple(row.values()) for row in rows])


@app.command()
def score(
    case: CaseNumber,
    per_cent: Annotated[
        float | None,
        typer.Argument(help="Of the rows; without it the validator's.", min=0, max=100),
    ] = None,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Commit to a score, which nobody sees yet.

    Of a submission it is the share of usable rows, of a report that of the rows for which it holds.

    Example: openledger panel score 4 75
    """
    from node.client import NodeClient

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        given = _validators(client, case) if per_cent is None else round(per_cent * PER_CENT_PPB)
        _ballots(client, keypair).commit(case, given)
    shown = {"case": case, "score_per_cent": given / PER_CENT_PPB}
    (print_json if as_json else print_fields)(shown)


@app.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="Do what is due, then stop.")] = False,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Do a panelist's duty until stopped: seat panels, score submissions, reveal, close cases.

    Reports are for people: score them with `openledger panel score`; it is revealed here, too.

    Example: openledger panel run --key dev:alice
    """
    from node.cli.processes import stop_on_signals
    from node.client import NodeClient
    from node.datanets.jury import duties
    from runtime.errors import OpenLedgerError

    stop = stop_on_signals()
    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        ballots = _ballots(client, keypair)
        while not stop.is_set():
            for duty in duties(client, keypair.account):
                try:
                    done = _perform(client, keypair, ballots, duty)
                except OpenLedgerError as error:
                    done = {"case": duty.case, "waits": error.message, "remedy": error.remedy}
                if done:
                    (print_json if as_json else print_fields)(done)
            if once:
                break
            stop.wait(POLL_S)


def _perform(
    client: NodeClient, keypair: Keypair, ballots: Ballots, duty: Duty
) -> dict[str, Any] | None:
    """Do what is due in one case; None if nothing is."""
    from pallets.panels.pallet import Panels

    if duty.step == "wait":
        return None
    if duty.step == "seat":
        client.submit(Panels.seat.Call(case=duty.case), keypair)
    elif duty.step == "close":
        client.submit(Panels.close.Call(case=duty.case), keypair)
    elif duty.step == "commit":
        ballots.commit(duty.case, _validators(client, duty.case))
    else:
        ballots.reveal(duty.case)
    return {"case": duty.case, "done": duty.step}


def _validators(client: NodeClient, case: int) -> int:
    """What the published validator says of the case; raises `ConfigError`."""
    from node.datanets.jury import subject_of, validators_score
    from node.errors import ConfigError

    subject = subject_of(client, case)
    if subject is None:
        message = f"Case {case} is about no submission and no report."
        raise ConfigError(message, remedy="Give a score yourself.")
    return validators_score(client, subject)


def _ballots(client: NodeClient, keypair: Keypair) -> Ballots:
    """The scores that are committed to: $OPENLEDGER_HOME/ballots, by default ~/.openledger."""
    from node.datanets.jury import Ballots

    home = os.environ.get("OPENLEDGER_HOME")
    folder = (Path(home) if home else Path.home() / ".openledger") / "ballots"
    return Ballots(folder, client, keypair)
