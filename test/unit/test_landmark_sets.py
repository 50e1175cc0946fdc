import cv2
import numpy as np
import pytest
from test_geometry import turned_face

from emomask.errors import DataError
from emomask.evaluation.landmark_sets import read_annotated_faces, read_pts


def write_pts(path, points):
    """A .pts file as iBUG writes them: pixels are counted from 1."""
    rows = "\n".join("%.4f %.4f" % (x + 1, y + 1) for x, y in points)
    path.write_text("version: 1\nn_points:  %d\n{\n%s\n}\n" % (len(points), rows), encoding="ascii")
    return path


@pytest.fixture
def photos(tmp_path):
    """A folder with two photos, one in a folder below it, and the points of a face in each."""
    (tmp_path / "below").mkdir()
    for name, grey in (("helen_1.PNG", 50), ("below/afw_2.jpg", 90)):
        cv2.imwrite(str(tmp_path / name), np.full((120, 160, 3), grey, np.uint8))
        write_pts((tmp_path / name).with_suffix(".pts"), turned_face(80, 60, 40, 0))
    return tmp_path


def test_points_count_from_zero(tmp_path):
    points = turned_face(30, 40, 20, 0)
    assert np.allclose(read_pts(write_pts(tmp_path / "face.pts", points)), points, atol=1e-3)
    (tmp_path / "corner.pts").write_text("version: 1\nn_points: 68\n{\n" + "1 1\n" * 68 + "}")
    assert (read_pts(tmp_path / "corner.pts") == 0).all()


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "not a .pts file"),
        ("version: 1\nn_points: 68\n{\n1 2 3\n4 5\n}\n", "not a .pts file"),
        ("version: 1\nn_points: 68\n{\none two\n}\n", "not a .pts file"),
        ("version: 1\nn_points: 5\n{\n" + "1 2\n" * 5 + "}\n", "holds 5 points; 68"),
        ("version: 1\nn_points: 68\n{\n" + "1 nan\n" * 68 + "}\n", "finite"),
    ],
)
def test_damaged_points_are_named(tmp_path, text, complaint):
    (tmp_path / "face.pts").write_text(text)
    with pytest.raises(DataError, match=complaint) as raised:
        read_pts(tmp_path / "face.pts")
    assert "face.pts" in str(raised.value)


def test_photos_are_found_in_folders_below(photos):
    faces = {face.name: face for face in read_annotated_faces(photos)}
    assert sorted(faces) == ["below/afw_2.jpg", "helen_1.PNG"]
    assert faces["helen_1.PNG"].image.shape == (120, 160, 3) and faces["helen_1.PNG"].image[0, 0, 0] == 50
    assert np.allclose(faces["below/afw_2.jpg"].points, turned_face(80, 60, 40, 0), atol=1e-3)
    assert [face.name for face in read_annotated_faces(photos, prefix="helen")] == ["helen_1.PNG"]


def test_what_is_missing_is_named(photos):
    with pytest.raises(DataError, match="begins with 'lfpw'"):
        list(read_annotated_faces(photos, prefix="lfpw"))
    (photos / "helen_1.PNG").write_bytes(b"none")
    with pytest.raises(DataError, match="helen_1.PNG is not a picture"):
        list(read_annotated_faces(photos))
    (photos / "helen_1.PNG").unlink()
    with pytest.raises(DataError, match=r"helen_1.pts has no picture beside it"):
        list(read_annotated_faces(photos))
    with pytest.raises(DataError, match="No such file or folder"):
        list(read_annotated_faces(photos / "nowhere"))
    with pytest.raises(DataError, match="name a folder of photos"):
        list(read_annotated_faces(photos / "helen_1.pts"))
    (photos / "empty").mkdir()
    with pytest.raises(DataError, match="no .pts files"):
        list(read_annotated_faces(photos / "empty"))
