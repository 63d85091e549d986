"""What can be exported and with which options, as tables; the dialog builds its controls from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from introvac_studio.language import mark
from trainer import animation, codes

Options = Mapping[str, Any]

PICTURES = (".png", ".jpg", ".webp")
BACKGROUNDS = {"white": (255, 255, 255), "dark": (24, 26, 32), "black": (0, 0, 0)}


def _always(options: Options) -> bool:
    return True


@dataclass(frozen=True)
class Field:
    """One option.

    Attributes:
        key: in the options.
        label: beside the control.
        control: "choice", "whole", "number", "switch" or "text".
        default: what it is at first.
        low, high: of numbers.
        choices: value -> title; or a word for a list that depends on what is open: "attributes", "sources",
            "ends".
        suffix: behind a number.
        tip: one line.
        shown: whether it means anything, given the other options.
    """

    key: str
    label: str
    control: str
    default: Any
    low: float = 0
    high: float = 0
    choices: Mapping[str, str] | str = ""
    suffix: str = ""
    tip: str = ""
    shown: Callable[[Options], bool] = _always


@dataclass(frozen=True)
class Kind:
    """One kind of export.

    Attributes:
        title: in the list.
        about: what it is, in one line.
        suffixes: of its files, the usual one first; empty where a folder is made.
        fields: its options.
        name: ends the suggested file name.
        needs_face: whether there must be a current face.
    """

    title: str
    about: str
    suffixes: tuple[str, ...]
    fields: tuple[Field, ...]
    name: str
    needs_face: bool = True


def _differs(key: str, *values: str) -> Callable[[Options], bool]:
    return lambda options: options.get(key) not in values


_SOURCE = Field("source", mark("Faces"), "choice", "current", choices="sources", tip=mark("Which faces"))
_COUNT = Field(
    "count", mark("At most"), "whole", 8, 1, 256, tip=mark("The first so many of them"),
    shown=_differs("source", "current"),
)  # fmt: skip
_ATTRIBUTE = Field(
    "attribute", mark("Attribute"), "choice", "", choices="attributes",
    tip=mark("What changes from left to right"),
)  # fmt: skip
_FROM = Field(
    "from", mark("From δ"), "number", -6.0, -200, 200,
    tip=mark("Signed distance along the attribute’s direction"),
)  # fmt: skip
_TO = Field("to", mark("To δ"), "number", 6.0, -200, 200, tip=_FROM.tip)
_STEPS = Field("steps", mark("Steps"), "whole", 9, 2, 25, tip=mark("Pictures from one end to the other"))
_SCALE = Field("scale", mark("Scale"), "whole", 2, 1, 16, suffix=" ×", tip=mark("Enlarge by whole pixels"))
_ENLARGE = Field(
    "smooth", mark("Enlarging"), "choice", "sharp",
    choices={"sharp": mark("sharp pixels"), "smooth": mark("smooth")},
    tip=mark("Repeat the model’s pixels, or draw tones between them"),
    shown=lambda options: options.get("scale", 1) > 1,
)  # fmt: skip
_LOOK = (
    _SCALE,
    _ENLARGE,
    Field("padding", mark("Padding"), "whole", 4, 0, 64, suffix=" px", tip=mark("Room around each picture")),
    Field(
        "background", mark("Background"), "choice", "white",
        choices={"white": mark("white"), "dark": mark("dark"), "black": mark("black")},
        tip=mark("Around the pictures; labels stand out from it"),
    ),
    Field("labels", mark("Labels"), "switch", True, tip=mark("Say beside the pictures what they are")),
    Field("caption", mark("Caption"), "text", "", tip=mark("A line of your own below the picture")),
)  # fmt: skip
_PLAY = (
    Field("frames", mark("Frames"), "whole", 24, 2, 240, tip=mark("Pictures from one end to the other")),
    Field("fps", mark("Speed"), "whole", 12, 1, 50, suffix=mark(" per second"), tip=mark("Frames a second")),
)
_BACK = Field(
    "back", mark("There and back"), "switch", True, tip=mark("Return the way it came, without a jump")
)
_LOOP = Field(
    "loop", mark("For ever"), "switch", True, tip=mark("Begin again at the end; an MP4’s player decides")
)
_FRAME_LOOK = (
    Field("scale", mark("Scale"), "whole", 4, 1, 16, suffix=" ×", tip=_SCALE.tip),
    _ENLARGE, _LOOK[3], _LOOK[5],
)  # fmt: skip

KINDS: dict[str, Kind] = {
    "face": Kind(
        mark("Face"),
        mark("The current face, alone or beside what it came from."),
        PICTURES,
        (
            Field(
                "show", mark("Show"), "choice", "edited",
                choices={
                    "edited": mark("edited"),
                    "both": mark("original and edited"),
                    "all": mark("all three stages"),
                },
                tip=mark("Stages: original, reconstruction, edited"),
            ),
            Field("scale", mark("Scale"), "whole", 8, 1, 16, suffix=" ×", tip=_SCALE.tip),
            _ENLARGE,
            Field("padding", mark("Padding"), "whole", 0, 0, 64, suffix=" px", tip=_LOOK[2].tip),
            _LOOK[3],
            Field(
                "labels", mark("Labels"), "switch", True, tip=_LOOK[4].tip, shown=_differs("show", "edited")
            ),
            _LOOK[5],
        ),
        "face",
    ),
    "grid": Kind(
        mark("Grid"),
        mark("Many faces with the edit, or faces against amounts of one or two attributes."),
        PICTURES,
        (
            Field(
                "content", mark("Columns"), "choice", "edit",
                choices={
                    "edit": mark("faces with the edit"),
                    "one": mark("amounts of an attribute"),
                    "two": mark("two attributes"),
                },
                tip=mark("What changes from left to right"),
            ),
            Field("source", mark("Faces"), "choice", "visible", choices="sources", tip=_SOURCE.tip,
                  shown=_differs("content", "two")),
            Field("count", mark("At most"), "whole", 32, 1, 256, tip=_COUNT.tip,
                  shown=lambda o: o.get("content") != "two" and o.get("source") != "current"),
            Field("columns", mark("Per row"), "whole", 8, 1, 64, tip=mark("Pictures in a row"),
                  shown=lambda o: o.get("content") == "edit"),
            Field("attribute", mark("Attribute"), "choice", "", choices="attributes", tip=_ATTRIBUTE.tip,
                  shown=_differs("content", "edit")),
            Field("from", mark("From δ"), "number", -6.0, -200, 200, tip=_FROM.tip,
                  shown=_differs("content", "edit")),
            Field("to", mark("To δ"), "number", 6.0, -200, 200, tip=_FROM.tip,
                  shown=_differs("content", "edit")),
            Field("second", mark("Downwards"), "choice", "", choices="attributes",
                  tip=mark("What changes from top to bottom"), shown=lambda o: o.get("content") == "two"),
            Field("from2", mark("From δ"), "number", -6.0, -200, 200, tip=_FROM.tip,
                  shown=lambda o: o.get("content") == "two"),
            Field("to2", mark("To δ"), "number", 6.0, -200, 200, tip=_FROM.tip,
                  shown=lambda o: o.get("content") == "two"),
            Field("steps", mark("Steps"), "whole", 7, 2, 25, tip=_STEPS.tip,
                  shown=_differs("content", "edit")),
            *_LOOK,
        ),
        "grid",
    ),
    "triplets": Kind(
        mark("Triplets"),
        mark("The paper’s figure: original, reconstruction and edited, a column a face."),
        PICTURES,
        (
            Field("source", mark("Faces"), "choice", "visible", choices="sources", tip=_SOURCE.tip),
            _COUNT,
            Field("columns", mark("Per row"), "whole", 8, 1, 64, tip=mark("Faces beside each other")),
            *_LOOK,
        ),
        "triplets",
    ),
    "strip": Kind(
        mark("Strip over δ"),
        mark("A row a face, from one amount of an attribute to another."),
        PICTURES,
        (_SOURCE, _COUNT, _ATTRIBUTE, _FROM, _TO, _STEPS, *_LOOK),
        "strip",
    ),
    "film": Kind(
        mark("Animation"),
        mark("A traversal: an attribute goes from one amount to another, through code space."),
        animation.SUFFIXES,
        (
            _SOURCE, _COUNT, _ATTRIBUTE, _FROM, _TO, *_PLAY,
            Field(
                "easing", mark("Pace"), "choice", "gentle",
                choices={"even": mark("even"), "gentle": mark("gentle"), "linger": mark("lingering")},
                tip=mark("How it sets off and arrives"),
            ),
            _BACK, _LOOP,
            Field("labels", mark("Amounts"), "switch", True, tip=mark("Say below each frame where it is")),
            *_FRAME_LOOK,
        ),
        "traversal",
    ),
    "path": Kind(
        mark("Path"),
        mark("From the edited face to another one, as an animation or a strip of pictures."),
        (*animation.SUFFIXES, ".png", ".jpg"),
        (
            Field("end", mark("To"), "choice", "", choices="ends", tip=mark("Where the path leads")),
            Field(
                "way", mark("Way"), "choice", "linear",
                choices={"linear": mark("straight"), "spherical": mark("spherical")},
                tip=mark("The straight line, or a turn at an even rate around the middle of the prior"),
            ),
            *_PLAY, _BACK, _LOOP, *_FRAME_LOOK,
        ),
        "path",
    ),
    "codes": Kind(
        mark("Codes"),
        mark("The code of each face, with name, labels and logits."),
        codes.SUFFIXES,
        (
            Field("source", mark("Faces"), "choice", "visible", choices="sources", tip=_SOURCE.tip),
            Field(
                "edited", mark("Codes"), "choice", "plain",
                choices={"plain": mark("as encoded"), "edited": mark("with the edit")},
                tip=mark("Whether the current edit is added to every code"),
            ),
        ),
        "codes",
        needs_face=False,
    ),
    "directions": Kind(
        mark("Directions"),
        mark("The hyperplane of each attribute, those added here too; `edit --directions` reads it."),
        (".npz",),
        (),
        "directions",
        needs_face=False,
    ),
    "onnx": Kind(
        mark("ONNX"),
        mark("Encoder and decoder for other programs, checked against the model."),
        (),
        (),
        "onnx",
        needs_face=False,
    ),
}  # fmt: skip


def defaults(kind: str) -> dict[str, Any]:
    """The options of a kind as they are at first."""
    return {field.key: field.default for field in KINDS[kind].fields}


def sound(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a kind, of which those that come from a file or a setting may be anything."""
    found = defaults(kind)
    for field in KINDS[kind].fields:
        value = values.get(field.key)
        if field.control == "switch" and isinstance(value, bool):
            found[field.key] = value
        elif field.control == "text" and isinstance(value, str):
            found[field.key] = value[:200]
        elif field.control == "choice" and isinstance(value, str):
            if isinstance(field.choices, str) or value in field.choices:
                found[field.key] = value
        elif field.control in ("whole", "number") and isinstance(value, int | float):
            if isinstance(value, bool) or not field.low <= value <= field.high:
                continue
            found[field.key] = int(value) if field.control == "whole" else float(value)
    return found
