"""One attribute: name, padlock, slider filled from zero, number box, and what the classifier thinks."""

from __future__ import annotations

from html import escape

from PySide6.QtCore import QPointF, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QLabel, QSizePolicy, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.widgets.glyph_button import LockButton, UntilButton
from introvac_studio.widgets.texts import tabular

STEP = 0.25
NOTCH = 120  # of a mouse wheel, in eighths of a degree


class ZeroSlider(QWidget):
    """A horizontal slider from -limit to +limit whose bar grows from zero; a notch marks the usual delta.

    Signals:
        moved: the value while it is dragged.
        settled: the value once released.
        nudged: the value after a step by key or wheel; a row of these is one change.
        cancelled: Escape gave up the drag.
    """

    moved = Signal(float)
    settled = Signal(float)
    nudged = Signal(float)
    cancelled = Signal()

    def __init__(self, colour: str, name: str) -> None:
        super().__init__()
        self._colour = QColor(colour)
        self._value, self._limit, self._notch = 0.0, 8.0, 4.0
        self._dragging = False
        self._turned = 0  # of the wheel, in eighths of a degree, not yet a step
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(96)

    def sizeHint(self) -> QSize:
        return QSize(220, 26)

    @property
    def value(self) -> float:
        return self._value

    @property
    def limit(self) -> float:
        return self._limit

    def set_range(self, limit: float, notch: float) -> None:
        self._limit, self._notch = limit, notch
        self.update()

    def set_value(self, value: float) -> None:
        """Show a value; tells nobody."""
        value = max(-self._limit, min(self._limit, value))
        if value != self._value:
            self._value = value
            self.update()

    def position_of(self, value: float) -> float:
        """x of a value in widget coordinates."""
        span = self.width() - 18
        return 9 + span * (value + self._limit) / (2 * self._limit)

    def _value_at(self, x: float) -> float:
        raw = ((x - 9) / max(self.width() - 18, 1) * 2 - 1) * self._limit
        near_zero = abs(self.position_of(raw) - self.position_of(0)) < 4
        return 0.0 if near_zero else max(-self._limit, min(self._limit, raw))

    def paintEvent(self, event: QPaintEvent) -> None:
        colours = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y = self.height() / 2
        zero, at = self.position_of(0), self.position_of(self._value)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.border))
        painter.drawRoundedRect(QRectF(9, y - 2, self.width() - 18, 4), 2, 2)
        painter.setBrush(self._colour if self.isEnabled() else QColor(colours.border))
        painter.drawRoundedRect(QRectF(min(zero, at), y - 2, abs(at - zero), 4), 2, 2)
        painter.setPen(QPen(QColor(colours.muted), 1))
        for place, half in ((0.0, 7), (-self._notch, 4), (self._notch, 4)):
            x = round(self.position_of(place)) + 0.5
            painter.drawLine(QPointF(x, y - half), QPointF(x, y + half))
        painter.setPen(QPen(QColor(colours.accent), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.text if self.isEnabled() else colours.muted))
        painter.drawEllipse(QPointF(at, y), 7, 7)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._dragging = True
            self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self.set_value(self._value_at(event.position().x()))
            self.moved.emit(self._value)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._dragging = False
            self.settled.emit(self._value)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._nudge(0.0)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self.hasFocus():
            event.ignore()  # a wheel over an unfocused slider scrolls the page
            return
        self._turned += event.angleDelta().y()
        notches = int(self._turned / NOTCH)
        self._turned -= notches * NOTCH
        if notches:
            self._nudge(self._value + STEP * notches)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Right: STEP,
            Qt.Key.Key_Up: STEP,
            Qt.Key.Key_Left: -STEP,
            Qt.Key.Key_Down: -STEP,
            Qt.Key.Key_PageUp: 1.0,
            Qt.Key.Key_PageDown: -1.0,
        }
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape and self._dragging:
            self._dragging = False
            self.cancelled.emit()
        elif key == Qt.Key.Key_Home:
            self._nudge(0.0)
        elif key in steps:
            self._nudge(self._value + steps[key])
        else:
            super().keyPressEvent(event)

    def _nudge(self, value: float) -> None:
        self._dragging = False
        self.set_value(round(value / STEP) * STEP)
        self.nudged.emit(self._value)


