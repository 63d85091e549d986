"""The Evaluate workspace's wiring: one child at a time, to train a judge or to evaluate, and results."""

from __future__ import annotations

import datetime
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QFileDialog

from introvac_studio import desktop, evaluation_results
from introvac_studio.evaluation_request import EvaluationRequest, JudgeRequest
from introvac_studio.judge_dialog import JudgeDialog
from introvac_studio.language import mark, tr
from introvac_studio.main_window import Dock
from introvac_studio.panels.evaluate import EvaluatePanel
from introvac_studio.saving import ask_target
from introvac_studio.settings import Settings
from introvac_studio.state import StudioState
from introvac_studio.widgets.evaluation_view import EvaluationView
from introvac_studio.workers.child import ChildThread, Ended
from introvac_studio.workers.evaluation import evaluation, judge_training
from trainer import events, files
from trainer.errors import DataError, IntroVACError
from trainer.files import atomic_file

_KEPT = 32  # models of which the last evaluation is remembered
_NOTHING = mark(
    "How good is the model? Press Evaluate: faces that it never learned from are reconstructed, edited and "
    "sampled, and an independent judge says what became of them. Distances, edit success, leakage, "
    "calibration and pictures appear here.\n\nOr open the results of an earlier evaluation."
)
_NO_MODEL = mark("Open a model with File › Open model, or open the results of an earlier evaluation.")


