"""Avatars, CelebA's layout and plain folders: what is read, and what is refused."""

import importlib.resources
import json
import os
import pickle
import sys

import numpy as np
import pytest
from PIL import Image

from trainer.data import avatars
from trainer.data.derive import evaluate, extend, parse
from trainer.data.source import hashed_split, open_source
from trainer.errors import DataError

CELEBA = ("Eyeglasses", "Goatee", "Mustache", "No_Beard", "Smiling")
ROWS = [(1, 0, 0, 1, 0), (0, 1, 0, 1, 1), (0, 0, 1, 1, 0), (0, 0, 0, 0, 1), (0, 0, 0, 1, 1), (1, 1, 1, 0, 0)]


def write_face(path, index=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(avatars.draw(avatars.options_for(5, index), 40)).save(path)


def write_celeba(root, images="img_align_celeba", attributes=".", partition="."):
    """Six drawn faces in CelebA's layout, with line endings mixed as in the wild."""
    for folder in (attributes, partition):
        (root / folder).mkdir(parents=True, exist_ok=True)
    lines = [f"{len(ROWS)}\r\n", " ".join(CELEBA) + " \n"]
    for i, row in enumerate(ROWS):
        write_face(root / images / f"{i + 1:06d}.jpg", i)
        lines.append(
            f"{i + 1:06d}.jpg " + "  ".join(str(2 * v - 1) for v in row) + ("\r\n" if i % 2 else "\n")
        )
    (root / attributes / "list_attr_celeba.txt").write_bytes("".join(lines).encode())
    text = "".join(f"{i + 1:06d}.jpg {i % 3}" + ("\n" if i % 2 else "\r\n") for i in range(len(ROWS)))
    (root / partition / "list_eval_partition.txt").write_bytes(text.encode())
    return root


def write_table(root, text, faces=("a.jpg", "b.jpg")):
    for i, name in enumerate(faces):
        write_face(root / name, i)
    (root / "labels.csv").write_text(text, "utf-8")
    return f"folder:{root}"


# --- avatars


def test_that_a_face_does_not_depend_on_how_many_there_are():
    few, many = open_source("avatars:5:3"), open_source("avatars:50:3")
    assert np.array_equal(few.labels, many.labels[:5])
    assert np.array_equal(few.splits, many.splits[:5])
    assert np.array_equal(few.read(4, 32, "none"), many.read(4, 32, "none"))
    assert few.options(4) == many.options(4)


def test_that_seeds_draw_other_faces():
    assert open_source("avatars:9:1").options(0) != open_source("avatars:9:2").options(0)


def test_that_a_known_face_stays_as_it_is():
    """A change here makes other faces: raise `avatars.VERSION`."""
    assert avatars.VERSION == 1
    options = avatars.options_for(0, 0)
    assert (options["skinColor"], options["facialHair"], options["top"]) == ("#ae5d29", "beardMedium", "bob")


def test_that_options_are_plain_data_and_give_the_labels():
    for index in range(40):
        options = avatars.options_for(1, index)
        assert json.loads(json.dumps(options)) == options
        labels = avatars.labels_of(options)
        assert tuple(labels) == avatars.ATTRIBUTES
        assert labels["Eyeglasses"] == (options["accessories"] is not None)
        assert labels["FacialHair"] == (labels["Beard"] or labels["Mustache"])


def test_that_glasses_and_facial_hair_are_balanced_and_independent():
    labels = open_source("avatars:3000").labels.astype(float)
    assert np.abs(labels[:, :2].mean(axis=0) - 0.5).max() < 0.04
    related = np.corrcoef(labels.T) - np.eye(len(avatars.ATTRIBUTES))
    hat, smile = 4, 5
    for a, b in [(0, 1), (0, hat), (0, smile), (1, hat), (1, smile)]:
        assert abs(related[a, b]) < 0.06


def test_that_labelled_parts_are_drawn():
    changed = 0
    for index in range(30):
        options = avatars.options_for(2, index)
        plain = avatars.draw(options | {"accessories": None, "facialHair": None}, 64).astype(int)
        for part in ("accessories", "facialHair"):
            if options[part]:
                alone = {"accessories": None, "facialHair": None, part: options[part]}
                seen = np.abs(avatars.draw(options | alone, 64) - plain).sum(axis=-1) > 60
                assert seen.sum() > 40, (index, part)
                changed += 1
    assert changed > 20


def test_that_every_part_exists_in_the_style():
    text = importlib.resources.files("dicebear_styles").joinpath("avataaars.json").read_text("utf-8")
    style = json.loads(text)
    for index in range(300):
        for part, value in avatars.options_for(7, index).items():
            if value and not part.endswith("Color"):
                assert value in style["components"][part]["variants"]
    licence = style["meta"]["license"]["name"]
    assert style["meta"]["creator"]["name"] in avatars.CREDIT
    assert licence in avatars.CREDIT


@pytest.mark.parametrize(
    "spec", ["avatars:0", "avatars:x", "avatars:5:-1", "avatars:5:1:2", "avatars:99999999"]
)
def test_that_a_wrong_number_of_avatars_is_named(spec):
    with pytest.raises(DataError, match="avatars"):
        open_source(spec)


def test_that_a_crop_cuts_a_larger_drawing():
    source = open_source("avatars:1")
    whole, cut = source.read(0, 64, "none"), source.read(0, 64, "center")
    assert cut.shape == (64, 64, 3)
    assert not np.array_equal(whole, cut)


# --- what all have in common


def test_that_splits_are_80_10_10_and_stable():
    splits = [hashed_split(f"0:{i}") for i in range(5000)]
    assert np.abs(np.bincount(splits) / 5000 - [0.8, 0.1, 0.1]).max() < 0.02
    assert [hashed_split(name) for name in ("a/b.jpg", "0:0", "0:1")] == [0, 1, 2]


@pytest.mark.parametrize("spec", ["", "faces", "celeba:", "folder:", "folder:C:\\no\\such"])
def test_that_an_unknown_spec_says_what_is_expected(spec):
    with pytest.raises(DataError, match=r"avatars:N|DIR|no such directory"):
        open_source(spec)


def test_that_sources_travel_to_other_processes(tmp_path):
    for spec in ("avatars:3", f"celeba:{write_celeba(tmp_path)}"):
        source = open_source(spec)
        again = pickle.loads(pickle.dumps(source))
        assert again.fingerprint() == source.fingerprint()
        assert np.array_equal(again.read(2, 16, "square"), source.read(2, 16, "square"))


# --- CelebA


@pytest.mark.parametrize(
    "places",
    [
        {},
        {"images": "img_align_celeba/img_align_celeba"},
        {"images": "Img/img_align_celeba", "attributes": "Anno", "partition": "Eval"},
    ],
)
def test_that_celeba_is_read_with_mixed_line_endings(tmp_path, places):
    source = open_source(f"celeba:{write_celeba(tmp_path, **places)}")
    assert source.attributes == (*CELEBA, "FacialHair")
    assert source.names == [f"{i:06d}.jpg" for i in range(1, 7)]
    assert source.labels[:, :5].tolist() == [list(row) for row in ROWS]
    assert source.labels[:, 5].tolist() == [0, 1, 1, 1, 0, 1]
    assert source.splits.tolist() == [0, 1, 2, 0, 1, 2]
    assert source.default_crop == "center"
    assert source.options(0) is None
    assert source.read(0, 32, "center").shape == (32, 32, 3)


def test_that_pictures_missing_on_disk_are_named(tmp_path):
    write_celeba(tmp_path)
    (tmp_path / "img_align_celeba" / "000002.jpg").unlink()
    source = open_source(f"celeba:{tmp_path}")
    assert source.skipped == [("000002.jpg", "missing on disk")]
    assert source.names[1] == "000003.jpg"
    assert source.labels[1, :5].tolist() == list(ROWS[2])


@pytest.mark.parametrize("gone", ["list_attr_celeba.txt", "list_eval_partition.txt", "img_align_celeba"])
def test_that_a_missing_part_of_celeba_is_named(tmp_path, gone):
    write_celeba(tmp_path)
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=gone):
        open_source(f"celeba:{tmp_path}")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("list_attr_celeba.txt", "1\nSmiling Young\n000001.jpg 1\n", "000001.jpg has 1 values for 2"),
        ("list_attr_celeba.txt", "1\nSmiling Young\n000001.jpg 1 7\n", "column Young: '7'"),
        ("list_attr_celeba.txt", "000001.jpg 1\n", "expected the number"),
        ("list_eval_partition.txt", "000001.jpg 9\n", "000001.jpg 9"),
    ],
)
def test_that_malformed_celeba_files_are_explained(tmp_path, name, text, said):
    write_celeba(tmp_path)
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=said):
        open_source(f"celeba:{tmp_path}")


