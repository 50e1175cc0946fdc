"""Still pictures: what is read, what is kept, what is stripped, and what becomes of damaged files."""

import errno
import io
import os
import stat
import struct
import sys
import warnings
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from emomask import Box, Settings
from emomask.cli import main
from emomask.errors import SinkError, SourceError
from emomask.masker import Masker
from emomask.media import pictures
from emomask.media.pictures import Picture, is_picture, read_picture, read_pictures, write_picture, write_pictures
from emomask.offline.files import mask_file

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
BOX = Box(20.0, 10.0, 44.0, 30.0)


@pytest.fixture(scope="module")
def small(astronaut):
    """uint8 48 x 64 x 3 RGB, of many colours."""
    return np.ascontiguousarray(cv2.resize(astronaut, (64, 48), interpolation=cv2.INTER_AREA)[..., ::-1])


@pytest.fixture(scope="module")
def deep():
    """uint16 48 x 64 x 4, smooth, all bits in use."""
    noise = np.random.default_rng(5).integers(0, 65536, (48, 64, 4)).astype(np.uint16)
    values = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3).astype(np.float64), None, 0, 65535, cv2.NORM_MINMAX)
    return values.astype(np.uint16)


def saved(image, format, **options):
    data = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(data, format, **options)
    return data.getvalue()


def encoded(suffix, pixels):
    """A file as OpenCV writes it, which knows 16-bit colours; ``pixels`` BGR(A)."""
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return data.tobytes()


