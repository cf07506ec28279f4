"""What the serving engine does, in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ml.serving.engine import EngineFigures

_TEXTS = {
    "steps": "Decoding passes.",
    "rows": "Rows of those passes, gaps included.",
    "answer_tokens": "Tokens chosen in those passes.",
    "prompt_tokens": "Tokens of prompts computed.",
    "shared_tokens": "Tokens of prompts found in pages of earlier requests.",
    "slot_loads": "Requests whose slot did not hold their adapter yet.",
}


class _Collector(Collector):
    def __init__(self, figures: EngineFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """All metrics of one moment."""
        figures = self._figures
        requests = GaugeMetricFamily(
            "openledger_serving_requests", "Requests by state.", labels=["state"]
        )
        for state in ("running", "ready", "waiting"):
            requests.add_metric([state], getattr(figures, state))
        yield requests
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
        for name, count in figures.batch.items():
            yield CounterMetricFamily(f"openledger_serving_{name}", _TEXTS[name], value=count)


def metrics_text(figures: EngineFigures) -> bytes:
    """The figures as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(_Collector(figures))
    return generate_latest(registry)
