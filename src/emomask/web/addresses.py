"""Which network addresses the server may fetch from on a visitor's behalf: those of the public Internet alone."""

import ipaddress
from typing import Sequence, Union

Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

# On top of what ``is_global`` refuses, which differs between versions of Python: special networks of IANA's registries,
# IPv6 networks whose addresses carry an IPv4 address that a gateway would reach, and a cloud's own server that has a
# public address.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",  # link-local, with the metadata servers of most clouds
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


def is_public(address: Address) -> bool:
    """Whether ``address`` lies on the public Internet and stands for nothing else."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not _within(address, _REFUSED)


def may_be_fetched(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Whether ``address`` is public or in one of the networks that the operator has ``allowed``."""
    return is_public(address) or _within(address, allowed)


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
