"""`openledger datanet report|appeal|answer|reports|resolve`: evidence on rows, and what follows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.datanet import Number, Submission
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

if TYPE_CHECKING:
    from pallets.reports.types import EvidenceKind

ReportNumber = Annotated[int, typer.Argument(help="The report's number.", min=0)]
Rows = Annotated[int, typer.Option(help="For how many rows it holds.", min=1)]
Evidence = Annotated[Path, typer.Argument(help="The file that shows it to anybody.")]


def report(
    datanet: Number,
    evidence: Evidence,
    submission: Submission,
    kind: Annotated[str, typer.Option(help="duplicate, schema, poisoned or licence.")],
    rows: Rows = 1,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Report accepted rows of a submission; a deposit and a panel's fee are held.

    The contributor may answer, then a panel decides. If it follows you, the rows leave and you have
    a tenth of their bond; if not, your deposit is lost.

    Example: openledger datanet report 0 proof.txt --submission 3 --kind duplicate --rows 2
    """
    from node.cli.arguments import member_of
    from pallets.reports.types import EvidenceKind

    of_kind = member_of(EvidenceKind, kind)
    if of_kind is EvidenceKind.APPEAL:
        message = "An appeal is about one's own rows."
        raise ConfigError(message, remedy="Use `openledger datanet appeal`.")
    place = (datanet, submission, rows)
    fields = _report(of_kind, place, evidence, node, choose_key(key, password_file))
    (print_json if as_json else print_fields)(fields)


def appeal(
    datanet: Number,
    evidence: Evidence,
    submission: Submission,
    rows: Rows = 1,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Appeal as a contributor: rows were rejected that the published validator accepts.

    Nothing of your bond moves before a panel has decided, if you appeal in time.

    Example: openledger datanet appeal 0 why.txt --submission 3 --rows 2
    """
    from pallets.reports.types import EvidenceKind

    place = (datanet, submission, rows)
    fields = _report(EvidenceKind.APPEAL, place, evidence, node, choose_key(key, password_file))
    (print_json if as_json else print_fields)(fields)


def answer(
    report: ReportNumber,
    evidence: Evidence,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Answer a report of your rows (as a Datanet's owner: an appeal) once, with a file.

    Example: openledger datanet answer 2 answer.txt
    """
    from node.client import NodeClient
    from pallets.reports.pallet import Reports

    with NodeClient(node) as client:
        blob = client.put_content(evidence.read_bytes())
        call = Reports.answer.Call(report=report, answer=blob)
        client.submit(call, choose_key(key, password_file))
    (print_json if as_json else print_fields)({"report": report, "answer": blob})


def reports(datanet: Number, node: NodeUrl = DEFAULT_NODE_URL, as_json: JsonFlag = False) -> None:
    """The reports and appeals about a Datanet's rows, and how far they are.

    Example: openledger datanet reports 0
    """
    from node.client import NodeClient

    with NodeClient(node) as client:
        count = client.read("Reports", "next_report")
        records = [(number, client.read("Reports", "reports", number)) for number in range(count)]
    found = [(number, each) for number, each in records if each.datanet == datanet]
    if as_json:
        print_json([{"report": number, "record": each} for number, each in found])
        return
    print_table(
        ("report", "submission", "kind", "rows", "state", "panel's case"),
        [
            (number, each.submission, each.kind.name, each.rows, each.state.name, each.case)
            for number, each in found
        ],
    )


def resolve(
    report: ReportNumber,
    key: KeyOption = "dev:alice",
    password_file: PasswordFile = None,
    node: NodeUrl = DEFAULT_NODE_URL,
    as_json: JsonFlag = False,
) -> None:
    """Take a report its next step, whoever asks: call its panel, or do what the panel decided.

    Example: openledger datanet resolve 2
    """
    from node.client import NodeClient
    from pallets.reports.pallet import Reports
    from pallets.reports.types import ReportState

    keypair = choose_key(key, password_file)
    with NodeClient(node) as client:
        record = client.read("Reports", "reports", report)
        if record is None or record.state is ReportState.OPEN:
            done = client.submit(Reports.convene.Call(report=report), keypair)
            fields = dict(done.fields("Reports", "Convened"))
        else:
            done = client.submit(Reports.resolve.Call(report=report), keypair)
            fields = dict(done.fields("Reports", "Resolved"))
    (print_json if as_json else print_fields)(fields)


def _report(
    kind: EvidenceKind, place: tuple[int, int, int], evidence: Path, node: str, keypair: Any
) -> dict[str, Any]:
    """Store the evidence, report (datanet, submission, rows); returns what is to be known."""
    from node.client import NodeClient
    from pallets.reports.pallet import Reports

    datanet, submission, rows = place
    with NodeClient(node) as client:
        call = Reports.report.Call(
            datanet=datanet,
            submission=submission,
            kind=kind,
            rows=rows,
            evidence=client.put_content(evidence.read_bytes()),
        )
        fields = client.submit(call, keypair).fields("Reports", "Reported")
    return {name: fields[name] for name in ("report", "answer_until", "evidence")}
