"""Messages to arrays and back: sensor_msgs images, compressed images, and the faces message."""

import math
import struct
import sys
from typing import Iterable, NamedTuple, Tuple

import cv2
import numpy as np
from cv_bridge import CvBridge
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emomask.errors import EmomaskError, FrameError
from emomask.faces import Box, Face

# rospy reads this many bytes before it applies queue_size; frames that are larger would otherwise queue in the socket.
BUFFER_SIZE = 2**24
# Pictures beyond this are refused before any memory is taken for them; 8K video has half as many pixels.
MAX_PIXELS = 1 << 26

# OpenCV type names say nothing about colour; read as what drivers mean by them. yuyv and uyvy are V4L2's names.
_SAME_AS = {
    "8UC1": "mono8",
    "8UC3": "bgr8",
    "8UC4": "bgra8",
    "16UC1": "mono16",
    "16UC3": "bgr16",
    "16UC4": "bgra16",
    "yuyv": "yuv422_yuy2",
    "uyvy": "yuv422",
}
# Done here because cv_bridge takes 1.4 ms for a 640x480 frame where these take 0.03 to 0.2 ms, and because the Python
# half of cv_bridge 1.16 does not know yuv422_yuy2. The rest goes through cv_bridge.
_DIRECT = {
    "bgr8": (3, None),
    "rgb8": (3, cv2.COLOR_RGB2BGR),
    "mono8": (1, cv2.COLOR_GRAY2BGR),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2BGR_YUY2),
}
_WRITTEN = {"bgr8": None, "rgb8": cv2.COLOR_BGR2RGB, "mono8": cv2.COLOR_BGR2GRAY}

# Rows y, u, v; columns b, g, r, 1: BT.601 with the limited range, as in the conversion to BGR.
_BGR_TO_YUV = np.array(
    [[0.098, 0.504, 0.257, 16], [0.439, -0.291, -0.148, 128], [-0.071, -0.368, 0.439, 128]], np.float64
)

_bridge = CvBridge()


class Decoded(NamedTuple):
    """What a CompressedImage message holds: ``pixels`` ``(H, W, C)``, uint8 or uint16, and their ``encoding``."""

    pixels: np.ndarray
    encoding: str


class CvBridgeUnusable(EmomaskError):
    """cv_bridge does not work in this Python environment."""


def check_cv_bridge() -> None:
    """Send a small picture through cv_bridge in both directions; raises CvBridgeUnusable with the remedy.

    With numpy 2 or an OpenCV built for it, cv_bridge imports without complaint and fails at the first frame.
    """
    picture = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    try:
        back = _bridge.imgmsg_to_cv2(_bridge.cv2_to_imgmsg(picture, "bgr8"), "rgb8")
    except Exception as error:  # AttributeError, TypeError, SystemError, ImportError: it depends on the versions
        reason = "%s: %s" % (type(error).__name__, _one_line(error))
    else:
        if np.array_equal(back, picture[:, :, ::-1]):
            return
        reason = "a picture came back changed"
    raise CvBridgeUnusable(
        "cv_bridge does not work with numpy %s and OpenCV %s (%s). Remedy: "
        '%s -m pip install "numpy<2" "opencv-python<4.12"' % (np.__version__, cv2.__version__, reason, sys.executable)
    )


def copied(header: Header) -> Header:
    """A new header with the same stamp and frame_id; publishing overwrites ``seq``, so headers must not be shared."""
    return Header(stamp=header.stamp, frame_id=header.frame_id)


