"""Evaluations from the workspace: the real child, ends of every kind, judges, and results on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QComboBox, QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from introvac_studio import evaluation_request
from introvac_studio.evaluation_request import data_of, judges_in, read_judge, subject, suggestion
from introvac_studio.evaluations import Evaluations
from introvac_studio.panels.evaluate import SECTIONS, EvaluatePanel
from introvac_studio.settings import Settings
from introvac_studio.state import ModelInfo, StudioState
from introvac_studio.studio import Studio
from introvac_studio.workers.child import Ended
from trainer import events, modelfile
from trainer.errors import CheckpointError
from trainer.metrics.evaluate import SECTIONS as MEASURED

from .conftest import WAIT
from .evaluations import body, model, write

DATA = "avatars:160"


def opened(path: Path) -> ModelInfo:
    file = modelfile.load(path)
    return ModelInfo(
        1, path, file.card.name, file.planes, file.card, file.digest, file.config.image_size,
        file.config.latent_dim, file.config.crop, "cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def other_model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with other weights."""
    import torch

    import trainer
    from trainer import checkpoint
    from trainer.card import ModelCard

    network = trainer.load(tiny_model)
    with torch.no_grad():
        for weights in network.decoder.parameters():
            weights.mul_(1.2)
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    checkpoint.save_model(path, network, ModelCard(name="other", data="avatars", game_played=True))
    return path


@pytest.fixture
def homes(settings: Settings, tmp_path: Path) -> Settings:
    """Judges and results go into the test's own folder."""
    settings.set("evaluate/judges", str(tmp_path / "judges"))
    settings.set("evaluate/root", str(tmp_path / "evaluations"))
    return settings


@pytest.fixture
def workspace(
    homes: Settings, tiny_model: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Evaluations]:
    """The workspace alone, with the tiny model open and quick settings."""
    monkeypatch.setattr(evaluation_request, "JUDGE_FACES", 160)
    state = StudioState()
    made = Evaluations(state, homes, "cpu")
    qtbot.addWidget(made.panel)
    qtbot.addWidget(made.view)
    state.set_model(opened(tiny_model))
    made.panel.set_data(DATA)
    made.panel.count.setValue(20)
    made.panel.features.setCurrentIndex(made.panel.features.findData("pixels"))
    yield made
    made.shut_down()


@pytest.fixture
def said(workspace: Evaluations) -> list[str]:
    """What the user has been told."""
    texts: list[str] = []
    workspace.alerted.connect(lambda text, kind, details: texts.append(text))
    return texts


def listed(box: QComboBox) -> list[object]:
    return [box.itemData(i) for i in range(box.count())]


def wish(workspace: Evaluations, *sections: str, judge: str = "none") -> None:
    for key, action in workspace.panel.section_actions.items():
        action.setChecked(key in sections)
    workspace.panel.judge.setCurrentIndex(workspace.panel.judge.findData(judge))
    workspace.panel.judge.activated.emit(workspace.panel.judge.currentIndex())


def test_that_one_click_trains_a_judge_evaluates_two_models_and_remembers(
    workspace: Evaluations,
    said: list[str],
    homes: Settings,
    tiny_model: Path,
    other_model: Path,
    qtbot: QtBot,
    tmp_path: Path,
) -> None:
    panel, view = workspace.panel, workspace.view
    assert panel.judge_first  # there is none yet
    homes.set_texts("model/recent", [str(other_model)])
    panel.set_data(DATA)
    panel._fill_models()
    panel.against.activated.emit(listed(panel.against).index(other_model))
    wish(workspace, "reading", "distances", "samples", "pictures", judge="train")
    seen: list[str] = []
    workspace.statusChanged.connect(seen.append)
    with qtbot.waitSignal(workspace.idle, timeout=2 * WAIT):
        panel.evaluate.click()
        assert not panel.evaluate.isEnabled() and panel.cancel.isEnabled()
        panel.ask()  # a second click starts nothing
    assert not said and panel.evaluate.isEnabled()
    judge = tmp_path / "judges" / "avatars-32-none.safetensors"
    assert [one.path for one in judges_in(judge.parent)] == [judge] and panel.judge.currentData() == judge
    assert any("training a judge" in text for text in seen) and seen[-1] == "evaluated"
    results = view.results
    assert results is not None and results.labels == ("A · tiny", "B · other")
    assert results.distances.rows
    assert all(cell.figures[0] and cell.figures[1] for row in results.samples.rows for cell in row.cells)
    assert results.path.parent.parent == tmp_path / "evaluations" and results.report is not None
    assert not view.pictures.views[0].empty and not view.pictures.views[1].empty
    assert [card.card.title for card in view.cards] == ["Reconstruction", "Classifier accuracy", "KL, nats"]

    again = Evaluations(StudioState(), homes, "cpu")  # the next start of the studio
    qtbot.addWidget(again.panel)
    qtbot.addWidget(again.view)
    assert again.view.results is None
    again._state.set_model(opened(other_model))
    assert again.view.results is None and "Press Evaluate" in again.view.empty_text
    again._state.set_model(opened(tiny_model))
    assert again.view.results == results and not again.panel.judge_first


