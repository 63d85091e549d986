"""Colours, spacing and the stylesheet: one accent, attribute colours that colour-blind eyes tell apart."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPalette
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from introvac_studio import resources

GRID = 8  # spacing unit in device-independent pixels

# In the order of Okabe and Ito's set, moved until any two are at least 11 apart (CIEDE2000) for trichromats,
# protanopes and deuteranopes alike.
ATTRIBUTE_COLOURS = ("#76b3e4", "#ea923e", "#2ab58b", "#b475ae", "#edd754", "#7e8aff", "#da6556", "#a1a8b3")


@dataclass(frozen=True)
class Palette:
    """One look; every widget and plot takes its colours from here."""

    dark: bool
    window: str
    panel: str
    raised: str
    border: str
    text: str
    muted: str
    accent: str
    accent_text: str
    good: str
    warn: str
    bad: str
    plane: str


DARK = Palette(
    True, "#15171c", "#1d2027", "#282c35", "#343944", "#e8eaee", "#9aa1ad",
    "#5b9bff", "#0b1220", "#42c595", "#f0b34a", "#ff7a70", "#42d6a4",
)  # fmt: skip
LIGHT = Palette(
    False, "#f1f3f6", "#ffffff", "#eceff4", "#cfd5de", "#1b2028", "#5d6675",
    "#1f66d6", "#ffffff", "#12805c", "#8f5d00", "#c2362b", "#0d8a63",
)  # fmt: skip


def current() -> Palette:
    """The palette that goes with the application's present colours."""
    app = QGuiApplication.instance()
    dark = True
    if isinstance(app, QGuiApplication):
        dark = app.palette().color(QPalette.ColorRole.Window).lightness() < 128
    return DARK if dark else LIGHT


_choice = "system"


def prefer(choice: str) -> None:
    """Take "light" or "dark" colours, or those of the desktop ("system"); `dress` shows them."""
    global _choice
    _choice = choice if choice in ("light", "dark") else "system"


def system() -> Palette:
    """The palette that the user chose, or the desktop asks for; dark where it does not say."""
    if _choice != "system":
        return LIGHT if _choice == "light" else DARK
    light = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Light
    return LIGHT if light else DARK


def dress(app: QApplication) -> None:
    """Fusion in our palette, following the system's light or dark."""
    palette = system()
    app.setStyle("Fusion")
    app.setPalette(qt_palette(palette))
    app.setStyleSheet(stylesheet(palette))
    app.setWindowIcon(QIcon(str(resources.path(resources.ICON))))


def ground(widget: QWidget) -> str:
    """The colour that lies under what stands in a dialog, or in a panel."""
    colours = current()
    return colours.window if isinstance(widget.window(), QDialog) else colours.panel


def attribute_colour(index: int) -> str:
    """The colour of the k-th attribute, everywhere."""
    return ATTRIBUTE_COLOURS[index % len(ATTRIBUTE_COLOURS)]


def qt_palette(p: Palette) -> QPalette:
    """The palette for Fusion."""
    role = QPalette.ColorRole
    palette = QPalette()
    for key, colour in {
        role.Window: p.window,
        role.WindowText: p.text,
        role.Base: p.panel,
        role.AlternateBase: p.raised,
        role.Text: p.text,
        role.PlaceholderText: p.muted,
        role.Button: p.raised,
        role.ButtonText: p.text,
        role.BrightText: p.bad,
        role.ToolTipBase: p.raised,
        role.ToolTipText: p.text,
        role.Highlight: p.accent,
        role.HighlightedText: p.accent_text,
        role.Link: p.accent,
        role.Light: p.border,
        role.Midlight: p.border,
        role.Mid: p.border,
        role.Dark: p.border,
        role.Shadow: "#000000",
    }.items():
        palette.setColor(key, QColor(colour))
    for key in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, key, QColor(p.muted).darker(130 if p.dark else 80))
    return palette


