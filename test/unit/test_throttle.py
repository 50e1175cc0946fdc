"""The limit on how often something is logged."""

import time

from emomask.nodes.throttle import Throttle


def test_yes_comes_at_most_once_per_period():
    throttle = Throttle(0.2)
    end = time.monotonic() + 0.5
    yeses = 0
    while time.monotonic() < end:
        yeses += throttle.ready()
        time.sleep(0.001)
    assert 2 <= yeses <= 3


def test_the_first_yes_can_wait_for_a_period():
    throttle = Throttle(0.1, start_ready=False)
    assert not throttle.ready()
    time.sleep(0.15)
    assert throttle.ready()
    assert not throttle.ready()
