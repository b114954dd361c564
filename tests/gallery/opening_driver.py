"""Opens pictures in processes and tells when the first came; what is killed or interrupted in tests.

Arguments: seconds that a picture may take, then the pictures. Tells `pid N` for each of its processes.
"""

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))

from palette import PaletteRetriever

from samekind.images.refs import ImageRef
from samekind.reading.processes import Processes

WORKER = (sys.executable, "-P", str(Path(__file__).with_name("faulty_worker.py")))


def tell(*lines: str) -> None:
    """In one write, so that a kill does not cut it."""
    os.write(1, "".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who started the tests may ignore it, and so would we
    reader = Processes(2, False, float(sys.argv[1]), WORKER)
    outcomes = reader(PaletteRetriever(), [ImageRef(each) for each in sys.argv[2:]], set())
    try:
        with closing(outcomes):  # type: ignore[type-var]
            for _ in outcomes:
                tell(*(f"pid {child.pid}" for child in psutil.Process().children()), "first")
    except KeyboardInterrupt:
        tell("interrupted")
