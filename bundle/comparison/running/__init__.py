"""Cells become trainings in processes, with progress, and MLflow runs."""
