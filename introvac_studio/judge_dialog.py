"""What a judge is to learn, before it is trained."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.data_summary import DataChoice
from introvac_studio.evaluation_request import JudgeRequest
from introvac_studio.language import tr
from introvac_studio.saving import ask_target
from introvac_studio.widgets.texts import Line


class JudgeDialog(QDialog):
    """Shows a suggestion; `request` is what became of it."""

    def __init__(self, suggested: JudgeRequest, parent: QWidget) -> None:
        super().__init__(parent)
        self._suggested = suggested
        self.setWindowTitle(tr("Train a judge"))
        about = QLabel(
            tr(
                "A judge is a small network that learns attributes from real faces alone. It shares "
                "nothing with "
                "the model, so it can say what an edit did without the model grading itself. On avatars "
                "of 64 px "
                "this takes a minute or two; later evaluations use the same judge."
            )
        )
        about.setWordWrap(True)
        self.attributes = QLineEdit(", ".join(suggested.attributes))
        self.attributes.setToolTip(tr("Those of the model, and others in which edits may leak"))
        self.faces, self.epochs = QSpinBox(), QSpinBox()
        self.faces.setRange(50, 1_000_000)
        self.faces.setSingleStep(500)
        self.faces.setGroupSeparatorShown(True)
        self.faces.setValue(suggested.max_images)
        self.faces.setToolTip(tr("Learn from at most so many faces of the train split"))
        self.epochs.setRange(1, 100)
        self.epochs.setValue(suggested.epochs)
        self.epochs.setToolTip(tr("How often it sees each of them"))
        self._out = suggested.out
        self.place = Line()
        self.place.say(str(self._out))
        choose = QPushButton(tr("Save as…"))
        where = QHBoxLayout()
        where.addWidget(self.place, 1)
        where.addWidget(choose)
        form = QFormLayout()
        form.setSpacing(theme.GRID)
        data = Line()
        title = DataChoice(suggested.data).title
        data.say(tr("{title} · {size} px", title=title, size=suggested.image_size), suggested.data)
        for text, field in (
            (tr("Faces"), data), (tr("Attributes"), self.attributes), (tr("At most"), self.faces),
            (tr("Epochs"), self.epochs),
        ):  # fmt: skip
            field.setAccessibleName(text)
            form.addRow(text, field)
        form.addRow(tr("File"), where)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.train = self.buttons.addButton(tr("Train"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.train.setObjectName("primary")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[2 * theme.GRID] * 4)
        layout.setSpacing(2 * theme.GRID)
        layout.addWidget(about)
        layout.addLayout(form)
        layout.addWidget(self.buttons)
        self.setMinimumWidth(520)
        choose.clicked.connect(self._choose)
        self.attributes.textChanged.connect(self._check)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)

    @property
    def request(self) -> JudgeRequest:
        names = tuple(dict.fromkeys(n.strip() for n in self.attributes.text().split(",") if n.strip()))
        return replace(
            self._suggested,
            attributes=names,
            out=self._out,
            max_images=self.faces.value(),
            epochs=self.epochs.value(),
        )

    @Slot()
    def _check(self) -> None:
        self.train.setEnabled(bool(self.request.attributes))

    @Slot()
    def _choose(self) -> None:
        files, suffix = tr("Judges (*.safetensors)"), ".safetensors"
        chosen = ask_target(self, tr("Save the judge"), self._out, files, suffix)
        if chosen is not None:
            self._out = chosen
            self.place.say(str(self._out))
