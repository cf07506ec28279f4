"""Resolve `pyproject.toml` into `requirements.lock`: exact versions, hashes, no index named.

torch stays out: its builds differ per platform, so it is pinned by version in `ops/bootstrap.py`.
Run by `make lock`, inside `.venv`.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"


def without_torch(lock: str) -> str:
    """Drop torch's own entry, its hashes included, and comments from the text of a lock."""
    entry = r"^torch==.*(?:\n[ \t]+.*)*\n|^#.*\n"
    return re.sub(entry, "", lock, flags=re.MULTILINE)


def main() -> None:
    """Write the lock with pip-tools."""
    command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes"]
    command += ["--extra", "dev", "--allow-unsafe", "--strip-extras", "--no-header"]
    command += ["--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"]
    command += ["--no-annotate", "--output-file", str(LOCK), str(ROOT / "pyproject.toml")]
    subprocess.run(command, check=True, cwd=ROOT)
    LOCK.write_text(without_torch(LOCK.read_text()))


if __name__ == "__main__":
    main()
