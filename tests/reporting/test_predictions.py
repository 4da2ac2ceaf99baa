import csv
import dataclasses

import numpy as np
import pytest

from bundle.errors import InputError
from bundle.reporting import Predictions


def test_csv_round_trip(predictions, tmp_path) -> None:
    back = Predictions.from_csv(predictions.to_csv(tmp_path / "predictions.csv"))
    for name in ("row", "eye", "split", "patient", "stage", "modalities"):
        assert getattr(back, name).tolist() == getattr(predictions, name).tolist()
    np.testing.assert_allclose(back.label_db, predictions.label_db, rtol=1e-6)
    for name, values in predictions.pred_db.items():
        np.testing.assert_allclose(back.pred_db[name], values, rtol=1e-6)


def test_the_answer_is_from_both_modalities_or_the_only_one(predictions) -> None:
    assert predictions.modalities.tolist() == ["oct"] * 5 + ["oct+fundus"] * 55
    np.testing.assert_array_equal(predictions.answer_db[:5], predictions.pred_db["oct"][:5])
    np.testing.assert_array_equal(predictions.answer_db[5:], predictions.pred_db["oct+fundus"][5:])


def test_csv_columns_and_cells(predictions, tmp_path) -> None:
    with predictions.to_csv(tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    first, last = rows[0], rows[-1]
    assert first["row"] == "2"
    assert first["modalities"] == "oct"
    assert first["pred_db"] == first["pred_oct_db"]
    assert first["pred_fundus_db"] == ""
    assert float(rows[9]["error_db"]) == pytest.approx(float(rows[9]["pred_db"]) - float(rows[9]["label_db"]), abs=1e-5)
    assert (last["label_db"], last["stage"], last["error_db"]) == ("", "", "")
    assert "patient_id" not in first


def test_a_network_of_one_modality_may_leave_the_others_out() -> None:
    found = Predictions(row=[2], eye=["OD"], split=["test"], patient=[0], label_db=[-4.0], pred_db={"fundus": [-5.0]})
    assert found.answer_db.tolist() == [-5.0]
    assert found.modalities.tolist() == ["fundus"]


def test_selecting_positions_keeps_their_order(predictions) -> None:
    assert predictions.select(np.array([4, 1])).row.tolist() == [6, 3]
    assert len(predictions.of_split("train")) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eye": ["OD"]}, "eye: found 1 values, expected 2"),
        ({"pred_db": {"OCT": [1.0, 2.0]}}, "found 'OCT', expected oct"),
        ({"pred_db": {"oct": [-1.0, np.nan]}}, "row 3: no prediction"),
        ({"label_db": [np.inf, -1.0]}, "label_db: infinite at row 2"),
    ],
)
def test_what_is_inconsistent_is_refused(change, message) -> None:
    good = {
        "row": [2, 3], "eye": ["OD", "OS"], "split": ["test"] * 2, "patient": [0, 0], "label_db": [-1.0, -2.0],
        "pred_db": {"oct": [-1.0, -2.0]},
    }  # fmt: skip
    Predictions(**good)
    with pytest.raises(ValueError, match=message):
        Predictions(**(good | change))


def test_a_bad_cell_is_named(predictions, tmp_path) -> None:
    path = predictions.to_csv(tmp_path / "p.csv")
    lines = path.read_text().splitlines()
    lines[2] = lines[2].replace("3,OS,test,0", "3,OS,test,smith")
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"p.csv, row 3, column 'patient'"):
        Predictions.from_csv(path)


def test_predictions_cannot_be_changed(predictions) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        predictions.label_db = np.zeros(60)
