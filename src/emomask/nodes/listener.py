"""The listener node: takes camera images, publishes them with every face masked, and says which faces were there."""

import collections
import os
import statistics
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any, List, NamedTuple, Optional, Sequence

import rospy
from sensor_msgs.msg import CompressedImage, Image

from emomask import Masked, Masker, Settings
from emomask.errands import Errands
from emomask.errors import EmomaskError
from emomask.health import SILENCE, Level, Meter, judged
from emomask.mailbox import Handover, Mailbox
from emomask.masker import Sought
from emomask.msg import Faces
from emomask.nodes.controls import Controls
from emomask.nodes.diagnostics import Diagnostics, Status, figures_as_values
from emomask.nodes.ending import init_node, set_up
from emomask.nodes.lazy_subscriber import LazySubscriber
from emomask.nodes.log import forward_core_log
from emomask.nodes.messages import (
    BUFFER_SIZE,
    array_to_compressed,
    array_to_image,
    check_cv_bridge,
    compressed_to_array,
    faces_to_message,
    image_to_array,
)
from emomask.nodes.parameters import read_parameters
from emomask.nodes.standards import SEPARATOR, Standard, standards
from emomask.nodes.throttle import Throttle
from emomask.perception.onnx_network import providers
from emomask.settings import Validated, setting

# Seconds between log lines of one kind, and between the lines on rate and age.
LOG_PERIOD = 5.0
REPORT_PERIOD = 30.0
# Seconds without a frame after which those that wait for it are published all the same.
LULL = 0.25
# A close look takes longer than a frame of 30 a second, and the looks after it less. So that neither thread waits for
# the other, so many frames in which faces were sought may wait to be masked, unless the last of them came in more than
# IN_TIME (seconds) ago: where the machine does not keep up at all, they would only become older.
AHEAD, IN_TIME = 3, 0.1
# Stamps that go back by more than this are a new recording; by less, frames that overtook each other.
CLOCK_JUMP = 0.5


@dataclass(frozen=True)
class ListenerSettings(Validated):
    """What the listener node takes as private parameters besides the fields of Settings."""

    image_transport: str = setting(
        "raw", "what is subscribed: image, or the JPEG or PNG pictures of image/compressed", ("raw", "compressed")
    )
    jpeg_quality: int = setting(90, "quality of image_masked/compressed", low=1, high=100)
    frame_timeout: float = setting(
        2.0, "seconds after which a frame that is still being masked is reported as an error", low=0.05, high=3600.0
    )
    hang_timeout: float = setting(
        30.0,
        "seconds after which such a frame ends the node, for respawn to start it again; 0: never",
        low=0.0,
        high=3600.0,
    )
    always_process: bool = setting(False, "mask frames also while nobody subscribes to an output")
    lazy: bool = setting(
        False, "subscribe to the images only while an output has a subscriber, so that a lazy talker can rest, too"
    )
    also_publish: str = setting(
        "",
        "packages in whose messages the faces are published, too: vision_msgs, opencv_apps, hri_msgs (REP-155)",
        separator=SEPARATOR,
    )
    warm_up_width: int = setting(640, "width in pixels of the frame that warms up the networks", low=16, high=8192)
    warm_up_height: int = setting(480, "height in pixels of the frame that warms up the networks", low=16, high=8192)


