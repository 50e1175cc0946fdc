"""Still pictures through the whole chain: masked, upright, stripped, page by page, or refused."""

import cv2
import numpy as np
import pytest
from picture_samples import camera_exif, encoded, opened, saved, tiff_pages
from PIL import Image

from emomask import Settings
from emomask.cli import main
from emomask.errors import SinkError, SourceError
from emomask.media.picture_reader import read_picture, read_pictures
from emomask.offline.files import mask_file
from emomask.perception.perceiver import Perceiver


def is_covered(before, after, face):
    left, top, right, bottom = face
    different = np.abs(before.astype(int) - after.astype(int)).max(axis=2) > 12
    return different[top:bottom, left:right].mean() > 0.85


@pytest.fixture
def photo(tmp_path, astronaut):
    """A photo of a camera that was held upright: orientation 6, GPS, a thumbnail with the face, XMP, a comment."""
    stored = np.ascontiguousarray(np.rot90(astronaut[..., ::-1]))
    thumbnail = saved(cv2.resize(stored, (160, 160)), "JPEG")
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved(stored, "JPEG", quality=95, exif=camera_exif(thumbnail), comment=b"secret comment"))
    assert path.read_bytes().count(b"\xff\xd8\xff\xe0\0\x10JFIF") == 2
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_a_photo_is_upright_masked_and_stripped(photo, tmp_path, astronaut, astronaut_face, suffix):
    output = tmp_path / ("out." + suffix)
    assert mask_file(str(photo), output, Settings()) == (1, 1, 0)
    data = output.read_bytes()
    masked = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert masked.shape == astronaut.shape and is_covered(astronaut, masked, astronaut_face)
    assert np.abs(masked[300:].astype(int) - astronaut[300:]).mean() < 4
    for trace in (b"Exif", b"EXIF", b"eXIf", b"Maker of", b"secret", b"2024:05", b"8BIM", b"xmpmeta"):
        assert trace not in data
    assert not {tag for tag in opened(data).getexif() if tag in (271, 34665, 34853, 700)}
    assert data.count(b"\xff\xd8\xff\xe0\0\x10JFIF") == (suffix == "jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["photo.jpg", output.name])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_kept_metadata_shows_no_face(photo, tmp_path, suffix, capsys):
    output = tmp_path / ("out." + suffix)
    assert main(["mask", str(photo), "-o", str(output), "--keep-metadata"]) == 0
    data = output.read_bytes()
    exif = opened(data).getexif()
    assert exif[271] == "Maker of cameras" and exif.get(274, 1) == 1
    assert exif.get_ifd(34853)[1] == "N" and exif.get_ifd(34853)[2] == (47.0, 22.0, 10.0)
    details = exif.get_ifd(34665)
    assert details[36867] == "2024:05:06 07:08:09" and (details[40962], details[40963]) == (512, 512)
    assert not exif.get_ifd(1) and b"secret" not in data and b"8BIM" not in data
    assert data.count(b"\xff\xd8\xff\xe0\0\x10JFIF") == (suffix == "jpg")


def test_dark_sixteen_bit_pictures_are_masked(tmp_path, astronaut, astronaut_face):
    """Twelve bits in sixteen: a viewer shows black, whoever stretches them sees the face."""
    values = astronaut.astype(np.uint16) << 4 | 15
    source, output = tmp_path / "dark.png", tmp_path / "out.png"
    source.write_bytes(encoded(".png", values))
    assert read_picture(source).white == 4095
    assert mask_file(str(source), output, Settings()) == (1, 1, 0)
    masked = cv2.imread(str(output), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(masked[300:], values[300:]) and masked.max() <= 4095
    assert is_covered(astronaut, masked >> 4, astronaut_face)


def test_every_page_is_masked(tmp_path, astronaut, astronaut_face):
    path, output = tiff_pages(tmp_path, astronaut), tmp_path / "out.tif"
    assert mask_file(str(path), output, Settings(style="solid")) == (3, 3, 0)
    before, after = list(read_pictures(path)), list(read_pictures(output))
    assert [page.grey for page in after] == [False, False, True]
    left, top, right, bottom = astronaut_face
    mirrored = (512 - right, top, 512 - left, bottom)
    for one, other, face in zip(before, after, (astronaut_face, mirrored, astronaut_face)):
        assert one.frame.shape == other.frame.shape and is_covered(one.frame, other.frame, face)
        assert np.array_equal(one.frame[400:], other.frame[400:])
    assert opened(output.read_bytes()).n_frames == 3


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(small, tmp_path, format):
    path = tmp_path / ("a." + format.lower())
    path.write_bytes(saved(small, format, save_all=True, append_images=[Image.fromarray(255 - small)]))
    with pytest.raises(SourceError, match="convert it to a video first"):
        mask_file(str(path), tmp_path / "out.png", Settings())
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_face_under_full_transparency_is_covered(tmp_path, astronaut, astronaut_face):
    source, output = tmp_path / "hidden.png", tmp_path / "out.png"
    source.write_bytes(encoded(".png", np.dstack([astronaut, np.zeros(astronaut.shape[:2], np.uint8)])))
    assert mask_file(str(source), output, Settings()) == (1, 1, 0)
    masked = cv2.imread(str(output), cv2.IMREAD_UNCHANGED)
    assert masked.shape == (512, 512, 4) and is_covered(astronaut, masked[..., :3], astronaut_face)
    left, top, right, bottom = astronaut_face
    assert (masked[top:bottom, left:right, 3] == 255).all() and not masked[400:, :, 3].any()


def test_a_picture_that_fails_shows_nothing(tmp_path, astronaut, monkeypatch):
    def broken(self, frame):
        raise RuntimeError("broken network")

    monkeypatch.setattr(Perceiver, "picture", broken)
    source, output = tmp_path / "deep.png", tmp_path / "out.png"
    source.write_bytes(encoded(".png", astronaut.astype(np.uint16) * 257))
    with pytest.raises(SinkError, match="could not be masked .*broken network"):
        mask_file(str(source), output, Settings())
    assert not output.exists()
    assert mask_file(str(source), output, Settings(on_failure="pixelate")) == (1, 0, 1)
    shown = cv2.imread(str(output), cv2.IMREAD_UNCHANGED)
    assert shown.dtype == np.uint16 and len(np.unique(shown.reshape(-1, 3), axis=0)) <= 100


def test_a_picture_of_a_size_that_cannot_be_masked_is_named(tmp_path):
    (tmp_path / "icon.png").write_bytes(saved(np.zeros((8, 8, 3), np.uint8), "PNG"))
    with pytest.raises(SourceError, match="icon.png cannot be masked: .* 8 x 8"):
        mask_file(str(tmp_path / "icon.png"), tmp_path / "out.png", Settings())


def test_a_wrong_or_missing_suffix_is_no_hindrance(tmp_path, astronaut):
    source = tmp_path / "photo"
    source.write_bytes(saved(np.ascontiguousarray(astronaut[..., ::-1]), "WEBP"))
    assert mask_file(str(source), tmp_path / "out.png", Settings()) == (1, 1, 0)
