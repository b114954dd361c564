"""The workers of a Ray cluster: actors on its nodes, replaced when they die, and the chunks in their hands."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import samekind
from samekind.errors import SamekindError
from samekind.images.refs import ImageRef
from samekind.reading.cluster.work import TRIES, Chunk, Work
from samekind.reading.cluster.worker import SamekindEncoder
from samekind.reading.opening import Outcome

# Looks at a node's outcomes for pictures, and tells what they are.
Check = Callable[[Sequence[ImageRef], Sequence[Outcome], str], list[Outcome]]

CORES = 4  # that a worker without a GPU has, where the node has as many
IN_HAND = 2  # chunks: one that is worked on, and the next
ALONE = 180.0  # seconds that nobody may be at work
STUCK = 600.0  # seconds that a worker may owe an answer
TICK = 0.25  # seconds between two looks at what is late
LOOK = 1.0  # seconds between two looks at the cluster's nodes

KEPT = "What was stored so far is kept: the same command goes on from there."


@dataclass(eq=False, slots=True)
class Worker:
    """An actor: on which node it is, and what it has in hand, oldest first."""

    actor: Any
    node: str
    where: str
    starting: Any
    tasks: dict[Any, Chunk] = field(default_factory=dict)
    dead: bool = False
    why: str = ""  # we ended it, where we know
    blamed: bool = False  # what it had begun when it died
    heard: float = field(default_factory=time.monotonic)  # when it last answered, or was given something to do


class Crew:
    """One worker for each GPU of the cluster, or, where there is none, for each `cores` of its processors."""

    def __init__(self, retriever: bytes, cores: int | None, allow_urls: bool) -> None:
        import ray

        self._ray: Any = ray
        self._box = [ray.put(retriever)]
        self._cores = cores or CORES
        self._allow_urls = allow_urls
        self._class: Any = ray.remote(SamekindEncoder)
        self._workers: list[Worker] = []
        self._failed = Counter[str]()  # starts, by node
        self._trouble = ""
        self._looked = float("-inf")
        self._busy = time.monotonic()  # when somebody was last at work
        self._gpus = any(node["Resources"].get("GPU", 0) >= 1 for node in self._ray.nodes() if node["Alive"])

    @property
    def ready(self) -> list[Worker]:
        """Those that have the retriever."""
        return [worker for worker in self._workers if worker.starting is None and not worker.dead]

    def close(self) -> None:
        """Send everybody home."""
        for worker in self._workers:
            self._dismiss(worker)
        self._workers = []

    def staff(self) -> None:
        """Fill the places that the cluster has; raises SamekindError when nobody has been at work for `ALONE`."""
        now = time.monotonic()
        if self.ready:
            self._busy = now
        if now - self._looked < LOOK:
            return
        self._looked = now
        taken = Counter(worker.node for worker in self._workers if not worker.dead)
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        for node in nodes:
            name, (places, needs) = node["NodeID"], self._places(node["Resources"])
            for _ in range(places - taken[name] if self._failed[name] < TRIES else 0):
                self._workers.append(self._hired(node, needs))
        if not self._workers or now - self._busy > ALONE:
            self._check(now, nodes)

    def _check(self, now: float, nodes: Sequence[Mapping[str, Any]]) -> None:
        what = "GPU" if self._gpus else "processor"
        if self._trouble and not self._workers:
            raise SamekindError(f"No worker could be started on the Ray cluster: {self._trouble}. {KEPT}")
        if now - self._busy > ALONE:
            raise SamekindError(
                f"For {ALONE:.0f} s no {what} of the Ray cluster was free ({len(nodes)} nodes, "
                f"{len(self._workers)} workers wait). Start nodes, or end what else runs there. {KEPT}"
            )

    def _places(self, resources: Mapping[str, float]) -> tuple[int, dict[str, int]]:
        """How many workers a node has room for, and what each asks of it."""
        cpus, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
        if self._gpus:
            return gpus, {"num_gpus": 1, "num_cpus": min(self._cores, cpus // gpus) if gpus else 0}
        cores = min(self._cores, cpus)
        return (cpus // cores if cores else 0), {"num_cpus": cores}

    def _hired(self, node: Mapping[str, Any], needs: Mapping[str, int]) -> Worker:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        actor = self._class.options(scheduling_strategy=here, max_restarts=0, max_task_retries=0, **needs).remote()
        device, threads = "cuda" if self._gpus else "cpu", max(1, needs["num_cpus"])
        starting = actor.start.remote(samekind.__version__, self._box, device, threads, self._allow_urls)
        where = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        return Worker(actor, node["NodeID"], where, starting)

    def _dismiss(self, worker: Worker) -> None:
        worker.dead = True
        self._ray.kill(worker.actor, no_restart=True)

    def hand_out(self, work: Work) -> None:
        """Give chunks to whoever has room; who has nothing to do helps with what is late."""
        for worker in self.ready:
            if worker.tasks and time.monotonic() - worker.heard > STUCK:
                self._lost(worker, f"no answer for {STUCK:.0f} s")
        ready = self.ready
        open_handed = [w for w in ready if len(w.tasks) < IN_HAND and not any(map(work.late, w.tasks.values()))]
        for worker in sorted(open_handed, key=lambda each: len(each.tasks)):
            while len(worker.tasks) < IN_HAND and (chunk := work.take(len(ready))):
                self._give(worker, chunk)
            if not worker.tasks and (chunk := work.take_late()):
                self._give(worker, chunk)

    def _give(self, worker: Worker, chunk: Chunk) -> None:
        if not worker.tasks:
            worker.heard = time.monotonic()
        worker.tasks[worker.actor.encode.remote(chunk.refs)] = chunk

    def collect(self, work: Work, check: Check) -> None:
        """Wait a moment for answers; `check` sees what a node says of a chunk first."""
        owners = {worker.starting: worker for worker in self._workers if worker.starting is not None}
        owners |= {task: worker for worker in self._workers for task in worker.tasks}
        if not owners:
            time.sleep(TICK)
            return
        answered, _ = self._ray.wait(list(owners), num_returns=1, timeout=TICK)
        for ref in answered:
            if ref == owners[ref].starting:
                self._started(owners[ref], ref)
            elif ref in owners[ref].tasks:
                self._answered(owners[ref], ref, work, check)
        self._workers = [worker for worker in self._workers if worker.tasks or not worker.dead]

    def _started(self, worker: Worker, ref: Any) -> None:
        try:
            other = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            if isinstance(error, self._ray.exceptions.RayTaskError) or _unborn(error):
                raise SamekindError(
                    f"The node {worker.where} of the Ray cluster cannot hold the retriever: {last_line(error)}. All "
                    f"nodes need samekind {samekind.__version__} as it is installed here. {KEPT}"
                ) from error
            self._failed[worker.node] += 1
            self._trouble = f"on {worker.where}: {first_line(error)}"
            self._lost(worker)
            return
        if other:
            raise SamekindError(
                f"The node {worker.where} of the Ray cluster has samekind {other}, and this is samekind "
                f"{samekind.__version__}. Install the same on all nodes. {KEPT}"
            )
        worker.starting = None
        self._failed.pop(worker.node, None)

    def _answered(self, worker: Worker, ref: Any, work: Work, check: Check) -> None:
        errors = self._ray.exceptions
        oldest = next(iter(worker.tasks)) == ref
        chunk = worker.tasks.pop(ref)
        worker.heard = time.monotonic()
        try:
            outcomes = self._ray.get(ref)
        except errors.RayTaskError as error:  # of the retriever: nobody's death, but the device may be out of order
            chunk.failed += 1
            if chunk.failed >= TRIES:
                raise error.cause from error
            work.give_back(chunk)
            worker.blamed = True
            self._lost(worker)
        except errors.ObjectLostError:  # it was done, and its node died with the answer
            work.give_back(chunk)
        except errors.RayError as error:
            # Actors do one thing after the other, so that only the oldest can be to blame.
            if oldest and not worker.blamed:
                worker.blamed = True
                work.blame(chunk, worker.why or first_line(error))
            else:
                work.give_back(chunk)
            self._lost(worker)
        else:
            work.fill(chunk, [] if chunk.done else check(chunk.refs, outcomes, worker.where))

    def _lost(self, worker: Worker, why: str = "") -> None:
        """Do without a worker; what it still has in hand comes back with an error each, or with answers after all."""
        worker.why = worker.why or why
        self._dismiss(worker)
        self._looked = float("-inf")


def first_line(error: Exception) -> str:
    """The beginning of what Ray has to say, which is often a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__


def last_line(error: Exception) -> str:
    """The end of a traceback from afar: what went wrong."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip().rstrip(".")


def _unborn(error: Exception) -> bool:
    """Whether Ray could not even make the actor, as where samekind is missing; it has no class of errors for that."""
    return "creation task" in first_line(error)
