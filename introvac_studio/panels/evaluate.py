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
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.data_summary import DataChoice
from introvac_studio.evaluation_request import (
    AVATARS,
    EvaluationRequest,
    JudgeFile,
    JudgeRequest,
    Subject,
    data_of,
    default_out,
    judge_folder,
    judges_in,
    kind_of,
    read_judge,
    subject,
    suggestion,
)
from introvac_studio.settings import Settings
from introvac_studio.state import StudioState
from introvac_studio.widgets.texts import Banner, Line, heading, muted, tabular
from trainer import events
from trainer.errors import IntroVACError

SECTIONS = {
    "reading": ("Reading", "Classifier, calibration, reconstructions and the use of the code"),
    "distances": ("Distances", "Fréchet and kernel distances of reconstructions and samples to real faces"),
    "samples": ("Samples", "Whether samples with a wanted label have it"),
    "edits": ("Edits", "Whether edits succeed, and what else they change"),
    "equal-success": ("Leakage at equal success", "Edits compared where all of them succeed alike"),
    "pictures": ("Pictures", "Grids of reconstructions, edits, failures and samples"),
}
FEATURES = {
    "": "All that can be opened",
    "inception": "Inception-v3 (FID)",
    "lite0": "Lite0",
    "pixels": "8 × 8 pixels, quick",
}
_TRAIN, _NONE, _CHOOSE, _RUN = "train", "none", "choose", "run"
_FACES = 400


