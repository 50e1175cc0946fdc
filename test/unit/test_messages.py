"""Messages to arrays and back: colour order, padding, byte order, bit depth, and what must be refused."""

import struct
import zlib
from io import BytesIO

import cv2
import numpy as np
import pytest

pytest.importorskip("cv_bridge", reason="needs the ROS package cv_bridge")
pytest.importorskip("emomask.msg", reason="needs the messages of emomask, which catkin_make builds")

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emomask.errors import FrameError
from emomask.faces import EMOTIONS, Box, Face
from emomask.nodes import messages


@pytest.fixture
def picture():
    """A smooth BGR picture (64, 96, 3) whose channels differ, so that a swap shows and a codec loses little."""
    rows, columns = np.mgrid[0:64, 0:96]
    return np.dstack([40 + columns, 60 + rows * 2, 250 - columns]).astype(np.uint8)


def message(pixels, encoding, step=None, big=False):
    """An Image message of ``pixels`` (H, W) or (H, W, C), its rows padded with noise up to ``step`` bytes."""
    height, width = pixels.shape[:2]
    pixels = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<"))
    rows = np.frombuffer(pixels.tobytes(), np.uint8).reshape(height, -1)
    if step:
        noise = np.random.default_rng(0).integers(0, 255, (height, step - rows.shape[1]), dtype=np.uint8)
        rows = np.hstack([rows, noise])
    return Image(
        height=height, width=width, encoding=encoding, is_bigendian=big, step=rows.shape[1], data=rows.tobytes()
    )


def with_alpha(picture):
    return np.dstack([picture, np.full(picture.shape[:2], 9, np.uint8)])


def grey(picture):
    return cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)


def mosaic(picture, pattern):
    """What a Bayer sensor with this 2x2 pattern ('rggb') sees of the BGR picture."""
    seen = np.empty(picture.shape[:2], np.uint8)
    for index, colour in enumerate(pattern):
        y, x = divmod(index, 2)
        seen[y::2, x::2] = picture[y::2, x::2, "bgr".index(colour)]
    return seen


def packed_yuv(picture, luma_first):
    """4:2:2 pixels (H, W, 2), BT.601 with the limited range that the formats prescribe."""
    blue, green, red = (picture[:, :, channel].astype(float) for channel in range(3))
    y = 16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256
    u = 128 + (-37.945 * red - 74.494 * green + 112.439 * blue) / 256
    v = 128 + (112.439 * red - 94.154 * green - 18.285 * blue) / 256
    chroma = np.where(np.arange(picture.shape[1]) % 2 == 0, u, v)
    chroma[:, 1::2] = v[:, 0::2]
    order = [y, chroma] if luma_first else [chroma, y]
    return np.dstack(order).round().astype(np.uint8)


@pytest.mark.parametrize("encoding", ["bgr8", "8UC3"])
def test_bgr(picture, encoding):
    array = messages.image_to_array(message(picture, encoding))
    np.testing.assert_array_equal(array, picture)
    array[:] = 0  # a copy of its own, writable


@pytest.mark.parametrize(
    "encoding, pixels",
    [
        ("rgb8", lambda p: p[:, :, ::-1]),
        ("bgra8", with_alpha),
        ("8UC4", with_alpha),
        ("rgba8", lambda p: with_alpha(p[:, :, ::-1])),
        ("bgr16", lambda p: p.astype(np.uint16) * 257),
        ("16UC3", lambda p: p.astype(np.uint16) * 257),
        ("rgb16", lambda p: p[:, :, ::-1].astype(np.uint16) * 257),
        ("bgra16", lambda p: with_alpha(p).astype(np.uint16) * 257),
        ("rgba16", lambda p: with_alpha(p[:, :, ::-1]).astype(np.uint16) * 257),
    ],
)
@pytest.mark.parametrize("padding", [0, 7, 64])
def test_colour_encodings(picture, encoding, pixels, padding):
    pixels = pixels(picture)
    step = padding and pixels.nbytes // pixels.shape[0] + padding
    array = messages.image_to_array(message(pixels, encoding, step))
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, picture)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
@pytest.mark.parametrize("step", [None, 96 + 32])
def test_mono(picture, encoding, step):
    array = messages.image_to_array(message(grey(picture), encoding, step))
    np.testing.assert_array_equal(array, np.dstack([grey(picture)] * 3))


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("step", [None, 96 * 2 + 10])
def test_16_bits_are_scaled_by_the_depth_in_use(picture, encoding, bits, big, step):
    wide = grey(picture).astype(np.uint16) << (bits - 8)
    wide[0, 0] = (1 << bits) - 1
    expected = grey(picture)
    expected[0, 0] = 255
    array = messages.image_to_array(message(wide, encoding, step, big))
    np.testing.assert_array_equal(array[:, :, 1], expected)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits, big", [(8, False), (16, False), (16, True)])
