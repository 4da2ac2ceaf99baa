import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from bundle.reporting import History, Run, compare, plots, scores_of

WIDTH_IN_PX = 150  # an inch at 150 dpi


@pytest.fixture
def drawn(monkeypatch) -> list[Figure]:
    """The figures that were saved, so that a test can read what is on them."""
    figures = []
    save = Figure.savefig

    def spy(figure, *args, **options):
        figures.append(figure)
        return save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    return figures


@pytest.fixture
def eyes() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    label = -generator.gamma(1.0, 6.0, 120)
    return label + generator.normal(0.5, 2, 120), label


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_identity(eyes, tmp_path, drawn) -> None:
    path = plots.plot_identity(*eyes, tmp_path / "identity.png")
    (axes,) = drawn[0].axes
    assert Image.open(path).size == (int(4.8 * WIDTH_IN_PX), int(4.9 * WIDTH_IN_PX))
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_aspect() == 1
    np.testing.assert_allclose(axes.collections[0].get_offsets(), np.column_stack(eyes[::-1]))
    pred, label = eyes
    text = next(t.get_text() for t in axes.texts if "n = 120" in t.get_text())
    assert f"MSE = {np.mean((pred - label) ** 2):.2f} dB²" in text
    assert axes.get_xlabel() == "Measured MD (dB)"


def test_bland_altman(eyes, tmp_path, drawn) -> None:
    plots.plot_bland_altman(*eyes, tmp_path / "ba.png")
    (axes,) = drawn[0].axes
    difference = eyes[0] - eyes[1]
    heights = sorted(line.get_ydata()[0] for line in axes.lines)
    spread = 1.96 * difference.std(ddof=1)
    expected = sorted([0, difference.mean(), difference.mean() - spread, difference.mean() + spread])
    np.testing.assert_allclose(heights, expected)
    assert legend(axes)[0] == f"bias +{difference.mean():.2f} dB"


def test_error_by_stage_draws_a_box_for_each_stage_and_answer_with_eyes(tmp_path, drawn) -> None:
    label = np.array([-1.0, -2.0, -4.0, -20.0])
    answers = {"oct+fundus": label + 1, "fundus": np.array([-1, -2, -4, np.nan])}
    plots.plot_error_by_stage(answers, label, tmp_path / "stages.png")
    (axes,) = drawn[0].axes
    assert len(axes.patches) == 3 + 2
    assert legend(axes) == ["OCT + fundus", "Fundus"]
    assert [tick.get_text().split("\n")[2] for tick in axes.get_xticklabels()] == ["n = 2", "n = 1", "n = 0", "n = 1"]


def test_label_distribution_bars_add_up_to_100_percent_in_each_split(tmp_path, drawn) -> None:
    labels = {"train": -np.random.default_rng(0).gamma(1, 6, 90), "test": np.array([-3.0]), "validation": np.array([])}
    plots.plot_label_distribution(labels, tmp_path / "labels.png")
    assert len(drawn[0].axes) == 2
    for axes in drawn[0].axes:
        assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(100)


def test_loss_curves_mark_the_best_epoch_and_join_over_gaps(history, tmp_path, drawn) -> None:
    plots.plot_loss_curves(history, tmp_path / "loss.png")
    left, right = drawn[0].axes
    assert left.get_yscale() == "log"  # 1 to 1/10
    assert right.lines[0].get_xdata().tolist() == [2, 4, 6, 8, 10]
    assert right.get_title(loc="left") == "best 14.00 at epoch 6"


def test_loss_curves_without_validation_say_so(tmp_path, drawn) -> None:
    plots.plot_loss_curves(History([{"epoch": 1, "train_loss": 1.0}]), tmp_path / "loss.png")
    assert [text.get_text() for text in drawn[0].axes[1].texts] == ["no val_mse recorded"]


def test_modulation_has_a_panel_for_each_quantity_present(history, tmp_path, drawn) -> None:
    plots.plot_modulation(history, tmp_path / "modulation.png")
    titles = [axes.get_title(loc="left") for axes in drawn[0].axes]
    assert titles == ["step coefficient k", "sharpness S", "cosine of gradients cos(u, v)"]
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["OCT", "Fundus"]


def test_modulation_without_its_columns_is_refused(tmp_path) -> None:
    plain = History([{"epoch": 1, "train_loss": 1.0, "k_oct": None}])
    assert not plots.has_modulation(plain)
    with pytest.raises(ValueError, match="no modulation columns"):
        plots.plot_modulation(plain, tmp_path / "m.png")


def test_comparison_puts_the_best_method_on_top(predictions, tmp_path, drawn) -> None:
    runs = {Run("ours", "phantom", 0): predictions, Run("OCT only", "phantom", 0): predictions}
    rows = compare(scores_of(runs, ["mse"]), runs, reference="OCT only", cohort="phantom", n_resamples=50)
    plots.plot_comparison({"phantom": rows}, tmp_path / "forest.png")
    (axes,) = drawn[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [row.method for row in rows]
    assert axes.yaxis_inverted()
    assert axes.get_xlabel() == "MSE ÷ OCT only"


@pytest.mark.parametrize("n", [1, 2])
def test_a_handful_of_eyes_can_be_drawn(n, tmp_path) -> None:
    label = np.array([-4.0, -4.0])[:n]
    plots.plot_identity(label, label, tmp_path / "a.png")
    plots.plot_bland_altman(label, label, tmp_path / "b.png")
    plots.plot_error_by_stage({"oct": label}, label, tmp_path / "c.png")
    plots.plot_label_distribution({"test": label}, tmp_path / "d.png")


def test_settings_of_the_user_are_left_as_they_were(eyes, tmp_path) -> None:
    before = dict(mpl.rcParams)
    plots.plot_identity(*eyes, tmp_path / "identity.png")
    assert dict(mpl.rcParams) == before


def test_a_cosine_never_gets_a_logarithmic_axis(drawn, tmp_path):
    rows = [{"epoch": e, "cosine_oct": 0.05 * e, "error_oct": 2.0**-e} for e in range(1, 13)]
    plots.plot_modulation(History(rows), tmp_path / "m.png")
    scales = {axes.get_title(loc="left"): axes.get_yscale() for axes in drawn[0].axes if axes.get_title(loc="left")}
    assert scales == {"relative error e = MSE / Var(y)": "log", "cosine of gradients cos(u, v)": "linear"}
