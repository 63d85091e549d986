"""A code nearer to the original: the editor's button, the search behind it, and what came of it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal, Slot

from introvac_studio.language import mark, tr
from introvac_studio.main_window import Command
from introvac_studio.messages import RefineEnd, RefineRequest
from introvac_studio.panels.editor import EditorPanel
from introvac_studio.state import StudioState
from introvac_studio.workers.refining import RefineThread

STEPS = 50


class Refining(QObject):
    """Refines the face that is edited, and switches between both codes once it is.

    Attributes:
        thread_: does the work; its progress and end can be listened to.
        device: where it is done.

    Signals:
        complained(str): what did not work; nothing is lost.
        advised(str): what is wanted first.
        begun: a search is under way.
        ended: it is over, whatever came of it.
    """

    complained = Signal(str)
    advised = Signal(str)
    begun = Signal()
    ended = Signal()

    def __init__(self, state: StudioState, editor: EditorPanel, device: str, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._editor, self.device = state, editor, device
        self._busy = False
        self.thread_ = RefineThread(self)
        self.thread_.finished_.connect(self._on_ended)
        editor.refine.clicked.connect(self._on_clicked)
        state.modelChanged.connect(self.cancel)
        state.modelChanged.connect(self._show)
        state.faceChanged.connect(self._show)
        self._show()

    def commands(self) -> tuple[Command, ...]:
        """What the menu has of it."""
        return (Command("&Edit", mark("Refine face"), "Ctrl+Shift+R", self._editor.refine.click),)

    @Slot()
    def cancel(self) -> None:
        """Stop a search; `ended` follows."""
        self.thread_.cancel()

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self.thread_.close()

    @Slot()
    def _on_clicked(self) -> None:
        face = self._state.face
        on = self._editor.refine.isChecked()
        self._show()  # it is checked only once it is true
        if face is not None and face.refinement is not None:
            self._state.refine(face.refinement, on)
        else:
            self._begin()

    def _begin(self) -> None:
        model, face = self._state.model, self._state.face
        if model is None or face is None or face.original is None:
            self.advised.emit(tr("Refining needs a face that came from a picture."))
            return
        self._busy = True
        self._show()
        self.begun.emit()
        self.thread_.submit(RefineRequest(model.stamp, model.weights, model.digest, face, self.device, STEPS))

    @Slot(object)
    def _on_ended(self, end: RefineEnd) -> None:
        self._busy = False
        self._show()
        self.ended.emit()
        found, tell = end.refinement, self._editor.tell
        if end.error:
            self.complained.emit(tr("The face was not refined: {error}", error=end.error))
        elif found is None:
            tell(tr("refining stopped"))
        elif self._state.face is not end.request.face:
            tell(tr("another face came; nothing was refined"))
        else:
            self._state.refine(found)
            text = f"L1 {found.before:.4f} → {found.after:.4f} (−{100 * found.gain:.0f} %)"
            tell(text, tr("refined: mean absolute error, {text}; undo goes back", text=text))

    @Slot()
    def _show(self) -> None:
        """What the button says and whether it can be pressed."""
        face, button = self._state.face, self._editor.refine
        found = None if face is None else face.refinement
        button.setEnabled(face is not None and face.original is not None and not self._busy)
        button.setChecked(face is not None and face.refined)
        if face is None or found is None:
            button.setText(tr("Refining…") if self._busy else tr("Refine"))
            button.setToolTip(tr("Look for a code whose picture is nearer to the original; takes a moment"))
            return
        gain = f"−{100 * found.gain:.0f} %"
        button.setText(tr("Refined {gain}", gain=gain) if face.refined else tr("Refine again"))
        button.setToolTip(
            tr(
                "Mean absolute error {before} → {after} ({gain} L1); click to switch between the refined "
                "code and the encoder's",
                before=f"{found.before:.4f}",
                after=f"{found.after:.4f}",
                gain=gain,
            )
        )
