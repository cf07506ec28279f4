"""docs/contribute/judging.md: every command runs, in its order, and does what the page says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.local_network import local_network, wait_until
from genesis.scenes import SERVER
from node.client import NodeClient
from node.datanets.jury import Ballots, Subject, validators_score
from node.errors import ConfigError
from pallets.panels.types import CaseState
from runtime.types import OPEN, PPB
from runtime.wire.datanets import Curation
from tests.node.test_every_pallet import quick_spec

PAGE = Path(__file__).resolve().parents[3] / "docs" / "contribute" / "judging.md"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
ROWS = [
    ("What is a stitch in time?", "It is what saves nine stitches later."),
    ("What do too many cooks do?", "They spoil the broth, which one would have made."),
]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[NodeClient]:
    """Of a node of its own: the page's Datanet is the first."""
    spec = quick_spec(validators=1)
    with (
        local_network(tmp_path / "network", spec) as network,
        network.client("validator") as client,
    ):
        yield client


def wait_for_height(client: NodeClient, height: int) -> None:
    """The page's reader waits for it, too."""
    wait_until(lambda: client.height() >= height, f"height {height}")


def test_the_page_runs(client, openledger, tmp_path, monkeypatch):
    """From the stake to the verdicts; what each command says is what happened."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENLEDGER_HOME", str(tmp_path / "home"))
    lines = ["prompt,completion", *(f'"{prompt}","{answer}"' for prompt, answer in ROWS)]
    Path("rows.csv").write_text("\n".join(lines))
    Path("proof.txt").write_text("Row 0 is row 0 of another Datanet.")
    Path("answer.txt").write_text("It is not.")

    def run(command: str) -> Any:
        done = openledger(*shlex.split(command)[1:], "--node", client.url, "--json")
        assert done.returncode == 0, (command, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    def run_until(command: str, case: int, state: CaseState) -> None:
        def is_there() -> bool:
            run(command)
            return client.read("Panels", "cases", case).state is state

        wait_until(is_there, f"case {case} is {state.name}")

    turns = iter([(0, CaseState.CLOSED), (1, CaseState.SEATED), (1, CaseState.CLOSED)])
    said: dict[str, list[Any]] = {}
    commands = [line for block in BLOCK.findall(PAGE.read_text()) for line in block.splitlines()]
    for command in commands:
        name = " ".join(shlex.split(command)[1:3])
        if name == "panel run":
            run_until(command, *next(turns))
            continue
        if name == "datanet close":
            wait_for_height(client, said["datanet propose"][0]["ends_at"])
        said.setdefault(name, []).append(run(command))
    (case,) = said["panel cases"][0]
    assert (case["datanet"], case["submission"], case["report"]) == (0, 0, None)
    assert client.read("Panels", "cases", 0).score == PPB
    assert said["datanet review"][0]["version"] == 1
    assert said["datanet resolve"][1]["rows"] == 0
    assert said["datanet close"][0]["state"] == "PASSED"
    assert said["datanet close"][0]["released"] == 2_000 * OPEN
    terms = client.read("Datanets", "terms", 0)
    assert (terms.licence, terms.curation) == ("CC0-1.0", Curation.PANEL)
    assert client.read("Panels", "panelists") == ()


def test_what_people_must_judge_is_said(client, tmp_path):
    """A report has no score of the validator's; a score that is not here cannot be revealed."""
    with pytest.raises(ConfigError, match="for people"):
        validators_score(client, Subject(0, 0, report=3))
    with pytest.raises(ConfigError, match="not committed to from here"):
        Ballots(tmp_path, client, SERVER).reveal(7)
