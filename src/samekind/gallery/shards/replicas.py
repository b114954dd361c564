"""The shards of a gallery on a Ray cluster: one Serve deployment for each, whose lost replicas Serve replaces."""

import logging
import re
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import samekind
from samekind.errors import SamekindError, Unavailable
from samekind.gallery.derived import derived_folder
from samekind.gallery.parts import Part
from samekind.gallery.shards.replica import Leash, Replica
from samekind.gallery.shards.shard import Edition, Told
from samekind.gallery.shards.sharded import ShardedGallery
from samekind.gallery.store import Gallery
from samekind.reading.cluster.address import check_address
from samekind.reading.cluster.reader import connected

PATIENCE = 30.0  # seconds that a question waits for a shard that has no replica
START = 600.0  # seconds that loading may take
_TICK = 0.2  # seconds between two looks
_LATE = 5.0  # seconds after which another replica is asked too: a machine may be gone without a word
_RETRY = 5.0  # seconds after which whoever was sent away may ask again


@contextmanager
def spreading(
    address: str, count: int | None = None, replicas: int = 1, patience: float = PATIENCE
) -> Iterator[Callable[[Gallery], ShardedGallery]]:
    """What spreads galleries over a Ray cluster, where they stay until the end of the block, or of this process.

    `count` are the shards of each, by default one for each machine. Raises UsageError for an address that cannot be
    used, SamekindError for a cluster that cannot be joined, or where Ray is not installed.
    """
    check_address(address)
    try:
        from ray import nodes, serve
    except ImportError as error:
        raise SamekindError("Shards need Ray Serve, which is not installed: pip install 'samekind[ray]'.") from error
    with connected(address), ExitStack() as ends:
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
        serve.start(proxy_location="Disabled")  # questions come by handles alone
        known: list[Mapping[str, Any]] = nodes()  # type: ignore[no-untyped-call]
        machines = sum(node["Alive"] and node["Resources"].get("CPU", 0) >= 1 for node in known)

        def spread(gallery: Gallery) -> ShardedGallery:
            shards = ends.enter_context(started(gallery, count or max(1, machines), replicas, patience))
            return ShardedGallery(gallery, shards)

        yield spread


@contextmanager
def started(gallery: Gallery, count: int, replicas: int = 1, patience: float = PATIENCE) -> "Iterator[Replicas]":
    """The shards of a gallery, loaded. Raises SamekindError where they cannot be started."""
    name = f"samekind-{gallery.meta.uuid[:8]}-{time.time_ns():x}"
    found = Replicas(gallery, name, count, patience)
    try:
        found.start(replicas)
        yield found
    finally:
        found.close()


