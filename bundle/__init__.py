"""Re-M3Dr: visual-field Mean Deviation (dB) from a 3-D OCT volume and a 2-D fundus photograph of the same eye."""

import os

# MLflow tells its makers what is used, unless this is set. It looks at each event, so that here is early enough.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
