"""A data directory belongs to one chain."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from genesis.chain_spec import dev_spec
from node.config import DataDirectory
from node.errors import ConfigError
from node.logs import configure_logs


def test_a_new_directory_takes_the_given_spec(tmp_path: Path) -> None:
    """The spec is copied, so that the next start needs no --chain."""
    spec_file = tmp_path / "spec.toml"
    dev_spec().save(spec_file)
    directory = DataDirectory(tmp_path / "deep" / "node")
    assert directory.load_spec(spec_file) == dev_spec()
    assert directory.load_spec(None) == dev_spec()
    assert directory.load_spec(spec_file) == dev_spec()


def test_another_spec_is_refused(tmp_path: Path) -> None:
    """A directory made for one chain does not start as another."""
    directory = DataDirectory(tmp_path / "node")
    directory.begin(dev_spec())
    other = tmp_path / "other.toml"
    replace(dev_spec(), name="another").save(other)
    with pytest.raises(ConfigError, match="another chain"):
        directory.load_spec(other)


def test_a_directory_without_chain_needs_a_spec(tmp_path: Path) -> None:
    """Nothing there and nothing given: a sentence and a remedy."""
    with pytest.raises(ConfigError, match="--chain"):
        DataDirectory(tmp_path / "node").load_spec(None)


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    """A folder with somebody's files never becomes a data directory."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"thesis\.txt"):
        DataDirectory(tmp_path).begin(dev_spec())
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_signer_file_is_read_or_absent(tmp_path: Path) -> None:
    """Absent is None; unreadable is an error, never silence."""
    directory = DataDirectory(tmp_path)
    assert directory.read_signer() is None
    directory.signer.write_bytes(b"state")
    assert directory.read_signer() == b"state"
    directory.signer.unlink()
    directory.signer.mkdir()
    with pytest.raises(ConfigError, match="signer"):
        directory.read_signer()


def test_log_options_are_checked(tmp_path: Path) -> None:
    """An unknown level and a file that cannot be written are typed errors."""
    with pytest.raises(ConfigError, match="debug, info"):
        configure_logs("loud")
    with pytest.raises(ConfigError, match="cannot be written"):
        configure_logs("info", tmp_path / "missing" / "node.log")


def test_a_log_without_a_reader_does_not_stop_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines go to whatever stderr is at the time, and nowhere once it is closed."""
    configure_logs("info")
    log = structlog.get_logger("test")
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    log.info("height reached", height=7)
    assert 'event="height reached" height=7' in stream.getvalue()
    stream.close()
    log.info("nobody reads this")