def image_to_array(image: Image) -> np.ndarray:
    """The picture in an Image message as a new uint8 array ``(H, W, 3)``, BGR.

    Takes every encoding that holds a picture: bgr8, rgb8, bgra8, rgba8 (alpha dropped), mono8, their 16-bit forms,
    bayer_*, yuv422 (UYVY), yuv422_yuy2, and the OpenCV types 8UC1, 8UC3, 8UC4, 16UC1, 16UC3, 16UC4 (read as mono, BGR,
    BGRA). 16-bit values of either byte order are brought to 8 bits by the smallest of 8, 10, 12, 14 and 16 bits that
    holds the frame's greatest value, so that a 12-bit camera does not give a black picture. Padded rows (``step``) are
    honoured; ``step`` 0 counts as unpadded. Signed and floating-point encodings (depth, disparity) are refused: their
    range of brightness is not defined.

    Raises FrameError when the size, step, data or encoding do not make a picture.
    """
    return _to_bgr(*_pixels(image, image.data))


def compressed_to_array(image: CompressedImage) -> np.ndarray:
    """The picture in a CompressedImage message (JPEG or PNG) as a new uint8 array ``(H, W, 3)``, BGR.

    The pixel count is read from the file's header and checked before anything is decoded. Where ``format`` is the one
    that image_transport writes, its Bayer pattern and its channel order are honoured. A truncated JPEG is refused or
    gets a grey end, as the version of OpenCV decides. Raises FrameError for data that is not a JPEG or PNG picture.
    """
    return decoded_to_array(decode(image))


def decode(image: CompressedImage) -> Decoded:
    """The pixels of a message, for ``decoded_to_array`` and ``cover_compressed``. Raises FrameError as above."""
    width, height = _compressed_size(image.data)
    _check_size(width, height)
    try:
        pixels = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise FrameError("the compressed image cannot be decoded: %s" % _one_line(error)) from error
    if pixels is None:
        raise FrameError("the compressed image cannot be decoded: its JPEG or PNG data is damaged")
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    source, _, stored = image.format.partition(";")
    encoding = {1: "mono", 3: "bgr", 4: "bgra"}[channels]
    if channels == 1 and source.startswith("bayer_"):
        encoding = source.strip().rstrip("0123456789")
    elif channels == 3 and "compressed rgb" in stored:
        encoding = "rgb"
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], channels)
    return Decoded(pixels, encoding + str(8 * pixels.itemsize))


def decoded_to_array(decoded: Decoded) -> np.ndarray:
    """The picture as uint8 ``(H, W, 3)`` BGR, which may be the decoded pixels themselves. Raises FrameError."""
    return decoded.pixels if decoded.encoding == "bgr8" else _to_bgr(*decoded)


def cover_image(image: Image, masked: np.ndarray, boxes: Iterable[Box]) -> None:
    """Replace the pixels of an Image message inside ``boxes`` by those of ``masked``, uint8 ``(H, W, 3)`` BGR.

    All other pixels, the encoding, the step and the byte order stay; a Bayer mosaic stays one. Alpha becomes opaque
    inside the boxes. Bytes that are no pixels (padded rows) become 0, for they may show more of the scene. Raises
    FrameError as ``image_to_array`` does.
    """
    pixels, encoding = _pixels(image, image.data)
    data = bytearray(len(image.data))
    covered, _ = _pixels(image, data)
    covered[...] = pixels
    _paint(covered, encoding, masked, boxes)
    image.data = bytes(data)


def cover_compressed(
    image: CompressedImage, decoded: Decoded, masked: np.ndarray, boxes: Iterable[Box], quality: int = 95
) -> None:
    """As ``cover_image`` for a CompressedImage message: the format stays, JPEG or PNG.

    ``decoded``: what ``decode`` made of it; the pixels are painted on. A PNG keeps its other pixels exactly; a JPEG is
    written anew with ``quality`` 1..100. Whatever else the file held (EXIF data, a thumbnail) is gone. Raises
    FrameError when the picture cannot be written.
    """
    pixels, encoding = decoded
    _paint(pixels, encoding, masked, boxes)
    suffix = ".png" if image.data[:1] == b"\x89" else ".jpg"
    done, data = cv2.imencode(suffix, pixels, (cv2.IMWRITE_JPEG_QUALITY, quality) if suffix == ".jpg" else ())
    if not done:
        raise FrameError("a picture of shape %s cannot be written as %s" % (pixels.shape, suffix))
    image.data = data.tobytes()


