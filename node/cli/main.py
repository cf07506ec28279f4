"""`openledger`: the one command; an error is a sentence and a remedy on stderr, exit code 2.

Commands import what they need when they run: `openledger --help` must not wait for torch.
"""

from __future__ import annotations

import os
import sys

import typer

from node.cli import (
    admin,
    answer,
    chat,
    client,
    config,
    datanet,
    datanet_earnings,
    datanet_reports,
    datanet_votes,
    db,
    demo,
    exam,
    genesis,
    gov,
    job,
    keys,
    light,
    localnet,
    model,
    node,
    pallet,
    panel,
    payouts,
    query,
    receipt,
    referee,
    serve,
    signer,
    studio,
    tx,
    upgrade,
    validator,
    worker,
)
from node.cli.output import print_error
from runtime.errors import OpenLedgerError

EXIT_ERROR = 2

app = typer.Typer(
    name="openledger",
    help="OpenLedger: records who contributed what to a model, measures it, and pays for it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("node")(node.run_node)
app.command("dev")(node.run_dev)
app.command("init")(node.init)
app.command("tx", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(
    tx.submit
)
app.command("query")(query.query)
app.command("status")(query.status)
app.command("light")(light.light)
app.command("try-upgrade")(upgrade.try_upgrade)
app.add_typer(keys.app, name="keys")
app.add_typer(db.app, name="db")
app.add_typer(localnet.app, name="localnet")
app.add_typer(admin.app, name="admin")
app.add_typer(config.app, name="config")
app.add_typer(signer.app, name="signer")
app.add_typer(genesis.app, name="genesis")
app.add_typer(gov.app, name="gov")

app.add_typer(validator.app, name="validator")
app.add_typer(pallet.app, name="pallet")
app.add_typer(receipt.app, name="receipt")
app.add_typer(answer.app, name="answer")
app.add_typer(client.app, name="client")
app.add_typer(serve.app, name="serve")
app.add_typer(model.app, name="model")
app.add_typer(exam.app, name="exam")
app.command("chat")(chat.chat)
app.add_typer(referee.app, name="referee")
app.add_typer(worker.app, name="worker")
for each in (
    *(datanet_votes.propose, datanet_votes.proposals, datanet_votes.vote, datanet_votes.close),
    *(datanet_reports.report, datanet_reports.appeal, datanet_reports.answer),
    *(datanet_reports.reports, datanet_reports.resolve),
    *(datanet_earnings.earned, datanet_earnings.claim),
):
    datanet.app.command()(each)
app.add_typer(datanet.app, name="datanet")
app.add_typer(panel.app, name="panel")
app.add_typer(job.app, name="job")
app.command("why-paid")(payouts.why_paid)
app.command("why-not-paid")(payouts.why_not_paid)
app.command("audit")(payouts.audit)
app.command("demo")(demo.demo)
app.command("studio")(studio.studio)


def main() -> None:
    """Run the command line; never shows a traceback unless OPENLEDGER_TRACEBACK is set."""
    try:
        app()
    except OpenLedgerError as error:
        print_error(error.message, error.remedy)
        sys.exit(EXIT_ERROR)
    except Exception as error:
        if os.environ.get("OPENLEDGER_TRACEBACK"):
            raise
        message = f"Unexpected failure: {type(error).__name__}: {error}."
        print_error(message, "Please report it, with the output under OPENLEDGER_TRACEBACK=1.")
        sys.exit(EXIT_ERROR)
