"""A power cut at any fsync loses nothing that was safe; the campaign notices where it would."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from bench.powercut import Campaign
from consensus.signer import SignerState
from node.consensus.log_file import LogFile
from runtime.state.store import Retention, Store


def _campaign(root: Path, commits: int) -> Campaign:
    campaign = Campaign(root, Random(1))
    campaign.run(commits)
    return campaign


def test_every_image_recovers_or_is_detected(tmp_path: Path) -> None:
    """Ten commits, cut at each fsync, and damaged: never another state, never a second vote."""
    campaign = _campaign(tmp_path, 10)
    assert campaign.findings == []
    counts = campaign.counts
    assert counts["images"] == 10 * (3 + 4 + 1)
    assert counts["recovered"] > counts["as_it_is"] + counts["cut"]
    assert counts["detected"] > 0


def test_a_signer_that_forgets_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second vote beside the first is what a campaign looks for."""
    monkeypatch.setattr(SignerState, "check", lambda *_: None)
    assert "A second vote is signed" in _campaign(tmp_path, 1).findings[0]


def test_a_log_that_loses_records_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is emptied on start would be noticed where the signer's file is lost, too."""
    monkeypatch.setattr(LogFile, "records_of", lambda *_: ())
    findings = _campaign(tmp_path, 1).findings
    assert any(finding.startswith("missing signer") for finding in findings)


def test_a_store_that_is_behind_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not wait for the disk loses a block that was acknowledged."""
    opened = Store.open
    restarts: list[Path] = []

    def without_log(directory: Path, create: bool, retention: Retention | None) -> Store:
        if restarts:
            _drop_last_block(directory)
        restarts.append(directory)
        return opened(directory, create, retention)

    monkeypatch.setattr(Store, "open", without_log)
    findings = _campaign(tmp_path, 2).findings
    assert any("was acknowledged" in finding for finding in findings)


def _drop_last_block(directory: Path) -> None:
    """Cut the last byte of LevelDB's log, as if the last block had not been safe."""
    log = max(directory.glob("*.log"))
    log.write_bytes(log.read_bytes()[:-1])
