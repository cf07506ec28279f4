"""Resolve `pyproject.toml` into two locks: exact versions, hashes, no index named.

`requirements.lock` is what everybody installs, `requirements-studio.lock` what Studio needs more.
torch stays out: its builds differ per platform, so it is pinned by version in `ops/bootstrap.py`.
Run by `make lock`, inside `.venv`.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
STUDIO_LOCK = ROOT / "requirements-studio.lock"


def without_torch(lock: str) -> str:
    """Drop torch's own entry, its hashes included, and comments from the text of a lock."""
    entry = r"^torch==.*(?:\n[ \t]+.*)*\n|^#.*\n"
    return re.sub(entry, "", lock, flags=re.MULTILINE)


def compile_lock(output: pathlib.Path, *arguments: str) -> None:
    """Write a lock with pip-tools."""
    command = [sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes"]
    command += ["--allow-unsafe", "--strip-extras", "--no-header"]
    command += ["--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links"]
    command += ["--no-annotate", "--output-file", str(output), *arguments]
    subprocess.run(command, check=True, cwd=ROOT)


def entries(lock: str) -> dict[str, str]:
    """The entries of a lock by `name==version`."""
    found = re.findall(r"^(\S+==\S+).*(?:\n[ \t]+.*)*\n", lock, flags=re.MULTILINE)
    bodies = re.findall(r"^\S+==\S+.*(?:\n[ \t]+.*)*\n", lock, flags=re.MULTILINE)
    return dict(zip(found, bodies, strict=True))


def lock_studio() -> None:
    """Write what the extra `studio` needs besides the packages of the first lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with tempfile.TemporaryDirectory() as folder:
        wanted = pathlib.Path(folder) / "studio.in"
        wanted.write_text("\n".join(project["optional-dependencies"]["studio"]))
        resolved = pathlib.Path(folder) / "studio.lock"
        compile_lock(resolved, "--constraint", str(LOCK), str(wanted))
        known = entries(LOCK.read_text())
        added = entries(resolved.read_text())
    STUDIO_LOCK.write_text("".join(text for each, text in added.items() if each not in known))


def main() -> None:
    """Write both locks."""
    compile_lock(LOCK, "--extra", "dev", str(ROOT / "pyproject.toml"))
    LOCK.write_text(without_torch(LOCK.read_text()))
    lock_studio()


if __name__ == "__main__":
    main()
