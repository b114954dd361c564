"""A Ray cluster of this machine alone: kept by a process that ends it, and its folder, when its standard input ends.

That is when the process that needs it has ended, however it did; and lancedb's threads do not bear the forks of Ray.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from samekind.errors import SamekindError

QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
_PASSWORD = secrets.token_hex(32)  # of this process's clusters: Ray, once told a password, keeps to it


@contextmanager
def local_cluster(cores: int) -> Iterator[str]:
    """The address of a cluster that lasts as long as this, and lets nobody in but who knows its password."""
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _PASSWORD}
    before = {name: os.environ.get(name) for name in secret}
    keeper = subprocess.Popen(
        [sys.executable, "-m", __name__, str(cores)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **secret},
        start_new_session=True,  # Ctrl-C is for us, who then close it
    )
    try:
        address = keeper.stdout.readline().decode().strip() if keeper.stdout else ""
        if not address:
            raise SamekindError("No Ray cluster could be started on this machine; what Ray said is above.")
        os.environ.update(secret)
        _look_again()
        yield address
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        _look_again()
        keeper.communicate()


def _look_again() -> None:
    """Ray, once imported, looks at its settings when told to. A password that it kept would be asked of other clusters,
    which have none, and cost actors their life."""
    from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _keep(cores: int) -> None:
    """What the process does."""
    import ray

    folder = tempfile.mkdtemp(prefix="samekind-ray-", dir="/tmp")  # names of sockets must be short
    try:
        ray.init(address="local", num_cpus=cores, include_dashboard=False, _temp_dir=folder, **QUIET)
        sys.stdout.write(f"{ray.get_runtime_context().gcs_address}\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _keep(int(sys.argv[1]))
