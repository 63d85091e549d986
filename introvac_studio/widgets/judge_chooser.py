"""Which judge: one that fits the model, one that is trained first, a file, or none."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QFileDialog

from introvac_studio.evaluation_request import (
    JudgeFile,
    Subject,
    judge_folder,
    judges_in,
    kind_of,
    read_judge,
)
from introvac_studio.language import tr
from introvac_studio.settings import Settings
from introvac_studio.widgets.texts import muted
from trainer.errors import IntroVACError

TRAIN, NONE, CHOOSE = "train", "none", "choose"
_FILES, _KEPT = "evaluate/judge_files", 8


class JudgeChooser(QComboBox):
    """The list, and in `about` what the judge knows.

    Signals:
        chosen: another one may be taken.
        refused(str): a file is no judge, or one that does not fit.
    """

    chosen = Signal()
    refused = Signal(str)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._model: Subject | None = None
        self._data = ""
        self._wish: Path | str | None = None  # what the user chose
        self._fitting: dict[Path, JudgeFile] = {}
        self.about = muted(wrap=True)
        self.activated.connect(self._on_activated)

    @property
    def folder(self) -> Path:
        """Where the studio keeps judges."""
        text = self._settings.get("evaluate/judges", "")
        return Path(text) if text else judge_folder()

    @property
    def path(self) -> Path | None:
        """The judge's file, if one is taken."""
        taken = self.currentData()
        return taken if isinstance(taken, Path) else None

    @property
    def first(self) -> bool:
        """Whether one is to be trained first."""
        return bool(self.currentData() == TRAIN)

    def show_for(self, model: Subject | None, data: str) -> None:
        """List the judges that fit: of the same kind of data first, then by what they know, then by age.

        What the user chose for such data is taken if it is there; else one of the same kind of data, because
        others would judge what they never saw; else one is to be trained.
        """
        if isinstance(self._wish, Path) and kind_of(data) != kind_of(self._data):
            self._wish = None
        self._model, self._data = model, data
        found = judges_in(self.folder)
        for text in self._settings.texts(_FILES):
            try:
                found.append(read_judge(Path(text)))
            except IntroVACError:
                continue
        self._fitting = {}
        if model is not None:
            names = set(model.config.attributes)
            same = [one for one in found if one.fits(model)]
            same.sort(key=lambda one: (kind_of(one.data) != kind_of(data), -len(names & set(one.attributes))))
            self._fitting = {one.path: one for one in same}
        self.clear()
        titles = [one.title for one in self._fitting.values()]
        for path, one in self._fitting.items():
            alone = titles.count(one.title) == 1
            self.addItem(
                one.title if alone else tr("{name} · {size} px", name=path.stem, size=one.image_size), path
            )
            self.setItemData(self.count() - 1, str(path), Qt.ItemDataRole.ToolTipRole)
        self.addItem(tr("Train one first"), TRAIN)
        self.addItem(tr("None"), NONE)
        self.insertSeparator(self.count())
        self.addItem(tr("Choose a file…"), CHOOSE)
        own = next((p for p, one in self._fitting.items() if kind_of(one.data) == kind_of(data)), TRAIN)
        self._take(self._wish if self._wish in (NONE, TRAIN, *self._fitting) else own)

    def _take(self, wanted: Path | str | None) -> None:
        rows = [i for i in range(self.count()) if self.itemData(i) == wanted]
        self.setCurrentIndex(rows[0] if rows else 0)
        self._tell()

    def _tell(self) -> None:
        taken, text = self.currentData(), ""
        if taken == TRAIN:
            text = tr("One is trained first, which takes a minute or two at 64 px.")
        elif taken == NONE:
            text = tr("Without a judge, the model grades its own edits, and leakage is not measured.")
        elif isinstance(taken, Path) and self._model is not None:
            known = self._fitting[taken].attributes
            unknown = [name for name in self._model.config.attributes if name not in known]
            text = tr("Judges {names}.", names=", ".join(known))
            if unknown:
                text += " " + tr("Cannot judge {names}.", names=", ".join(unknown))
        self.about.setText(text)
        self.about.setVisible(bool(text))
        self.chosen.emit()

    def use(self, path: Path) -> None:
        """Judge with this file from now on.

        Raises:
            CheckpointError: it is no judge.
        """
        judge = read_judge(path)
        if path.parent != self.folder:
            rest = [p for p in self._settings.texts(_FILES) if p != str(path)]
            self._settings.set_texts(_FILES, [str(path), *rest][:_KEPT])
        self._wish = path
        self.show_for(self._model, self._data)
        if self._model is not None and not judge.fits(self._model):
            shape = self._model.config
            self.refused.emit(
                tr(
                    "{name} judges {names} on faces of {size} px, crop {crop}, and does not fit this "
                    "model of {own_size} px, crop {own_crop}. Train one that does.",
                    name=path.name,
                    names=", ".join(judge.attributes),
                    size=judge.image_size,
                    crop=judge.crop,
                    own_size=shape.image_size,
                    own_crop=shape.crop,
                )
            )

    @Slot(int)
    def _on_activated(self, index: int) -> None:
        wanted = self.itemData(index)
        if wanted != CHOOSE:
            self._wish = wanted
            self._tell()
            return
        text, _ = QFileDialog.getOpenFileName(
            self, tr("A judge"), str(self.folder), tr("Judges (*.safetensors)")
        )
        try:
            if text:
                self.use(Path(text))
                return
        except IntroVACError as error:
            self.refused.emit(str(error))
        self.show_for(self._model, self._data)
