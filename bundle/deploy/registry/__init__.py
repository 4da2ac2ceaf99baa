"""A trained model in MLflow's model registry, served over HTTP. Its files import mlflow; this one does not."""
