"""The Generate workspace: which attributes are wanted, the sampler, and a gallery that fills as it goes.

Wiring: construct with the `StudioState`. `requested(SamplingRequest)` and `cancelRequested()` go to
`workers.sampling.SamplingThread.submit` and `.cancel`; its `planned`, `batchReady`, `progressed` and
`finished_` come back to `show_plan`, `add_batch`, `show_progress` and `end`. `watchRequested(Watch)`,
`pathRequested(PathWanted)` and `cancelRequested()` go to `workers.diagnostics.DiagnosticsThread.watch`,
`.follow` and `.cancel`; its `snapshotReady`, `watchEnded` and `pathFailed` come back to `show_snapshot`,
`end_watch` and `say`. `diagnostics` is a widget for a dock of its own. `faceChosen(state.Face)` goes to
`StudioState.open_face` and brings the Edit workspace up; `exportRequested(ExportJob)` opens an
`ExportDialog`. Answers to other requests than the newest are dropped here. `device` is the name of the
device to ask for.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QProgressBar, QPushButton, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.messages import (
    ExportJob,
    PathWanted,
    SampledBatch,
    SamplingEnd,
    SamplingPlan,
    SamplingRequest,
    Sheet,
    Watch,
    WatchEnd,
)
from introvac_studio.state import Face, StudioState
from introvac_studio.widgets.diagnostics_view import DiagnosticsView, hint
from introvac_studio.widgets.gallery import Gallery
from introvac_studio.widgets.sampler_form import SamplerForm
from introvac_studio.widgets.texts import tabular
from trainer import sampling
from trainer.diagnostics import Snapshot
from trainer.latent import Floats, Hyperplanes, sigmoid

_BETWEEN = "  ·  "  # facts in a line
_SETTLED = 5.0  # diffusion time after which a start has left less than 1 %
_HOW_TO = mark("Choose what the faces should have on the left, then press Generate.")


class GeneratePanel(QWidget):
    """The workspace.

    Signals:
        requested: a `SamplingRequest` to serve; it takes the place of the one before.
        watchRequested: a `Watch` of the same request.
        pathRequested: a `PathWanted` of a face.
        cancelRequested: stop what runs.
        faceChosen: a `state.Face` to edit.
        exportRequested: an `ExportJob` of the gallery.
    """

    requested = Signal(object)
    watchRequested = Signal(object)
    pathRequested = Signal(object)
    cancelRequested = Signal()
    faceChosen = Signal(object)
    exportRequested = Signal(object)

    def __init__(self, state: StudioState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device = "auto"
        self._state = state
        self._request: SamplingRequest | None = None  # the newest
        self._shown: SamplingRequest | None = None  # the one for which the gallery stands
        self._plans: dict[SamplingRequest, SamplingPlan] = {}  # of these two
        self._watch: Watch | None = None  # the newest
        self._running = self._watching = False
        self._started = 0.0
        self._z: list[np.ndarray] = []
        self._draws: list[int] = []
        self._build()
        state.modelChanged.connect(self._model_changed)
        state.faceChanged.connect(self._mark_edited)
        self._model_changed()

    def _build(self) -> None:
        self.form = SamplerForm()
        self.generate_button = QPushButton(tr("Generate"))
        self.generate_button.setObjectName("primary")
        self.cancel_button = QPushButton(tr("Cancel"))
        self.cancel_button.setToolTip(tr("Stop, and keep the faces that are there"))
        self.export_button = QPushButton(tr("Export…"))
        self.export_button.setToolTip(tr("Save the gallery as a picture, with its recipe"))
        self.path_button = QPushButton(tr("Chain’s path"))
        self.diagnostics = DiagnosticsView()
        self.banner, self.status, self.summary, self.note = QLabel(), QLabel(), QLabel(), QLabel()
        self.banner.setObjectName("warning")
        self.note.setObjectName("warning")
        self.summary.setObjectName("muted")
        self.status.setFont(tabular(self.status.font()))
        for label in (self.banner, self.summary, self.note, self.status):
            label.setWordWrap(True)
        self.banner.hide()
        self.progress = QProgressBar()
        self.progress.setAccessibleName(tr("faces accepted"))
        self.progress.setTextVisible(False)
        self.progress.setStyleSheet("QProgressBar { min-height: 4px; max-height: 4px; border-radius: 2px; }")
        self.gallery = Gallery(tr(_HOW_TO))
        self.gallery.set_thumbnail_size(112)
        self.gallery.set_mark_text(tr("being edited"))
        self._lay_out()
        self.form.changed.connect(self._tell)
        self.generate_button.clicked.connect(self.generate)
        self.cancel_button.clicked.connect(self.cancelRequested)
        self.export_button.clicked.connect(self._export)
        self.path_button.clicked.connect(self._ask_for_path)
        self.gallery.activated.connect(self._choose)
        self.gallery.currentChanged.connect(self._tell)
        viewport = self.gallery.viewport()
        viewport.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        viewport.customContextMenuRequested.connect(self._offer)

    def _lay_out(self) -> None:
        left = QVBoxLayout()
        left.setSpacing(theme.GRID)
        left.addWidget(self.form, 1)
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.GRID)
        buttons.addWidget(self.generate_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        left.addLayout(buttons)
        foot = QHBoxLayout()
        foot.setSpacing(theme.GRID)
        foot.addStretch(1)
        foot.addWidget(self.path_button)
        foot.addWidget(self.export_button)
        right = QVBoxLayout()
        right.setSpacing(theme.GRID)
        right.addWidget(self.status)
        right.addWidget(self.progress)
        right.addWidget(self.banner)
        right.addWidget(self.gallery, 1)
        right.addWidget(self.note)
        right.addWidget(self.summary)
        right.addLayout(foot)
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
        if self._running or self._watching:
            self.cancelRequested.emit()
        self._request = self._shown = self._watch = None
        self._running = self._watching = False
        self._plans = {}
        self._clear()
        self.banner.hide()
        self.status.clear()
        self.diagnostics.clear(model is not None)
        self.form.set_planes(model.own_planes if model else None)
        self.gallery.set_empty_text(tr(_HOW_TO) if model else tr("Open a model to generate faces with it."))
        self._tell()

    @Slot()
    def generate(self) -> None:
        """Ask for faces as the form says; the first of them take the place of those in the gallery."""
        model = self._state.model
        if model is None:
            return
        form = self.form
        recipe, step_size, steps = form.schedule
        self._request = request = SamplingRequest(
            model_path=model.weights,
            stamp=model.stamp,
            wants=form.wants,
            count=form.count.value(),
            accept=form.accept,
            recipe=recipe,
            step_size=step_size,
            steps=steps,
            seed=form.seed.value(),
            device=self.device,
            digest=model.digest,
            sampler=form.sampler.value,
            accept_on=form.judge,
            full=form.in_full,
        )
        self._watch = Watch(request, model.planes)
        self._plans = {key: plan for key, plan in self._plans.items() if key is self._shown}
        self._running = self._watching = True
        self._started = time.monotonic()
        self.banner.hide()
        self.progress.setRange(0, request.count)
        self.progress.reset()
        self.status.setText(tr("starting…"))
        self.gallery.set_empty_text(tr("Drawing codes; the first faces appear in a moment."))
        self.diagnostics.begin()
        self._tell()
        self.requested.emit(request)
        self.watchRequested.emit(self._watch)

    def _clear(self) -> None:
        self._z, self._draws = [], []
        self.gallery.clear()

    # The answers

    @Slot(object)
    def show_plan(self, plan: SamplingPlan) -> None:
        """How the newest request is served."""
        if plan.request is self._request:
            self._plans[plan.request] = plan
            told = [tr("running the chains…") if plan.chain else tr("drawing…")]
            told += [tr("below: the run before")] if self._z else []
            self.status.setText(_BETWEEN.join(told))
            self._tell()

    @Slot(object)
    def add_batch(self, batch: SampledBatch) -> None:
        """More faces; those of another request are dropped."""
        if batch.request is not self._request or self._state.model is None:
            return
        if self._shown is not batch.request:
            self._clear()
            self._shown = batch.request
        logits = batch.logits if batch.reencoded is None else batch.reencoded
        p = _least(batch.request, logits, self._state.model.own_planes)
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
        told = [_rate(accepted, request.count, drawn)]
        if 0 < accepted < request.count:
            spent = time.monotonic() - self._started
            told.append(tr("{time} left", time=_duration(spent / accepted * (request.count - accepted))))
        self.status.setText(_BETWEEN.join(told))

    @Slot(object)
    def end(self, end: SamplingEnd) -> None:
        """The newest request has ended; what it gave stays."""
        if end.request is not self._request:
            return
        self._running = False
        if end.error:
            kept = self._shown not in (None, end.request)
            more = tr("The faces below are those of the run before.")
            self.say(f"{end.error} {more}" if kept else end.error)
            self.status.clear()
        if end.drawn or not end.error:
            self.progress.setValue(end.accepted)
            told = [tr("cancelled")] if end.cancelled else []
            told.append(_rate(end.accepted, end.request.count, end.drawn))
            self.status.setText(_BETWEEN.join(told))
        self.gallery.set_empty_text(
            tr("No face was accepted. Lower the threshold, or want less.")
            if end.error and end.drawn
            else tr(_HOW_TO)
        )
        self._tell()

    @Slot(object, object)
    def show_snapshot(self, watch: Watch, snapshot: Snapshot) -> None:
        """How the chains of the newest watch stand."""
        if watch is self._watch and self._watching:
            colours = {name: theme.attribute_colour(i) for i, name in enumerate(watch.planes.names)}
            advice = hint(snapshot, watch.request.sampler, self._recipe_name(watch.request))
            self.diagnostics.show_snapshot(snapshot, colours, advice)

    def _recipe_name(self, request: SamplingRequest) -> str:
        """The recipe, or nothing where its schedule was changed by hand."""
        assert self._state.model is not None
        plan = sampling.schedule(self._state.model.own_planes, sampling.Target(request.wants), request.recipe)
        same = request.step_size is None or math.isclose(request.step_size, plan.step_size, rel_tol=1e-2)
        return request.recipe if same and request.steps in (None, plan.steps) else ""

    @Slot(object)
    def end_watch(self, end: WatchEnd) -> None:
        """The newest watch is over."""
        if end.watch is self._watch and self._watching:
            self._watching = False
            self.diagnostics.end(end.cancelled, end.error)
            self._tell()

    @Slot(str)
    def say(self, text: str) -> None:
        """Say in place what did not work."""
        self.banner.setText(text)
        self.banner.show()

    # What it says

    @Slot()
    def _tell(self) -> None:
        """Buttons, and the lines of facts below the gallery."""
        model, form = self._state.model, self.form
        problem = form.problem
        self.generate_button.setEnabled(model is not None and not problem)
        self.cancel_button.setEnabled(self._running or self._watching)
        self.export_button.setEnabled(bool(self._z))
        self.progress.setVisible(self._running)
        reason = self._no_path()
        self.path_button.setEnabled(not reason)
        self.path_button.setToolTip(
            reason or tr("Where the chain of the selected face has been, in the latent view")
        )
        plan = self._plans.get(self._request) if self._request is not None else None
        self.summary.setText(_BETWEEN.join(self._facts(plan)))
        self.note.setText(problem or (plan.note if plan else "") or self._convergence())
        self.note.setVisible(bool(self.note.text()))

    def _facts(self, plan: SamplingPlan | None) -> list[str]:
        model, form = self._state.model, self.form
        if model is None:
            return []
        facts = []
        if self._z:
            mean = float(np.linalg.norm(np.array(self._z), axis=1).mean())
            facts.append(
                tr(
                    "mean |z| {mean} against √d {root}",
                    mean=f"{mean:.2f}",
                    root=f"{math.sqrt(model.dim):.2f}",
                )
            )
        if form.has_chain and not form.tuned and not form.problem:
            facts.append(
                tr(
                    "diffusion time {size} × {steps} = {time}",
                    size=f"{form.step_size.value():.4g}",
                    steps=f"{form.steps.value():,}",
                    time=f"{form.time:.3g}",
                )
            )
        if plan is not None and plan.acceptance is not None:
            facts.append(
                tr(
                    "MALA: {steps} steps of {size}, {share} % accepted",
                    steps=f"{plan.steps:,}",
                    size=f"{plan.step_size:.3g}",
                    share=f"{100 * plan.acceptance:.0f}",
                )
            )
        facts.append(tr("decodes on {device}", device=plan.decodes_on if plan else model.device))
        if plan is not None and plan.runs_on:
            facts.append(tr("chains in {count} dimensions on {device}", count=model.dim, device=plan.runs_on))
        return facts

    def _no_path(self) -> str:
        """Why there is no path to show; empty where there is one."""
        plan = self._plans.get(self._shown) if self._shown is not None else None
        if plan is None or not self._z:
            return tr("Generate faces first, then select one with a right click or the arrow keys")
        if not plan.chain:
            return tr("Exact draws are independent: no chain led to them")
        if self.gallery.current < 0:
            return tr("Select a face with a right click or the arrow keys")
        return ""

    def _convergence(self) -> str:
        form = self.form
        if self._state.model is None or not form.wants or form.sampler.value != "langevin":
            return ""
        if form.time >= _SETTLED:
            return ""
        time = f"{form.time:.3g}"
        if form.recipe.currentData() == "paper":
            return tr(
                "May not have converged: a diffusion time of {time} remembers its start in the prior (at "
                "|w| = 1 "
                "the paper's schedule moves the mean along w to about 0.28; exact is 0.41). The recipe "
                "“converged” runs for 10.",
                time=time,
            )
        return tr(
            "May not have converged: a diffusion time of {time} remembers its start in the prior. The recipe "
            "“converged” runs for 10.",
            time=time,
        )

    # What happens to faces

    def face(self, index: int) -> Face:
        """A face of the gallery as something to edit."""
        assert self._shown is not None
        name = tr("generated {n}, seed {seed}", n=index + 1, seed=self._shown.seed)
        recipe = {"face": "generated", **self._recipe(), "index": index, "draw": self._draws[index]}
        return Face(name, np.asarray(self._z[index], dtype=np.float64), None, recipe)

    def _recipe(self) -> dict[str, Any]:
        model, request = self._state.model, self._shown
        assert model is not None and request is not None
        recipe = {
            "model": model.digest,
            "model_name": model.name,
            "wants": dict(request.wants),
            "sampler": request.sampler,
            "accept": request.accept,
            "accept_on": request.accept_on,
            "seed": request.seed,
        }
        plan = self._plans.get(request)
        if plan is not None and plan.chain:
            recipe |= {"step_size": plan.step_size, "steps": plan.steps, "full": plan.full}
        return recipe

    @Slot()
    def _mark_edited(self) -> None:
        """Tick the face that is being edited, if it is one of these."""
        face = self._state.face
        index = int(face.recipe.get("index", -1)) if face and face.recipe.get("face") == "generated" else -1
        mine = face is not None and 0 <= index < len(self._z) and np.array_equal(face.mu, self._z[index])
        self.gallery.set_marked([index] if mine else [])

    @Slot(int)
    def _choose(self, index: int) -> None:
        self.faceChosen.emit(self.face(index))

    @Slot(QPoint)
    def _offer(self, place: QPoint) -> None:
        """A menu for the face under the pointer, which the press has selected."""
        index = self.gallery.current
        if index < 0:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("Edit this face"), lambda: self._choose(index))
        path = menu.addAction(tr("Show its chain’s path"), self._ask_for_path)
        path.setEnabled(not self._no_path())
        menu.popup(self.gallery.viewport().mapToGlobal(place))

    @Slot()
    def _ask_for_path(self) -> None:
        index = self.gallery.current
        if self._no_path() or self._shown is None or self._state.model is None:
            return
        plan = self._plans[self._shown]
        self.pathRequested.emit(
            PathWanted(plan, self._state.model.planes, self._draws[index], self.face(index))
        )

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


def _rate(accepted: int, wanted: int, drawn: int) -> str:
    values = {"accepted": f"{accepted:,}", "wanted": f"{wanted:,}", "drawn": f"{drawn:,}"}
    if not drawn:
        return tr("{accepted} of {wanted} faces from {drawn} draws", **values)
    return tr(
        "{accepted} of {wanted} faces from {drawn} draws ({share} % accepted)",
        share=f"{100 * accepted / drawn:.3g}",
        **values,
    )


def _duration(seconds: float) -> str:
    whole = max(1, round(seconds))
    if whole < 60:
        return tr("{seconds} s", seconds=whole)
    return tr("{minutes} min {seconds} s", minutes=whole // 60, seconds=f"{whole % 60:02d}")
