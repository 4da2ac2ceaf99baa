"""What is wrong with a manifest and its images, all at once, before a long training: `python -m scripts.doctor`."""

from bundle.doctor.checks import examine
from bundle.doctor.evidence import Evidence, gather
from bundle.doctor.finding import LEVELS, Finding

__all__ = ["LEVELS", "Evidence", "Finding", "examine", "gather"]
