"""Writes docs/results.md from the files in results/ (`make docs`)."""

from pathlib import Path

from samekind.evaluation.reports.results import render

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    (ROOT / "docs" / "results.md").write_text(render(ROOT / "results"), encoding="utf-8")
