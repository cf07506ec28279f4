"""What the serving engine does, in the Prometheus text format."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ml.serving.engine import EngineFigures
from ml.serving.requests import Lane

_FIRST_TOKEN_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TOKEN_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
_TEXTS = {
    "steps": "Decoding passes.",
    "rows": "Rows of those passes, gaps included.",
    "answer_tokens": "Tokens chosen in those passes.",
    "prompt_tokens": "Tokens of prompts computed.",
    "shared_tokens": "Tokens of prompts found in pages of earlier requests.",
    "slot_loads": "Requests whose slot did not hold their adapter yet.",
}


_Figures = Callable[[], Mapping[Lane, EngineFigures]]


class _Collector(Collector):
    def __init__(self, figures: _Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All metrics of one moment; adapters are both lanes' together."""
        figures = self._figures()
        requests = GaugeMetricFamily(
            "openledger_serving_requests", "Requests by state.", labels=["lane", "state"]
        )
        for lane, own in figures.items():
            for state in ("running", "ready", "waiting"):
                requests.add_metric([lane, state], getattr(own, state))
        yield requests
        yield from _adapter_metrics(figures["fast"])
        for name, text in _TEXTS.items():
            metric = CounterMetricFamily(f"openledger_serving_{name}", text, labels=["lane"])
            for lane, own in figures.items():
                metric.add_metric([lane], own.batch[name])
            yield metric


def _adapter_metrics(figures: EngineFigures) -> Iterator[Metric]:
    found = CounterMetricFamily(
        "openledger_serving_adapters_found", "Adapters by where they were.", labels=["tier"]
    )
    for tier, count in figures.adapters_found_in.items():
        found.add_metric([tier], count)
    yield found
    yield GaugeMetricFamily(
        "openledger_serving_adapters_resident",
        "Adapters in memory.",
        value=figures.adapters_resident,
    )
    yield GaugeMetricFamily(
        "openledger_serving_adapters_resident_bytes",
        "What they take.",
        value=figures.adapters_resident_bytes,
    )
    yield CounterMetricFamily(
        "openledger_serving_adapters_unwritten",
        "Adapters that could not be packed.",
        value=figures.adapters_unwritten,
    )


class ServingMetrics:
    """The metrics of one server."""

    def __init__(self, figures: _Figures) -> None:
        """Read the engine's `figures` whenever the metrics are asked for."""
        self.registry = CollectorRegistry()
        self.registry.register(_Collector(figures))
        self.first_token_seconds = Histogram(
            "openledger_serving_first_token_seconds",
            "From a request that may be answered to its first token.",
            buckets=_FIRST_TOKEN_BUCKETS_S,
            registry=self.registry,
        )
        self.token_seconds = Histogram(
            "openledger_serving_token_seconds",
            "From one token of an answer to the next.",
            buckets=_TOKEN_BUCKETS_S,
            registry=self.registry,
        )

    def text(self) -> bytes:
        """All of them as Prometheus reads them."""
        return generate_latest(self.registry)


class TokenClock:
    """The times between the tokens of one answer."""

    def __init__(self, metrics: ServingMetrics) -> None:
        """The answer may begin now."""
        self._metrics = metrics
        self._last_s = time.perf_counter()
        self._has_begun = False

    def tick(self) -> None:
        """A token is there."""
        now_s = time.perf_counter()
        metric = (
            self._metrics.token_seconds if self._has_begun else self._metrics.first_token_seconds
        )
        metric.observe(now_s - self._last_s)
        self._last_s, self._has_begun = now_s, True
