"""The serving engine's bars, as ratios within one run.

    python -m bench.serving --json

One thread computes, and times are CPU seconds of the whole process (the loader's among them), so
that a busy machine disturbs the ratios little; latencies are wall-clock.  Every round measures all
engines on the same requests, one after another; the figures are medians over the rounds.  It writes
about 6 GB of random adapters to a temporary folder and takes some ten minutes; run it on an idle
machine.
"""

from __future__ import annotations

import argparse
import gc
import logging
import resource
import statistics
import tempfile
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from bench.report import report
from bench.serving_models import (
    CONTEXT_TOKENS,
    BenchModel,
    make_model,
    uniform_traffic,
    zipf_traffic,
)
from bench.serving_peers import PeftOneByOne, generate, mixed_batch
from ml.exact.shape import shape_of
from ml.manifest import manifest_of
from ml.serving.base import BaseShape, base_shape
from ml.serving.engine import PACKED_FOLDER, Engine, EngineSettings
from ml.serving.layout import RowLayout
from ml.serving.packed import PackedRows
from ml.serving.requests import GenerationRequest, TokenStep
from ml.serving.residents import Residents
from ml.serving.rows import NUMBER_BYTES
from ml.serving.ticket import Ticket

CLIENTS = 32
ROUNDS = 5
REQUESTS_10M = 96
REQUESTS_100M = 32
REQUESTS_VERIFIABLE = 48
ADAPTERS = 2_000
ADAPTERS_100M = 64
ADAPTERS_RANK_16 = 512
EQUALITY_TOKENS = 8
RESIDENT_ADAPTERS = 1_000

Traffic = Callable[[Sequence[bytes], int, int], list[GenerationRequest]]
"""Adapters, how many requests, a seed."""
Answer = Callable[[Sequence[GenerationRequest]], object]


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="The serving engine's bars, within one run.")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    figures: dict[str, float | None] = {"threads": 1}
    with tempfile.TemporaryDirectory() as folder:
        model = make_model(Path(folder), "10m", 8, ADAPTERS)
        figures |= equality_figures(model)
        figures |= throughput_figures(model)
        figures |= peft_figures(model)
        figures |= cliff_figures(model)
        figures |= latency_figures(model)
        figures |= load_figures(model)
        wide = make_model(Path(folder), "10m", 16, ADAPTERS_RANK_16)
        pack(wide)
        figures |= ratio_figures(wide, wide.hashes, REQUESTS_10M, "n512_10m_rank16")
        large = make_model(Path(folder), "100m", 8, ADAPTERS_100M)
        pack(large)
        figures |= ratio_figures(large, large.hashes, REQUESTS_100M, "n64_100m")
    report("serving", figures)


def engine_of(model: BenchModel, **changes: Any) -> Engine:
    """An engine whose slots have the rank of the model's adapters."""
    limits = {"rank_max": model.rank, "context_tokens_max": CONTEXT_TOKENS, "cache_tokens": 8_192}
    return Engine(model.directory, model.adapters, EngineSettings(**limits | changes))


def answer(engine: Engine, requests: Sequence[GenerationRequest]) -> list[Ticket]:
    """Let 32 clients ask, each its next request when its last is answered."""
    left = deque(requests)
    tickets: list[Ticket] = []
    live: list[Ticket] = []
    while True:
        live = [ticket for ticket in live if not ticket.closed]
        while left and len(live) < CLIENTS:
            live.append(engine.submit(left.popleft()))
            tickets.append(live[-1])
        if not live:
            return tickets
        engine.step()


def steps_of(ticket: Ticket) -> list[TokenStep]:
    """All steps of an answer."""
    steps = [ticket.next_step()]
    while steps[-1].finish is None:
        steps.append(ticket.next_step())
    return steps


def pack(model: BenchModel) -> None:
    """Answer through every adapter once, which packs it."""
    with closing(engine_of(model)) as engine:
        answer(engine, [GenerationRequest((5,), key, 1) for key in model.hashes])


