"""From the document to pictures: what the inference thread is asked for when the edit or the face changes."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QObject, Slot

from introvac_studio.state import StudioState
from introvac_studio.workers.inference import InferenceThread


class Decoding(QObject):
    """Asks for the edited face at each change, and for what goes with it once an edit is settled.

    In a drag the panels follow the edit by turns, each with a picture (`StudioState.paced`): what they
    compute and paint would take a processor from the decoder, and keep the next move of the mouse waiting.
    """

    def __init__(self, state: StudioState, inference: InferenceThread, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._inference = state, inference
        state.paced = True
        state.editMoved.connect(self._request_frame)

    def follow(self) -> None:
        """Ask for the rest as well, after what the panels ask for: to be called once they are made."""
        self._inference.frameReady.connect(self._state.follow)
        self._state.editCommitted.connect(self._request_seen)
        self._state.faceChanged.connect(self._request_reconstruction)

    @Slot()
    def again(self) -> None:
        """Ask once more for the face as it is."""
        self._request_frame()
        self._request_reconstruction()

    @Slot()
    def _request_frame(self) -> None:
        state = self._state
        self._inference.hold(not state.settled)
        if (z := state.z) is not None and state.model is not None:
            self._inference.decode(state.model.stamp, z, state.revision)

    @Slot()
    def _request_seen(self) -> None:
        state = self._state
        if (z := state.z) is not None and state.model is not None:
            self._inference.see(state.model.stamp, z, state.revision, state.model.planes)

    @Slot()
    def _request_reconstruction(self) -> None:
        state = self._state
        if state.face is not None and state.model is not None:
            self._inference.reconstruct(state.model.stamp, state.face.mu, state.revision)

    @Slot(object, int)
    def request_strip(self, codes: np.ndarray, serial: int) -> None:
        """Pictures of the filmstrip's codes (n, d)."""
        if self._state.model is not None:
            self._inference.strip(self._state.model.stamp, codes, serial)
