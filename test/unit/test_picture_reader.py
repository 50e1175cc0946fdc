"""Still pictures that are read: what is kept of them, and what becomes of damaged files."""

import io
import os
import struct
import sys
import warnings
import zlib

import cv2
import numpy as np
import pytest
from picture_samples import SRGB, camera_exif, encoded, opened, saved, tiff_pages
from PIL import Image, ImageOps, PngImagePlugin

from emomask.errors import SourceError
from emomask.media.picture_reader import is_picture, read_picture, read_pictures


@pytest.mark.parametrize(
    "format, tolerance", [("PNG", 0), ("TIFF", 0), ("BMP", 0), ("PPM", 0), ("JPEG", 8), ("WEBP", 12)]
)
def test_the_content_tells_the_format(tmp_path, small, format, tolerance):
    data = saved(small, format, **({"quality": 95} if tolerance else {}))
    path = tmp_path / "picture.xyz"
    path.write_bytes(data)
    for source in (path, str(path), data):
        picture = read_picture(source)
        assert picture.frame.dtype == np.uint8 and picture.frame.flags.c_contiguous and not picture.grey
        assert picture.alpha is None and picture.deep is None
        assert np.abs(picture.frame[..., ::-1].astype(int) - small).mean() <= tolerance
    assert is_picture(path)
    path.write_bytes(b"not " + data)
    assert not is_picture(path) and not is_picture(tmp_path / "none")


def test_a_heic_without_its_library_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SourceError, match=r"needs pillow-heif: pip install 'emomask\[heif\]'"):
        read_picture(b"\0\0\0\x18ftypheic" + bytes(100), "a.heic")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied_once(small, format, orientation):
    exif = Image.Exif()
    exif[271], exif[274] = "Maker", orientation
    options = {"lossless": True} if format == "WEBP" else {}
    stored = np.dstack([small, small[..., 0]]) if format in ("PNG", "TIFF") else small
    data = saved(stored, format, exif=exif, **options)
    plain = opened(saved(stored, format, **options))
    plain.getexif()[274] = orientation
    upright = np.asarray(ImageOps.exif_transpose(plain))
    picture = read_picture(data)
    assert np.array_equal(picture.frame[..., ::-1], upright[..., :3])
    if picture.alpha is not None:
        assert np.array_equal(picture.alpha, upright[..., 3])
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[271] == "Maker" and kept[274] == 1


