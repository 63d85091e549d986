"""Cartoon faces drawn on the fly: data for trying everything out without a download.

Face i of a seed depends on nothing but (seed, i). Options are chosen here, one by one, so
that labels are exact; DiceBear puts the parts together and resvg draws them.
"""

from __future__ import annotations

import functools
import importlib.resources
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from trainer.errors import DataError

if TYPE_CHECKING:
    from dicebear import Style

CREDIT = (
    "Faces: “Avataaars” (https://avataaars.com/) by Pablo Stanley, licensed under "
    "“Free for personal and commercial use” (https://avataaars.com/), via DiceBear (MIT)."
)
VERSION = 1  # part of every cache's key: raise it when the same (seed, index) draws another face
ATTRIBUTES = ("Eyeglasses", "FacialHair", "Mustache", "Beard", "Hat", "Smiling")

_BOX = "56 30 168 168"  # of 280 x 280: from above the hair line to below the chin
_CONTRAST = 90.0  # least distance in RGB (0 to 441) between frames and skin

_HAIRS_ON = {  # by skin; each is far enough from the skin for a beard to be seen
    "#ffdbb4": ("#2c1b18", "#4a312c", "#724133", "#a55728", "#b58143", "#c93305"),
    "#edb98a": ("#2c1b18", "#4a312c", "#724133", "#a55728", "#c93305", "#e8e1e1"),
    "#d08b5b": ("#2c1b18", "#4a312c", "#724133", "#e8e1e1"),
    "#ae5d29": ("#17100e", "#2c1b18", "#4a312c", "#e8e1e1"),
    "#694a3b": ("#17100e", "#17100e", "#e8e1e1"),
}
_SKINS = tuple(_HAIRS_ON)
_FRAMES = ("#262e33", "#1b3f66", "#7a1f2b", "#e6e6e6", "#ff5c5c")
_CLOTHES = ("#262e33", "#3c4f5c", "#25557c", "#5199e4", "#65c9ff", "#929598", "#e6e6e6", "#ff5c5c", "#ffafb9")
_HATS = ("#262e33", "#3c4f5c", "#25557c", "#5199e4", "#65c9ff", "#929598", "#ff5c5c", "#ff488e")
_BACKGROUNDS = ("#e8eef5", "#f7ece1", "#e6f3e8", "#f2e8f5")

_GLASSES = ("prescription01", "prescription02", "round", "sunglasses", "wayfarers")
_MUSTACHES = ("moustacheFancy", "moustacheMagnum")
_FULL_BEARDS = ("beardLight", "beardMajestic", "beardMedium")
_HEADWEAR = ("hat", "hijab", "turban", "winterHat02", "winterHat03", "winterHat1")
_HAIRCUTS = (
    *("bob", "bun", "curly", "fro", "longButNotTooLong", "shaggy", "shavedSides", "straight01", "straight02"),
    *("dreads01", "dreads02", "shortCurly", "shortFlat", "shortRound", "shortWaved", "sides"),
    *("theCaesar", "theCaesarAndSidePart"),
)
_SMILES = ("smile", "twinkle")
_NO_SMILES = ("serious", "sad", "disbelief", "concerned")
_EYES = ("default", "default", "default", "happy", "side", "squint", "wink")
_BROWS = ("default", "defaultNatural", "flatNatural", "raisedExcited", "raisedExcitedNatural", "upDown")
_SHIRTS = ("blazerAndShirt", "collarAndSweater", "hoodie", "shirtCrewNeck", "shirtScoopNeck", "shirtVNeck")


def _distance(a: str, b: str) -> float:
    """Euclidean distance of two `#rrggbb` colours, 0 to 441."""
    one, two = (np.frombuffer(bytes.fromhex(c[1:]), np.uint8).astype(float) for c in (a, b))
    return float(np.linalg.norm(one - two))


_FRAMES_ON = {skin: tuple(c for c in _FRAMES if _distance(skin, c) >= _CONTRAST) for skin in _SKINS}


def options_for(seed: int, index: int) -> dict[str, Any]:
    """What face `index` of a seed looks like: part and colour names, None for a part that is absent.

    Glasses, facial hair, headwear and the smile are drawn independently of each other.

    Raises:
        DataError: a negative seed or index.
    """
    if seed < 0 or index < 0:
        raise DataError(f"avatars: seed {seed} and index {index} must not be negative")
    # Each decision has its own slot, so that a new one at the end leaves the others as they are.
    draws = np.random.Generator(np.random.PCG64([seed, index])).random(20).tolist()

    def pick(slot: int, values: tuple[str, ...]) -> str:
        return values[int(draws[slot] * len(values))]

    skin = pick(0, _SKINS)
    hair = pick(1, _HAIRS_ON[skin])
    facial_hair = None
    if draws[2] < 0.5:
        facial_hair = pick(4, _FULL_BEARDS if draws[3] < 0.6 else _MUSTACHES)
    headwear = tuple(h for h in _HEADWEAR if h != "hijab") if facial_hair else _HEADWEAR
    return {
        "skinColor": skin,
        "hairColor": hair,
        "facialHair": facial_hair,
        "facialHairColor": hair if draws[5] < 0.8 else pick(6, _HAIRS_ON[skin]),
        "accessories": pick(8, _GLASSES) if draws[7] < 0.5 else None,
        "accessoriesColor": pick(9, _FRAMES_ON[skin]),
        "top": pick(11, headwear) if draws[10] < 0.2 else pick(11, _HAIRCUTS),
        "hatColor": pick(12, _HATS),
        "mouth": pick(14, _SMILES) if draws[13] < 0.5 else pick(14, _NO_SMILES),
        "eyes": pick(15, _EYES),
        "eyebrows": pick(16, _BROWS),
        "clothes": pick(17, _SHIRTS),
        "clothesColor": pick(18, _CLOTHES),
        "backgroundColor": pick(19, _BACKGROUNDS),
    }


def labels_of(options: dict[str, Any]) -> dict[str, bool]:
    """The attributes of a face, in the order of `ATTRIBUTES`."""
    hair = options["facialHair"]
    return {
        "Eyeglasses": options["accessories"] in _GLASSES,
        "FacialHair": hair is not None,
        "Mustache": hair in _MUSTACHES,
        "Beard": hair in _FULL_BEARDS,
        "Hat": options["top"] in _HEADWEAR,
        "Smiling": options["mouth"] in _SMILES,
    }


@functools.cache
def _style() -> Style:
    from dicebear import Style  # slow to import, and not needed for faces that are kept

    text = importlib.resources.files("dicebear_styles").joinpath("avataaars.json").read_text("utf-8")
    return Style(json.loads(text))


def _svg(options: dict[str, Any]) -> str:
    """The face as SVG, framed by `_BOX`."""
    from dicebear import Avatar

    request: dict[str, Any] = {"seed": "0"}
    for name, value in options.items():
        if name.endswith("Color"):
            request[name] = [value]
        else:
            request[f"{name}Variant"] = [value] if value else []
            request[f"{name}Probability"] = 100 if value else 0
    request = {k: v for k, v in request.items() if v != []}
    return str(Avatar(_style(), request)).replace('viewBox="0 0 280 280"', f'viewBox="{_BOX}"', 1)


def draw(options: dict[str, Any], size: int) -> np.ndarray:
    """Draw a face.

    Args:
        options: as `options_for` gives them.
        size: S, the side in pixels.

    Returns:
        (S, S, 3) uint8, RGB.
    """
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=_svg(options), width=size, height=size, skip_system_fonts=True)
    with Image.open(io.BytesIO(png)) as image:
        return np.array(image.convert("RGB"))
