"""What the graph tests share: a picture with a known face, and a client that feeds the listener and collects."""

import os
import time
import xmlrpc.client

import cv2
import numpy as np
import rosgraph
import rospy
import skimage.data
from rosgraph_msgs.msg import Log
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from emomask.msg import Faces
from emomask.nodes.messages import array_to_compressed, array_to_image

DEADLINE = 60.0
# The face in ``astronaut_frame()``, from ear to ear and from hairline to chin: left, top, right, bottom.
FACE = (238, 64, 340, 180)

# A face cut by the frame's border counts from this width and height on, in pixels.
SMALLEST = 40


def astronaut_frame():
    """uint8 (480, 640, 3) BGR: the astronaut between two flat margins."""
    picture = skimage.data.astronaut()[:480, :, ::-1]
    return cv2.copyMakeBorder(picture, 0, 0, 64, 64, cv2.BORDER_CONSTANT, value=(90, 120, 60))


def wait_until(condition, what, deadline=DEADLINE):
    """Wait by the wall clock until ``condition()`` is true and return its value; fails naming ``what`` did not come."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("not within %g s: %s" % (deadline, what))


def covered_fraction(frame, masked, box):
    """The fraction of the pixels in ``box`` that differ clearly between two frames."""
    left, top, right, bottom = (int(value) for value in box)
    parts = [picture[max(0, top) : bottom, max(0, left) : right].astype(int) for picture in (frame, masked)]
    return float((np.abs(parts[0] - parts[1]).max(axis=2) > 8).mean())


def visible(box):
    """Whether a box clipped to the frame still shows enough for a person to be recognised."""
    return min(box.width, box.height) >= SMALLEST and 0.5 <= box.width / box.height <= 1.5


def processor_seconds(node, work):
    """Processor time that the process of ``node`` takes while ``work()`` runs."""
    address = rosgraph.Master("/test").lookupNode(rospy.resolve_name(node))
    pid = xmlrpc.client.ServerProxy(address).getPid("/test")[2]

    def used():
        with open("/proc/%d/stat" % pid) as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    before = used()
    work()
    return used() - before


class Probe:
    """Publishes frames to the listener under test and collects its outputs by their stamps.

    ``masked``, ``compressed`` and ``faces`` map stamps to messages, ``received`` stamps to the seconds (wall clock) at
    which the picture came; ``lines`` are the listener's log lines. Every message sent is far enough from the one before
    it in time that nothing is covered from memory.

    ``greet``: begin with ``greet()``.
    """

    def __init__(self, outputs=("image_masked", "faces"), input_type=Image, greet=True):
        self.masked, self.compressed, self.faces, self.received, self.lines = {}, {}, {}, {}, []
        kinds = {
            "image_masked": (Image, self.masked),
            "image_masked/compressed": (CompressedImage, self.compressed),
            "faces": (Faces, self.faces),
        }
        self._kinds = kinds
        topic = "image/compressed" if input_type is CompressedImage else "image"
        self.publisher = rospy.Publisher(topic, input_type, queue_size=1)
        self._log = rospy.Subscriber("/rosout", Log, lambda line: self.lines.append(line.msg), queue_size=100)
        self.subscribers = {}
        for name in outputs:
            self.subscribe(name)
        wait_until(self.publisher.get_num_connections, "the listener subscribes to %s" % self.publisher.name)
        self._stamp = rospy.Time(1000)
        if greet:
            self.greet()

    def greet(self, store="masked"):
        """Send small empty frames until one is answered, for the first messages of a connection may be lost."""
        wait_until(lambda: self._is_answered(getattr(self, store)), "an answer to the first frames")

    def _is_answered(self, answers):
        blank = np.zeros((64, 64, 3), np.uint8)
        write = array_to_image if self.publisher.data_class is Image else array_to_compressed
        stamp = self.send(write(blank, self.next_header()))
        time.sleep(0.3)
        return stamp in answers

    def subscribe(self, name):
        """Subscribe to an output and wait for the connection, of which the listener may learn a moment later."""
        kind, store = self._kinds[name]
        self.subscribers[name] = subscriber = rospy.Subscriber(
            name, kind, self._collect, callback_args=store, queue_size=1, buff_size=2**24, tcp_nodelay=True
        )
        wait_until(subscriber.get_num_connections, "the listener publishes %s" % name)

    def unsubscribe(self):
        """Unsubscribe from every output and wait until nothing more arrives."""
        for subscriber in self.subscribers.values():
            subscriber.unregister()
        self.subscribers.clear()
        time.sleep(1.0)

    def _collect(self, message, store):
        # The faces come by a connection of their own, and may overtake the pictures.
        if store is not self.faces:
            self.received.setdefault(message.header.stamp, time.time())
        store[message.header.stamp] = message

    def next_header(self, gap=10.0):
        """A header ``gap`` seconds after the last one."""
        self._stamp += rospy.Duration(gap)
        return Header(stamp=self._stamp, frame_id="camera_optical_frame")

    def send(self, message):
        """Publish a message and return its stamp."""
        self.publisher.publish(message)
        return message.header.stamp

    def answer(self, message, store="masked", deadline=DEADLINE):
        """Publish a message and return what comes out for it in ``store``."""
        stamp = self.send(message)
        outputs = getattr(self, store)
        return wait_until(lambda: outputs.get(stamp), "a message of %s for the stamp sent" % store, deadline)

    def logged(self, text):
        """The listener's log lines that contain ``text``."""
        return [line for line in self.lines if text in line]
