"""Counters of this process in the Prometheus text format.

Counting is a dict; the client library is imported at the first scrape, so a daemon that nobody
scrapes pays nothing. What is worth counting is decided by whoever counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Metrics", "Sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One gauge at one instant."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Metrics:
    """How many asks ended how, by format; labels are words of ours, never a caller's text."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)

    def answered(self, format_name: str, outcome: str) -> None:
        """Count one ask: *outcome* is `issued` or the slug of an error kind."""
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