@pytest.mark.parametrize("padding", [0, 20])
def test_bayer(picture, pattern, bits, big, padding):
    pixels = mosaic(picture, pattern)
    if bits == 16:
        pixels = pixels.astype(np.uint16) * 257
    step = padding and 96 * bits // 8 + padding
    array = messages.image_to_array(message(pixels, "bayer_%s%d" % (pattern, bits), step, big))
    inner = np.abs(array.astype(int) - picture)[2:-2, 2:-2]
    assert inner.max() <= 3


@pytest.mark.parametrize(
    "encoding, luma_first", [("yuv422", False), ("uyvy", False), ("yuv422_yuy2", True), ("yuyv", True)]
)
@pytest.mark.parametrize("padding", [0, 8])
def test_yuv422(picture, encoding, luma_first, padding):
    step = padding and 96 * 2 + padding
    array = messages.image_to_array(message(packed_yuv(picture, luma_first), encoding, step))
    assert np.abs(array.astype(int) - picture).max() <= 4


def test_step_zero_counts_as_unpadded(picture):
    image = message(picture, "bgr8")
    image.step = 0
    np.testing.assert_array_equal(messages.image_to_array(image), picture)


def test_the_last_row_may_lack_its_padding(picture):
    image = message(picture, "bgr8", 96 * 3 + 10)
    image.data = image.data[:-10]
    np.testing.assert_array_equal(messages.image_to_array(image), picture)


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"data": b""}, "truncated"),
        ({"data": bytes(64 * 96 * 3 - 1)}, "truncated"),
        ({"height": 65}, "truncated"),
        ({"height": 0}, "empty"),
        ({"width": 0}, "empty"),
        ({"step": 96 * 3 - 1}, "step"),
        ({"width": 97}, "step"),
        ({"height": 2**32 - 1, "width": 2**32 - 1}, "larger"),
        ({"encoding": ""}, "not known"),
        ({"encoding": "no_such_encoding"}, "not known"),
        ({"encoding": "8UC99999999999"}, "encoding"),
        ({"encoding": "32FC1", "step": 0}, "32FC1"),
        ({"encoding": "64FC1", "step": 0}, "64FC1"),
        ({"encoding": "16SC1", "step": 0}, "16SC1"),
        ({"encoding": "8UC2", "step": 0}, "8UC2"),
    ],
)
def test_malformed_images_are_refused_in_one_line(picture, changes, text):
    image = message(picture, "bgr8")
    for name, value in changes.items():
        setattr(image, name, value)
    with pytest.raises(FrameError, match=text) as raised:
        messages.image_to_array(image)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("encoding", ["bayer_rggb8", "yuv422", "yuv422_yuy2", "bgra8", "mono16", "rgb8"])
@pytest.mark.parametrize("height, width", [(1, 1), (1, 2), (2, 1), (3, 3)])
def test_tiny_images_are_converted_or_refused(encoding, height, width):
    image = Image(height=height, width=width, encoding=encoding, data=bytes(range(height * width * 4)))
    try:
        assert messages.image_to_array(image).shape == (height, width, 3)
    except FrameError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "encoding, expected",
    [("bgr8", lambda p: p), ("rgb8", lambda p: p), ("mono8", lambda p: np.dstack([grey(p)] * 3))],
)
def test_array_to_image_and_back(picture, encoding, expected):
    header = Header(seq=7, frame_id="camera_optical_frame")
    header.stamp.secs, header.stamp.nsecs = 12, 345
    image = messages.array_to_image(picture, header, encoding)
    assert (image.width, image.height, image.encoding) == (96, 64, encoding)
    assert image.step * image.height == len(image.data)
    assert image.header is not header
    assert (image.header.stamp, image.header.frame_id) == (header.stamp, header.frame_id)
    np.testing.assert_array_equal(messages.image_to_array(image), expected(picture))


