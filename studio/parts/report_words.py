"""Reports and appeals in plain words: what is said, who may answer, and how it ended."""

from __future__ import annotations

from typing import Any

from studio.parts import values

KINDS = {
    "DUPLICATE": ("Copies", "The rows repeat rows that were committed before."),
    "SCHEMA": (
        "Wrongly accepted",
        "The rows break the Datanet's schema, or were accepted against the validator's verdict.",
    ),
    "POISONED": ("Harmful", "The rows make models worse, epoch by epoch."),
    "LICENCE": ("Not theirs to give", "The contributor had no right to give the rows."),
    "APPEAL": ("Appeal", "Rows were refused that the published validator accepts."),
}
"""What each kind of evidence is called, and what it says."""
STATES = {
    "OPEN": ("may be answered", "wait"),
    "CONVENED": ("before a panel", "info"),
    "RESOLVED": ("over", "ok"),
}


def kind_of(report: Any) -> str:
    """What a report is called."""
    return KINDS.get(report.kind.name, (values.words(report.kind.name), ""))[0]


def claim_of(report: Any) -> str:
    """What it says of the rows."""
    return KINDS.get(report.kind.name, ("", ""))[1]


def outcome(report: Any, fields: dict[str, Any], score: int | None) -> tuple[str, str]:
    """How a report ended and what that meant, by its event and the panel's score."""
    rows, slashed, bounty = (int(fields[each]) for each in ("rows", "slashed", "bounty"))
    if score is None:
        return "The panel came to no decision.", "Nobody lost anything; the deposit came back."
    part = values.ppb(score)
    if report.kind.name == "APPEAL":
        if rows:
            return f"The appeal was right about {rows:,} rows.", "They cost nothing."
        text = f"The panel found it right for {part} of the rows: fewer than half."
        return text, "The bond stays lost, and the appeal's deposit went to the treasury."
    if not rows:
        text = f"The panel found the evidence to hold for {part} of the rows: fewer than half."
        return text, "The rows stay; the reporter's deposit went to the treasury."
    cost = f"{values.amount_text(slashed)} OPEN of the bond was taken"
    paid = f"{values.amount_text(bounty)} OPEN of it went to the reporter, the rest to the treasury"
    return f"The evidence held for {rows:,} rows: they left the Datanet.", f"{cost}; {paid}."
