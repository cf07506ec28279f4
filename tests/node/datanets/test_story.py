"""docs/contribute/datanets.md: every command runs, in its order, and does what the page says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from node.client import NodeClient

PAGE = Path(__file__).resolve().parents[3] / "docs" / "contribute" / "datanets.md"
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
ROWS = [
    ("What is asthma?", "Asthma is a disease of the airways that makes breathing hard."),
    ("What is a fracture?", "A fracture is a break in a bone, often after a fall."),
    ("What is a fracture?", "A fracture is a break in a bone, often after a fall."),
    ("Who can I ask?", "Please write to jane.doe@example.org for an appointment."),
    ("What is anaemia?", "Anaemia is a lack of red blood cells or of haemoglobin."),
]


@pytest.fixture
def url(start_node):
    """A node of its own: the page's Datanet is the first."""
    return start_node().url


@pytest.fixture
def datanet(url, openledger):
    """What a command on the node answers."""

    def run(*words):
        done = openledger(*words, "--node", url, "--json")
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout)

    return run


def node_has(url, blob):
    """Whether the node still has a content."""
    with NodeClient(url) as client:
        return client.call("content_has", [blob])[0]


def test_the_page_runs(datanet, url, tmp_path, monkeypatch):
    """From the table to the tombstone; what each command says is what happened."""
    monkeypatch.chdir(tmp_path)
    lines = ["question,answer", *(f'"{prompt}","{answer}"' for prompt, answer in ROWS)]
    Path("rows.csv").write_text("\n".join(lines))
    commands = [line for block in BLOCK.findall(PAGE.read_text()) for line in block.splitlines()]
    said = [datanet(*shlex.split(command)[1:]) for command in commands]
    by_name: dict[str, list[Any]] = {}
    for command, answer in zip(commands, said, strict=True):
        by_name.setdefault(shlex.split(command)[2], []).append(answer)
    assert by_name["create"] == [{"datanet": 0}]
    (preview,) = by_name["preview"]
    assert (preview["accepted"], preview["duplicate"], preview["rejected"]) == (3, 1, 1)
    assert {each["finding"] for each in preview["reasons"]} == {"SAME", "E_MAIL"}
    (imported,) = by_name["import"]
    assert (imported["rows"], imported["left_out"]) == (3, 2)
    assert [each["version"] for each in by_name["review"]] == [None, 1, 2]
    assert by_name["versions"][0][0]["joined"] == 3
    blob = imported["blob"]
    for _ in range(100):  # each look waits for a block
        datanet("tx", "System", "remark", "--data", "00")
        if not node_has(url, blob):
            break
    assert not node_has(url, blob)
    first, second = by_name["diff"]
    assert [each["joined"] for each in first] == [True] * 3
    assert [(each["index"], each["joined"], each["reason"]) for each in second] == [
        (1, False, "withdrawn")
    ]
