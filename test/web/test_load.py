"""A short load test; ``load.py`` runs as long as one likes."""

import asyncio

from load import Load
from server_process import server_process


def test_uploads_and_cameras_at_the_same_time():
    with server_process("--behind-proxy", "--picture-queue", "8") as server:
        load = Load(server, 10)
        asyncio.run(load.run(uploads=20, cameras=3))
        # In so short a time memory is still being warmed up.
        assert set(load.faults(cameras=3)) <= {"memory went on growing"}, load.figures()
        assert load.statuses[200] >= 5 and load.statuses[429] >= 5, load.figures()
        assert min(load.frames.values()) > 0.5 * max(load.frames.values()), load.figures()
