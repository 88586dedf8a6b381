"""Client affinity: whose computer a client is, asked by its identity (``.sms_aut?GETCLIENTAFFINITY``).

Public clients read a ``User`` element, wherever it stands; the rest of the shape is our choice.
"""

from __future__ import annotations

from collections.abc import Iterable

from emulator.protocol.xml import child, expect_root, new, parse_xml, serialize

AUTOMATIC = "Automatic"  # by usage; an entry made by hand would be of type User


def client_affinity(smsid: str, users: Iterable[str]) -> str:
    """The reply: the users of one computer, often none."""
    root = new("ClientAffinity", SMSID=smsid)
    for user in users:
        child(root, "User", user, Type=AUTOMATIC)
    return serialize(root)


def users_of(text: str | bytes) -> list[str]:
    """Raises MalformedMessage: it is no such reply."""
    root = expect_root(parse_xml(text), "ClientAffinity")
    return [(user.text or "").strip() for user in root.iter("User")]
