"""Methods side by side: the same eyes, the same training path, many seeds, resumable. `python -m scripts.compare`.

A *study* is a cohort, methods, seeds and settings. Its *cells*, one for each method, seed and fold, are trainings of
`configs/train.yaml` with the method's overlay, exactly as a user runs them. Reading order: cards, methods, study,
record, cohorts, plan, trials, tuning, grid, cell, pool, execute, results, report.
"""

from bundle.comparison.cell import Outcome, run_cell
from bundle.comparison.cohorts import FoldCohort, read_eyes, write_cohorts
from bundle.comparison.estimate import estimate_text
from bundle.comparison.execute import run_studies
from bundle.comparison.grid import Planned, expand, plan_studies
from bundle.comparison.methods import known_methods
from bundle.comparison.plan import Cell, plan_cells
from bundle.comparison.pool import run_cells
from bundle.comparison.publish import publish
from bundle.comparison.record import claim_folder
from bundle.comparison.report import write_comparison
from bundle.comparison.results import Results, collect
from bundle.comparison.study import Study

__all__ = [
    "Cell",
    "FoldCohort",
    "Outcome",
    "Planned",
    "Results",
    "Study",
    "claim_folder",
    "collect",
    "estimate_text",
    "expand",
    "known_methods",
    "plan_cells",
    "plan_studies",
    "publish",
    "read_eyes",
    "run_cell",
    "run_cells",
    "run_studies",
    "write_cohorts",
    "write_comparison",
]
