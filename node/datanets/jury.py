"""What a juror does: find out what a case is about, score it, commit to that, and reveal it.

A score is committed to with a salt and revealed blocks later, maybe by another process: both are in
a file, written before the commitment is sent.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from node.client import NodeClient
from node.datanets.curating import draft_version
from node.errors import ConfigError
from node.files import write_atomically
from pallets.panels.pallet import Panels
from pallets.panels.types import Case, CaseState
from pallets.session.pallet import BEACON_DELAY_BLOCKS
from runtime.calls import RuntimeCall
from runtime.keys import Keypair
from runtime.types import PPB
from runtime.wire.panels import score_commitment

SALT_BYTES = 32
CASES_MAX = 100_000
"""How many cases and reports of a chain are looked at."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a case is about: rows of a submission, or a report on some of them."""

    datanet: int
    submission: int
    report: int | None = None


def subject_of(client: NodeClient, case: int) -> Subject | None:
    """The submission or the report that has this case; None for one of another kind."""
    for (datanet, number), submission in client.entries("Submissions", "submissions", CASES_MAX):
        if submission.case == case:
            return Subject(datanet, number)
    for number, report in client.entries("Reports", "reports", CASES_MAX):
        if report.case == case:
            return Subject(report.datanet, report.submission, number)
    return None


def validators_score(client: NodeClient, subject: Subject) -> int:
    """The share of a submission's rows that the published validator does not reject, in 10**-9.

    Raises `ConfigError` for a report, which somebody has to read, and `ContentMissing`.
    """
    if subject.report is not None:
        message = f"Report {subject.report} is for people to judge."
        remedy = "Read its evidence and its answer, and give the share of rows for which it holds."
        raise ConfigError(message, remedy=remedy)
    draft = draft_version(client, subject.datanet)
    counts = next(each for each in draft.counts if each.submission == subject.submission)
    usable = counts.accepted + counts.duplicate
    return PPB * usable // (usable + counts.rejected)


class Ballots:
    """The scores that this account has committed to, with their salts, in a folder."""

    def __init__(self, folder: Path, client: NodeClient, keypair: Keypair) -> None:
        """Of one chain and one account."""
        self._folder = folder / f"{client.genesis_hash.hex()[:16]}-{keypair.account.hex()[:16]}"
        self._client = client
        self._keypair = keypair

    def commit(self, case: int, score_ppb: int) -> None:
        """Commit to a score; it is on disk before it is sent, and sent again as it was."""
        known = self._known(case)
        if known is None or known[0] != score_ppb:
            known = score_ppb, os.urandom(SALT_BYTES)
            self._folder.mkdir(parents=True, exist_ok=True)
            data = json.dumps({"score_ppb": score_ppb, "salt": known[1].hex()}).encode()
            write_atomically(self._path(case), data, self._folder)
        commitment = score_commitment(self._keypair.account, case, *known)
        self._submit(Panels.commit.Call(case=case, commitment=commitment))

    def reveal(self, case: int) -> int:
        """Reveal what was committed to, and forget it; returns the score.

        Raises `ConfigError` if nothing is known of it here.
        """
        known = self._known(case)
        if known is None:
            message = f"The score of case {case} was not committed to from here."
            raise ConfigError(message, remedy=f"Reveal it where {self._folder} is.")
        score_ppb, salt = known
        self._submit(Panels.reveal.Call(case=case, score=score_ppb, salt=salt))
        self._path(case).unlink()
        return score_ppb

    def _known(self, case: int) -> tuple[int, bytes] | None:
        """The score and the salt that are on disk."""
        path = self._path(case)
        if not path.exists():
            return None
        ballot = json.loads(path.read_text())
        return int(ballot["score_ppb"]), bytes.fromhex(ballot["salt"])

    def _submit(self, call: RuntimeCall) -> None:
        self._client.submit(call, self._keypair)

    def _path(self, case: int) -> Path:
        return self._folder / f"case-{case}.json"


@dataclass(frozen=True, slots=True)
class Duty:
    """An open case as one account sees it: what is due now, and until when."""

    case: int
    record: Case
    step: str
    """seat, commit, reveal, close (these by anybody or by the juror), or wait."""
    until: int
    """The last height for it, or before the next step."""


def duties(client: NodeClient, account: bytes) -> list[Duty]:
    """Every case that is not closed, with what is due in the next block."""
    with client.reading() as pallets:
        commit_blocks = pallets.panels.commit_blocks.get()
        open_blocks = pallets.panels.open_blocks.get()
    next_height = client.height() + 1
    found = []
    for number, record in client.entries("Panels", "cases", CASES_MAX):
        if record.state is CaseState.CLOSED:
            continue
        step, until = _step(record, next_height, (commit_blocks, open_blocks))
        if step in {"commit", "reveal"} and not _may(client, number, record, account, step):
            step = "wait"
        found.append(Duty(number, record, step, until))
    return found


def _step(record: Case, height: int, spans: tuple[int, int]) -> tuple[str, int]:
    """What a case is ready for, and the last height before that changes."""
    if record.state is CaseState.OPEN:
        drawn_at = record.opened_at + BEACON_DELAY_BLOCKS
        return ("seat", drawn_at) if height > drawn_at else ("wait", drawn_at)
    commit_until = record.seated_at + spans[0]
    reveal_until = commit_until + spans[1]
    if height <= commit_until:
        return "commit", commit_until
    if height <= reveal_until:
        return "reveal", reveal_until
    return "close", height


def _may(client: NodeClient, case: int, record: Case, account: bytes, step: str) -> bool:
    """Whether it is this account's to commit or to reveal, and not done yet."""
    if all(juror.account != account for juror in record.jury):
        return False
    ballot = client.read("Panels", "ballots", case, account)
    if step == "commit":
        return ballot is None
    return ballot is not None and ballot.score is None
