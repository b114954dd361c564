"""Two processes over gloo train TPSNet as one does: the same losses, the same prototypes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from quick import QUICK
from safetensors.torch import load_file

from samekind.training.journal import NAME

WORKER = """
import sys
import torch
from samekind.cli import main
torch.set_num_threads(1)
main()
"""


@pytest.mark.slow
def test_two_processes_have_the_losses_and_the_weights_of_one(world: Path, tiny_clip: Path, tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    settings = [part for pair in (*QUICK, "model.dropout=0.0") for part in ("--set", pair)]
    found = {}
    for count in (1, 2):
        out = tmp_path / str(count)
        launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        train = ["train", "tpsnet", "--data", str(world), "--out", str(out), "--backbone", str(tiny_clip)]
        command = [sys.executable, *launch, str(tmp_path / "worker.py"), *train, "--classes-count", "3", *settings]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=280, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        assert done.returncode == 0, done.stderr[-3000:]
        lines = [json.loads(line) for line in (out / NAME).read_text().splitlines()]
        found[count] = [line["loss"] for line in lines], load_file(out / "weights.safetensors")
    assert found[2][0] == pytest.approx(found[1][0], rel=1e-3)
    assert len(found[2][0]) == 6
    for name in ("priors", "shared", "prototypes", "phase.norm.running_mean", "phase.norm.running_var"):
        assert torch.allclose(found[2][1][name].float(), found[1][1][name].float(), atol=5e-3), name
