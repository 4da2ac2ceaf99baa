"""From a clinic's folder of DICOM and vendor files to a cohort of de-identified copies: docs/ingest.md."""

from bundle.ingest.run import Ingested, ingest
from bundle.ingest.settings import Settings

__all__ = ["Ingested", "Settings", "ingest"]