def test_array_to_image_takes_views_and_refuses_other_encodings(picture):
    view = picture[::2, ::2]
    np.testing.assert_array_equal(messages.image_to_array(messages.array_to_image(view, Header())), view)
    with pytest.raises(FrameError, match="bgr8, rgb8, mono8"):
        messages.array_to_image(picture, Header(), "yuv422")


def test_cv_bridge_reads_our_images_alike(picture):
    image = messages.array_to_image(picture, Header(), "rgb8")
    np.testing.assert_array_equal(messages.CvBridge().imgmsg_to_cv2(image, "bgr8"), picture)


def test_array_to_compressed_and_back(picture):
    header = Header(frame_id="camera")
    header.stamp.secs = 5
    image = messages.array_to_compressed(picture, header, 95)
    assert image.format == "jpeg"
    assert image.header is not header and image.header.stamp.secs == 5 and image.header.frame_id == "camera"
    assert np.abs(messages.compressed_to_array(image).astype(int) - picture).max() < 12
    assert len(messages.array_to_compressed(picture, header, 10).data) < len(image.data)


def compressed(pixels, extension=".png", form="png"):
    return CompressedImage(format=form, data=cv2.imencode(extension, pixels)[1].tobytes())


@pytest.mark.parametrize(
    "pixels, form, expected",
    [
        (lambda p: p, "png", lambda p: p),
        (lambda p: p, "bgr8; png compressed bgr8", lambda p: p),
        (lambda p: p, "rgb8; png compressed bgr8", lambda p: p),
        (lambda p: p[:, :, ::-1], "rgb8; png compressed rgb8", lambda p: p),
        (with_alpha, "png", lambda p: p),
        (grey, "mono8; png compressed ", lambda p: np.dstack([grey(p)] * 3)),
        (lambda p: grey(p).astype(np.uint16) << 4, "mono16; png compressed ", lambda p: np.dstack([grey(p)] * 3)),
        (lambda p: p.astype(np.uint16) * 257, "png", lambda p: p),
    ],
)
def test_compressed_png(picture, pixels, form, expected):
    array = messages.compressed_to_array(compressed(pixels(picture), form=form))
    np.testing.assert_array_equal(array, expected(picture))


@pytest.mark.parametrize("pattern", ["rggb", "gbrg"])
def test_compressed_bayer_pattern_is_honoured(picture, pattern):
    image = compressed(mosaic(picture, pattern), form="bayer_%s8; png compressed " % pattern)
    inner = np.abs(messages.compressed_to_array(image).astype(int) - picture)[2:-2, 2:-2]
    assert inner.max() <= 3


@pytest.mark.parametrize("progressive", [0, 1])
def test_compressed_jpeg_of_either_kind(picture, progressive):
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes()
    array = messages.compressed_to_array(CompressedImage(format="jpeg", data=data))
    assert np.abs(array.astype(int) - picture).max() < 16


