"""Policy messages: which policies a client is assigned, and where a body is read.

A client first asks for its assignments, then downloads each body it lacks by URL. The two
travel different paths on purpose: a body can come from the management point's cache, an
assignment cannot.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.names import normalize_smsid
from emulator.protocol.policy_condition import UNTIL_TRUE, condition_of, read_condition
from emulator.protocol.signed_policy import add_signature
from emulator.protocol.xml import (
    attribute,
    cdata,
    child,
    expect_root,
    new,
    number,
    parse_xml,
    readable,
    required,
    serialize,
    text_of,
)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One policy body at one version, as named in ``/sms_mp/.sms_pol?<id>.<version>``."""

    policy_id: str
    version: str  # '2.00'

    @classmethod
    def from_query(cls, query: str) -> Self:
        """Raw or percent-escaped braces, any letter case; ``2_00`` means ``2.00``."""
        policy_id, dot, version = unquote(query).rpartition(".")
        if not (dot and policy_id and version):
            raise MalformedMessage("expected <policy id>.<version>", raw=readable(query))
        if not (policy_id + version).isprintable():
            raise MalformedMessage("a policy's name holds no control characters", raw=readable(query))
        return cls(policy_id.upper(), version.replace("_", "."))

    def to_query(self) -> str:
        return f"{self.policy_id}.{self.version.replace('.', '_')}"


TASK_SEQUENCE, REQUIRES_AUTH, SECRET = 1, 2, 4  # PolicyFlags
INTRANET_ONLY, PERSIST_WHOLE_POLICY = 8, 16


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy's body as it is kept, and what its flags demand of who reads it."""

    body: bytes  # UTF-16LE with its mark
    flags: int = 0

    @property
    def protected(self) -> bool:
        """Whether only a registered client may have it."""
        return bool(self.flags & (REQUIRES_AUTH | SECRET))

    @property
    def secret(self) -> bool:
        """Whether only an approved client may have it, and nobody may read it on the way."""
        return bool(self.flags & SECRET)