class Evaluations(QObject):
    """Starts, supervises and shows evaluations.

    Signals:
        statusChanged(str): a line for the status bar.
        alerted(str, str, str): what the user should know wherever they look: text, kind and details.
        idle: no child is left.
    """

    statusChanged = Signal(str)
    alerted = Signal(str, str, str)
    idle = Signal()

    def __init__(
        self, state: StudioState, settings: Settings, device: str = "auto", parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._state, self._settings = state, settings
        self.panel = EvaluatePanel(state, settings)
        self.panel.device = device
        self.view = EvaluationView()
        self.thread_: ChildThread | None = None
        self._request: EvaluationRequest | None = None  # to be served, now or after its judge
        self._judge: JudgeRequest | None = None  # in training
        self._out: Path | None = None  # where the child writes its results
        self._connect()
        self._on_model()

    def _connect(self) -> None:
        panel, view = self.panel, self.view
        panel.evaluateRequested.connect(self._start)
        panel.trainJudgeRequested.connect(self._ask_judge)
        panel.cancelRequested.connect(self.stop)
        panel.complained.connect(self._complain)
        view.reportRequested.connect(self._open_report)
        view.folderRequested.connect(self._open_folder)
        view.saveRequested.connect(self._save_report)
        view.openRequested.connect(self.choose_results)
        self._state.modelChanged.connect(self._on_model)

    def docks(self) -> tuple[Dock, ...]:
        """The workspace's panels."""
        return (
            Dock("measure", mark("Measure"), self.panel, width=304),
            Dock("results", mark("Results"), self.view, width=944, beside="measure"),
        )

    @Slot(str)
    def _complain(self, text: str) -> None:
        """What did not work; nothing is lost."""
        self.alerted.emit(text, "error", "")

    @property
    def running(self) -> bool:
        """Whether a child works (or ends) at present."""
        return self.thread_ is not None

    # -- children -----------------------------------------------------------------------------

    @Slot(object, object)
    def _start(self, request: EvaluationRequest, judge: JudgeRequest | None) -> None:
        if self.running:
            return
        self._request = request
        if judge is None:
            self._evaluate()
        else:
            self._train(judge)

    def _evaluate(self) -> None:
        assert self._request is not None
        self._judge, self._out = None, self._request.out
        self._supervise(evaluation(self._request.arguments(), self), tr("Evaluating"), tr("evaluating"))

    def _train(self, judge: JudgeRequest) -> None:
        self._judge = judge
        text = tr("Training a judge") if self._request is None else tr("First, training a judge")
        self._supervise(judge_training(judge.arguments(), self), text, tr("training a judge"))

    def _supervise(self, thread: ChildThread, text: str, status: str) -> None:
        """Start a child; what it does stands in the panel, and as `status` in the status bar."""
        assert self.thread_ is None, "one child at a time"
        self.thread_ = thread
        thread.happened.connect(self._on_event)
        thread.ended.connect(self._on_ended)
        self.panel.begin(text)
        if self.view.results is None:
            self.view.clear(tr("The results appear here when the evaluation is done; how far it is stands on "
                               "the left. You can go on working meanwhile."))  # fmt: skip
        self.statusChanged.emit(status)
        thread.start()

    @Slot(object)
    def _on_event(self, event: events.Event) -> None:
        self.panel.on_event(event)
        if isinstance(event, events.Progress) and event.total and not self.panel.ending:
            share = f"{100 * event.done / event.total:.0f}"
            self.statusChanged.emit(
                tr("training a judge {share} %", share=share)
                if self._judge is not None
                else tr("evaluating {share} %", share=share)
            )

    @Slot(object)
    def _on_ended(self, ended: Ended) -> None:
        thread, self.thread_ = self.thread_, None
        if thread is None:  # shut down while its last word was on the way
            return
        thread.wait()
        thread.deleteLater()
        judge, self._judge = self._judge, None
        if ended.reason != "completed":
            self._request = None
            self._drop_empty_folder()
            self.panel.end(tr("Stopped.") if ended.reason == "stopped" else tr("Ended by an error."))
            if ended.text:
                self.alerted.emit(ended.text, "error", ended.details)
            self.statusChanged.emit("")
            self._on_model()
            self.idle.emit()
        elif judge is not None:
            self._on_judge_trained(judge)
        else:
            self._on_evaluated(ended)

    def _drop_empty_folder(self) -> None:
        """The folder of an evaluation that wrote nothing."""
        out, self._out = self._out, None
        if out is not None:
            with suppress(OSError):
                out.rmdir()

    def _on_judge_trained(self, judge: JudgeRequest) -> None:
        self.panel.end(tr("The judge is trained."))
        try:
            self.panel.use_judge(judge.out)
        except IntroVACError as error:
            self._request = None
            self._complain(str(error))
        if self._request is not None:
            self._request = replace(self._request, judge=judge.out)
            self._evaluate()
            return
        self.statusChanged.emit(tr("judge trained"))
        self.idle.emit()

    def _on_evaluated(self, ended: Ended) -> None:
        self._request = self._out = None
        now = datetime.datetime.now().strftime("%H:%M")
        self.panel.end(tr("Evaluated at {now}.", now=now))
        self.statusChanged.emit(tr("evaluated"))
        if ended.made is not None and self.show_results(ended.made) and self.view.results is not None:
            self._remember(self.view.results)
        self.idle.emit()

    @Slot()
    def stop(self) -> None:
        """Ask the child to end; `idle` tells when it has."""
        if self.thread_ is not None:
            self._request = None  # a judge that is done all the same is followed by nothing
            self.panel.stopping()
            self.statusChanged.emit(tr("stopping…"))
            self.thread_.stop()

    @Slot(object)
    def _ask_judge(self, suggested: JudgeRequest) -> None:
        dialog = JudgeDialog(suggested, self.panel.window())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._on_judge_asked)
        self.judge_dialog = dialog
        dialog.open()

    @Slot()
    def _on_judge_asked(self) -> None:
        if not self.running:
            self._request = None
            self._train(self.judge_dialog.request)

    def shut_down(self) -> None:
        """End the child and wait for it; nothing is started after."""
        thread, self.thread_, self._request = self.thread_, None, None
        if thread is not None:
            thread.close()
            self._drop_empty_folder()

    # -- results ------------------------------------------------------------------------------

    @Slot()
    def _on_model(self) -> None:
        """Show the last evaluation of the model that was opened; where there is none, nothing changes."""
        model = self._state.model
        self.view.set_open_model("" if model is None else model.digest)
        shown = self.view.results
        if shown is None:
            self.view.clear(tr(_NO_MODEL) if model is None else tr(_NOTHING))
        elif model is not None and shown.about(model.digest):
            return
        if model is None or self.running:
            return
        last = self._settings.get(f"evaluate/last/{model.digest[:16]}", "")
        if last and files.is_file(last):
            with suppress(DataError):  # it was changed or moved since: not worth a word
                results = evaluation_results.load(Path(last))
                if results.about(model.digest):  # else another evaluation was put into its place
                    self.view.show_results(results)

    def _remember(self, results: evaluation_results.Results) -> None:
        key = results.models[0].sha256[:16]
        known = [k for k in self._settings.texts("evaluate/known") if k != key]
        for old in known[_KEPT - 1 :]:
            self._settings.forget(f"evaluate/last/{old}")
        self._settings.set_texts("evaluate/known", [key, *known][:_KEPT])
        self._settings.set(f"evaluate/last/{key}", str(results.path.resolve()))

    def show_results(self, path: Path) -> bool:
        """Show `metrics.json`, or that of a folder; False where it cannot be, which is said."""
        try:
            results = evaluation_results.load(path)
        except DataError as error:
            self._complain(str(error))
            return False
        self.view.show_results(results)
        return True

    @Slot()
    def choose_results(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self.view,
            tr("Open the results of an evaluation"),
            str(self.panel.root),
            tr("Results (metrics.json *.json)"),
        )
        if path:
            self.show_results(Path(path))

    @Slot()
    def _open_report(self) -> None:
        results = self.view.results
        if results is not None and results.report is not None:
            self._visit(results.report)

    @Slot()
    def _open_folder(self) -> None:
        if self.view.results is not None:
            self._visit(self.view.results.folder)

    def _visit(self, path: Path) -> None:
        if trouble := desktop.visit(path):
            self._complain(trouble)

    @Slot()
    def _save_report(self) -> None:
        results = self.view.results
        if results is None or results.report is None:
            return
        folder = self._settings.get("evaluate/saved", "") or str(Path.home())
        name = Path(folder) / f"{results.folder.name}.html"
        path = ask_target(self.view, tr("Save the report"), name, tr("Reports (*.html)"), ".html")
        if path is None:
            return
        try:
            body = results.report.read_bytes()
            with atomic_file(path) as file:
                file.write(body)
        except (IntroVACError, OSError) as error:
            self._complain(tr("The report was not saved: {error}", error=error))
            return
        self._settings.set("evaluate/saved", str(path.parent))
        self.statusChanged.emit(tr("saved {name}", name=path.name))
