"""A MONAI Label app that answers MD for the studies of one folder, and changes nothing in it.

`study`, `convention`, `manifest_rows`, `inside`, `studies`, `answer`, `guard` and `silence` need no MONAI Label; the
others import it. Nothing is imported here, so that `bundle.deploy` loads where MONAI Label is not installed.
"""
