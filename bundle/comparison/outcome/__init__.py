"""Finished cells become figures, tables and plots."""
