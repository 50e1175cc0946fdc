"""The recorder node: writes the masked stream to a video file and says what was in it."""

import collections
import queue
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
import rospy
from sensor_msgs.msg import Image

from emomask.errors import EmomaskError, FrameError, SettingsError, SinkError
from emomask.media.encoders import container_of
from emomask.media.video import VideoSink
from emomask.msg import Faces
from emomask.nodes.ending import init_node, set_up
from emomask.nodes.messages import BUFFER_SIZE, check_cv_bridge, image_to_array
from emomask.nodes.parameters import read_parameters
from emomask.nodes.throttle import Throttle
from emomask.settings import Validated, setting

LOG_PERIOD = 5.0
# Frames that wait for the encoder; more are dropped and counted, so that memory is bounded.
WAITING_FRAMES = 64
# Between frames whose stamps do not tell (missing, going back, or jumping by more than the idle time).
USUAL_STEP = 1 / 30


@dataclass(frozen=True)
class RecorderSettings(Validated):
    """What the recorder node takes as private parameters."""

    output: str = setting("", "the MP4 file to write; an existing one is replaced when the new one is complete")
    rate: float = setting(
        0.0, "frames/s at which the video plays; 0: each frame at the time of its stamp", low=0.0, high=1000.0
    )
    idle_timeout: float = setting(
        3.0, "seconds without a frame after which the stream counts as ended", low=0.2, high=3600.0
    )
    start_timeout: float = setting(
        60.0, "seconds to wait for the first frame; then the node ends with an error", low=0.2, high=86400.0
    )