def equality_figures(model: BenchModel) -> dict[str, float | None]:
    """Whether 2,000 adapters answer as in PEFT, and each request as if it were alone."""
    requests = [
        replace(request, adapter=key, tokens_max=EQUALITY_TOKENS)
        for request, key in zip(
            uniform_traffic(model.hashes, ADAPTERS, 1), model.hashes, strict=True
        )
    ]
    with closing(engine_of(model, precision="float32")) as engine:
        answers = [[step.token for step in steps_of(ticket)] for ticket in answer(engine, requests)]
    peft = PeftOneByOne(model)
    different = sum(
        peft.answer(request) != tokens for request, tokens in zip(requests, answers, strict=True)
    )
    some = [replace(each, logprobs=5) for each in uniform_traffic(model.hashes, CLIENTS, 2)]
    with closing(engine_of(model)) as engine:
        together = [steps_of(ticket) for ticket in answer(engine, some)]
    with closing(engine_of(model)) as engine:
        alone = [steps_of(answer(engine, [request])[0]) for request in some]
    return {
        "token_equal_peft_n2000": float(different == 0),
        "answers_unlike_peft_n2000": different,
        "bit_equal_alone_vs_32": float(together == alone),
    }


def throughput_figures(model: BenchModel) -> dict[str, float | None]:
    """Ratios to the ceiling for several numbers of adapters, and for Zipf's traffic."""
    figures: dict[str, float | None] = {}
    for count in (64, 512, ADAPTERS):
        figures |= ratio_figures(model, model.hashes[:count], REQUESTS_10M, f"n{count}_10m")
    zipf = ratio_figures(
        model, model.hashes, REQUESTS_10M, f"n{ADAPTERS}_10m_zipf", traffic=zipf_traffic
    )
    return figures | zipf | verifiable_figures(model)


def verifiable_figures(model: BenchModel) -> dict[str, float | None]:
    """The exact operators' throughput over that of the lane `fast`, adapters drawn evenly."""
    with closing(engine_of(model)) as fast, closing(engine_of(model, lane="verifiable")) as exact:
        rates = measure(
            {
                "fast": lambda requests: answer(fast, requests),
                "verifiable": lambda requests: answer(
                    exact, [replace(request, lane="verifiable") for request in requests]
                ),
            },
            [uniform_traffic(model.hashes, REQUESTS_VERIFIABLE, seed) for seed in range(ROUNDS)],
        )
    return {
        "verifiable_over_fast": median_ratio(rates["verifiable"], rates["fast"]),
        "verifiable_tokens_per_s": statistics.median(rates["verifiable"]),
    }


def ratio_figures(
    model: BenchModel,
    hashes: Sequence[bytes],
    request_count: int,
    name: str,
    traffic: Traffic = uniform_traffic,
) -> dict[str, float | None]:
    """Throughput in both precisions over that of `generate` without any adapter."""
    with closing(engine_of(model)) as fast, closing(engine_of(model, precision="float32")) as exact:
        rates = measure(
            {
                "ceiling": lambda requests: generate(model.network, requests),
                "fast": lambda requests: answer(fast, requests),
                "fp32": lambda requests: answer(exact, requests),
            },
            [traffic(hashes, request_count, seed) for seed in range(ROUNDS)],
        )
    return {
        f"fast_over_hf_ceiling_{name}": median_ratio(rates["fast"], rates["ceiling"]),
        f"fp32_over_hf_ceiling_{name}": median_ratio(rates["fp32"], rates["ceiling"]),
        f"fast_tokens_per_s_{name}": statistics.median(rates["fast"]),
    }


def measure(
    contestants: Mapping[str, Answer], rounds: Sequence[Sequence[GenerationRequest]]
) -> dict[str, list[float]]:
    """Tokens per CPU second of each contestant in each round, after a short warm-up."""
    for contestant in contestants.values():
        contestant(rounds[0][:4])
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for requests in rounds:
        for name, contestant in contestants.items():
            gc.collect()
            started = time.process_time()
            contestant(requests)
            elapsed_s = time.process_time() - started
            rates[name].append(sum(request.tokens_max for request in requests) / elapsed_s)
    return rates


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(one / other for one, other in zip(above, below, strict=True))


