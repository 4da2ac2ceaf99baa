"""The app's folder, in the form that MONAI Label loads: `main.py` holds the class."""