def test_that_cancel_stops_it_and_keeps_what_was_there(
    workspace: Evaluations, said: list[str], qtbot: QtBot, tmp_path: Path
) -> None:
    assert workspace.show_results(write(tmp_path / "old", body([model("old")])))
    wish(workspace, "reading", "distances", "samples", "pictures")
    workspace.panel.evaluate.click()
    assert workspace.thread_ is not None
    with qtbot.waitSignal(workspace.thread_.happened, timeout=WAIT):
        pass
    child = psutil.Process(workspace.thread_.pid)
    assert " · " in workspace.panel.pace.text()
    with qtbot.waitSignal(workspace.idle, timeout=WAIT):
        workspace.panel.cancel.click()
        workspace._on_event(events.Progress(what="late", done=1, total=2))  # was on its way
        assert workspace.panel.pace.text() == "stopping…" and not workspace.panel.cancel.isEnabled()
    assert not child.is_running() and workspace.panel.status.text() == "Stopped."
    assert not said and not list((tmp_path / "evaluations").glob("*"))
    assert workspace.view.results is not None and workspace.view.results.labels == ("old",)


def test_that_a_killed_child_is_said(workspace: Evaluations, said: list[str], qtbot: QtBot) -> None:
    wish(workspace, "reading", "distances")
    workspace.panel.evaluate.click()
    thread = workspace.thread_
    assert thread is not None
    qtbot.waitUntil(lambda: thread.pid is not None, timeout=WAIT)
    with qtbot.waitSignal(workspace.idle, timeout=WAIT):
        psutil.Process(thread.pid).kill()
    assert "The evaluation died" in said[-1] and "error" in workspace.panel.status.text()
    assert workspace.panel.evaluate.isEnabled() and not workspace.running


def test_that_a_judge_that_is_done_while_the_window_closes_is_followed_by_nothing(
    workspace: Evaluations, qtbot: QtBot
) -> None:
    wish(workspace, "reading", judge="train")
    workspace.panel.evaluate.click()
    thread = workspace.thread_
    assert thread is not None
    workspace.shut_down()
    assert thread.isFinished()
    workspace._on_ended(Ended("completed", "", 0, None))  # its last word, after all
    assert not workspace.running


def test_that_bad_data_is_said_in_one_line(
    workspace: Evaluations, said: list[str], qtbot: QtBot, tmp_path: Path
) -> None:
    workspace.panel.set_data(f"folder:{tmp_path / 'nowhere'}")
    wish(workspace, "reading")
    with qtbot.waitSignal(workspace.idle, timeout=WAIT):
        workspace.panel.evaluate.click()
    assert "nowhere" in said[-1] and "\n" not in said[-1]


def test_that_a_broken_file_is_said_and_leaves_what_was_there(
    workspace: Evaluations, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert workspace.show_results(write(tmp_path / "old", body([model("old")])))
    broken = tmp_path / "metrics.json"
    broken.write_text("{", "utf-8")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(broken), ""))
    workspace.choose_results()
    assert str(broken) in said[-1]
    assert workspace.view.results is not None and workspace.view.results.labels == ("old",)


