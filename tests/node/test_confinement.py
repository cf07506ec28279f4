"""A confined process computes, and can do nothing else."""

import json
import subprocess
import sys

import pytest

ATTEMPTS = """
import json, os, socket, subprocess, sys, tempfile
from pathlib import Path
import runtime
from node.confinement import confine

folder, secret, data = (Path(each) for each in sys.argv[1:4])
missing = confine(writable=folder, readable=(data,), packages=(runtime,), memory_bytes=2**33)

def allowed(attempt):
    try:
        attempt()
    except (PermissionError, MemoryError, OSError):
        return False
    return True

def write(path):
    path.write_text("x")

def import_late():
    import colorsys, runtime.cbor, runtime.state.multiproof

print(json.dumps({
    "missing": list(missing),
    "read what is named": allowed(data.read_text),
    "write in the folder": allowed(lambda: write(folder / "result")),
    "import": allowed(import_late),
    "discard": allowed(lambda: write(Path("/dev/null"))),
    "read a secret": allowed(secret.read_text),
    "list its folder": allowed(lambda: os.listdir(secret.parent)),
    "write what is named": allowed(lambda: write(data)),
    "write beside it": allowed(lambda: write(secret.parent / "new")),
    "open a socket": allowed(socket.socket),
    "open a local socket": allowed(lambda: socket.socket(socket.AF_UNIX)),
    "run a program": allowed(lambda: subprocess.run([sys.executable, "-c", ""])),
    "signal the parent": allowed(lambda: os.kill(os.getppid(), 0)),
    "take all memory": allowed(lambda: bytearray(2**34)),
}))
"""

CAN = ("read what is named", "write in the folder", "import", "discard")


@pytest.mark.skipif(sys.platform != "linux", reason="landlock and seccomp are Linux's")
def test_a_confined_process_can_compute_and_nothing_else(tmp_path):
    """It reads what is named and writes one folder; keys, network and processes are out of reach."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "secret").write_text("key")
    (tmp_path / "data").write_text("rows")
    places = [str(tmp_path / name) for name in ("folder", "keys/secret", "data")]
    command = [sys.executable, "-c", ATTEMPTS, *places]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found.pop("missing"):
        pytest.skip("this kernel cannot confine a process wholly")
    assert [name for name, is_allowed in found.items() if is_allowed] == list(CAN)
