#!/usr/bin/env python3
"""The listener node with stages that fail as the frame_id of a message says: STAGE:KIND, or anything else for none.

STAGE is one of ``STAGES``, or a network (``detector``, ``landmarks`` or ``emotion`` with KIND ``nan``); KIND: see
``fail``. Everything else is the node itself.
"""

import functools
import resource
import threading
import time

import numpy as np

from emomask.masks.cover import Cover
from emomask.nodes import listener, run
from emomask.perception.onnx_network import OnnxNetwork
from emomask.perception.perceiver import Perceiver
from emomask.perception.tracking import Tracker

STAGES = {
    "decoding": (listener, "image_to_array"),
    "detection": (Perceiver, "detect"),
    "landmarks": (Perceiver, "faces"),
    "tracking": (Tracker, "update"),
    "emotions": (Perceiver, "emotions"),
    "cover": (Cover, "paint"),
    "publishing": (listener, "array_to_image"),
}
HANG = 1.0  # seconds
SLOW = 0.3  # seconds that a slow stage takes beyond its own
HOUR = 3600.0
PAUSES = {"hang": HANG, "slow": SLOW, "forever": HOUR}
NO_MEMORY = 1 << 20  # bytes of address space: far less than the process has already, so it gets no more

now = threading.local()  # ``wanted``: what the message asks for that the thread is at


def fail(kind, stage):
    """Do what ``stage`` does, but fail on the way."""
    if kind == "exception":
        raise RuntimeError("injected")
    if kind == "memory":
        raise MemoryError("injected")
    if kind == "exit":  # an exception that is no Exception
        raise SystemExit("injected")
    if kind in PAUSES:
        time.sleep(PAUSES[kind])
        return stage()
    assert kind == "exhausted"
    former = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (NO_MEMORY, former[1]))
    try:
        return stage()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, former)


def wanted():
    return getattr(now, "wanted", "")


def make_faulty(name, owner, attribute):
    stage = getattr(owner, attribute)

    @functools.wraps(stage)
    def faulty(*arguments, **named):
        asked, _, kind = wanted().partition(":")
        whole = functools.partial(stage, *arguments, **named)
        return fail(kind, whole) if asked == name else whole()

    setattr(owner, attribute, faulty)


def watch_the_frames():
    """Note for each thread that frames pass through which one it is at: one decodes it, the other takes it."""
    decoded, take = listener.Listener._decoded, listener.Handover.take

    def noted(node, message):
        now.wanted = message.header.frame_id
        return decoded(node, message)

    def taken(steps, timeout):
        step = take(steps, timeout)
        if step and step.arrival:
            now.wanted = step.arrival.message.header.frame_id
        return step

    listener.Listener._decoded, listener.Handover.take = noted, taken


def make_networks_faulty():
    """``NETWORK:nan``: half of the numbers that a network gives are none; its own check of them comes after that."""
    load = OnnxNetwork.__init__

    class Damaged:
        def __init__(self, name, session):
            self._name, self._session = name, session

        def __getattr__(self, name):
            return getattr(self._session, name)

        def run(self, *arguments):
            outputs = self._session.run(*arguments)
            network, _, kind = wanted().partition(":")
            if kind == "nan" and network in self._name:
                for output in outputs:
                    output.reshape(-1)[::2] = np.nan
            return outputs

    def loaded(network, model, name, *rest):
        load(network, model, name, *rest)
        network._session = Damaged(name, network._session)

    OnnxNetwork.__init__ = loaded


if __name__ == "__main__":
    for stage_name, (stage_owner, stage_attribute) in STAGES.items():
        make_faulty(stage_name, stage_owner, stage_attribute)
    watch_the_frames()
    make_networks_faulty()
    run("listener")
