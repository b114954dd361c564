"""TREC files: that ir_measures reads them, and finds what we found, ties and all."""

from pathlib import Path

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, R, Success

from samekind.errors import SamekindError
from samekind.evaluation.ranking import ranked_blocks
from samekind.evaluation.scoring import score_queries
from samekind.evaluation.trec import write_qrels, write_run


def problem(seed: int, ties: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Queries of a class that the gallery does not have are among them."""
    rng = np.random.default_rng(seed)
    q, g = (rng.choice([-0.5, 0.5], (n, 4)) if ties else rng.normal(size=(n, 4)) for n in (12, 50))
    ql, gl = rng.integers(0, 5, 12), rng.integers(0, 4, 50)
    ql[0] = 4
    return q.astype(np.float32), ql, g.astype(np.float32), gl


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_ir_measures_finds_what_we_found_ties_included(seed: int, ties: bool, tmp_path: Path) -> None:
    q, ql, g, gl = problem(seed, ties)
    names = [f"sketch/dog {n}.png" for n in range(12)]
    pictures = [f"photo/{n % 7}/100%é {n}.jpg" for n in np.random.default_rng(seed).permutation(50)]
    scores = score_queries(q, ql, g, gl, ks=(1, 5), map_ks=(7, None), denominator="relevant", top=50)
    write_run(tmp_path / "a" / "run", [scores.top[:5], scores.top[5:]], names, pictures)
    write_qrels(tmp_path / "a" / "qrels", names, ql, pictures, gl)
    run = list(ir_measures.read_trec_run(str(tmp_path / "a" / "run")))
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "a" / "qrels")))
    pairs = {P @ 1: "P@1", P @ 5: "P@5", AP: "AP@all", AP @ 7: "AP@7", R @ 5: "R@5", Success @ 5: "hit@5"}
    theirs = {(row.measure, row.query_id): row.value for row in ir_measures.iter_calc([*pairs, RR], qrels, run)}
    assert len(theirs) == 7 * 12
    for n, name in enumerate(names):
        quoted = name.replace(" ", "%20")
        for measure, ours in pairs.items():
            assert theirs[measure, quoted] == pytest.approx(scores.values[ours][n], abs=1e-6), (measure, n)
        first = scores.values["first"][n]
        assert theirs[RR, quoted] == pytest.approx(1 / first if first else 0)
    means = ir_measures.calc_aggregate([P @ 1, AP], qrels, run)
    assert means[P @ 1] == pytest.approx(scores.values["P@1"].mean(), abs=1e-6)
    assert means[AP] == pytest.approx(scores.values["AP@all"].mean(), abs=1e-6)


def test_a_run_can_be_written_block_by_block_from_rankings(tmp_path: Path) -> None:
    q, ql, g, gl = problem(1, True)
    blocks = ranked_blocks(q, ql, g, gl, depth=3, top=3)
    write_run(
        tmp_path / "run", (block.top for block in blocks), [f"q{n}" for n in range(12)], [f"d{n}" for n in range(50)]
    )
    lines = (tmp_path / "run").read_text().splitlines()
    top = score_queries(q, ql, g, gl, ks=(1,), map_ks=(), top=3).top
    expected = [f"q{n} Q0 d{top[n, r]} {r + 1} {3 - r} samekind" for n in range(12) for r in range(3)]
    assert lines == expected


def test_lists_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    top = np.zeros((2, 1), int)
    with pytest.raises(ValueError, match="same name"):
        write_run(tmp_path / "run", [top], ["a", "a"], ["x"])
    with pytest.raises(ValueError, match="There are 1 queries"):
        write_run(tmp_path / "run", [top], ["a"], ["x"])
    with pytest.raises(ValueError, match="only 2 rankings"):
        write_run(tmp_path / "run", [top], ["a", "b", "c"], ["x"])
    with pytest.raises(ValueError, match="gallery is empty"):
        write_qrels(tmp_path / "qrels", ["a"], np.array([0]), [], np.zeros(0, int))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SamekindError, match="file/run cannot be written"):
        write_run(tmp_path / "file" / "run", [np.zeros((1, 1), int)], ["a"], ["x"])
