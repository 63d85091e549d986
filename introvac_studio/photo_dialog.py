"""Where a model looks in a photo: a box to move, or two eyes, with what the model sees and makes of it.

The dialog does not block the window. Wiring: `cropWanted(box, serial)` asks for a preview, whose answer
comes to `show_cropped`; `facesWanted` asks for faces, which come to `show_faces`; `used(box)` says that the
box is to be the face's.
"""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr, trn
from introvac_studio.messages import Cropped, FacesFound, PhotoRead
from introvac_studio.settings import Settings
from introvac_studio.widgets.crop_view import BOX, LEFT_EYE, RIGHT_EYE, CropView
from introvac_studio.widgets.image_view import ImageView
from introvac_studio.widgets.segmented import Segmented
from introvac_studio.widgets.texts import heading, muted, tabular
from trainer import face_detector, photos
from trainer.align import Box

SHOW = "photo/show_crop"  # setting: whether a photo that is not cropped yet opens this dialog
_VIEW = 128  # side of the two previews
HINT = mark("Drag the two rings onto the eyes, or move, resize and turn the box.")
NONE_FOUND = mark("No face was found. Drag the two rings onto the eyes.")
_GRIPS = {mark("box"): BOX, mark("left eye"): LEFT_EYE, mark("right eye"): RIGHT_EYE}


