import threading
import time

import pytest

from emomask.offline.ahead import reading_ahead, working_ahead


def slow(count, log):
    """Items that take their time; notes who took them and that it was closed."""
    try:
        for number in range(count):
            time.sleep(0.01)
            log.append(threading.current_thread())
            yield number
        if count == 5:
            raise OSError("the disk is gone")
    finally:
        log.append("closed")


def test_items_are_read_by_another_thread_in_order():
    log = []
    with reading_ahead(slow(20, log), 3) as items:
        assert next(items) == 0
        time.sleep(0.1)
        assert len(log) == 4  # the one that was given, and three ahead
        assert list(items) == list(range(1, 20))
    assert log.pop() == "closed" and threading.current_thread() not in log


def test_an_error_comes_after_the_items_before_it():
    log, got = [], []
    with pytest.raises(OSError, match="gone"):
        with reading_ahead(slow(5, log), 3) as items:
            for item in items:
                got.append(item)
    assert got == list(range(5)) and log[-1] == "closed"


def test_the_reading_ends_with_the_block():
    """Also while the next item is on its way, which a generator cannot be closed in."""
    log = []
    with pytest.raises(KeyError):
        with reading_ahead(slow(20, log), 3) as items:
            next(items)
            raise KeyError
    assert log[-1] == "closed" and log.count("closed") == 1


def test_work_is_done_ahead_and_given_in_order():
    running, most = set(), []

    def work(number):
        running.add(number)
        most.append(len(running))
        time.sleep(0.02 if number % 2 else 0.01)
        running.discard(number)
        if number == 7:
            raise ValueError(number)
        return number**2

    with working_ahead(work, range(20), 2) as pairs:
        for number, future in pairs:
            if number == 7:
                assert isinstance(future.exception(), ValueError)
            else:
                assert future.result() == number**2
    assert max(most) == 2
