"""What docs/build/client.md says works: its blocks run against a real node."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.node.conftest import Finished, RunningNode

DOCUMENT = Path(__file__).resolve().parent.parent.parent / "docs" / "build" / "client.md"
URL = "http://127.0.0.1:9944"


def blocks(language: str) -> list[str]:
    """The document's blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


def test_the_programs_run(dev_node: RunningNode) -> None:
    """All blocks, one after the other, as one program."""
    names: dict[str, Any] = {}
    program = "\n".join(blocks("python")).replace(URL, dev_node.url)
    exec(compile(program, str(DOCUMENT), "exec"), names)  # noqa: S102 # our own document
    assert names["head"].height == 3
    assert names["before"].free <= names["account"].free


def test_the_commands_run(
    dev_node: RunningNode,
    openledger: Callable[..., Finished],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each command ends well, and the client that it writes is Python."""
    monkeypatch.chdir(tmp_path)
    for block in blocks("bash"):
        command, *arguments = shlex.split(block.replace(URL, dev_node.url))
        assert command == "openledger"
        assert openledger(*arguments).returncode == 0
    compile((tmp_path / "my_chain.py").read_text(), "my_chain.py", "exec")
