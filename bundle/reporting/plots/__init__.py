"""Pictures, each saved as a PNG of 150 dpi; every `plot_...` returns the path."""

from bundle.reporting.plots.agreement import plot_bland_altman, plot_identity
from bundle.reporting.plots.cost import plot_cost
from bundle.reporting.plots.curves import plot_curves
from bundle.reporting.plots.errors import plot_error_by_stage
from bundle.reporting.plots.forest import plot_comparison
from bundle.reporting.plots.labels import plot_label_distribution
from bundle.reporting.plots.matrix import plot_ratio_matrix
from bundle.reporting.plots.training import has_modulation, plot_loss_curves, plot_modulation

__all__ = [
    "has_modulation",
    "plot_bland_altman",
    "plot_comparison",
    "plot_cost",
    "plot_curves",
    "plot_error_by_stage",
    "plot_identity",
    "plot_label_distribution",
    "plot_loss_curves",
    "plot_modulation",
    "plot_ratio_matrix",
]
