"""Tables, pictures and files about predictions.

What draws is named by its module, so that this package works where matplotlib is not installed:
`bundle.reporting.report.write_report`, `bundle.reporting.plots.plot_...`.
"""

from bundle.reporting.atomic import write_bytes_atomic, write_json_atomic, write_text_atomic
from bundle.reporting.comparison import Comparison, compare
from bundle.reporting.comparison_table import comparison_markdown, comparison_text
from bundle.reporting.evaluation import Evaluation, Figures, evaluate
from bundle.reporting.history import History
from bundle.reporting.predictions import SUBSETS, Predictions
from bundle.reporting.scores import Run, Score, Summary, scores_from_csv, scores_of, scores_to_csv
from bundle.reporting.tables import metrics_markdown, metrics_text

__all__ = [
    "SUBSETS",
    "Comparison",
    "Evaluation",
    "Figures",
    "History",
    "Predictions",
    "Run",
    "Score",
    "Summary",
    "compare",
    "comparison_markdown",
    "comparison_text",
    "evaluate",
    "metrics_markdown",
    "metrics_text",
    "scores_from_csv",
    "scores_of",
    "scores_to_csv",
    "write_bytes_atomic",
    "write_json_atomic",
    "write_text_atomic",
]
