"""MONAI Label loads this file by its path and takes the app's class from it."""

from bundle.deploy.monailabel.md_app import MdApp

__all__ = ["MdApp"]
