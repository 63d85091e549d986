"""How near to a face's eyes its automatic alignment comes: `python bench/face_alignment.py CELEBA [N]`.

Aligned CelebA pictures are turned by up to 20 degrees, scaled and shifted on a plain ground by a known
similarity transform, so that it is known where the dataset's canonical eye positions went. Errors are in
shares of the distance between the eyes. The faces' own eyes lie around those positions, hence two more rows:
how far they do in the pictures as they are, and how well what was found there agrees with what is found after
the transform. The networks' landmarks were learnt from CelebA too: other photos may fare worse.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from trainer import align, face_detector
from trainer.align import Box

GROUND = 640  # pixels of the picture that a face is put into


def pairs(face: face_detector.DetectedFace) -> np.ndarray:
    """The eyes of a face (2, 2)."""
    return np.array([face.left_eye, face.right_eye])


def placed(image: Image.Image, rng: np.random.Generator) -> tuple[Image.Image, Box]:
    """A picture on a ground, and the box of that ground that the picture fills."""
    side = rng.uniform(160, 420)
    width, height = align.CELEBA_SIZE
    x, y = rng.uniform(0.35 * GROUND, 0.65 * GROUND, 2)
    box = Box(float(x), float(y), float(side), float(rng.uniform(-20, 20)), height / width)
    turn = side / width * np.exp(1j * math.radians(box.angle))
    back = 1 / turn
    left, top = box.place((0, 0))
    corner = -complex(left, top) * back
    rows = (back.real, -back.imag, corner.real, back.imag, back.real, corner.imag)
    mode = Image.Transform.AFFINE, rows, Image.Resampling.BICUBIC
    mask = Image.new("L", image.size, 255).transform((GROUND, GROUND), *mode)
    level = tuple(int(v) for v in rng.integers(0, 256, 3))
    ground = Image.new("RGB", (GROUND, GROUND), level)
    ground.paste(image.transform((GROUND, GROUND), *mode), (0, 0), mask)
    return ground, box


def measure(root: Path, count: int) -> Iterator[str]:
    """Lines of the result."""
    rng = np.random.default_rng(1)
    paths = sorted((root / "img_align_celeba").glob("*.jpg"))
    chosen = [paths[i] for i in rng.choice(len(paths), count, replace=False)]
    eyes = np.array(align.CELEBA_EYES)
    apart = float(np.linalg.norm(eyes[1] - eyes[0]))
    rows: dict[str, list[float]] = {"canonical": [], "as they are": [], "same face, moved": []}
    crops, seconds, missed = [], 0.0, 0
    target = align.target_of("celeba", "center")
    centre = align.centred(*align.CELEBA_SIZE, "center")
    for path in chosen:
        with Image.open(path) as file:
            image = file.convert("RGB")
        ground, box = placed(image, rng)
        start = time.perf_counter()
        found = face_detector.detect(ground)
        seconds += time.perf_counter() - start
        plain = face_detector.detect(image)
        if not found or not plain:
            missed += not found
            continue
        back = np.array([box.part((float(x), float(y))) for x, y in pairs(found[0])]) * align.CELEBA_SIZE
        rows["canonical"].append(np.linalg.norm(back - eyes, axis=1).mean() / apart)
        rows["as they are"].append(np.linalg.norm(pairs(plain[0]) - eyes, axis=1).mean() / apart)
        rows["same face, moved"].append(np.linalg.norm(back - pairs(plain[0]), axis=1).mean() / apart)
        made = Box.of_eyes(*((float(x), float(y)) for x, y in back), target)
        shift = [math.dist(a, b) for a, b in zip(made.corners(), centre.corners(), strict=True)]
        crops.append(sum(shift) / 4 / centre.side)
    yield f"{count} faces, {missed} not found, {1000 * seconds / count:.0f} ms each ({GROUND} x {GROUND} px)"
    for name, values in rows.items():
        p50, p90, p99 = np.quantile(values, (0.5, 0.9, 0.99))
        yield f"{name}: median {p50:.3f}, 90 % {p90:.3f}, 99 % {p99:.3f} of the eyes' distance"
    p50, p90 = np.quantile(crops, (0.5, 0.9))
    yield f"corners of the crop: median {p50:.3f}, 90 % {p90:.3f} of its side"


if __name__ == "__main__":
    for line in measure(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300):
        print(line)
