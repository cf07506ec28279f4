"""What the demo prints and writes as JSON: one frozen record, two renderings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from runtime.types import OPEN

SHARE_DIGITS = 1
AMOUNT_DIGITS = 6


@dataclass(frozen=True, slots=True)
class ContributorLine:
    """One contributor: what came of the rows, and what they earned."""

    name: str
    role: str
    rows: int
    accepted: int
    duplicate: int
    influence_share: float
    """Of the credits by which the pool is divided, 0 to 1."""
    preview_share: float
    """The same by TracIn, which pays nobody."""
    earned: int
    """Units of 10**-18 OPEN."""
    error: int
    """One standard error of it."""


@dataclass(frozen=True, slots=True)
class Source:
    """A row that moved an answer: who contributed it, and by how much."""

    contributor: str
    prompt: str
    influence: float
    """Positive: the row made the answer more likely."""


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One question with its answer, its price and its top sources."""

    question: str
    answer: str
    fee: int
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a part of the fees went."""

    receiver: str
    amount: int


@dataclass(frozen=True, slots=True)
class Check:
    """A condition on which the demo's exit status depends."""

    name: str
    holds: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Of the facts asked about, how many are attributed first to who contributed them."""

    asked: int
    attributed_first: int
    careless_rank: int
    """Place of the careless contributor by influence, 1 the most influential."""
    contributors: int


@dataclass(frozen=True, slots=True)
class DemoReport:
    """Everything the demo found."""

    title: str
    contributors: tuple[ContributorLine, ...]
    answers: tuple[AnswerLine, ...]
    answer_count: int
    fees: int
    flows: tuple[Flow, ...]
    facts: Facts
    loss_before: float
    loss_after: float
    transcript_root: str
    """Of the training, in hexadecimal: what `openledger job verify` must find again."""
    receipts: int
    receipts_verified: int
    height: int
    finalised_height: int
    finality_ms: float
    """Median time from submission to finalised block of this run's extrinsics."""
    stage_seconds: dict[str, float]
    checks: tuple[Check, ...]
    next_commands: tuple[str, ...]

    def passed(self) -> bool:
        """Whether every condition holds."""
        return all(check.holds for check in self.checks)

    def write_json(self, path: Path) -> None:
        """Write all of it; amounts are decimal strings, for readers without big integers."""
        document = asdict(self) | {"fees": str(self.fees), "passed": self.passed()}
        for line in (*document["contributors"], *document["answers"], *document["flows"]):
            for key in ("earned", "error", "fee", "amount"):
                if key in line:
                    line[key] = str(line[key])
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def open_text(amount: int) -> str:
    """An amount in OPEN with six decimals, rounded down."""
    digits = amount * 10**AMOUNT_DIGITS // OPEN
    whole, rest = divmod(digits, 10**AMOUNT_DIGITS)
    return f"{whole:,}.{rest:0{AMOUNT_DIGITS}}"


def print_report(report: DemoReport, console: Console) -> None:
    """Print the tables in the order in which the story happened."""
    console.print()
    console.print(contributor_table(report))
    for line in report.contributors:
        if line.role != "honest":
            console.print(f"{line.name}: {line.role}, added on purpose.", highlight=False)
    for answer in report.answers:
        print_answer(answer, console)
    console.print(flow_table(report))
    facts = report.facts
    console.print(
        f"Held-out loss {report.loss_before:.3f} -> {report.loss_after:.3f} nats a token. "
        f"{facts.attributed_first} of {facts.asked} facts are attributed first to who contributed "
        f"them. The careless contributor ranks {facts.careless_rank} of {facts.contributors}.",
    )
    console.print(f"Transcript of the training: {report.transcript_root}", highlight=False)
    console.print(
        f"{report.receipts_verified} of {report.receipts} receipts, of payouts and of answers, "
        f"verified offline. Block {report.height:,}, finalised {report.finalised_height:,}; "
        f"median time to finality {report.finality_ms:.0f} ms.",
    )
    console.print(stage_table(report))
    for check in report.checks:
        mark = "[green]ok[/]" if check.holds else "[bold red]FAILED[/]"
        console.print(f"{mark} {check.name}: {check.detail}", highlight=False)
    console.print("\nTry next:")
    for command in report.next_commands:
        console.print(f"  {command}", style="bold", soft_wrap=True, highlight=False)


def plain_table(title: str) -> Table:
    """A table that fits into 80 columns and can be copied into a text."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.pad_edge = False
    table.padding = (0, 1, 0, 0)
    return table


def contributor_table(report: DemoReport) -> Table:
    """Who brought what, and who earned what."""
    table = plain_table(f"Who contributed to “{report.title}”, and what it earned")
    table.add_column("contributor", no_wrap=True, overflow="ellipsis")
    for heading in ("rows", "accepted", "copies", "influence", "TracIn", "OPEN", "±"):
        table.add_column(heading, justify="right")
    for line in sorted(report.contributors, key=lambda line: (-line.earned, line.name)):
        table.add_row(
            line.name,
            f"{line.rows:,}",
            f"{line.accepted:,}",
            f"{line.duplicate:,}",
            f"{line.influence_share:.{SHARE_DIGITS}%}",
            f"{line.preview_share:.{SHARE_DIGITS}%}",
            open_text(line.earned),
            open_text(line.error),
        )
    return table


def print_answer(answer: AnswerLine, console: Console) -> None:
    """One question, its answer, its price and its top sources."""
    console.print(f"\n[bold]Q[/] {answer.question}", highlight=False)
    console.print(f"[bold]A[/] {answer.answer}", highlight=False)
    console.print(f"  price {open_text(answer.fee)} OPEN; sources:", highlight=False)
    for source in answer.sources:
        console.print(
            f"  {source.influence:+.4f}  {source.contributor}: {source.prompt}",
            highlight=False,
        )


def flow_table(report: DemoReport) -> Table:
    """Where each unit of the fees went."""
    title = f"Where the fees of {report.answer_count} answers went"
    table = plain_table(title)
    table.add_column("receiver")
    table.add_column("OPEN", justify="right")
    table.add_column("share", justify="right")
    for flow in report.flows:
        share = flow.amount / report.fees if report.fees else 0.0
        table.add_row(flow.receiver, open_text(flow.amount), f"{share:.{SHARE_DIGITS}%}")
    table.add_section()
    table.add_row("all fees", open_text(report.fees), "100.0%")
    return table


def stage_table(report: DemoReport) -> Table:
    """Seconds per stage."""
    table = plain_table("Time")
    table.add_column("stage")
    table.add_column("seconds", justify="right")
    for name, seconds in report.stage_seconds.items():
        table.add_row(name, f"{seconds:.1f}")
    table.add_section()
    table.add_row("all", f"{sum(report.stage_seconds.values()):.1f}")
    return table
