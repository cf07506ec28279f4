"""What operators use: alarms and dashboards name metrics that exist, and every alarm is explained."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from prometheus_client import CollectorRegistry, generate_latest

from ml.serving.batch import BatchCounters
from ml.serving.engine import EngineFigures
from node.api.metrics import ServingMetrics
from node.cli.main import app
from node.p2p.metrics import NetworkMetrics
from tests.node.conftest import RunningNode

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "ops" / "prometheus" / "rules.yml"
DASHBOARD = ROOT / "ops" / "grafana" / "openledger.json"
UNIT = ROOT / "ops" / "systemd" / "openledger.service"
COMPOSE = ROOT / "ops" / "compose.yml"
SERVING_DASHBOARD = ROOT / "ops" / "grafana" / "serving.json"
ALARMS = ROOT / "docs" / "operate" / "alarms.md"
_METRIC = re.compile(r"\bopenledger_[a-z0-9_]+")
_SERIES = re.compile(r"_(total|bucket|sum|count|created)$")


@pytest.fixture(scope="module")
def families(dev_node: RunningNode) -> set[str]:
    """The metrics that a node has, alone and among others."""
    registry = CollectorRegistry()
    NetworkMetrics(registry)
    with httpx.Client(trust_env=False) as http:
        text = http.get(f"{dev_node.url}/metrics").text + generate_latest(registry).decode()
    return {_SERIES.sub("", name) for name in re.findall(r"# TYPE (openledger_\w+)", text)}


@pytest.mark.parametrize("file", [RULES, DASHBOARD, ALARMS])
def test_every_metric_that_is_named_exists(file: Path, families: set[str]) -> None:
    """A renamed metric would silence an alarm for ever."""
    named = {_SERIES.sub("", name) for name in _METRIC.findall(file.read_text())}
    assert named
    assert named <= families


def test_every_metric_is_on_the_dashboard(families: set[str]) -> None:
    """What nobody sees need not be measured; what is dropped shows in the kinds of messages."""
    text = DASHBOARD.read_text()
    expressions = [
        target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"]
    ]
    seen = {_SERIES.sub("", name) for each in expressions for name in _METRIC.findall(each)}
    assert families - seen <= {"openledger_p2p_dropped"}


def test_the_serving_dashboard_shows_every_metric_of_a_server() -> None:
    """And names no other."""
    figures = EngineFigures(0, 0, 0, 0, 0, {"memory": 0}, 0, asdict(BatchCounters()))
    text = ServingMetrics(lambda: {"fast": figures}).text().decode()
    served = {_SERIES.sub("", name) for name in re.findall(r"# TYPE (openledger_\w+)", text)}
    shown = {_SERIES.sub("", name) for name in _METRIC.findall(SERVING_DASHBOARD.read_text())}
    assert shown == served


def test_every_alarm_is_explained() -> None:
    """A section for each, with what it means and what to do."""
    alarms = re.findall(r"alert: (\w+)", RULES.read_text())
    sections = dict(
        re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", ALARMS.read_text(), re.MULTILINE | re.DOTALL)
    )
    assert set(alarms) == set(sections)
    assert all("Do:" in text for text in sections.values())


@pytest.mark.parametrize(
    "file", sorted((ROOT / "docs" / "operate").glob("*.md")), ids=lambda file: file.stem
)
def test_every_command_of_the_pages_is_there(file: Path) -> None:
    """Each `openledger` command with its options: what a page says can be typed."""
    text = file.read_text().replace("\\\n", " ")
    for line in re.findall(
        r"^(?:    |\$ )?(?:sudo -u \w+ )?(openledger [a-z].*)$", text, re.MULTILINE
    ):
        words = shlex.split(line.partition("#")[0])[1:]
        command = typer.main.get_command(app)
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined] # a group
        known = {option for parameter in command.params for option in parameter.opts}
        used = {word.partition("=")[0] for word in words if word.startswith("--")}
        if not command.context_settings.get("ignore_unknown_options"):  # as `tx` does
            assert used <= known, line


def parsed(line: str) -> dict[str, Any]:
    """What the command line reads in a line; raises `click.UsageError` where it does not fit."""
    program, *words = shlex.split(line)
    assert program.endswith("openledger")
    command = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined] # a group
    return command.make_context(program, words).params


def test_the_unit_starts_commands_that_are_there() -> None:
    """All words of the systemd unit are read; both commands are of one directory and chain."""
    unit = UNIT.read_text().replace("\\\n", " ")
    check, node = map(parsed, re.findall(r"^ExecStart(?:Pre)?=(.*)$", unit, re.MULTILINE))
    for name in ("data", "chain", "key"):
        assert check[name] == node[name] is not None
    assert node["password_file"] == Path("%d/password")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """With a program that is there, it finds nothing wrong."""
    unit = tmp_path / UNIT.name
    here = Path(sys.executable).with_name("openledger")
    unit.write_text(UNIT.read_text().replace("/opt/openledger/.venv/bin/openledger", str(here)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_compose_file_starts_a_command_that_is_there() -> None:
    """And publishes the ports at which that node listens."""
    text = COMPOSE.read_text()
    command = re.search(r'exec (\.venv/bin/openledger .*?)"\n', text, re.DOTALL)
    assert command is not None
    node = parsed(command[1].replace("\n", " "))
    assert f"127.0.0.1:{node['rpc_port']}:{node['rpc_port']}" in text
    assert f'"{node["p2p_port"]}:{node["p2p_port"]}"' in text
    assert "node" in node["allow_host"]
