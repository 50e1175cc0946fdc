"""A website that runs in this process, on a free port of 127.0.0.1, with real networks."""

import contextlib
import json
import logging
import struct
import threading
import time

import httpx
from websockets.sync.client import connect

from emomask import Settings
from emomask.web.serve import Website
from emomask.web.settings import WebSettings

NUMBER = struct.Struct(">I")
SOLID = {"style": "solid", "emoji_set": "noto", "margin": 0.1}


class Site:
    """``url`` with a slash at its end; ``client``: an httpx.Client for it."""

    def __init__(self, url, verify=True):
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False, verify=verify)

    @property
    def netloc(self):
        return self.url.split("/")[2]

    def mask(self, data, kind="image/jpeg", accept="application/json", headers=None, **choices):
        """Post a picture."""
        fields = {"Content-Type": kind, "Accept": accept, **(headers or {})}
        return self.client.post("api/mask", content=data, headers=fields, params=choices)

    @contextlib.contextmanager
    def socket(self, place="api/live", hello=None, **options):
        """A WebSocket that has said hello (a dict, a text, or False for none)."""
        options = {"open_timeout": 30, **options}
        with connect(self.url.replace("http", "ws", 1) + place, **options) as socket:
            if hello is not False:
                socket.send(hello if isinstance(hello, str) else json.dumps({**SOLID, **(hello or {})}))
            yield socket


def frame_message(number, data):
    return NUMBER.pack(number) + data


def answer_of(message):
    """Number, header and JPEG of an answer; a text raises."""
    assert isinstance(message, bytes), message
    length = NUMBER.unpack_from(message, 4)[0]
    return NUMBER.unpack_from(message)[0], json.loads(message[8 : 8 + length].decode()), message[8 + length :]


@contextlib.contextmanager
def running_site(feed=None, verify=True, **values):
    """A ``Site`` with these web settings."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    website = Website(WebSettings(**{"port": 0, **values}), Settings(), feed)
    thread = threading.Thread(target=website.run)
    thread.start()
    site = Site(website.url, verify)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                site.client.get("api/health")
                break
            except httpx.TransportError:
                assert thread.is_alive() and time.monotonic() < deadline
                time.sleep(0.05)
        yield site
    finally:
        site.client.close()
        website.stop()
        thread.join(30)
        assert not thread.is_alive()
