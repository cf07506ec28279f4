"""docs/build: every Python block runs, and the tutorial is followed to the letter."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genesis.chain_spec import dev_spec, genesis_of
from genesis.compose import compose
from node.snapshots import export_snapshot
from runtime.block import Block
from runtime.state.store import BlockRecord, Store

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "build"
PAGES = ("storage.md", "calls.md", "weights.md", "migrations.md", "testing.md")
"""Those that need no node; other pages have their own tests."""
TUTORIAL = DOCS / "first-pallet.md"
BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
FILE = re.compile(r"`([\w/]+\.py)`:$")
TIMEOUT_S = 120


def blocks(path: Path) -> Iterator[tuple[str, str, str]]:
    """The line before each block, its language, and its text."""
    for match in BLOCK.finditer(path.read_text()):
        yield match["before"], match["language"], match["text"]


def run_page(name: str, folder: Path) -> dict[str, Any]:
    """The names that a page's blocks define, one after the other."""
    texts = [text for _, language, text in blocks(DOCS / name) if language == "python"]
    program = folder / "page.py"
    program.write_text("".join(texts))
    return runpy.run_path(str(program), run_name="page")


@pytest.mark.parametrize("name", PAGES)
def test_python_blocks_run(name: str, tmp_path: Path) -> None:
    """The blocks of a page are a program that ends without an error."""
    run_page(name, tmp_path)


def test_the_dry_run_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, openledger: Callable[..., Any]
) -> None:
    """migrations.md: the page's own pallet, on a development chain, to the letter but the time."""
    page = run_page("migrations.md", tmp_path)
    runtime, pallets = compose([page["first_journal"]()])
    block, genesis, _ = genesis_of(dev_spec(), runtime, pallets)
    sentences = {key: value for key, value in page["state"].items() if key[:16] == page["key"][:16]}
    changes = genesis | sentences
    with closing(Store.open(tmp_path / "state", create=True)) as store:
        prepared = store.prepare(changes)
        header = replace(block.header, state_root=prepared.root)
        encoded = Block(header, (), b"").encode()
        store.commit(prepared, BlockRecord(0, header.id(), encoded, b"", b"\x80", ()))
        export_snapshot(store.freeze(), tmp_path / "snapshot")
    monkeypatch.setattr("genesis.compose.SPEC_VERSION", 2)
    upgraded = compose([page["Journal"]])[0]
    monkeypatch.setattr("genesis.compose.compose_runtime", lambda: upgraded)
    printed = openledger("try-upgrade", "--snapshot", str(tmp_path / "snapshot"))
    (shown,) = [text for _, language, text in blocks(DOCS / "migrations.md") if language == "text"]
    assert _lines(printed.stdout) == _lines(shown)


def _lines(text: str) -> list[str]:
    """Without times, and spaces at the ends of lines."""
    return [re.sub(r"\d+ ms", "N ms", line).rstrip() for line in text.splitlines()]


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link is a file of the repository."""
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#:]+)\)", prose)
    assert [each for each in targets if not (path.parent / each).exists()] == []


class Newcomer:
    """Follows the tutorial in an empty folder, as far as a program can."""

    def __init__(self, folder: Path, start_node: Callable[..., Any]) -> None:
        self.folder = folder
        self.start_node = start_node
        path = os.pathsep.join([str(ROOT), str(folder / "site"), str(folder / "greeter")])
        self.environment = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}

    def type(self, line: str) -> None:
        """Run a line of a shell block."""
        words = shlex.split(line)
        if words[0] == "cd":
            self.folder = self.folder / words[1]
        elif words[0] == "pip":
            self.install()
        elif words[:2] == ["openledger", "dev"]:
            node = self.start_node(start=tuple(words[1:]))
            self.environment["OPENLEDGER_NODE"] = node.url
        else:
            module = {"openledger": "node.cli", "pytest": "pytest"}[words[0]]
            self.run([sys.executable, "-m", module, *words[1:]])

    def install(self) -> None:
        """What an editable install leaves: the package's metadata, beside its sources."""
        info = self.folder.parent / "site" / "greeter-0.1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeter\nVersion: 0.1.0\n")
        project = (self.folder / "pyproject.toml").read_text()
        (entry,) = re.findall(r'^(\w+) = "(greeter\.pallet:\w+)"$', project, re.MULTILINE)
        (info / "entry_points.txt").write_text(f"[openledger.pallets]\n{entry[0]} = {entry[1]}\n")

    def run(self, command: Sequence[str]) -> None:
        """Run a program to its end; it must succeed."""
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert ended.returncode == 0, f"{command}: {ended.stdout}{ended.stderr}"

    def write(self, name: str, text: str) -> None:
        """Replace a file of the package, which is there."""
        assert (self.folder / name).exists(), name
        (self.folder / name).write_text(text)

    def edit(self, name: str, difference: str) -> None:
        """Apply a diff block: each run of `-` lines becomes the `+` lines that follow it."""
        path = self.folder / name
        for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)*)", difference, re.MULTILINE):
            before = re.sub(r"^-", "", old, flags=re.MULTILINE)
            after = re.sub(r"^\+", "", new, flags=re.MULTILINE)
            text = path.read_text()
            assert text.count(before) == 1, before
            path.write_text(text.replace(before, after))


def test_the_tutorial_works(
    tmp_path: Path, start_node: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is written, every command run, every difference applied, in the page's order."""
    newcomer = Newcomer(tmp_path, start_node)
    for name, value in newcomer.environment.items():
        monkeypatch.setenv(name, value)
    for before, language, text in blocks(TUTORIAL):
        if language == "sh":
            for line in text.splitlines():
                newcomer.type(line)
            continue
        named = FILE.search(before)
        assert named, before
        (newcomer.edit if language == "diff" else newcomer.write)(named[1], text)
    assert "greet = Weight(" in (tmp_path / "greeter" / "greeter" / "weights.py").read_text()
