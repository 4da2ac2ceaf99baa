from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from bundle.metrics import Interval
from bundle.reporting import Comparison, Summary, plots
from bundle.reporting.plots.side_labels import spread


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


def row(method: str, ratio: float, recalibrated: float | None = None) -> Comparison:
    def one(value: float, new: Comparison | None = None) -> Comparison:
        versus = Interval(value, 0.9 * value, 1.1 * value)
        summary = Summary(10 * value, 0.1, 3)
        return Comparison(method, "c", "mse", "ratio", "concat", {"mse": summary}, versus, summary, new)

    return one(ratio, None if recalibrated is None else one(recalibrated))


def marks(axes, marker: str) -> list[float]:
    return [line.get_xdata()[0] for line in axes.lines if line.get_marker() == marker]


def texts(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_recalibrated_values_are_diamonds_with_their_figures(tmp_path, drawn) -> None:
    plots.plot_comparison({"c": [row("a", 0.8, 0.7), row("b", 0.9)]}, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert marks(axes, "D") == [0.7]
    assert texts(axes) == [
        "as trained",
        "0.80 [0.72, 0.88]",
        "0.90 [0.81, 0.99]",
        "recalibrated",
        "0.70 [0.63, 0.77]",
        "",
    ]


def test_without_recalibration_there_is_no_column_for_it(tmp_path, drawn) -> None:
    plots.plot_comparison({"c": [row("a", 0.8), row("b", 0.9)]}, tmp_path / "a.png")
    assert "recalibrated" not in texts(drawn[0].axes[0])
    assert len(drawn[0].legends[0].get_texts()) == 2


def test_method_far_off_is_an_arrow_at_the_edge_and_the_others_keep_their_room(tmp_path, drawn) -> None:
    near = [row(f"m{i}", 0.9 + 0.01 * i, 0.85) for i in range(20)]
    plots.plot_comparison({"c": [row("mean", 9.0), *near]}, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    assert axes.get_xlim()[1] < 1.5
    assert marks(axes, ">") == [axes.get_xlim()[1]]
    assert "9.00 [8.10, 9.90]" in texts(axes)
    assert len(marks(axes, "o")) >= 20


def test_names_of_many_methods_do_not_overlap(tmp_path, drawn) -> None:
    plots.plot_comparison({"c": [row(f"method_{i}", 0.8 + 0.01 * i, 0.8) for i in range(36)]}, tmp_path / "a.png")
    figure = drawn[0]
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert all(not a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("kind", ["cost", "curves"])
def test_labels_at_the_side_do_not_overlap_and_keep_their_order(kind, tmp_path, drawn) -> None:
    name, mse = tmp_path / "a.png", {f"method_{i:02d}": 10 + 0.001 * (i % 7) + 0.1 * (i > 30) for i in range(36)}
    if kind == "cost":
        plots.plot_cost(dict.fromkeys(mse, 100.0), mse, name)
    else:
        lines = {method: [2 * value, value] for method, value in mse.items()}
        plots.plot_curves({"c": lines}, ["5", "10"], name, xlabel="x")
    labels = [text for text in drawn[0].axes[0].texts if text.get_text().startswith("method")]
    boxes = [Text.get_window_extent(label) for label in labels]  # without the line to the point
    assert len(labels) == 36
    heights = sorted((box.y0, box.y1) for box in boxes)
    assert all(upper[0] >= lower[1] - 1 for lower, upper in itertools.pairwise(heights))
    placed = sorted(labels, key=lambda label: label.xyann[1])
    assert [mse[label.get_text()] for label in placed] == sorted(mse.values())


def test_cost_marks_the_methods_that_none_beats_in_both(tmp_path, drawn) -> None:
    cost, mse = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 2.0}, {"a": 5.0, "b": 3.0, "c": 4.0, "e": 1.0}
    plots.plot_cost(cost, mse, tmp_path / "a.png")
    (axes,) = drawn[0].axes
    np.testing.assert_allclose(axes.collections[0].get_offsets(), [[1, 5], [2, 3], [4, 4]])
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[1, 5], [2, 3]])


def test_equal_costs_have_one_tick(tmp_path, drawn) -> None:
    plots.plot_cost({"a": 12.0, "b": 12.0}, {"a": 5.0, "b": 3.0}, tmp_path / "a.png")
    low, high = drawn[0].axes[0].get_xlim()
    assert [tick for tick in drawn[0].axes[0].get_xticks() if low < tick < high] == [12]


def test_curves_have_a_panel_each_and_join_over_gaps(tmp_path, drawn) -> None:
    lines = {"a": [3.0, np.nan, 1.0], "b": [np.nan, np.nan, np.nan]}
    plots.plot_curves({"x": lines, "y": lines}, ["5", "10", "20"], tmp_path / "a.png", xlabel="Epochs", reference="a")
    assert len(drawn[0].axes) == 2
    (line,) = drawn[0].axes[0].lines
    np.testing.assert_allclose(line.get_xydata(), [[0, 3], [2, 1]])
    assert [tick.get_text() for tick in drawn[0].axes[1].get_xticklabels()] == ["5", "10", "20"]


def test_matrix_writes_every_ratio_and_a_dash_for_none(tmp_path, drawn) -> None:
    plots.plot_ratio_matrix(
        [[0.5, 1.0], [2.0, np.nan]], ["a", "b"], ["x", "y, 5 epochs"], tmp_path / "a.png", title="t"
    )
    (axes,) = drawn[0].axes
    assert texts(axes) == ["0.50", "1.00", "2.00", "–"]
    (image,) = axes.images
    middle = image.cmap(image.norm(np.log([0.5, 1.0, 2.0])))
    assert middle[0, 2] > middle[0, 0]  # blue for better
    assert middle[2, 0] > middle[2, 2]


def test_spread_keeps_the_gap_the_order_and_what_fits_already() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        places = generator.uniform(0, 1, 15)
        found = spread(places, 0.06, 0.0, 1.0)
        assert np.diff(np.sort(found)).min() > 0.06 - 1e-9
        assert np.argsort(found).tolist() == np.argsort(places).tolist()
        assert found.min() >= -1e-9
        assert found.max() <= 1 + 1e-9
    np.testing.assert_allclose(spread([0.1, 0.5, 0.9], 0.1, 0, 1), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(spread([0.5, 0.5], 0.1, 0, 1), [0.45, 0.55])
