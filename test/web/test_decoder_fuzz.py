"""Thousands of mutated pictures: each is a picture within the limits or one clear error, and the decoder lives on.

EMOMASK_FUZZ_EXAMPLES: how many for each format; 150 of the fifteen otherwise.
"""

import os

import cv2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import LARGEST_PIXELS, picture_files

from emomask.errors import SourceError
from emomask.media.demo_clip import DemoClip
from emomask.web.sandbox import Sandbox

EXAMPLES = int(os.environ.get("EMOMASK_FUZZ_EXAMPLES", 150))
FILES = picture_files(cv2.resize(DemoClip().frame(40), (64, 48), interpolation=cv2.INTER_AREA))
# Numbers at which sizes and offsets overflow.
NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


@st.composite
def mutated(draw, data):
    """``data`` with up to eight mutations, mostly near its beginning, where the headers are."""
    data = bytearray(data)
    for _ in range(draw(st.integers(1, 8))):
        # 64 bytes hold most headers; half of the mutations go there.
        place = draw(st.integers(0, max(0, min(64, len(data)) - 1)) | st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["bits", "number", "delete", "repeat", "insert", "cut off"]))
        if kind == "bits" and data:
            data[place] ^= draw(st.integers(1, 255))
        elif kind == "number":
            size, order = draw(st.sampled_from([1, 2, 4])), draw(st.sampled_from(["big", "little"]))
            value = draw(st.sampled_from(NUMBERS)) & ((1 << 8 * size) - 1)
            data[place : place + size] = value.to_bytes(size, order)
        elif kind == "delete":
            del data[place : place + draw(st.integers(1, 64))]
        elif kind == "repeat":
            part = data[place : place + draw(st.integers(1, 64))]
            data[place:place] = part * draw(st.integers(1, 20))
        elif kind == "insert":
            data[place:place] = draw(st.binary(min_size=1, max_size=32))
        else:
            del data[draw(st.integers(0, len(data))) :]
    return bytes(data) or b"\0"


@pytest.fixture(scope="module")
def camera_sandbox():
    made = Sandbox(1, LARGEST_PIXELS, memory=256 << 20, seconds=5.0, is_camera=True)
    yield made
    made.close()


@pytest.mark.parametrize("name", ["jpeg", "progressive", "cmyk"])
def test_mutated_camera_frames(camera_sandbox, name):
    check_mutated(camera_sandbox, name)


@pytest.mark.parametrize("name", sorted(FILES))
def test_mutated_pictures(sandbox, name):
    check_mutated(sandbox, name)


def check_mutated(sandbox, name):
    outcomes = {"decoded": 0, "refused": 0}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="EMOMASK_FUZZ_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(FILES[name]))
    def check(data):
        try:
            frame, profile = sandbox.decode(data)
        except SourceError as error:
            assert "\n" not in str(error) and len(str(error)) <= 500
            outcomes["refused"] += 1
            return
        height, width, channels = frame.shape
        assert channels == 3 and 0 < height * width <= LARGEST_PIXELS
        outcomes["decoded"] += 1

    check()
    assert outcomes["refused"] > EXAMPLES // 20, outcomes
    assert sandbox.decode(FILES["progressive"]).frame.shape == (48, 64, 3)