def test_that_the_report_is_opened_and_copied(
    workspace: Evaluations, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "old", body([model("old")]))
    assert workspace.show_results(folder)
    visited: list[QUrl] = []

    def visit(url: QUrl) -> bool:
        visited.append(url)
        return len(visited) < 3

    monkeypatch.setattr(QDesktopServices, "openUrl", visit)
    workspace.view.report.click()
    workspace.view.folder.click()
    assert [Path(url.toLocalFile()) for url in visited] == [folder / "report.html", folder]
    workspace.view.folder.click()
    assert "open it yourself" in said[-1]
    copy = tmp_path / "copy"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(copy), ""))
    workspace.view.save.click()
    assert copy.with_suffix(".html").read_bytes() == (folder / "report.html").read_bytes()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "no" / "x.html"), ""))
    workspace.view.save.click()
    assert "The report was not saved" in said[-1]


def test_that_the_form_says_what_lacks(workspace: Evaluations) -> None:
    panel = workspace.panel
    assert panel.evaluate.isEnabled() and panel.problem.text() == ""
    panel.set_data("")
    assert "Choose data" in panel.problem.text() and not panel.evaluate.isEnabled()
    panel.set_data(DATA)
    wish(workspace)
    assert "Choose something" in panel.problem.text() and panel.sections.text() == "0 of 6 parts"
    workspace._state.set_model(None)
    assert "Open a model" in panel.problem.text() and panel.request() is None


def test_that_the_form_speaks_the_command_lines_words(workspace: Evaluations, tmp_path: Path) -> None:
    from trainer.cli import parser

    assert tuple(SECTIONS) == MEASURED
    wish(workspace, "edits", "reading")
    request = workspace.panel.request()
    assert request is not None
    args = parser().parse_args(["evaluate", *request.arguments(), "--events"])
    assert (args.data, args.count, args.only, args.features) == (DATA, 20, "reading,edits", "pixels")
    assert Path(args.out).parent == tmp_path / "evaluations" and args.judge is None
    suggested = workspace.panel.suggested_judge()
    assert suggested is not None
    args = parser().parse_args(["judge", *suggested.arguments(), "--events"])
    assert (args.data, args.image_size, args.crop) == ("avatars:160", 32, "none")
    assert args.attributes == "Eyeglasses,FacialHair,Mustache,Beard,Hat,Smiling"


def test_that_weights_and_data_are_remembered_and_used_where_they_matter(
    workspace: Evaluations, homes: Settings, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, file = workspace.panel, tmp_path / "inception.pth"
    file.write_bytes(b"")
    assert not panel.weights.isEnabled()  # pixels have none
    panel.features.setCurrentIndex(0)
    assert panel.weights.isEnabled()
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(file), ""))
    panel.weights.activated.emit(panel.weights.findData("choose"))
    request = panel.request()
    assert request is not None and request.arguments()[-2:] == ["--weights", str(file)]
    panel.features.setCurrentIndex(panel.features.findData("lite0"))
    request = panel.request()
    assert request is not None and request.weights is None
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    panel.data.activated.emit(panel.data.findText("Labelled folder…"))
    assert panel.data.spec == f"folder:{tmp_path}"
    again = EvaluatePanel(StudioState(), homes)
    qtbot.addWidget(again)
    assert again.weights.path == file and again.data.findData(f"folder:{tmp_path}") >= 0
    again.weights.activated.emit(0)
    assert again.weights.path is None


def test_that_a_file_that_is_no_model_leaves_the_choice(
    workspace: Evaluations, said: list[str], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel, broken = workspace.panel, tmp_path / "broken.safetensors"
    broken.write_bytes(b"{}")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(broken), ""))
    for box, before in ((panel.model, tiny_model), (panel.against, None)):
        said.clear()
        box.activated.emit(box.findText("Choose a file…"))
        assert str(broken) in said[-1] and box.path == before == box.currentData()
        assert broken not in listed(box)
    assert panel.evaluate.isEnabled()


