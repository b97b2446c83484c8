"""Counts and times in Prometheus' format. No label ever carries an EUI, an MPxN or a RequestID."""

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from emulator import __version__

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0)
"""Buckets: from one signature to the time-outs of stock clients."""


class Metrics:
    """The registry of one server; worlds are a label, and there are few."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)  # memory, descriptors and processor of the process
        Gauge("dcc_info", "Version of the emulator", ["version"], registry=registry).labels(__version__).set(1)
        Gauge("dcc_tasks", "Tasks of the event loop", registry=registry).set_function(_tasks)
        self.requests = Counter(
            "dcc_requests", "DUIS requests by variant and response code", ["world", "srv", "code"], registry=registry
        )
        self.request_seconds = Histogram(
            "dcc_request_seconds", "Wall time from body to answer", ["world", "service"], buckets=SECONDS, registry=registry
        )
        self.pushes = Counter("dcc_pushes", "Push attempts by what followed", ["world", "outcome"], registry=registry)
        self.push_seconds = Histogram("dcc_push_seconds", "Wall time of one push", ["world"], buckets=SECONDS, registry=registry)
        self.oversized = Counter(
            "dcc_oversized_messages", "Messages larger than stock receivers take", ["world"], registry=registry
        )
        self.outbox_messages = Gauge("dcc_outbox_messages", "Messages that are not taken yet", ["world"], registry=registry)
        self.outbox_lag_seconds = Gauge("dcc_outbox_lag_seconds", "Age of the oldest such message", ["world"], registry=registry)
        self.backlog_bytes = Gauge("dcc_log_backlog_bytes", "Octets that wait to become durable", ["world"], registry=registry)
        self.faults = Counter("dcc_engine_faults", "Errors of the emulator itself", ["world"], registry=registry)
        self.simulated_seconds = Gauge("dcc_simulated_time_seconds", "Simulated UTC", ["world"], registry=registry)
        self.ready = Gauge("dcc_ready", "1 when the world answers", ["world"], registry=registry)

    def world(self, name: str) -> "WorldMetrics":
        """The metrics of one world."""
        return WorldMetrics(self, name)

    def exposition(self) -> bytes:
        """Everything as text."""
        return generate_latest(self.registry)


def _tasks() -> float:
    try:
        return float(len(asyncio.all_tasks()))
    except RuntimeError:  # asked from outside the loop
        return 0.0


class WorldMetrics:
    """The metrics of one world, with its label filled in once."""

    def __init__(self, metrics: Metrics, world: str) -> None:
        self._metrics = metrics
        self._world = world
        self._requests: dict[tuple[str, str], Counter] = {}
        self.pushes = {outcome: metrics.pushes.labels(world, outcome) for outcome in ("delivered", "retry", "dead")}
        self.push_seconds = metrics.push_seconds.labels(world)
        self.oversized = metrics.oversized.labels(world)
        self.outbox_messages = metrics.outbox_messages.labels(world)
        self.outbox_lag_seconds = metrics.outbox_lag_seconds.labels(world)
        self.backlog_bytes = metrics.backlog_bytes.labels(world)
        self.faults = metrics.faults.labels(world)
        self.simulated_seconds = metrics.simulated_seconds.labels(world)
        self.ready = metrics.ready.labels(world)
        self.request_seconds = {letter: metrics.request_seconds.labels(world, f"service{letter}") for letter in "TSD"}

    def count_request(self, srv: str, code: str) -> None:
        """One request was answered with this code; ``srv`` is empty when it could not be read."""
        child = self._requests.get((srv, code))
        if child is None:
            child = self._requests[(srv, code)] = self._metrics.requests.labels(self._world, srv, code)
        child.inc()
