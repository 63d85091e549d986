"""What to measure: models, data, judge, how many faces; and the progress of an evaluation.

Wiring (by `evaluations.py`)::

    panel = EvaluatePanel(state, settings)
    panel.evaluateRequested(EvaluationRequest, JudgeRequest | None)   the judge is trained first
    panel.trainJudgeRequested(JudgeRequest)                           from "Train a judge…"
    panel.cancelRequested
    panel.begin(text), panel.on_event(event), panel.end(text)         while a child works
"""

from __future__ import annotations

import datetime
from pathlib import Path

from PySide6.QtCore import QSize, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.evaluation_request import (
    EvaluationRequest,
    JudgeRequest,
    Subject,
    data_of,
    default_out,
    subject,
    suggestion,
)
from introvac_studio.language import mark, tr
from introvac_studio.settings import Settings
from introvac_studio.state import StudioState
from introvac_studio.widgets.data_chooser import DataChooser
from introvac_studio.widgets.evaluation_foot import EvaluationFoot
from introvac_studio.widgets.form_area import form_area
from introvac_studio.widgets.judge_chooser import JudgeChooser
from introvac_studio.widgets.model_chooser import RECENT, ModelChooser
from introvac_studio.widgets.texts import Line, heading, muted
from introvac_studio.widgets.weights_chooser import WeightsChooser
from trainer import events, files, modelfile
from trainer.errors import IntroVACError

SECTIONS = {
    "reading": (mark("Reading"), mark("Classifier, calibration, reconstructions and the use of the code")),
    "distances": (
        mark("Distances"),
        mark("Fréchet and kernel distances of reconstructions and samples to real faces"),
    ),
    "samples": (mark("Samples"), mark("Whether samples with a wanted label have it")),
    "edits": (mark("Edits"), mark("Whether edits succeed, and what else they change")),
    "equal-success": (
        mark("Leakage at equal success"),
        mark("Edits compared where all of them succeed alike"),
    ),
    "pictures": (mark("Pictures"), mark("Grids of reconstructions, edits, failures and samples")),
}
INCEPTION = "inception"
FEATURES = {
    "": mark("All that can be opened"),
    INCEPTION: mark("Inception-v3 (FID)"),
    "lite0": mark("Lite0"),
    "pixels": mark("8 × 8 pixels, quick"),
}
_FACES = 400


