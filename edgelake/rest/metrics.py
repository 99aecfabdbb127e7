"""``/metrics``: what the node counts, as Prometheus reads it.

Which metrics there are stands in `edgelake.rest.metric_list`.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder

from edgelake.commands import NodeParts
from edgelake.rest.metric_list import METRICS
from edgelake.rest.metric_types import Buckets, Metric
from edgelake.rest.reading import Reading
from edgelake.services.rest import RestService

__all__ = ["Exposition"]


class Exposition:
    """Writes the metrics of one node; from any thread.

    Parameters
    ----------
    node : NodeParts
    rest : RestService
    """

    def __init__(self, node: NodeParts, rest: RestService) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        self._registry.register(_Collector(node, rest))

    def written(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics as they are now, and the type of that content.

        Parameters
        ----------
        accept : str
            What the caller takes, as its header says: plain text, or OpenMetrics.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type


class _Collector:
    """Reads the metrics whenever somebody asks for them."""

    def __init__(self, node: NodeParts, rest: RestService) -> None:
        self._node = node
        self._rest = rest

    def collect(self) -> Iterator[Family]:
        reading = Reading(self._node, self._rest)
        for metric in METRICS:
            yield _family(metric, reading)


def _family(metric: Metric, reading: Reading) -> Family:
    values = metric.values(reading)
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, value in values.items():
            assert isinstance(value, Buckets)
            histogram.add_metric(labels, value.counts, value.total_s)
        return histogram
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        assert not isinstance(value, Buckets)
        family.add_metric(labels, float(value))
    return family