class EvaluatePanel(QWidget):
    """The form and, below it, what is going on.

    Signals:
        evaluateRequested(EvaluationRequest, object): measure this; first train a judge, where one is given.
        trainJudgeRequested(JudgeRequest): the user wants to train a judge; ask for particulars.
        cancelRequested: stop what runs.
    """

    evaluateRequested = Signal(object, object)
    trainJudgeRequested = Signal(object)
    cancelRequested = Signal()

    def __init__(self, state: StudioState, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device = "auto"
        self._state, self._settings = state, settings
        self._chosen: Subject | None = None  # the model that is to be measured
        self._trouble = ""
        self._judge: JudgeFile | None = None
        self._data = ""
        self._running = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(self._build_form())
        layout.addWidget(area, 1)
        layout.addWidget(self._build_foot())
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
        self.banner = Banner()
        self.model, self.against, self.data, self.judge = (QComboBox() for _ in range(4))
        self.features = QComboBox()
        self.about, self.judge_about = muted(wrap=True), muted(wrap=True)
        self.train_judge = QPushButton("Train a judge…")
        self.train_judge.setToolTip(
            "Teach an independent network the attributes of real faces, in a minute or two"
        )
        self.count = QSpinBox()
        self.count.setRange(20, 1_000_000)
        self.count.setSingleStep(100)
        self.count.setGroupSeparatorShown(True)
        self.count.setKeyboardTracking(False)
        self.count.setValue(_FACES)
        self.count.setToolTip(
            "At most so many faces of the split that is reported: more are slower and surer"
        )
        self.sections = QPushButton()
        self.sections.setToolTip("What to measure; less is quicker")
        menu = QMenu(self.sections)
        self.section_actions = {}
        for key, (title, tip) in SECTIONS.items():
            action = menu.addAction(title)
            action.setCheckable(True)
            action.setChecked(True)
            action.setToolTip(tip)
            action.toggled.connect(self._tell)
            self.section_actions[key] = action
        menu.setToolTipsVisible(True)
        self.sections.setMenu(menu)
        for key, text in FEATURES.items():
            self.features.addItem(text, key)
        self.features.setToolTip("What distances look at; Inception’s weights are downloaded once")
        self.problem = QLabel()
        self.problem.setObjectName("warning")
        self.problem.setWordWrap(True)
        self.place = Line()
        self.folder = QPushButton("…")
        self.folder.setFixedWidth(36)
        self.folder.setToolTip("Choose the folder that holds evaluations")
        self.folder.setAccessibleName("Choose the folder that holds evaluations")
        where = QHBoxLayout()
        where.setSpacing(4)
        where.addWidget(self.place, 1)
        where.addWidget(self.folder)
        for box, tip in (
            (self.model, "The model to measure"),
            (self.against, "A second model, measured on the same faces and shown beside the first"),
            (self.data, "Where real faces come from; only those that no model learned from are reported"),
            (self.judge, "The network that says, independently of the model, which attributes a face has"),
        ):
            box.setToolTip(tip)
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(8)
        fields: list[tuple[str, QWidget | QHBoxLayout]] = [
            ("Model", self.model), ("", self.about), ("Against", self.against), ("Data", self.data),
            ("Faces", self.count), ("Judge", self.judge), ("", self.judge_about), ("", self.train_judge),
            ("Measure", self.sections), ("Features", self.features), ("Folder", where),
        ]  # fmt: skip
        grid.addWidget(self.banner, 0, 0, 1, 2)
        grid.addWidget(heading("What to measure"), 1, 0, 1, 2)
        for line, (text, field) in enumerate(fields, 2):
            if text:
                grid.addWidget(muted(text), line, 0)
            if isinstance(field, QWidget):
                if text:
                    field.setAccessibleName(text)
                grid.addWidget(field, line, 1)
            else:
                grid.addLayout(field, line, 1)
        last = len(fields) + 2
        grid.addWidget(self.problem, last, 0, 1, 2)
        grid.setRowStretch(last + 1, 1)
        self.model.activated.connect(self._on_model_chosen)
        self.against.activated.connect(self._on_against_chosen)
        self.data.activated.connect(self._on_data_chosen)
        self.judge.activated.connect(self._on_judge_chosen)
        self.train_judge.clicked.connect(self._on_train_judge)
        self.folder.clicked.connect(self._on_folder)
        return body

    def _build_foot(self) -> QWidget:
        foot = QWidget()
        layout = QGridLayout(foot)
        layout.setContentsMargins(12, theme.GRID, 12, 12)
        layout.setSpacing(theme.GRID)
        self.status, self.pace = QLabel(), muted(wrap=True)
        self.status.setWordWrap(True)
        for label in (self.status, self.pace):
            label.setFont(tabular(self.font(), 13))
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the evaluation")
        self.evaluate, self.cancel = QPushButton("Evaluate"), QPushButton("Cancel")
        self.evaluate.setObjectName("primary")
        self.evaluate.setToolTip("Measure the model (Ctrl+M)")
        self.cancel.setToolTip("Stop; what is there of earlier evaluations stays")
        for i, widget in enumerate((self.status, self.bar, self.pace)):
            layout.addWidget(widget, i, 0, 1, 2)
        layout.addWidget(self.evaluate, 3, 0)
        layout.addWidget(self.cancel, 3, 1)
        layout.setColumnStretch(0, 2)
        layout.setColumnStretch(1, 1)
        self.evaluate.clicked.connect(self.ask)
        self.cancel.clicked.connect(self.cancelRequested)
        return foot

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
            try:
                self._chosen = subject(path)
            except IntroVACError as error:
                self._trouble = str(error)
        self._fill_models()
        data = self._default_data()
        self._fill_data(data)
        self._fill_judges()

    def _recent(self) -> list[Path]:
        """Models to choose from, the open one first."""
        model = self._state.model
        first = [] if model is None else [str(model.path)]
        texts = dict.fromkeys([*first, *self._settings.texts("model/recent"), *self._settings.texts(_RECENT)])
        return [Path(text) for text in texts if Path(text).exists()]

    def _fill_models(self) -> None:
        chosen = self._chosen.path if self._chosen is not None else None
        known = self._recent()
        if chosen is not None and chosen not in known:
            known.append(chosen)
        names = _names(known)
        self.model.clear()
        for path in known:
            self.model.addItem(names[path], path)
            self.model.setItemData(self.model.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
        if chosen is not None:
            self.model.setCurrentIndex(known.index(chosen))
        elif not known:
            self.model.addItem("None is open", None)
        _add_choosers(self.model)
        before = self.against.currentData()
        self.against.clear()
        self.against.addItem("Nothing", None)
        for path in known:
            if path != chosen:
                self.against.addItem(names[path], path)
                self.against.setItemData(self.against.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
        _add_choosers(self.against)
        self._select(self.against, before)

    def _select(self, box: QComboBox, data: object) -> None:
        rows = [i for i in range(box.count()) if data is not None and box.itemData(i) == data]
        box.setCurrentIndex(rows[0] if rows else 0)

    @Slot(int)
    def _on_model_chosen(self, index: int) -> None:
        wanted = self.model.itemData(index)
        path = self._ask_model(wanted) if wanted in (_CHOOSE, _RUN) else wanted
        if path is None:
            path = None if self._chosen is None else self._chosen.path
        self._choose_model(path)

    @Slot(int)
    def _on_against_chosen(self, index: int) -> None:
        wanted = self.against.itemData(index)
        if wanted in (_CHOOSE, _RUN):
            path = self._ask_model(wanted)
            self.against.setCurrentIndex(0)
            if path is not None:
                try:
                    subject(path)
                except IntroVACError as error:
                    self.banner.tell(str(error))
                    return
                self._fill_models()
                self._select(self.against, path)
        self._tell()

    def _ask_model(self, how: str) -> Path | None:
        folder = self._settings.get("model/folder", "")
        if how == _RUN:
            text = QFileDialog.getExistingDirectory(self, "The directory of a run", folder)
        else:
            text, _ = QFileDialog.getOpenFileName(self, "A model", folder, "Models (*.safetensors)")
        if not text:
            return None
        rest = [p for p in self._settings.texts(_RECENT) if p != text]
        self._settings.set_texts(_RECENT, [text, *rest][:8])
        return Path(text)

    # -- data -----------------------------------------------------------------------------

    def _default_data(self) -> str:
        """The model's own data: what it learned from, or what was opened for such models."""
        if self._chosen is None:
            return ""
        own = data_of(self._chosen.path, self._chosen.card)
        return own or self._settings.get(f"faces/{self._chosen.card.data or 'other'}", "")

    def set_data(self, spec: str) -> None:
        """Measure on this data."""
        self._fill_data(spec)
        self._fill_judges()

    def _fill_data(self, spec: str) -> None:
        self._data = spec
        self.data.clear()
        if not spec:
            self.data.addItem("Choose data…", "")
        recent = [s for s in self._settings.texts("data/recent") if s != spec]
        for one in dict.fromkeys([*([spec] if spec else []), *recent, AVATARS]):
            self.data.addItem(DataChoice(one).title, one)
            self.data.setItemData(self.data.count() - 1, one, Qt.ItemDataRole.ToolTipRole)
        self.data.insertSeparator(self.data.count())
        for text, prefix in _SOURCES:
            self.data.addItem(text, ("ask", prefix))
        self.data.setCurrentIndex(0)

    @Slot(int)
    def _on_data_chosen(self, index: int) -> None:
        wanted = self.data.itemData(index)
        if isinstance(wanted, tuple):
            folder = QFileDialog.getExistingDirectory(self, "The folder with faces")
            wanted = wanted[1] + folder if folder else self._data
        self.set_data(str(wanted or ""))

    # -- the judge --------------------------------------------------------------------------

    def _folder(self) -> Path:
        text = self._settings.get("evaluate/judges", "")
        return Path(text) if text else judge_folder()

    def _fill_judges(self, wanted: Path | None = None) -> None:
        """Judges that fit the model; `wanted` is taken, else the last one used, else the newest."""
        self.judge.clear()
        model, found = self._chosen, judges_in(self._folder())
        for text in self._settings.texts("evaluate/judge_files"):
            try:
                found.append(read_judge(Path(text)))
            except IntroVACError:
                continue
        fitting: dict[Path, JudgeFile] = {}
        if model is not None:
            same = [one for one in found if one.fits(model)]
            same.sort(key=lambda one: kind_of(one.data) != kind_of(self._data))
            fitting = {one.path: one for one in same}
        for path, one in fitting.items():
            self.judge.addItem(one.title, path)
            self.judge.setItemData(self.judge.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
        self.judge.addItem("Train one first", _TRAIN)
        self.judge.addItem("None", _NONE)
        self.judge.insertSeparator(self.judge.count())
        self.judge.addItem("Choose a file…", _CHOOSE)
        self._select(self.judge, wanted)
        if wanted is None and fitting and kind_of(next(iter(fitting.values())).data) != kind_of(self._data):
            self._select(self.judge, _TRAIN)  # one of other data would judge what it never saw
        self._judges = fitting
        self._tell()

    def use_judge(self, path: Path) -> None:
        """Judge with this file from now on.

        Raises:
            CheckpointError: it is no judge.
        """
        judge = read_judge(path)
        if path.parent != self._folder():
            rest = [p for p in self._settings.texts("evaluate/judge_files") if p != str(path)]
            self._settings.set_texts("evaluate/judge_files", [str(path), *rest][:8])
        self._fill_judges(path)
        if self._chosen is not None and not judge.fits(self._chosen):
            self.banner.tell(
                f"{path.name} judges {', '.join(judge.attributes)} on faces of {judge.image_size} px, crop "
                f"{judge.crop}, and does not fit this model of {self._chosen.config.image_size} px, crop "
                f"{self._chosen.config.crop}. Train one that does."
            )

    @Slot(int)
    def _on_judge_chosen(self, index: int) -> None:
        if self.judge.itemData(index) != _CHOOSE:
            self._tell()
            return
        text, _ = QFileDialog.getOpenFileName(self, "A judge", str(self._folder()), "Judges (*.safetensors)")
        self.judge.setCurrentIndex(0)
        if text:
            try:
                self.use_judge(Path(text))
            except IntroVACError as error:
                self.banner.tell(str(error))
        self._tell()

    def suggested_judge(self) -> JudgeRequest | None:
        """What a new judge would learn; None without a model or data."""
        if self._chosen is None or not self._data:
            return None
        return suggestion(self._chosen, self._data, self._folder(), self.device)

    @Slot()
    def _on_train_judge(self) -> None:
        if (wanted := self.suggested_judge()) is not None:
            self.trainJudgeRequested.emit(wanted)

    # -- what is asked ------------------------------------------------------------------------

    @Slot()
    def _on_folder(self) -> None:
        text = QFileDialog.getExistingDirectory(self, "The folder that holds evaluations", str(self.root))
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
        if model is None or not self._data:
            return None
        judge, against = self.judge.currentData(), self.against.currentData()
        taken = [key for key, action in self.section_actions.items() if action.isChecked()]
        name = model.name
        if isinstance(against, Path):
            name = f"{name}-against-{against.stem if against.stem != 'model' else against.parent.name}"
        return EvaluationRequest(
            model.path,
            self._data,
            default_out(self.root, name, datetime.date.today()),
            against=against if isinstance(against, Path) else None,
            count=self.count.value(),
            judge=judge if isinstance(judge, Path) else None,
            features=(self.features.currentData(),) if self.features.currentData() else (),
            only=() if len(taken) == len(SECTIONS) else tuple(taken),
            device=self.device,
        )

    @property
    def judge_first(self) -> bool:
        """Whether a judge is to be trained before the evaluation."""
        return bool(self.judge.currentData() == _TRAIN)

    @Slot()
    def ask(self) -> None:
        """Ask for the evaluation that the form describes, unless one runs or something lacks."""
        request = self.request()
        if request is None or self._running or self._problem():
            return
        self.banner.hide()
        self.evaluateRequested.emit(request, self.suggested_judge() if self.judge_first else None)

    def _problem(self) -> str:
        if self._trouble:
            return self._trouble
        if self._chosen is None:
            return "Open a model to measure it."
        if not self._data:
            return "Choose data with faces like those that the model learned from."
        if not any(action.isChecked() for action in self.section_actions.values()):
            return "Choose something to measure."
        return ""

    @Slot()
    def _tell(self) -> None:
        model, problem = self._chosen, self._problem()
        taken = sum(action.isChecked() for action in self.section_actions.values())
        self.sections.setText("Everything" if taken == len(SECTIONS) else f"{taken} of {len(SECTIONS)} parts")
        self.about.setText(
            "" if model is None else f"{model.config.image_size} px, {', '.join(model.config.attributes)}"
        )
        self.about.setVisible(model is not None)
        judge = self.judge.currentData()
        if judge == _TRAIN:
            text = "No judge of such faces yet: one is trained first, which takes a minute or two at 64 px."
        elif judge == _NONE:
            text = "Without a judge, the model grades its own edits, and leakage is not measured."
        else:
            known = self._judges.get(judge) if isinstance(judge, Path) else None
            text = "" if known is None else f"Judges {', '.join(known.attributes)}."
        self.judge_about.setText(text)
        self.judge_about.setVisible(bool(text))
        request = self.request()
        self.place.say(
            "" if request is None else request.out.name, "" if request is None else str(request.out)
        )
        self.problem.setText(problem)
        self.problem.setVisible(bool(problem))
        self.evaluate.setEnabled(not problem and not self._running)
        self.train_judge.setEnabled(not problem and not self._running)
        self.cancel.setEnabled(self._running)
        for widget in (self.bar, self.pace):
            widget.setVisible(self._running)
        self.status.setVisible(bool(self.status.text()))

    # -- while it runs --------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self._running

    def begin(self, text: str) -> None:
        """A child has been started."""
        self._running = True
        self.banner.hide()
        self.bar.setRange(0, 0)
        self.status.setText(text)
        self.pace.setText("starting…")
        self._tell()

    @Slot(object)
    def on_event(self, event: events.Event) -> None:
        """How far it is."""
        if isinstance(event, events.Progress) and self._running:
            self.bar.setRange(0, max(event.total, 1))
            self.bar.setValue(min(event.done, event.total))
            left = "" if event.seconds_left is None else f"{time_left(event.seconds_left)} left"
            share = f"{100 * event.done / event.total:.0f} %" if event.total else ""
            self.pace.setText("  ·  ".join(part for part in (event.what, share, left) if part))

    def stopping(self) -> None:
        """The child has been asked to stop."""
        self.pace.setText("stopping…")
        self.cancel.setEnabled(False)

    def end(self, text: str) -> None:
        """No child works any more."""
        self._running = False
        self.status.setText(text)
        self._tell()


_RECENT = "evaluate/models"
_SOURCES = (("CelebA folder…", "celeba:"), ("Labelled folder…", "folder:"), ("Prepared cache…", ""))


def time_left(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _add_choosers(box: QComboBox) -> None:
    box.insertSeparator(box.count())
    box.addItem("Choose a file…", _CHOOSE)
    box.addItem("Choose a run…", _RUN)


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """Short names: a run's for its newest weights, else the file's."""
    return {p: p.name if p.is_dir() else p.parent.name if p.stem == "model" else p.stem for p in paths}