def test_that_no_judge_stays_no_judge_with_other_data(workspace: Evaluations) -> None:
    wish(workspace, "reading")
    workspace.panel.set_data("avatars:200")
    assert workspace.panel.judge.currentData() == "none" and not workspace.panel.judge_first


def test_that_a_judge_of_few_avatars_learns_from_more(tiny_model: Path, tmp_path: Path) -> None:
    wanted = suggestion(subject(tiny_model), "avatars:50:3", tmp_path)
    assert wanted.data == "avatars:4000:3" and wanted.out.name == "avatars-32-none.safetensors"
    photos = suggestion(subject(tiny_model), "folder:/some/My Faces!", tmp_path)
    assert photos.data == "folder:/some/My Faces!" and photos.attributes == ("Eyeglasses", "FacialHair")
    assert photos.out.name == "My-Faces-32-none.safetensors"
    photos.out.touch()  # perhaps another model's
    free = suggestion(subject(tiny_model), "folder:/some/My Faces!", tmp_path)
    assert free.out.name == "My-Faces-32-none-2.safetensors"
    assert data_of(tiny_model, subject(tiny_model).card) == "avatars:4000"


def test_that_a_model_is_no_judge_and_a_folder_no_model(
    workspace: Evaluations, said: list[str], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="is no judge"):
        read_judge(tiny_model)
    with pytest.raises(CheckpointError, match="holds no model"):
        subject(tmp_path)
    panel = workspace.panel
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(tiny_model), ""))
    panel.judge.setCurrentIndex(panel.judge.findData("choose"))
    panel.judge.activated.emit(panel.judge.currentIndex())
    assert "is no judge" in said[-1] and panel.judge_first


def test_that_a_judge_is_asked_for_in_a_dialog(
    workspace: Evaluations, said: list[str], qtbot: QtBot, tmp_path: Path
) -> None:
    workspace.panel.train_judge.click()
    dialog = workspace.judge_dialog
    dialog.attributes.setText(" , ")
    assert not dialog.train.isEnabled()
    dialog.attributes.setText("Hat, FacialHair, Hat")
    dialog.faces.setValue(100)
    dialog.epochs.setValue(dialog.epochs.maximum())  # so that it is stopped long before its end
    assert dialog.request.attributes == ("Hat", "FacialHair") and dialog.request.max_images == 100
    dialog.train.click()
    assert workspace.thread_ is not None and workspace.panel.status.text() == "Training a judge"
    with qtbot.waitSignal(workspace.thread_.happened, timeout=WAIT):
        pass
    with qtbot.waitSignal(workspace.idle, timeout=WAIT):
        workspace.stop()
    assert workspace.panel.status.text() == "Stopped." and not said
    assert not judges_in(tmp_path / "judges") and workspace.panel.judge_first


def test_that_the_window_has_the_workspace_and_asks_before_it_stops_an_evaluation(
    homes: Settings, bare_studio: Studio, tiny_model: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare_studio.window.actions_["Evaluate"].trigger()
    assert bare_studio.window.workspace == "evaluate"
    assert bare_studio.evaluations.panel.problem.text() == "Open a model to measure it."
    bare_studio.state.set_model(opened(tiny_model))
    panel = bare_studio.evaluations.panel
    panel.set_data(DATA)
    wish(bare_studio.evaluations, "reading")
    bare_studio.window.actions_["Evaluate the model"].trigger()
    assert bare_studio.evaluations.running
    assert bare_studio.window.run_status.text() == "evaluating"
    answers = [QMessageBox.StandardButton.Cancel, QMessageBox.StandardButton.Yes]
    asked: list[str] = []

    def question(parent: object, title: str, text: str, *rest: object) -> QMessageBox.StandardButton:
        asked.append(text)
        return answers[len(asked) - 1]

    monkeypatch.setattr(QMessageBox, "question", question)
    bare_studio.window.close()
    assert bare_studio.window.isVisible() and "An evaluation is going on" in asked[0]
    assert "training" not in asked[0].lower()
    bare_studio.window.close()
    qtbot.waitUntil(lambda: not bare_studio.window.isVisible(), timeout=WAIT)
    assert not bare_studio.evaluations.running