def test_a_truncated_jpeg_is_refused_or_keeps_its_first_part(picture):
    image = compressed(picture, ".jpg", "jpeg")
    image.data = image.data[: len(image.data) * 3 // 4]
    try:
        array = messages.compressed_to_array(image)
    except FrameError:  # OpenCV 4.11; 4.6 decodes what there is
        return
    assert array.shape == picture.shape
    assert np.abs(array[:16].astype(int) - picture[:16]).max() < 16


def png_header(width, height):
    """A PNG that announces ``width`` x ``height`` pixels and holds a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + start + chunk(b"IDAT", zlib.compress(bytes(10000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data, text",
    [
        (b"", "neither"),
        (b"not a picture", "neither"),
        (b"\xff\xd8", "neither"),
        (b"\xff\xd8\xff\xe0\x00\x00" * 100, "neither"),
        (b"\xff\xd8" + b"\xff" * 1000, "neither"),
        (b"\x89PNG\r\n\x1a\n", "neither"),
        (b"GIF89a" + bytes(100), "neither"),
        (png_header(65000, 65000), "larger"),
        (png_header(0, 10), "empty"),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(100), "larger"),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03" + bytes(100), "decoded"),
        (b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 10, 10) + bytes(50), "decoded"),
    ],
)
def test_damaged_compressed_images_are_refused_in_one_line(data, text):
    with pytest.raises(FrameError, match=text) as raised:
        messages.compressed_to_array(CompressedImage(format="jpeg", data=data))
    assert "\n" not in str(raised.value)


def test_damaged_bytes_never_raise_anything_but_frame_error(picture):
    rng = np.random.default_rng(3)
    for extension in (".jpg", ".png"):
        data = np.frombuffer(cv2.imencode(extension, picture)[1].tobytes(), np.uint8)
        for _ in range(150):
            broken = data.copy()
            broken[rng.integers(0, len(data), 8)] = rng.integers(0, 256, 8)
            broken = broken[: rng.integers(1, len(data) + 1)]
            try:
                array = messages.compressed_to_array(CompressedImage(format="jpeg", data=broken.tobytes()))
            except FrameError:
                continue
            assert array.dtype == np.uint8 and array.ndim == 3 and array.shape[2] == 3


def test_faces_message():
    landmarks = np.arange(136, dtype=np.float32).reshape(68, 2)
    probabilities = np.array([0.05, 0.05, 0.1, 0.6, 0.1, 0.05, 0.05], np.float32)
    seen = Face(Box(1, 2, 30, 40), landmarks, 0.75, "happy", probabilities, 3, Box(0, 1, 35, 45))
    held = Face(Box(5, 6, 7, 8), landmarks, 0.5, held=True, track_id=4)
    header = Header(frame_id="camera")
    header.stamp.nsecs = 99
    sent = messages.faces_to_message([seen, held], header)
    received = over_the_wire(sent)
    assert received.header.stamp.nsecs == 99 and received.header.frame_id == "camera"
    first, second = received.faces
    assert (first.track_id, first.score, first.emotion, first.held) == (3, 0.75, "happy", False)
    assert first.emotion in EMOTIONS
    np.testing.assert_allclose(first.probabilities, probabilities)
    assert [first.box.left, first.box.top, first.box.right, first.box.bottom] == [1, 2, 30, 40]
    assert [first.covered.left, first.covered.top, first.covered.right, first.covered.bottom] == [0, 1, 35, 45]
    np.testing.assert_array_equal([[point.x, point.y] for point in first.landmarks], landmarks)
    assert second.held and second.covered.right == 0
    assert over_the_wire(messages.faces_to_message([], header)).faces == []


def over_the_wire(sent):
    buffer = BytesIO()
    sent.serialize(buffer)
    return type(sent)().deserialize(buffer.getvalue())


def test_check_cv_bridge_passes_here():
    messages.check_cv_bridge()


@pytest.mark.parametrize(
    "failure", [AttributeError("_ARRAY_API not found"), ImportError("PyInit\nfailed"), SystemError("x")]
)
def test_check_cv_bridge_names_the_remedy(monkeypatch, failure):
    class Broken(messages.CvBridge):
        def imgmsg_to_cv2(self, *_):
            raise failure

    monkeypatch.setattr(messages, "_bridge", Broken())
    with pytest.raises(messages.CvBridgeUnusable, match='"numpy<2" "opencv-python<4.12"') as raised:
        messages.check_cv_bridge()
    assert "\n" not in str(raised.value)


BOX = Box(20.4, 10, 41, 31.5)  # with an odd edge and fractions


def inside(shape, grown=0):
    """A boolean mask of the pixels in ``BOX``, which covering may grow by a pixel where two columns share colours."""
    mask = np.zeros(shape[:2], bool)
    mask[10 - grown : 32 + grown, 20 - grown : 41 + grown] = True
    return mask


@pytest.mark.parametrize(
    "encoding, pixels, tolerance",
    [
        ("bgr8", lambda p: p, 0),
        ("8UC3", lambda p: p, 0),
        ("rgb8", lambda p: p[:, :, ::-1], 0),
        ("bgra8", with_alpha, 0),
        ("rgba8", lambda p: with_alpha(p[:, :, ::-1]), 0),
        ("mono8", grey, None),
        ("mono16", lambda p: grey(p).astype(np.uint16) * 16, None),
        ("bgr16", lambda p: p.astype(np.uint16) * 257, 0),
        ("rgba16", lambda p: with_alpha(p[:, :, ::-1]).astype(np.uint16) * 257, 0),
        ("bayer_rggb8", lambda p: mosaic(p, "rggb"), 2),
        ("bayer_gbrg8", lambda p: mosaic(p, "gbrg"), 2),
        ("bayer_grbg16", lambda p: mosaic(p, "grbg").astype(np.uint16) * 257, 2),
        ("yuv422", lambda p: packed_yuv(p, False), 4),
        ("yuyv", lambda p: packed_yuv(p, True), 4),
    ],
)
@pytest.mark.parametrize("padding, big", [(0, False), (6, True)])
def test_covering_keeps_the_encoding_and_all_other_pixels(picture, encoding, pixels, tolerance, padding, big):
    pixels = pixels(picture)
    before = message(pixels, encoding, padding and pixels[0].nbytes + padding, big)
    after = over_the_wire(before)
    masked = picture.copy()
    masked[10:32, 20:41] = (30, 130, 200)
    messages.cover_image(after, masked, [BOX])

    for name in ("header", "height", "width", "encoding", "is_bigendian", "step"):
        assert getattr(after, name) == getattr(before, name)
    rows = [np.frombuffer(image.data, np.uint8).reshape(64, -1) for image in (before, after)]
    size = pixels[0].nbytes
    assert not rows[1][:, size:].any()
    outside = ~inside(picture.shape, grown=1)
    unchanged = [part[:, :size].reshape(64, 96, -1)[outside] for part in rows]
    np.testing.assert_array_equal(*unchanged)

    shown = messages.image_to_array(after)[12:30, 22:39].astype(int)
    expected = np.array((30, 130, 200))
    if tolerance is None:
        expected, tolerance = grey(np.full((1, 1, 3), (30, 130, 200), np.uint8))[0, 0].astype(int), 0
    assert np.abs(shown - expected).max() <= tolerance


@pytest.mark.parametrize("extension, form", [(".png", "png"), (".jpg", "bgr8; jpeg compressed bgr8")])
def test_covering_a_compressed_image(picture, extension, form):
    image = compressed(picture, extension, form)
    image.header.seq = 5
    masked = picture.copy()
    masked[10:32, 20:41] = (30, 130, 200)
    messages.cover_compressed(image, messages.decode(image), masked, [BOX])
    assert (image.format, image.header.seq) == (form, 5)
    tolerance = 0 if extension == ".png" else 40
    assert np.abs(messages.compressed_to_array(image).astype(int) - masked).max() <= tolerance


@pytest.mark.parametrize(
    "pixels, form",
    [
        (lambda p: grey(p).astype(np.uint16) * 3, "mono16; png compressed "),
        (with_alpha, "png"),
        (lambda p: p[:, :, ::-1], "rgb8; png compressed rgb8"),
        (lambda p: mosaic(p, "rggb"), "bayer_rggb8; png compressed "),
    ],
)
def test_a_png_keeps_its_depth_and_its_other_pixels(picture, pixels, form):
    image = compressed(pixels(picture), form=form)
    messages.cover_compressed(image, messages.decode(image), np.zeros_like(picture), [BOX])
    after = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_UNCHANGED)
    outside = ~inside(picture.shape, grown=1)
    assert after.dtype == pixels(picture).dtype
    np.testing.assert_array_equal(after[outside], pixels(picture)[outside])
    assert not messages.compressed_to_array(image)[12:30, 22:39].any()


def test_covering_drops_what_else_a_jpeg_holds(picture):
    image = compressed(picture, ".jpg", "jpeg")
    thumbnail = b"Exif\0\0 a thumbnail"
    image.data = image.data[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + image.data[2:]
    messages.cover_compressed(image, messages.decode(image), picture, [])
    assert b"thumbnail" not in image.data
