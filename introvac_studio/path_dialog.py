"""The way from the edited face to another one: a film to scrub, to export, and to take a frame from.

Wiring: `picturesWanted(stamp, codes (n, d), serial)` and `endWanted(stamp, Path or picture, name, recipe)`
are requests to the inference worker, whose answers come to `show_pictures`, `show_end` and `show_failure`;
`exportWanted(PathExport)` asks for the export dialog.
"""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, QObject, QSignalBlocker, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.exporting import PathExport
from introvac_studio.language import mark, tr
from introvac_studio.messages import Failure, Opened, Strip
from introvac_studio.panels.faces import ask_for_photo
from introvac_studio.settings import Settings
from introvac_studio.state import Code, Face, Image, StudioState
from introvac_studio.widgets.gallery import Gallery
from introvac_studio.widgets.image_view import ImageView
from introvac_studio.widgets.path_strip import PathStrip
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import muted, tabular
from trainer import paths
from trainer.errors import IntroVACError

MAX_STEPS = 120  # pictures kept on screen
_SIDE = 300
_WAYS = (mark("linear"), mark("spherical"))  # paths.KINDS


class PathDialog(QDialog):
    """See the module's docstring for the wiring."""

    picturesWanted = Signal(int, object, int)
    endWanted = Signal(int, object, str, object)
    exportWanted = Signal(object)

    def __init__(self, state: StudioState, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        assert state.model is not None and state.face is not None and state.z is not None
        self._state, self._settings = state, settings
        self._model, self._face, self._edit = state.model, state.face, state.edit
        self._a: Code = state.z
        self._b: Face | None = None
        self._codes: Code | None = None
        self._serial = 0
        self._answered = -1  # serial of the pictures on screen
        self._forward = True
        self.images: Image | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._advance)
        self.setWindowTitle(tr("Path between two faces"))
        self.resize(1120, 720)
        self._build()
        self._recall()
        self._lay_out()
        self._connect()
        self._on_faces()
        self._refresh()
        self.photo.setFocus()
        self.message.setText(tr("Choose on the left where the path leads."))

    # -- building -----------------------------------------------------------------------------

    def _build(self) -> None:
        self.gallery = Gallery(tr("No faces are open.\nOpen a photo below."))
        self.gallery.set_thumbnail_size(64)
        self.gallery.setAccessibleName(tr("the face that the path leads to"))
        self.photo = QPushButton(tr("Open photo…"))
        self.photo.setToolTip(tr("Lead the path to a picture of your own"))
        self.view = ImageView(
            tr("face on the path"), tr("Choose on the left where the path leads"), minimum=192
        )
        self.start, self.end = (
            ImageView(tr("where the path begins"), minimum=64),
            ImageView(tr("where the path ends"), "?", minimum=64),
        )
        for view in (self.start, self.end):
            view.setFixedSize(128, 128)
        self.start_text, self.end_text = muted(), muted(tr("not chosen yet"))
        self.start_text.setText(self._short(self._face.name))
        self.start_text.setToolTip(self._face.name)
        self.strip = PathStrip()
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(tr("place on the path"))
        self.slider.setToolTip(tr("Drag, or use the arrow keys, to go along the path"))
        self.place = QLabel()
        self.place.setFont(tabular(self.place.font()))
        self.place.setFixedWidth(72)
        self.place.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.play = QPushButton(tr("Play"))
        self.play.setFixedWidth(84)
        self.play.setToolTip(tr("Go there and back for as long as you like (Space)"))
        self.kind = Segmented(_WAYS, tr("kind of path"))
        self.kind.setToolTip(
            tr(
                "linear: the straight line. spherical: turns at an even rate, so that codes in between "
                "stay as "
                "far from the middle of the prior as the ends are."
            )
        )
        self.steps, self.fps = QSpinBox(), QDoubleSpinBox()
        self.steps.setRange(2, MAX_STEPS)
        self.steps.setKeyboardTracking(False)
        self.fps.setRange(1, 50)
        self.fps.setDecimals(0)
        self.fps.setSuffix(tr(" per second"))
        self.back = QCheckBox(tr("there and back"))
        self.back.setToolTip(tr("The animation returns the way it came, so that it does not jump"))
        self.size_text, self.message = muted(), QLabel()
        self.message.setWordWrap(True)
        self.use, self.export, self.close_button = (
            QPushButton(tr("Use this frame")),
            QPushButton(tr("Export…")),
            QPushButton(tr("Close")),
        )
        self.export.setObjectName("primary")
        self.use.setToolTip(tr("The edited face becomes this one; one step of history"))
        self.export.setToolTip(tr("An animation, or all pictures in a row, with its recipe inside"))
        for button in (self.photo, self.play, self.use, self.export, self.close_button):
            button.setAutoDefault(False)

    def _recall(self) -> None:
        get = self._settings.get
        self.kind.set_value(get("path/kind", "linear"))
        self.steps.setValue(get("path/steps", 24))
        self.fps.setValue(get("path/fps", 12.0))
        self.back.setChecked(get("path/back", True))

    def _lay_out(self) -> None:
        choose = QVBoxLayout()
        choose.setSpacing(theme.GRID)
        choose.addWidget(muted(tr("To which face?")))
        choose.addWidget(self.gallery, 1)
        choose.addWidget(self.photo)
        choose.setContentsMargins(0, 0, 0, 0)
        left = QWidget()
        left.setLayout(choose)
        left.setFixedWidth(236)
        row = QHBoxLayout()
        row.setSpacing(theme.GRID)
        row.addWidget(self.play)
        row.addWidget(self.slider, 1)
        row.addWidget(self.place)
        centre = QVBoxLayout()
        centre.setSpacing(theme.GRID)
        centre.addWidget(self.view, 1)
        centre.addWidget(self.strip)
        centre.addLayout(row)
        both = QHBoxLayout(self)
        both.setContentsMargins(*[2 * theme.GRID] * 4)
        both.setSpacing(2 * theme.GRID)
        both.addWidget(left)
        both.addLayout(centre, 1)
        both.addWidget(self._side())

    def _side(self) -> QWidget:
        ends = QHBoxLayout()
        ends.setSpacing(theme.GRID)
        for title, view, text in (
            (tr("from"), self.start, self.start_text),
            (tr("to"), self.end, self.end_text),
        ):
            column = QVBoxLayout()
            column.setSpacing(4)
            column.addWidget(muted(title))
            column.addWidget(view)
            text.setFixedWidth(128)
            column.addWidget(text)
            ends.addLayout(column)
        ends.addStretch(1)
        form = QFormLayout()
        form.setHorizontalSpacing(2 * theme.GRID)
        form.setVerticalSpacing(theme.GRID)
        for label, field in (
            (tr("Way"), self.kind), (tr("Pictures"), self.steps), (tr("Speed"), self.fps),
        ):  # fmt: skip
            caption = muted(label)
            caption.setBuddy(field)
            if not field.accessibleName():
                field.setAccessibleName(label)
            form.addRow(caption, field)
        form.addRow("", self.back)
        side = QVBoxLayout()
        side.setSpacing(theme.GRID)
        side.setContentsMargins(0, 0, 0, 0)
        side.addLayout(ends)
        side.addSpacing(theme.GRID)
        side.addLayout(form)
        side.addWidget(self.size_text)
        side.addWidget(self.message)
        side.addStretch(1)
        for button in (self.export, self.use, self.close_button):
            side.addWidget(button)
        box = QWidget()
        box.setLayout(side)
        box.setFixedWidth(_SIDE)
        return box

    def _connect(self) -> None:
        self.gallery.activated.connect(self.choose_row)
        self.photo.clicked.connect(self._choose_photo)
        self.slider.valueChanged.connect(self._on_place)
        self.strip.chosen.connect(self.slider.setValue)
        self.play.clicked.connect(self.toggle)
        self.kind.changed.connect(self._remember)
        for box in (self.steps, self.fps):
            box.valueChanged.connect(self._remember)
        self.back.toggled.connect(self._remember)
        self.use.clicked.connect(self._on_use)
        self.export.clicked.connect(self._ask)
        self.close_button.clicked.connect(self.reject)
        self._state.modelChanged.connect(self.reject)
        self._state.facesChanged.connect(self._on_faces)
        self.slider.installEventFilter(self)

    def open(self) -> None:
        """Show the dialog; at first with the picture that the path begins at."""
        super().open()
        self.picturesWanted.emit(self._model.stamp, self._a[None], self._serial)

    # -- the ends -----------------------------------------------------------------------------

    @Slot()
    def _on_faces(self) -> None:
        faces = self._state.faces
        if faces is None:
            self.gallery.clear()
        else:
            self.gallery.set_images(faces.images)

    @Slot(int)
    def choose_row(self, row: int) -> None:
        """Lead the path to a face of the browser."""
        faces = self._state.faces
        if faces is not None and 0 <= row < len(faces):
            recipe = {"face": "data", "data": faces.spec, "file": faces.names[row]}
            self._say("")
            self.endWanted.emit(self._model.stamp, faces.images[row], faces.names[row], recipe)

    @Slot()
    def _choose_photo(self) -> None:
        if (path := ask_for_photo(self, self._settings)) is not None:
            self._say("")
            self.endWanted.emit(self._model.stamp, path, path.name, {})

    @Slot(object)
    def show_end(self, opened: Opened) -> None:
        """The other end is encoded."""
        if opened.stamp == self._model.stamp:
            self._b = opened.face
            self.end.set_image(opened.face.original)
            self.end_text.setText(self._short(opened.face.name))
            self.end_text.setToolTip(opened.face.name)
            self._walk()

    @Slot(object)
    def show_failure(self, failure: Failure) -> None:
        """The other end could not be opened; the path stays as it was."""
        self._say(failure.text, bad=True)

    def _short(self, name: str) -> str:
        return self.end_text.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, 126)

    # -- the path -----------------------------------------------------------------------------

    @Slot()
    def _remember(self) -> None:
        put = self._settings.set
        put("path/kind", self.kind.value)
        put("path/steps", self.steps.value())
        put("path/fps", self.fps.value())
        put("path/back", self.back.isChecked())
        if self._timer.isActive():
            self._timer.start(self._interval())
        if self.sender() in (self.kind, self.steps):
            self._walk()
        self._refresh()

    def _walk(self) -> None:
        """Ask for the pictures of the path as it is chosen."""
        if self._b is None:
            return
        share = self.slider.value() / max(1, self.slider.maximum())
        try:
            self._codes = paths.path(self._a, self._b.mu, self.steps.value(), self.kind.value)
        except IntroVACError as error:
            self._say(str(error), bad=True)
            return
        self._say("")
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, len(self._codes) - 1)
            self.slider.setValue(round(share * (len(self._codes) - 1)))
        self._serial += 1
        self.picturesWanted.emit(self._model.stamp, self._codes, self._serial)

    @Slot(object)
    def show_pictures(self, strip: Strip) -> None:
        """Pictures of the newest path; older ones are dropped."""
        if strip.stamp != self._model.stamp or strip.serial != self._serial:
            return
        self.start.set_image(strip.images[0])
        if self._b is None:
            self.view.set_image(strip.images[0])
            return
        self._answered, self.images = strip.serial, strip.images
        self.strip.set_images(strip.images)
        self._on_place(self.slider.value())
        self._refresh()

    @Slot(int)
    def _on_place(self, place: int) -> None:
        if self.images is not None and place < len(self.images):
            self.view.set_image(self.images[place])
            self.strip.set_current(place)
        self.place.setText(
            tr("{place} of {count}", place=place + 1, count=self.slider.maximum() + 1)
            if self._codes is not None
            else ""
        )

    @property
    def ready(self) -> bool:
        """Whether the pictures on screen are those of the path as it is chosen."""
        return self.images is not None and self._answered == self._serial

    def _refresh(self) -> None:
        for widget in (self.play, self.slider):
            widget.setEnabled(self.images is not None)
        for button in (self.use, self.export):
            button.setEnabled(self.ready)
        frames = self.steps.value()
        frames = 2 * frames - 2 if self.back.isChecked() and frames > 2 else frames
        self.size_text.setText(tr("animation of {seconds} s", seconds=f"{frames / self.fps.value():.1f}"))

    # -- playing ------------------------------------------------------------------------------

    def _interval(self) -> int:
        return round(1000 / self.fps.value())

    @Slot()
    def toggle(self) -> None:
        """Play, or stop playing."""
        if self._timer.isActive():
            self._timer.stop()
        elif self.images is not None:
            self._timer.start(self._interval())
        self.play.setText(tr("Pause") if self._timer.isActive() else tr("Play"))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Space on the slider plays."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space:
            if event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat():
                self.toggle()
            return True
        return super().eventFilter(watched, event)

    @Slot()
    def _advance(self) -> None:
        last, place = self.slider.maximum(), self.slider.value()
        if place >= last:
            self._forward = not self.back.isChecked()
            if self._forward:
                self.slider.setValue(0)
                return
        elif place <= 0:
            self._forward = True
        self.slider.setValue(place + (1 if self._forward else -1))

    # -- what comes of it ---------------------------------------------------------------------

    @Slot()
    def _on_use(self) -> None:
        if self.ready and self._codes is not None and self._state.face is not None:
            place = self.slider.value()
            offset = self._codes[place] - self._state.face.mu
            edit = replace(self._state.edit, amounts={}, offset=offset)
            self._state.commit(tr("frame {place} of the path", place=place + 1), edit)
            self._say(tr("The edited face is this frame now; Ctrl+Z in the window takes it back."))

    @Slot()
    def _ask(self) -> None:
        """Let the path be exported as it is now."""
        if self.ready and self._b is not None:
            options = {
                "way": self.kind.value,
                "frames": self.steps.value(),
                "fps": round(self.fps.value()),
                "back": self.back.isChecked(),
            }
            self.exportWanted.emit(PathExport(self._face, self._edit, self._b, options))

    def _say(self, text: str, bad: bool = False) -> None:
        colours = theme.current()
        self.message.setText(text)
        self.message.setStyleSheet(f"color: {colours.bad if bad else colours.good};")

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "strip"):
            self.strip.update()
