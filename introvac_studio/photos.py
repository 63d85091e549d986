"""Pictures that come in and go out: photos and their crop, the clipboard, faces dragged to other programs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QMimeData, QObject, QPointF, Qt, QUrl, Signal, Slot
from PySide6.QtGui import QDrag, QDragEnterEvent, QDropEvent, QMouseEvent, QPixmap
from PySide6.QtWidgets import QApplication, QWidget

from introvac_studio import exports
from introvac_studio.language import mark, tr, trn
from introvac_studio.main_window import Command, MainWindow
from introvac_studio.messages import Opened, PhotoRead
from introvac_studio.panels.editor import EditorPanel
from introvac_studio.panels.faces import FacesPanel
from introvac_studio.photo_dialog import SHOW, PhotoDialog
from introvac_studio.settings import PHOTOS, Settings, remember_photo
from introvac_studio.state import Image, StudioState
from introvac_studio.widgets.image_view import ImageView
from introvac_studio.widgets.pictures import PNG, mime_photos, picture_mime, scaled, web_address
from introvac_studio.workers.inference import InferenceThread
from trainer import photos
from trainer.align import Box
from trainer.errors import DataError
from trainer.photos import PASTED

_FILE, _EDIT = "&File", "&Edit"  # menus
_SHOWN = 200  # letters of a file's name that a recipe gives
_THUMBNAIL = 96  # side of what hangs at the pointer during a drag


class Photos(QObject):
    """Opens photos and lets their crop be changed; copies faces and drags them out of the window.

    Signals:
        complained(str): what did not work; nothing is lost.
        told(str): a line for the status bar.
    """

    complained = Signal(str)
    told = Signal(str)

    def __init__(
        self,
        state: StudioState,
        settings: Settings,
        inference: InferenceThread,
        editor: EditorPanel,
        faces: FacesPanel,
        window: MainWindow,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._settings, self._inference = state, settings, inference
        self._editor, self._faces, self._window = editor, faces, window
        self._read: PhotoRead | None = None  # the photo that was read last
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._press: QPointF | None = None  # on a thumbnail of the browser
        self.dialog: PhotoDialog | None = None
        self._connect()

    def _connect(self) -> None:
        inference, editor = self._inference, self._editor
        inference.photoReady.connect(self._on_read)
        inference.recropped.connect(self._on_recropped)
        self._faces.settings = self._settings
        self._faces.photoOffered.connect(self.open)
        editor.crop.setText(tr("Crop…"))
        editor.crop.setToolTip(tr("Choose which part of the photo the model sees (Ctrl+Shift+X)"))
        editor.crop.clicked.connect(self.show_crop)
        for view in (editor.original, editor.reconstruction, editor.edited):
            view.set_takeable(True)
            view.taken.connect(self._on_taken)
        self._state.modelChanged.connect(self._on_model)
        self._window.setAcceptDrops(True)  # wherever no panel takes the drop
        self._window.installEventFilter(self)
        self._faces.gallery.viewport().installEventFilter(self)

    def file_commands(self) -> tuple[Command, ...]:
        """What is in the File menu."""
        return (Command(_FILE, mark("Paste photo"), "Ctrl+V", self.paste),)

    def edit_commands(self) -> tuple[Command, ...]:
        """What is in the Edit menu."""
        return (
            Command(_EDIT, mark("Crop photo…"), "Ctrl+Shift+X", self.show_crop, why=self._why_no_crop),
            Command(_EDIT, mark("Copy face"), "Ctrl+C", self.copy_face),
            Command(_EDIT, mark("Copy original"), "Ctrl+Shift+C", self.copy_original),
        )

    def close(self) -> None:
        """Close the dialog and remove the files that were dragged out."""
        if self.dialog is not None:
            self.dialog.reject()
        self._window.removeEventFilter(self)
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    # -- coming in ----------------------------------------------------------------------------

    @Slot(object)
    def open(self, source: Path | bytes) -> None:
        """Edit a picture of the user's."""
        model = self._state.model
        if model is None:
            self.complained.emit(tr("A photo needs a model to edit it; open one with File > Open model."))
            return
        name = source.name if isinstance(source, Path) else tr("pasted picture")
        self.told.emit(tr("opening {name}…", name=name))
        self._inference.open_photo(model.stamp, source, name)
        self._window.show_workspace("edit")

    @Slot()
    def paste(self) -> None:
        """Open the clipboard's picture or file."""
        if not self._take(QApplication.clipboard().mimeData()):
            self.complained.emit(tr("The clipboard holds no picture and no file."))

    def _take(self, mime: QMimeData) -> bool:
        """Open what a drop or the clipboard holds; False where that is nothing of use."""
        found = mime_photos(mime)
        if found:
            self.open(found[0])
            if len(found) > 1:
                self.told.emit(tr("{n} files came; the first one is opened", n=len(found)))
            return True
        if not (address := web_address(mime)):
            return False
        self.complained.emit(
            tr(
                "{address} is on the web: save or copy the picture itself, then drop or paste it.",
                address=address,
            )
        )
        return True

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Drops anywhere on the window, and drags of the browser's thumbnails."""
        if isinstance(event, QDropEvent) and watched is self._window:
            useful = mime_photos(event.mimeData()) or web_address(event.mimeData())
            if useful and event.source() is None:
                if event.type() == QEvent.Type.DragEnter or isinstance(event, QDragEnterEvent):
                    event.acceptProposedAction()
                    return True
                if event.type() == QEvent.Type.Drop:
                    event.acceptProposedAction()
                    return self._take(event.mimeData())
        elif isinstance(event, QMouseEvent) and watched is self._faces.gallery.viewport():
            return self._on_thumbnail(event)
        return False

    # -- the crop -----------------------------------------------------------------------------

    @Slot(object)
    def _on_read(self, read: PhotoRead) -> None:
        """A photo was read: keep it for its crop, and show that where it matters."""
        if self._state.model is None or read.stamp != self._state.model.stamp:
            return
        self._read = read
        if read.photo.file is not None:
            remember_photo(self._settings, read.photo.file)
        self.told.emit(self._how(read))
        if read.asked or (not read.photo.fits(read.crop) and self._settings.get(SHOW, True)):
            self._show(read)
        elif self.dialog is not None:
            self.dialog.reject()

    def _how(self, read: PhotoRead) -> str:
        """How a photo was cropped, in a line."""
        name = read.photo.name
        if read.boxes and read.box is not None:
            n = len(read.boxes)
            return trn(
                "{name}: cropped by the eyes",
                "{name}: cropped by the eyes of the largest of {n} faces",
                n,
                name=name,
            )
        if read.box is not None or read.photo.fits(read.crop):
            return tr("{name} is open", name=name)
        if read.searched:
            return tr("{name}: no face was found; its middle is shown", name=name)
        return tr("{name}: its middle is shown", name=name)

    def _why_no_crop(self) -> str:
        face = self._state.face
        if self._state.model is None or face is None or face.recipe.get("face") != "photo":
            return tr("Only a photo has a crop to change; open one with File > Open photo.")
        return ""

    @Slot()
    def show_crop(self) -> None:
        """Show where the model looks in the current face's photo."""
        model, face, read = self._state.model, self._state.face, self._read
        if why := self._why_no_crop():
            self.complained.emit(why)
            return
        assert model is not None and face is not None
        file = str(face.recipe.get("file", PASTED))
        if (
            read is not None
            and read.stamp == model.stamp
            and _same(face.recipe, photos.note(read.photo, read.crop, None))
        ):
            if self.dialog is not None:
                self.dialog.raise_()
                return
            try:
                self._show(replace(read, box=photos.box_of(face.recipe, read.photo)))
            except DataError as error:
                self.complained.emit(tr("The crop cannot be shown: {error}", error=error))
        elif file == PASTED:
            self.complained.emit(tr("The pasted picture is not kept any more; paste it again to crop it."))
        elif file not in self._settings.texts(PHOTOS):  # named by a recipe, which may be anyone's
            self.complained.emit(
                tr(
                    "{file} has not been opened here before; open it as a photo to crop it.",
                    file=file[:_SHOWN],
                )
            )
        else:
            self._inference.read_photo(model.stamp, Path(file), face.name, face.recipe)

    def _show(self, read: PhotoRead) -> None:
        if self.dialog is not None:
            self.dialog.reject()
        dialog = PhotoDialog(read, self._settings, self._window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.cropWanted.connect(self._on_crop_wanted)
        dialog.facesWanted.connect(self._on_faces_wanted)
        dialog.used.connect(self._on_used)
        dialog.finished.connect(self._on_closed)
        self._inference.cropped.connect(dialog.show_cropped)
        self._inference.facesFound.connect(dialog.show_faces)
        self.dialog = dialog
        dialog.show()
        dialog.begin()

    @Slot(object, int)
    def _on_crop_wanted(self, box: Box, serial: int) -> None:
        if self.dialog is not None:
            self._inference.crop(self.dialog.read.stamp, self.dialog.read.photo, box, serial)

    @Slot()
    def _on_faces_wanted(self) -> None:
        if self.dialog is not None:
            self._inference.find_faces(self.dialog.read.stamp, self.dialog.read.photo)

    @Slot(object)
    def _on_used(self, box: Box) -> None:
        if self.dialog is not None:
            self._inference.recrop(self.dialog.read.stamp, self.dialog.read.photo, box)

    @Slot(object)
    def _on_recropped(self, opened: Opened) -> None:
        """The face of another crop takes the place of the same photo's, with the edit that it has."""
        state = self._state
        if state.model is None or opened.stamp != state.model.stamp:
            return
        same = state.face is not None and _same(state.face.recipe, opened.face.recipe)
        state.open_face(opened.face, state.edit if same else None)
        self._window.show_workspace("edit")

    @Slot()
    def _on_closed(self) -> None:
        if self.sender() is self.dialog:
            self.dialog = None

    @Slot()
    def _on_model(self) -> None:
        """Another model looks elsewhere."""
        self._read = None
        if self.dialog is not None:
            self.dialog.reject()

    # -- going out ----------------------------------------------------------------------------

    @Slot()
    def copy_face(self) -> None:
        """Put the edited face on the clipboard, with its recipe inside."""
        self._copy(self._editor.edited)

    @Slot()
    def copy_original(self) -> None:
        """Put the picture that the face came from on the clipboard, as the model sees it."""
        self._copy(self._editor.original)

    def _copy(self, view: ImageView) -> None:
        if (found := self._picture_of(view)) is None:
            self.complained.emit(tr("There is no picture to copy yet; choose a face on the left first."))
            return
        image, recipe, name = found
        QApplication.clipboard().setMimeData(picture_mime(image, recipe))
        self.told.emit(tr("copied {name}", name=name))

    def _picture_of(self, view: ImageView) -> tuple[Image, dict[str, object] | None, str] | None:
        """What a view of the editor shows, what made it, and a name for its file."""
        model, face = self._state.model, self._state.face
        if model is None or face is None or view.image is None:
            return None
        stem = re.sub(r"[^\w.-]+", "-", Path(face.name).stem).strip("-.") or "face"
        if view is self._editor.original:
            return view.image, None, f"{stem}-original"
        edit = self._state.edit
        if view is self._editor.reconstruction:
            edit = type(edit)()
        kind = "edited" if view is self._editor.edited else "reconstruction"
        return view.image, exports.recipe(model, [face], edit), f"{stem}-{kind}"

    @Slot()
    def _on_taken(self) -> None:
        view = self.sender()
        if isinstance(view, ImageView) and (found := self._picture_of(view)) is not None:
            self._drag(view, *found)

    def _on_thumbnail(self, event: QMouseEvent) -> bool:
        """A press and a move on a thumbnail drag its picture; a click is the gallery's."""
        if event.type() == QEvent.Type.MouseButtonPress:
            plain = event.button() == Qt.MouseButton.LeftButton and not event.modifiers()
            self._press = event.position() if plain else None
        elif event.type() == QEvent.Type.MouseButtonRelease:
            self._press = None
        elif event.type() == QEvent.Type.MouseMove and self._press is not None:
            if (event.position() - self._press).manhattanLength() < QApplication.startDragDistance():
                return False
            self._press = None
            faces, gallery = self._state.faces, self._faces.gallery
            if faces is not None and 0 <= gallery.current < len(faces):
                name = Path(faces.names[gallery.current]).stem
                self._drag(gallery, faces.images[gallery.current], None, name)
                return True
        return False

    def _drag(self, source: QWidget, image: Image, recipe: dict[str, object] | None, name: str) -> None:
        mime = picture_mime(image, recipe)
        try:
            path = self._file(name, bytes(mime.data(PNG).data()))
        except OSError as error:
            self.complained.emit(tr("The picture cannot be dragged out: {error}", error=error))
            return
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        self.carry(source, mime, scaled(image, _THUMBNAIL, source.devicePixelRatioF()))

    def _file(self, name: str, data: bytes) -> Path:
        """A file for another program to copy; it is gone when the studio ends."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="introvac-", ignore_cleanup_errors=True)
        path = Path(self._folder.name) / f"{name}.png"
        path.write_bytes(data)
        return path

    def carry(self, source: QWidget, mime: QMimeData, pixmap: QPixmap) -> None:
        """Let the user carry a picture to where it is dropped."""
        drag = QDrag(source)
        drag.setMimeData(mime)
        drag.setPixmap(pixmap)
        drag.exec(Qt.DropAction.CopyAction)


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two recipes are of the same photo."""
    return all(one.get(key) == other.get(key) for key in ("file", "pasted"))
