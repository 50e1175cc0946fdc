"""The talker node: publishes the frames of a camera, a file, a stream, an image folder or the demo clip."""

import sys
import threading
import time
from dataclasses import dataclass
from typing import Optional

import rospy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger, TriggerResponse

from emomask.errors import EmomaskError, SourceError
from emomask.health import Level, Meter, judged
from emomask.media.capture import CaptureThread
from emomask.media.sources import Captured, SourceSettings
from emomask.nodes.calibration import Calibration
from emomask.nodes.diagnostics import Diagnostics, Status, figures_as_values
from emomask.nodes.ending import init_node, set_up
from emomask.nodes.lazy_subscriber import LINGER
from emomask.nodes.log import forward_core_log
from emomask.nodes.messages import array_to_compressed, array_to_image, check_cv_bridge
from emomask.nodes.parameters import read_parameters
from emomask.nodes.throttle import Throttle
from emomask.settings import Validated, setting

# Seconds between log lines of one kind, and between the lines on rate and dropped frames.
LOG_PERIOD = 5.0
REPORT_PERIOD = 30.0
# The last message of a file is sent by another thread and must leave before the node does.
LAST_MESSAGE = 0.5
# A camera takes a second or two to start, or to end a read that is under way.
SWITCHING = 10.0


@dataclass(frozen=True)
class TalkerSettings(Validated):
    """What the talker node takes as private parameters besides the fields of SourceSettings."""

    frame_id: str = setting("camera_optical_frame", "frame_id of every message: the camera's optical frame (REP-103)")
    camera_name: str = setting("camera", "the camera's name; a calibration for another name is warned about")
    camera_info_url: str = setting(
        "", "calibration file: file:///..., package://... or a path; empty: ${ROS_HOME}/camera_info/CAMERA_NAME.yaml"
    )
    rescale_camera_info: bool = setting(False, "scale a calibration for another size of the same shape")
    capture_delay: float = setting(
        0.0, "seconds from the exposure to the arrival of a frame, subtracted from the stamp", low=0.0, high=10.0
    )
    encoding: str = setting("bgr8", "encoding of image_raw", ("bgr8", "rgb8", "mono8"))
    jpeg_quality: int = setting(90, "quality of image_raw/compressed", low=1, high=100)
    publish_rate: float = setting(0.0, "publish at most so many frames/s; 0: every frame", low=0.0, high=1000.0)
    wait_for_subscriber: bool = setting(
        False, "open the source only when somebody subscribes to an image, so that a file is seen from its start"
    )
    lazy: bool = setting(False, "open the source with the first subscriber and release it when the last one has gone")


