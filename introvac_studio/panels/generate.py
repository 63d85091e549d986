"""The Generate workspace: which attributes are wanted, the sampler, and a gallery that fills as it goes.

Wiring: construct with the `StudioState`. `requested(SamplingRequest)` and `cancelRequested()` go to
`workers.sampling.SamplingThread.submit` and `.cancel`; its `batchReady`, `progressed` and `finished_` come
back to `add_batch`, `show_progress` and `end`. `faceChosen(state.Face)` goes to `StudioState.open_face` and
brings the Edit workspace up; `exportRequested(ExportJob)` opens an `ExportDialog`. Answers to other
requests than the newest are dropped here. `device` is the name of the device to ask for.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.messages import ExportJob, SampledBatch, SamplingEnd, SamplingRequest, Sheet
from introvac_studio.state import Face, StudioState
from introvac_studio.widgets.gallery import Gallery
from introvac_studio.widgets.sampler_form import SamplerForm
from trainer import sampling
from trainer.latent import Floats, Hyperplanes, sigmoid

SAMPLER = "langevin"
_SETTLED = 5.0  # diffusion time after which a start has left less than 1 %
_HOW_TO = "Choose what the faces should have on the left, then press Generate."


class GeneratePanel(QWidget):
    """The workspace.

    Signals:
        requested: a `SamplingRequest` to serve; it takes the place of the one before.
        cancelRequested: stop the one that runs.
        faceChosen: a `state.Face` to edit.
        exportRequested: an `ExportJob` of the gallery.
    """

    requested = Signal(object)
    cancelRequested = Signal()
    faceChosen = Signal(object)
    exportRequested = Signal(object)

    def __init__(self, state: StudioState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device = "auto"
        self._state = state
        self._request: SamplingRequest | None = None  # the newest, for which the gallery stands
        self._running = False
        self._started = 0.0
        self._z: list[np.ndarray] = []
        self._draws: list[int] = []
        self._build()
        state.modelChanged.connect(self._model_changed)
        self._model_changed()

    def _build(self) -> None:
        self.form = SamplerForm()
        self.generate_button = QPushButton("Generate")
        self.generate_button.setObjectName("primary")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop, and keep the faces that are there")
        self.export_button = QPushButton("Export…")
        self.export_button.setToolTip("Save the gallery as a picture, with its recipe")
        self.banner, self.status, self.diagnostics, self.note = QLabel(), QLabel(), QLabel(), QLabel()
        self.banner.setObjectName("warning")
        self.note.setObjectName("warning")
        for label in (self.status, self.diagnostics):
            label.setObjectName("muted")
        for label in (self.banner, self.diagnostics, self.note):
            label.setWordWrap(True)
        self.banner.hide()
        self.progress = QProgressBar()
        self.progress.setAccessibleName("faces accepted")
        self.progress.setTextVisible(False)
        self.progress.setMaximumWidth(240)
        self.gallery = Gallery(_HOW_TO)
        self.gallery.set_thumbnail_size(112)
        self._lay_out()
        self.form.changed.connect(self._tell)
        self.generate_button.clicked.connect(self.generate)
        self.cancel_button.clicked.connect(self.cancelRequested)
        self.export_button.clicked.connect(self._export)
        self.gallery.activated.connect(self._choose)

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(theme.GRID)
        left.addWidget(self.form, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.GRID)
        buttons.addWidget(self.generate_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        left.addLayout(buttons)
        head = QHBoxLayout()
        head.setSpacing(theme.GRID)
        head.addWidget(self.status, 1)
        head.addWidget(self.progress, 1)
        head.addWidget(self.export_button)
        right = QVBoxLayout()
        right.setSpacing(theme.GRID)
        right.addLayout(head)
        right.addWidget(self.banner)
        right.addWidget(self.gallery, 1)
        right.addWidget(self.note)
        right.addWidget(self.diagnostics)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(*[2 * theme.GRID] * 4)
        layout.setSpacing(3 * theme.GRID)
        layout.addLayout(left)
        layout.addLayout(right, 1)

    # The request

    @Slot()
    def _model_changed(self) -> None:
        """Another model: its attributes, and an empty gallery."""
        model = self._state.model
        if self._running:
            self.cancelRequested.emit()
        self._request, self._running = None, False
        self._clear()
        self.form.set_planes(model.planes if model else None)
        self.gallery.set_empty_text(_HOW_TO if model else "Open a model to generate faces with it.")
        self._tell()

    @Slot()
    def generate(self) -> None:
        """Ask for faces as the form says; they take the place of those in the gallery."""
        model = self._state.model
        if model is None:
            return
        form = self.form
        self._clear()
        self._request = SamplingRequest(
            model_path=model.path,
            stamp=model.stamp,
            wants=form.wants,
            count=form.count.value(),
            accept=form.accept,
            recipe=form.recipe.currentData(),
            step_size=form.step_size.value(),
            steps=form.steps.value(),
            seed=form.seed.value(),
            device=self.device,
            digest=model.digest,
        )
        self._running, self._started = True, time.monotonic()
        self.progress.setRange(0, self._request.count)
        self.status.setText("starting…")
        self.gallery.set_empty_text("Drawing codes; the first faces appear in a moment.")
        self._tell()
        self.requested.emit(self._request)

    def _clear(self) -> None:
        self._z, self._draws = [], []
        self.gallery.clear()
        self.banner.hide()
        self.status.clear()
        self.progress.reset()

    # The answers

    @Slot(object)
    def add_batch(self, batch: SampledBatch) -> None:
        """More faces; those of another request are dropped."""
        if batch.request is not self._request or self._state.model is None:
            return
        p = _least(batch.request, batch.logits, self._state.model.planes)
        self.gallery.append(batch.images, [f"p {value:.2f}" for value in p] if batch.request.wants else ())
        self._z.extend(batch.z)
        self._draws.extend(int(i) for i in batch.draws)
        self._tell()

    @Slot(object, int, int)
    def show_progress(self, request: SamplingRequest, accepted: int, drawn: int) -> None:
        """How many were accepted of how many drawn, and the time left."""
        if request is not self._request or not self._running:
            return
        self.progress.setValue(min(accepted, request.count))
        left = ""
        if 0 < accepted < request.count:
            spent = time.monotonic() - self._started
            left = f"  ·  {_duration(spent / accepted * (request.count - accepted))} left"
        self.status.setText(_rate(accepted, drawn) + left)

    @Slot(object)
    def end(self, end: SamplingEnd) -> None:
        """The newest request has ended; what it gave stays."""
        if end.request is not self._request:
            return
        self._running = False
        if end.error:
            self.banner.setText(end.error)
            self.banner.show()
        self.progress.setValue(end.accepted)
        how = "cancelled  ·  " if end.cancelled else ""
        self.status.setText(how + _rate(end.accepted, end.drawn))
        self.gallery.set_empty_text(
            "No face was accepted. Lower the threshold, or want less." if end.error else _HOW_TO
        )
        self._tell()

    # What it says

    @Slot()
    def _tell(self) -> None:
        """Buttons and the line of diagnostics."""
        model, form = self._state.model, self.form
        problem = form.problem
        self.generate_button.setEnabled(model is not None and not problem)
        self.cancel_button.setEnabled(self._running)
        self.export_button.setEnabled(bool(self._z))
        self.progress.setVisible(self._running)
        parts = []
        if model is not None:
            if self._z:
                mean = float(np.linalg.norm(np.array(self._z), axis=1).mean())
                parts.append(f"mean |z| {mean:.2f} against √d {math.sqrt(model.dim):.2f}")
            if not problem:
                parts.append(
                    f"diffusion time {form.step_size.value():.4g} × {form.steps.value():,} = {form.time:.3g}"
                )
            parts.append(f"device {model.device if self.device == 'auto' else self.device}")
        self.diagnostics.setText("  ·  ".join(parts))
        self.note.setText(problem or self._convergence())
        self.note.setVisible(bool(self.note.text()))

    def _convergence(self) -> str:
        form = self.form
        if self._state.model is None or not form.wants or form.time >= _SETTLED:
            return ""
        text = f"May not have converged: a diffusion time of {form.time:.3g} remembers its start in the prior"
        if form.recipe.currentData() == "paper":
            text += " (at |w| = 1 the paper's schedule moves the mean along w to about 0.28; exact is 0.41)"
        return text + ". The recipe “converged” runs for 10."

    # What happens to faces

    def face(self, index: int) -> Face:
        """A face of the gallery as something to edit."""
        assert self._request is not None
        name = f"generated {index + 1}, seed {self._request.seed}"
        recipe = {"face": "generated", **self._recipe(), "index": index, "draw": self._draws[index]}
        return Face(name, np.asarray(self._z[index], dtype=np.float64), None, recipe)

    def _recipe(self) -> dict[str, Any]:
        model, request = self._state.model, self._request
        assert model is not None and request is not None
        return {
            "model": model.digest,
            "model_name": model.name,
            "wants": dict(request.wants),
            "sampler": SAMPLER,
            "recipe": request.recipe,
            "step_size": request.step_size,
            "steps": request.steps,
            "accept": request.accept,
            "seed": request.seed,
        }

    @Slot(int)
    def _choose(self, index: int) -> None:
        self.faceChosen.emit(self.face(index))

    @Slot()
    def _export(self) -> None:
        if not self._z:
            return
        images = tuple(self.gallery.image(i) for i in range(self.gallery.count))
        recipe = {**self._recipe(), "draws": self._draws, "z": [[float(v) for v in z] for z in self._z]}
        self.exportRequested.emit(ExportJob({"gallery": Sheet((images,))}, recipe, "generated"))


def _least(request: SamplingRequest, logits: np.ndarray, planes: Hyperplanes) -> Floats:
    """The probability (n,) of whatever wanted attribute is least sure, which the threshold bounds."""
    rows, signs = sampling.Target(request.wants).rows(planes)
    return sigmoid(signs * logits[:, rows]).min(axis=1, initial=1.0)


def _rate(accepted: int, drawn: int) -> str:
    share = f" ({100 * accepted / drawn:.0f} %)" if drawn else ""
    return f"accepted {accepted:,} of {drawn:,} drawn{share}"


def _duration(seconds: float) -> str:
    whole = max(1, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
