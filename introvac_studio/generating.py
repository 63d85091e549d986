"""The Generate page: its panel, the threads that sample and follow chains, and the face that is taken."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot

from introvac_studio.language import mark
from introvac_studio.main_window import Dock, MainWindow
from introvac_studio.messages import ChainPath
from introvac_studio.panels.generate import GeneratePanel
from introvac_studio.panels.latent import LatentPanel
from introvac_studio.settings import Settings
from introvac_studio.state import Face, StudioState
from introvac_studio.workers.diagnostics import DiagnosticsThread
from introvac_studio.workers.sampling import SamplingThread

_CHOICES = "generate/choices"


class Generating(QObject):
    """Joins the panel to its two threads.

    Attributes:
        panel: the form and the gallery.
        sampling, diagnostics: draws faces; follows chains.
    """

    def __init__(
        self,
        state: StudioState,
        settings: Settings,
        latent: LatentPanel,
        window: MainWindow,
        device: str,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._settings, self._latent, self._window = state, settings, latent, window
        self.panel = panel = GeneratePanel(state)
        panel.device = device
        panel.form.take_up(settings.choices(_CHOICES))
        self.sampling = sampling = SamplingThread(self)
        self.diagnostics = diagnostics = DiagnosticsThread(self)
        panel.requested.connect(sampling.submit)
        panel.cancelRequested.connect(sampling.cancel)
        panel.faceChosen.connect(self._on_face_chosen)
        sampling.planned.connect(panel.show_plan)
        sampling.batchReady.connect(panel.add_batch)
        sampling.progressed.connect(panel.show_progress)
        sampling.finished_.connect(panel.end)
        panel.watchRequested.connect(diagnostics.watch)
        panel.pathRequested.connect(diagnostics.follow)
        panel.cancelRequested.connect(diagnostics.cancel)
        diagnostics.snapshotReady.connect(panel.show_snapshot)
        diagnostics.watchEnded.connect(panel.end_watch)
        diagnostics.pathReady.connect(self._on_path_ready)
        diagnostics.pathFailed.connect(panel.say)

    def docks(self) -> tuple[Dock, ...]:
        """The workspace's panels."""
        side, title = self.panel.diagnostics, mark("Diagnostics")
        return (
            Dock("generate", mark("Generate"), self.panel, width=852),
            Dock("diagnostics", title, side, width=396, beside="generate"),
        )

    def close(self) -> None:
        """Stop the threads and wait for them; what is chosen is remembered."""
        self._settings.set_choices(_CHOICES, self.panel.form.choices)
        self.sampling.close()
        self.diagnostics.close()

    @Slot(object)
    def _on_face_chosen(self, face: Face) -> None:
        self._state.open_face(face)
        self._window.show_workspace("edit")

    @Slot(object)
    def _on_path_ready(self, path: ChainPath) -> None:
        """Show where a generated face's chain has been, with the face."""
        if path.wanted.planes is not getattr(self._state.model, "planes", None):
            return
        self._on_face_chosen(path.wanted.face)
        self._latent.show_chain(path.states, path.wanted.face.name)
        self._window.raise_dock("edit", "latent")
