"""Errands: tasks that one thread leaves for another."""

import threading
import time

import pytest

from emomask.errands import BusyError, Errands


@pytest.fixture
def served():
    """Errands that a thread does."""
    errands, ended = Errands(), threading.Event()

    def work():
        while not ended.wait(0.005):
            errands.run()

    thread = threading.Thread(target=work)
    thread.start()
    yield errands
    ended.set()
    thread.join()


def test_the_other_thread_does_it_and_gives_the_result(served):
    assert served.ask(threading.current_thread, 10) is not threading.current_thread()


def test_its_exception_reaches_who_asked(served):
    with pytest.raises(ZeroDivisionError):
        served.ask(lambda: 1 / 0, 10)
    assert served.ask(lambda: 7, 10) == 7


def test_tasks_are_done_in_order_also_when_many_ask(served):
    done = []

    def ask(name):
        for number in range(50):
            served.ask(lambda number=number: done.append((name, number)), 10)

    threads = [threading.Thread(target=ask, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 150
    assert all([number for name, number in done if name == one] == list(range(50)) for one in "abc")


def test_what_is_not_done_in_time_is_never_done():
    errands, done = Errands(), []
    start = time.monotonic()
    with pytest.raises(BusyError, match="try again"):
        errands.ask(lambda: done.append(1), 0.05)
    assert time.monotonic() - start < 5
    errands.run()
    assert done == []
