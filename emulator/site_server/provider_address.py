"""What a URL of the AdminService names: a class, one of its objects, a method of either.

SMS_Package | SMS_Package('S0100001') | SMS_Package/S0100001
SMS_Package('S0100001')/AdminService.RefreshPkgSource       a method of one object
SMS_Identification.GetSiteID                                a method of the class
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from emulator.errors import InvalidObject

ADDRESS = re.compile(
    r"(?P<name>\w+)"
    r"(?:\.(?P<static>\w+)"
    r"|(?:\((?P<key>.*)\)|/(?P<plain>(?!AdminService\.)[^/]+))?(?:/AdminService\.(?P<method>\w+))?)/?",
    re.IGNORECASE | re.DOTALL,
)
KEY_PART = re.compile(r"\s*(?:(\w+)\s*=\s*)?('(?:[^']|'')*'|[-\w]+)\s*(?:,|$)")

KeyParts = list[tuple[str | None, object]]  # (property or None, value)


@dataclass(frozen=True, slots=True)
class Address:
    """What a URL names: a class, perhaps one of its objects, perhaps a method."""

    name: str
    key: KeyParts | None = None
    method: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read the decoded part of a path after the prefix.

        Raises:
            InvalidObject: it is no ``Class``, ``Class(key)`` or method of one of them.
        """
        found = ADDRESS.fullmatch(text)
        if not found:
            raise InvalidObject(f"{text[:200]!r} is not <Class>, <Class>('<key>') or a method of one")
        key: KeyParts | None = None
        if found["plain"]:  # SMS_Collection/S0100010, as public scripts write it
            key = [(None, found["plain"])]
        elif found["key"] is not None:
            key = key_parts(found["key"])
        return cls(found["name"], key, found["static"] or found["method"])


def key_parts(text: str) -> KeyParts:
    """The values between the brackets: ``'S0100001'`` or ``PackageID='S0100001',ProgramName='Run'``.

    Raises:
        InvalidObject: they are none.
    """
    parts: KeyParts = []
    position = 0
    while position < len(text):
        found = KEY_PART.match(text, position)
        if not found:
            raise InvalidObject(f"the key ({text[:200]}) is not 'text', a number or Name='text',...")
        value = found[2]
        parts.append((found[1], value[1:-1].replace("''", "'") if value[0] == "'" else value))
        position = found.end()
    return parts
