"""Studio on a real network of four validators, and Debian's chromium, for the browser tests.

One Studio serves all tests of a run; the first steps are taken once, through the pages themselves.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from node.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT_S = 180
LESSON_TIMEOUT_MS = 900_000
"""Training takes long on a busy machine of two cores."""
ATTRIBUTION_TIMEOUT_MS = 4 * LESSON_TIMEOUT_MS
expect.set_options(timeout=60_000)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Proves that nothing is needed from elsewhere: no other host has an address.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@dataclass
class RunningStudio:
    """`openledger studio --dev` in a folder of its own."""

    folder: Path
    url: str
    process: subprocess.Popen[bytes]
    lesson: dict[str, Any] = field(default_factory=dict)

    def node_url(self) -> str:
        """The node that it speaks to, as its log says."""
        log = (self.folder / "studio.log").read_text()
        return log.rpartition("node=")[2].split()[0]


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    """Studio with its network, worker and server."""
    folder = tmp_path_factory.mktemp("studio")
    port = free_port()
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OPENLEDGER_HOME": str(folder / "home")}
    # NiceGUI would take the process for one of its own tests.
    environment.pop("PYTEST_CURRENT_TEST", None)
    with (folder / "studio.log").open("wb") as log:
        command = [sys.executable, "-m", "node.cli", "studio", "--dev", f"--port={port}"]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    running = RunningStudio(folder, f"http://127.0.0.1:{port}", process)
    try:
        _wait_until_up(running)
        yield running
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_up(studio: RunningStudio) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if httpx.get(studio.url, timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        if studio.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError((studio.folder / "studio.log").read_text())
        time.sleep(0.2)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver."""
    with sync_playwright() as started:
        yield started


def launch(playwright: Playwright) -> Browser:
    """A new chromium; Debian's, because no other is downloaded."""
    path = shutil.which("chromium")
    assert path is not None, "chromium is missing: apt-get install chromium"
    return playwright.chromium.launch(executable_path=path, args=list(FLAGS))


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One browser for the tests that do not kill it."""
    with launch(playwright) as opened:
        yield opened


def watched(context: BrowserContext) -> list[str]:
    """What the pages of a context ask of other hosts; it stays empty."""
    elsewhere: list[str] = []

    def note(url: str) -> None:
        if not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")):
            elsewhere.append(url)

    context.on("request", lambda request: note(request.url))
    return elsewhere


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a browser session of its own; it asks nothing of other hosts."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    elsewhere = watched(context)
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    context.close()
    assert elsewhere == []


@pytest.fixture(scope="session")
def learned(studio: RunningStudio, browser: Browser) -> RunningStudio:
    """The three clicks, taken once: data, a model, an answer with its sources."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(LESSON_TIMEOUT_MS)
    page.goto(studio.url)
    page.get_by_role("button", name="Load the sample data").click()
    page.get_by_role("button", name="Train a model on it").click()
    page.get_by_role("button", name="Ask it a question").click()
    expect(page.get_by_text("Sources ·").first).to_be_visible(timeout=LESSON_TIMEOUT_MS)
    context.close()
    file = studio.folder / ".openledger/studio/lesson.json"
    studio.lesson = json.loads(file.read_text())
    return studio


@pytest.fixture(scope="session")
def attributed(learned: RunningStudio, browser: Browser) -> RunningStudio:
    """The answer's epoch has ended and its job is settled: who moved it is known, and who is paid.

    The job replays the training forward and backward, and takes several times as long.
    """
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(LESSON_TIMEOUT_MS)
    page.goto(f"{learned.url}/chat")
    page.get_by_text("Sources ·").first.click()
    moved = page.get_by_text("What moved this answer")
    expect(moved).to_be_visible(timeout=ATTRIBUTION_TIMEOUT_MS)
    context.close()
    return learned
