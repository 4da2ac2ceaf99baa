"""A MONAI Deploy application: DICOM files of one patient in, Mean Deviation of each eye out as JSON.

`model_file` and `study` need the bundle alone; the operators and `app` need the MONAI Deploy App SDK
(requirements-deploy.txt), so nothing is imported here.
"""
