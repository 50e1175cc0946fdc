import zipfile

import cv2
import numpy as np
import pytest

from emomask.errors import DataError
from emomask.evaluation.annotated_faces import AnnotatedPicture, AnnotatedPictures, box, ellipse
from emomask.evaluation.conditions import CONDITIONS, cut_above, cut_below, cut_left, dark, rotated_right, small


@pytest.fixture
def folder(tmp_path, astronaut):
    """A folder with a picture, of which the table is still missing."""
    cv2.imwrite(str(tmp_path / "one.png"), astronaut)
    return tmp_path


def with_table(folder, text):
    (folder / "faces.csv").write_text(text)
    return folder


def only(pictures):
    (picture,) = pictures.every(1)
    return picture


@pytest.mark.parametrize(
    "columns, row",
    [
        ("left,top,right,bottom", "176,66,272,186"),
        ("x,y,width,height", "176,66,96,120"),
        ("major_radius,minor_radius,angle_rad,center_x,center_y", "60,48,1.5707963,224,126"),
        ("center_x,center_y,angle_rad,minor_radius,major_radius,who", "224,126,-1.5707963,48,60,somebody"),
    ],
)
def test_every_kind_of_table_tells_where_the_face_is(folder, astronaut, columns, row):
    picture = only(AnnotatedPictures(with_table(folder, "image,%s\none.png,%s\n" % (columns, row))))
    assert np.array_equal(picture.image, astronaut)
    (face,) = picture.faces
    assert np.allclose(face.box, (176, 66, 272, 186), atol=0.1) and face.size == pytest.approx(120, abs=0.1)


def test_an_ellipse_lies_as_fddb_draws_it():
    # Turned clockwise as seen, with y down: the major axis points to the right and down.
    mask = ellipse(40, 10, np.pi / 4, 60, 60).mask(120, 120)
    assert mask[85, 85] and mask[35, 35] and not mask[35, 85]
    assert mask.sum() == pytest.approx(np.pi * 40 * 10, rel=0.05)


def test_a_zip_and_a_table_elsewhere(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("labels")
    table = with_table(elsewhere, "image,x,y,width,height\none.png,1,2,30,40\none.png,5,6,7,8\n") / "faces.csv"
    archive = elsewhere / "pictures.zip"
    with zipfile.ZipFile(str(archive), "w") as file:
        file.write(str(folder / "one.png"), "one.png")
    for data in (folder, archive):
        picture = only(AnnotatedPictures(data, table))
        assert [tuple(face.box) for face in picture.faces] == [(1, 2, 31, 42), (5, 6, 12, 14)]


@pytest.mark.parametrize(
    "text, complaint",
    [
        (None, "no CSV file: name the table of faces as --labels"),
        ("image,left,top\none.png,1,2\n", "it needs image and one of: major_radius"),
        ("", "has the columns"),
        ("image,x,y,width,height\n", "lists no faces"),
        ("image,x,y,width,height\none.png,1,2,three,4\n", "line 2: x,y,width,height must be numbers"),
        ("image,x,y,width,height\none.png,1,2,3\n", "line 2"),
        ("image,left,top,right,bottom\none.png,5,5,5,9\n", "span an area"),
    ],
)
def test_a_bad_table_is_one_clear_error(folder, text, complaint):
    if text is not None:
        with_table(folder, text)
    with pytest.raises(DataError, match=complaint):
        AnnotatedPictures(folder)


def test_bad_pictures_and_places_are_named(folder, tmp_path):
    with pytest.raises(DataError, match="No such file or folder"):
        AnnotatedPictures(tmp_path / "nowhere")
    with pytest.raises(DataError, match="neither a folder nor a zip file"):
        AnnotatedPictures(folder / "one.png")
    with pytest.raises(DataError, match=r"table .*none.csv cannot be read"):
        AnnotatedPictures(folder, folder / "none.csv")
    with_table(folder, "image,x,y,width,height\ntwo.png,1,2,3,4\n")
    with pytest.raises(DataError, match="two.png in .* cannot be read"):
        only(AnnotatedPictures(folder))
    (folder / "two.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="two.png .* is not a picture, or is damaged"):
        only(AnnotatedPictures(folder))


def bright_square(left, top, side):
    image = np.zeros((150, 200, 3), np.uint8)
    image[top : top + side, left : left + side] = 255
    return image


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_annotations_follow_what_is_done_to_the_picture(name):
    picture = AnnotatedPicture("a", bright_square(30, 40, 50), [box(30, 40, 80, 90)])
    for change in CONDITIONS[name]:
        changed = change(picture)
        inside = changed.faces[0].mask(*changed.image.shape[:2])
        values = changed.image[..., 0].astype(float)
        expected = 0.1 * 255 if name == "dark" else 255 * (0.5 if name == "blurred" else 0.9)
        assert values[inside].mean() > 0.85 * expected
        outside = values[~inside]
        assert np.median(outside) in (0, 1, 2, 128) and inside.any()
    assert np.array_equal(picture.image, bright_square(30, 40, 50)), "the original was changed"


def test_what_the_conditions_are():
    picture = AnnotatedPicture("a", bright_square(30, 40, 50), [box(30, 40, 80, 90), box(0, 0, 20, 20)])
    turned = rotated_right(picture)
    assert turned.faces[0].box.width == pytest.approx(50 * 2**0.5) and turned.image.shape[0] > 200
    far = small(picture)
    assert [face.size for face in far.faces] == pytest.approx([16], rel=0.05) and far.image.shape == picture.image.shape
    assert np.array_equal(dark(picture).image, dark(picture).image)
    for cut in (cut_left, cut_above, cut_below):
        half = cut(picture)
        (face,) = half.faces
        assert face.size == 50 and face.mask(*half.image.shape[:2]).sum() == pytest.approx(50 * 25, rel=0.1)
