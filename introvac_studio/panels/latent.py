"""The faces' codes seen flat: coloured by an attribute, cut by its hyperplane, with the face as a handle.

A brush takes a group of them, which is the document's: `StudioState.selection`. A point that is hovered,
here or as a thumbnail elsewhere, has a halo.

Wiring: construct with the `StudioState`; connect `faceActivated(int)`, the number of a face in
`state.faces`, to whatever opens that face. Everything else goes through the state: a drag calls `preview`
and its release `commit`, a brush `select`. The panel listens to the state by itself. `show_chain` draws a
sampler's path.
"""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PySide6.QtCore import QEvent, QPoint, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedLayout,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from introvac_studio import theme
from introvac_studio.language import mark, tr, trn
from introvac_studio.state import Edit, StudioState
from introvac_studio.widgets.brush import Mode, Tool, combined
from introvac_studio.widgets.bubble import Bubble
from introvac_studio.widgets.glyph_button import ToolButton
from introvac_studio.widgets.scatter_view import Group, ScatterView
from trainer.errors import ModelError
from trainer.latent import (
    Floats,
    Line2,
    Projection,
    discriminant_projection,
    finite_codes,
    nearest_point,
    pca_projection,
)

MOVE = mark("move in latent space")
TOOLS = (
    (Tool.MOVE, "V", mark("move the view"), mark("Drag moves the view, and the face by its handle (V)")),
    (
        Tool.RECTANGLE,
        "M",
        mark("rectangle"),
        mark("Take a group with a rectangle (M); Shift adds, Ctrl or Alt removes, Escape clears"),
    ),
    (
        Tool.LASSO,
        "L",
        mark("lasso"),
        mark("Take a group with a lasso (L); Shift adds, Ctrl or Alt removes, Escape clears"),
    ),
)
_HERE = Qt.ShortcutContext.WidgetWithChildrenShortcut
_NARROW = "QComboBox { padding: 3px 0 3px 4px; } QComboBox::drop-down { width: 16px; }"  # room for names
_PCA = ""  # the mode's key; any other is an attribute