def array_to_image(array: np.ndarray, header: Header, encoding: str = "bgr8") -> Image:
    """An Image message of a uint8 BGR picture ``(H, W, 3)``, with a copy of ``header``.

    ``encoding`` is bgr8, rgb8 or mono8; raises FrameError for another one.
    """
    if encoding not in _WRITTEN:
        raise FrameError("images are written as %s, not %r" % (", ".join(_WRITTEN), encoding))
    if _WRITTEN[encoding] is not None:
        array = cv2.cvtColor(array, _WRITTEN[encoding])
    height, width = array.shape[:2]
    return Image(
        header=copied(header),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=array.size // height,
        data=array.tobytes(),
    )


def array_to_compressed(array: np.ndarray, header: Header, quality: int = 90) -> CompressedImage:
    """A JPEG CompressedImage message of a uint8 BGR picture ``(H, W, 3)``; ``quality`` is 1..100."""
    done, data = cv2.imencode(".jpg", array, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not done:
        raise FrameError("a picture of shape %s cannot be written as JPEG" % (array.shape,))
    return CompressedImage(header=copied(header), format="jpeg", data=data.tobytes())


def faces_to_message(faces: Iterable[Face], header: Header):
    """The emomask/Faces message of one frame, with a copy of ``header``. No pixels are in it."""
    # Images are converted also where the messages of emomask were not built.
    from emomask import msg as messages

    return messages.Faces(
        header=copied(header),
        faces=[
            messages.Face(
                track_id=face.track_id,
                score=face.score,
                emotion=face.emotion,
                probabilities=[float(value) for value in face.probabilities],
                box=messages.Box(*face.box),
                covered=messages.Box(*(face.covered or Box(0.0, 0.0, 0.0, 0.0))),
                landmarks=[messages.Point2D(x, y) for x, y in np.asarray(face.landmarks, float).tolist()],
                held=face.held,
            )
            for face in faces
        ],
    )


def _pixels(image: Image, data) -> Tuple[np.ndarray, str]:
    """``data``, the bytes of an Image message, as pixels ``(H, W, C)``, not copied, and the name of their encoding."""
    encoding = _SAME_AS.get(image.encoding, image.encoding)
    kind, channels = _layout(encoding)
    width, height = image.width, image.height
    _check_size(width, height)
    row = width * channels * kind.itemsize
    step = image.step or row
    if step < row:
        raise FrameError("the step of %d bytes is less than a row of %d %s pixels" % (step, width, encoding))
    if len(data) < (height - 1) * step + row:
        raise FrameError(
            "the %dx%d %s image is truncated: it has %d of %d bytes"
            % (width, height, encoding, len(data), height * step)
        )
    order = ">" if image.is_bigendian else "<"
    strides = (step, channels * kind.itemsize, kind.itemsize)
    return np.ndarray((height, width, channels), kind.newbyteorder(order), data, strides=strides), encoding


def _layout(encoding: str) -> Tuple[np.dtype, int]:
    """The element type and the channels of an encoding; raises FrameError when it holds no picture."""
    if encoding in _DIRECT:
        return np.dtype(np.uint8), _DIRECT[encoding][0]
    try:
        kind, channels = _bridge.encoding_to_dtype_with_channels(encoding)
    except TypeError as error:  # CvBridgeError is one
        raise FrameError("the encoding %r is not known" % encoding) from error
    if kind not in ("uint8", "uint16") or encoding[:1].isdigit():
        raise FrameError("the encoding %s does not say how bright a pixel is; send bgr8 or mono8" % encoding)
    return np.dtype(kind), channels


def _to_bgr(pixels: np.ndarray, encoding: str) -> np.ndarray:
    """Pixels ``(H, W, C)`` of 8 or 16 bits, any byte order and strides, as a new uint8 ``(H, W, 3)`` BGR array."""
    if pixels.dtype.itemsize == 2:
        pixels = (pixels >> _spare_bits(pixels)).astype(np.uint8)
        encoding = encoding[: -len("16")] + "8"
    try:
        if encoding in _DIRECT:
            conversion = _DIRECT[encoding][1]
            return np.array(pixels) if conversion is None else cv2.cvtColor(np.ascontiguousarray(pixels), conversion)
        height, width = pixels.shape[:2]
        packed = Image(height=height, width=width, encoding=encoding, step=pixels.size // height, data=pixels.tobytes())
        return _bridge.imgmsg_to_cv2(packed, "bgr8")
    except (TypeError, cv2.error) as error:
        raise FrameError("the %s image cannot be converted: %s" % (encoding, _one_line(error))) from error


def _paint(pixels: np.ndarray, encoding: str, masked: np.ndarray, boxes: Iterable[Box]) -> None:
    """Write the parts of ``masked``, BGR, that lie in ``boxes`` into ``pixels`` ``(H, W, C)`` of this encoding."""
    shift = _spare_bits(pixels)
    for box in boxes:
        left, top = max(0, math.floor(box.left)), max(0, math.floor(box.top))
        right, bottom = math.ceil(box.right), math.ceil(box.bottom)
        if encoding.startswith(("bayer", "yuv422")):  # two columns share colours
            left, top, right = left - left % 2, top - top % 2, right + right % 2
        part = masked[top:bottom, left:right]
        if part.size:
            pixels[top:bottom, left:right] = _from_bgr(part, encoding).astype(pixels.dtype) << shift


def _from_bgr(part: np.ndarray, encoding: str) -> np.ndarray:
    """The inverse of ``_to_bgr``: 8 bits of ``encoding``, ``(h, w, C)``, of a uint8 BGR part of a picture.

    The part begins at an even row and column where the encoding is one in which they matter.
    """
    name = encoding.rstrip("0123456789")
    if name.startswith("bayer_"):
        seen = np.empty(part.shape[:2] + (1,), np.uint8)
        for index, colour in enumerate(name[len("bayer_") :]):
            y, x = divmod(index, 2)
            seen[y::2, x::2, 0] = part[y::2, x::2, "bgr".index(colour)]
        return seen
    if name.startswith("yuv"):
        y, u, v = cv2.split(cv2.transform(part, _BGR_TO_YUV))
        chroma = u.copy()
        chroma[:, 1::2] = v[:, 0::2]
        return np.dstack([y, chroma] if encoding == "yuv422_yuy2" else [chroma, y])
    if name == "mono":
        return cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)[:, :, None]
    colours = part[:, :, ::-1] if name.startswith("rgb") else part
    return np.dstack([colours, np.full(part.shape[:2], 255, np.uint8)]) if name.endswith("a") else colours


def _spare_bits(pixels: np.ndarray) -> int:
    """By how many bits the values of a frame are shifted to make 8 of the 8, 10, 12, 14 or 16 that they use."""
    if pixels.dtype.itemsize == 1:
        return 0
    return next(bits for bits in (8, 10, 12, 14, 16) if int(pixels.max()) < 1 << bits) - 8


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise FrameError("the image is empty (%dx%d)" % (width, height))
    if width * height > MAX_PIXELS:
        raise FrameError("the image of %dx%d pixels is larger than %d pixels" % (width, height, MAX_PIXELS))


def _compressed_size(data: bytes) -> Tuple[int, int]:
    """Width and height from the header of a PNG or JPEG file; raises FrameError when there is none."""
    if data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data[:2] == b"\xff\xd8":
        position = 2
        while position + 9 <= len(data) and data[position] == 0xFF:
            marker, length = data[position + 1], struct.unpack(">H", data[position + 2 : position + 4])[0]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # a start of frame
                height, width = struct.unpack(">HH", data[position + 5 : position + 9])
                return width, height
            position += 1 if marker == 0xFF else 2 + length
    raise FrameError("the compressed image is neither a JPEG nor a PNG picture")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
