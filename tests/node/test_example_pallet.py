"""The example package, as its user has it: built, installed beside OpenLedger, run by a real node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from genesis.chain_spec import ChainSpec, dev_spec
from runtime.types import OPEN

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "bounties"
TIMEOUT_S = 240
StartNode = Callable[..., Any]


def run(*arguments: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run `python -m ...` to its end."""
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The environment of a user who installed the example's wheel into a folder."""
    folder = tmp_path_factory.mktemp("example")
    source = shutil.copytree(EXAMPLE, folder / "source")
    pip = ("pip", "--disable-pip-version-check")
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    wheels = str(folder / "wheels")
    run(*pip, "wheel", "-q", *offline, "-w", wheels, str(source), folder=folder, environment={})
    (wheel,) = (folder / "wheels").glob("bounties-*.whl")
    target = str(folder / "site")
    run(*pip, "install", "-q", *offline, "-t", target, str(wheel), folder=folder, environment={})
    return {"PYTHONPATH": os.pathsep.join([str(ROOT), target])}


@pytest.fixture
def example(installed: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the processes that this test starts see the installed example."""
    for name, value in installed.items():
        monkeypatch.setenv(name, value)


def test_its_own_tests_and_lints_are_green(installed: Mapping[str, str], tmp_path: Path) -> None:
    """Against the installed wheel, not against the sources beside the tests."""
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    tests = ("pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert " passed" in run(*tests, folder=tmp_path, environment=installed)
    source = shutil.copytree(EXAMPLE, tmp_path / "source")
    path = {"MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)}
    run("ruff", "format", "--check", ".", folder=source, environment={})
    run("ruff", "check", ".", folder=source, environment={})
    run("mypy", "--cache-dir", os.devnull, folder=source, environment=path)


def test_its_weights_are_those_measured(installed: Mapping[str, str], tmp_path: Path) -> None:
    """`openledger pallet bench` finds the package by its entry point, and no count has drifted."""
    bench = ("node.cli", "pallet", "bench", "Bounties", "--check", "--time-drift-max=1000000")
    said = run(*bench, "--samples", "2", folder=tmp_path, environment=installed)
    assert said == "No drift.\n"


@pytest.mark.usefixtures("example")
def test_a_node_runs_it_and_the_command_line_knows_it(
    start_node: StartNode, openledger_process: Callable[..., Any]
) -> None:
    """Dev --pallet, tx, query: a call of the package ends in the state, with no edit anywhere."""
    node = start_node(start=("dev", "--pallet", "Bounties"))
    at = ("--node", node.url)

    def said(*arguments: str) -> str:
        ended = openledger_process(*arguments, *at)
        assert ended.returncode == 0, ended.stderr
        return str(ended.stdout)

    assert "Bounties.post" in said("tx")
    post = ("--title", "Find the bug", "--reward", "5OPEN", "--ends_at", "100000")
    posted = json.loads(said("tx", "bounties", "post", *post, "--key", "dev:alice", "--json"))
    assert posted["ok"]
    bounty = json.loads(said("query", "bounties", "bounties", "0"))
    assert (bounty["title"], bounty["reward"]) == ("Find the bug", 5 * OPEN)
    said("tx", "bounties", "award", "--bounty", "0", "--winner", "dev:bob", "--key", "dev:alice")
    assert json.loads(said("query", "bounties", "promised")) == 0
    (entry,) = ChainSpec.load(node.data / "chain.toml").pallets
    assert (entry.name, entry.index, entry.package) == ("Bounties", 101, "bounties")
    wrong = openledger_process("tx", "bounties", "award", "--bounty=0", "--winner=dev:bob", *at)
    assert "no open bounty with this number" in wrong.stderr


@pytest.mark.usefixtures("example")
def test_init_writes_it_into_the_chain_spec(
    openledger_process: Callable[..., Any], tmp_path: Path
) -> None:
    """The directory's chain.toml lists it; another chain's directory is not touched."""
    spec = tmp_path / "spec.toml"
    dev_spec().save(spec)
    data = tmp_path / "data"
    arguments = ("init", "--data", str(data), "--chain", str(spec), "--json")
    made = openledger_process(*arguments, "--pallet", "Bounties")
    assert made.returncode == 0, made.stderr
    assert [each.name for each in ChainSpec.load(data / "chain.toml").pallets] == ["Bounties"]
    other = openledger_process(*arguments)
    assert other.returncode == 2
    assert "belongs to another chain" in other.stderr
    twice = openledger_process(
        "init", "--data", str(tmp_path / "twice"), "--chain", str(data / "chain.toml"),
        "--pallet", "Bounties",
    )  # fmt: skip
    assert "two pallets named Bounties" in twice.stderr
    assert not (tmp_path / "twice").exists()


def test_without_the_package_node_and_client_say_what_to_install(
    start_node: StartNode,
    openledger_process: Callable[..., Any],
    installed: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A chain that runs the package is not served, or used, by a machine that lacks it."""
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", installed["PYTHONPATH"])
        node = start_node(start=("dev", "--pallet", "Bounties"))
    for command in (("tx",), ("query", "balances", "accounts")):
        lost = openledger_process(*command, "--node", node.url)
        assert lost.returncode == 2
        assert "No installed package bounties offers a pallet Bounties." in lost.stderr
        assert "pip install bounties" in lost.stderr
    node.stop()
    again = openledger_process("dev", "--data", str(node.data))
    assert again.returncode == 2
    assert "No installed package bounties offers a pallet Bounties." in again.stderr
