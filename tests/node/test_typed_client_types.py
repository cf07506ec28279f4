"""mypy and pyright accept what is right of the typed client, and find what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api as mypy

ROOT = Path(__file__).resolve().parent.parent.parent
PYRIGHT_TIMEOUT_S = 300
USAGE = '''
"""Each line that ends in `# error` has one; the others are right."""

from typing import assert_type

from node.chain_client.calls import Included, SignedCall
from node.chain_client.openledger import Account, Balances, Chain, JobState, Prices, Worker
from node.connection import Head
from runtime.keys import Keypair


def use(chain: Chain, alice: Keypair, bob: bytes) -> None:
    """Calls, storage, constants, events, errors."""
    signed = chain.balances.transfer(bob, 5).sign(alice, tip=1, era_blocks=64)
    assert_type(signed, SignedCall)
    assert_type(chain.balances.transfer(receiver=bob, amount=5).sign(alice).submit(), Included)
    assert_type(signed.fee(), int)
    chain.utility.batch((chain.balances.transfer(bob, 1), chain.system.remark(b""))).sign(alice)
    chain.utility.batch((signed,))  # error
    chain.balances.transfer(bob)  # error
    chain.balances.transfer(bob, "5")  # error
    chain.balances.transfer(bob, amount=5, memo="")  # error
    chain.balances.transfer("bob", 5)  # error
    chain.balances.fly(bob)  # error
    chain.balances.transfer(bob, 5).submit()  # error
    chain.balances.transfer(bob, 5).sign(bob)  # error

    assert_type(chain.balances.accounts(bob), Account)
    assert_type(chain.balances.accounts(bob).free, int)
    assert_type(chain.balances.accounts.at(5)(bob), Account)
    assert_type(chain.balances.accounts.entries(), list[tuple[bytes, Account]])
    assert_type(chain.balances.allowances(alice.account, bob), int)
    assert_type(chain.balances.allowances.entries(), list[tuple[bytes, bytes, int]])
    assert_type(chain.workers.workers(bob), Worker | None)
    assert_type(chain.balances.issuance(), int)
    assert_type(chain.balances.existential_deposit, int)
    assert_type(chain.models.default_prices, Prices)
    chain.balances.accounts("bob")  # error
    chain.balances.allowances(bob)  # error
    chain.balances.accounts(bob).balance  # error
    chain.workers.workers(bob).bond  # error
    chain.balances.accounts(bob).free = 5  # error

    included = signed.submit(timeout_s=5)
    assert_type(included.first(chain.balances.Transfer), Balances.Transfer)
    assert_type(included.first(Balances.Transfer).amount, int)
    for emitted in chain.events(chain.balances.Transfer):
        assert_type(emitted.event, Balances.Transfer)
        assert_type(emitted.event.receiver, bytes)
        print(emitted.event.reciever)  # error
    for head in chain.finalised_heads(since=3):
        assert_type(head, Head)
    try:
        signed.submit()
    except chain.balances.Insufficient as error:
        print(error.remedy)
    print(JobState.OPEN, JobState.CLOSED)  # error
'''
WRONG = {number for number, line in enumerate(USAGE.splitlines(), 1) if line.endswith("# error")}


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """A program that uses the typed client."""
    path = tmp_path / "usage.py"
    path.write_text(USAGE)
    return path


def test_mypy_knows_every_type(usage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under --strict it finds exactly the lines that are wrong."""
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--strict", "--no-error-summary"]
    options += ["--cache-dir", str(ROOT / ".mypy_cache" / "typed_client")]
    output, problems, _status = mypy.run([*options, "--no-pretty", str(usage)])
    assert problems == ""
    found = [line for line in output.splitlines() if ": error: " in line]
    assert {int(line.split(":")[1]) for line in found} == WRONG, output


def test_pyright_knows_every_type(usage: Path) -> None:
    """In strict mode it finds exactly the lines that are wrong."""
    settings = {
        "include": [str(usage)],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        # An expression that is only looked at is no error of types.
        "reportUnusedExpression": "none",
        "reportUnusedCallResult": "none",
    }
    project = usage.parent / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson"]
    ended = subprocess.run(
        [*command, "--project", str(project)],
        capture_output=True,
        text=True,
        timeout=PYRIGHT_TIMEOUT_S,
        check=False,
    )
    found = json.loads(ended.stdout)["generalDiagnostics"]
    errors = [each for each in found if each["severity"] == "error"]
    lines = {each["range"]["start"]["line"] + 1 for each in errors}
    assert lines == WRONG, "\n".join(
        f"{each['range']['start']}: {each['message']}" for each in errors
    )
