import numpy as np
import pytest

from bundle.errors import InputError
from bundle.reporting import History


def test_csv_round_trip(history, tmp_path) -> None:
    back = History.from_csv(history.to_csv(tmp_path / "history.csv"))
    assert back.columns == history.columns
    for name in history.columns:
        np.testing.assert_allclose(back.column(name), history.column(name), rtol=1e-6)


def test_a_resumed_training_overwrites_the_epochs_it_repeats() -> None:
    history = History([{"epoch": epoch, "train_loss": 1.0} for epoch in range(1, 6)])
    history.append({"epoch": 4, "train_loss": 0.5})
    assert history.column("epoch").tolist() == [1, 2, 3, 4]
    assert history.column("train_loss").tolist() == [1, 1, 1, 0.5]


def test_best_epoch_skips_epochs_without_validation(history) -> None:
    assert history.best_epoch("val_mse") == 6
    assert history.best_epoch("nothing") is None


def test_columns_appear_in_order_and_gaps_are_nan() -> None:
    history = History([{"train_loss": 1.0, "epoch": 1}, {"epoch": 2, "val_mse": None, "k_oct": 1.0}])
    assert history.columns == ["epoch", "train_loss", "val_mse", "k_oct"]
    assert np.isnan(history.column("k_oct")[0])
    assert np.isnan(history.column("val_mse")).all()


def test_a_row_without_an_epoch_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match="no 'epoch' among train_loss"):
        History([{"train_loss": 1.0}])
    (tmp_path / "h.csv").write_text("epoch,val_mse\n1,good\n")
    with pytest.raises(InputError, match=r"row 2, column 'val_mse': found 'good'"):
        History.from_csv(tmp_path / "h.csv")
