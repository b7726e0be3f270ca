"""How requests ended and who asked last, also in the Prometheus text format.

Counting is a dict; the client library is imported at the first scrape, so a daemon that nobody
scrapes pays nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from credward.callers.caller import Caller

__all__ = ["Metrics", "Sample"]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One gauge at one instant."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


class Metrics(msgspec.Struct):
    """Results of requests, counted by format; labels are our words, never a caller's text.

    *askers*: who asked for a credential last; *asks*: how often one was asked for and allowed.
    """

    answers: Counter[tuple[str, str]] = msgspec.field(default_factory=Counter)
    askers: dict[str, Caller] = msgspec.field(default_factory=dict)
    asks: dict[str, int] = msgspec.field(default_factory=dict)

    def asked(self, credential: str, caller: Caller) -> None:
        """Count a request for a configured credential, and remember whose it was."""
        self.askers[credential] = caller
        # Twice as quick as a Counter, on the hot path.
        self.asks[credential] = self.asks.get(credential, 0) + 1

    def answered(self, format_name: str, outcome: str) -> None:
        """Count one request: *outcome* is `issued` or the slug of an error kind."""
        self.answers[format_name, outcome] += 1

    def render(self, samples: list[Sample]) -> str:
        """Return the text exposition of the counters and of these gauges."""
        from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self.answers, samples))
        return generate_latest(registry).decode()


class _Collector:
    def __init__(self, answers: Counter[tuple[str, str]], samples: list[Sample]) -> None:
        self._answers = answers
        self._samples = samples

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
        )

        answers = CounterMetricFamily(
            "credward_answers", "Answers by format and outcome", labels=["format", "outcome"]
        )
        for (format_name, outcome), count in sorted(self._answers.items()):
            answers.add_metric([format_name, outcome], count)
        yield answers
        families: dict[str, GaugeMetricFamily] = {}
        for sample in self._samples:
            family = families.get(sample.name)
            if family is None:
                family = families[sample.name] = GaugeMetricFamily(
                    f"credward_{sample.name}", sample.help, labels=[key for key, _ in sample.labels]
                )
            family.add_metric([value for _, value in sample.labels], sample.value)
        yield from families.values()