# --- folders


def test_that_a_table_takes_all_spellings_of_yes_and_no(tmp_path):
    faces = ("a.jpg", "sub/b.PNG", "c.jpeg", "d.jpg")
    text = (
        "\ufefffile,Glad,Hat\na.jpg,1,0\nsub\\b.png,-1, yes\n\nc.jpeg,True,no\nD.JPG,false,1\ngone.jpg,0,0\n"
    )
    source = open_source(write_table(tmp_path, text, faces))
    assert source.attributes == ("Glad", "Hat")
    assert source.names == ["a.jpg", "sub/b.PNG", "c.jpeg", "d.jpg"]
    assert source.labels.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert source.skipped == [("gone.jpg", "missing on disk")]
    assert source.splits.tolist() == [hashed_split(name) for name in source.names]
    assert source.default_crop == "square"


def test_that_a_split_column_decides(tmp_path):
    source = open_source(write_table(tmp_path, "file,split,Glad\na.jpg,test,1\nb.jpg,valid,0\n"))
    assert source.attributes == ("Glad",)
    assert source.splits.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,Glad\na.jpg,1\nb.jpg,maybe\n", "row 3, column Glad: 'maybe'"),
        ("file,Glad\na.jpg,\n", "row 2, column Glad: ''"),
        ("file,Glad\na.jpg,1,1\n", "row 2 has 3 cells"),
        ("file,Glad,split\na.jpg,1,later\n", "row 2, column split: 'later'"),
        ("file,Glad,Glad\na.jpg,1,1\n", "'Glad' appears more than once"),
        ("file,A|B\na.jpg,1\n", r"'A\|B' must not"),
        ("file,Glad\na.jpg,1\na.jpg,0\n", "row 3 names a.jpg a second time"),
        ("file\na.jpg\n", "at least one attribute"),
        ("file,split\na.jpg,test\n", "no attribute columns"),
        ("", "first row"),
        ("file,Glad\ngone.jpg,1\n", "1 listed pictures are missing, first gone.jpg"),
        ("file,Glad\n../a.jpg,1\n", "missing, first ../a.jpg"),
    ],
)
def test_that_a_bad_table_is_explained(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        open_source(write_table(tmp_path, text))


def test_that_each_sub_folder_is_a_class(tmp_path):
    for i, name in enumerate(("Cat/1.jpg", "Cat/deep/2.PNG", "Dog/1.jpg", ".hidden/3.jpg", "loose.jpg")):
        write_face(tmp_path / name, i)
    source = open_source(f"folder:{tmp_path}")
    assert source.attributes == ("Cat", "Dog")
    assert source.names == ["Cat/1.jpg", "Cat/deep/2.PNG", "Dog/1.jpg"]
    assert source.labels.tolist() == [[1, 0], [1, 0], [0, 1]]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_that_a_name_that_is_no_text_is_skipped_and_told(tmp_path):
    write_face(tmp_path / "plain" / "a.png")
    try:
        (tmp_path / "plain" / "a.png").rename(os.fsdecode(os.fsencode(tmp_path / "plain") + b"/\xe9.png"))
    except OSError:
        pytest.skip("this disk takes no such name")
    write_face(tmp_path / "plain" / "b.png")
    source = open_source(f"folder:{tmp_path}")
    assert source.names == ["plain/b.png"] and source.fingerprint()
    assert source.skipped == [("plain/\\udce9.png", "its name is not UTF-8; rename it")]


def test_that_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(DataError, match=r"labels\.csv"):
        open_source(f"folder:{tmp_path}")


# --- derived attributes

COLUMNS = ("A", "B", "C")
BITS = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], np.int8)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("X=A", lambda a, b, c: a),
        ("X=!A", lambda a, b, c: not a),
        ("X=!!A", lambda a, b, c: a),
        ("X=A|B|!C", lambda a, b, c: a or b or not c),
        (" X = A & B | !C ", lambda a, b, c: (a and b) or not c),
        ("X=A|B&C", lambda a, b, c: a or (b and c)),
    ],
)
def test_that_the_grammar_means_what_it_says(text, wanted):
    assert evaluate(parse(text), COLUMNS, BITS).tolist() == [int(wanted(*row)) for row in BITS.tolist()]


@pytest.mark.parametrize("text", ["", "X", "X=", "=A", "X=A|", "X=A||B", "X=!", "X=A!B", "X=A=B", "X|Y=A"])
def test_that_a_malformed_derivation_is_refused(text):
    with pytest.raises(DataError, match="expected NAME="):
        parse(text)


def test_that_an_unknown_column_gets_close_matches():
    with pytest.raises(DataError, match=r"no attribute 'smilng'; did you mean Smiling\?"):
        evaluate(parse("X=smilng"), CELEBA, np.zeros((1, 5), np.int8))


def test_that_derivations_build_on_each_other_and_replace():
    names, labels = extend(COLUMNS, BITS, ("X=A&B", "Y=!X", "A=!A"))
    assert names == ("A", "B", "C", "X", "Y")
    assert np.array_equal(labels[:, 0], 1 - BITS[:, 0])
    assert np.array_equal(labels[:, 4], 1 - (BITS[:, 0] & BITS[:, 1]))
    assert BITS[0, 0] == 0
