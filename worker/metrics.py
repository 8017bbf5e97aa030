"""A worker's figures for Prometheus. No label grows with users: every value of one stands in this file or in an enum.

What the worker counts anyway is read from its snapshot when somebody asks; the rest is told to it as it happens.
"""

from collections.abc import Callable, Iterator
from typing import assert_never

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.port import Acknowledged, Outcome, Refused, Unknown
from worker.snapshot import Snapshot

PREFIX = "streamtts_worker_"
WAIT_BUCKETS_S = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)

disable_created_metrics()  # type: ignore[no-untyped-call]  # else each counter brings a second series with its birth


class Metrics:
    """One a worker, with a registry of its own."""

    def __init__(self, look: Callable[[], Snapshot]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Looked(look))
        ProcessCollector(registry=self.registry)
        self._sentences = Counter(
            f"{PREFIX}sentences_spoken", "Sentences that the engine has spoken.", registry=self.registry
        )
        self._finished = Counter(
            f"{PREFIX}casts_finished",
            "Casts that were sealed as done or said to have failed.",
            ["outcome"],
            registry=self.registry,
        )
        self._appends = Counter(
            f"{PREFIX}appends", "Appends to the store by what became of them.", ["outcome"], registry=self.registry
        )
        self._waits = Histogram(
            f"{PREFIX}first_audio_wait_seconds",
            "From the submit to the durable first sentence.",
            buckets=WAIT_BUCKETS_S,
            registry=self.registry,
        )
        for outcome in ("done", "failed"):
            self._finished.labels(outcome)
        for outcome in ("acknowledged", "refused", "unknown"):
            self._appends.labels(outcome)

    def sentence_spoken(self) -> None:
        self._sentences.inc()

    def first_audio(self, wait_s: float) -> None:
        """A negative wait comes from clocks that differ between machines, and counts as none."""
        self._waits.observe(max(0.0, wait_s))

    def cast_done(self) -> None:
        self._finished.labels("done").inc()

    def cast_failed(self) -> None:
        self._finished.labels("failed").inc()

    def appended(self, outcome: Outcome) -> None:
        match outcome:
            case Acknowledged():
                self._appends.labels("acknowledged").inc()
            case Refused():
                self._appends.labels("refused").inc()
            case Unknown():
                self._appends.labels("unknown").inc()
            case _:
                assert_never(outcome)


class _Looked(Collector):
    """Figures of the snapshot at the moment of the question."""

    def __init__(self, look: Callable[[], Snapshot]) -> None:
        self._look = look

    def describe(self) -> list[Metric]:
        return []  # the names are told when they are collected: nothing is looked at before the worker runs

    def collect(self) -> Iterator[Metric]:
        now = self._look()
        engine = now.engine
        yield _gauge("unfinished_jobs", "Jobs that this worker has read and nobody has finished.", now.unfinished)
        yield _gauge("loaded_casts", "Casts whose text and plan are held.", len(now.casts))
        yield _gauge("watermark", "Every job below it is done or dead.", now.watermark)
        if now.least_lead_s is not None:
            yield _gauge("least_lead_seconds", "Least lead of the loaded casts that are heard.", now.least_lead_s)
        yield _counter("engine_busy_seconds", "Seconds that the engine spent on speech.", engine.busy_s)
        yield _counter("speech_seconds", "Seconds of speech that the engine has made.", engine.spoken_s)
        yield _counter("engine_restarts", "Engine processes started after the first.", engine.restarts)
        failures = CounterMetricFamily(f"{PREFIX}engine_failures", "Failures of the engine.", labels=["reason"])
        for reason, times in engine.failures.items():
            failures.add_metric([reason], times)
        yield failures


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, about, value)


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, about, value)
