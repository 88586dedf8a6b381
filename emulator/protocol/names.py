"""Names as the product writes them: GUIDs, client identities, NAL paths."""

from __future__ import annotations

import random
import re

from emulator.errors import MalformedMessage
from emulator.protocol.xml import readable

DOMAIN = "lab.test"  # of every computer of a site
_GUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}")
# The bits of a GUID that say what kind it is (RFC 9562): version 4, variant 10.
_SAID, _VERSION_4 = 0xF000_C000_0000_0000_0000, 0x4000_8000_0000_0000_0000
_NAL_COMPUTER = re.compile(r"\\\\([^\\\]]+)\\$")


def new_guid(rng: random.Random) -> str:
    """A version 4 GUID in upper case, without braces."""
    bits = rng.getrandbits(128)
    digits = f"{bits & ~_SAID | _VERSION_4:032X}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def normalize_smsid(text: str) -> str:
    """``GUID:`` and upper case, from any form that clients send.

    Raises:
        MalformedMessage: there is no GUID in it.
    """
    bare = text.strip().upper().removeprefix("GUID:").strip("{} ")
    if not _GUID.fullmatch(bare):
        raise MalformedMessage(
            f"{text!r} is no client identity; expected GUID:XXXXXXXX-...", raw=readable(text)
        )
    return f"GUID:{bare}"


def fqdn(computer: str) -> str:
    """A computer's full name."""
    return f"{computer.lower()}.{DOMAIN}"


def nal_path(computer: str, site_code: str) -> str:
    """The NAL path of a site system, as Microsoft's package articles show it."""
    return f'["Display=\\\\{computer}\\"]MSWNET:["SMS_SITE={site_code}"]\\\\{computer}\\'


def computer_of_nal(path: str) -> str:
    """The computer that a NAL path names.

    Raises:
        MalformedMessage: it is no NAL path.
    """
    found = _NAL_COMPUTER.search(path)
    if not found:
        raise MalformedMessage(f"{path!r} is no NAL path", raw=readable(path))
    return found[1]
