"""What the program is, whose, and who drew what it shows."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from introvac_studio import theme
from introvac_studio.language import tr
from trainer.data.avatars import CREDIT


class AboutDialog(QDialog):
    """Version, licence and credits; the text can be copied."""

    def __init__(self, version: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("About IntroVAC Studio"))
        title = QLabel(f"IntroVAC Studio {version}")
        title.setObjectName("brand")
        text = QLabel(
            tr(
                "An introspective variational autoencoder and classifier of faces, and a studio for it. "
                "MIT licence."
            )
        )
        credit = QLabel(CREDIT)
        for label in (text, credit):
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(*[2 * theme.GRID] * 4)
        layout.setSpacing(2 * theme.GRID)
        for widget in (title, text, credit, buttons):
            layout.addWidget(widget)
        self.setMinimumWidth(440)
        buttons.rejected.connect(self.reject)