@dataclass(frozen=True, slots=True)
class RequestAssignments:
    """A client asks what it is assigned: everything, or what changed since a cookie."""

    client_id: str
    fqdn: str
    netbios_name: str
    site_code: str
    request_type: str = "Full"  # or OnUpdate
    server_cookie: str = ""
    ack: bool = True
    validation_crc: bool = False
    resource_type: str = "Machine"  # or User

    def to_xml(self) -> str:
        root = new(
            "RequestAssignments",
            SchemaVersion="1.00",
            RequestType=self.request_type,
            Ack="True" if self.ack else "False",
        )
        if self.validation_crc:
            root.set("ValidationRequest", "CRC")
        _identification(root, self.client_id, self.fqdn, self.netbios_name)
        child(root, "PolicySource", f"SMS:{self.site_code}")
        child(root, "Resource", ResourceType=self.resource_type)
        child(root, "ServerCookie", self.server_cookie)
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Any request type but OnUpdate means everything (``Always``, ``Full``).

        Raises:
            MalformedMessage: it is none, or names no client.
        """
        root = expect_root(parse_xml(text), "RequestAssignments")
        machine = _machine(root)
        update = attribute(root, "RequestType").lower() == "onupdate"
        validation = attribute(root, "ValidationRequest") or attribute(root, "ValidationRequested")
        user, client_id = _is_for_a_user(root), text_of(machine, "ClientID")
        return cls(
            client_id=normalize_smsid(client_id) if client_id or not user else "",
            fqdn=text_of(machine, "FQDN"),
            netbios_name=text_of(machine, "NetBIOSName"),
            site_code=text_of(root, "PolicySource").removeprefix("SMS:"),
            request_type="OnUpdate" if update else "Full",
            server_cookie=text_of(root, "ServerCookie"),
            ack=attribute(root, "Ack").lower() == "true",
            validation_crc=validation.upper() == "CRC",
            resource_type="User" if user else "Machine",
        )


@dataclass(frozen=True, slots=True)
class AssignedPolicy:
    """One assignment and the policy it names; ``action`` is ``delete`` when it was withdrawn."""

    assignment_id: str
    policy: PolicyVersion
    category: str
    policy_type: str = "Machine"
    flags: int = 0
    priority: int = 25
    policy_hash: str = ""
    condition: str | None = None  # WQL of the one expression, until-true
    action: str = ""
    policy_hash_sha1: str = ""
    condition_xml: str = ""  # the whole <Condition>, where it says more than one such expression


@dataclass(frozen=True, slots=True)
class ReplyAssignments:
    """The answer: assignments, and the cookie to ask from next time."""

    client_id: str
    fqdn: str
    netbios_name: str
    site_code: str
    reply_type: str  # Full or OnUpdate
    server_cookie: str
    assignments: tuple[AssignedPolicy, ...] = ()
    validation_data: str = ""
    resource_type: str = "Machine"

    def to_xml(self, sign: Callable[[bytes], str] | None = None) -> str:
        """The reply; in native mode with each assignment signed by the site server (``signed_policy``)."""
        root = new("ReplyAssignments", SchemaVersion="1.00", ReplyType=self.reply_type)
        _identification(root, self.client_id, self.fqdn, self.netbios_name)
        child(root, "PolicySource", f"SMS:{self.site_code}")
        child(root, "Resource", ResourceType=self.resource_type)
        child(root, "ServerCookie", self.server_cookie)
        if self.validation_data:
            child(root, "ValidationData", self.validation_data)
        for assigned in self.assignments:
            _append(root, assigned)
        if sign:
            add_signature(root, sign)
        return serialize(root)

    @classmethod
    def from_xml(cls, text: str) -> Self:
        """Raises MalformedMessage."""
        root = expect_root(parse_xml(text), "ReplyAssignments")
        machine = _machine(root)
        return cls(
            client_id=normalize_smsid(text_of(machine, "ClientID")),
            fqdn=text_of(machine, "FQDN"),
            netbios_name=text_of(machine, "NetBIOSName"),
            site_code=text_of(root, "PolicySource").removeprefix("SMS:"),
            reply_type=attribute(root, "ReplyType", "Full"),
            server_cookie=text_of(root, "ServerCookie"),
            assignments=tuple(_read(element) for element in root.iterfind("PolicyAssignment")),
            validation_data=text_of(root, "ValidationData"),
        )


def validation_crc(assignments: Iterable[AssignedPolicy]) -> str:
    """CRC-32 over the sorted assignment ids and policy versions (the input is our choice)."""
    lines = sorted(f"{a.assignment_id}={a.policy.to_query()}" for a in assignments)
    return f"{zlib.crc32(chr(10).join(lines).encode()):08X}"


def _identification(root: etree._Element, client_id: str, fqdn: str, netbios_name: str) -> None:
    identification = child(root, "Identification")
    machine = child(identification, "Machine")
    child(machine, "ClientID", client_id)
    child(machine, "FQDN", fqdn)
    child(machine, "NetBIOSName", netbios_name)
    child(machine, "SID", "")  # as <SID></SID>
    child(identification, "User")


def _machine(root: etree._Element) -> etree._Element:
    machine = root.find("Identification/Machine")
    if machine is None:
        raise MalformedMessage(f"<{root.tag}> identifies no machine")
    return machine


def _is_for_a_user(root: etree._Element) -> bool:
    resource = root.find("Resource")
    return resource is not None and attribute(resource, "ResourceType").lower() == "user"


def _append(root: etree._Element, assigned: AssignedPolicy) -> None:
    action = {"Action": assigned.action} if assigned.action else {}
    element = child(root, "PolicyAssignment", PolicyAssignmentID=assigned.assignment_id, **action)
    if assigned.condition_xml:
        element.append(read_condition(assigned.condition_xml))
    else:
        element.append(condition_of(((UNTIL_TRUE, assigned.condition),) if assigned.condition else ()))
    # Public clients read these with regular expressions: this order, the location first, in CDATA.
    policy = child(
        element,
        "Policy",
        PolicyID=assigned.policy.policy_id,
        PolicyVersion=assigned.policy.version,
        PolicyType=assigned.policy_type,
        PolicyCategory=assigned.category,
        PolicyFlags=str(assigned.flags),
        PolicyPriority=str(assigned.priority),
    )
    sha1 = {"PolicyHash": assigned.policy_hash_sha1} if assigned.policy_hash_sha1 else {}
    location = child(policy, "PolicyLocation", **sha1, PolicyHashEx=assigned.policy_hash)
    cdata(location, f"http://<mp>/SMS_MP/.sms_pol?{assigned.policy.to_query()}")


def _read(element: etree._Element) -> AssignedPolicy:
    policy = element.find("Policy")
    if policy is None:
        raise MalformedMessage("<PolicyAssignment> names no <Policy>")
    location = policy.find("PolicyLocation")
    return AssignedPolicy(
        assignment_id=required(element, "PolicyAssignmentID"),
        policy=PolicyVersion(required(policy, "PolicyID"), attribute(policy, "PolicyVersion", "1.00")),
        category=attribute(policy, "PolicyCategory"),
        policy_type=attribute(policy, "PolicyType", "Machine"),
        flags=number(attribute(policy, "PolicyFlags", "0"), "PolicyFlags"),
        priority=number(attribute(policy, "PolicyPriority", "25"), "PolicyPriority"),
        policy_hash="" if location is None else attribute(location, "PolicyHashEx"),
        condition=text_of(element, "Condition/Expression") or None,
        action=attribute(element, "Action"),
        policy_hash_sha1="" if location is None else attribute(location, "PolicyHash"),
        condition_xml=_condition_xml(element.find("Condition")),
    )


def _condition_xml(condition: etree._Element | None) -> str:
    """A condition that ``AssignedPolicy.condition`` cannot say."""
    if condition is None or len(condition) == 0:
        return ""
    only = condition[0]
    plain = len(condition) == 1 and only.tag == "Expression"
    return "" if plain and attribute(only, "ExpressionType") == UNTIL_TRUE else serialize(condition)
