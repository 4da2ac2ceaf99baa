"""DICOM: OCT volumes (multi-frame, or a series of one frame a file) and what else an examination holds."""
