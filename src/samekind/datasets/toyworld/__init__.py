"""A drawn world of twenty things in four domains, for the demo and for fast tests; it is no benchmark."""

from samekind.datasets.toyworld.world import CLASSES, DOMAINS, Summary, contact_sheet, draw, generate

__all__ = ["CLASSES", "DOMAINS", "Summary", "contact_sheet", "draw", "generate"]
