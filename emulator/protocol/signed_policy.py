"""Signed policy: in native mode a client believes an assignment only from the site server.

``ReplyAssignments`` then has one ``Signature`` with a ``Reference`` for each assignment (2007 SDK).
Which bytes are signed is not documented; chosen by us: UTF-16LE of the ``PolicyAssignment`` element
as exclusive canonical XML, so that a reader who has parsed the reply can check it. As everywhere, the
signature is RSASSA-PKCS1-v1_5 with SHA-256, bytes reversed, upper-case hex.
"""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from emulator.errors import BadSignature
from emulator.protocol.signing import SHA256_OID, verify
from emulator.protocol.xml import attribute, child, expect_root, new, parse_xml, text_of

ALGORITHM = "SHA256"


def add_signature(root: etree._Element, sign: Callable[[bytes], str]) -> None:
    """Put the Signature before the assignments of a ReplyAssignments."""
    assignments = root.findall("PolicyAssignment")
    signature = new("Signature")
    for assignment in assignments:
        reference = child(
            signature, "Reference", PolicyAssignmentID=attribute(assignment, "PolicyAssignmentID")
        )
        child(reference, "SignatureAlgorithm", SHA256_OID, AlgorithmID=ALGORITHM)
        child(reference, "SignatureValue", sign(signed_bytes(assignment)))
    if assignments:
        assignments[0].addprevious(signature)
    else:
        root.append(signature)


def signed_bytes(assignment: etree._Element) -> bytes:
    """What the site server signs of one assignment."""
    canonical: bytes = etree.tostring(assignment, method="c14n", exclusive=True)
    return canonical.decode().encode("utf-16-le")


def badly_signed(reply: str, certificate: bytes) -> dict[str, str]:
    """The assignments of a reply that the site server did not sign: their ids, and what is wrong with each.

    An id that stands there twice is refused whole if one of the two is wrong.

    Raises:
        MalformedMessage: it is no ReplyAssignments.
    """
    root = expect_root(parse_xml(reply), "ReplyAssignments")
    signatures = {
        attribute(reference, "PolicyAssignmentID"): text_of(reference, "SignatureValue")
        for reference in root.iterfind("Signature/Reference")
    }
    wrong = {}
    for assignment in root.iterfind("PolicyAssignment"):
        name = attribute(assignment, "PolicyAssignmentID")
        if name not in signatures:
            wrong[name] = f"the assignment {name} is not signed"
            continue
        try:
            verify(certificate, signed_bytes(assignment), signatures[name])
        except BadSignature:
            wrong[name] = f"the assignment {name} is not signed by the site server"
    return wrong


def verify_assignments(reply: str, certificate: bytes) -> None:
    """See that the site server signed every assignment of a reply.

    Raises:
        BadSignature: one is not signed, or by somebody else.
        MalformedMessage: it is no ReplyAssignments.
    """
    for wrong in badly_signed(reply, certificate).values():
        raise BadSignature(wrong)
