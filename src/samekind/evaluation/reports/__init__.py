"""Results side by side: tables, significance, plots, and pages that show what was found."""