class Listener:
    """Subscribes to ``image``; publishes ``image_masked``, ``image_masked/compressed`` and ``faces``.

    Four threads share the work. The subscriber's own only puts the newest message into a mailbox, so that no message
    ever waits in a queue or in the socket. The seeker decodes it and seeks the faces, while the worker masks and
    publishes the frames before, one after the other; whatever goes wrong with a frame, nothing of it is published that
    was not masked, and the next frame is taken. The watch logs, by the wall clock and at limited rates, what a user
    needs to know: waiting, failures, frames that hang, and the rate and age of what goes out.

    Every output carries the input's stamp and frame_id. Frames are masked only while an output has a subscriber; a lazy
    listener subscribes to them only then, too.

    Parameters
    ----------
    masker: a ready, warmed-up Masker; the Listener becomes its only user.
    settings: the node's own settings.
    also: what publishes the faces in other packages' messages, too.
    """

    def __init__(self, masker: Masker, settings: ListenerSettings, also: Sequence[Standard] = ()):
        self._masker = masker
        self._settings = settings
        self._also = also
        self._mailbox = Mailbox()
        self._steps = Handover(AHEAD)
        self._errands = Errands()
        self._meter = Meter()
        self._closing = threading.Event()
        self._arrived: Optional[float] = None
        self._seeking_since: Optional[float] = None
        self._masking_since: Optional[float] = None
        self._idle: Optional[bool] = None
        self._last_time = 0.0
        self._last_shape = None
        self._failures = 0
        self._last_failure = ""
        self._published = 0
        self._faces_published = 0
        self._faces_now = 0
        self._ages: List[float] = []

        masked_topic = rospy.resolve_name("image_masked")
        self._raw = rospy.Publisher(masked_topic, Image, queue_size=1)
        self._compressed = rospy.Publisher(masked_topic + "/compressed", CompressedImage, queue_size=1)
        self._faces = rospy.Publisher("faces", Faces, queue_size=1)
        compressed = settings.image_transport == "compressed"
        self._to_array = compressed_to_array if compressed else image_to_array
        self._subscriber = LazySubscriber(
            rospy.resolve_name("image") + ("/compressed" if compressed else ""),
            CompressedImage if compressed else Image,
            self._receive,
            queue_size=1,
            buff_size=BUFFER_SIZE,
            tcp_nodelay=True,
        )
        self._subscriber.follow(not settings.lazy)
        # Daemons, so that a network that hangs cannot keep the process alive.
        self._seeker, self._worker, self._watcher = (
            threading.Thread(target=life, daemon=True) for life in (self._seek, self._work, self._watch)
        )
        for thread in (self._seeker, self._worker, self._watcher):
            thread.start()
        rospy.on_shutdown(self.close)
        Controls(masker, self._errands)
        Diagnostics(self._subscriber.name, {"masking": self._masking_status, "models": self._models_status})

    def close(self) -> None:
        """Unsubscribe and end the threads; a frame in work gets a few seconds to finish."""
        self._closing.set()
        self._subscriber.unregister()
        self._mailbox.close()
        self._steps.close()
        for thread in (self._seeker, self._worker, self._watcher):
            thread.join(5.0)
        self._rest()

    def _receive(self, message) -> None:
        self._arrived = time.monotonic()
        self._meter.arrived()
        self._mailbox.put(_Arrival(message, self._arrived))

    def _seek(self) -> None:
        """Hand the worker one ``_Step`` after the other, made of the messages or of their absence."""
        while not self._closing.is_set():
            arrival = self._mailbox.take(LULL)
            self._seeking_since = time.monotonic()
            step = self._step(arrival) if self._wanted() and arrival else _Step()
            self._seeking_since = None
            is_in_time = step.arrival is not None and time.monotonic() - step.arrival.time < IN_TIME
            self._steps.put(step, ahead=is_in_time)

    def _step(self, arrival: "_Arrival") -> "_Step":
        message = arrival.message
        try:
            frame = self._decoded(message)
            seconds = self._seconds(message.header.stamp)
            jump = self._last_time - seconds
            if 0 < jump <= CLOCK_JUMP:
                return _Step(failure="the frame is %.3f s older than the one before it" % jump)
            self._last_time = seconds
            message.data = b""
            return _Step(arrival, self._masker.seek(frame, seconds), max(0.0, jump))
        except EmomaskError as error:
            return _Step(failure=str(error))
        except Exception as error:  # the node outlives any message
            return _Step(failure=_located(error))

    def _work(self) -> None:
        while not self._closing.is_set():
            arrivals = collections.deque()  # of the frames that are in the stream, oldest first
            try:
                for masked in self._masker.stream(self._frames(arrivals)):
                    self._publish(masked, arrivals.popleft())
            except Exception as error:  # the node outlives any frame; a new stream begins
                self._fail(_located(error))
                self._masking_since = None

    def _frames(self, arrivals):
        """Yield what was sought in each message that could be decoded; it joins ``arrivals`` without its data.

        None, when those that wait are to be published before the next one is looked at: see ``Masker.stream``.
        """
        while not self._closing.is_set():
            step = self._steps.take(LULL)
            if step is None:
                continue
            self._masking_since = time.monotonic()
            self._errands.run()
            if step.failure:
                self._fail(step.failure)
            elif step.arrival is None:
                yield None
                if self._idle or (self._arrived and time.monotonic() - self._arrived > SILENCE):
                    self._rest()
            else:
                if step.jump:
                    yield None
                    self._start_anew(step.jump)
                arrivals.append(step.arrival)
                yield step.sought
            self._masking_since = None

    def _wanted(self) -> bool:
        """Whether frames are to be masked now; a change is logged."""
        outputs = (self._raw, self._compressed, self._faces)
        idle = not (
            self._settings.always_process
            or any(output.get_num_connections() for output in outputs)
            or any(standard.is_wanted() for standard in self._also)
        )
        if idle and not self._idle:
            rospy.loginfo("Nobody subscribes to %s: frames are not masked.", ", ".join(topic.name for topic in outputs))
        elif self._idle and not idle:
            rospy.loginfo("An output has a subscriber: frames are masked.")
        self._idle = idle
        return not idle

    def _rest(self) -> None:
        """No face is there any more: nobody wants frames, or none comes. May be called again."""
        self._faces_now = 0
        for standard in self._also:
            standard.rest()

    def _decoded(self, message):
        frame = self._to_array(message)
        if frame.shape != self._last_shape:
            self._last_shape = frame.shape
            form = message.encoding if isinstance(message, Image) else message.format
            frame_id = message.header.frame_id
            rospy.loginfo("Frames are %dx%d, %s, frame_id %r.", frame.shape[1], frame.shape[0], form, frame_id)
        return frame

    def _publish(self, masked: Masked, arrival: "_Arrival") -> None:
        header, age = arrival.message.header, None
        if masked.error:
            self._fail(masked.error)
        if masked.image is None:
            return
        if self._raw.get_num_connections():
            self._raw.publish(array_to_image(masked.image, header))
        if not header.stamp.is_zero():
            age = (rospy.Time.now() - header.stamp).to_sec()
            self._ages.append(age)
        self._faces.publish(faces_to_message(masked.faces, header))
        if self._compressed.get_num_connections():
            self._compressed.publish(array_to_compressed(masked.image, header, self._settings.jpeg_quality))
        for standard in self._also:
            standard.publish(masked, header)
        self._published += 1
        self._faces_now = len(masked.faces)
        self._faces_published += self._faces_now
        self._meter.published(age, time.monotonic() - arrival.time)

    @staticmethod
    def _seconds(stamp: rospy.Time) -> float:
        """The frame's time for the tracker."""
        return time.monotonic() if stamp.is_zero() else stamp.to_sec()

    def _start_anew(self, jump: float) -> None:
        """The clock jumped back by so many seconds, as when a recording is played again."""
        rospy.logwarn("The stamps went back by %.1f s: tracks are forgotten.", jump)
        self._masker.reset()
        self._rest()  # track numbers begin anew, too

    def _fail(self, reason: str) -> None:
        self._last_failure = reason
        self._failures += 1
        self._meter.failed()

    def _busy(self) -> float:
        """Seconds for which the frame has been in work that was longest with the seeker or the worker; 0: none is."""
        now = time.monotonic()
        return max(now - (since or now) for since in (self._seeking_since, self._masking_since))

    def _why_silent(self) -> str:
        return "its publisher sends none" if self._subscriber.get_num_connections() else "nobody publishes it"

    def _masking_status(self) -> Status:
        self._meter.dropped_so_far(self._mailbox.dropped)
        figures = self._meter.figures()
        level, message = judged(figures, "%s: %s" % (self._subscriber.name, self._why_silent()))
        busy = self._busy()
        if busy > self._settings.frame_timeout:
            level, message = Level.ERROR, "A frame is in work for %.1f s" % busy
        elif self._idle and (self._settings.lazy or level != Level.STALE):
            level, message = Level.OK, "Nobody subscribes to an output: frames are not masked"
        settings = self._masker.settings
        values = {
            "faces now": self._faces_now,
            **figures_as_values(figures),
            "frames failed since the start": self._failures,
            "last failure": self._last_failure or "none",
            "style": settings.style,
            "lookahead (frames)": settings.lookahead,
        }
        return Status(level, message, values)

    def _models_status(self) -> Status:
        settings = self._masker.settings
        values = {"device": settings.device, "runs on": ", ".join(providers(settings.device)), **self._masker.models}
        return Status(Level.OK, "Loaded and checked", values)

    def _watch(self) -> None:
        waiting, failing, late = (Throttle(LOG_PERIOD) for _ in range(3))
        report = Throttle(REPORT_PERIOD, start_ready=False)
        failures = published = faces = dropped = 0  # as of the last line about them
        while not self._closing.wait(0.2):
            now = time.monotonic()
            self._subscriber.follow(self._idle is False or not self._settings.lazy)
            since, arrived = self._subscriber.since, self._arrived
            if since and (arrived is None or now - max(since, arrived) > LOG_PERIOD) and waiting.ready():
                rospy.logwarn("Waiting for images on %s (%s).", self._subscriber.name, self._why_silent())
            if self._failures > failures and failing.ready():
                new, failures = self._failures - failures, self._failures
                rospy.logerr("Frames failed: %d; no face in them was published. The last: %s", new, self._last_failure)
            busy = self._busy()
            if busy > self._settings.frame_timeout and late.ready():
                rospy.logerr("A frame is in work for %.1f s, ~frame_timeout is %g.", busy, self._settings.frame_timeout)
            if 0 < self._settings.hang_timeout < busy:
                _die("A frame hangs, ~hang_timeout is %g." % self._settings.hang_timeout)
            if not (self._seeker.is_alive() and self._worker.is_alive()) and not self._closing.is_set():
                _die("A thread that masks has ended.")
            if report.ready():
                if self._published > published:
                    ages, self._ages = self._ages, []
                    rospy.loginfo(
                        "%d frames masked in %d s, %.1f faces in each, median age %s (~lookahead is %d frames), "
                        "%d skipped for newer ones.",
                        self._published - published,
                        REPORT_PERIOD,
                        (self._faces_published - faces) / (self._published - published),
                        "%.0f ms" % (statistics.median(ages) * 1000) if ages else "unknown (no stamps)",
                        self._masker.settings.lookahead,
                        self._mailbox.dropped - dropped,
                    )
                published, faces, dropped = self._published, self._faces_published, self._mailbox.dropped


