"""Addresses of Ray clusters, as they are typed."""

import re

from samekind.errors import UsageError

AUTO = "auto"  # what RAY_ADDRESS says, else a cluster that runs here, else one of our own
LOCAL = "local"  # a cluster of our own, which ends with the run


def is_address(text: str) -> bool:
    """Whether this is meant as the address of a cluster, rather than as a folder."""
    return text in (AUTO, LOCAL) or bool(re.fullmatch(r"ray://\S+|[\w.-]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}", text))


def check_address(text: str) -> None:
    """Raise UsageError for what is no address of a cluster, or one that a run should not depend on."""
    if text.startswith("ray://"):
        raise UsageError(
            f"{text} is an address of Ray Client, which ends a run when its connection is lost, and through which "
            "every vector would go twice. Run the command on a machine of the cluster instead, with HOST:6379."
        )
    if not is_address(text):
        raise UsageError(f"{text!r} is no address of a Ray cluster: give HOST:PORT, {AUTO} or {LOCAL}.")
    if text[-1].isdigit() and int(text.rpartition(":")[2]) > 65535:
        raise UsageError(f"{text} cannot be the address of a Ray cluster: ports end at 65535.")
