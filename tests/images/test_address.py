"""Only hosts of the open Internet count as public, however an address is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samekind.images.address import IPv6Address, is_public, parse_address

PRIVATE_V4 = [
    *("0.0.0.1", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"),
    *("172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1"),
    *("203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
]
PUBLIC_V4 = ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "192.169.0.1"]


@pytest.mark.parametrize("text", PUBLIC_V4)
def test_public_addresses_are_public_in_every_form(text: str) -> None:
    value = int(parse_address(text))
    assert is_public(parse_address(text))
    for form in (f"::ffff:{text}", f"64:ff9b::{text}"):
        assert is_public(parse_address(form)), form
    assert is_public(IPv6Address((0x2002 << 112) | (value << 80) | 1))


@pytest.mark.parametrize("text", PRIVATE_V4)
def test_private_addresses_are_private_in_every_form(text: str) -> None:
    value = int(parse_address(text))
    assert not is_public(parse_address(text))
    for form in (f"::ffff:{text}", f"::ffff:0:{text}", f"64:ff9b::{text}", f"::{text}", f"64:ff9b:1::{text}"):
        assert not is_public(parse_address(form)), form
    assert not is_public(IPv6Address((0x2002 << 112) | (value << 80) | 1)), "6to4"
    assert not is_public(IPv6Address((0x2606_4700 << 96) | (0x5EFE << 32) | value)), "ISATAP"


@pytest.mark.parametrize("text", ["2606:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001::1"])
def test_public_addresses_of_the_sixth_version_are_public(text: str) -> None:
    assert is_public(parse_address(text))


@pytest.mark.parametrize(
    "text",
    [
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12:3456::1", "ff02::1", "ff0e::1"),
        *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1", "100::1", "5f00::1"),
    ],
)
def test_other_addresses_of_the_sixth_version_are_not(text: str) -> None:
    assert not is_public(parse_address(text))


@given(st.ip_addresses(v=4))
def test_no_form_is_more_public_than_the_address_itself(address: object) -> None:
    plain = is_public(parse_address(str(address)))
    value = int(parse_address(str(address)))
    for prefix in (0xFFFF << 32, 0xFFFF << 48, 0x64_FF9B << 96):
        assert is_public(IPv6Address(prefix | value)) == plain
    assert is_public(IPv6Address((0x2002 << 112) | (value << 80))) == plain


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4.5", "::g"])
def test_what_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_address(text)
