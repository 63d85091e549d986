"""What the user chooses about loss plots: smoothing, axes, and which of them."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QMenu, QPushButton, QSlider, QWidget

from introvac_studio import theme
from introvac_studio.language import mark, tr
from introvac_studio.settings import Settings
from introvac_studio.widgets.loss_data import Unit
from introvac_studio.widgets.loss_plot import LossPlots
from introvac_studio.widgets.loss_readout import Elided
from introvac_studio.widgets.texts import tabular

_UNITS = (
    (Unit.STEPS, mark("by step")),
    (Unit.EPOCHS, mark("by epoch")),
    (Unit.IMAGES, mark("by images")),
)
_SMOOTHING, _LOG, _UNIT = "losses/smoothing", "losses/log", "losses/unit"  # where they are remembered


class LossToolbar(QWidget):
    """Smoothing, axes and which plots, for one `LossPlots`."""

    def __init__(self, plots: LossPlots) -> None:
        super().__init__()
        self._plots = plots
        self._settings: Settings | None = None
        self.smoothing = QSlider(Qt.Orientation.Horizontal)
        self.smoothing.setRange(0, 99)
        self.smoothing.setFixedWidth(96)
        self.smoothing.setAccessibleName(tr("Smoothing"))
        self.smoothing.setToolTip(
            tr("How much of the past a smoothed point keeps; the raw curve stays behind")
        )
        self._amount = QLabel()
        self._amount.setFont(tabular(self.font(), 13))
        self._amount.setMinimumWidth(28)
        self.log = QCheckBox(tr("Log"))
        self.log.setToolTip(tr("Logarithmic values"))
        self.unit = QComboBox()
        for unit, text in _UNITS:
            self.unit.addItem(tr(text), unit)
        self.unit.setToolTip(tr("What is counted below the curves: steps, epochs, or training images seen"))
        self.unit.setAccessibleName(tr("Horizontal axis"))
        self.which = QPushButton(tr("Plots"))
        self.which.setMenu(QMenu(self.which))
        self.reset = QPushButton(tr("Show all"))
        self.reset.setToolTip(tr("Double-click a plot, or press A"))
        self.where = Elided()  # the toolbar asks for no more room while the cursor moves
        self.where.setObjectName("muted")
        self.where.setFont(tabular(self.font(), 13))
        self.reset.hide()
        name = QLabel(tr("Smoothing"))
        name.setObjectName("muted")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.GRID, 4, theme.GRID, 0)
        layout.setSpacing(theme.GRID)
        layout.addWidget(self.where)
        layout.addStretch(1)
        for widget in (self.reset, name, self.smoothing, self._amount, self.log, self.unit, self.which):
            layout.addWidget(widget)
        self.smoothing.valueChanged.connect(self._on_smoothing)
        self.log.toggled.connect(self._on_log)
        self.unit.currentIndexChanged.connect(self._on_unit)
        self.reset.clicked.connect(plots.reset_view)
        plots.zoomChanged.connect(self.reset.setVisible)
        plots.groupsChanged.connect(self._on_groups)
        plots.cursorMoved.connect(self.where.setText)
        self.smoothing.setValue(60)
        self._on_groups()

    def remember_in(self, settings: Settings) -> None:
        """Take up the choices of last time, and keep those to come."""
        self.smoothing.setValue(settings.get(_SMOOTHING, self.smoothing.value()))
        self.log.setChecked(settings.get(_LOG, self.log.isChecked()))
        self.unit.setCurrentIndex(max(self.unit.findData(settings.get(_UNIT, "")), 0))
        self._settings = settings

    def _keep(self, key: str, value: int | bool | str) -> None:
        if self._settings is not None:
            self._settings.set(key, value)

    @Slot(int)
    def _on_smoothing(self, value: int) -> None:
        self._amount.setText(f"{value / 100:.2f}")
        self._plots.set_smoothing(value / 100)
        self._keep(_SMOOTHING, value)

    @Slot(bool)
    def _on_log(self, log: bool) -> None:
        self._plots.set_log(log)
        self._keep(_LOG, log)

    @Slot(int)
    def _on_unit(self, index: int) -> None:
        unit = _UNITS[index][0]
        self._plots.set_unit(unit)
        self._keep(_UNIT, unit.value)

    @Slot()
    def _on_groups(self) -> None:
        menu = self.which.menu()
        menu.clear()
        groups = self._plots.available()
        self.which.setEnabled(bool(groups))
        for group in groups:
            action = menu.addAction(group.title)
            action.setCheckable(True)
            action.setChecked(group.shown)
            action.setData(group.key)
            action.toggled.connect(self._on_toggled)

    @Slot(bool)
    def _on_toggled(self, shown: bool) -> None:
        action = self.sender()
        self._plots.set_group_visible(str(action.data()), shown)  # type: ignore[attr-defined]
