"""From the repository and a trained model to a bundle for the MONAI Model Zoo."""