def test_orientation_six_is_a_turn_to_the_right(small):
    exif = Image.Exif()
    exif[274] = 6
    assert np.array_equal(read_picture(saved(small, "PNG", exif=exif)).frame, cv2.rotate(small[..., ::-1], 0))


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_is_none_is_passed_over(small, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    assert read_picture(saved(small, "JPEG", exif=exif)).frame.shape == (48, 64, 3)


def test_other_modes_become_grey_or_colours(small):
    image = Image.fromarray(small)
    grey = np.asarray(image.convert("L"))
    bits = read_picture(saved(image.convert("1"), "PNG"))
    assert bits.grey and set(np.unique(bits.frame)) == {0, 255}
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    for format in ("PNG", "GIF"):
        assert np.array_equal(read_picture(saved(palette, format)).frame[..., ::-1], np.asarray(palette.convert("RGB")))
    cmyk = read_picture(saved(image.convert("CMYK"), "TIFF", icc_profile=SRGB.replace(b"RGB ", b"CMYK", 1)))
    assert np.array_equal(cmyk.frame[..., ::-1], small) and cmyk.profile == b""
    both = read_picture(saved(np.dstack([grey, 255 - grey]), "PNG"))
    assert both.grey and np.array_equal(both.frame[..., 2], grey) and np.array_equal(both.alpha, 255 - grey)
    keyed = read_picture(saved(grey, "PNG", transparency=int(grey[0, 0])))
    assert keyed.grey and np.array_equal(keyed.alpha == 0, grey == grey[0, 0])


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_read_whole(deep, suffix):
    colours = read_picture(encoded(suffix, deep))
    assert np.array_equal(colours.deep, deep[..., :3]) and np.array_equal(colours.alpha, deep[..., 3])
    assert np.array_equal(colours.frame, deep[..., :3] >> 8) and colours.white == 65535 and not colours.grey
    grey = read_picture(encoded(suffix, deep[..., 0]))
    assert grey.grey and np.array_equal(grey.deep, deep[..., 0])
    assert np.array_equal(grey.frame[..., 1], deep[..., 0] >> 8)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sixteen_bit_tiffs_of_all_kinds(deep, byteorder, compression):
    tifffile = pytest.importorskip("tifffile")

    def tiff(pixels, **options):
        data = io.BytesIO()
        tifffile.imwrite(data, pixels, byteorder=byteorder, compression=compression, **options)
        return data.getvalue()

    colours, grey = np.ascontiguousarray(deep[..., 2::-1]), np.ascontiguousarray(deep[..., 0])
    assert np.array_equal(read_picture(tiff(colours, photometric="rgb")).deep, deep[..., :3])
    assert np.array_equal(read_picture(tiff(colours, photometric="rgb", tile=(16, 16))).deep, deep[..., :3])
    assert np.array_equal(read_picture(tiff(grey)).deep, grey)
    if byteorder == "<":  # Pillow has none of these two in the other order
        assert np.array_equal(read_picture(tiff(colours, photometric="rgb", bigtiff=True)).deep, deep[..., :3])
        assert np.array_equal(read_picture(tiff(65535 - grey, photometric="miniswhite")).deep, grey)
    with pytest.raises(SourceError, match="separate planes"):
        read_picture(tiff(np.moveaxis(colours, 2, 0), photometric="rgb", planarconfig="separate"))
    for values in (np.float32, np.int32, np.int16):
        with pytest.raises(SourceError, match="save it with 8 or 16 bits"):
            read_picture(tiff(grey.astype(values)))


def test_a_telephones_further_pictures_are_left_behind(small):
    data = saved(small, "MPO", save_all=True, append_images=[Image.fromarray(255 - small)])
    picture = read_picture(data)
    assert np.abs(picture.frame[..., ::-1].astype(int) - small).mean() < 12


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(small, format):
    data = saved(small, format, save_all=True, append_images=[Image.fromarray(255 - small)])
    with pytest.raises(SourceError, match="convert it to a video first"):
        read_picture(data)


def test_pages_are_read_one_by_one_without_their_previews(tmp_path, astronaut):
    path = tiff_pages(tmp_path, astronaut)
    with pytest.raises(SourceError, match="has 3 pages"):
        read_picture(path)
    first, second, third = read_pictures(path)
    assert np.array_equal(first.frame, astronaut) and np.array_equal(second.frame, astronaut[:, ::-1])
    assert third.grey and np.array_equal(third.frame[..., 1], astronaut[..., 0])


def test_a_raw_picture_of_a_camera_is_refused(tmp_path, small):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "raw.dng"
    tifffile.imwrite(str(path), small, subfiletype=1)
    with pytest.raises(SourceError, match="nothing but previews"):
        read_picture(path)
    tifffile.imwrite(str(path), small, extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    with pytest.raises(SourceError, match="raw picture"):
        read_picture(path)


def chunk(kind, data):
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


@pytest.mark.parametrize("width, height", [(60000, 60000), (20000, 20000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(width, height, monkeypatch):
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", lambda self: pytest.fail("decoded"))
    header = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
    with pytest.raises(SourceError, match="%d x %d pixels; more than .* scale it down" % (width, height)):
        read_picture(data + chunk(b"IEND", b""))


def test_a_picture_beyond_pillows_limit_is_read(monkeypatch, small):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_picture(saved(small, "PNG")).frame.shape == (48, 64, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "PPM"])
def test_a_truncated_file_is_refused(small, format):
    data = saved(small, format)
    with pytest.raises(SourceError, match="x.jpg is not a picture that can be decoded: it is damaged or incomplete"):
        read_picture(data[: len(data) * 2 // 3], "x.jpg")


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "is empty"),
        (b"no picture at all", "it is not a JPEG, PNG"),
        (b"\xff\xd8\xff\xe0", "it is not a JPEG, PNG"),
        (b"\0\0\0\x18ftyphevc", "an animation"),
    ],
)
def test_content_that_is_no_picture(data, reason):
    with pytest.raises(SourceError, match=reason):
        read_picture(data)


def test_what_cannot_be_opened(tmp_path, monkeypatch):
    with pytest.raises(SourceError, match="none.png cannot be read: No such file"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(SourceError, match="it is not a file"):
        read_picture(tmp_path)
    os.mkfifo(str(tmp_path / "pipe"))
    with pytest.raises(SourceError, match="it is not a file"):
        read_picture(tmp_path / "pipe")
    closed = tmp_path / "closed.png"
    closed.write_bytes(b"x")
    closed.chmod(0)
    if not os.access(str(closed), os.R_OK):  # root may read everything
        with pytest.raises(SourceError, match="closed.png cannot be read: Permission denied"):
            read_picture(closed)


def test_a_name_of_two_lines_is_one_line(tmp_path, small):
    path = tmp_path / "two\nlines.png"
    for content in (b"", b"no picture", saved(small, "PNG")[:300]):
        path.write_bytes(content)
        with pytest.raises(SourceError) as caught:
            read_picture(path)
        assert "\n" not in str(caught.value) and "two\\nlines.png" in str(caught.value)


def mutated(data, generator):
    """``data`` cut short or with some bytes changed, in the header more often than elsewhere."""
    data = np.frombuffer(data, np.uint8).copy()
    kind = generator.integers(4)
    if kind == 0:
        return data[: generator.integers(len(data))].tobytes()
    start, end = [(0, min(len(data), 300)), (0, len(data)), (max(0, len(data) - 300), len(data))][kind - 1]
    places = generator.integers(start, end, generator.integers(1, 8))
    data[places] = generator.integers(0, 256, len(places))
    return data.tobytes()


def test_damaged_files_give_a_picture_or_a_source_error(small, deep, capfd, recwarn):
    exif = camera_exif(saved(small, "JPEG"))
    image = Image.fromarray(small)
    files = [
        saved(image, "JPEG", exif=exif, icc_profile=SRGB),
        saved(image, "JPEG", progressive=True),
        saved(image, "PNG", exif=exif, icc_profile=SRGB),
        saved(image.convert("P"), "PNG"),
        encoded(".png", deep),
        encoded(".tiff", deep),
        saved(image, "TIFF", exif=exif),
        saved(image, "TIFF", compression="tiff_lzw"),
        saved(image.convert("1"), "TIFF", compression="group4"),
        saved(image, "TIFF", save_all=True, append_images=[image, image]),
        saved(image, "WEBP", exif=exif),
        saved(image, "WEBP", lossless=True),
    ]
    generator = np.random.default_rng(20)
    read = refused = 0
    for number in range(600):
        try:
            for picture in read_pictures(mutated(files[number % len(files)], generator)):
                assert picture.frame.dtype == np.uint8 and picture.frame.ndim == 3 and picture.frame.shape[2] == 3
                for array in (picture.alpha, picture.deep):
                    assert array is None or array.shape[:2] == picture.frame.shape[:2]
            read += 1
        except SourceError as error:
            assert "\n" not in str(error)
            refused += 1
    assert read > 50 and refused > 50
    assert capfd.readouterr().err == "" and not recwarn.list
