"""The one dialog of all exports: kinds on the left, their options, a live preview, and where the file goes.

Wiring: `jobWanted(Job)` asks for a preview or, with a target, for the file; `folderWanted(Path)` for the ONNX
files; `cancelWanted` gives up what is being written. Answers come to `show_preview`, `show_end`,
`show_progress` and `show_onnx_end`. Options are remembered for each kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import desktop, theme
from introvac_studio.export_kinds import KINDS, Field, defaults, sound
from introvac_studio.export_plan import Job, Material
from introvac_studio.language import mark, tr, trn
from introvac_studio.settings import Settings
from introvac_studio.widgets.export_preview import ExportPreview
from introvac_studio.widgets.options_form import OptionsForm
from introvac_studio.widgets.pictures import to_qimage
from introvac_studio.widgets.texts import Line, muted, tabular
from introvac_studio.workers.exporting import JobEnd, Preview
from trainer import export_onnx, files
from trainer.run_names import portable

FOLDER = "export/folder"
SOURCES = {
    "current": mark("the current face"),
    "group": mark("the brushed group"),
    "visible": mark("in the browser"),
    "all": mark("the whole data set"),
    "generated": mark("the generated faces"),
    "reopened": mark("of the opened picture"),
}
_PAUSE = 80  # ms between a change and its preview
_MIDDLE = 292  # pixels: the options' column where all names are short
_BESIDE = 84 + 16 + 44 + 14  # pixels: label, gap, a list's own frame and arrow, a scroll bar
_FOOT = 60  # pixels: a line and two of a message
_LIST = """
QListWidget::item { padding-left: 8px; border-radius: 4px; }
QListWidget::item:selected { background: palette(highlight); color: palette(highlighted-text); }
"""
_STEM = 60  # letters of a suggested name that are another's; 255 bytes are the most that disks take


class ExportDialog(QDialog):
    """It stays open after an export, so that others can follow."""

    jobWanted = Signal(object)
    folderWanted = Signal(object)
    cancelWanted = Signal()

    def __init__(
        self,
        material: Material,
        settings: Settings,
        kind: str = "",
        options: Mapping[str, Any] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._material, self._settings = material, settings
        self._kind = ""
        self._serial = 0
        self._writing: Job | None = None
        self._exporting_onnx = False
        self._shown: Preview | None = None  # of the newest job
        self._name_of: dict[str, str] = {}  # typed by hand, by kind
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self.refresh)
        self.form: OptionsForm | None = None
        self.setWindowTitle(tr("Export"))
        self.resize(1120, 700)
        self._build()
        self._lay_out()
        self._connect()
        last = self._settings.get("export/kind", "grid")
        self.choose(kind or (last if last in KINDS else "grid"), options)

    # -- building -----------------------------------------------------------------------------

    def _build(self) -> None:
        self.kinds = QListWidget()
        self.kinds.setAccessibleName(tr("what to export"))
        self.kinds.setFixedWidth(136)
        self.kinds.setFrameShape(QFrame.Shape.NoFrame)
        self.kinds.setStyleSheet(_LIST)
        for key, kind in KINDS.items():
            item = QListWidgetItem(tr(kind.title))
            item.setData(Qt.ItemDataRole.UserRole, key)
            item.setToolTip(tr(kind.about))
            item.setSizeHint(QSize(0, 34))
            self.kinds.addItem(item)
        self.about = muted(wrap=True)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.preview = ExportPreview()
        self.name, self.format = QLineEdit(), QComboBox()
        self.name.setAccessibleName(tr("file name"))
        self.name.setToolTip(tr("The file’s name, without its ending"))
        self.format.setAccessibleName(tr("file format"))
        self.format.setToolTip(tr("The file’s format"))
        self.format.setFixedWidth(92)
        self.folder = QPushButton()
        self.folder.setToolTip(tr("Choose the folder that it goes to"))
        self.folder.setMaximumWidth(320)
        self.size_text, self.message = muted(), QLabel()
        self.size_text.setFont(tabular(self.size_text.font()))
        self.message.setWordWrap(True)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.doing = Line()
        self.progress = QProgressBar()
        self.progress.setFixedSize(200, 28)
        self.progress.setTextVisible(False)
        self.export, self.copy_button = QPushButton(tr("Export")), QPushButton(tr("Copy picture"))
        self.close_button, self.reveal = QPushButton(tr("Close")), QPushButton(tr("Show in folder"))
        self.reveal.setToolTip(tr("Open the folder that the file was written to"))
        self.reveal.hide()
        self._written: Path | None = None  # the folder that was written to last
        self._goal: Path | None = None  # of the ONNX files that are being written
        self.export.setObjectName("primary")
        self.export.setDefault(True)
        self.export.setMinimumWidth(112)
        self.close_button.setMinimumWidth(88)
        self.copy_button.setToolTip(tr("Put the picture on the clipboard"))
        for button in (self.copy_button, self.close_button, self.folder, self.reveal):
            button.setAutoDefault(False)

    def _lay_out(self) -> None:
        options = QVBoxLayout()
        options.setContentsMargins(0, 0, 0, 0)
        options.setSpacing(2 * theme.GRID)
        options.addWidget(self.about)
        options.addWidget(self.area, 1)
        middle = QWidget()
        middle.setLayout(options)
        middle.setFixedWidth(self._room())
        above = QHBoxLayout()
        above.setSpacing(2 * theme.GRID)
        above.addWidget(self.kinds)
        above.addWidget(middle)
        above.addWidget(self.preview, 1)
        file = QHBoxLayout()
        file.setSpacing(theme.GRID)
        label = muted(tr("Save as"))
        label.setBuddy(self.name)
        file.addWidget(label)
        file.addWidget(self.name, 1)
        file.addWidget(self.format)
        self.where = muted(tr("in"))
        file.addWidget(self.where)
        file.addWidget(self.folder)
        foot = QHBoxLayout()
        foot.setSpacing(theme.GRID)
        said = QVBoxLayout()
        said.setSpacing(2)
        said.addWidget(self.size_text)
        said.addWidget(self.message)
        said.addWidget(self.doing)
        said.addStretch(1)
        words = QWidget()  # of one height, so that nothing jumps when there is more to say
        words.setLayout(said)
        words.setFixedHeight(_FOOT)
        said.setContentsMargins(0, 0, 0, 0)
        foot.addWidget(words, 1)
        foot.addWidget(self.progress, 0, Qt.AlignmentFlag.AlignBottom)
        for button in (self.reveal, self.copy_button, self.close_button, self.export):
            foot.addWidget(button, 0, Qt.AlignmentFlag.AlignBottom)
        column = QVBoxLayout(self)
        column.setContentsMargins(*[2 * theme.GRID] * 4)
        column.setSpacing(2 * theme.GRID)
        column.addLayout(above, 1)
        column.addLayout(file)
        column.addLayout(foot)
        self._set_busy(False)

    def _room(self) -> int:
        """Pixels of the options' column: as many as the longest name of faces takes beside its label."""
        metrics = self.fontMetrics()
        longest = max((metrics.horizontalAdvance(t) for t in self._choices()["sources"].values()), default=0)
        return min(max(_MIDDLE, longest + _BESIDE), 2 * _MIDDLE)

    def _connect(self) -> None:
        self.kinds.currentItemChanged.connect(self._on_kind)
        self.format.currentIndexChanged.connect(self._on_format)
        self.name.textEdited.connect(self._on_name)
        self.name.editingFinished.connect(self._on_named)
        self.folder.clicked.connect(self._choose_folder)
        self.export.clicked.connect(self.write)
        self.copy_button.clicked.connect(self.copy)
        self.reveal.clicked.connect(self._on_reveal)
        self.close_button.clicked.connect(self.reject)

    # -- kinds and options --------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """The kind taken, a key of `KINDS`."""
        return self._kind

    def choose(self, kind: str, options: Mapping[str, Any] | None = None, suffix: str = "") -> None:
        """Take a kind, with options of one's own or those of last time."""
        row = list(KINDS).index(kind)
        if self.kinds.currentRow() != row:
            self.kinds.setCurrentRow(row)
        if options is not None and self.form is not None:
            self.form.set_values(sound(kind, options))
            if (at := self.format.findData(suffix)) >= 0:
                self.format.setCurrentIndex(at)
            self._later()

    @Slot()
    def _on_kind(self) -> None:
        item = self.kinds.currentItem()
        if item is None:
            return
        self._remember()
        self._kind = item.data(Qt.ItemDataRole.UserRole)
        kind = KINDS[self._kind]
        self.about.setText(tr(kind.about))
        self.form = OptionsForm(kind.fields, self._choices(), self._recalled())
        self.form.changed.connect(self._on_option)
        self.area.setWidget(self.form)
        suffix = self._settings.get(f"export/{self._kind}/suffix", kind.suffixes[0] if kind.suffixes else "")
        self.format.blockSignals(True)
        self.format.clear()
        for one in kind.suffixes:
            self.format.addItem(one[1:].upper(), one)
        self.format.setCurrentIndex(max(0, self.format.findData(suffix)))
        self.format.blockSignals(False)
        self.format.setVisible(bool(kind.suffixes))
        self.name.setText(self._name_of.get(self._kind) or self._suggested())
        self._settings.set("export/kind", self._kind)
        self.preview.clear(tr("drawing…"))
        self._show_target()
        self._later()

    def _choices(self) -> dict[str, dict[str, str]]:
        material = self._material
        sources = {}
        for key, title in SOURCES.items():
            if faces := material.sources.get(key):
                count = "" if key == "current" else f" · {len(faces):,}"
                sources[key] = tr(title) + count
        return {
            "attributes": {name: name for name in material.model.attributes},
            "sources": sources,
            "ends": {face.name: face.name for face in material.ends},
        }

    def _recalled(self) -> dict[str, Any]:
        """The options of last time; amounts only where they are of an attribute of this model."""
        values = sound(self._kind, self._settings.choices(f"export/{self._kind}"))
        if "source" in values and not self._material.sources.get(values["source"]):
            values["source"] = defaults(self._kind)["source"]
        for key, ends in (("attribute", ("from", "to")), ("second", ("from2", "to2"))):
            if key in values and values[key] not in self._material.model.attributes:
                self._aim(values, key, ends)
        return values

    def _aim(self, values: dict[str, Any], key: str, ends: tuple[str, str], name: str = "") -> None:
        """Amounts that suit an attribute: as far as the editor's filmstrip goes."""
        attributes = self._material.model.attributes
        if attributes:
            first = self._material.attribute if self._material.attribute in attributes else attributes[0]
            rest = [a for a in attributes if a != first]
            name = name or (first if key == "attribute" or not rest else rest[0])
            values[key] = name
            reach = round(1.5 * self._material.reach(name), 2)
            values[ends[0]], values[ends[1]] = -reach, reach

    @Slot(str)
    def _on_option(self, key: str) -> None:
        assert self.form is not None
        ends = {"attribute": ("from", "to"), "second": ("from2", "to2")}.get(key)
        if ends is not None:
            values = self.form.values()
            self._aim(values, key, ends, values[key])
            self.form.set_values(values)
        if key == "content" and self.form.values()["content"] == "one" and self.form.values()["count"] > 8:
            self.form.set_values({"count": 8})  # a row each
        self._later()

    @Slot()
    def _on_format(self) -> None:
        self._show_target()
        self._later()

    def _remember(self) -> None:
        if self._kind and self.form is not None:
            self._settings.set_choices(f"export/{self._kind}", self.form.values())
            if self.suffix:
                self._settings.set(f"export/{self._kind}/suffix", self.suffix)

    @property
    def suffix(self) -> str:
        """The ending of the file; empty where a folder is made."""
        return self.format.currentData() or ""

    @property
    def options(self) -> dict[str, Any]:
        """The options as they are now."""
        kind = KINDS[self._kind]
        values = defaults(self._kind) | (self.form.values() if self.form is not None else {})
        return {field.key: _plain(field, values[field.key]) for field in kind.fields}

    # -- the file -----------------------------------------------------------------------------

    def _suggested(self) -> str:
        kind, material = KINDS[self._kind], self._material
        stem = (
            Path(material.face.name).stem if self._kind == "face" and material.face else material.model.name
        )
        return portable(f"{stem[:_STEM]}-{kind.name}")

    @property
    def target(self) -> Path:
        """Where the export goes."""
        folder = Path(self._settings.get(FOLDER, "") or Path.home())
        return folder / f"{portable(self.name.text())}{self.suffix}"

    @Slot()
    def _on_name(self) -> None:
        self._name_of[self._kind] = self.name.text()
        self._show_target()

    @Slot()
    def _on_named(self) -> None:
        """An ending that was typed is the format."""
        typed = Path(self.name.text())
        if typed.suffix.lower() in KINDS[self._kind].suffixes:
            self.name.setText(typed.stem)
            self._name_of[self._kind] = typed.stem
            self.format.setCurrentIndex(self.format.findData(typed.suffix.lower()))
        self._show_target()

    @Slot()
    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, tr("Where exports go"), str(self.target.parent))
        if chosen:
            self._settings.set(FOLDER, chosen)
            self._show_target()

    def _show_target(self) -> None:
        target = self.target
        text = self.folder.fontMetrics().elidedText(
            str(target.parent), Qt.TextElideMode.ElideMiddle, self.folder.maximumWidth() - 32
        )
        self.folder.setText(text)
        self.folder.setAccessibleName(tr("folder {path}", path=target.parent))
        taken = self._taken()
        self.export.setText(tr("Replace") if taken else tr("Export"))
        (self.close_button if taken else self.export).setDefault(True)  # Return replaces nothing
        if taken:
            self._say(tr("{name} is there already and will be replaced.", name=target.name), "warn")
        elif self.message.property("tone") == "warn":
            self._say("")
        self._show_buttons()

    def _taken(self) -> bool:
        target = self.target
        if self._kind == "onnx":
            return any(files.exists(target / name) for name in export_onnx.NAMES)
        return files.exists(target)

    # -- the preview --------------------------------------------------------------------------

    @Slot()
    def _later(self) -> None:
        self._shown = None
        self._show_buttons()
        self._timer.start()

    @Slot()
    def refresh(self) -> None:
        """Ask for the preview of what is chosen now."""
        self._timer.stop()
        if self._writing is not None:
            return
        if self.message.property("tone") in ("bad", "good"):
            self._say("")
        self.size_text.setText("")
        if self._kind == "onnx":
            self._show_onnx()
            return
        self._serial += 1
        self.jobWanted.emit(self._job())

    def _job(self, target: Path | None = None) -> Job:
        return Job(self._material, self._kind, self.options, self.suffix, target, self._serial)

    def _stale(self, job: Job) -> bool:
        return job.serial != self._serial or self._timer.isActive() or job.kind != self._kind

    @Slot(object)
    def show_preview(self, preview: Preview) -> None:
        """Show it, unless something else has been chosen since."""
        if self._stale(preview.job):
            return
        self._shown = preview
        self.preview.set_waiting("")
        if preview.job.numbers:
            self.preview.set_text(preview.text)
        else:
            fps = float(preview.job.options.get("fps", 0)) if preview.job.moving else 0
            self.preview.set_frames(preview.frames, QSize(preview.width, preview.height), fps)
        self._show_size(0)
        self._show_target()

    def _show_size(self, size: int) -> None:
        shown, parts = self._shown, []
        if shown is not None and shown.width:
            parts.append(tr("{width:,} × {height:,} px", width=shown.width, height=shown.height))
            if shown.job.moving:
                frames, fps = len(shown.frames), float(shown.job.options["fps"])
                parts.append(trn("{n} frame", "{n} frames", frames))
                parts.append(tr("{seconds:.1f} s", seconds=frames / fps))
        if shown is not None and shown.job.kind == "codes":
            faces = len(self._material.sources.get(str(shown.job.options["source"]), ()))
            parts.append(trn("{n:,} face", "{n:,} faces", faces))
        if size:
            parts.append(tr("about {size}", size=_bytes(size)))
        self.size_text.setText("   ·   ".join(parts))

    def _show_onnx(self) -> None:
        model = self._material.model
        lacking = export_onnx.missing()
        d, s = model.dim, model.size
        lines = [
            "encoder.onnx",
            f"    images  (batch, 3, {s}, {s})  float32, RGB in [0, 1]",
            f" →  mu      (batch, {d})",
            f" →  logvar  (batch, {d})",
            "",
            "decoder.onnx",
            f"    codes   (batch, {d})",
            f" →  images  (batch, 3, {s}, {s})",
            "",
            tr("Both carry the attributes, their hyperplanes, and how"),
            tr("pictures are to be prepared."),
            "",
            tr("Nothing is written unless onnxruntime computes what the"),
            tr("model computes, to {tolerance:g}.", tolerance=export_onnx.TOLERANCE),
        ]
        self.preview.set_text("\n".join(lines))
        self.size_text.setText(tr("opset {n}", n=export_onnx.OPSET))
        if lacking:
            packages = ", ".join(lacking)
            self._say(
                tr("This needs {packages}: {command}", packages=packages, command=export_onnx.EXTRA), "bad"
            )
        self._show_buttons()

    # -- writing ------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether something is being written."""
        return self._writing is not None or self._exporting_onnx

    def _show_buttons(self) -> None:
        named = bool(self.name.text().strip(" ."))
        ready = self._shown is not None or (self._kind == "onnx" and not export_onnx.missing())
        self.export.setEnabled(ready and named and not self.busy)
        still = self._shown is not None and len(self._shown.frames) == 1
        self.copy_button.setVisible(self._kind in ("face", "grid", "triplets", "strip") and not self.busy)
        self.copy_button.setEnabled(still)

    def _set_busy(self, busy: bool, text: str = "") -> None:
        for widget in (self.kinds, self.area, self.name, self.format, self.folder):
            widget.setEnabled(not busy)
        self.reveal.setVisible(self._written is not None and not busy)
        self.progress.setVisible(busy)
        self.doing.setVisible(busy)
        self.message.setVisible(not busy)
        self.doing.say(text)
        self.progress.setRange(0, 0)
        self.close_button.setText(tr("Cancel") if busy else tr("Close"))
        self._show_buttons()
        if not busy and self.close_button.hasFocus():  # which came to it when Export was out of use
            self.export.setFocus()

    @Slot()
    def write(self) -> None:
        """Export; what goes wrong is said here."""
        if self._timer.isActive():
            self.refresh()
        if self.busy:
            return
        self._remember()
        self._say("")
        target = self.target
        if self._kind == "onnx":
            self._exporting_onnx = True
            self._goal = target
            self._set_busy(True, tr("starting…"))
            self.folderWanted.emit(target)
            return
        self._serial += 1
        self._writing = self._job(target)
        self._set_busy(True, tr("writing {name}…", name=target.name))
        self.jobWanted.emit(self._writing)

    @Slot(object, int, int)
    def show_progress(self, job: Job | None, done: int, total: int) -> None:
        """How far it is; None is the ONNX export."""
        if self.busy and (job is self._writing or job is None):
            self.progress.setRange(0, total)
            self.progress.setValue(done)
        elif job is not None and not self._stale(job) and done < total:
            self.preview.set_waiting(tr("drawing {done:,} of {total:,}", done=done, total=total))

    @Slot(str)
    def show_step(self, text: str) -> None:
        """What the ONNX export is doing."""
        self.doing.say(text)

    @Slot(object)
    def show_end(self, end: object) -> None:
        """A preview or a file is done."""
        if not isinstance(end, JobEnd):
            return
        if end.job is self._writing:
            self._writing = None
            self._set_busy(False)
            self._show_written(end)
        elif end.job.target is None and not self._stale(end.job):
            self.preview.set_waiting("")
            if end.error:
                self._shown = None
                self.preview.clear()
                self._say(end.error, "bad")
                self._show_buttons()
            elif not end.cancelled:
                self._show_size(end.size)

    def _show_written(self, end: JobEnd) -> None:
        target = end.job.target
        assert target is not None
        self._show_target()
        if end.cancelled:
            self._say(tr("Stopped; nothing was written."), "muted")
        elif end.error:
            self._say(end.error, "bad")
        else:
            text = tr("Saved {name}, {size}.", name=target.name, size=_bytes(end.size))
            if end.left_out:
                text += " " + trn(
                    "The code of {n} face did not fit beside it; a PNG or WebP keeps all.",
                    "The codes of {n} faces did not fit beside it; a PNG or WebP keeps all.",
                    end.left_out,
                )
            self._settings.set(FOLDER, str(target.parent))
            self._written = target.parent
            self.reveal.show()
            self._say(text, "good")
            if self.export.hasFocus():
                self.close_button.setFocus()

    @Slot(str, str)
    def show_onnx_end(self, text: str, trouble: str) -> None:
        """The ONNX files are there, or why they are not."""
        self._exporting_onnx = False
        self._written = self._written if trouble else self._goal
        self._set_busy(False)
        self._show_target()
        self._say(trouble or text, "bad" if trouble else "good")

    @Slot()
    def _on_reveal(self) -> None:
        if self._written is not None and (trouble := desktop.visit(self._written)):
            self._say(trouble, "bad")

    @Slot()
    def copy(self) -> None:
        """Put the picture on the clipboard."""
        if self._shown is not None and len(self._shown.frames) == 1:
            picture = self._shown.frames[0]
            QGuiApplication.clipboard().setImage(to_qimage(np.asarray(picture)))
            height, width = picture.shape[:2]
            self._say(tr("Copied, {width:,} × {height:,} px.", width=width, height=height), "good")

    def _say(self, text: str, tone: str = "muted") -> None:
        colours = theme.current()
        colour = {"bad": colours.bad, "good": colours.good, "warn": colours.warn}.get(tone, colours.muted)
        self.message.setText(text)
        self.message.setProperty("tone", tone if text else "")
        self.message.setStyleSheet(f"color: {colour};")

    def reject(self) -> None:
        """Close; while something is written, give that up first."""
        if self.busy:
            self.cancelWanted.emit()
            self.doing.say(tr("stopping…"))
            return
        self._timer.stop()
        self._remember()
        super().reject()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "preview"):
            self._say(self.message.text(), str(self.message.property("tone") or "muted"))
            self.preview.update()


def _plain(field: Field, value: Any) -> Any:
    """A value as JSON has it."""
    return round(float(value), 4) if field.control == "number" else value


def _bytes(size: int) -> str:
    """A size for people."""
    if size < 1000:
        return tr("{n} bytes", n=size)
    if size < 1_000_000:
        return tr("{n:.0f} KB", n=size / 1000)
    return tr("{n:.1f} MB", n=size / 1e6)
