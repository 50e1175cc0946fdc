"""Still pictures that are written: what each format keeps, what is stripped, and outputs that cannot be written."""

import errno
import io
import stat
import sys

import cv2
import numpy as np
import pytest
from picture_samples import SRGB, encoded, opened, saved, tiff_pages
from PIL import PngImagePlugin

from emomask import Box
from emomask.errors import SinkError, SourceError
from emomask.media.picture import Picture
from emomask.media.picture_reader import is_picture, read_picture, read_pictures
from emomask.media.picture_writer import write_picture, write_pictures
from emomask.media.suffixes import PICTURES

BOX = Box(20.0, 10.0, 44.0, 30.0)


def written(picture, image, boxes, format, **options):
    data = io.BytesIO()
    write_picture(picture, image, boxes, data, format, **options)
    return data.getvalue()


def blackened(picture, box=BOX):
    image = picture.frame.copy()
    image[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = 0
    return image


def outside(shape, box=BOX):
    mask = np.ones(shape[:2], bool)
    mask[int(box.top) : int(box.bottom), int(box.left) : int(box.right)] = False
    return mask


@pytest.mark.parametrize("suffix", PICTURES)
def test_a_suffix_names_the_format(small, tmp_path, suffix):
    if PICTURES[suffix] == "HEIC":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / ("out" + suffix.upper())
    write_picture(read_picture(saved(small, "PNG")), np.ascontiguousarray(small[..., ::-1]), [], path)
    assert opened(path.read_bytes()).format == {"HEIC": "HEIF", "WebP": "WEBP"}.get(PICTURES[suffix], PICTURES[suffix])


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
    with pytest.raises(SinkError, match=r"needs pillow-heif: pip install 'emomask\[heif\]'"):
        write_picture(read_picture(saved(small, "PNG")), small, [], tmp_path / "a.heic")
    assert not list(tmp_path.iterdir())


def test_grey_with_alpha_and_sixteen_bits(deep):
    grey = Picture(
        cv2.cvtColor((deep[..., 0] >> 8).astype(np.uint8), cv2.COLOR_GRAY2BGR),
        grey=True,
        alpha=deep[..., 1],
        deep=deep[..., 0],
    )
    again = read_picture(written(grey, grey.frame, [], "png"))
    assert again.grey and np.array_equal(again.deep, grey.deep) and np.array_equal(again.alpha, grey.alpha)


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


def test_several_pages_are_one_picture_nowhere_else(tmp_path, astronaut):
    path = tiff_pages(tmp_path, astronaut)
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


def test_a_name_of_two_lines_is_one_line(tmp_path, small):
    with pytest.raises(SinkError) as caught:
        write_picture(read_picture(saved(small, "PNG")), small, [], tmp_path / "no\nfolder" / "a.png")
    assert "\n" not in str(caught.value) and "no\\nfolder" in str(caught.value)


def test_the_file_is_as_any_new_file(tmp_path, small):
    write_picture(read_picture(saved(small, "PNG")), small, [], tmp_path / "out.png")
    (tmp_path / "plain").write_bytes(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("out.png", "plain")]
    assert modes[0] == modes[1] and len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_leaves_the_former_file_alone(small_disk):
    output = small_disk / "out.png"
    output.write_bytes(b"former")
    noise = np.random.default_rng(1).integers(0, 256, (512, 512, 3), np.uint8)
    with pytest.raises(SinkError, match="out.png cannot be written: the disk is full; make room"):
        write_picture(Picture(noise), noise, [], output)
    assert [entry.name for entry in small_disk.iterdir()] == ["out.png"] and output.read_bytes() == b"former"


def test_outputs_that_are_refused(tmp_path, small):
    picture = read_picture(saved(small, "PNG"))
    with pytest.raises(SinkError, match="there is no folder .*; create it"):
        write_picture(picture, small, [], tmp_path / "none" / "out.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(SinkError, match="it is a folder"):
        write_picture(picture, small, [], tmp_path / "folder.png")
    with pytest.raises(SinkError, match="A picture is written as .*out.gif is not"):
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
    with pytest.raises(SinkError, match="A picture is written as"):
        write_picture(picture, picture.frame, [], pipe)
