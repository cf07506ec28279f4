"""The whole demo in miniature, with real processes, and a node that is killed in the middle."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from genesis.standard_library import Half, documentation_rows
from node.demo.settings import fresh_directory

MODULES = ("datetime", "calendar", "ftplib", "time")
ROWS_OF_EACH = 30
PATIENCE_SECONDS = 400.0
RESTARTED = re.compile(r"event=started.* height=(\d+)")


def small_table(path: Path) -> Path:
    """Rows of four modules: a table as somebody would bring it."""
    counts = dict.fromkeys(MODULES, 0)
    with path.open("w") as file:
        for row in documentation_rows(Half.DEMO):
            if counts.get(row.module, ROWS_OF_EACH) < ROWS_OF_EACH:
                counts[row.module] += 1
                line = {"question": row.prompt, "answer": row.completion, "who": row.module}
                file.write(json.dumps(line) + "\n")
    return path


def kill_node_while_training(folder: Path, killed: list[int]) -> None:
    """Send SIGKILL to the validator that the demo talks to as soon as the worker trains."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            stage = json.loads((folder / "work" / "progress.json").read_text())["stage"]
        except (OSError, ValueError):
            stage = ""
        if stage == "training":
            pattern = f"--data={folder / 'network' / 'validator'} "
            listing = subprocess.run(
                ["pgrep", "-f", "--", pattern], capture_output=True, check=False
            )
            for pid in map(int, listing.stdout.split()):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            return
        time.sleep(0.1)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """One run of `openledger demo` on a small table, its first validator killed once; (result, folder, killed)."""
    folder = tmp_path_factory.mktemp("demo")
    table = small_table(folder / "table.jsonl")
    target = folder / "run"
    killed: list[int] = []
    killer = threading.Thread(target=kill_node_while_training, args=(target, killed))
    killer.start()
    command = [sys.executable, "-m", "node.cli", "demo", f"--data={table}", f"--directory={target}"]
    command += ["--prompt=question", "--completion=answer", "--contributor=who"]
    result = subprocess.run(
        [*command, f"--json={folder / 'report.json'}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    killer.join()
    return result, folder, killed


def test_the_demo_survives_a_killed_node(demo):
    """Every check holds although the node was killed with SIGKILL while the worker trained."""
    result, folder, killed = demo
    assert killed
    assert result.returncode == 0, result.stdout[-3_000:] + result.stderr[-3_000:]
    report = json.loads((folder / "report.json").read_text())
    assert report["passed"]
    assert all(check["holds"] for check in report["checks"])


def test_the_restarted_node_goes_on_from_its_last_block(demo):
    """The second start continues at a height above 0, after checking the state root."""
    _, folder, _ = demo
    log = (folder / "run" / "logs" / "validator.log").read_text()
    heights = [int(match) for match in RESTARTED.findall(log)]
    assert len(heights) == 2
    assert heights[0] == 0
    assert heights[1] > 0


def test_one_of_four_validators_is_killed_and_catches_up(demo):
    """The demo itself kills another one, which ends with the same chain as all."""
    _, folder, _ = demo
    log = (folder / "run" / "logs" / "validator-3.log").read_text()
    heights = [int(match) for match in RESTARTED.findall(log)]
    assert len(heights) == 2
    assert heights[1] > 0
    checks = json.loads((folder / "report.json").read_text())["checks"]
    assert next(check["holds"] for check in checks if check["name"] == "the validators agree")


def test_every_unit_of_the_fees_is_accounted_for(demo):
    """The flows of the report sum to the fees, to the unit."""
    _, folder, _ = demo
    report = json.loads((folder / "report.json").read_text())
    assert sum(int(flow["amount"]) for flow in report["flows"]) == int(report["fees"]) > 0


def test_the_copier_earns_nothing_worth_copying_for(demo):
    """The copier's rows are duplicates, so at most a sliver of what it copied is paid to it."""
    _, folder, _ = demo
    lines = json.loads((folder / "report.json").read_text())["contributors"]
    by_name = {line["name"]: line for line in lines}
    assert by_name["copycat"]["duplicate"] > by_name["copycat"]["accepted"]


def test_receipts_verify_offline_and_a_changed_byte_does_not(demo):
    """`receipt verify` accepts every file, and refuses one with a flipped byte."""
    _, folder, _ = demo
    receipts = sorted((folder / "run" / "receipts").glob("*.receipt"))
    assert receipts
    command = [sys.executable, "-m", "node.cli", "receipt", "verify"]
    good = subprocess.run(
        [*command, *map(str, receipts)], capture_output=True, text=True, check=False
    )
    assert good.returncode == 0, good.stdout
    data = bytearray(receipts[-1].read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "bad.receipt").write_bytes(data)
    bad = subprocess.run(
        [*command, str(folder / "bad.receipt")], capture_output=True, text=True, check=False
    )
    assert bad.returncode == 1
    assert "FAILED" in bad.stdout


def test_no_process_is_left_behind(demo):
    """After the demo nothing runs that was started for its folder."""
    _, folder, _ = demo
    listing = subprocess.run(
        ["pgrep", "-f", "--", str(folder / "run")], capture_output=True, check=False
    )
    assert listing.stdout == b""


def test_ctrl_c_leaves_no_process_and_the_folder_free(tmp_path: Path):
    """SIGINT while processes run ends all of them quietly, and the folder can be used again."""
    target = tmp_path / "run"
    table = small_table(tmp_path / "table.jsonl")
    command = [sys.executable, "-m", "node.cli", "demo", f"--data={table}", f"--directory={target}"]
    command += ["--prompt=question", "--completion=answer", "--contributor=who"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as demo_process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (target / "work").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        demo_process.send_signal(signal.SIGINT)
        output, _ = demo_process.communicate(timeout=PATIENCE_SECONDS)
    assert demo_process.returncode == 130
    assert b"Traceback" not in output
    listing = subprocess.run(["pgrep", "-f", "--", str(target)], capture_output=True, check=False)
    assert listing.stdout == b""
    with fresh_directory(target):
        assert [entry.name for entry in target.iterdir()] == ["lock"]