class _Arrival(NamedTuple):
    """A message, and when it came in (``time.monotonic``)."""

    message: Any
    time: float


class _Step(NamedTuple):
    """What the seeker hands to the worker.

    A message and what was sought in it; ``jump``: seconds by which the stamps went back before it. Or why a message is
    no frame. Or nothing: then no frame comes or is wanted, and those that wait are to be published.
    """

    arrival: Optional[_Arrival] = None
    sought: Optional[Sought] = None
    jump: float = 0.0
    failure: str = ""


def _located(error: Exception) -> str:
    """What an error is that should not be, and where in the code it was raised."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return "%s in %s:%d: %.200s" % (type(error).__name__, where.filename, where.lineno, error)


def _die(reason: str) -> None:
    """End the process at once: a thread that hangs in a network would wait for no other end."""
    rospy.logfatal("%s This node ends; with respawn roslaunch starts it again.", reason)
    os._exit(1)


def main() -> None:
    """Run the node until it is shut down; a bad parameter, model or environment is one line and exit code 1."""
    init_node("listener")
    forward_core_log()
    try:
        listener_settings, settings = read_parameters(ListenerSettings, Settings)
        settings = settings.for_stream()
        check_cv_bridge()
        start = time.monotonic()
        masker = Masker(settings)
        masker.warm_up(listener_settings.warm_up_height, listener_settings.warm_up_width)
        also = standards(listener_settings.also_publish)
    except EmomaskError as error:
        rospy.logfatal("%s", error)
        sys.exit(1)
    models = ", ".join("%s %s" % model for model in masker.models.items())
    rospy.loginfo("Models ready after %.1f s: %s.", time.monotonic() - start, models)
    if not rospy.is_shutdown():
        with set_up():
            Listener(masker, listener_settings, also)
        rospy.spin()
