"""Loss curves: thinning, smoothing, growing, and what the plots make of events."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from introvac_studio.settings import Settings
from introvac_studio.widgets import loss_graph
from introvac_studio.widgets.loss_data import MAX_POINTS, Curve, Unit, decimate, visible
from introvac_studio.widgets.loss_graph import log_labels, log_ticks
from introvac_studio.widgets.loss_panel import LossPanel
from introvac_studio.widgets.loss_plot import LossPlots
from introvac_studio.widgets.loss_toolbar import LossToolbar
from trainer import events
from trainer.run_files import EVENTS_FILE
from trainer.run_summary import curves


def losses(step: int, **values: float) -> events.StepLosses:
    return events.StepLosses(
        step=step, epoch=1, losses=values, images_per_second=1, seconds_left=None, learning_rate=1,
        memory_bytes=0,
    )  # fmt: skip


def started(batch: int, images: int = 1000) -> events.RunStarted:
    return events.RunStarted(
        run="run", device="cpu", precision="float32", parameters=1, train_images=images, valid_images=1,
        steps_per_epoch=images // batch, total_steps=100, game_from_step=20,
        config={"optim": {"batch_size": batch}},
    )  # fmt: skip


@pytest.fixture
def plots(qtbot: QtBot) -> LossPlots:
    widget = LossPlots()
    qtbot.addWidget(widget)
    widget.resize(960, 400)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


def test_that_a_minimised_window_draws_once_it_is_back(plots: LossPlots, qtbot: QtBot) -> None:
    plots.append([losses(step, kl=1.0) for step in range(1, 6)])
    plots.refresh()
    (drawn,) = plots.plots()
    line = next(smooth for _, _, smooth in drawn._lines.values())
    assert len(line.getData()[0]) == 5
    plots.showMinimized()
    qtbot.waitUntil(plots.isMinimized, timeout=5000)
    plots.append([losses(step, kl=1.0) for step in range(6, 9)])
    plots.refresh()
    assert len(line.getData()[0]) == 5
    plots.showNormal()
    qtbot.waitUntil(lambda: len(line.getData()[0]) == 8, timeout=5000)


@pytest.mark.parametrize("count", [1, 499, 500, 501, 777, 100_000, 100_003])
def test_that_decimation_keeps_extremes_and_ends(count: int) -> None:
    x = np.arange(count, dtype=float)
    y = np.random.default_rng(count).standard_normal(count)
    px, py = decimate(x, y)
    assert len(px) == len(py) <= MAX_POINTS
    assert (py.min(), py.max()) == (y.min(), y.max())
    assert (px[0], px[-1]) == (x[0], x[-1])
    assert (np.diff(px) > 0).all()


def test_that_smoothing_does_not_depend_on_the_batches() -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    whole, parts = Curve(), Curve()
    for curve, sizes in ((whole, [1000]), (parts, [1, 2, 61, 64, 500, 372])):
        curve.set_weight(0.9)
        start = 0
        for size in sizes:
            steps = np.arange(start, start + size, dtype=float)
            curve.append(steps, steps, steps, values[start : start + size])
            start += size
    expected, total = [], 0.0
    for n, value in enumerate(values, 1):
        total = 0.9 * total + 0.1 * value
        expected.append(total / (1 - 0.9**n))
    np.testing.assert_allclose(whole.smooth(), expected)
    np.testing.assert_allclose(parts.smooth(), expected)


def test_that_a_curve_skips_what_is_not_finite_and_can_be_cut() -> None:
    curve = Curve()
    steps = np.arange(6.0)
    curve.append(steps, steps, steps, np.array([0, np.nan, 2, np.inf, 4, 5]))
    assert curve.raw.tolist() == [0, 2, 4, 5]
    curve.truncate(4)
    assert curve.steps.tolist() == [0, 2, 4]


def test_that_a_zoomed_view_keeps_one_point_on_either_side() -> None:
    x = np.arange(10.0)
    assert visible(x, x, 3.5, 5.5)[0].tolist() == [3, 4, 5, 6]


def test_that_plots_come_with_their_data(plots: LossPlots) -> None:
    assert plots.plots() == []
    plots.append([losses(1, reconstruction=0.5, kl=1.0)])
    plots.refresh()
    assert [p.group.key for p in plots.plots()] == ["reconstruction", "kl"]
    plots.append([losses(2, reconstruction=0.4, encoder_game=1.0, decoder_game=2.0, novelty=3.0)])
    plots.append([events.Validated(step=2, epoch=1, figures={"l1": 0.4, "edit.Hat": 0.5, "accuracy.Hat": 1})])
    plots.refresh()
    keys = [p.group.key for p in plots.plots()]
    assert keys == ["reconstruction", "kl", "game", "edit", "novelty"]
    plots.set_group_visible("accuracy", True)
    assert "accuracy" in [p.group.key for p in plots.plots()]
    plots.clear()
    assert plots.plots() == []


def test_that_no_curve_draws_more_than_its_share(plots: LossPlots) -> None:
    plots.append([losses(i, kl=float(i % 7)) for i in range(1, 5001)])
    plots.refresh()
    raw, smooth = plots.plots()[0].shown_points()["kl"]
    assert 100 < raw <= MAX_POINTS
    assert 100 < smooth <= MAX_POINTS


def test_that_a_resume_cuts_the_curves(plots: LossPlots) -> None:
    plots.append([losses(10, kl=1), losses(20, kl=2), losses(30, kl=3)])
    plots.append([events.Resumed(step=20), losses(30, kl=9)])
    assert plots.curves["kl"].raw.tolist() == [1, 2, 9]


def test_that_the_readout_follows_the_cursor(plots: LossPlots) -> None:
    plots.set_smoothing(0)
    plots.append([losses(i, kl=i / 10, reconstruction=i / 100) for i in range(1, 101)])
    plots.refresh()
    first, second = plots.plots()
    assert (first.readout.text(), second.readout.text()) == ("1.00", "10.0")
    first.moved.emit(50.2)
    assert (first.readout.text(), second.readout.text()) == ("0.500", "5.00")
    first.moved.emit(None)
    assert second.readout.text() == "10.0"


def test_that_a_zoom_stays_until_it_is_reset(plots: LossPlots, qtbot: QtBot) -> None:
    plots.append([losses(i, kl=float(i), vac=1.0) for i in range(1, 101)])
    plots.refresh()
    plot = plots.plots()[0]
    plot.ranged.emit(20.0, 40.0)
    plots.append([losses(i, kl=float(i)) for i in range(101, 201)])
    assert plot.view.viewRange()[0] == [20.0, 40.0]
    plots.setFocus()
    qtbot.keyClick(plots, Qt.Key.Key_A)
    assert plot.view.viewRange()[0][1] >= 200


def test_that_the_toolbar_sets_scale_and_axis(plots: LossPlots, qtbot: QtBot) -> None:
    bar = LossToolbar(plots)
    qtbot.addWidget(bar)
    plots.append([losses(i, kl=float(i)) for i in range(101)])  # the first has no logarithm
    bar.log.setChecked(True)
    assert plots.plots()[0].view.viewRange()[1][1] < 3
    bar.unit.setCurrentIndex(1)
    assert plots.plots()[0].view.viewRange()[0][1] < 3
    plots._on_moved(1.5)
    assert bar.where.text() == "epoch 1.50"
    bar.smoothing.setValue(0)
    assert plots.plots()[0].shown_points()["kl"][0] == 0  # nothing faint behind the raw curve itself


@pytest.mark.parametrize("most", [2, 3, 5, 9])
@pytest.mark.parametrize("span", [(-1.0, 0.0), (-4, 2), (-1.2, -1.1), (2.3, 2.301), (-0.05, 0.05), (-12, 3)])
def test_that_a_logarithmic_axis_has_few_round_labels(span: tuple[float, float], most: int) -> None:
    ticks = log_ticks(*span, most)
    labels = log_labels(ticks)
    assert 1 <= len(ticks) <= most and len(set(labels)) == len(ticks)
    assert all(span[0] <= t <= span[1] for t in ticks)
    assert [float(text) for text in labels] == pytest.approx([10**t for t in ticks], rel=1e-6)
    assert max(map(len, labels)) <= 6


def test_that_new_points_are_drawn_plot_by_plot(plots: LossPlots, qtbot: QtBot) -> None:
    names = ("reconstruction", "classification", "kl")

    def drawn() -> list[int]:
        return [plot.shown_points().get(plot.group.key, (0, 0))[1] for plot in plots.plots()]

    plots.append([losses(step, **dict.fromkeys(names, 1.0)) for step in (1, 2)])
    for _ in names:  # made, one in each turn
        assert drawn() == []
        plots._draw_next()
    for expected in ([2, 0, 0], [2, 2, 0], [2, 2, 2]):
        plots._draw_next()
        assert drawn() == expected
    plots.append([losses(3, **dict.fromkeys(names, 1.0))])
    plots._draw_next()
    assert drawn() == [3, 2, 2]
    plots.append([losses(4, **dict.fromkeys(names, 1.0))])
    qtbot.waitUntil(lambda: not plots._turn.isActive(), timeout=10_000)
    assert drawn() == [4, 4, 4]


def test_that_points_within_a_pixel_are_read_out_now_and_drawn_later(
    plots: LossPlots, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_graph, "LATEST", 3600.0)
    plots.append([started(10), *(losses(step, kl=1.0) for step in range(1, 10001))])
    (plot,) = plots.plots()
    line = next(smooth for _, _, smooth in plot._lines.values())

    def drawn_to() -> float:
        return float(line.getData()[0][-1])

    qtbot.waitUntil(lambda: drawn_to() == 10000, timeout=5000)
    plots.append([losses(10001, kl=3.0)])
    qtbot.waitUntil(lambda: plot.readout.text() != "1.00", timeout=5000)
    assert drawn_to() == 10000
    plots.append([losses(10100, kl=3.0)])  # some pixels on
    qtbot.waitUntil(lambda: drawn_to() == 10100, timeout=5000)
    plots.append([losses(10101, kl=3.0)])
    monkeypatch.setattr(loss_graph, "LATEST", 0.0)
    qtbot.waitUntil(lambda: drawn_to() == 10101, timeout=5000)


def test_that_images_seen_are_steps_of_the_batch(plots: LossPlots, qtbot: QtBot) -> None:
    bar = LossToolbar(plots)
    qtbot.addWidget(bar)
    plots.append([started(50), *(losses(i, kl=1.0) for i in range(1, 41))])
    bar.unit.setCurrentIndex(2)
    assert plots.curves["kl"].along(Unit.IMAGES)[-1] == 2000
    (plot,) = plots.plots()
    assert plot.view.viewRange()[0][1] > 2000 and plot.game.value() == 1000
    plot.moved.emit(1234.2)
    assert bar.where.text() == "1,234 images seen"
    plots.clear()
    plots.append([started(64, images=10), losses(3, kl=1.0)])  # a batch has no more images than there are
    assert plots.curves["kl"].along(Unit.IMAGES).tolist() == [30]


def test_that_each_run_of_an_overlay_has_its_own_batch(qtbot: QtBot, tmp_path: Path) -> None:
    panel = LossPanel()
    qtbot.addWidget(panel)
    found = []
    for name, batch in (("small", 8), ("large", 32)):
        (tmp_path / name).mkdir()
        said = [started(batch), losses(10, kl=1.0), losses(20, kl=2.0)]
        text = "".join(events.to_line(event) + "\n" for event in said)
        (tmp_path / name / EVENTS_FILE).write_text(text, encoding="utf-8")
        found.append(curves(tmp_path / name))
    panel.show_overlay(found)
    drawn = panel.overlay.plots.curves
    assert [c.along(Unit.IMAGES).tolist() for c in drawn.values()] == [[80, 160], [320, 640]]
    assert [c.along(Unit.STEPS).tolist() for c in drawn.values()] == [[10, 20], [10, 20]]


def test_that_choices_of_the_toolbar_are_remembered(qtbot: QtBot, settings: Settings) -> None:
    panels = []
    for _ in range(2):
        panel = LossPanel()
        qtbot.addWidget(panel)
        panel.remember_in(settings)
        panels.append(panel)
        if len(panels) == 1:
            panel.toolbar.unit.setCurrentIndex(2)
            panel.toolbar.log.setChecked(True)
            panel.toolbar.smoothing.setValue(25)
    for bar in (panels[1].toolbar, panels[1].overlay.toolbar):
        assert (bar.unit.currentText(), bar.log.isChecked(), bar.smoothing.value()) == ("by images", True, 25)
        assert bar._plots._unit is Unit.IMAGES