class Recorder:
    """Subscribes to ``image`` (a masked stream) and ``faces`` and writes the frames to a file until the stream ends.

    Every frame that arrives is written. The video is finished also when the node is shut down.

    Raises SettingsError when ``~output`` is not set or ``image`` is a raw topic: faces must not reach the disk by a
    wrong remapping.
    """

    def __init__(self, settings: RecorderSettings):
        topic = rospy.resolve_name("image")
        if "image_raw" in topic.split("/"):
            raise SettingsError(
                "The recorder writes masked streams only, and %s is the raw one: remap image to image_masked." % topic
            )
        if not settings.output:
            raise SettingsError("~output is not set: name the MP4 file to write.")
        self._settings = settings
        self._path = Path(settings.output).expanduser().absolute()
        if not self._path.parent.is_dir():
            raise SinkError("Cannot write the video %s: there is no folder %s." % (self._path, self._path.parent))
        container_of(self._path)
        self._sink: Optional[VideoSink] = None
        self._last_stamp = None
        self._time = 0.0
        self._first_arrival = self._last_arrival = None
        self._latencies = []
        self._lost = 0
        self._lost_lines = Throttle(LOG_PERIOD)
        self._lock = threading.Lock()
        self._face_frames = 0
        self._tracks = set()
        self._emotions = collections.Counter()
        self._waiting = queue.Queue(WAITING_FRAMES)
        self._faces = rospy.Subscriber("faces", Faces, self._count, queue_size=100)
        self._image = rospy.Subscriber(topic, Image, self._receive, buff_size=BUFFER_SIZE, tcp_nodelay=True)

    def run(self) -> None:
        """Record until the stream ends or the node is shut down, then print a summary.

        Raises SinkError when the file cannot be written or no frame came.
        """
        began = time.monotonic()
        waiting = Throttle(LOG_PERIOD, start_ready=False)
        try:
            while not rospy.is_shutdown():
                try:
                    self._write(self._waiting.get(timeout=0.1))
                    continue
                except queue.Empty:
                    pass
                now = time.monotonic()
                if self._last_arrival is not None:
                    if now - self._last_arrival > self._settings.idle_timeout:
                        break
                elif now - began > self._settings.start_timeout:
                    break
                elif waiting.ready():
                    rospy.loginfo("Waiting for images on %s.", self._image.name)
            self._image.unregister()
            while not self._waiting.empty():
                self._write(self._waiting.get_nowait())
        except EmomaskError:
            if self._sink is not None:
                self._sink.abort()
            raise
        if self._sink is None:
            waited = time.monotonic() - began
            raise SinkError("No image came on %s within %.0f s: nothing is recorded." % (self._image.name, waited))
        self._sink.close()
        print(self._summary(), flush=True)

    def _receive(self, message: Image) -> None:
        now = time.monotonic()
        if self._first_arrival is None:
            self._first_arrival = now
        self._last_arrival = now
        if not message.header.stamp.is_zero():
            self._latencies.append((rospy.Time.now() - message.header.stamp).to_sec())
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self._lose("the encoder or the disk is too slow")

    def _count(self, message: Faces) -> None:
        with self._lock:
            self._face_frames += len(message.faces)
            self._tracks.update(face.track_id for face in message.faces)
            self._emotions.update(face.emotion for face in message.faces)

    def _write(self, message: Image) -> None:
        try:
            image = image_to_array(message)
        except FrameError as error:
            self._lose(str(error))
            return
        if self._sink is None:
            height, width = image.shape[:2]
            # The encoder shares the processor with the masking of the very stream that it records.
            rate = self._settings.rate or 1 / USUAL_STEP
            self._sink = VideoSink(self._path, width, height, rate, preset="ultrafast")
            rospy.loginfo("Recording %s to %s.", self._image.name, self._path)
        elif self._last_stamp is not None:
            step = (message.header.stamp - self._last_stamp).to_sec()
            self._time += step if 1e-3 <= step <= self._settings.idle_timeout else USUAL_STEP
        self._last_stamp = message.header.stamp
        image = _fitted(image, self._sink.width, self._sink.height)
        self._sink.write(image, None if self._settings.rate else self._time)

    def _lose(self, reason: str) -> None:
        self._lost += 1
        if self._lost_lines.ready():
            rospy.logwarn("A frame is not recorded (%d so far): %s.", self._lost, reason)

    def _summary(self) -> str:
        seconds = self._last_arrival - self._first_arrival
        rate = "%.1f frames/s" % ((self._sink.frames - 1) / seconds) if seconds else "one frame"
        lines = [
            "Recorded    %s" % self._path,
            "frames      %d in %.1f s, %s%s"
            % (self._sink.frames, seconds, rate, ", %d lost" % self._lost if self._lost else ""),
        ]
        with self._lock:
            emotions = ", ".join("%s %d" % item for item in self._emotions.most_common()) or "none"
            lines.append("faces       %d in all frames, %d distinct tracks" % (self._face_frames, len(self._tracks)))
            lines.append("emotions    %s" % emotions)
        if self._latencies:
            median, high = 1000 * np.percentile(self._latencies, (50, 95))
            lines.append("latency     median %.0f ms, p95 %.0f ms (stamp to receipt)" % (median, high))
        else:
            lines.append("latency     unknown (the frames carry no stamps)")
        return "\n".join(lines)


def _fitted(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """``image`` (H, W, 3) shrunk or grown into ``width`` x ``height`` with black bars where the shapes differ."""
    high, wide = image.shape[:2]
    if (wide, high) == (width, height):
        return image
    scale = min(width / wide, height / high)
    wide, high = max(1, round(wide * scale)), max(1, round(high * scale))
    left, top = (width - wide) // 2, (height - high) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + high, left : left + wide] = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
    return canvas


def main() -> None:
    """Run the node until the stream has ended; what cannot work is one line and exit code 1."""
    init_node("recorder")
    try:
        (settings,) = read_parameters(RecorderSettings)
        check_cv_bridge()
        with set_up():
            recorder = Recorder(settings)
        recorder.run()
    except EmomaskError as error:
        rospy.logfatal("%s", error)
        sys.exit(1)
    rospy.signal_shutdown("the recording is complete")
