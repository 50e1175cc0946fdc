"""The mailbox: newest item only, across threads; and the handover: every item."""

import threading
import time

from emomask.mailbox import Handover, Mailbox


def test_the_newest_item_is_taken_and_the_older_ones_are_counted():
    mailbox = Mailbox()
    for number in range(5):
        mailbox.put(number)
    assert mailbox.take(0) == 4
    assert mailbox.dropped == 4


def test_an_item_is_taken_once():
    mailbox = Mailbox()
    mailbox.put("frame")
    assert mailbox.take(0) == "frame"
    assert mailbox.take(0) is None
    assert mailbox.dropped == 0


def test_with_room_for_several_they_are_taken_in_order_and_the_oldest_are_dropped():
    mailbox = Mailbox(3)
    for number in range(5):
        mailbox.put(number)
    assert [mailbox.take(0) for _ in range(4)] == [2, 3, 4, None]
    assert mailbox.dropped == 2


def test_what_is_cleared_is_not_taken_and_what_comes_then_is():
    mailbox = Mailbox()
    mailbox.put(1)
    mailbox.clear()
    assert mailbox.take(0) is None
    mailbox.put(2)
    assert mailbox.take(0) == 2


def test_take_waits_no_longer_than_its_timeout():
    start = time.monotonic()
    assert Mailbox().take(0.1) is None
    assert 0.09 <= time.monotonic() - start < 5


def test_take_wakes_when_an_item_comes():
    mailbox = Mailbox()
    threading.Timer(0.1, mailbox.put, ["late"]).start()
    start = time.monotonic()
    assert mailbox.take(30) == "late"
    assert time.monotonic() - start < 10


def test_close_wakes_a_waiting_take_and_discards():
    mailbox = Mailbox()
    taken = []
    taker = threading.Thread(target=lambda: taken.append(mailbox.take(30)), daemon=True)
    taker.start()
    mailbox.close()
    taker.join(10)
    assert taken == [None]
    mailbox.put("after")
    assert mailbox.take(0) is None
    assert mailbox.dropped == 0


def test_put_never_waits_for_a_slow_taker():
    mailbox = Mailbox()
    received = []

    def slow_taker():
        while True:
            item = mailbox.take(10)
            if item is None:
                return
            received.append(item)
            time.sleep(0.02)

    taker = threading.Thread(target=slow_taker, daemon=True)
    taker.start()
    start = time.monotonic()
    for number in range(1, 2001):
        mailbox.put(number)
    assert time.monotonic() - start < 2
    deadline = time.monotonic() + 10
    while (not received or received[-1] != 2000) and time.monotonic() < deadline:
        time.sleep(0.01)
    mailbox.close()
    taker.join(10)
    assert received == sorted(received) and received[-1] == 2000
    assert len(received) + mailbox.dropped == 2000


def test_a_handover_loses_nothing_and_whoever_puts_waits_until_it_is_taken():
    handover, events = Handover(), []

    def put():
        for number in range(4):
            handover.put(number)
            events.append(number)

    putter = threading.Thread(target=put, daemon=True)
    putter.start()
    for number in range(4):
        time.sleep(0.05)
        assert events == list(range(number))
        assert handover.take(30) == number
    putter.join(30)
    assert events == [0, 1, 2, 3] and handover.dropped == 0


def test_whoever_is_ahead_goes_on_while_there_is_room_and_the_order_stays():
    handover, events = Handover(3), []

    def put():
        for number in range(5):
            handover.put(number, ahead=number != 4)
            events.append(number)

    putter = threading.Thread(target=put, daemon=True)
    putter.start()
    for number in range(5):
        time.sleep(0.05)
        assert events == list(range(min(4, number + 3)))
        assert handover.take(30) == number
    putter.join(30)
    assert events == [0, 1, 2, 3, 4] and handover.dropped == 0


def test_whoever_is_not_ahead_waits_for_those_before_as_well():
    handover = Handover(3)
    handover.put("first", ahead=True)
    putter = threading.Thread(target=handover.put, args=["second"], daemon=True)
    putter.start()
    assert handover.take(30) == "first"
    time.sleep(0.05)
    assert putter.is_alive()
    assert handover.take(30) == "second"
    putter.join(30)
    assert not putter.is_alive()


def test_a_handover_that_is_closed_lets_go():
    handover = Handover()
    putter = threading.Thread(target=handover.put, args=["item"], daemon=True)
    putter.start()
    time.sleep(0.05)
    assert putter.is_alive()
    handover.close()
    putter.join(30)
    assert not putter.is_alive()
    assert handover.take(0) is None
    handover.put("another")  # returns at once