class EvaluatePanel(QWidget):
    """The form and, below it, what is going on.

    Signals:
        evaluateRequested(EvaluationRequest, object): measure this; first train a judge, where one is given.
        trainJudgeRequested(JudgeRequest): the user wants to train a judge; ask for particulars.
        cancelRequested: stop what runs.
        complained(str): why a file that was chosen is not taken.
    """

    evaluateRequested = Signal(object, object)
    trainJudgeRequested = Signal(object)
    cancelRequested = Signal()
    complained = Signal(str)

    def __init__(self, state: StudioState, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device = "auto"
        self._state, self._settings = state, settings
        self._chosen: Subject | None = None  # the model that is to be measured
        self._trouble = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        area = form_area(self._build_form())
        layout.addWidget(area, 1)
        self.foot = EvaluationFoot()
        self.status, self.bar, self.pace = self.foot.status, self.foot.bar, self.foot.pace
        self.evaluate, self.cancel = self.foot.evaluate, self.foot.cancel
        self.evaluate.clicked.connect(self.ask)
        self.cancel.clicked.connect(self.cancelRequested)
        layout.addWidget(self.foot)
        self.setMinimumWidth(272)
        state.modelChanged.connect(self._on_model)
        self._on_model()

    def sizeHint(self) -> QSize:
        return QSize(300, 640)

    # -- building -------------------------------------------------------------------------

    def _build_form(self) -> QWidget:
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(12, 12, 12, theme.GRID)
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(theme.GRID)
        grid.setColumnStretch(1, 1)
        self.model, self.against = ModelChooser(self._settings), ModelChooser(self._settings, tr("Nothing"))
        self.judge = JudgeChooser(self._settings)
        self.data, self.weights = DataChooser(self._settings), WeightsChooser(self._settings)
        self.features = QComboBox()
        self.about, self.judge_about = muted(wrap=True), self.judge.about
        self.train_judge = QPushButton(tr("Train a judge…"))
        self.train_judge.setToolTip(
            tr("Teach an independent network the attributes of real faces, in a minute or two")
        )
        self.count = QSpinBox()
        self.count.setRange(20, 1_000_000)
        self.count.setSingleStep(100)
        self.count.setGroupSeparatorShown(True)
        self.count.setKeyboardTracking(False)
        self.count.setValue(_FACES)
        self.count.setToolTip(
            tr("At most so many faces of the split that is reported: more are slower and surer")
        )
        self.sections = self._build_sections()
        for key, text in FEATURES.items():
            self.features.addItem(tr(text), key)
        self.problem = QLabel()
        self.problem.setObjectName("warning")
        self.problem.setWordWrap(True)
        self.place = Line()
        self.folder = QPushButton("…")
        self.folder.setFixedWidth(36)
        self.folder.setToolTip(tr("Choose the folder that holds evaluations"))
        self.folder.setAccessibleName(tr("Choose the folder that holds evaluations"))
        where = QHBoxLayout()
        where.setSpacing(4)
        where.addWidget(self.place, 1)
        where.addWidget(self.folder)
        for box, tip in (
            (self.model, tr("The model to measure")),
            (self.against, tr("A second model, measured on the same faces and shown beside the first")),
            (self.data, tr("Where real faces come from; only those that no model learned from are reported")),
            (
                self.judge,
                tr("The network that says, independently of the model, which attributes a face has"),
            ),
            (self.features, tr("What distances look at")),
            (
                self.weights,
                tr("Inception’s weights: downloaded once, or from a file where there is no network"),
            ),
        ):
            box.setToolTip(tip)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
        fields: list[tuple[str, QWidget | QHBoxLayout]] = [
            (tr("Model"), self.model), ("", self.about), (tr("Against"), self.against), (tr("Data"),
                self.data),
            (tr("Faces"), self.count), (tr("Judge"), self.judge), ("", self.judge_about), ("",
                self.train_judge),
            (tr("Measure"), self.sections), (tr("Features"), self.features),
            (tr("Weights"), self.weights), (tr("Folder"), where),
        ]  # fmt: skip
        grid.addWidget(heading(tr("What to measure")), 0, 0, 1, 2)
        for line, (text, field) in enumerate(fields, 1):
            if text:
                grid.addWidget(muted(text), line, 0)
            if isinstance(field, QWidget):
                if text:
                    field.setAccessibleName(text)
                grid.addWidget(field, line, 1)
            else:
                grid.addLayout(field, line, 1)
        last = len(fields) + 1
        grid.addWidget(self.problem, last, 0, 1, 2)
        grid.setRowStretch(last + 1, 1)
        self.model.picked.connect(self._on_model_picked)
        self.against.picked.connect(self._on_against_picked)
        self.data.picked.connect(self.set_data)
        self.judge.chosen.connect(self._tell)
        for chooser in (self.model, self.against, self.judge):
            chooser.refused.connect(self.complained)
        self.features.currentIndexChanged.connect(self._tell)
        self.train_judge.clicked.connect(self._on_train_judge)
        self.folder.clicked.connect(self._on_folder)
        return body

    def _build_sections(self) -> QPushButton:
        button = QPushButton()
        button.setToolTip(tr("What to measure; less is quicker"))
        menu = QMenu(button)
        self.section_actions = {}
        for key, (title, tip) in SECTIONS.items():
            action = menu.addAction(tr(title))
            action.setCheckable(True)
            action.setChecked(True)
            action.setToolTip(tr(tip))
            action.toggled.connect(self._tell)
            self.section_actions[key] = action
        menu.setToolTipsVisible(True)
        button.setMenu(menu)
        return button

    # -- the model --------------------------------------------------------------------------

    @Slot()
    def _on_model(self) -> None:
        """Another model is open: it is the one to measure."""
        model = self._state.model
        self._choose_model(None if model is None else model.path)

    def _choose_model(self, path: Path | None) -> None:
        self._trouble = ""
        self._chosen = None
        if path is not None:
            model = self._state.model
            copy = model.weights if model is not None and model.path == path else None
            try:
                self._chosen = subject(path, copy)
            except IntroVACError as error:
                self._trouble = str(error)
        self._fill_models()
        self.set_data(self._default_data())

    def _recent(self) -> list[Path]:
        """Models to choose from, the open one first."""
        model = self._state.model
        first = [] if model is None else [str(model.path)]
        texts = dict.fromkeys([*first, *self._settings.texts("model/recent"), *self._settings.texts(RECENT)])
        return [Path(text) for text in texts if files.exists(text)]

    def _fill_models(self) -> None:
        chosen = self._chosen.path if self._chosen is not None else None
        known = self._recent()
        if chosen is not None and chosen not in known:
            known.append(chosen)
        self.model.show_paths(known, chosen)
        self.against.show_paths([path for path in known if path != chosen], self.against.path)

    @Slot(object)
    def _on_model_picked(self, path: Path) -> None:
        self._choose_model(path)

    @Slot(object)
    def _on_against_picked(self, path: Path | None) -> None:
        self._fill_models()  # a file that was chosen is among them now
        self._tell()

    # -- data -----------------------------------------------------------------------------

    def _default_data(self) -> str:
        """The model's own data: what it learned from, or what was opened for such models."""
        if self._chosen is None:
            return ""
        own = data_of(self._chosen.path, self._chosen.card)
        return own or self._settings.get(f"faces/{self._chosen.card.data or 'other'}", "")

    @Slot(str)
    def set_data(self, spec: str) -> None:
        """Measure on this data."""
        self.data.show_spec(spec)
        self.judge.show_for(self._chosen, spec)

    # -- the judge --------------------------------------------------------------------------

    def use_judge(self, path: Path) -> None:
        """Judge with this file from now on.

        Raises:
            CheckpointError: it is no judge.
        """
        self.judge.use(path)

    def suggested_judge(self) -> JudgeRequest | None:
        """What a new judge would learn; None without a model or data."""
        if self._chosen is None or not self.data.spec:
            return None
        return suggestion(self._chosen, self.data.spec, self.judge.folder, self.device)

    @Slot()
    def _on_train_judge(self) -> None:
        if (wanted := self.suggested_judge()) is not None:
            self.trainJudgeRequested.emit(wanted)

    # -- what is asked ------------------------------------------------------------------------

    @Slot()
    def _on_folder(self) -> None:
        text = QFileDialog.getExistingDirectory(self, tr("The folder that holds evaluations"), str(self.root))
        if text:
            self._settings.set("evaluate/root", text)
            self._tell()

    @property
    def root(self) -> Path:
        """The folder that holds evaluations."""
        text = self._settings.get("evaluate/root", "")
        return Path(text) if text else Path.home() / "IntroVAC" / "evaluations"

    def request(self) -> EvaluationRequest | None:
        """What the form describes; None without a model or data. A judge to be trained is not in it."""
        model = self._chosen
        if model is None or not self.data.spec:
            return None
        against, features = self.against.path, self.features.currentData()
        taken = [key for key, action in self.section_actions.items() if action.isChecked()]
        name = model.name
        if against is not None:
            name = f"{name}-against-{modelfile.title(against)}"
        return EvaluationRequest(
            model.file,
            self.data.spec,
            default_out(self.root, name, datetime.date.today()),
            against=against,
            count=self.count.value(),
            judge=self.judge.path,
            features=(features,) if features else (),
            only=() if len(taken) == len(SECTIONS) else tuple(taken),
            weights=self.weights.path if self._uses_weights() else None,
            device=self.device,
        )

    @property
    def judge_first(self) -> bool:
        """Whether a judge is to be trained before the evaluation."""
        return self.judge.first

    def _uses_weights(self) -> bool:
        return (
            self.features.currentData() in ("", INCEPTION) and self.section_actions["distances"].isChecked()
        )

    @Slot()
    def ask(self) -> None:
        """Ask for the evaluation that the form describes, unless one runs or something lacks."""
        request = self.request()
        if request is None or self.foot.running or self._problem():
            return
        self.evaluateRequested.emit(request, self.suggested_judge() if self.judge_first else None)

    def _problem(self) -> str:
        if self._trouble:
            return self._trouble
        if self._chosen is None:
            return tr("Open a model to measure it.")
        if not self.data.spec:
            return tr("Choose data with faces like those that the model learned from.")
        if not any(action.isChecked() for action in self.section_actions.values()):
            return tr("Choose something to measure.")
        return ""

    @Slot()
    def _tell(self) -> None:
        model, problem = self._chosen, self._problem()
        taken = sum(action.isChecked() for action in self.section_actions.values())
        self.sections.setText(
            tr("Everything")
            if taken == len(SECTIONS)
            else tr("{taken} of {count} parts", taken=taken, count=len(SECTIONS))
        )
        self.about.setText(
            ""
            if model is None
            else tr(
                "{size} px, {names}", size=model.config.image_size, names=", ".join(model.config.attributes)
            )
            + (tr(", step {n}", n=f"{model.card.step:,}") if model.card.step else "")
        )
        self.about.setVisible(model is not None)
        request = self.request()
        self.place.say(
            "" if request is None else request.out.name, "" if request is None else str(request.out)
        )
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.foot.set_can_start(not problem)
        self.train_judge.setEnabled(not problem and not self.foot.running)
        self.weights.setEnabled(self._uses_weights())

    # -- while it runs --------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether a child works."""
        return self.foot.running

    @property
    def ending(self) -> bool:
        """Whether the child was asked to stop."""
        return self.foot.ending

    def begin(self, text: str) -> None:
        """A child has been started."""
        self.foot.begin(text)
        self._tell()

    @Slot(object)
    def on_event(self, event: events.Event) -> None:
        """How far it is."""
        self.foot.on_event(event)

    def stopping(self) -> None:
        """The child has been asked to stop."""
        self.foot.stopping()

    def end(self, text: str) -> None:
        """No child works any more."""
        self.foot.end(text)
        self._tell()
