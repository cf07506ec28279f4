"""Prometheus metrics of one node, served as text at /metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUILD_BUCKETS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0)
_ROUND_BUCKETS = (1, 2, 3, 5, 8, 16)
_FINALITY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """One node's metrics in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """For the metrics of other parts."""
        self.blocks = Counter(
            "openledger_blocks", "Blocks finalised by this process.", registry=self.registry
        )
        self.extrinsics = Counter(
            "openledger_extrinsics", "Extrinsics in those blocks.", registry=self.registry
        )
        self.build_seconds = Histogram(
            "openledger_block_build_seconds",
            "Time to execute a block's extrinsics.",
            buckets=_BUILD_BUCKETS_S,
            registry=self.registry,
        )
        self.signed = Counter(
            "openledger_consensus_signed",
            "Statements signed by this validator, by kind.",
            ["kind"],
            registry=self.registry,
        )
        self.evidence = Counter(
            "openledger_consensus_evidence",
            "Proofs of faults of validators that were seen.",
            registry=self.registry,
        )
        self.rounds = Histogram(
            "openledger_consensus_rounds",
            "Rounds that a height took until its block was decided here.",
            buckets=_ROUND_BUCKETS,
            registry=self.registry,
        )
        self.finality_seconds = Histogram(
            "openledger_finality_seconds",
            "From a block's time stamp until it is committed here.",
            buckets=_FINALITY_BUCKETS_S,
            registry=self.registry,
        )
        self._requests = Counter(
            "openledger_rpc_requests",
            "JSON-RPC requests by method and outcome.",
            ["method", "outcome"],
            registry=self.registry,
        )

        self._counters: dict[tuple[str, bool], Counter] = {}
        """Those of `_requests` by their labels: looking one up takes longer than counting."""

    def watch(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        """Add gauges, as name -> (help, what to read whenever the metrics are asked for)."""
        for name, (text, read) in gauges.items():
            Gauge(f"openledger_{name}", text, registry=self.registry).set_function(read)

    def count_request(self, method: str, ok: bool) -> None:
        """Count one finished JSON-RPC request; `method` is of a bounded set."""
        counter = self._counters.get((method, ok))
        if counter is None:
            counter = self._requests.labels(method, "ok" if ok else "error")
            self._counters[method, ok] = counter
        counter.inc()

    def text(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)