def peft_figures(model: BenchModel) -> dict[str, float | None]:
    """PEFT's mixed batch of 32 random adapters, loading them included, under the same requests."""
    requests = uniform_traffic(model.hashes, CLIENTS, 3)
    with closing(engine_of(model)) as engine:
        rates = measure(
            {
                "engine": lambda some: answer(engine, some),
                "peft": lambda some: mixed_batch(model, some),
            },
            [requests],
        )
    return {"over_peft_mixed_batch_n2000": median_ratio(rates["engine"], rates["peft"])}


def cliff_figures(model: BenchModel) -> dict[str, float | None]:
    """Four times as many adapters as slots and as fit into memory, over as many as slots."""
    row_bytes = RowLayout(_shape_of(model)).size(model.rank) * NUMBER_BYTES
    few, many = model.hashes[:CLIENTS], model.hashes[: 4 * CLIENTS]
    small = {"adapters_resident_bytes": CLIENTS * row_bytes}
    with closing(engine_of(model)) as roomy, closing(engine_of(model, **small)) as tight:
        ratios = [
            measure({"": lambda some: answer(tight, some)}, [outgrown])[""][0]
            / measure({"": lambda some: answer(roomy, some)}, [resident])[""][0]
            for outgrown, resident in (
                (
                    uniform_traffic(many, REQUESTS_10M, seed),
                    uniform_traffic(few, REQUESTS_10M, seed),
                )
                for seed in range(ROUNDS)
            )
        ]
    return {"cliff_4x_slots_over_resident": statistics.median(ratios)}


def latency_figures(model: BenchModel) -> dict[str, float | None]:
    """Time to the first token, for one client alone and for 32 who come at once."""
    requests = uniform_traffic(model.hashes, 2 * CLIENTS, 4)
    with closing(engine_of(model)) as engine:
        engine.start()
        answer_times(engine, requests[:4])
        alone = [answer_times(engine, [request])[0] for request in requests[CLIENTS:]]
        together = answer_times(engine, requests[:CLIENTS])
    alone_ms, together_ms = statistics.median(alone), statistics.median(together)
    return {
        "ttft_ms_p50_alone": alone_ms,
        "ttft_ms_p50": together_ms,
        "ttft_32_over_alone": together_ms / alone_ms,
    }


def answer_times(engine: Engine, requests: Sequence[GenerationRequest]) -> list[float]:
    """Milliseconds until each of these requests, made at once, has its first token."""

    def ask(request: GenerationRequest) -> float:
        started = time.perf_counter()
        ticket = engine.submit(request)
        ticket.next_step()
        elapsed_ms = 1_000 * (time.perf_counter() - started)
        steps_of(ticket)
        return elapsed_ms

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(ask, requests))


def load_figures(model: BenchModel) -> dict[str, float | None]:
    """How long a packed adapter takes to load, and how much memory 1,000 of them take."""
    # A process of its own, because memory that was freed here would be used again unseen.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        keys = model.hashes[:RESIDENT_ADAPTERS]
        return pool.submit(
            load_all, model.directory, model.adapters, _shape_of(model), keys
        ).result()


def load_all(
    directory: Path, adapters: Path, shape: BaseShape, keys: Sequence[bytes]
) -> dict[str, float | None]:
    """Load packed adapters one after another and keep them."""
    base_hash = manifest_of(directory).hash()
    packed = PackedRows(adapters / PACKED_FOLDER, base_hash, RowLayout(shape), 1 << 40)
    residents = Residents(1 << 40)
    # Twice: whatever the first load brings along is not the adapter's.
    packed.read(keys[0])
    times = []
    before_bytes = resident_bytes()
    for key in keys:
        started = time.perf_counter()
        row = packed.read(key)
        times.append(1_000 * (time.perf_counter() - started))
        if row is None:
            raise RuntimeError("The adapter was not packed.")
        residents.insert(row)
    used_bytes = resident_bytes() - before_bytes
    return {
        "cold_load_ms_p50": statistics.median(times),
        "cold_load_ms_p99": statistics.quantiles(times, n=100)[-1],
        "rss_mib_per_1000_adapters": used_bytes / 2**20,
        "rss_over_parameters": used_bytes / residents.used_bytes,
    }


def resident_bytes() -> int:
    """The memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _shape_of(model: BenchModel) -> BaseShape:
    return base_shape(shape_of(model.network.config.to_dict()), CONTEXT_TOKENS)


if __name__ == "__main__":
    main()
