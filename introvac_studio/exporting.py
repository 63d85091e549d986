"""Exports and what they bring back: the dialog, its threads, saved faces, and pictures that open an edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog

from introvac_studio import exports, resources
from introvac_studio.export_dialog import FOLDER, ExportDialog
from introvac_studio.export_kinds import KINDS, sound
from introvac_studio.export_plan import Material
from introvac_studio.language import mark, tr
from introvac_studio.main_window import Command, MainWindow
from introvac_studio.messages import ExportJob
from introvac_studio.panels.editor import EditorPanel
from introvac_studio.panels.faces import FacesPanel
from introvac_studio.panels.generate import GeneratePanel
from introvac_studio.saving import ask_target
from introvac_studio.settings import PHOTOS, Settings, remember_photo
from introvac_studio.state import Code, Edit, Face, ModelInfo, StudioState
from introvac_studio.widgets.pictures import mime_photos
from introvac_studio.workers.child import ChildThread, Ended
from introvac_studio.workers.exporting import ExportThread, Look, Looked, onnx_export
from introvac_studio.workers.inference import InferenceThread
from trainer import animation, events
from trainer.errors import IntroVACError, ModelError

MENU = mark("&File")
SUFFIXES = (".png", ".jpg", ".jpeg", *animation.SUFFIXES)  # of files that may carry a recipe
_STEM = 60  # letters of a face's name that a suggested file name takes
_SHOWN = 200  # letters of a file's name that a recipe gives
ENDS = 300  # faces offered as the end of a path


@dataclass(frozen=True, eq=False)
class PathExport:
    """A path as its own dialog has it: from `face` under `edit` to `end`."""

    face: Face
    edit: Edit
    end: Face
    options: Mapping[str, Any]


class Exporting(QObject):
    """Writes what is on screen to files, and takes up the edit that a file carries.

    Signals:
        complained(str): what did not work; nothing is lost.
        told(str): a line for the status bar.
        modelWanted(Path): a file was made by this model.
        photoWanted(object): a dropped picture carries no recipe.
        editWanted: the Edit page is to come to the front.
    """

    complained = Signal(str)
    told = Signal(str)
    modelWanted = Signal(object)
    photoWanted = Signal(object)
    editWanted = Signal()

    def __init__(
        self,
        state: StudioState,
        settings: Settings,
        inference: InferenceThread,
        editor: EditorPanel,
        faces: FacesPanel,
        generate: GeneratePanel,
        window: MainWindow,
        device: str,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._settings, self._inference = state, settings, inference
        self._editor, self._faces, self._generate, self._window = editor, faces, generate, window
        self._generated: tuple[Face, ...] = ()
        self._set: tuple[Face, ...] = ()  # of the picture that was opened last
        self._pending: Looked | None = None  # waits for its model and faces
        self._child: ChildThread | None = None
        self._verdict = ""  # of the ONNX check
        self.dialog: ExportDialog | None = None
        self.thread_ = ExportThread(device, self)
        self.thread_.finished_.connect(self._on_end)
        inference.rendered.connect(self._on_rendered)
        editor.saveRequested.connect(self.save_face)
        editor.exportRequested.connect(self.show)
        generate.exportRequested.connect(self.show_generated)
        state.modelChanged.connect(self._on_model)
        state.facesChanged.connect(self._on_faces)
        window.installEventFilter(self)

    def commands(self) -> tuple[Command, ...]:
        """The menu's part."""
        return (
            Command(MENU, mark("Open edit…"), "Ctrl+Shift+E", self.choose_edit),
            Command(MENU, "", "", lambda: None),
            Command(MENU, mark("Save face…"), "Ctrl+S", self.save_face),
            Command(MENU, mark("Export…"), "Ctrl+E", self.show_here),
        )

    def close(self) -> None:
        """Stop what is being written and wait for it."""
        self._window.removeEventFilter(self)
        if self._child is not None:
            self._child.close()
        self.thread_.close()

    # -- one face ---------------------------------------------------------------------------------

    @Slot()
    def save_face(self) -> None:
        """Save the edited face as it is now, with its recipe inside."""
        model, face, z = self._state.model, self._state.face, self._state.z
        if model is None or face is None or z is None:
            self.complained.emit(tr("There is no face to save yet; choose one on the left first."))
            return
        note = exports.recipe(model, [face], self._state.edit)
        name = Path(self._settings.get(FOLDER, "")) / f"{Path(face.name).stem[:_STEM]}-edited.png"
        files = tr("Pictures (*.png *.jpg *.webp)")
        path = ask_target(self._window, tr("Save the edited face"), name, files, ".png")
        if path is not None:
            self.save_code(path, model, z, note)

    def save_code(self, path: Path, model: ModelInfo, z: Code, note: dict[str, Any]) -> None:
        """Write the picture of a code (d,) to a file; the window says how it went."""
        self._inference.render(model.stamp, exports.FaceFile(path, model.size, z, note))

    @Slot(object)
    def _on_rendered(self, result: object) -> None:
        if not isinstance(result, exports.Saved):
            return
        if result.trouble:
            self.complained.emit(tr("The face was not saved: {why}", why=result.trouble))
        else:
            self._settings.set(FOLDER, str(result.path.parent))
            self.told.emit(tr("saved {path}", path=result.path))

    # -- the dialog -------------------------------------------------------------------------------

    @Slot()
    def show_here(self) -> None:
        """Export what the page on screen shows."""
        if self._window.workspace == "generate" and self._generate.export_button.isEnabled():
            self._generate.export_button.click()
        else:
            self.show()

    @Slot()
    def show(self) -> None:
        """Export the current face and those around it."""
        self._open()

    @Slot(object)
    def show_generated(self, job: ExportJob) -> None:
        """Export the faces that were generated."""
        note, faces = dict(job.recipe), []
        codes, draws = note.pop("z", []), note.pop("draws", [])
        for k, z in enumerate(codes):
            recipe = {"face": "generated", **note, "index": k, "draw": draws[k] if k < len(draws) else k}
            name = tr("generated {n}, seed {seed}", n=k + 1, seed=note.get("seed", 0))
            faces.append(Face(name, np.asarray(z, np.float64), None, recipe))
        self._generated = tuple(faces)
        if faces:
            shown = {"content": "edit", "source": "generated", "count": min(256, len(faces))}
            self._open("grid", shown, plain=True)

    @Slot(object)
    def show_path(self, path: PathExport) -> None:
        """Export a path between two faces."""
        self._open("path", {**path.options, "end": path.end.name}, path)

    def _open(
        self,
        kind: str = "",
        options: Mapping[str, Any] | None = None,
        path: PathExport | None = None,
        plain: bool = False,
    ) -> None:
        model = self._state.model
        if model is None:
            self.complained.emit(tr("There is nothing to export yet; open a model first."))
            return
        if self.dialog is not None:
            self.dialog.raise_()
            return
        if options is not None:
            options = self._last(kind) | dict(options)
        material = self._material(model, path, plain)
        parent = QApplication.activeModalWidget() or self._window
        dialog = ExportDialog(material, self._settings, kind, options, parent)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.jobWanted.connect(self.thread_.submit)
        dialog.folderWanted.connect(self._export_onnx)
        dialog.cancelWanted.connect(self._cancel)
        dialog.finished.connect(self._on_closed)
        self.thread_.previewed.connect(dialog.show_preview)
        self.thread_.progressed.connect(dialog.show_progress)
        self.thread_.finished_.connect(dialog.show_end)
        self.dialog = dialog
        dialog.open()

    def _last(self, kind: str) -> dict[str, Any]:
        """A kind's options of last time."""
        return sound(kind, self._settings.choices(f"export/{kind}"))

    def _material(self, model: ModelInfo, path: PathExport | None, plain: bool) -> Material:
        """What is there to be exported; `plain` leaves the edit away, which belongs to another face."""
        state = self._state
        face = path.face if path is not None else state.face
        edit = path.edit if path is not None else Edit() if plain else state.edit
        visible = self._rows(self._faces.gallery.visible)
        if state.row >= 0:  # the face that is looked at comes first, where it is among them
            names = [one.name for one in visible]
            own = str(state.face.name) if state.face is not None else ""
            if own in names:
                visible.insert(0, visible.pop(names.index(own)))
        sources = {
            "current": () if face is None else (face,),
            "group": tuple(self._rows(state.selection)),
            "visible": tuple(visible),
            "all": tuple(self._rows(range(len(state.faces) if state.faces is not None else 0))),
            "generated": self._generated,
            "reopened": self._set,
        }
        others = [one for one in (*self._set[1:], *visible) if face is None or one.name != face.name]
        ends = tuple({one.name: one for one in others[:ENDS]}.values())
        if path is not None:
            ends = (path.end, *(one for one in ends if one.name != path.end.name))
        return Material(
            model,
            edit,
            face,
            {name: faces for name, faces in sources.items() if faces},
            ends,
            state.faces,
            self._editor.horizontal.currentText(),
            {name: state.delta_of(name) for name in model.attributes},
        )

    def _rows(self, rows: Sequence[int] | np.ndarray | range) -> list[Face]:
        """Faces of the browser."""
        faces, codes = self._state.faces, self._state.codes
        if faces is None or codes is None:
            return []
        own = self._state.face
        found = []
        for i in map(int, rows):
            recipe = faces.recipe(i)
            if own is not None and i == self._state.row:
                found.append(own)  # as it is: perhaps refined
            else:
                found.append(Face(faces.names[i], codes[i].astype(np.float64), faces.images[i], recipe))
        return found

    @Slot()
    def _on_closed(self) -> None:
        if self.sender() is self.dialog:
            self.dialog = None
            self.thread_.cancel()

    @Slot()
    def _cancel(self) -> None:
        if self._child is not None:
            self._child.stop()
        else:
            self.thread_.cancel()

    @Slot()
    def _on_model(self) -> None:
        self._generated = self._set = ()
        if self.dialog is not None and not self.dialog.busy:
            self.dialog.reject()

    # -- ONNX -------------------------------------------------------------------------------------

    @Slot(object)
    def _export_onnx(self, folder: Path) -> None:
        model = self._state.model
        if model is None or self._child is not None:
            return
        self._verdict = ""
        child = onnx_export(model, folder, self)
        child.happened.connect(self._on_event)
        child.ended.connect(self._on_onnx_end)
        self._child = child
        child.start()

    @Slot(object)
    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Progress) and self.dialog is not None:
            self.dialog.show_step(event.what)
            self.dialog.show_progress(None, event.done, event.total)
        elif isinstance(event, events.Notice):
            self._verdict = event.text

    @Slot(object)
    def _on_onnx_end(self, end: Ended) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.wait()
            child.deleteLater()
        if self.dialog is None:
            return
        if end.reason == "completed" and end.made is not None:
            self._settings.set(FOLDER, str(end.made.parent.parent))
            self.dialog.show_onnx_end(tr("Saved both files; {verdict}.", verdict=self._verdict), "")
        elif end.reason == "stopped":
            self.dialog.show_onnx_end("", tr("Stopped; nothing was written."))
        else:
            self.dialog.show_onnx_end("", end.text)

    # -- what made a picture ----------------------------------------------------------------------

    @Slot()
    def choose_edit(self) -> None:
        """Ask for a picture that was exported."""
        endings = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        path, _ = QFileDialog.getOpenFileName(
            self._window,
            tr("Open what made an exported picture"),
            self._settings.get(FOLDER, ""),
            tr("Exported pictures ({endings})", endings=endings),
        )
        if path:
            self.open_edit(Path(path))

    def open_edit(self, path: Path, as_photo: bool = False) -> None:
        """Take up the edit whose recipe a file carries: its model, face, sliders and what it keeps.

        A file without one is edited as a photo where `as_photo` says so.
        """
        model = self._state.model
        recent = [Path(text) for text in self._settings.texts("model/recent")]
        others = dict.fromkeys([*recent, resources.path(resources.DEMO)])
        own = None if model is None else model.path
        self._pending = None
        known = frozenset(self._settings.texts(PHOTOS))
        self.thread_.submit(Look(path, model, tuple(p for p in others if p != own), as_photo, known))

    @Slot(object)
    def _on_end(self, end: object) -> None:
        if not isinstance(end, Looked) or end.stopped:
            return
        path, note = end.look.path, end.note
        if note is None:
            if end.look.as_photo:
                self.photoWanted.emit(path)
            else:
                self.complained.emit(
                    end.error or tr("{name} carries no recipe; open it as a photo instead", name=path.name)
                )
        elif end.model is None:
            self.complained.emit(
                tr(
                    "{name} cannot be taken up: it was made with the model “{model}”, which is none of those "
                    "opened before; open that first.",
                    name=path.name, model=str(note.get("model_name", "")),
                )
            )  # fmt: skip
        elif self._state.model is not None and note.get("model") == self._state.model.digest:
            self._take_up(end)
        else:
            self._pending = end
            self.modelWanted.emit(end.model)

    def awaits(self, model: ModelInfo) -> bool:
        """Whether this model was opened for a picture that it made, whose face will come."""
        if self._pending is not None and (self._pending.note or {}).get("model") != model.digest:
            self._pending = None
        return self._pending is not None

    def give_up(self) -> None:
        """The model of a picture could not be opened: its face does not come."""
        self._pending = None

    @Slot()
    def _on_faces(self) -> None:
        """The model of a picture is open, and its faces are there."""
        if self._state.faces is not None and self._pending is not None:
            pending, self._pending = self._pending, None
            self._take_up(pending)

    def _take_up(self, found: Looked) -> None:
        state, note, name = self._state, dict(found.note or {}), found.look.path.name
        model = state.model
        if model is None:
            return
        try:
            planes = exports.with_directions(note, model.planes)
            face, edit = exports.reopened(note, replace(model, planes=planes))
            others = exports.others(note, model)
        except (ModelError, IntroVACError) as error:
            self.complained.emit(tr("{name} cannot be taken up: {why}.", name=name, why=error))
            return
        if planes is not model.planes:
            state.set_planes(tr("directions of {name}", name=name), planes)
        faces = tuple(self._with_original(one) for one in (face, *others))
        if faces[0].original is None and found.original is not None:
            faces = (replace(faces[0], original=found.original), *faces[1:])
        state.open_face(faces[0], edit)
        self._set = faces if len(faces) > 1 else ()
        self.editWanted.emit()
        self.told.emit(self._recall(note, name))
        if found.unread and faces[0].original is None:
            self._window.notifications.notify(
                tr(
                    "{name} names a photo on this machine: {file}. It was not read, for you have not opened "
                    "it here before.",
                    name=name, file=found.unread[:_SHOWN],
                ),
                action=(tr("Read it"), partial(self._read_photo, found)),
            )  # fmt: skip

    def _read_photo(self, found: Looked) -> None:
        """Take up a picture once more, with the photo that it names."""
        remember_photo(self._settings, found.unread)
        self.open_edit(found.look.path)

    def _with_original(self, face: Face) -> Face:
        """With the picture that it came from, where the browser has it."""
        faces = self._state.faces
        if faces is None or face.recipe.get("data") != faces.spec:
            return face
        row = faces.rows.get(str(face.recipe.get("file")), -1)
        return face if row < 0 else replace(face, original=faces.images[row])

    def _recall(self, note: Mapping[str, Any], name: str) -> str:
        """Let the dialog begin with what made a picture; says so."""
        made = note.get("export")
        kind = made.get("kind") if isinstance(made, dict) else None
        options = made.get("options") if isinstance(made, dict) else None
        if kind not in KINDS or not isinstance(options, dict):
            return tr("took up the edit of {name}", name=name)
        values = sound(str(kind), options)
        if self._set and "source" in values:
            values |= {"source": "reopened", "count": min(256, len(self._set))}
        if self._set and "end" in values:
            values["end"] = self._set[1].name
        self._settings.set("export/kind", str(kind))
        self._settings.set_choices(f"export/{kind}", values)
        suffix = str(made.get("suffix")) if isinstance(made, dict) else ""
        if suffix in KINDS[str(kind)].suffixes:
            self._settings.set(f"export/{kind}/suffix", suffix)
        return tr("took up the edit of {name}; Ctrl+E exports it again as it was", name=name)

    # -- drops ------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A file that may carry a recipe is looked into before it is a photo; others are none of ours."""
        if (
            event.type() != QEvent.Type.Drop
            or not isinstance(event, QDropEvent)
            or event.source() is not None
        ):
            return False
        found = mime_photos(event.mimeData())
        if len(found) != 1 or not isinstance(found[0], Path) or found[0].suffix.lower() not in SUFFIXES:
            return False
        event.acceptProposedAction()
        self.open_edit(found[0], as_photo=True)
        return True
