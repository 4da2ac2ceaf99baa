"""What training writes into model.json about prediction intervals, with figures that are easy to follow."""

from typing import Any

from bundle.deploy.intervals import INTERVALS

LEVEL, SLOPE = 0.9, 0.25
LOWER_DB = {"oct+fundus": 2.0, "oct": 3.0, "fundus": 4.0}
DESCRIBED: dict[str, Any] = {
    INTERVALS: {
        "level": LEVEL,
        "range_db": [-35.0, 5.0],
        "answers": {
            name: {"lower_db": lower_db, "upper_db": lower_db / 2, "slope": SLOPE}
            for name, lower_db in LOWER_DB.items()
        },
    }
}


def expected_limits_db(md_db: float, modalities: list[str]) -> list[float]:
    """By hand, unrounded."""
    lower_db = LOWER_DB["+".join(modalities)] * (1 + SLOPE * max(0.0, -md_db))
    return [max(md_db - lower_db, -35.0), min(md_db + lower_db / 2, 5.0)]
