"""`openledger pallet new`: the package's tests and lints are green before the first edit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.errors import ConfigError
from node.scaffold.pallet_package import check_name, write_package

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., Any]
TIMEOUT_S = 240


def run_module(folder: Path, *arguments: str) -> str:
    """Run `python -m ...` in a package's folder with OpenLedger and the package on the path."""
    path = os.pathsep.join([str(ROOT), str(folder)])
    ended = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "MYPYPATH": path},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new package, with a name of two words and an index of its own."""
    return write_package(tmp_path_factory.mktemp("new"), "name-service", 150)


def test_the_tests_are_green(package: Path) -> None:
    """Its own tests pass as they are."""
    assert " passed" in run_module(package, "pytest", "-q", "-p", "no:cacheprovider")


def test_the_lints_are_green(package: Path) -> None:
    """Format, rules and strict types."""
    run_module(package, "ruff", "format", "--check", ".")
    run_module(package, "ruff", "check", ".")
    assert "Success" in run_module(package, "mypy", "--cache-dir", os.devnull)


def test_the_folder_has_the_usual_files(package: Path) -> None:
    """In their places, with every name filled in."""
    names = sorted(
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.suffix in {".md", ".py", ".toml"}
    )
    assert names == [
        "README.md",
        "name_service/__init__.py",
        "name_service/benchmarks.py",
        "name_service/pallet.py",
        "name_service/types.py",
        "name_service/weights.py",
        "pyproject.toml",
        "tests/test_pallet.py",
    ]
    assert not [name for name in names if "$" in (package / name).read_text()]
    pallet = (package / "name_service" / "pallet.py").read_text()
    assert "class NameService(Pallet, index=150):" in pallet
    parts = ["# Constants", "# Storage", "# Events", "# Errors", "# Calls", "# Hooks"]
    places = [pallet.index(part) for part in [*parts, "# Invariants"]]
    assert places == sorted(places)
    assert (
        'NameService = "name_service.pallet:NameService"'
        in (package / "pyproject.toml").read_text()
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "9lives",
        "Greeter",
        "a__b",
        "_a",
        "a_",
        "a b",
        "../a",
        "x" * 41,
        "class",
        "json",
        "pallets",
    ],
)
def test_names_that_cannot_be_packages_are_refused(name: str) -> None:
    """Wrong characters, keywords, and what Python finds already."""
    with pytest.raises(ConfigError) as caught:
        check_name(name)
    assert caught.value.remedy


def test_an_existing_folder_is_left_alone(tmp_path: Path, openledger: Run) -> None:
    """The command says so and exits with 2; the first time it says what comes next."""
    arguments = ("pallet", "new", "greeting_cards", "--directory", str(tmp_path))
    first = openledger(*arguments)
    assert first.returncode == 0
    assert "openledger dev --pallet GreetingCards" in first.stdout
    (tmp_path / "greeting_cards" / "README.md").write_text("mine")
    again = openledger(*arguments)
    assert again.returncode == 2
    assert "exists already." in again.stderr
    assert (tmp_path / "greeting_cards" / "README.md").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_an_error(openledger: Run) -> None:
    """A sentence, not a traceback."""
    result = openledger("pallet", "new", "greeting_cards", "--directory", "/proc/nowhere")
    assert result.returncode == 2
    assert "cannot be written" in result.stderr
