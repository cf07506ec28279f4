"""Make `.venv` with everything in it; instant when nothing changed.

Runs on whatever `python3` a machine has, before anything is installed, so it keeps to syntax
that every Python 3 parses and says in one sentence what is missing.  The stamp file is written
last: a run that was killed half-way is simply continued by the next one.

`--studio` also installs what the web interface and its tests need (requirements-studio.lock).
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
VENV_PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".openledger-installed")
TORCH = "torch==2.13.0"
LOCKS = ("requirements.lock",)
ALL_LOCKS = (*LOCKS, "requirements-studio.lock")
PYTHON_MINIMUM = (3, 11)


def fail(sentence: str, remedy: str) -> None:
    """Print one sentence and its remedy, and exit with status 2."""
    print("openledger set-up: %s %s" % (sentence, remedy), file=sys.stderr)
    sys.exit(2)


def fingerprint(locks: tuple[str, ...]) -> str:
    """Return what the installation depends on, as one hash."""
    digest = hashlib.sha256(sys.version.encode() + TORCH.encode())
    for name in (*locks, "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def is_installed(locks: tuple[str, ...]) -> bool:
    """Return whether `.venv` holds what this checkout asks for, Studio's packages or not."""
    try:
        with open(STAMP) as file:
            done = file.read()
    except OSError:
        return False
    return done in {fingerprint(locks), fingerprint(ALL_LOCKS)} and os.path.exists(VENV_PYTHON)


def check_machine() -> None:
    """Refuse a machine that cannot work, before anything is downloaded."""
    if sys.version_info < PYTHON_MINIMUM:
        fail(
            "Python %d.%d is too old." % sys.version_info[:2],
            "Install Python 3.11 or newer, or name one: make PYTHON=python3.12 demo",
        )
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        fail(
            "No C compiler was found, and packages without a wheel for this machine need one.",
            "Install gcc (Debian and Ubuntu: apt-get install build-essential).",
        )
    try:
        import ensurepip  # noqa: F401 -- only their presence matters
        import venv  # noqa: F401 -- the same
    except ImportError:
        fail(
            "This Python cannot make virtual environments.",
            "Install the venv module (Debian and Ubuntu: apt-get install python3-venv).",
        )


def pip(*arguments: str) -> None:
    """Run pip of the virtual environment; its own output explains a failure."""
    command = [VENV_PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    if subprocess.call(command + list(arguments), cwd=ROOT) != 0:
        fail(
            "pip could not install %s." % " ".join(arguments),
            "Read pip's message above, check the network and the disk, and run the command again.",
        )


def install(locks: tuple[str, ...]) -> None:
    """Create the virtual environment and install the locked packages, torch and this project."""
    if os.path.isdir(VENV) and not os.path.exists(VENV_PYTHON):
        shutil.rmtree(VENV)
    if not os.path.isdir(VENV) and subprocess.call([sys.executable, "-m", "venv", VENV]) != 0:
        fail("`%s -m venv` failed." % sys.executable, "Read its message above.")
    print("openledger set-up 1/3: the locked packages", file=sys.stderr)
    for lock in locks:
        pip("--no-deps", "--require-hashes", "-r", lock)
    print("openledger set-up 2/3: %s" % TORCH, file=sys.stderr)
    pip(TORCH)
    print("openledger set-up 3/3: this project", file=sys.stderr)
    pip("--no-deps", "--no-build-isolation", "--editable", ".")
    with open(STAMP, "w") as file:
        file.write(fingerprint(locks))


if __name__ == "__main__":
    wanted = ALL_LOCKS if "--studio" in sys.argv[1:] else LOCKS
    if not is_installed(wanted):
        check_machine()
        install(wanted)