class LatentPanel(QWidget):
    """The latent view.

    Signals:
        faceActivated: the point of this face was clicked.
    """

    faceActivated = Signal(int)

    def __init__(self, state: StudioState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = state
        self._projections: dict[str, Projection | ModelError] = {}
        self._projection: Projection | None = None
        self._drag: tuple[Edit, NDArray[np.float64]] | None = None  # the edit and its z when taken hold of
        self._chain: Floats | None = None
        self._chain_label = ""
        self._entries: list[str] = []  # of the legend without the group, the hyperplane last
        self._build()
        state.modelChanged.connect(self._model_changed)
        state.planesChanged.connect(self._planes_changed)
        state.codesChanged.connect(self._codes_changed)
        state.faceChanged.connect(self._face_changed)
        state.placeChanged.connect(self._show_face)
        state.editCommitted.connect(self._edit_settled)
        state.selectionChanged.connect(self._show_group)
        state.hoverChanged.connect(self._show_pointed)
        self._model_changed()
        self._codes_changed()

    def _build(self) -> None:
        self.mode = QComboBox()
        self.mode.setAccessibleName(tr("what the axes show"))
        self.mode.setToolTip(tr("Which plane of code space is drawn"))
        self.attribute = QComboBox()
        self.attribute.setAccessibleName(tr("attribute to colour by"))
        self.attribute.setToolTip(tr("Attribute that colours the points and whose hyperplane is drawn"))
        for combo in (self.mode, self.attribute):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setStyleSheet(_NARROW)
        self.mode.setMinimumContentsLength(8)
        self.attribute.setMinimumContentsLength(6)
        self.scatter = ScatterView()
        self.scatter.setAccessibleName(tr("codes of the faces; arrow keys move the edited face"))
        self.bubble = Bubble(self.scatter)
        self.legend, self.share_text, self.plane_text = QLabel(), QLabel(), QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        for label in (self.legend, self.share_text, self.plane_text):
            label.setWordWrap(True)
            label.setObjectName("muted")
        self.plane_text.setObjectName("warning")
        self.chain_text = QLabel()
        self.chain_text.setTextFormat(Qt.TextFormat.RichText)
        self.chain_text.setObjectName("muted")
        self.chain_text.setWordWrap(True)
        self.chain_close = QToolButton()
        self.chain_close.setText("✕")
        self.chain_close.setAutoRaise(True)
        self.chain_close.setAccessibleName(tr("hide the chain's path"))
        self.chain_close.setToolTip(tr("Hide the chain's path (Escape)"))
        self.zoom_button = QPushButton(tr("Zoom to plane"))
        self.zoom_button.setToolTip(tr("Show the codes and the nearest part of the hyperplane"))
        self.fit_button = QPushButton(tr("Fit"))
        self.fit_button.setToolTip(tr("Show all codes and the current face"))
        self.fit_button.setAccessibleName(tr("fit the view to the codes"))
        self._tools = QButtonGroup(self)
        for tool, key, name, tip in TOOLS:
            button = ToolButton(tool, tr(name), tr(tip))
            self._tools.addButton(button)
            shortcut = QShortcut(QKeySequence(key), self.scatter, context=_HERE)
            shortcut.activated.connect(button.click)
        self._tools.buttons()[0].setChecked(True)
        self._tools.buttonClicked.connect(self._take_tool)
        self.empty = QLabel()
        self.empty.setObjectName("empty")
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._lay_out()
        self.mode.currentIndexChanged.connect(self._mode_changed)
        self.attribute.currentIndexChanged.connect(self._attribute_changed)
        self.scatter.hovered.connect(self._hover)
        self.scatter.clicked.connect(self.faceActivated)
        self.scatter.handleMoved.connect(self._drag_to)
        self.scatter.handleReleased.connect(self._release)
        self.scatter.handleCancelled.connect(self._cancel)
        self.scatter.handleNudged.connect(self._nudge)
        self.scatter.viewChanged.connect(self._tell_plane)
        self.scatter.brushed.connect(self._brush)
        self.zoom_button.clicked.connect(self._zoom_to_plane)
        self.fit_button.clicked.connect(self._fit)
        self.chain_close.clicked.connect(self.clear_chain)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(4)
        top.addWidget(self.mode, 4)
        top.addWidget(self.attribute, 3)
        tools = QHBoxLayout()
        tools.setSpacing(0)
        for button in self._tools.buttons():
            tools.addWidget(button)
        top.addLayout(tools)
        bottom = QHBoxLayout()
        bottom.addWidget(self.share_text, 1)
        bottom.addWidget(self.fit_button)
        warning = QHBoxLayout()
        warning.addWidget(self.plane_text, 1)
        warning.addWidget(self.zoom_button)
        self._chain_row = QWidget()
        chain = QHBoxLayout(self._chain_row)
        chain.setContentsMargins(0, 0, 0, 0)
        chain.addWidget(self.chain_text, 1)
        chain.addWidget(self.chain_close, 0, Qt.AlignmentFlag.AlignTop)
        self._chain_row.hide()
        self._plot = QWidget()
        inner = QVBoxLayout(self._plot)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(theme.GRID)
        inner.addLayout(top)
        inner.addWidget(self.scatter, 1)
        inner.addWidget(self._chain_row)
        inner.addLayout(warning)
        inner.addWidget(self.legend)
        inner.addLayout(bottom)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(*[theme.GRID + theme.GRID // 2] * 4)
        self._stack = QStackedLayout()
        outer.addLayout(self._stack)
        self._stack.addWidget(self.empty)
        self._stack.addWidget(self._plot)

    # What is chosen

    def _model_changed(self) -> None:
        """The attributes are those of another model."""
        names = self._state.model.attributes if self._state.model else ()
        self._projection, self._drag = None, None
        self._projections.clear()
        self.clear_chain()
        for combo in (self.mode, self.attribute):
            combo.blockSignals(True)
            combo.clear()
        for name in names:
            self.mode.addItem(f"w/|w| {name}", name)
            self.attribute.addItem(name, name)
        self.mode.addItem("PCA", _PCA)
        for combo in (self.mode, self.attribute):
            combo.blockSignals(False)

    @Slot()
    def _planes_changed(self) -> None:
        """Directions came or went; what is looked at stays, where it is still there."""
        names = self._state.model.attributes if self._state.model else ()
        mode = self.mode.currentData()
        self.scatter.drop_handle()
        self._drag = None
        self._projections = {k: v for k, v in self._projections.items() if k in (_PCA, *names)}
        for combo, form in ((self.mode, "w/|w| {}"), (self.attribute, "{}")):
            chosen = combo.currentData()
            combo.blockSignals(True)
            for i in reversed(range(combo.count())):
                if combo.itemData(i) not in (_PCA, *names):
                    combo.removeItem(i)
            for i, name in enumerate(names):
                if combo.findData(name) < 0:
                    combo.insertItem(i, form.format(name), name)
            combo.setCurrentIndex(max(0, combo.findData(chosen)))
            combo.blockSignals(False)
        if self.mode.currentData() == mode:
            self._attribute_changed()
        else:
            self._refresh()

    @Slot()
    def _mode_changed(self) -> None:
        name = self.mode.currentData()
        if name:
            self.attribute.blockSignals(True)
            self.attribute.setCurrentText(name)
            self.attribute.blockSignals(False)
        self._refresh()

    @Slot()
    def _attribute_changed(self) -> None:
        self._show_points()
        self._show_plane()

    @Slot()
    def _codes_changed(self) -> None:
        self._projections.clear()
        self._refresh()

    def _refresh(self) -> None:
        """Another plane, or other codes: draw everything anew."""
        self.scatter.drop_handle()
        self._drag = None
        self.bubble.hide()
        found = self._find_projection()
        if not isinstance(found, Projection):
            self._projection = None
            self.empty.setText(found)
            self._stack.setCurrentWidget(self.empty)
            return
        self._projection = found
        self._stack.setCurrentWidget(self._plot)
        x, y = (
            _titles(label, share) for label, share in zip(found.labels, found.explained or (), strict=True)
        )
        self.scatter.set_titles(x, y)
        self._show_points()
        self._show_face()
        self._show_chain()
        self._fit()
        self._show_plane()

    def _find_projection(self) -> Projection | str:
        """The chosen plane, or what to do to get one."""
        model, codes = self._state.model, self._state.codes
        if model is None:
            return tr("Open a model to see its latent space.")
        if self._state.faces is None and codes is None:
            return tr("Choose faces on the left to see where their codes lie.")
        if codes is None:
            return tr("The faces are being encoded; their codes appear here in a moment.")
        name = self.mode.currentData()
        if name not in self._projections:
            try:
                self._projections[name] = (
                    discriminant_projection(codes, model.planes, name) if name else pca_projection(codes)
                )
            except ModelError as error:
                self._projections[name] = error
        found = self._projections[name]
        if isinstance(found, ModelError):
            return tr(
                "No view of these {n} codes: {reason}.\nChoose more faces, or another attribute.",
                n=f"{len(codes):,}",
                reason=found,
            )
        return found

    # What is drawn

    def _labels(self) -> NDArray[np.int8] | None:
        """The chosen attribute's labels (N,) of the faces, where they have any."""
        faces, codes, name = self._state.faces, self._state.codes, self.attribute.currentData()
        if faces is None or codes is None or len(faces) != len(codes) or name not in faces.attributes:
            return None
        return faces.labels[:, faces.attributes.index(name)]

    def _colour(self) -> str:
        return theme.attribute_colour(max(0, self.attribute.currentIndex()))

    def _show_points(self) -> None:
        projection, codes = self._projection, self._state.codes
        if projection is None or codes is None:
            return
        labels, muted, name = self._labels(), theme.current().muted, self.attribute.currentText()
        if labels is None:
            groups = [Group(np.arange(len(codes)), muted, 130)]
            parts = [_dot(muted, tr("no labels of {name}", name=name))]
        else:
            with_it, without = np.flatnonzero(labels == 1), np.flatnonzero(labels != 1)
            groups = [Group(without, muted, 110), Group(with_it, self._colour(), 190)]
            parts = [
                _dot(self._colour(), tr("with {n}", n=f"{len(with_it):,}")),
                _dot(muted, tr("without {n}", n=f"{len(without):,}")),
            ]
        parts.append(_dot(theme.current().plane, tr("hyperplane"), "┃"))
        self._entries = parts
        self.scatter.set_points(projection.project(codes), groups)
        self._show_group()

    def line(self) -> Line2 | None:
        """The chosen attribute's hyperplane in the plotted plane; None where the two are parallel."""
        name = self.attribute.currentData()
        if self._projection is None or self._state.model is None or name is None:
            return None
        return self._projection.line(self._state.model.planes, name)

    def _show_plane(self) -> None:
        model, codes, name = self._state.model, self._state.codes, self.attribute.currentData()
        if self._projection is None or model is None or codes is None or name is None:
            return
        self.scatter.set_line(self.line(), tr("with {name}", name=name))
        share = 100 * self._projection.share(model.planes, name)
        digits = 0 if share > 99.95 or share == 0 else 1
        self.share_text.setText(
            tr("share of w in this plane {share} %", share=f"{share:.{digits}f}")
            + " ·\u00a0"  # a break comes before the dot, or nowhere
            + trn("{count} code", "{count} codes", len(codes), count=f"{len(codes):,}").replace(" ", "\u00a0")
        )
        self.share_text.setToolTip(
            tr("|proj w|²/|w|² of {name}: how much of its direction a move in this plane can use", name=name)
        )
        self._tell_plane()

    @Slot()
    def _tell_plane(self) -> None:
        """Say so where the hyperplane is out of sight."""
        name, line = self.attribute.currentText(), self.line()
        seen = self.scatter.plane_end_points() is not None
        away = (
            tr("{name}: the hyperplane is outside this view.", name=name)
            if line is not None
            else tr("{name}: the hyperplane is parallel to this plane.", name=name)
        )
        self.plane_text.setText("" if seen else away)
        self.plane_text.setVisible(not seen)
        self.zoom_button.setVisible(not seen and line is not None)

    @Slot()
    def _zoom_to_plane(self) -> None:
        line = self.line()
        if line is not None:
            middle = self.scatter.view().center()
            self.scatter.fit([nearest_point(line, (middle.x(), middle.y()))])

    @Slot()
    def _fit(self) -> None:
        self.scatter.fit()

    # A sampler's path

    def show_chain(self, states: ArrayLike, label: str) -> None:
        """Draw the path of a chain through code space, until it is closed or another model comes.

        Args:
            states: (n, d), in the order in which the chain visited them.
            label: what the chain is, as plain text.

        Raises:
            ModelError: no model is open, or states that do not fit it.
        """
        model = self._state.model
        if model is None:
            raise ModelError("a chain's path needs the open model that it was drawn with")
        self._chain = np.atleast_2d(finite_codes(states, model.dim)).copy()
        self._chain_label = label
        self._chain_row.setVisible(len(self._chain) > 0)
        self._show_chain()
        self._fit()

    @Slot()
    def clear_chain(self) -> None:
        """Take the path away."""
        self._chain = None
        self._chain_row.hide()
        self.scatter.set_chain(None)

    def _show_chain(self) -> None:
        if self._chain is None or self._projection is None:
            return
        self.scatter.set_chain(self._projection.project(self._chain))
        sign = f'<span style="color:{theme.current().warn}">○━■</span>'
        count = tr("{n} states from ○ to ■", n=f"{len(self._chain):,}")
        self.chain_text.setText(f"{sign}&nbsp; {escape(self._chain_label)}  ·  {count}")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and len(self._state.selection):
            self._state.select([], tr("clear the group"))
        elif event.key() == Qt.Key.Key_Escape and self._chain is not None:
            self.clear_chain()
        else:
            super().keyPressEvent(event)

    # The face

    @Slot()
    def _face_changed(self) -> None:
        self.scatter.drop_handle()
        self._drag = None
        self._show_face()

    @Slot()
    def _show_face(self) -> None:
        face, z, projection = self._state.face, self._state.z, self._projection
        if face is None or z is None or projection is None:
            self.scatter.set_face(None, None)
            return
        (x0, y0), (x1, y1) = projection.project(np.stack([face.mu, z]))
        self.scatter.set_face((float(x0), float(y0)), (float(x1), float(y1)))

    @Slot()
    def _edit_settled(self) -> None:
        """Keep the handle in sight once an edit has settled."""
        handle = self.scatter.handle
        if self._projection is not None and handle is not None and not self.scatter.view().contains(*handle):
            self._fit()

    @Slot(float, float)
    def _drag_to(self, x: float, y: float) -> None:
        projection, z = self._projection, self._state.z
        if projection is None or z is None:
            return
        if self._drag is None:
            self._drag = (self._state.edit, z)
        edit, start = self._drag
        by = projection.lift(np.array([x, y]) - projection.project(start))
        if self._state.model is not None:
            self._state.preview(edit.shifted(self._state.model.planes, by))
            self._show_face()  # what is held follows the hand, not the picture

    @Slot()
    def _release(self) -> None:
        if self._drag is not None:
            self._drag = None
            self._state.commit(tr(MOVE))

    @Slot()
    def _cancel(self) -> None:
        if self._drag is not None:
            self._drag = None
            self._state.discard_preview()

    @Slot(float, float)
    def _nudge(self, dx: float, dy: float) -> None:
        if self._projection is not None and self._state.model is not None:
            by = self._projection.lift((dx, dy))
            self._state.commit(tr(MOVE), self._state.edit.shifted(self._state.model.planes, by))

    # The group

    @Slot(object)
    def _take_tool(self, button: ToolButton) -> None:
        self.scatter.set_tool(button.tool)

    def take_tool(self, tool: Tool) -> None:
        """Take a tool, as its button does, and let the keyboard go on in the plot."""
        next(b for b in self._tools.buttons() if isinstance(b, ToolButton) and b.tool is tool).click()
        self.scatter.setFocus(Qt.FocusReason.OtherFocusReason)

    @Slot(object, object)
    def _brush(self, rows: NDArray[np.intp], mode: Mode) -> None:
        self._state.select(combined(self._state.selection, rows, mode))

    @Slot()
    def _show_group(self) -> None:
        rows = self._state.selection
        self.scatter.set_group(rows)
        group = _dot(theme.current().text, tr("group {n}", n=f"{len(rows):,}"), "◉")
        parts = [*self._entries[:-1], group] if len(rows) else self._entries  # on one line either way
        self.legend.setText(" &nbsp; ".join(f"<span>{part}</span>" for part in parts))

    @Slot(int)
    def _show_pointed(self, row: int) -> None:
        self.scatter.set_pointed(row)

    # The mouse elsewhere

    @Slot(int, QPoint)
    def _hover(self, index: int, at: QPoint) -> None:
        faces = self._state.faces
        if faces is None or index >= len(faces):
            index = -1
        self._state.hover(index)
        if index < 0 or faces is None:
            self.bubble.hide()
            return
        self.bubble.show_face(faces.images[index], faces.names[index], at)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_stack"):
            self._show_points()
            self._show_chain()


def _dot(colour: str, text: str, sign: str = "●") -> str:
    """An entry of the legend, as rich text that does not break."""
    said = escape(text).replace(" ", "&nbsp;")
    return f'<span style="color:{colour}">{sign}</span>&nbsp;{said}'


def _titles(label: str, share: float) -> tuple[str, ...]:
    """An axis title in several lengths; lengths in code space are in units of the prior's sigma."""
    short = f"{label.split(' ', maxsplit=1)[0]} (σ)"
    text = tr("signed {what}", what=label) if label.startswith("distance") else label
    longest = tr("{what} (σ)  ·  {share} % of variance", what=text, share=f"{100 * share:.0f}")
    return (longest, f"{text} (σ)", f"{label} (σ)", short)
