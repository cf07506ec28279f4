"""The demo's report: amounts to the unit, JSON and tables."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from node.demo.report import (
    AnswerLine,
    Check,
    ContributorLine,
    DemoReport,
    Facts,
    Flow,
    Source,
    open_text,
    print_report,
)
from runtime.types import OPEN


def report(*, holds: bool = True) -> DemoReport:
    return DemoReport(
        title="test",
        contributors=(ContributorLine("json", "honest", 3, 2, 1, 1.0, 0.9, 2**70, 2**60),),
        answers=(AnswerLine("Why?", "Because.", 5, (Source("json", "What?", 0.5),)),),
        answer_count=1,
        fees=2**70 + 1,
        flows=(Flow("contributors", 2**70), Flow("stakers", 1)),
        facts=Facts(30, 21, 9, 9),
        loss_before=2.0,
        loss_after=1.5,
        transcript_root="ab" * 32,
        receipts=2,
        receipts_verified=2,
        height=10,
        finalised_height=10,
        finality_ms=120.0,
        stage_seconds={"train": 1.5},
        checks=(Check("money adds up", holds, "to the unit"),),
        next_commands=("openledger status",),
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.000000"),
        (OPEN, "1.000000"),
        (1_234 * OPEN + OPEN // 2, "1,234.500000"),
        (OPEN - 1, "0.999999"),
    ],
)
def test_amounts_are_grouped_and_rounded_down(amount: int, text: str):
    """What is shown is never more than what was paid."""
    assert open_text(amount) == text


def test_json_keeps_every_unit(tmp_path: Path):
    """Amounts beyond 2**53 survive a JSON reader that knows only doubles."""
    path = tmp_path / "report.json"
    report().write_json(path)
    document = json.loads(path.read_text())
    assert int(document["fees"]) == 2**70 + 1
    assert sum(int(flow["amount"]) for flow in document["flows"]) == 2**70 + 1
    assert int(document["contributors"][0]["earned"]) == 2**70
    assert document["passed"] is True


def test_a_failed_check_fails_the_report():
    """One condition that does not hold is enough."""
    assert report().passed()
    assert not report(holds=False).passed()


def test_the_printed_report_names_what_matters():
    """Contributors, answers, sources, flows, checks and next commands are all there."""
    output = io.StringIO()
    print_report(report(holds=False), Console(file=output, width=120))
    text = output.getvalue()
    for part in (
        "json",
        "Because.",
        "What?",
        "contributors",
        "FAILED",
        "21 of 30",
        "openledger status",
    ):
        assert part in text
