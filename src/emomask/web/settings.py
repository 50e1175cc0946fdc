"""How the website is served, and what it lets a visitor do."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Tuple

from emomask.errors import SettingsError
from emomask.resources import share_folder
from emomask.settings import Validated, setting
from emomask.web.addresses import Network

BUILT_IN = "noto"  # the name of the emoji set that lies in the folder of emojis itself
SHORTEST_TOKEN = 16  # characters


@dataclass(frozen=True)
class WebSettings(Validated):
    """Where the website listens and its limits. Raises SettingsError when a value is out of its range."""

    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0: all of IPv4, which lets others in")
    port: int = setting(8000, "TCP port; 0: any that is free", low=0, high=65535)
    tls_certificate: str = setting("", "PEM file with the certificate chain, for https; needs tls_key")
    tls_key: str = setting("", "PEM file with the certificate's private key")
    base_path: str = setting("", "path under which a reverse proxy passes requests on, such as /emomask")
    behind_proxy: bool = setting(
        False, "believe a proxy on this machine what it says of a visitor's address (X-Forwarded-For)"
    )
    names: str = setting("", "host names under which the site may be called besides localhost: one,another")
    token_file: str = setting("", "file with a token of 16 characters or more that visitors must give; empty: none")
    emoji_sets: str = setting("", "folder with further emoji sets, a folder of seven PNG each; empty: none")
    fetch_networks: str = setting("", "private networks from which URLs may be fetched: 192.168.1.0/24,...")
    fetch_ports: str = setting("80,443", "TCP ports from which URLs may be fetched")
    requests: int = setting(120, "requests for masking that an address may make in a minute", low=1, high=100000)
    live_visitors: int = setting(8, "visitors whose cameras are masked at the same time", low=0, high=1000)
    picture_queue: int = setting(24, "pictures that may wait or be masked at the same time", low=1, high=10000)
    picture_mb: int = setting(20, "megabytes of a picture", low=1, high=1000)
    megapixels: int = setting(40, "millions of pixels of a picture", low=1, high=250)
    video_mb: int = setting(100, "megabytes of a video; 0: no videos", low=0, high=10000)
    video_seconds: float = setting(120.0, "length of a video", low=1, high=36000)
    video_queue: int = setting(4, "videos that may wait or be masked, one at a time", low=1, high=1000)
    video_kept: float = setting(600.0, "seconds for which a masked video waits for being fetched", low=1, high=86400)

    def __post_init__(self):
        super().__post_init__()
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise SettingsError("tls_certificate and tls_key belong together; give both or none.")
        for path in filter(None, (self.tls_certificate, self.tls_key, self.token_file)):
            if not os.access(path, os.R_OK):
                raise SettingsError("The file %s cannot be read." % path)
        if self.base_path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", self.base_path):
            raise SettingsError("base_path must be like /emomask, without a slash at its end, not %r." % self.base_path)
        self.token()
        self.allowed_networks()
        self.allowed_ports()
        self.sets()

    def token(self) -> str:
        """What visitors must give; empty when nothing is asked of them."""
        if not self.token_file:
            return ""
        token = Path(self.token_file).read_text(encoding="utf-8", errors="replace").strip()
        if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
            raise SettingsError("%s must hold %d or more ASCII characters." % (self.token_file, SHORTEST_TOKEN))
        return token

    def allowed_networks(self) -> Tuple[Network, ...]:
        """``fetch_networks`` as networks."""
        try:
            return tuple(ipaddress.ip_network(text.strip()) for text in self.fetch_networks.split(",") if text.strip())
        except ValueError as error:
            raise SettingsError("fetch_networks must be networks like 192.168.1.0/24: %s." % error) from error

    def allowed_ports(self) -> Tuple[int, ...]:
        """``fetch_ports`` as numbers."""
        try:
            ports = tuple(int(text) for text in self.fetch_ports.split(","))
        except ValueError as error:
            raise SettingsError("fetch_ports must be numbers like 80,443, not %r." % self.fetch_ports) from error
        if not all(0 < port < 65536 for port in ports):
            raise SettingsError("fetch_ports must lie between 1 and 65535, not %r." % self.fetch_ports)
        return ports

    def sets(self) -> Dict[str, str]:
        """The emoji sets: their names, and their folders as ``Settings.emojis`` takes them."""
        found = {BUILT_IN: ""}
        folders = [share_folder() / "emojis"] + [Path(folder).expanduser() for folder in [self.emoji_sets] if folder]
        for folder in folders:
            try:
                found.update((path.name, str(path)) for path in sorted(folder.iterdir()) if path.is_dir())
            except OSError as error:
                raise SettingsError("emoji_sets: %s cannot be read." % folder) from error
        return found

    def host_names(self) -> Tuple[str, ...]:
        """``names``, one by one, in small letters."""
        return tuple(name.strip().lower() for name in self.names.split(",") if name.strip())