class PhotoDialog(QDialog):
    """See the module's docstring for the wiring."""

    cropWanted = Signal(object, int)
    facesWanted = Signal()
    used = Signal(object)

    def __init__(self, read: PhotoRead, settings: Settings, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.read, self._settings = read, settings
        self._start = read.box or photos.start_box(read.photo, read.crop)
        self._boxes = read.boxes
        self._face = 0 if read.box is not None and read.box in read.boxes else -1
        self._serial = self._shown = 0
        self._asked = False  # the user wants the box at the face that is being looked for
        self.setWindowTitle(tr("Crop {name}", name=read.photo.name))
        self.resize(1000, 620)
        self._build()
        self._lay_out()
        self.view.set_photo(read.view, read.photo.size, read.target, self._start)
        self._connect()
        self._show_numbers()
        self._show_found()
        self.view.setFocus()
        if not face_detector.available():
            self.find_button.setEnabled(False)
            how = face_detector.HOW_TO
            self._say(tr("With the extra align, faces are found by themselves: {how}", how=how))
        elif read.searched and not read.boxes:
            self._say(tr(NONE_FOUND))

    # -- building -----------------------------------------------------------------------------

    def _build(self) -> None:
        self.view = CropView(tr("photo with the box that the model sees"))
        self.view.setToolTip(
            tr("Arrow keys move, + and − resize, [ and ] turn; the wheel zooms, a drag beside the box pans")
        )
        self.seen = ImageView(tr("what the model sees"), minimum=_VIEW)
        self.made = ImageView(tr("what the model makes of it"), minimum=_VIEW)
        for picture in (self.seen, self.made):
            picture.setFixedSize(_VIEW, _VIEW)
        self.before, self.after = QPushButton("‹"), QPushButton("›")
        self.before.setAccessibleName(tr("the face before"))
        self.after.setAccessibleName(tr("the next face"))
        self.before.setToolTip(tr("Crop by the face before (Page up)"))
        self.after.setToolTip(tr("Crop by the next face (Page down)"))
        for button in (self.before, self.after):
            button.setObjectName("side")
            button.setFixedWidth(32)
        self.find_button = QPushButton(tr("Find faces"))
        self.find_button.setToolTip(
            tr("Look for faces and put the box where the eyes of the largest one are right")
        )
        self.face_text = muted()
        self.face_text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.grips = Segmented([tr(text) for text in _GRIPS], tr("what the arrow keys move"))
        self.angle, self.side = QDoubleSpinBox(), QDoubleSpinBox()
        for box, name, tip in (
            (self.angle, tr("angle"), tr("By how much the box is turned, clockwise")),
            (self.side, tr("width"), tr("The box's width in pixels of the photo")),
        ):
            box.setAccessibleName(name)
            box.setToolTip(tip)
            box.setDecimals(1)
            box.setKeyboardTracking(False)
            box.setFont(tabular(box.font()))
        self.angle.setRange(-180, 180)
        self.angle.setSuffix(" °")
        self.angle.setWrapping(True)
        self.side.setRange(8, 4 * max(self.read.photo.size))
        self.side.setSuffix(" px")
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setMinimumHeight(3 * self.fontMetrics().height())
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.always = QCheckBox(tr("Show this for photos that need a crop"))
        self.always.setToolTip(tr("Otherwise it is under Edit, “Crop photo…”"))
        self.always.setChecked(self._settings.get(SHOW, True))
        self.reset, self.close_button = QPushButton(tr("Reset")), QPushButton(tr("Close"))
        self.use = QPushButton(tr("Use this crop"))
        self.use.setObjectName("primary")
        self.use.setDefault(True)
        self.reset.setToolTip(tr("Back to the box that the photo was opened with"))
        self.use.setToolTip(tr("Edit this part of the photo (Enter); one step of history"))
        for button in (self.before, self.after, self.find_button, self.reset, self.close_button):
            button.setAutoDefault(False)

    def _lay_out(self) -> None:
        side = QVBoxLayout()
        side.setSpacing(theme.GRID)
        side.addLayout(self._pictures())
        side.addSpacing(theme.GRID)
        side.addWidget(heading(tr("Faces")))
        faces = QHBoxLayout()
        faces.setSpacing(theme.GRID)
        faces.addWidget(self.before)
        faces.addWidget(self.face_text, 1)
        faces.addWidget(self.after)
        side.addLayout(faces)
        side.addWidget(self.find_button)
        side.addSpacing(theme.GRID)
        side.addWidget(heading(tr("Box")))
        numbers = QGridLayout()
        numbers.setSpacing(theme.GRID)
        for row, (text, box) in enumerate(((tr("width"), self.side), (tr("angle"), self.angle))):
            numbers.addWidget(muted(text), row, 0)
            numbers.addWidget(box, row, 1)
        numbers.setColumnStretch(1, 1)
        side.addLayout(numbers)
        side.addWidget(muted(tr("Arrow keys move")))
        side.addWidget(self.grips)
        side.addWidget(self.message)
        side.addStretch(1)
        side.addWidget(self.always)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.GRID)
        buttons.addWidget(self.reset)
        buttons.addWidget(self.close_button)
        buttons.addStretch(1)
        buttons.addWidget(self.use)
        side.addLayout(buttons)
        right = QWidget()
        right.setLayout(side)
        right.setFixedWidth(2 * _VIEW + 2 * theme.GRID)
        side.setContentsMargins(0, 0, 0, 0)
        left = QVBoxLayout()
        left.setSpacing(theme.GRID)
        left.addWidget(
            muted(tr("Drag the two rings onto the eyes, or move, resize and turn the box."), wrap=True)
        )
        left.addWidget(self.view, 1)
        both = QHBoxLayout(self)
        both.setContentsMargins(*[2 * theme.GRID] * 4)
        both.setSpacing(2 * theme.GRID)
        both.addLayout(left, 1)
        both.addWidget(right)

    def _pictures(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2 * theme.GRID)
        for picture, text in ((self.seen, tr("the model sees")), (self.made, tr("and makes of it"))):
            column = QVBoxLayout()
            column.setSpacing(4)
            column.addWidget(picture)
            column.addWidget(muted(text))
            row.addLayout(column)
        return row

    def _connect(self) -> None:
        self.view.changed.connect(self._on_changed)
        self.view.pickedChanged.connect(self._on_picked)
        self.grips.changed.connect(self._on_grip)
        self.angle.valueChanged.connect(self._on_numbers)
        self.side.valueChanged.connect(self._on_numbers)
        self.before.clicked.connect(self._step_back)
        self.after.clicked.connect(self._step_on)
        self.find_button.clicked.connect(self._on_find)
        self.always.toggled.connect(self._on_always)
        self.reset.clicked.connect(self._on_reset)
        self.close_button.clicked.connect(self.reject)
        self.use.clicked.connect(self._on_use)

    # -- the box ------------------------------------------------------------------------------

    @property
    def box(self) -> Box:
        return self.view.box

    @property
    def fresh(self) -> bool:
        """Whether the previews are those of the box as it is."""
        return self._serial > 0 and self._shown == self._serial

    def begin(self) -> None:
        """Ask for the first preview, and for faces where none were looked for yet."""
        self._want()
        if not self.read.searched and face_detector.available():
            self.find_button.setEnabled(False)
            self._show_found()
            self.facesWanted.emit()

    def _want(self) -> None:
        self._serial += 1
        self.cropWanted.emit(self.view.box, self._serial)

    @Slot(object)
    def _on_changed(self, box: Box) -> None:
        if self.message.text() == tr(NONE_FOUND):  # it has been answered
            self._say("")
        self._face = -1
        self._take(box)

    def _take(self, box: Box) -> None:
        self.view.set_box(box)
        self._show_numbers()
        self._show_found()
        self._want()

    @Slot()
    def _on_numbers(self) -> None:
        self._on_changed(replace(self.box, angle=self.angle.value(), side=self.side.value()))

    def _show_numbers(self) -> None:
        with QSignalBlocker(self.angle), QSignalBlocker(self.side):
            self.angle.setValue(self.box.angle)
            self.side.setValue(self.box.side)

    @Slot(str)
    def _on_picked(self, grip: str) -> None:
        text = next(text for text, name in _GRIPS.items() if name == grip)
        with QSignalBlocker(self.grips):
            self.grips.set_value(tr(text))

    @Slot(str)
    def _on_grip(self, chosen: str) -> None:
        self.view.pick(next(name for text, name in _GRIPS.items() if tr(text) == chosen))
        self.view.setFocus()

    @Slot()
    def _on_reset(self) -> None:
        self._face = -1
        self.view.fit()
        self._take(self._start)

    @Slot(object)
    def show_cropped(self, cropped: Cropped) -> None:
        """The previews of the newest box; older ones are shown meanwhile, those of another model are not."""
        if cropped.stamp == self.read.stamp and self._shown < cropped.serial <= self._serial:
            self._shown = cropped.serial
            self.seen.set_image(cropped.image)
            self.made.set_image(cropped.reconstruction)

    # -- faces --------------------------------------------------------------------------------

    @Slot()
    def _on_find(self) -> None:
        self._asked, self._face, self._boxes = True, -1, ()
        self.find_button.setEnabled(False)
        self._show_found()
        self.facesWanted.emit()

    @Slot(object)
    def show_faces(self, found: FacesFound) -> None:
        """Faces were found, or not; the box goes to the largest if the user asked for it."""
        if found.photo is not self.read.photo:
            return
        asked, self._asked = self._asked, False
        self.find_button.setEnabled(True)
        self._boxes = found.boxes
        if found.trouble:
            self._say(found.trouble, bad=True)
        elif not found.boxes:
            self._say(tr(NONE_FOUND))
        elif asked:
            self._choose(0)
        self._show_found()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Page up and Page down step through the faces."""
        button = {Qt.Key.Key_PageUp: self.before, Qt.Key.Key_PageDown: self.after}.get(Qt.Key(event.key()))
        if button is not None:
            button.click()
        else:
            super().keyPressEvent(event)

    @Slot()
    def _step_back(self) -> None:
        self._choose(self._face - 1 if self._face > 0 else len(self._boxes) - 1)

    @Slot()
    def _step_on(self) -> None:
        self._choose((self._face + 1) % max(1, len(self._boxes)))

    def _choose(self, face: int) -> None:
        if 0 <= face < len(self._boxes):
            self._face = face
            self._take(self._boxes[face])

    def _show_found(self) -> None:
        count = len(self._boxes)
        for button in (self.before, self.after):
            button.setEnabled(count > 1 or (count == 1 and self._face < 0))
        if not self.find_button.isEnabled() and not count and face_detector.available():
            self.face_text.setText(tr("looking…"))
        elif self._face >= 0:
            self.face_text.setText(tr("face {k} of {n}", k=self._face + 1, n=count))
        elif count:
            self.face_text.setText(trn("{n} face found", "{n} faces found", count))
        elif self.read.box is None and self.box == self._start:
            self.face_text.setText(tr("the photo's middle"))
        else:
            self.face_text.setText(tr("set by hand"))

    # -- what comes of it ---------------------------------------------------------------------

    @Slot(bool)
    def _on_always(self, on: bool) -> None:
        self._settings.set(SHOW, on)

    @Slot()
    def _on_use(self) -> None:
        self.used.emit(self.box)
        self.accept()

    def _say(self, text: str, bad: bool = False) -> None:
        colours = theme.current()
        self.message.setText(text)
        self.message.setStyleSheet(f"color: {colours.bad if bad else colours.muted};")
