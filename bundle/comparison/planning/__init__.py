"""From options to studies, cohorts and cells: everything that is decided before a training starts."""
