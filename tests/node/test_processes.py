"""The demo's children: started, revived when killed, never left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node.demo.processes import Processes, ProcessFailed, launch
from node.ports import free_port

PATIENCE_SECONDS = 10.0


def wait_until(condition) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def with_child(folder: Path, *code: str) -> Processes:
    """A `Processes` whose one child runs Python code instead of the command line."""
    processes = Processes(folder)
    processes.__enter__()
    processes.start("node", ["--help"])
    processes.stop()
    child = processes.children["node"]
    child.command = (sys.executable, "-c", *code)
    child.process = launch(child.command, child.log)
    return processes


def test_a_killed_child_is_started_again(tmp_path: Path):
    """What somebody killed runs again after `check`, which names it."""
    with with_child(tmp_path, "import time; time.sleep(60)") as processes:
        child = processes.children["node"]
        child.process.kill()
        child.process.wait()
        assert processes.check() == ["node"]
        assert child.process.poll() is None
    assert child.process.poll() is not None


def test_a_child_that_fails_is_reported_with_its_words(tmp_path: Path):
    """A child that ends by itself is an error that quotes the end of its log."""
    with with_child(tmp_path, "print('the disk is full'); raise SystemExit(2)") as processes:
        processes.children["node"].process.wait()
        with pytest.raises(ProcessFailed, match="the disk is full"):
            processes.check()


def test_tracebacks_are_found_in_the_logs(tmp_path: Path):
    """A child whose log holds a traceback is named."""
    with with_child(tmp_path, "1/0") as processes:
        processes.children["node"].process.wait()
        assert processes.tracebacks() == ["node"]


def test_no_child_outlives_a_killed_parent():
    """SIGKILL of the parent ends its children: the kernel tells them."""
    script = (
        "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-m', 'node.demo.child',"
        " sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)'],"
        " stdout=subprocess.PIPE); child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert wait_until(lambda: not is_alive(child))


def test_a_free_port_can_be_listened_on():
    """The port is in the unprivileged range."""
    assert 1024 <= free_port() < 65_536
