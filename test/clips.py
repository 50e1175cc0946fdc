"""Small video files that the tests make."""

import av
import cv2
import numpy as np

from emomask.media.video import VideoSink


def numbered(number, width=64, height=48):
    """A frame that tells its number, 0 to 38, by its brightness; the left half is blue, the upper half darker."""
    image = np.full((height, width, 3), 20 + 6 * number, np.uint8)
    image[:, : width // 2, 0] = 255
    image[: height // 2] //= 2
    return image


def number_of(image):
    """The number that ``numbered`` wrote into a frame, from its lower right quarter."""
    height, width = image.shape[:2]
    return round((float(image[-height // 4 :, -width // 4 :].mean()) - 20) / 6)


def write_clip(path, count=24, rate=12, **size):
    """An MP4 of ``count`` numbered frames."""
    first = numbered(0, **size)
    with VideoSink(path, first.shape[1], first.shape[0], rate, quality=5) as sink:
        for number in range(count):
            sink.write(numbered(number, **size))
    return path


def write_clip_as(path, count=36, rate=12):
    """The same in the container that the suffix of ``path`` names; every frame is a key frame with some noise."""
    random = np.random.RandomState(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.gop_size = 1
        stream.bit_rate = 4000000
        for number in range(count):
            image = numbered(number)
            image[:16] = random.randint(0, 256, (16, 64, 3))
            yuv = cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(yuv, "yuv420p")))
        container.mux(stream.encode())
    return path


def cut(path, fraction):
    """Break a file off after ``fraction`` of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * fraction)])
    return path


def write_images(folder, names, size=(40, 30)):
    """One picture for each name; its number is that of its place in ``names``."""
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), numbered(number, *size))
    return folder