def stylesheet(p: Palette) -> str:
    """The application's stylesheet. Object names: see the widgets that set them."""
    tone = "dark" if p.dark else "light"
    down, up, check, close, float_ = (
        resources.path(f"{way}-{tone}.svg").as_posix() for way in ("down", "up", "check", "close", "float")
    )
    return f"""
    * {{ font-size: 13px; }}
    QMainWindow, QDialog {{ background: {p.window}; }}
    QMainWindow::separator {{ background: {p.window}; width: {GRID}px; height: {GRID}px; }}
    QMainWindow::separator:hover {{ background: {p.accent}; }}
    QDockWidget {{ font-weight: 600; color: {p.muted}; titlebar-close-icon: url("{close}");
        titlebar-normal-icon: url("{float_}"); }}
    QDockWidget::close-button, QDockWidget::float-button {{ border: none; border-radius: 4px; padding: 0;
        icon-size: 20px; subcontrol-origin: margin; subcontrol-position: top right; top: 7px; width: 16px;
        height: 16px; }}
    QDockWidget::close-button {{ right: 8px; }}
    QDockWidget::float-button {{ right: 30px; }}
    QDockWidget::close-button:hover, QDockWidget::float-button:hover {{ background: {p.border}; }}
    QDockWidget::title {{ background: {p.panel}; padding: 7px 12px; border: 1px solid {p.border};
        border-bottom: none; border-top-left-radius: 6px; border-top-right-radius: 6px; }}
    QWidget#panel {{ background: {p.panel}; border: 1px solid {p.border}; border-top: none;
        border-bottom-left-radius: 6px; border-bottom-right-radius: 6px; }}
    QWidget#topbar {{ background: {p.window}; }}
    QLabel {{ background: transparent; }}
    QDialogButtonBox {{ dialogbuttonbox-buttons-have-icons: 0; }}
    QLabel#brand {{ font-size: 15px; font-weight: 700; color: {p.text}; }}
    QLabel#muted, QCheckBox#muted {{ color: {p.muted}; }}
    QLabel#heading {{ color: {p.muted}; font-weight: 600; }}
    QLabel#empty {{ color: {p.muted}; font-size: 14px; }}
    Toast {{ background: {p.raised}; border: 1px solid {p.border}; border-left: 4px solid {p.accent};
        border-radius: 6px; }}
    Toast#toast-done {{ border-left-color: {p.good}; }}
    Toast#toast-warning {{ border-left-color: {p.warn}; }}
    Toast#toast-error {{ border-left-color: {p.bad}; }}
    Toast:focus {{ border-top-color: {p.accent}; border-right-color: {p.accent};
        border-bottom-color: {p.accent}; }}
    Toast QLabel#sign {{ font-weight: 700; color: {p.accent}; }}
    Toast#toast-done QLabel#sign {{ color: {p.good}; }}
    Toast#toast-warning QLabel#sign {{ color: {p.warn}; }}
    Toast#toast-error QLabel#sign {{ color: {p.bad}; }}
    QLabel#count {{ color: {p.muted}; font-weight: 600; }}
    QFrame#palette {{ background: {p.panel}; border: 1px solid {p.accent}; border-radius: 8px; }}
    QFrame#palette QListView {{ border: none; background: transparent; }}
    QFrame#welcome {{ background: {p.panel}; border: 1px solid {p.border}; border-radius: 6px; }}
    QLabel#title {{ font-weight: 700; }}
    QTableView#runs::item {{ padding: 0 5px; }}
    QListView#rows::item:selected, QTableView#rows::item:selected {{ background: {p.border};
        color: {p.text}; }}
    QListView#rows::item {{ border: none; padding: 2px 4px; }}
    QTableView#rows::item {{ border: none; padding: 0 6px; }}
    QFrame#popover {{ background: {p.panel}; border: 1px solid {p.border}; border-radius: 6px; }}
    QFrame#card {{ background: {p.raised}; border: 1px solid {p.border}; border-radius: 6px; }}
    QLabel#warning {{ color: {p.warn}; }}
    QPushButton {{ background: {p.raised}; color: {p.text}; border: 1px solid {p.border};
        border-radius: 5px; padding: 5px 12px; min-height: 18px; }}
    QPushButton:hover {{ border-color: {p.accent}; }}
    QPushButton:pressed {{ background: {p.border}; }}
    QPushButton:focus {{ border: 2px solid {p.accent}; padding: 4px 11px; outline: none; }}
    QPushButton#primary:focus {{ border-color: {p.text}; }}
    QPushButton#workspace:focus {{ border: 2px solid {p.accent}; padding: 3px 12px; }}
    QToolButton:focus {{ border: 1px solid {p.accent}; border-radius: 4px; }}
    QListView:focus, QTableView:focus, QTreeView:focus, QPlainTextEdit:focus {{ border-color: {p.accent}; }}
    QSlider::handle:horizontal:focus {{ border: 2px solid {p.accent}; }}
    QTabBar::tab:focus {{ color: {p.accent}; }}
    QPushButton:disabled {{ color: {p.muted}; background: {p.panel}; }}
    QPushButton#primary {{ background: {p.accent}; color: {p.accent_text}; border-color: {p.accent};
        font-weight: 600; }}
    QPushButton#primary:disabled {{ background: {p.raised}; color: {p.muted}; border-color: {p.border}; }}
    QPushButton#link {{ background: transparent; border: none; padding: 0 2px; color: {p.accent};
        min-height: 0; }}
    QPushButton#link:hover, QPushButton#link:focus {{ text-decoration: underline; }}
    QPushButton#side {{ padding: 5px 4px; }}
    QPushButton#side:checked {{ border-color: {p.accent}; }}
    QPushButton#workspace {{ background: transparent; border: none; padding: 5px 14px; color: {p.muted};
        border-radius: 6px; font-weight: 600; }}
    QPushButton#workspace:hover {{ color: {p.text}; }}
    QPushButton#workspace:checked {{ background: {p.raised}; color: {p.text}; }}
    QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox, QPlainTextEdit {{ background: {p.raised}; color: {p.text};
        border: 1px solid {p.border}; border-radius: 5px; padding: 3px 6px; min-height: 20px;
        selection-background-color: {p.accent}; selection-color: {p.accent_text}; }}
    QAbstractSpinBox QLineEdit, QComboBox QLineEdit {{ border: none; padding: 0 4px; background: transparent;
        min-height: 0; }}
    QCheckBox::indicator, QAbstractItemView::indicator {{ width: 14px; height: 14px; border-radius: 3px;
        border: 1px solid {p.muted}; background: {p.panel}; }}
    QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {{ background: {p.accent};
        border-color: {p.accent}; image: url("{check}"); }}
    QCheckBox::indicator:focus, QCheckBox::indicator:hover {{ border-color: {p.accent}; }}
    QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus {{ border-color: {p.accent}; }}
    QAbstractSpinBox {{ qproperty-alignment: "AlignRight | AlignVCenter"; }}
    QComboBox::drop-down {{ border: none; width: 22px; }}
    QComboBox::down-arrow {{ image: url("{down}"); width: 12px; height: 12px; }}
    QSpinBox::up-button, QDoubleSpinBox::up-button {{ subcontrol-origin: border; border: none; width: 18px;
        subcontrol-position: top right; }}
    QSpinBox::down-button, QDoubleSpinBox::down-button {{ subcontrol-origin: border; border: none;
        width: 18px; subcontrol-position: bottom right; }}
    QSpinBox::up-arrow, QDoubleSpinBox::up-arrow {{ image: url("{up}"); width: 10px; height: 10px; }}
    QSpinBox::down-arrow, QDoubleSpinBox::down-arrow {{ image: url("{down}"); width: 10px; height: 10px; }}
    QDoubleSpinBox#delta {{ min-height: 16px; padding: 2px 6px; }}
    QPushButton::menu-indicator {{ image: url("{down}"); width: 12px; height: 12px;
        subcontrol-position: right center; right: 8px; }}
    QComboBox QAbstractItemView {{ background: {p.raised}; color: {p.text}; border: 1px solid {p.border};
        selection-background-color: {p.accent}; selection-color: {p.accent_text}; }}
    QListView, QTableView, QTreeView {{ background: {p.panel}; border: 1px solid {p.border};
        border-radius: 5px; }}
    QHeaderView::section {{ background: {p.raised}; color: {p.muted}; border: none; padding: 4px 8px; }}
    QTabBar::tab {{ background: {p.window}; color: {p.muted}; padding: 6px 11px; border: none;
        border-top-left-radius: 5px; border-top-right-radius: 5px; }}
    QTabBar::tab:selected {{ background: {p.raised}; color: {p.text}; }}
    QProgressBar {{ background: {p.raised}; border: none; border-radius: 4px; text-align: center;
        color: {p.text}; min-height: 16px; max-height: 16px; }}
    QProgressBar::chunk {{ background: {p.accent}; border-radius: 4px; }}
    QStatusBar {{ background: {p.window}; color: {p.muted}; }}
    QStatusBar::item {{ border: none; }}
    QScrollArea, QScrollArea > QWidget > QWidget {{ background: transparent; border: none; }}
    QScrollBar:vertical {{ background: transparent; width: 10px; margin: 0; }}
    QScrollBar:horizontal {{ background: transparent; height: 10px; margin: 0; }}
    QScrollBar::handle {{ background: {p.border}; border-radius: 4px; min-height: 24px; min-width: 24px; }}
    QScrollBar::handle:hover {{ background: {p.muted}; }}
    QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {{
        background: none; border: none; width: 0; height: 0; }}
    QSlider::groove:horizontal {{ background: {p.border}; height: 4px; border-radius: 2px; }}
    QSlider::sub-page:horizontal {{ background: {p.accent}; height: 4px; border-radius: 2px; }}
    QSlider::handle:horizontal {{ background: {p.text}; width: 14px; margin: -5px 0; border-radius: 7px; }}
    QToolTip {{ background: {p.raised}; color: {p.text}; border: 1px solid {p.border}; padding: 4px; }}
    QMenuBar {{ background: transparent; color: {p.muted}; }}
    QMenuBar::item {{ padding: 5px 8px; border-radius: 4px; background: transparent; }}
    QMenuBar::item:selected, QMenu::item:selected {{ background: {p.accent}; color: {p.accent_text}; }}
    QMenu {{ background: {p.raised}; color: {p.text}; border: 1px solid {p.border}; padding: 4px; }}
    QMenu::item {{ padding: 5px 24px 5px 16px; border-radius: 4px; }}
    QMenu::separator {{ height: 1px; background: {p.border}; margin: 4px 8px; }}
    QSplitter::handle {{ background: transparent; }}
    """
