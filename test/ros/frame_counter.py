#!/usr/bin/env python3
"""Counts what comes on TOPIC of type TYPE (Image or CompressedImage) for SECONDS, and prints it.

Usage: frame_counter.py TYPE TOPIC SECONDS. The line is JSON: frames, seconds, frames_per_second, the median and the
95th percentile of the age in seconds (by the receiver's clock), bytes, width.
"""

import json
import sys
import threading
import time

import numpy as np
import rospy
import sensor_msgs.msg

WARM_UP = 2.0  # seconds from the first message on that do not count: connections are made, networks get warm
START = 60.0


class Counter:
    def __init__(self, kind, topic):
        self.arrivals, self.ages, self.bytes, self.width = [], [], 0, 0
        self.begun = threading.Event()
        self._begin = None
        self.subscriber = rospy.Subscriber(topic, kind, self._count, queue_size=10, buff_size=2**24, tcp_nodelay=True)

    def _count(self, message):
        now = time.monotonic()
        if self._begin is None:
            self._begin = now
            self.begun.set()
        if now - self._begin > WARM_UP:
            self.arrivals.append(now)
            self.ages.append(rospy.Time.now().to_sec() - message.header.stamp.to_sec())
            self.bytes += len(message.data)
            self.width = getattr(message, "width", 0)


def main():
    kind, topic, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    rospy.init_node("frame_counter", anonymous=True, disable_signals=True)
    counter = Counter(getattr(sensor_msgs.msg, kind), topic)
    if not counter.begun.wait(START):
        sys.exit("no message on %s within %g s" % (counter.subscriber.name, START))
    time.sleep(WARM_UP + seconds)
    counter.subscriber.unregister()
    if len(counter.arrivals) < 2:
        sys.exit("messages on %s ceased" % counter.subscriber.name)
    span = counter.arrivals[-1] - counter.arrivals[0]
    print(
        json.dumps(
            {
                "frames": len(counter.arrivals),
                "seconds": span,
                "frames_per_second": (len(counter.arrivals) - 1) / span,
                "age_median": float(np.median(counter.ages)),
                "age_p95": float(np.percentile(counter.ages, 95)),
                "bytes": counter.bytes,
                "width": counter.width,
            }
        )
    )


if __name__ == "__main__":
    main()
