"""The outer form of every policy body: one rule, one WMI-XML action, and its instances.

UTF-16LE with byte order mark and CR LF lines, as the database column holds it and clients
expect it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lxml import etree

from emulator.errors import MalformedMessage
from emulator.protocol.policy import PolicyVersion
from emulator.protocol.xml import (
    attribute,
    cdata,
    child,
    expect_root,
    new,
    parse_xml,
    readable,
    required,
    serialize,
    to_utf16,
)

Value = str | int | bool | tuple[int, ...]
CIM_STRING, CIM_BOOLEAN, CIM_UINT32 = "8", "11", "19"


@dataclass(frozen=True, slots=True)
class PolicyInstance:
    """The WMI instance that a policy creates on the client."""

    policy: PolicyVersion
    class_name: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InstanceValues:
    """One WMI instance to be written; the values named in ``secrets`` are obfuscated already."""

    class_name: str
    values: Mapping[str, Value]
    secrets: frozenset[str] = frozenset()


def encode_body(policy: PolicyVersion, site_code: str, class_name: str, values: Mapping[str, Value]) -> bytes:
    """A policy body of one instance."""
    return encode_instances(policy, site_code, [InstanceValues(class_name, values)])


def encode_instances(
    policy: PolicyVersion,
    site_code: str,
    instances: Sequence[InstanceValues],
    condition: etree._Element | None = None,
) -> bytes:
    """A policy body of one rule that makes these instances, once its condition holds."""
    root = _policy(policy, site_code)
    rule = child(root, "PolicyRule", PolicyRuleID=policy.policy_id)
    if condition is not None and len(condition):
        rule.append(condition)
    action = child(rule, "PolicyAction", PolicyActionType="WMI-XML")
    for item in instances:
        _append(action, item)
    etree.indent(root, space=" ")
    return _body(root)


def encode_compressed(policy: PolicyVersion, site_code: str, inner: bytes) -> bytes:
    """A policy body whose text is another one: in hex, of zlib, of UTF-16 with its mark."""
    root = _policy(policy, site_code)
    root.text = zlib.compress(inner).hex().upper()
    return _body(root)


def _policy(policy: PolicyVersion, site_code: str) -> etree._Element:
    return new(
        "Policy",
        PolicyType="Machine",
        SchemaVersion="1.00",
        PolicyID=policy.policy_id,
        PolicyVersion=policy.version,
        PolicySource=f"SMS:{site_code}",
    )


def _append(action: etree._Element, item: InstanceValues) -> None:
    instance = child(action, "instance", **{"class": item.class_name})
    for name, value in item.values.items():
        kind = (
            CIM_BOOLEAN if isinstance(value, bool) else CIM_UINT32 if isinstance(value, int) else CIM_STRING
        )
        secret = {"secret": "1"} if name in item.secrets else {}
        element = child(child(instance, "property", name=name, type=kind, **secret), "value")
        cdata(element, _text(value))


def _body(root: etree._Element) -> bytes:
    text = '<?xml version="1.0" ?>\n' + serialize(root)
    return to_utf16(text.replace("\r\n", "\n").replace("\n", "\r\n"))


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, str) and "]]>" in value:
        raise MalformedMessage("a policy property cannot hold ']]>'")
    return str(value)


def decode_body(body: bytes) -> PolicyInstance:
    """Read a policy body.

    Raises:
        MalformedMessage: it is none.
    """
    root = expect_root(parse_xml(body), "Policy")
    instance = root.find("PolicyRule/PolicyAction/instance")
    if instance is None:
        raise MalformedMessage("<Policy> holds no instance", raw=body[:200])
    properties = {
        attribute(item, "name"): item.findtext("value") or "" for item in instance.iterfind("property")
    }
    return PolicyInstance(
        PolicyVersion(required(root, "PolicyID"), required(root, "PolicyVersion")),
        required(instance, "class"),
        properties,
    )


def policy_hash(body: bytes) -> str:
    """What ``PolicyHashEx`` says of a body."""
    return f"SHA256:{hashlib.sha256(body).hexdigest().upper()}"


def policy_hash_sha1(body: bytes) -> str:
    """What ``PolicyHash`` says of a body: 2007 had no other."""
    return f"SHA1:{hashlib.sha1(body, usedforsecurity=False).hexdigest().upper()}"


def cim_datetime(time: datetime) -> str:
    """``yyyymmddhhmmss.ffffff+000`` in UTC, as WMI writes a moment."""
    return time.astimezone(UTC).strftime("%Y%m%d%H%M%S.%f+000")


def read_cim_datetime(text: str) -> datetime:
    """The moment a CIM datetime names.

    Raises:
        MalformedMessage: it names none.
    """
    local, offset = text.strip()[:21], text.strip()[21:]
    try:
        moment = datetime.strptime(local, "%Y%m%d%H%M%S.%f").replace(tzinfo=UTC)
        return moment - timedelta(minutes=0 if offset in ("", "+***") else int(offset))
    except (ValueError, OverflowError) as exc:
        raise MalformedMessage(f"{text[:40]!r} is no CIM datetime", raw=readable(text)) from exc
