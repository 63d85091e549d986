"""Evaluations on disk, put together from the engine's own records with numbers chosen for the tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from trainer.metrics.classifier import (
    AttributeScore,
    Calibration,
    LatentUse,
    Reading,
    Reconstruction,
)
from trainer.metrics.edits import leakage
from trainer.metrics.estimate import Estimate
from trainer.metrics.protocol import Measured, ProtocolCard
from trainer.metrics.records import Change, Distance, Edit, Truth


def around(mean: float, by: float = 0.01) -> Estimate:
    return Estimate(mean, mean - by, mean + by, 40)


def edit(attribute: str, wanted: bool, judged: float, l1: float = 0.05) -> Edit:
    """Of two attributes and one that goes along with facial hair in truth."""
    other = "Smiling" if attribute == "FacialHair" else "FacialHair"
    far = Distance(around(l1), around(0.9), None)
    near = Distance(around(0.04), around(0.95), None)
    truth = Truth(far, near, far, around(0.01), around(0.2), around(0.1), 2, 3.0)
    changes = (
        Change(other, around(0.03), around(-0.02), 0.0),
        Change("Beard", around(0.4), around(0.3), 0.5 if attribute == "FacialHair" else 0.0),
    )
    return Edit(
        attribute, wanted, "delta 4", 40, around(4.0, 0.0), None, around(judged), around(0.1), around(0.98),
        changes, around(0.1), around(0.05), None, truth,
    )  # fmt: skip


def measured(
    value: float, kind: str = "frechet", what: str = "reconstructions", features: str = "pixels"
) -> Any:
    card = ProtocolCard("avatars:400:0", what, "test", 40, 40, "none", 32, features, 192, 8, "area")
    return Measured(kind, value, card, value - 1, value + 1, 0.95, 0.7, 40, warning="few").to_json()  # type: ignore[arg-type]


def model(name: str, frechet: float = 10.0, judged: float = 0.9, l1: float = 0.05) -> dict[str, Any]:
    """One model's part of `metrics.json`."""
    edits = [edit(a, w, judged, l1) for a in ("Smiling", "FacialHair") for w in (True, False)]
    curve = Calibration(0.03, (0.0, 0.5, 1.0), (30, 10), (0.1, None), (0.2, None))
    score = AttributeScore("Smiling", around(0.95), around(0.9), None, 0.6, curve)
    use = LatentUse((0.5, 0.1, 0.0), 0.6, (0.4, 0.1, 0.0), 2, 0.01, 40)
    reading = Reading((score,), Reconstruction(around(0.05), around(0.9)), use)
    leak = asdict(leakage(edits))
    return {
        "name": name, "preset": "quick", "sha256": name * 8, "image_size": 32, "latent_dim": 3,
        "attributes": ["Smiling", "FacialHair"], "parameters": 1234, "step": 5, "game_played": True,
        "distances": [measured(frechet), measured(0.5, "kernel"), measured(20.0, what="prior samples")],
        "reading": asdict(reading), "deltas": {"Smiling": 4.0}, "edits": [asdict(e) for e in edits],
        "leakage": leak,
        "at_equal_success": {"success": 0.9, "amounts": {}, "edits": [asdict(edits[0])], "leakage": leak},
        "sample_quality": [
            {"want": "Smiling=yes", "judged": asdict(around(0.8)), "read": asdict(around(0.85))}
        ],
        "pictures": [
            {"name": "reconstructions", "title": "Reconstructions", "caption": "Faces, decoded.",
             "file": f"pictures/{name}.png"}
        ],
    }  # fmt: skip


def body(models: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "format": 1,
        "made": {"version": "0.1.0", "device": "cpu", "seconds": 75.0},
        "data": {"spec": "avatars:400:0", "split": "test", "selection": "valid", "note": "", "faces": 40},
        "settings": {},
        "judge": {"train_images": 320},
        "models": list(models),
        "missing": [{"model": None, "what": "FID", "why": "no weights; connect to the network"}],
    }


def write(folder: Path, content: dict[str, Any]) -> Path:
    """`metrics.json` with its report and pictures; the folder."""
    (folder / "pictures").mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(content), "utf-8")
    (folder / "report.html").write_text("<title>report</title>", "utf-8")
    for part in content["models"]:
        for one in part["pictures"]:
            Image.new("RGB", (200, 50), "red").save(folder / one["file"])
    return folder
