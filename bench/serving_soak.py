"""A server under load for minutes: thousands of adapters, flat memory, and a quick restart.

    python -m bench.serving_soak --minutes 10 --adapters 2000 --json

A process of `openledger serve` answers clients over HTTP, each of whom asks a random adapter again
and again.  Its memory is read every second.  Then it is stopped and started again:

    rss_mib_per_minute   the slope of its memory over the second half, by least squares
    rss_growth           the last tenth's mean over that at the beginning of the second half, less 1
    errors               answers that were not 200, or had another text than the adapter's first
    restart_s            from the start of a new process to the first token of a known adapter
    restart_cpu_s        what that took of the processor, on a machine with other work

It holds if there is no error and memory grew by at most 2 % in the second half.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.report import report
from bench.serving_models import BenchModel, make_model
from genesis.embedded_model import EMBEDDED_MODEL

CLIENTS = 32
ANSWER_TOKENS = 16
QUESTIONS = (
    "What is a list?",
    "Name a colour.",
    "How long is a day?",
    "Where does rain come from?",
)
TIMEOUT_S = 300.0
SAMPLE_S = 1.0
GROWTH_MAX = 0.02
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(slots=True)
class Traffic:
    """What the clients have seen."""

    stop: threading.Event = field(default_factory=threading.Event)
    answers: Counter[int] = field(default_factory=Counter)
    """By status; 0 where nothing was answered."""
    different: int = 0
    known: dict[tuple[str, str], str] = field(default_factory=dict)
    """The first answer of each adapter to each question."""

    def ask(self, url: str, names: Sequence[str], seed: int) -> None:
        """Ask until told to stop (a client's thread)."""
        source = random.Random(seed)  # noqa: S311 # repeatable traffic, not secrets
        with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http:
            while not self.stop.is_set():
                asked = source.choice(names), source.choice(QUESTIONS)
                try:
                    response = http.post(f"{url}/v1/completions", json=_body(*asked))
                except httpx.HTTPError:
                    self.answers[0] += 1
                    continue
                self.answers[response.status_code] += 1
                if response.is_success:
                    text = response.json()["choices"][0]["text"]
                    self.different += self.known.setdefault(asked, text) != text

    @property
    def errors(self) -> int:
        """What should not be."""
        return self.different + sum(self.answers.values()) - self.answers[200]


def main() -> None:
    """Run the soak, print its figures, and exit with 1 if it does not hold."""
    parser = argparse.ArgumentParser(description="A server under load, and its memory.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--adapters", type=int, default=2_000)
    parser.add_argument("--size", choices=("tiny", "10m"), default="10m")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = soak(Path(folder), options.size, options.adapters, options.minutes * 60)
    report("serving_soak", dict(figures))
    if figures["errors"] or figures["rss_growth"] > GROWTH_MAX:
        sys.exit(1)


def soak(folder: Path, size: str, adapters: int, seconds: float) -> dict[str, float]:
    """Load a server for some time, restart it, and say what was seen."""
    model = make_model(folder, size, 8, adapters)
    for name in TOKENIZER_FILES:
        shutil.copy(EMBEDDED_MODEL / name, model.directory / name)
    names = [digest.hex() for digest in model.hashes]
    traffic = Traffic()
    with running_server(model, folder) as (server, url):
        samples = list(_sample(server.pid, url, names, traffic, seconds))
    second = samples[len(samples) // 2 :]
    tenth = max(1, len(second) // 5)
    first_mib, last_mib = (
        statistics.fmean(mib for _, mib in part) for part in (second[:tenth], second[-tenth:])
    )
    slope = statistics.linear_regression(*zip(*second, strict=True)).slope
    restart_s, restart_cpu_s = _restart(model, folder, traffic)
    return {
        "minutes": seconds / 60,
        "adapters": adapters,
        "adapters_asked": len({name for name, _ in traffic.known}),
        "answers": traffic.answers[200],
        "errors": traffic.errors,
        "rss_mib_start": samples[0][1],
        "rss_mib_half": first_mib,
        "rss_mib_end": last_mib,
        "rss_growth": last_mib / first_mib - 1,
        "rss_mib_per_minute": slope * 60,
        "restart_s": restart_s,
        "restart_cpu_s": restart_cpu_s,
    }


@contextmanager
def running_server(model: BenchModel, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of the real command, and its URL."""
    command = [sys.executable, "-m", "node.cli", "serve", "--json", "--log-level", "error"]
    command += ["--adapters", str(model.adapters), "--base", str(model.directory)]
    command += ["--data", str(folder / "server"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield server, _url_of(server)
        finally:
            server.send_signal(signal.SIGTERM)


def _url_of(server: subprocess.Popen[str]) -> str:
    if server.stdout is None:
        raise RuntimeError("The server has no output.")
    text = ""
    for line in server.stdout:
        text += line
        if line.startswith("}"):
            return str(json.loads(text)["url"])
    raise RuntimeError("The server did not start.")


def _sample(
    pid: int, url: str, names: Sequence[str], traffic: Traffic, seconds: float
) -> Iterator[tuple[float, float]]:
    """(seconds, MiB) of the server's memory while the clients ask."""
    clients = [
        threading.Thread(target=traffic.ask, args=(url, names, seed)) for seed in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    started_s = time.monotonic()
    try:
        while (elapsed_s := time.monotonic() - started_s) < seconds:
            time.sleep(SAMPLE_S)
            yield elapsed_s, _resident_mib(pid)
    finally:
        traffic.stop.set()
        for client in clients:
            client.join()


def _restart(model: BenchModel, folder: Path, traffic: Traffic) -> tuple[float, float]:
    """Seconds from a new process to the first token of a known adapter, and of its CPU time."""
    (name, question), _ = next(iter(traffic.known.items()))
    started_s = time.perf_counter()
    with (
        running_server(model, folder) as (server, url),
        httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http,
        http.stream("POST", f"{url}/v1/completions", json=_body(name, question, stream=True)) as it,
    ):
        next(line for line in it.iter_lines() if line.startswith("data: {"))
        return time.perf_counter() - started_s, _cpu_s(server.pid)


def _body(model: str, prompt: str, **options: object) -> dict[str, object]:
    return {"model": model, "prompt": prompt, "max_tokens": ANSWER_TOKENS} | options


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
