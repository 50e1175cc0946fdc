#!/usr/bin/env python3
"""Measure the live view: frames/s and milliseconds from camera to screen, as the page tells them, for some visitors.

Chromium and the server share this machine.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.append(str(Path(__file__).resolve().parents[1] / "web"))

from browser_page import launch_with_clip, opened, start_camera
from server_process import server_process

SETTLING = 3  # seconds


def measured(visitors, seconds):
    """For each visitor the medians of what the page told twice a second."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder, server_process() as server:
        browser = launch_with_clip(playwright, Path(folder))
        views = [opened(browser, server) for _ in range(visitors)]
        pages = [view.__enter__() for view in views]
        for page in pages:
            start_camera(page)
        pages[0].wait_for_timeout(SETTLING * 1000)
        told = [[] for _ in pages]
        for _ in range(2 * seconds):
            pages[0].wait_for_timeout(500)
            for page, values in zip(pages, told):
                data = page.eval_on_selector("#live-stats", "stats => ({...stats.dataset})")
                values.append((float(data["rate"]), float(data["latency"])))
        for view in views:
            view.__exit__(None, None, None)
        browser.close()
    return [
        {
            "fps": statistics.median(rate for rate, _ in values),
            "latency_p50_ms": statistics.median(latency for _, latency in values),
            "latency_worst_half_second_ms": max(latency for _, latency in values),
        }
        for values in told
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=20)
    options = parser.parse_args()
    print(json.dumps(measured(options.visitors, options.seconds), indent=1))
