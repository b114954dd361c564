"""Which network addresses a stranger's URL may lead to: public ones, and none that hides another within."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

# Ranges that `ipaddress` of some Python versions calls global, though no picture is published there.
_REFUSED_V4 = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "198.18.0.0/15",  # benchmarks, RFC 2544
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved, RFC 1112
    )
)
_REFUSED_V6 = tuple(
    ip_network(text)
    for text in (
        "::/96",  # IPv4-compatible, unspecified, loopback, RFC 4291
        "64:ff9b:1::/48",  # local translation, RFC 8215
        "100::/64",  # discard only, RFC 6666
        "2001::/23",  # protocol assignments with Teredo, RFC 2928, RFC 4380
        "2001:db8::/32",  # documentation, RFC 3849
        "3fff::/20",  # documentation, RFC 9637
        "5f00::/16",  # segment routing, RFC 9602
        "fc00::/7",  # unique local, RFC 4193
        "fe80::/10",  # link local, RFC 4291
        "fec0::/10",  # site local, RFC 3879
        "ff00::/8",  # multicast, RFC 4291
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 7915
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_6TO4 = IPv6Network("2002::/16")  # RFC 3056
_ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214, the third quarter of the address


def parse_address(text: str) -> Address:
    """An address as the resolver or a socket writes it; raises ValueError."""
    return ip_address(text.partition("%")[0])


def is_public(address: Address) -> bool:
    """Whether `address` is that of a host on the open Internet, and so is any IPv4 address that it stands for."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_V4)
    if any(address in network for network in (_MAPPED, _TRANSLATED, _NAT64, _6TO4)):  # which Pythons see differently
        return all(is_public(inner) for inner in _embedded(address))
    if not address.is_global or any(address in network for network in _REFUSED_V6):
        return False
    return all(is_public(inner) for inner in _embedded(address))


def _embedded(address: IPv6Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses to which a gateway would pass this one on."""
    value = int(address)
    if address in _6TO4:
        yield IPv4Address(value >> 80 & 0xFFFFFFFF)
    in_low_bits = (_MAPPED, _TRANSLATED, _NAT64)
    if any(address in network for network in in_low_bits) or (value >> 32 & 0xFFFFFFFF) in _ISATAP:
        yield IPv4Address(value & 0xFFFFFFFF)
