"""Methods side by side: the same eyes, the same training path, many seeds, resumable. `python -m scripts.compare`.

A *study* is a cohort, methods, seeds and settings. Its *cells*, one for each method, seed and fold, are trainings of
`configs/train.yaml` with the method's overlay, exactly as a user runs them. Four rooms, in the order of the flow:
methods (the overlays and their cards), planning (options to studies and cells), running (cells to trainings), outcome
(predictions to tables and plots).
"""

from bundle.comparison.methods.catalogue import known_methods
from bundle.comparison.outcome.publish import publish
from bundle.comparison.outcome.report import write_comparison
from bundle.comparison.outcome.results import Results, collect
from bundle.comparison.planning.cohorts import FoldCohort, read_eyes, write_cohorts
from bundle.comparison.planning.estimate import estimate_text
from bundle.comparison.planning.grid import Planned, expand, plan_studies
from bundle.comparison.planning.plan import Cell, plan_cells
from bundle.comparison.planning.record import claim_folder
from bundle.comparison.planning.study import Study
from bundle.comparison.running.cell import Outcome, run_cell
from bundle.comparison.running.execute import run_studies
from bundle.comparison.running.pool import run_cells

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
