"""The web node: the website, which also shows the masked images of a camera on the robot."""

import sys
import threading

import rospy
from sensor_msgs.msg import Image

from emomask.errors import EmomaskError, FrameError, SettingsError
from emomask.faces import EMOTIONS
from emomask.msg import Faces
from emomask.nodes.ending import init_node
from emomask.nodes.log import forward_core_log
from emomask.nodes.messages import BUFFER_SIZE, check_cv_bridge, image_to_array
from emomask.nodes.parameters import read_parameters
from emomask.nodes.throttle import Throttle
from emomask.settings import Settings
from emomask.web.feed import Feed
from emomask.web.serve import Website
from emomask.web.settings import WebSettings

LOG_PERIOD = 5.0
WATCH_PERIOD = 0.2


class CameraView:
    """Puts the images of ``image`` (a masked stream), with those of ``faces``, into ``feed`` while somebody looks.

    Without viewers nothing is subscribed to, so that a listener need not mask for nobody.

    Raises SettingsError when ``image`` is a raw topic: faces must not be shown by a wrong remapping.
    """

    def __init__(self, feed: Feed):
        self._topic = rospy.resolve_name("image")
        if "image_raw" in self._topic.split("/"):
            raise SettingsError(
                "The website shows masked streams only, and %s is the raw one: remap image to image_masked."
                % self._topic
            )
        self._feed = feed
        self._subscribers = []
        # What has come without the other: they arrive in either order.
        self._image = None
        self._faces = None
        self._lock = threading.Lock()
        self._failing = Throttle(LOG_PERIOD)

    def run(self) -> None:
        """Follow the viewers until the node is shut down."""
        while not rospy.is_shutdown():
            if self._feed.viewers and not self._subscribers:
                self._subscribers = [
                    rospy.Subscriber(
                        self._topic, Image, self._receive, queue_size=1, buff_size=BUFFER_SIZE, tcp_nodelay=True
                    ),
                    rospy.Subscriber("faces", Faces, self._take, queue_size=5, tcp_nodelay=True),
                ]
                rospy.loginfo("A visitor looks at %s.", self._topic)
            elif not self._feed.viewers and self._subscribers:
                for subscriber in self._subscribers:
                    subscriber.unregister()
                self._subscribers = []
                rospy.loginfo("Nobody looks at %s any more.", self._topic)
            # By the wall clock: a simulated one may stand still.
            threading.Event().wait(WATCH_PERIOD)

    def _receive(self, image: Image) -> None:
        with self._lock:
            former, self._image = self._image, image
        if former is not None:  # its faces never came; the next ones may
            self._show(former, [])
        self._join()

    def _take(self, faces: Faces) -> None:
        with self._lock:
            self._faces = faces
        self._join()

    def _join(self) -> None:
        with self._lock:
            image, faces = self._image, self._faces
            if image is None or faces is None or image.header.stamp != faces.header.stamp:
                return
            self._image = self._faces = None
        self._show(image, [_face_as_dict(face) for face in faces.faces])

    def _show(self, image: Image, faces) -> None:
        try:
            self._feed.put(image_to_array(image), faces)
        except FrameError as error:
            if self._failing.ready():
                rospy.logwarn("An image on %s is not shown: %s", self._topic, error)


def _face_as_dict(face):
    """A face of a message for the page, as ``emomask.web.engine.face_as_dict`` makes them."""

    def edges(box):
        return [round(edge, 1) for edge in (box.left, box.top, box.right, box.bottom)]

    return {
        "track": face.track_id,
        "box": edges(face.box),
        "covered": edges(face.covered),
        "score": round(face.score, 3),
        "held": face.held,
        "emotion": face.emotion,
        "probabilities": {name: round(value, 4) for name, value in zip(EMOTIONS, face.probabilities)},
    }


def main() -> None:
    """Run the node until it is shut down; a bad parameter, model or address is one line and exit code 1."""
    init_node("web")
    forward_core_log()
    try:
        web, settings = read_parameters(WebSettings, Settings)
        check_cv_bridge()
        feed = Feed()
        view = CameraView(feed)
        website = Website(web, settings, feed)
    except EmomaskError as error:
        rospy.logfatal("%s", error)
        sys.exit(1)
    serving = threading.Thread(target=website.run)
    serving.start()
    rospy.loginfo("The website is at %s", website.url)
    view.run()
    website.stop()
    serving.join()