class DirectionSlider(QWidget):
    """A row of the editor; see `ZeroSlider` for the signals, which it passes on.

    `set_code_probability` is of the moved code, live; `set_image_probability` of the re-encoded
    picture E(G(z)), known only after a release, and `None` until then.

    Signals:
        keepToggled: the padlock was shut or opened.
        untilRequested: the attribute is to be moved until it holds.
    """

    moved = Signal(float)
    settled = Signal(float)
    nudged = Signal(float)
    cancelled = Signal()
    keepToggled = Signal(bool)
    untilRequested = Signal()

    def __init__(self, attribute: str, colour: str, name_width: int) -> None:
        super().__init__()
        self.attribute = attribute
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        name = QLabel(f'<span style="color:{colour}">●</span>&nbsp; {escape(attribute)}')
        name.setFixedWidth(name_width + 28)
        self.slider = ZeroSlider(colour, tr("{name}, distance along its direction", name=attribute))
        self.lock = LockButton(
            tr("keep {name}", name=attribute),
            tr("Keep {name}: the other sliders leave its logit alone, and its own rests (K)", name=attribute),
            colour,
        )
        self.until = UntilButton(
            tr("until {name} holds…", name=attribute), tr("Go until {name} holds… (U)", name=attribute)
        )
        self.left = QLabel("")
        self.left.setObjectName("muted")
        self.left.setFont(tabular(self.left.font()))
        self.left.ensurePolished()
        self.left.setFixedWidth(
            self.left.fontMetrics().horizontalAdvance(tr("{share} % left", share=100)) + 4
        )
        self.left.hide()
        self.movable = True
        self.box = QDoubleSpinBox()
        self.box.setAccessibleName(tr("{name}, delta", name=attribute))
        self.box.setPrefix("δ ")
        self.box.setDecimals(2)
        self.box.setSingleStep(STEP)
        self.box.setObjectName("delta")
        self.box.setFixedSize(86, 26)
        self.box.setKeyboardTracking(False)
        self.box.setFont(tabular(self.box.font()))
        self.code = QLabel("p –")
        self.image = QLabel(tr("image {p}", p="–"))
        for label, width, tip in (
            (self.code, 48, mark("Probability of {name} that the classifier gives the moved code")),
            (
                self.image,
                76,
                mark(
                    "Probability of {name} after drawing the picture and encoding it again; updated when you "
                    "let go"
                ),
            ),
        ):
            label.setFont(tabular(label.font()))
            label.setFixedSize(width, 26)  # or each new figure would have the window laid out anew
            label.setToolTip(tr(tip, name=attribute))
        self.image.setObjectName("muted")
        row.addWidget(name)
        row.addWidget(self.lock)
        row.addWidget(self.slider, 1)
        row.addWidget(self.left)
        row.addWidget(self.box)
        row.addWidget(self.code)
        row.addWidget(self.image)
        row.addWidget(self.until)
        self.slider.moved.connect(self._on_moved)
        self.slider.settled.connect(self._on_settled)
        self.slider.nudged.connect(self._on_nudged)
        self.slider.cancelled.connect(self.cancelled)
        self.box.valueChanged.connect(self._on_typed)
        self.lock.clicked.connect(self.keepToggled)
        self.until.clicked.connect(self.untilRequested)
        self.setFocusProxy(self.slider)

    @property
    def limit(self) -> float:
        return self.slider.limit

    def set_range(self, limit: float, notch: float) -> None:
        self.slider.set_range(limit, notch)
        self.slider.setToolTip(
            tr(
                "δ is the distance that the code moves along the unit normal of {name}'s hyperplane, where p "
                "is 0.5; {usual} is usual, at the marks; arrow keys step by 0.25, Home or a double click "
                "returns to 0",
                name=self.attribute,
                usual=f"{notch:g}",
            )
        )
        with QSignalBlocker(self.box):
            self.box.setRange(-limit, limit)

    def set_value(self, value: float) -> None:
        """Show a value; tells nobody."""
        self.slider.set_value(value)
        if self.box.value() != round(value, self.box.decimals()):
            with QSignalBlocker(self.box):
                self.box.setValue(value)

    def set_keep(self, kept: bool, left: float | None, told: bool) -> None:
        """Show whether the attribute is kept, and where `told`, how much of its direction is left.

        A kept attribute does not move, nor does one of whose direction there is nothing left (None).
        """
        self.lock.setChecked(kept)
        self.movable = not kept and left is not None
        for part in (self.slider, self.box, self.until):
            part.setEnabled(self.movable)
        share = 0.0 if left is None else left
        self.left.setVisible(told)
        self.left.setText(tr("kept") if kept else tr("{share} % left", share=f"{100 * share:.0f}"))
        self.left.setToolTip(
            tr("{name} stays where it is; open the padlock to move it", name=self.attribute)
            if kept
            else tr(
                "How much of {name}'s direction keeping others leaves; δ moves its logit so much",
                name=self.attribute,
            )
        )

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_K and self.lock.isEnabled():
            self.lock.setFocus()
            self.lock.click()
        elif event.key() == Qt.Key.Key_U and self.until.isEnabled():
            self.until.click()
        else:
            super().keyPressEvent(event)

    def set_code_probability(self, p: float | None) -> None:
        self.code.setText("p –" if p is None else f"p {p:.2f}")

    def set_image_probability(self, p: float | None) -> None:
        self.image.setText(tr("image {p}", p="–" if p is None else f"{p:.2f}"))

    def _on_moved(self, value: float) -> None:
        with QSignalBlocker(self.box):
            self.box.setValue(value)
        self.moved.emit(value)

    def _on_settled(self, value: float) -> None:
        with QSignalBlocker(self.box):
            self.box.setValue(value)
        self.settled.emit(value)

    def _on_nudged(self, value: float) -> None:
        with QSignalBlocker(self.box):
            self.box.setValue(value)
        self.nudged.emit(value)

    def _on_typed(self, value: float) -> None:
        self.slider.set_value(value)
        self.nudged.emit(value)
