"""The same face and the same edit by two models, or by one model as it was during its training.

Wiring: `show_frame`, `show_reconstruction` and `show_seen` take what the open model makes of the face,
`show_labels`, `show_compared` and `show_end` what the other makes. `changed` says that something else is
wanted: `target`, `label` and `scaled` are what. `refused(text)` says why a choice was not taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.comparison import Compared, CompareEnd, Kept
from introvac_studio.language import tr
from introvac_studio.messages import Frame, Seen
from introvac_studio.settings import Settings
from introvac_studio.state import StudioState
from introvac_studio.widgets.image_view import ImageView
from introvac_studio.widgets.model_chooser import ModelChooser
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import Line, tabular

FRAME_MS = 500  # a checkpoint's time on screen when training is played
_SIDE = 132


class ComparePanel(QWidget):
    """See the module's docstring for the wiring."""

    changed = Signal()
    refused = Signal(str)

    def __init__(self, state: StudioState, settings: Settings) -> None:
        super().__init__()
        self._state = state
        self._labels: tuple[str, ...] = ()
        self._answers: dict[str, Compared] = {}  # for the face and edit as they are, by label
        self._other: Compared | None = None  # what is on screen of the other model
        self._own: dict[str, float] = {}  # what the open model reads off its own edited picture
        self._run: Path | None = None  # whose checkpoints are shown
        self._build(settings)
        self._on_way(self.way.value)

    def _build(self, settings: Settings) -> None:
        self._ways = (tr("Another model"), tr("Over training"))
        self.way = Segmented(self._ways, tr("compare with"))
        self.model = ModelChooser(settings, tr("Choose a model…"))
        self.model.setAccessibleName(tr("model to compare with"))
        self.scaled = QCheckBox(tr("Scale to each model's usual delta"))
        self.scaled.setToolTip(
            tr("Moves count in each model's usual delta; otherwise both go the same distance in code space")
        )
        self.play = QPushButton("▶")
        self.play.setObjectName("side")
        self.play.setFixedWidth(32)
        self.play.setCheckable(True)
        self.play.setAccessibleName(tr("play the training"))
        self.play.setToolTip(tr("Show the checkpoints one after the other"))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("checkpoint"))
        self.slider.setToolTip(tr("The model as it was after this epoch; arrow keys step"))
        self.slider.setPageStep(1)
        self.at = QLabel()
        self.at.setObjectName("muted")
        self.choose_run = QPushButton(tr("Run…"))
        self.choose_run.setToolTip(tr("Look at another run's checkpoints"))
        self._timer = QTimer(self)
        self._timer.setInterval(FRAME_MS)
        self.training = QWidget()
        row = QHBoxLayout(self.training)
        row.setContentsMargins(0, 0, 0, 0)
        for widget, stretch in ((self.play, 0), (self.slider, 1), (self.at, 0), (self.choose_run, 0)):
            row.addWidget(widget, stretch)
        self.table = QTableWidget(0, 5)
        self.table.setAccessibleName(tr("probabilities of both models"))
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setShowGrid(False)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(24)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        self.note = Line()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.GRID, theme.GRID, theme.GRID, theme.GRID)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.way)
        layout.addWidget(self.model)
        layout.addWidget(self.training)
        layout.addLayout(self._pictures(), 3)
        layout.addWidget(self.table, 2)
        layout.addWidget(self.scaled)
        layout.addWidget(self.note)
        self.way.changed.connect(self._on_way)
        self.model.picked.connect(self._on_picked)
        self.model.refused.connect(self.refused)
        self.scaled.toggled.connect(self._on_scaled)
        self.slider.valueChanged.connect(self._on_step)
        self.play.toggled.connect(self._on_play)
        self._timer.timeout.connect(self._advance)

    def _pictures(self) -> QGridLayout:
        """Two models side by side: reconstructions above, edited faces below."""
        grid = QGridLayout()
        grid.setSpacing(4)
        self.heads = (QLabel(tr("this model")), QLabel(""))
        self.views: dict[tuple[str, int], ImageView] = {}
        for column, head in enumerate(self.heads):
            head.setObjectName("heading")
            head.setAlignment(Qt.AlignmentFlag.AlignCenter)
            head.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            grid.addWidget(head, 0, column)
            grid.setColumnStretch(column, 1)
        for row, (kind, text) in enumerate(
            (("reconstruction", tr("reconstruction")), ("edited", tr("edited")))
        ):
            for column, who in enumerate((tr("this model"), tr("the other"))):
                view = ImageView(f"{text}, {who}", "", minimum=72)
                view.setMaximumHeight(2 * _SIDE)
                self.views[kind, column] = view
                grid.addWidget(view, 1 + 2 * row, column)
            grid.setRowStretch(1 + 2 * row, 1)
        self.below = [QLabel(), QLabel()]  # the errors of the reconstructions
        for column, label in enumerate(self.below):
            label.setObjectName("muted")
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setToolTip(tr("Mean absolute difference from the original, of pixels from 0 to 1"))
            grid.addWidget(label, 2, column)
        return grid

    # -- what is wanted -------------------------------------------------------------------------

    @property
    def over_training(self) -> bool:
        """Whether checkpoints of a run are compared."""
        return self.way.value == self._ways[1]

    @property
    def target(self) -> Path | None:
        """The model file or run to compare with."""
        return self._run if self.over_training else self.model.path

    @property
    def label(self) -> str:
        """The checkpoint that is shown; empty for the newest."""
        return self._labels[self.slider.value()] if self.over_training and self._labels else ""

    def show_models(self, paths: Sequence[Path], run: Path | None) -> None:
        """Offer these models, and the checkpoints of a run; what is taken stays taken where it can."""
        self.model.show_paths(paths, self.model.path)
        if run != self._run:
            self.show_run(run)

    def show_run(self, run: Path | None) -> None:
        """Look at the checkpoints of another run."""
        self._run, self._labels = run, ()
        self.forget()
        self._set_labels(())

    @Slot(str)
    def _on_way(self, way: str) -> None:
        self.model.setVisible(not self.over_training)
        self.training.setVisible(self.over_training)
        self.play.setChecked(False)
        self.forget()
        self.changed.emit()

    @Slot(object)
    def _on_picked(self, path: Path | None) -> None:
        self.forget()
        self.changed.emit()

    @Slot(bool)
    def _on_scaled(self, on: bool) -> None:
        self.forget()
        self.changed.emit()

    @Slot(int)
    def _on_step(self, index: int) -> None:
        self._say_where()
        if self.label in self._answers:
            self._show(self._answers[self.label])
        else:
            self.changed.emit()

    @Slot(bool)
    def _on_play(self, on: bool) -> None:
        self.play.setText("⏸" if on else "▶")
        if on:
            if self.slider.value() == self.slider.maximum():
                self.slider.setValue(0)
            self._timer.start()
        else:
            self._timer.stop()

    @Slot()
    def _advance(self) -> None:
        if self.slider.value() >= self.slider.maximum():
            self.play.setChecked(False)
        else:
            self.slider.setValue(self.slider.value() + 1)

    # -- what the open model makes of it ----------------------------------------------------------

    @Slot(object)
    def show_frame(self, frame: Frame) -> None:
        """The edited face of the open model."""
        if self._fresh(frame):
            self.views["edited", 0].set_image(frame.image)

    @Slot(object)
    def show_reconstruction(self, frame: Frame) -> None:
        """The unedited face of the open model."""
        face = self._state.face
        if self._fresh(frame) and face is not None:
            self.views["reconstruction", 0].set_image(frame.image)
            source = face.original
            apart = np.nan if source is None else float(np.abs(frame.image / 255 - source / 255).mean())
            self.below[0].setText(_error(apart))

    @Slot(object)
    def show_seen(self, seen: Seen) -> None:
        """What the open model reads off its own edited picture."""
        if seen.serial == self._state.revision:
            self._own = dict(seen.probabilities)
            self._fill()

    def _fresh(self, frame: Frame) -> bool:
        model = self._state.model
        return model is not None and frame.stamp == model.stamp and frame.serial >= self._state.face_revision

    # -- what the other makes of it ---------------------------------------------------------------

    def forget(self) -> None:
        """The face or its edit is another one: older answers say nothing about it."""
        self._answers = {}

    @Slot(object)
    def show_labels(self, kept: Kept) -> None:
        """The checkpoints that there are."""
        if kept.request.target == self._run and self.over_training:
            self._set_labels(kept.labels)

    @Slot(object)
    def show_compared(self, answer: Compared) -> None:
        """What another model, or one checkpoint, made of the face."""
        if answer.request.serial != self._state.revision or not self._asked(answer):
            return
        if self.over_training:
            if answer.request.whole:
                self._answers[answer.label] = answer
            if not self._labels or answer.label != (self.label or self._labels[-1]):
                return
        self._show(answer)

    @Slot(object)
    def show_end(self, end: CompareEnd) -> None:
        """What did not work; a picture that the same request brought stays."""
        if end.trouble and not end.cancelled:
            self.note.say(end.trouble)
            if self._other is None or self._other.request is not end.request:
                self.clear_other()

    def clear_other(self) -> None:
        """Nothing to compare with."""
        for kind in ("reconstruction", "edited"):
            self.views[kind, 1].set_image(None)
        self.below[1].setText("")
        self.heads[1].setText("")
        self._other = None
        self._fill()

    def explain(self, text: str) -> None:
        """Say what to do where there is nothing to compare with."""
        self.clear_other()
        for kind in ("reconstruction", "edited"):
            self.views[kind, 1].set_empty_text(text if kind == "edited" else "")
        self.note.say("")

    def _asked(self, answer: Compared) -> bool:
        wanted = self.target
        return wanted is not None and answer.request.target in (wanted, wanted / "model.safetensors")

    def _set_labels(self, labels: tuple[str, ...]) -> None:
        """Another list of checkpoints; the one that is looked at stays."""
        before = self.label
        at_end = not self._labels or self.slider.value() == len(self._labels) - 1
        self._labels = labels
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(len(labels) - 1, 0))
        self.slider.setValue(len(labels) - 1 if at_end or before not in labels else labels.index(before))
        self.slider.blockSignals(False)
        self.slider.setEnabled(len(labels) > 1)
        self.play.setEnabled(len(labels) > 1)
        self._say_where()

    def _say_where(self) -> None:
        self.at.setText(self.label)
        few = self.over_training and self._run is not None and len(self._labels) == 1
        self.note.say(
            tr("This run kept one model; “keep_every” in the Train form keeps one an epoch.") if few else ""
        )

    def _show(self, answer: Compared) -> None:
        """Put an answer on screen; one for a drag leaves what it does not speak of."""
        self.heads[1].setText(answer.label)
        self.heads[1].setToolTip(answer.label)
        self.views["edited", 1].set_image(answer.edited)
        if answer.reconstruction is not None:
            self.views["reconstruction", 1].set_image(answer.reconstruction)
            self.below[1].setText(_error(answer.error))
        if answer.unknown:
            self.note.say(
                tr("{label} does not know {names}", label=answer.label, names=", ".join(answer.unknown))
            )
        elif answer.request.edit.offset is not None:
            self.note.say(tr("Free moves in the latent view are not carried over."))
        elif not self.over_training:
            self.note.say("")
        self._other = answer
        self._fill()

    def _fill(self) -> None:
        """The table: an attribute a row, the code's and the picture's probability by both models."""
        model, z, answer = self._state.model, self._state.z, self._other
        own = {} if model is None or z is None else dict(
            zip(model.planes.names, map(float, model.planes.probabilities(z)), strict=True)
        )  # fmt: skip
        names = list(dict.fromkeys([*(model.attributes if model else ()), *(answer.code if answer else ())]))
        self.table.setHorizontalHeaderLabels(
            [
                tr("attribute"),
                *(
                    f"{who}\n{what}"
                    for who in (tr("this"), tr("other"))
                    for what in (tr("code"), tr("picture"))
                ),
            ]
        )
        for column, text in enumerate(
            (tr("P of the edited code, this model"), tr("P of the picture, encoded again, this model"),
             tr("P of the edited code, the other"), tr("P of the picture, encoded again, the other")), 1
        ):  # fmt: skip
            if (item := self.table.horizontalHeaderItem(column)) is not None:
                item.setToolTip(text)
        self.table.setRowCount(len(names))
        columns: tuple[Mapping[str, float], ...] = (
            own, self._own, answer.code if answer else {}, answer.seen if answer else {}
        )  # fmt: skip
        for row, name in enumerate(names):
            self.table.setItem(row, 0, QTableWidgetItem(name))
            for column, values in enumerate(columns, 1):
                item = QTableWidgetItem(f"{values[name]:.2f}" if name in values else "–")
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                item.setFont(tabular(self.table.font()))
                self.table.setItem(row, column, item)


def _error(value: float) -> str:
    return "" if np.isnan(value) else f"L1 {value:.3f}"