def written(picture, image, boxes, format, **options):
    data = io.BytesIO()
    write_picture(picture, image, boxes, data, format, **options)
    return data.getvalue()


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def blackened(picture, box=BOX):
    image = picture.frame.copy()
    image[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = 0
    return image


def outside(shape, box=BOX):
    mask = np.ones(shape[:2], bool)
    mask[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = False
    return mask


def is_covered(before, after, face):
    left, top, right, bottom = face
    different = np.abs(before.astype(int) - after.astype(int)).max(axis=2) > 12
    return different[top:bottom, left:right].mean() > 0.85


# Reading


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


def test_a_heic_is_read_and_written(small, tmp_path):
    pytest.importorskip("pillow_heif")
    path = tmp_path / "photo.heic"
    picture = read_picture(saved(np.dstack([small, np.full(small.shape[:2], 255, np.uint8)]), "PNG"))
    write_picture(picture, picture.frame, [BOX], path)
    assert is_picture(path)
    again = read_picture(path)
    assert np.abs(again.frame.astype(int) - picture.frame).mean() < 8 and again.exif == b""


def test_a_heic_without_its_library_is_one_line(monkeypatch, small, tmp_path):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(SourceError, match=r"needs pillow-heif: pip install 'emomask\[heif\]'"):
        read_picture(b"\0\0\0\x18ftypheic" + bytes(100), "a.heic")
    with pytest.raises(SinkError, match="needs pillow-heif"):
        write_picture(read_picture(saved(small, "PNG")), small, [], tmp_path / "a.heic")
    assert not list(tmp_path.iterdir())


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
    again = opened(written(picture, picture.frame, [], "png", keep_metadata=True))
    assert again.size == upright.shape[1::-1] and again.getexif()[274] == 1


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


def test_grey_with_alpha_and_sixteen_bits(deep):
    grey = Picture(
        cv2.cvtColor((deep[..., 0] >> 8).astype(np.uint8), cv2.COLOR_GRAY2BGR),
        grey=True,
        alpha=deep[..., 1],
        deep=deep[..., 0],
    )
    again = read_picture(written(grey, grey.frame, [], "png"))
    assert again.grey and np.array_equal(again.deep, grey.deep) and np.array_equal(again.alpha, grey.alpha)


def test_a_telephones_further_pictures_are_left_behind(small):
    data = saved(small, "MPO", save_all=True, append_images=[Image.fromarray(255 - small)])
    picture = read_picture(data)
    assert np.abs(picture.frame[..., ::-1].astype(int) - small).mean() < 12
    assert written(picture, picture.frame, [], "jpg").count(b"\xff\xd8\xff") == 1


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(small, tmp_path, format):
    path = tmp_path / ("a." + format.lower())
    path.write_bytes(saved(small, format, save_all=True, append_images=[Image.fromarray(255 - small)]))
    with pytest.raises(SourceError, match="convert it to a video first"):
        read_picture(path)
    with pytest.raises(SourceError, match="convert it to a video first"):
        mask_file(str(path), tmp_path / "out.png", Settings())
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


# Writing


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_stay_outside_the_boxes(deep, suffix, channels):
    values = deep[..., 0] if channels == 1 else deep[..., :channels]
    picture = read_picture(encoded(suffix, values))
    again = cv2.imdecode(np.frombuffer(written(picture, blackened(picture), [BOX], suffix), np.uint8), -1)
    clear = outside(deep.shape)
    assert again.dtype == np.uint16 and again.shape == values.shape
    assert np.array_equal(again[clear], values[clear])
    assert not (again[~clear][:, :3] if channels > 1 else again[~clear]).any()
    if channels == 4:
        assert (again[~clear][:, 3] == 65535).all()


def test_sixteen_bits_are_spread_over_the_covered_pixels(deep):
    picture = read_picture(encoded(".png", deep[..., :3]))
    image = picture.frame.copy()
    image[12:20, 22:30] = (1, 100, 254)
    again = cv2.imdecode(np.frombuffer(written(picture, image, [BOX], "png"), np.uint8), -1)
    assert (again[12:20, 22:30] == np.array([1, 100, 254]) * 257).all()
    # Within the box, but not under the mask: the low bits of the original are gone there as well.
    assert np.array_equal(again[25, 35], picture.frame[25, 35].astype(np.uint16) * 257)


def test_what_changed_beyond_the_boxes_counts_as_covered(deep):
    """A frame that could not be masked is pixelated as a whole and has no boxes."""
    picture = read_picture(encoded(".png", deep))
    again = cv2.imdecode(np.frombuffer(written(picture, 255 - picture.frame, [], "png"), np.uint8), -1)
    assert np.array_equal(again[..., :3] // 257, 255 - picture.frame) and (again[..., 3] == 65535).all()


def test_dark_sixteen_bit_pictures_are_masked(astronaut, astronaut_face, masker):
    """Twelve bits in sixteen: a viewer shows black, whoever stretches them sees the face."""
    values = astronaut.astype(np.uint16) << 4 | 15
    picture = read_picture(encoded(".png", values))
    assert picture.white == 4095
    masked = masker.process(picture.frame)
    assert len(masked.faces) == 1
    box = masked.faces[0].covered
    again = cv2.imdecode(np.frombuffer(written(picture, masked.image, [box], "png"), np.uint8), -1)
    clear = outside(again.shape, box)
    assert np.array_equal(again[clear], values[clear]) and again.max() <= 4095
    assert is_covered(astronaut, again >> 4, astronaut_face)


@pytest.mark.parametrize("format, tolerance", [("png", 0), ("tiff", 0), ("bmp", 0), ("ppm", 0), ("jpg", 4)])
def test_grey_stays_grey(small, format, tolerance):
    grey = small[..., 1]
    picture = read_picture(saved(grey, "PNG"))
    image = picture.frame.copy()
    image[12:20, 22:30] = (0, 0, 255)
    again = opened(written(picture, image, [BOX], format))
    assert again.mode == "L"
    clear = outside(small.shape)
    assert np.abs(np.asarray(again)[clear].astype(int) - grey[clear]).mean() <= tolerance
    assert abs(int(np.asarray(again)[16, 26]) - 76) <= 3 * tolerance  # red's share of grey


@pytest.mark.parametrize("format", ["png", "tiff", "webp"])
def test_alpha_is_kept_and_opaque_where_covered(small, format):
    alpha = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    picture = read_picture(saved(np.dstack([small, alpha]), "PNG"))
    again = np.asarray(opened(written(picture, blackened(picture), [BOX], format)))
    clear = outside(small.shape)
    assert np.array_equal(again[..., 3][clear], alpha[clear]) and (again[..., 3][~clear] == 255).all()
    if format != "webp":
        assert np.array_equal(again[..., :3][clear], small[clear])


def test_without_alpha_nothing_hidden_comes_to_light(small):
    alpha = np.full((48, 64), 255, np.uint8)
    alpha[:, :32] = 0
    picture = read_picture(saved(np.dstack([small, alpha]), "PNG"))
    again = np.asarray(opened(written(picture, blackened(picture), [BOX], "bmp")))
    clear = outside(small.shape)
    assert (again[clear & (alpha == 0)] == 255).all() and not again[~clear].any()
    assert np.array_equal(again[clear & (alpha == 255)], small[clear & (alpha == 255)])


@pytest.mark.parametrize("format", ["png", "jpg", "webp", "tiff"])
def test_the_colour_profile_is_kept_and_nothing_else(small, format):
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "secret words")
    text.add_itxt("XML:com.adobe.xmp", "secret packet")
    picture = read_picture(saved(small, "PNG", icc_profile=SRGB, pnginfo=text, dpi=(300, 300)))
    data = written(picture, picture.frame, [], format, keep_metadata=True)
    again = opened(data)
    assert again.info["icc_profile"] == SRGB
    assert b"secret" not in data and not {"comment", "Comment", "xmp", "exif"} & set(again.info)
    assert read_picture(data).profile == SRGB


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_files_hold_the_profile_too(deep, suffix):
    picture = read_picture(encoded(suffix, deep[..., :3]))
    picture.profile = SRGB
    data = written(picture, picture.frame, [], suffix)
    assert opened(data).info["icc_profile"] == SRGB and np.array_equal(read_picture(data).deep, picture.deep)


# Metadata


def camera_exif(thumbnail):
    """EXIF as a camera writes it: make, orientation 6, date, MakerNote, place, and a thumbnail (bytes of a JPEG)."""
    exif = Image.Exif()
    exif[271] = "Maker of cameras"
    exif[274] = 6
    exif[700] = b"<x:xmpmeta>secret packet"
    exif[34377] = b"8BIM secret resource"
    exif[34665] = {36867: "2024:05:06 07:08:09", 37500: b"secret note" * 30, 40962: 64, 40963: 48}
    exif[34853] = {1: "N", 2: (47.0, 22.0, 10.0)}
    data = bytearray(exif.tobytes()[6:])
    order = "<" if data[:2] == b"II" else ">"
    (count,) = struct.unpack_from(order + "H", data, 8)
    struct.pack_into(order + "L", data, 8 + 2 + 12 * count, len(data))
    start = len(data) + 2 + 2 * 12 + 4
    data += struct.pack(order + "H", 2)
    data += struct.pack(order + "HHLL", 513, 4, 1, start) + struct.pack(order + "HHLL", 514, 4, 1, len(thumbnail))
    return b"Exif\0\0" + bytes(data) + struct.pack(order + "L", 0) + thumbnail


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


# Pages


def tiff_pages(tmp_path, astronaut):
    """A TIFF of three pages, the first with a preview of it behind."""
    path = tmp_path / "pages.tif"
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(str(path)) as file:
        for page in (astronaut, astronaut[:, ::-1], astronaut[:, :, 0]):
            file.write(np.ascontiguousarray(page[..., ::-1] if page.ndim == 3 else page), compression="zlib")
            if page is astronaut:
                file.write(cv2.resize(page, (64, 64)), subfiletype=1)
    return path


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


def test_several_pages_are_one_picture_nowhere_else(tmp_path, astronaut):
    path = tiff_pages(tmp_path, astronaut)
    with pytest.raises(SourceError, match="has 3 pages"):
        read_picture(path)
    pages = [(page, page.frame, []) for page in read_pictures(path)]
    with pytest.raises(SinkError, match="only be written as TIFF"):
        write_pictures(pages, tmp_path / "out.png")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_an_error_in_a_later_page_leaves_nothing(tmp_path, small):
    picture = read_picture(saved(small, "PNG"))

    def pages():
        yield picture, picture.frame, []
        raise SourceError("the second page is damaged")

    with pytest.raises(SourceError, match="second page"):
        write_pictures(pages(), tmp_path / "out.tif")
    assert not list(tmp_path.iterdir())


# Transparency and failures, through the chain


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

    monkeypatch.setattr(Masker, "_picture", broken)
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


# Input that is not as it should be


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
    with pytest.raises(SinkError) as caught:
        write_picture(read_picture(saved(small, "PNG")), small, [], tmp_path / "no\nfolder" / "a.png")
    assert "\n" not in str(caught.value)


def test_a_raw_picture_of_a_camera_is_refused(tmp_path, small):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "raw.dng"
    tifffile.imwrite(str(path), small, subfiletype=1)
    with pytest.raises(SourceError, match="nothing but previews"):
        read_picture(path)
    tifffile.imwrite(str(path), small, extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    with pytest.raises(SourceError, match="raw picture"):
        read_picture(path)


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


# Output that cannot be written


def test_the_file_is_as_any_new_file(tmp_path, small):
    write_picture(read_picture(saved(small, "PNG")), small, [], tmp_path / "out.png")
    (tmp_path / "plain").write_bytes(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("out.png", "plain")]
    assert modes[0] == modes[1] and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "code, reason", [(errno.ENOSPC, "disk is full; make room"), (errno.EACCES, "permission denied; choose a folder")]
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_former_file_alone(tmp_path, small, monkeypatch, code, reason, call):
    output = tmp_path / "out.png"
    output.write_bytes(b"former")

    def fail(*arguments):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(pictures.os, call, fail)
    with pytest.raises(SinkError, match="out.png cannot be written: .*" + reason):
        write_picture(read_picture(saved(small, "PNG")), small, [], output)
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.png"] and output.read_bytes() == b"former"


def test_outputs_that_are_refused(tmp_path, small):
    picture = read_picture(saved(small, "PNG"))
    with pytest.raises(SinkError, match="there is no folder .*; create it"):
        write_picture(picture, small, [], tmp_path / "none" / "out.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SinkError, match="it is a folder"):
        write_picture(picture, small, [], tmp_path / "folder.png")
    with pytest.raises(SinkError, match="its suffix must be one of"):
        write_picture(picture, small, [], tmp_path / "out.gif")
    with pytest.raises(SinkError, match="cannot take its place"):
        write_picture(picture, small[1:], [], tmp_path / "out.png")
    wide = np.zeros((16, 16384, 3), np.uint8)
    with pytest.raises(SinkError, match="out.webp cannot be written"):
        write_picture(Picture(wide), wide, [], tmp_path / "out.webp")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.png"]


class Pipe(io.RawIOBase):
    """Takes bytes in order, as a pipe does, and may break."""

    def __init__(self, breaks=False):
        super().__init__()
        self.data, self.breaks = b"", breaks

    def write(self, data):
        if self.breaks:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.data += bytes(data)
        return len(data)


@pytest.mark.parametrize("format", ["png", "JPG", ".tiff"])
def test_a_stream_takes_the_picture(small, format):
    picture, pipe = read_picture(saved(small, "PNG")), Pipe()
    write_picture(picture, picture.frame, [], pipe, format)
    assert read_picture(pipe.data).frame.shape == picture.frame.shape
    with pytest.raises(SinkError, match="Broken pipe"):
        write_picture(picture, picture.frame, [], Pipe(breaks=True), format)
    with pytest.raises(SinkError, match="must be one of"):
        write_picture(picture, picture.frame, [], pipe)
