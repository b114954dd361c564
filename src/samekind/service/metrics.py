"""What a service counts and times, for Prometheus: one registry for each application."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from samekind.images.errors import ImageError
from samekind.service.refusals import DecodeTooHeavy, DecodeTooLong
from samekind.service.served import Served

MEDIA_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
OTHER: Final = "other"  # the label of whatever a client can make up

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_QUERIES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters and histograms; labels come from fixed sets, so that no client can make more of them."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        own = self.registry = CollectorRegistry()
        ProcessCollector(registry=own)
        own.register(_Galleries(served))
        self._requests = Counter("samekind_requests", "Requests answered.", ("route", "method", "status"), registry=own)
        self._seconds = _seconds(own, "samekind_request_seconds", "From a request's head to its answer's end.", "route")
        self._batch = Histogram("samekind_batch_queries", "Queries computed together.", registry=own, buckets=_QUERIES)
        self._encode = _seconds(own, "samekind_encode_seconds", "Encoding of a batch of queries.")
        self._search = _seconds(own, "samekind_search_seconds", "Search of a batch of queries.")
        self._searches = Counter("samekind_searches", "Searches answered.", ("gallery",), registry=own)
        self._failures = Counter(
            "samekind_decode_failures", "Pictures that could not be opened.", ("reason",), registry=own
        )
        self._made = Counter("samekind_thumbnails_made", "Thumbnails made, and kept from then on.", registry=own)
        self._given = Counter("samekind_thumbnails", "Thumbnails given, made now or kept.", registry=own)
        self._limited = Counter("samekind_rate_limited", "Requests beyond a client's rate.", ("kind",), registry=own)
        for name in served:
            self._searches.labels(name)
        self._counts = dict.fromkeys(served, 0)

    def watch(self, name: str, help: str, value: Callable[[], float]) -> None:
        """Tell a value that is asked for each time."""
        Gauge(name, help, registry=self.registry).set_function(value)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered; `route` is a template."""
        self._requests.labels(route, method if method in _METHODS else OTHER, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def batch(self, queries: int, encode_seconds: float, search_seconds: float) -> None:
        """Queries were computed together."""
        self._batch.observe(queries)
        self._encode.observe(encode_seconds)
        self._search.observe(search_seconds)

    def search(self, gallery: str) -> None:
        """A search was answered."""
        self._searches.labels(gallery).inc()
        self._counts[gallery] += 1

    def searches(self, gallery: str) -> int:
        """How many searches of a gallery were answered."""
        return self._counts[gallery]

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Count by its reason what is raised of a picture that could not be opened."""
        try:
            yield
        except ImageError as error:
            self._failures.labels(error.reason).inc()
            raise
        except (DecodeTooLong, DecodeTooHeavy) as error:
            self._failures.labels(error.slug).inc()
            raise

    def thumbnail(self, *, made: bool) -> None:
        """A thumbnail was made, or given to a client, kept ones too."""
        (self._made if made else self._given).inc()

    def limited(self, kind: Literal["requests", "searches"]) -> None:
        """A client was told to wait."""
        self._limited.labels(kind).inc()

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return generate_latest(self.registry)


def _seconds(registry: CollectorRegistry, name: str, help: str, *labels: str) -> Histogram:
    return Histogram(name, help, labels, registry=registry, buckets=_SECONDS)


class _Galleries(Collector):
    """Rows, reloads and replicas, read when they are asked for."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._served = served

    def collect(self) -> Iterator[Metric]:
        rows = GaugeMetricFamily("samekind_rows", "Pictures in a gallery.", labels=["gallery"])
        reloads = CounterMetricFamily("samekind_reloads", "How often a gallery has grown.", labels=["gallery"])
        replicas = GaugeMetricFamily("samekind_replicas", "Replicas of a shard.", labels=["gallery", "shard"])
        for name, one in self._served.items():
            rows.add_metric([name], one.gallery.rows)
            reloads.add_metric([name], one.reloads)
            for number, alive in enumerate(one.replicas, start=1):
                replicas.add_metric([name, str(number)], alive)
        yield from (rows, reloads, replicas)
