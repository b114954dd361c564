"""Two processes that train as one: the same pictures, the same loss, the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from samekind.errors import UsageError
from samekind.nn.processes import average_gradients, average_numbers, first_alone, joined, place
from samekind.pretrain.visual import VisualRecipe, check_share

WORKER = """
import json, sys
from dataclasses import replace
from pathlib import Path
import torch
sys.path.insert(0, str(Path(sys.argv[1])))
from tiny import TINY_VISUAL, random_material, tower
from samekind.nn.processes import joined, place
from samekind.pretrain.visual import train_visual
torch.set_num_threads(1)
told = []
with joined():
    train_visual(tower(), random_material(), TINY_VISUAL, seed=5, work=Path(sys.argv[2]), report=told.append)
    if place()[0] == 0:
        Path(sys.argv[2], "told.json").write_text(json.dumps([parts["loss"] for parts in told]))
"""


def test_one_process_alone_is_number_0_of_1_and_averages_change_nothing():
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    with joined(), first_alone():
        assert place() == (0, 1)
        average_gradients([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]
    assert average_numbers({"loss": 3.0}) == {"loss": 3.0}


def test_a_batch_that_cannot_be_shared_equally_is_refused():
    check_share(VisualRecipe(batch=96, chunk=24), 4)
    for batch, processes in ((96, 3), (100, 2)):
        with pytest.raises(UsageError, match="equally"):
            check_share(VisualRecipe(batch=batch, chunk=24), processes)


@pytest.mark.slow
def test_two_processes_have_the_loss_and_the_weights_of_one(tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    here = str(Path(__file__).parent)
    results = {}
    for count in (1, 2):
        work = tmp_path / str(count)
        work.mkdir()
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        command = [sys.executable, *launch, str(tmp_path / "worker.py"), here, str(work)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        assert done.returncode == 0, done.stderr[-2000:]
        results[count] = json.loads((work / "told.json").read_text()), load_file(work / "visual.safetensors")
    assert results[2][0] == pytest.approx(results[1][0], rel=1e-4)
    for name, tensor in results[1][1].items():
        assert torch.allclose(tensor, results[2][1][name], atol=2e-3), name