class Replicas:
    """All replicas of all shards; questions may come from any thread."""

    def __init__(self, gallery: Gallery, name: str, count: int, patience: float) -> None:
        self.name = name
        self.count = count
        self.patience = patience
        self._gallery = gallery
        self._replicas = 1
        self._leash: Any = None
        self._handles: list[Any] = []
        self._ended = threading.Event()

    def start(self, replicas: int) -> None:
        """Start them, and wait until all have loaded."""
        import ray
        from ray import serve
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        lasting = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
        self._leash = ray.remote(Leash).options(**lasting).remote()
        self._tidy()
        serve.run_many(
            [serve.RunTarget(self._application(replicas), self.name, None)],
            wait_for_ingress_deployment_creation=False,
            wait_for_applications_running=False,
        )
        self._replicas = replicas
        self._await_start()
        self._handles = [serve.get_deployment_handle(_deployment(n), self.name) for n in range(self.count)]

    def _tidy(self) -> None:
        """Remove the files of parts that a gallery was in before; who has them mapped keeps them."""
        for folder in derived_folder(self._gallery.path, self._gallery.meta.uuid).glob("part-*-of-*"):
            if not folder.name.endswith(f"-of-{self.count}"):
                shutil.rmtree(folder, ignore_errors=True)

    def _application(self, replicas: int) -> Any:
        from ray import cluster_resources, serve

        cores: float = cluster_resources().get("CPU", 1.0)  # type: ignore[no-untyped-call]
        share = cores / (self.count * replicas)
        deployment: Any = serve.deployment(
            num_replicas=replicas,
            max_ongoing_requests=64,
            health_check_period_s=1,
            health_check_timeout_s=20,
            graceful_shutdown_timeout_s=1,
            graceful_shutdown_wait_loop_s=0.1,
            logging_config={"log_level": "ERROR", "enable_access_log": False},
            ray_actor_options={
                # Half of the cluster is enough for all of them: those of a lost machine find room on the others.
                "num_cpus": max(0.01, min(1.0, int(share * 50) / 100)),
                "runtime_env": {"env_vars": {"OMP_NUM_THREADS": str(max(1, int(share)))}},
            },
        )(Replica)
        folder, version = str(self._gallery.path), samekind.__version__
        shards: list[Any] = []
        for number in reversed(range(self.count)):  # the first one names all others
            others = shards if number == 0 else []
            named = deployment.options(name=_deployment(number))
            part = Part(number, self.count)
            shards.append(named.bind(folder, part, version, self._leash, self.name, *others))
        return shards[-1]

    def _await_start(self) -> None:
        from ray import serve

        deadline = time.monotonic() + START
        while True:
            found = serve.status().applications.get(self.name)
            if found and found.status == "RUNNING":
                return
            if found and found.status in ("DEPLOY_FAILED", "UNHEALTHY"):
                messages = [one.message for one in found.deployments.values() if one.status in _FAILED]
                raise SamekindError(f"The shards of {self._gallery.path} cannot be started: {_reason(messages)}")
            if time.monotonic() > deadline:
                raise SamekindError(
                    f"The shards of {self._gallery.path} have not started within {START:.0f} s. Has the cluster room "
                    "for them (ray status)?"
                )
            self._ended.wait(_TICK)

    def ask(self, wanted: Edition | None, what: str, *details: Any) -> list[Told]:
        """What each shard tells; a question to a replica that is lost goes to another one of its shard.

        Raises Unavailable for a shard that nobody answers for within `patience`.
        """
        deadline = time.monotonic() + self.patience
        question = (wanted, what, details)
        asked = [handle.ask.remote(*question) for handle in self._handles]
        return [self._answer(number, one, question, deadline) for number, one in enumerate(asked)]

    def _answer(self, number: int, response: Any, question: tuple[Any, ...], deadline: float) -> Told:
        """What the first replica tells that does; one that is slow is no longer waited for alone."""
        from ray.exceptions import RayError, RayTaskError
        from ray.serve.exceptions import RayServeException

        handle, asked, late = self._handles[number], deque([response]), time.monotonic() + _LATE
        while not self._ended.is_set() and (left := deadline - time.monotonic()) > 0:
            if self._replicas > 1 and len(asked) == 1 and time.monotonic() > late:
                asked.append(handle.ask.remote(*question))
            one = asked.popleft()
            try:
                told: Told = one.result(timeout_s=min(left, _TICK))
            except TimeoutError:
                asked.append(one)
            except RayTaskError:
                raise
            except (RayError, RayServeException):
                self._ended.wait(_TICK / 10)
                asked.append(handle.ask.remote(*question))
            else:
                _cancel(asked)
                return told
        _cancel(asked)
        raise Unavailable(
            f"Shard {number + 1} of {self.count} of the gallery {self._gallery.path.name} is lost, and no other "
            f"replica of it has answered within {self.patience:.0f} s. It is being started again.",
            _RETRY,
        )

    def alive(self) -> list[int]:
        """How many replicas of each shard there are, as far as Serve has noticed."""
        from ray import serve

        found = serve.status().applications.get(self.name)
        known = found.deployments if found else {}
        names = [_deployment(number) for number in range(self.count)]
        states = [known[name].replica_states if name in known else {} for name in names]
        return [sum(count for state, count in each.items() if state == "RUNNING") for each in states]

    def close(self) -> None:
        """Take them down; questions that wait end at once."""
        import ray
        from ray import serve

        self._ended.set()
        with suppress(Exception):  # a cluster that is gone has taken them along
            serve.delete(self.name)
        with suppress(Exception):
            ray.kill(self._leash)
        self._leash, self._handles = None, []


_FAILED = ("DEPLOY_FAILED", "UNHEALTHY")


def _cancel(responses: Iterable[Any]) -> None:
    for response in responses:
        response.cancel()


def _deployment(number: int) -> str:
    return f"shard-{number + 1}"


def _reason(messages: list[str]) -> str:
    """The error of ours in what Serve says, else the beginning of that."""
    text = "\n".join(messages)
    named = re.search(r"SamekindError: (.+)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return named[1] if named else (lines[0] if lines else "Serve does not say why")