class Talker:
    """Publishes ``image_raw``, ``image_raw/compressed`` and ``camera_info`` with one stamp for each frame.

    The source is read by a CaptureThread; ``run`` publishes the newest frame, so that a slow subscriber or a busy
    machine costs frames but never adds delay. The stamp is the time of the grab minus ``capture_delay``. A picture is
    converted, and compressed, only while somebody subscribes to it. Waits go by the wall clock, so that the node runs
    with a simulated clock too.

    The services ``~stop_capture`` and ``~start_capture`` release the source and open it again; no frame is published
    once the first of them has answered. ``set_camera_info`` sets the calibration.

    Parameters
    ----------
    settings: the node's own settings.
    source: where the frames come from.

    Raises SettingsError for a calibration that cannot be used and SourceError for a text that is not a source.
    """

    def __init__(self, settings: TalkerSettings, source: SourceSettings):
        self._settings = settings
        self._capture = CaptureThread(source)
        self._published = 0
        self._calibration = Calibration(settings.camera_info_url, settings.camera_name, settings.rescale_camera_info)
        self._size = None
        self._next_due = 0.0
        self._no_clock = Throttle(LOG_PERIOD)
        self._silent = Throttle(LOG_PERIOD)
        self._last_frame = 0.0
        self._report = Throttle(REPORT_PERIOD, start_ready=False)
        self._reported = (0, 0)

        topic = rospy.resolve_name("image_raw")
        self._raw = rospy.Publisher(topic, Image, queue_size=1)
        self._compressed = rospy.Publisher(topic + "/compressed", CompressedImage, queue_size=1)
        self._info = rospy.Publisher("camera_info", CameraInfo, queue_size=1)
        self._meter = Meter()

        # Whoever publishes or opens and releases the source holds it: nothing is published once it was released.
        self._switch = threading.Lock()
        self._stopped = False
        self._last_wanted = -LINGER
        self._services = [
            rospy.Service("~start_capture", Trigger, self._start_capture),
            rospy.Service("~stop_capture", Trigger, self._stop_capture),
        ]
        Diagnostics(self._capture.description, {"capture": self._capture_status})

    def run(self) -> None:
        """Publish until the source ends or the node is shut down. Raises SourceError when the source fails for good."""
        self._wait_for_subscriber()
        self._last_frame = time.monotonic()
        self._open_or_release()
        with self._capture:
            while not rospy.is_shutdown():
                self._open_or_release()
                ended = self._capture.ended
                captured = self._capture.newest(0.2)
                if captured is not None:
                    with self._switch:
                        if not self._capture.paused:
                            self._publish(captured)
                elif ended:
                    break
                elif time.monotonic() - self._last_frame > LOG_PERIOD and self._silent.ready():
                    rospy.logwarn("No frame comes from %s.", self._capture.description)
                self._report_rate()
        if rospy.is_shutdown():
            return
        if self._capture.last_error:
            raise SourceError(self._capture.last_error)
        time.sleep(LAST_MESSAGE)
        rospy.loginfo("The end of %s is reached: %d frames published.", self._capture.description, self._published)

    def _wait_for_subscriber(self) -> None:
        waiting = Throttle(LOG_PERIOD)
        while self._settings.wait_for_subscriber and not rospy.is_shutdown():
            if self._raw.get_num_connections() or self._compressed.get_num_connections():
                return
            if waiting.ready():
                rospy.loginfo("Waiting for a subscriber to %s (~wait_for_subscriber).", self._raw.name)
            time.sleep(0.05)

    def _open_or_release(self) -> None:
        """Have the source open or released as the services and, when lazy, the subscribers want it."""
        with self._switch:
            now = time.monotonic()
            if any(topic.get_num_connections() for topic in (self._raw, self._compressed, self._info)):
                self._last_wanted = now
            unused = self._settings.lazy and now - self._last_wanted >= LINGER
            if self._stopped or unused:
                if not self._capture.paused:
                    reason = "by ~stop_capture" if self._stopped else "until somebody subscribes (~lazy)"
                    rospy.loginfo("Released %s %s.", self._capture.description, reason)
                    self._capture.pause()
                self._last_frame = now
            elif self._capture.paused:
                rospy.loginfo("Opening %s.", self._capture.description)
                self._capture.resume()

    def _stop_capture(self, _) -> TriggerResponse:
        self._stopped = True
        self._open_or_release()
        if self._capture.pause(SWITCHING):
            return TriggerResponse(True, "Released %s." % self._capture.description)
        return TriggerResponse(False, "Nothing is published, but %s does not let go yet." % self._capture.description)

    def _start_capture(self, _) -> TriggerResponse:
        self._stopped = False
        self._open_or_release()
        end = time.monotonic() + SWITCHING
        while time.monotonic() < end and not rospy.is_shutdown():
            if self._stopped:
                return TriggerResponse(False, "~stop_capture was called meanwhile.")
            if self._capture.paused or not self._last_frame:
                return TriggerResponse(True, "A subscriber will open %s." % self._capture.description)
            if self._capture.is_open:
                return TriggerResponse(True, "Opened %s." % self._capture.description)
            if self._capture.last_error or self._capture.ended:
                break
            time.sleep(0.02)
        return TriggerResponse(False, self._capture.last_error or "%s takes long to open." % self._capture.description)

    def _publish(self, captured: Captured) -> None:
        self._last_frame = time.monotonic()
        self._meter.arrived()
        if not self._due(captured.grabbed):
            return
        stamp = self._stamp(captured.grabbed)
        if stamp is None:
            return
        header = Header(stamp=stamp, frame_id=self._settings.frame_id)
        height, width = captured.image.shape[:2]
        info = self._calibration.message(width, height)
        info.header = Header(stamp=stamp, frame_id=self._settings.frame_id)
        if self._size != (width, height):
            self._size = (width, height)
            rospy.loginfo("Publishing %dx%d frames on %s.", width, height, self._raw.name)
        self._info.publish(info)
        if self._raw.get_num_connections():
            self._raw.publish(array_to_image(captured.image, header, self._settings.encoding))
        if self._compressed.get_num_connections():
            self._compressed.publish(array_to_compressed(captured.image, header, self._settings.jpeg_quality))
        self._published += 1
        self._meter.published((rospy.Time.now() - stamp).to_sec(), time.monotonic() - captured.grabbed)

    def _due(self, grabbed: float) -> bool:
        """Whether a frame grabbed then is to be published under ``publish_rate``."""
        if not self._settings.publish_rate:
            return True
        period = 1 / self._settings.publish_rate
        if grabbed < self._next_due - period / 4:  # a camera's frames come a little early or late
            return False
        self._next_due = max(self._next_due + period, grabbed + period / 2)
        return True

    def _stamp(self, grabbed: float) -> Optional[rospy.Time]:
        """The ROS time at which a frame was exposed; None while a simulated clock has not begun."""
        now = rospy.Time.now()
        if now.is_zero():
            if self._no_clock.ready():
                rospy.logwarn("/use_sim_time is set but nothing comes on /clock: frames cannot be stamped.")
            return None
        age = rospy.Duration.from_sec(time.monotonic() - grabbed + self._settings.capture_delay)
        # A simulated clock may have begun after the grab.
        return now - age if now.to_sec() > age.to_sec() else now

    def _capture_status(self) -> Status:
        self._meter.dropped_so_far(self._capture.dropped)
        figures = self._meter.figures()
        level, message = judged(figures, self._capture.description)
        if self._capture.last_error:
            level, message = Level.ERROR, self._capture.last_error
        elif self._stopped:
            level, message = Level.OK, "Released by ~stop_capture"
        elif self._capture.paused or (self._settings.wait_for_subscriber and not figures.begun):
            level, message = Level.OK, "Waiting for a subscriber"
        size = "%dx%d" % self._size if self._size else "none yet"
        values = {"source": self._capture.description, "size": size, "reconnected": self._capture.reconnects}
        return Status(level, message, {**values, **figures_as_values(figures)})

    def _report_rate(self) -> None:
        if not self._report.ready():
            return
        published, dropped = self._published - self._reported[0], self._capture.dropped - self._reported[1]
        self._reported = (self._published, self._capture.dropped)
        if not published and self._capture.paused:
            return
        rospy.loginfo(
            "%.1f frames/s published, %d frames dropped for newer ones in %d s.",
            published / REPORT_PERIOD,
            dropped,
            REPORT_PERIOD,
        )


def main() -> None:
    """Run the node until its source ends or it is shut down; what cannot work is one line and exit code 1."""
    init_node("talker")
    forward_core_log()
    if rospy.get_namespace() == "/":
        rospy.logwarn("The topics are in the root namespace; REP-135 asks for one per camera: __ns:=camera.")
    try:
        settings, source = read_parameters(TalkerSettings, SourceSettings)
        check_cv_bridge()
        with set_up():
            talker = Talker(settings, source)
        talker.run()
    except EmomaskError as error:
        rospy.logfatal("%s", error)
        sys.exit(1)
    rospy.signal_shutdown("the source has ended")
