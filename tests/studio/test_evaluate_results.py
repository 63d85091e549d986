"""What is read of `metrics.json`, how it is told apart which model is better, and how it is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QPoint, QSize, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from introvac_studio import theme
from introvac_studio.evaluation_figures import Cell, Figure, number
from introvac_studio.evaluation_results import AMOUNTS, Heat, load
from introvac_studio.widgets.evaluation_view import PAGES, EvaluationView
from introvac_studio.widgets.heat_map import KINDS, HeatMap
from introvac_studio.widgets.picture_browser import ZoomView
from introvac_studio.widgets.table_page import TablePage
from trainer.errors import DataError

from .evaluations import body, model, write


@pytest.fixture
def one(tmp_path: Path) -> Path:
    return write(tmp_path / "one", body([model("a")]))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """The first is nearer to real faces; both edit equally well."""
    return write(tmp_path / "two", body([model("a"), model("b", frechet=20.0, judged=0.905, l1=0.09)]))


def test_that_one_models_numbers_are_read(one: Path) -> None:
    results = load(one)
    assert results.labels == ("a",) and results.report == one / "report.html"
    cards = {card.title: card for card in results.cards}
    assert list(cards) == ["Reconstruction", "Edit success", "Leakage", "Classifier accuracy", "KL, nats"]
    near = cards["Reconstruction"].cell.figures[0]
    assert near is not None and (near.value, near.low, near.high) == (10.0, 9.0, 11.0)
    assert cards["Edit success"].cell.figures[0] == Figure(0.9, share=True)
    assert cards["KL, nats"].below == (("2 of 3 units active", ""),)
    groups = [row.group for row in results.distances.rows]
    assert groups == ["Reconstructions", "Prior samples"]
    assert dict(near.notes)["split"] == "test" and near.warning == "few"
    assert [note.what for note in results.notes] == ["FID", results.notes[1].what]


def test_that_leakage_leaves_out_what_the_truth_changes(one: Path) -> None:
    results = load(one)
    heat = results.models[0].heats[AMOUNTS[0]]
    assert heat is not None
    beard = heat.columns.index("Beard")
    assert [row[beard] for row in heat.truly] == [0.0, 0.0, 0.5, 0.5]
    assert heat.flipped[0][heat.columns.index("Smiling")] is None
    assert heat.mean == pytest.approx((4 * 0.03 + 2 * 0.4) / 6)


def test_that_models_leak_over_the_edits_that_both_have(tmp_path: Path) -> None:
    first, second = model("a"), model("b")
    second["edits"] = second["edits"][:2]  # those that leak less
    results = load(write(tmp_path / "uneven", body([first, second])))
    leaks = next(card.cell.figures for card in results.cards if card.title == "Leakage")
    assert leaks[0] is not None and leaks[1] is not None
    assert leaks[0].value == pytest.approx(leaks[1].value)
    alone = load(write(tmp_path / "alone", body([model("a")])))
    whole = next(card.cell.figures[0] for card in alone.cards if card.title == "Leakage")
    assert whole is not None and whole.value == pytest.approx((4 * 0.03 + 2 * 0.4) / 6)
    assert leaks[0].value != pytest.approx(whole.value)


@pytest.mark.parametrize(
    ("a", "b", "better", "best"),
    [
        ((1.0, 0.5, 1.4), (2.0, 1.5, 2.5), "low", 0),
        ((1.0, 0.5, 1.4), (2.0, 1.5, 2.5), "high", 1),
        ((2.0, 1.5, 2.5), (1.0, 0.5, 1.4), "low", 1),
        ((1.0, 0.5, 1.6), (2.0, 1.5, 2.5), "low", None),
        ((1.0, None, None), (2.0, 1.5, 2.5), "low", None),
        ((1.0, 0.5, 1.4), (2.0, 1.5, 2.5), "", None),
    ],
)
def test_that_a_model_is_better_only_where_intervals_part(
    a: tuple[float, ...], b: tuple[float, ...], better: Any, best: int | None
) -> None:
    assert Cell((Figure(*a), Figure(*b)), better).best == best


def test_that_few_faces_that_agree_prove_nothing() -> None:
    """All of 40 faces against 36 of 40: the rule of three reaches down to 92.5 %."""
    whole = Figure(1.0, 1.0, 1.0, True, n=40)
    assert Cell((whole, Figure(0.9, 0.85, 0.95, True, n=40)), "high").best is None
    assert Cell((whole, Figure(0.8, 0.7, 0.9, True, n=40)), "high").best == 0


def test_that_headlines_are_over_what_both_models_know(tmp_path: Path) -> None:
    less = model("b", judged=0.8)
    less["edits"] = less["edits"][:2]
    more = model("a")
    more["edits"][3]["judged"]["mean"] = 0.1
    less["reading"]["attributes"] = []
    results = load(write(tmp_path / "two", body([more, less])))
    cards = {card.title: card for card in results.cards}
    assert [figure and figure.value for figure in cards["Edit success"].cell.figures] == [0.9, 0.8]
    assert "Classifier accuracy" not in cards


def test_that_two_models_share_rows_and_the_better_is_marked(two: Path) -> None:
    results = load(two)
    assert results.labels == ("A · a", "B · b")
    first = results.distances.rows[0].cells[0]
    assert first.best == 0
    columns = [column.title for column in results.edits[AMOUNTS[0]].columns]
    row = results.edits[AMOUNTS[0]].rows[0]
    assert row.cells[columns.index("Judged")].best is None
    assert row.cells[columns.index("To truth")].best == 0


def test_that_what_only_one_model_measured_leaves_a_gap(tmp_path: Path) -> None:
    poor = model("b") | {
        "edits": [],
        "leakage": None,
        "at_equal_success": None,
        "distances": [],
        "pictures": [],
    }
    results = load(write(tmp_path / "gap", body([model("a"), poor])))
    for row in results.edits[AMOUNTS[0]].rows:
        assert row.cells[0].figures[0] is not None and row.cells[0].figures[1] is None
    assert "Reconstruction" not in [card.title for card in results.cards]
    assert results.models[1].heats[AMOUNTS[0]] is None


def test_that_sections_may_be_absent(tmp_path: Path, qtbot: QtBot) -> None:
    bare = {"name": "a", "sha256": "x"}
    content = body([{**bare, "pictures": []}]) | {"judge": None, "missing": []}
    view = EvaluationView()
    qtbot.addWidget(view)
    view.show_results(load(write(tmp_path / "bare", content)))
    assert not view.cards and "no judge" in view.facts.whole
    for page in (view.edits, view.distances):
        assert page.table.isHidden() and page.detail.isHidden() and "were not measured" in page.note.text()
    assert "Everything was measured" in view.notes.text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "is no metrics.json of an evaluation"),
        ('{"models": []}', "is no metrics.json of an evaluation"),
        ('{"format": 9, "models": []}', "format 9, and this version reads 1"),
        ('{"format": 1, "models": []}', "damaged or incomplete"),
        ('{"format": 1, "models": [{"name": "a", "edits": [{}]}]}', "damaged or incomplete"),
        ('{"format": 1, "models": [3]}', "damaged or incomplete"),
        ('{"format": 1, "models": [{"name": "a", "step": 1e999}]}', "damaged or incomplete"),
    ],
)
def test_that_a_foreign_or_broken_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_that_no_picture_outside_the_folder_is_opened(tmp_path: Path) -> None:
    content = body([model("a")])
    content["models"][0]["pictures"][0]["file"] = "../../secret.png"
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps(content), "utf-8")
    with pytest.raises(DataError, match="outside the folder"):
        load(folder)
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "nowhere" / "metrics.json")


@pytest.mark.parametrize(
    ("value", "share", "text"),
    [
        (0.1234, True, "12.3 %"), (0.12345, False, "0.123"), (12.345, False, "12.35"),
        (1234.5, False, "1,234"), (-0.5, False, "−0.500"), (0.0, False, "0.000"),
        (0.00012, False, "1.2e−04"), (float("nan"), False, "–"),
    ],
)  # fmt: skip
def test_that_numbers_are_short(value: float, share: bool, text: str) -> None:
    assert number(value, share) == text


def test_that_all_pages_show_two_models(two: Path, qtbot: QtBot) -> None:
    view = EvaluationView()
    qtbot.addWidget(view)
    view.resize(940, 700)
    with qtbot.waitExposed(view):
        view.show()
    assert view.empty_text == ""
    view.clear("Press Evaluate.")
    assert view.empty_text == "Press Evaluate."
    view.show_results(load(two))
    for page in PAGES:
        view.tabs.set_value(page)
        assert view.pages.currentIndex() == PAGES.index(page)
        assert view.grab().toImage().size().width() > 0
    assert view._content.height() <= view.height()  # it is the tables that scroll, below the headlines
    assert view.cards[0].card.cell.best == 0 and "better" in view.cards[0].accessibleName()
    said: list[str] = []
    table = view.distances.table
    table.chosen.connect(said.append)
    table.setCurrentCell(1, 1)
    assert "split: test" in said[-1] and "B · b 20.00" in said[-1]
    table.setCurrentCell(0, 0)
    assert said[-1] == ""
    view.tabs.set_value("Edits")
    assert view.edits.table.rowCount() == 4
    view.amounts.set_value(AMOUNTS[1])
    assert view.edits.table.rowCount() == 1 and "90.0 %" in view.edits.note.text()
    assert "connect to the network" in view.notes.text()


def test_that_a_heat_map_tells_its_cells(one: Path, qtbot: QtBot) -> None:
    heat = load(one).models[0].heats[AMOUNTS[0]]
    assert heat is not None
    view = HeatMap("leakage")
    qtbot.addWidget(view)
    view.show_heat(heat)
    i, j = heat.rows.index("FacialHair yes"), heat.columns.index("Beard")
    assert view.text_at(view.cell(i, j).center().toPoint()) == (
        "FacialHair yes changes Beard on 40.0 % of faces; the true edit changes it on 50.0 %"
    )
    assert view.true(i, j) and not view.true(0, j)
    assert view.text_at(QPoint(1, 1)) == ""
    view.show_heat(heat, KINDS[1])
    assert "by +0.30" in view.text_at_cell(i, j)
    assert not view.grab().isNull()


def test_that_a_heat_map_without_other_attributes_is_drawn(qtbot: QtBot) -> None:
    view = HeatMap("leakage")
    qtbot.addWidget(view)
    view.show_heat(Heat(("Hat yes",), (), ((),), ((),), ((),), None))
    assert not view.grab().isNull() and view.text_at(QPoint(90, 30)) == ""


@pytest.mark.parametrize("width", [300, 1400])
def test_that_a_table_shows_all_rows_and_scrolls_only_where_columns_are_too_wide(
    one: Path, qtbot: QtBot, width: int
) -> None:
    page = TablePage("edits")
    qtbot.addWidget(page)
    page.resize(width, 600)
    with qtbot.waitExposed(page):
        page.show()
    page.show_table(load(one).edits[AMOUNTS[0]], ("a",), "absent")
    table = page.table
    across, down = table.horizontalScrollBar(), table.verticalScrollBar()
    qtbot.waitUntil(lambda: (across.maximum() > 0) == (width == 300) and down.maximum() == 0)
    last = table.visualItemRect(table.item(table.rowCount() - 1, 1))
    assert table.viewport().rect().bottom() >= last.bottom()


def test_that_the_headlines_follow_the_theme(
    two: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = EvaluationView()
    qtbot.addWidget(view)
    monkeypatch.setattr(theme, "current", lambda: theme.LIGHT)
    view.show_results(load(two))
    titles = [view.title.text()]
    monkeypatch.setattr(theme, "current", lambda: theme.DARK)
    QApplication.sendEvent(view, QEvent(QEvent.Type.PaletteChange))
    titles.append(view.title.text())
    assert titles[0] != titles[1] and len(view.cards) == 5


def test_that_results_of_another_model_than_the_open_one_say_so(two: Path, qtbot: QtBot) -> None:
    view = EvaluationView()
    qtbot.addWidget(view)
    view.set_open_model("c" * 8)
    assert view.other.isHidden()  # there are no results yet
    view.show_results(load(two))
    assert not view.other.isHidden()
    for digest in ("a" * 8, "b" * 8, ""):
        view.set_open_model(digest)
        assert view.other.isHidden()


def test_that_a_picture_fits_zooms_and_says_when_it_is_broken(
    one: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    view = ZoomView("picture")
    qtbot.addWidget(view)
    view.resize(450, 300)
    with qtbot.waitExposed(view):
        view.show()
    view.show_file(one / "pictures" / "a.png")
    assert view.zoom == float(int(450 * view.devicePixelRatioF() / 200))
    view.step(1)
    assert view.zoom == 3.0
    view.resize(900, 300)
    assert view.zoom == 3.0  # chosen by hand
    view.fit()
    assert view.zoom == float(int(900 * view.devicePixelRatioF() / 200))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    view.show_file(broken)
    assert view.empty and "broken.png cannot be read" in view._canvas.said
    assert view._canvas.sizeHint() == QSize(240, 120)


def test_that_pictures_of_two_models_go_by_name(tmp_path: Path, qtbot: QtBot) -> None:
    second = model("b")
    second["pictures"].append(
        {"name": "more", "title": "More", "caption": "Only here.", "file": "pictures/b.png"}
    )
    view = EvaluationView()
    qtbot.addWidget(view)
    view.show_results(load(write(tmp_path / "two", body([model("a"), second]))))
    browser = view.pictures
    titles = [browser.list.item(i).text() for i in range(browser.list.count())]
    assert titles == ["Reconstructions", "More"]
    browser.list.setCurrentRow(1)
    assert browser.views[0].empty and not browser.views[1].empty
    assert browser.caption.text() == "Only here."
    assert browser.list.item(1).data(Qt.ItemDataRole.UserRole) == "more"
