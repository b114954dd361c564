"""Who opens pictures, by what a user asked for: threads, processes, or a Ray cluster."""

from samekind.errors import UsageError
from samekind.reading.opening import Reader, Threads


def chosen_reader(
    *, workers: int | None = None, processes: int | None = None, ray: str | None = None, allow_urls: bool = False
) -> Reader:
    """`workers` threads (None: as many as cores), or `processes`, or the cluster at `ray`, of `workers` cores each.

    Raises UsageError for numbers below 1, two kinds at once, or what is no address of a cluster; SamekindError where
    Ray is not installed.
    """
    for what, count in (("workers", workers), ("processes", processes)):
        if count is not None and count < 1:
            raise UsageError(f"The number of {what} must be 1 or more, not {count}.")
    if processes is not None and (ray is not None or workers is not None):
        raise UsageError("Processes take the place of threads and of a Ray cluster: give one of them.")
    if processes is not None:
        from samekind.reading.processes import Processes

        return Processes(processes, allow_urls)
    if ray is None:
        return Threads(workers, allow_urls)
    from samekind.reading.cluster.reader import Cluster

    return Cluster(ray, workers, allow_urls)
