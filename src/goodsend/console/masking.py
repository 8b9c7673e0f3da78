"""
Personal data hidden by role. A viewer sees enough to recognise a pattern, not enough to find a person.

What is personal is said by the catalogue (`Fact.personal`, `Field.personal`) and by the entity types below; free text
(reasons, evidence, notes) is searched for addresses, phone numbers and network addresses.
"""

import ipaddress
from collections.abc import Collection, Mapping
from typing import Any, Final

import re2  # type: ignore[import-untyped]

MASKED_ROLES: Final = frozenset({"viewer"})
"""Roles that see personal data masked only."""

PERSONAL_ENTITIES: Final = frozenset({"email", "phone", "ip", "recipient", "user"})
"""Entity types whose keys are a person's data."""

_DOTS = "•••"
_MAIL = re2.compile(r"[\pL\pN._%+'-]{1,64}@([\pL\pN-]{1,63}(?:\.[\pL\pN-]{1,63})+)")
_PHONE = re2.compile(r"\+\d[\d ().-]{5,20}\d")
_IP4 = re2.compile(r"\b(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}\b")
_IP6 = re2.compile(r"\b[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{0,4}){2,7}\b")


def is_masked(role: str) -> bool:
    """Say whether this role sees personal data masked."""
    return role in MASKED_ROLES


def mask(value: str) -> str:
    """
    Return a personal value with its telling part hidden: the local part of an address, the last digits' neighbours of
    a number, the host of a network address, all but the initial of a name.
    """
    text = value.strip()
    local, at, domain = text.rpartition("@")
    if at and local and domain:
        return f"{local[0]}{_DOTS}@{domain}"
    network = _mask_ip(text)
    if network is not None:
        return network
    if text.startswith("+") and sum(char.isdigit() for char in text) >= 7:
        return f"{text[:3]} {_DOTS} {text[-2:]}"
    return f"{text[0]}{_DOTS}" if text else ""


def mask_text(text: str) -> str:
    """Return free text with every mail address, phone number and network address in it masked."""
    text = _MAIL.sub(lambda found: mask(found.group(0)), text)
    text = _PHONE.sub(lambda found: mask(found.group(0)), text)
    text = _IP4.sub(lambda found: f"{found.group(1)}.{_DOTS}", text)
    return str(_IP6.sub(lambda found: _mask_ip(found.group(0)) or found.group(0), text))


def mask_values(values: Mapping[str, Any], personal: Collection[str]) -> dict[str, Any]:
    """Return a mapping with the values of the personal names masked and free text searched; other types stay."""
    return {name: _mask_any(value, name in personal) for name, value in values.items()}


def _mask_any(value: Any, personal: bool) -> Any:
    if isinstance(value, str):
        return mask(value) if personal else mask_text(value)
    if isinstance(value, list | tuple):
        return [_mask_any(item, personal) for item in value]
    if isinstance(value, Mapping):
        return {key: _mask_any(item, personal) for key, item in value.items()}
    return _DOTS if personal and value is not None else value


def _mask_ip(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv4Address):
        return f"{text.rpartition('.')[0]}.{_DOTS}"
    return f"{':'.join(address.exploded.split(':')[:3])}:{_DOTS}"
