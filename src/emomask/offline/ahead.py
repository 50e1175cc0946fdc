"""Work that is done in other threads before it is asked for."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterable, Iterator, Tuple, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterator[Item], depth: int) -> Iterator[Item]:
    """The same items, up to ``depth`` of which are taken from ``items`` while the receiver works on one."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        waiting = deque(thread.submit(next, items, end) for _ in range(depth))
        while True:
            item = waiting.popleft().result()
            if item is end:
                return
            waiting.append(thread.submit(next, items, end))
            yield item


def work_ahead(work: Callable[[Item], object], items: Iterable[Item], workers: int) -> Iterator[Tuple]:
    """Pairs of each item and the future of ``work`` on it, in order, while ``workers`` threads work on the next."""
    waiting = deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > workers:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
