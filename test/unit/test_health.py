"""The diagnostics' figures and levels."""

import pytest

from emomask.health import AHEAD, LATE, SILENCE, WINDOW, Level, Meter, judged


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meter(clock):
    return Meter(clock)


def run(meter, clock, seconds=5.0, rate=10.0, age=0.1, work=0.05, outcome="published"):
    for _ in range(int(seconds * rate)):
        clock.now += 1 / rate
        meter.arrived()
        if outcome == "published":
            meter.published(age, work)
        else:
            getattr(meter, outcome)()


def test_a_good_stream_is_ok_and_its_figures_are_right(meter, clock):
    run(meter, clock)
    figures = meter.figures()
    assert (figures.arrived, figures.published, figures.failed, figures.dropped) == (50, 50, 0, 0)
    assert figures.rate == pytest.approx(10) and figures.arrival_rate == pytest.approx(10)
    assert (figures.age, figures.longest_age, figures.work) == (0.1, 0.1, 0.05)
    assert judged(figures) == (Level.OK, "10.0 frames/s")


def test_only_the_last_seconds_count(meter, clock):
    run(meter, clock, seconds=30, rate=10, outcome="failed")
    run(meter, clock, seconds=WINDOW + 1, rate=20)
    figures = meter.figures()
    assert figures.failed == 0 and figures.seconds == WINDOW
    assert figures.published == pytest.approx(20 * WINDOW, abs=1)


def test_before_the_first_frame_the_stream_is_stale_after_a_moment(meter, clock):
    assert judged(meter.figures())[0] == Level.OK
    clock.now += SILENCE - 0.01
    assert judged(meter.figures())[0] == Level.OK
    clock.now += 0.02
    assert judged(meter.figures(), "nobody publishes it") == (Level.STALE, "No frame yet: nobody publishes it")


def test_a_stream_that_breaks_off_is_stale_and_comes_back(meter, clock):
    run(meter, clock)
    clock.now += SILENCE + 0.01
    assert judged(meter.figures()) == (Level.STALE, "No frame for 2 s")
    run(meter, clock, seconds=1)
    assert judged(meter.figures())[0] == Level.OK


def test_some_failures_are_a_warning_and_nothing_but_failures_an_error(meter, clock):
    run(meter, clock, outcome="failed")
    assert judged(meter.figures()) == (Level.ERROR, "All 50 frames of the last 5 s failed")
    run(meter, clock, seconds=1)
    level, message = judged(meter.figures())
    assert level == Level.WARN and "50 frames of the last 6 s failed" in message


@pytest.mark.parametrize(
    "age, level",
    [
        (None, Level.OK),
        (LATE - 0.01, Level.OK),
        (LATE + 0.01, Level.WARN),
        (1e9, Level.WARN),
        (-AHEAD + 0.01, Level.OK),
        (-AHEAD - 0.01, Level.WARN),
    ],
)
def test_the_age_of_frames(meter, clock, age, level):
    run(meter, clock, age=age)
    assert judged(meter.figures())[0] == level


@pytest.mark.parametrize("dropped, level", [(25, Level.OK), (26, Level.WARN), (49, Level.WARN)])
def test_skipped_frames(meter, clock, dropped, level):
    run(meter, clock)
    for total in range(dropped + 1):
        meter.dropped_so_far(total)
    assert judged(meter.figures())[0] == level


def test_a_late_frame_among_many_is_no_warning_but_told(meter, clock):
    run(meter, clock)
    meter.published(LATE + 1, 0.05)
    figures = meter.figures()
    assert judged(figures)[0] == Level.OK and figures.longest_age == LATE + 1


def test_levels_are_those_of_the_message():
    messages = pytest.importorskip("diagnostic_msgs.msg", reason="needs ROS")
    status = messages.DiagnosticStatus
    assert [status.OK, status.WARN, status.ERROR, status.STALE] == list(Level)
