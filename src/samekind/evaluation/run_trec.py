"""An evaluation's rankings and relevance as TREC files, a run and its qrels for each pair."""

from collections.abc import Sequence
from pathlib import Path

from samekind.evaluation.features import Features
from samekind.evaluation.protocols import Plan
from samekind.evaluation.ranking import ranked_blocks
from samekind.evaluation.run_score import Scored
from samekind.evaluation.spaces import Space
from samekind.evaluation.trec import write_qrels, write_run

DEPTH = 1000  # hits of each query, as TREC has it


def export(folder: Path, plan: Plan, features: Features, scored: Sequence[Scored], space: Space) -> list[Path]:
    """Write QUERY-GALLERY.run and .qrels for every task; returns the runs. Raises SamekindError for a full disk.

    A run has the first DEPTH hits, so that P@k up to there is what the result says, and the tools' AP is one that
    looks no further.
    """
    table, written = plan.table, []
    for each in scored:
        asking, found = ([table.files[row] for row in rows.tolist()] for rows in (each.queries, each.gallery))
        labels = table.label[each.queries], table.label[each.gallery]
        blocks = ranked_blocks(
            features.vectors[each.queries],
            labels[0],
            features.vectors[each.gallery],
            labels[1],
            depth=DEPTH,
            top=DEPTH,
            space=space,
        )
        name = "-".join(filter(None, (each.task.query, each.task.gallery, each.task.name)))
        run = folder / f"{name}.run"
        write_run(run, (block.top for block in blocks), asking, found)
        write_qrels(run.with_suffix(".qrels"), asking, labels[0], found, labels[1])
        written.append(run)
    return written
