"""Subscribes to a masked topic and tells on standard output when each frame came and how old it was.

Part of ``emomask evaluate speed --ros``, which starts it beside the nodes that it measures.
"""

import sys

import rospy
from sensor_msgs.msg import Image

from emomask.nodes.ending import init_node
from emomask.nodes.messages import BUFFER_SIZE


def _tell(message: Image) -> None:
    now = rospy.Time.now()
    sys.stdout.write("%.6f %.6f\n" % (now.to_sec(), (now - message.header.stamp).to_sec()))
    sys.stdout.flush()


def main() -> None:
    """Write one line for each frame on ``image``, seconds of arrival and of age, until the node is shut down."""
    init_node("onlooker")
    rospy.Subscriber("image", Image, _tell, queue_size=1, buff_size=BUFFER_SIZE, tcp_nodelay=True)
    rospy.spin()
