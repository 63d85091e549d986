"""Edits that reach something: until a label holds, and towards labels that are wanted."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal, Slot

from introvac_studio.language import mark, tr
from introvac_studio.main_window import Command
from introvac_studio.messages import Found, UntilRequest
from introvac_studio.panels.editor import EditorPanel
from introvac_studio.panels.editor_sliders import left_of
from introvac_studio.state import StudioState
from introvac_studio.workers.inference import InferenceThread
from trainer import edits, until
from trainer.errors import ConfigError, ModelError


def _sense(name: str, wanted: bool) -> str:
    """An attribute, or its absence, in words."""
    return name if wanted else tr("no {name}", name=name)


class Reaching(QObject):
    """Joins the editor's two popovers to what searches: closed forms here, pictures in the worker.

    Signals:
        complained(str): why something cannot be; nothing is lost.
        ended: a search in the worker is over.
    """

    complained = Signal(str)
    ended = Signal()

    def __init__(
        self, state: StudioState, editor: EditorPanel, inference: InferenceThread, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._state, self._editor, self._inference = state, editor, inference
        editor.untilRequested.connect(self._ask_until)
        editor.until.asked.connect(self._search)
        editor.wants.asked.connect(self._walk)
        inference.found.connect(self._on_found)

    def commands(self) -> tuple[Command, ...]:
        """What the menu has of it."""
        return (Command("&Edit", mark("Towards what is wanted…"), "Ctrl+T", self.ask_wants),)

    # -- until it holds -----------------------------------------------------------------------

    @Slot(str)
    def _ask_until(self, name: str) -> None:
        state = self._state
        if state.model is None or (z := state.z) is None:
            return
        amount = state.edit.amount(name)
        without = float(state.model.planes.distance(z, name)) < 0
        self._editor.until.ask(name, amount > 0 if amount else without, self._editor.rows[name].until)

    @Slot(str, bool, float, bool)
    def _search(self, name: str, wanted: bool, p: float, picture: bool) -> None:
        state = self._state
        if state.face is None or state.model is None:
            return
        start, planes = state.edit.with_amount(name, 0.0), state.model.planes
        limit = self._editor.limit_of(name)
        others = [k for k in start.keep if k != name]
        try:
            way = until.ray(planes, {name: limit if wanted else -limit}, others)
            z = state.moved(start)
            request = UntilRequest(
                state.model.stamp, state.face, start, name, wanted, z, planes, way, p, picture
            )
            if picture:
                self._inference.until(request)
            else:
                self._take(Found(request, until.until_code(z, planes, way, p)))
        except ModelError as error:
            self.complained.emit(tr("{name} was not moved: {reason}.", name=name, reason=error))

    @Slot(object)
    def _on_found(self, found: Found) -> None:
        self.ended.emit()
        self._take(found)

    def _take(self, found: Found) -> None:
        """Set the slider to what a search found, as one step of history, and say what it was."""
        asked, reach, state, tell = found.request, found.reach, self._state, self._editor.tell
        if state.model is None or asked.stamp != state.model.stamp or state.face is not asked.face:
            return
        if reach is None:
            tell(tr("search stopped"))
            return
        if not state.edit.with_amount(asked.name, 0.0).same(asked.edit):
            tell(tr("the edit changed during the search; nothing was set"))
            return
        amount = reach.delta if asked.wanted else -reach.delta
        sense = _sense(asked.name, asked.wanted)
        state.commit(tr("until {label}", label=sense), asked.edit.with_amount(asked.name, amount))
        short = (
            mark("{label} holds from {delta} (p {p})")
            if reach.reached
            else mark("{label} not reached, best {delta} (p {p})")
        )
        judge = (
            mark("{label}, judged on the picture: {reach}")
            if asked.picture
            else mark("{label}, judged on the code: {reach}")
        )
        delta = f"{amount:+.2f}".replace("-", "−")
        tell(
            tr(short, label=sense, delta=delta, p=f"{reach.probability:.2f}"),
            tr(judge, label=sense, reach=reach),
        )

    # -- towards what is wanted ---------------------------------------------------------------

    @Slot()
    def ask_wants(self) -> None:
        """Ask for labels to walk toward."""
        state, editor = self._state, self._editor
        if state.model is None or state.face is None:
            self.complained.emit(tr("There is no face to edit yet; choose one on the left first."))
            return
        names = [name for name in state.model.attributes if left_of(state, name) is not None]
        limit = max((row.limit for row in editor.rows.values()), default=2 * state.delta)
        editor.wants.ask(names, state.edit.keep, state.delta, limit, editor.independence)

    @Slot(object, float)
    def _walk(self, wants: dict[str, bool], distance: float) -> None:
        """Walk up the gradient of the wanted labels: a free displacement, as one step of history."""
        state = self._state
        if state.model is None or (z := state.z) is None:
            return
        planes, edit = state.model.planes, state.edit
        try:
            by = edits.ascend(z, planes, wants, distance, edit.keep) - z
        except (ConfigError, ModelError) as error:
            self.complained.emit(tr("The face did not move: {reason}.", reason=error))
            return
        state.commit(
            tr("towards what is wanted"),
            replace(edit, offset=by if edit.offset is None else edit.offset + by),
        )
        p = dict(zip(planes.names, planes.probabilities(z + by), strict=True))
        sure = {name: float(p[name] if wanted else 1 - p[name]) for name, wanted in wants.items()}
        text = ", ".join(f"{_sense(name, wants[name])} {q:.2f}" for name, q in sure.items())
        self._editor.tell(
            tr("least sure: p {p}", p=f"{min(sure.values()):.2f}"),
            tr("walked {distance} towards: {labels}", distance=f"{distance:g}", labels=text),
        )
