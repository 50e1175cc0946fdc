"""Work that is done in other threads before it is asked for."""

import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Generator, Iterable, Iterator, Tuple, TypeVar

Item = TypeVar("Item")


@contextlib.contextmanager
def reading_ahead(items: Generator[Item, None, None], depth: int) -> Iterator[Iterator[Item]]:
    """Gives an iterator over ``items``, up to ``depth`` of which are taken while the receiver works on one.

    At the end of the block ``items`` is closed.
    """
    end = object()

    def taken() -> Iterator[Item]:
        waiting = deque(thread.submit(next, items, end) for _ in range(depth))
        while True:
            item = waiting.popleft().result()
            if item is end:
                return
            waiting.append(thread.submit(next, items, end))
            yield item

    with contextlib.closing(items), ThreadPoolExecutor(1) as thread:
        yield taken()


@contextlib.contextmanager
def working_ahead(work: Callable[[Item], object], items: Iterable[Item], workers: int) -> Iterator[Iterator[Tuple]]:
    """Gives pairs of each item and the future of ``work`` on it, in order, while ``workers`` threads do the next."""

    def worked_on() -> Iterator[Tuple]:
        waiting = deque()
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > workers:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()

    with ThreadPoolExecutor(workers) as pool:
        yield worked_on()
