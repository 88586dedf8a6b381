from __future__ import annotations

import contextlib
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from emulator.errors import BadSignature, MalformedMessage
from emulator.protocol.policy import (
    AssignedPolicy,
    PolicyVersion,
    ReplyAssignments,
    RequestAssignments,
    validation_crc,
)
from emulator.protocol.policy_condition import CONTINUOUS, UNTIL_TRUE, condition_of
from emulator.protocol.signed_policy import verify_assignments
from emulator.protocol.xml import parse_xml

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"
ID = "{7C9E6679-7425-40DE-944B-E07FC1F90AE7}"
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30
).map(str.strip)
IDENTITY = (
    f"<Identification><Machine><ClientID>{SMSID}</ClientID><FQDN>pc1.lab.test</FQDN>"
    "<NetBIOSName>pc1</NetBIOSName><SID/></Machine><User/></Identification>"
)
ASSIGNED = AssignedPolicy(
    assignment_id="{0F8FAD5B-D9CB-469F-A165-70867728950E}",
    policy=PolicyVersion(ID, "2.00"),
    category="NAAConfig",
    flags=30,
    policy_hash="SHA256:" + "0" * 64,
    policy_hash_sha1="SHA1:" + "0" * 40,
)
REPLY = ReplyAssignments(
    client_id=SMSID,
    fqdn="pc1.lab.test",
    netbios_name="pc1",
    site_code="PS1",
    reply_type="Full",
    server_cookie="2026-06-01 08:00:00.000",
    assignments=(ASSIGNED,),
)


# --- the name of a policy version ----------------------------------------------------


@pytest.mark.parametrize(
    ("query", "policy"),
    [
        (f"{ID}.2_00", PolicyVersion(ID, "2.00")),
        ("%7B7C9E6679-7425-40DE-944B-E07FC1F90AE7%7D.2_00", PolicyVersion(ID, "2.00")),
        ("%7b7c9e6679-7425-40de-944b-e07fc1f90ae7%7d.2_00", PolicyVersion(ID, "2.00")),
        ("PS120001-PS100001-6F6BCC28.1_00", PolicyVersion("PS120001-PS100001-6F6BCC28", "1.00")),
        (f"{ID}.SHA256:{'AB' * 32}", PolicyVersion(ID, f"SHA256:{'AB' * 32}")),
        ("a.b.1_00", PolicyVersion("A.B", "1.00")),
    ],
)
def test_queries(query: str, policy: PolicyVersion) -> None:
    assert PolicyVersion.from_query(query) == policy
    assert PolicyVersion.from_query(policy.to_query()) == policy


@pytest.mark.parametrize(
    "query", ["", ".", "x", "x.", ".1_00", ID, "%2e", "x%00.1_00", "x.1%0a", "\udcff", "x\ud800.1", "x.\0"]
)
def test_queries_that_name_no_policy(query: str) -> None:
    with pytest.raises(MalformedMessage):
        PolicyVersion.from_query(query)


# --- the request ---------------------------------------------------------------------


def test_the_examples_request(example) -> None:
    request = RequestAssignments.from_xml(example.policy_request)
    assert request == RequestAssignments(SMSID, "pc1.lab.test", "pc1", "PS1", ack=False)
    ours = parse_xml(request.to_xml())
    assert [element.tag for element in ours] == [e.tag for e in parse_xml(example.policy_request)]


@given(TEXT, TEXT, TEXT, st.sampled_from(["Full", "OnUpdate"]), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None, database=None)
def test_request_round_trip(
    fqdn: str, name: str, cookie: str, request_type: str, ack: bool, validation: bool
) -> None:
    request = RequestAssignments(SMSID, fqdn, name, "PS1", request_type, cookie, ack, validation)
    assert RequestAssignments.from_xml(request.to_xml()) == request


@pytest.mark.parametrize(
    ("attributes", "change"),
    [
        ('RequestType="Always"', {}),
        ('RequestType="Full"', {}),
        ('RequestType="Update"', {}),
        ("", {}),
        ('RequestType="onupdate"', {"request_type": "OnUpdate"}),
        ('ACK="false"', {}),
        ('Ack="True"', {"ack": True}),
        ('ACK="true"', {"ack": True}),
        ('ValidationRequest="CRC"', {"validation_crc": True}),
        ('ValidationRequested="crc"', {"validation_crc": True}),
    ],
)
def test_spellings_of_attributes(attributes: str, change: dict[str, object]) -> None:
    text = f"<RequestAssignments {attributes}>{IDENTITY}<PolicySource>SMS:PRI</PolicySource>"
    text += "</RequestAssignments>"
    expected = RequestAssignments(SMSID, "pc1.lab.test", "pc1", "PRI", ack=False)
    assert RequestAssignments.from_xml(text) == replace(expected, **change)


@pytest.mark.parametrize(
    "form", [SMSID, SMSID.lower(), SMSID[5:], f"{{{SMSID[5:].lower()}}}", f" GUID:{{{SMSID[5:]}}}\n"]
)
def test_spellings_of_the_client(form: str) -> None:
    # PXE clients leave the names empty.
    machine = f"<Machine><ClientID>{form}</ClientID><FQDN/><NetBIOSName/></Machine>"
    identity = f"<Identification>{machine}</Identification>"
    request = RequestAssignments.from_xml(f"<RequestAssignments>{identity}</RequestAssignments>")
    assert (request.client_id, request.fqdn, request.netbios_name) == (SMSID, "", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<Other/>",
        "<RequestAssignments/>",
        "<RequestAssignments><Identification/></RequestAssignments>",
        "<RequestAssignments><Identification><Machine/></Identification></RequestAssignments>",
        f"<RequestAssignments>{IDENTITY.replace(SMSID, 'GUID:x')}</RequestAssignments>",
        f"<!DOCTYPE a><RequestAssignments>{IDENTITY}</RequestAssignments>",
        f"<RequestAssignments>{IDENTITY}&x;</RequestAssignments>",
        f'<RequestAssignments xmlns="x">{IDENTITY}</RequestAssignments>',
    ],
)
def test_malformed_request(text: str) -> None:
    with pytest.raises(MalformedMessage):
        RequestAssignments.from_xml(text)


# --- the reply -----------------------------------------------------------------------


def test_the_examples_reply(example) -> None:
    assert ReplyAssignments.from_xml(example.policy_reply) == REPLY


@pytest.mark.proves("policy.reply")
def test_our_reply_is_the_examples(example) -> None:
    assert REPLY.to_xml() == example.policy_reply


def test_a_condition_of_several_expressions() -> None:
    condition = condition_of(((CONTINUOUS, "@root\\ccm\nSELECT a"), (UNTIL_TRUE, "SELECT b < 1")))
    written = etree.tostring(condition, encoding="unicode")
    assert written == (
        '<Condition><Operator OperatorType="AND">'
        '<Expression ExpressionLanguage="WQL" ExpressionType="continuous">'
        "<![CDATA[@root\\ccm\nSELECT a]]></Expression>"
        '<Expression ExpressionLanguage="WQL" ExpressionType="until-true">'
        "<![CDATA[SELECT b < 1]]></Expression>"
        "</Operator></Condition>"
    )
    text = replace(REPLY, assignments=(replace(ASSIGNED, condition_xml=written),)).to_xml()
    assert written in text
    (read,) = ReplyAssignments.from_xml(text).assignments
    assert "continuous" in read.condition_xml


def test_a_request_for_a_user() -> None:
    text = f'<RequestAssignments>{IDENTITY}<Resource ResourceType="User"/></RequestAssignments>'
    assert RequestAssignments.from_xml(text).resource_type == "User"


@pytest.mark.proves("policy.signed")
def test_signed_assignments(signer, another_signer) -> None:
    other = replace(ASSIGNED, assignment_id="{1}", condition="SELECT * FROM x WHERE y > 1")
    text = replace(REPLY, assignments=(ASSIGNED, other)).to_xml(signer.sign)
    verify_assignments(text, signer.certificate)
    references = parse_xml(text).findall("Signature/Reference")
    assert [reference.get("PolicyAssignmentID") for reference in references] == [
        ASSIGNED.assignment_id,
        other.assignment_id,
    ]
    for certificate, changed in (
        (another_signer.certificate, text),
        (signer.certificate, text.replace('PolicyFlags="30"', 'PolicyFlags="0"')),
        (signer.certificate, REPLY.to_xml()),
    ):
        with pytest.raises(BadSignature):
            verify_assignments(changed, certificate)
    verify_assignments(replace(REPLY, assignments=()).to_xml(signer.sign), signer.certificate)


def test_our_reply_as_public_clients_read_it() -> None:
    text = replace(REPLY, assignments=(replace(ASSIGNED, condition="SELECT * FROM x WHERE y > 1"),)).to_xml()
    # wtf, hunter: a regular expression
    found = re.search(r'PolicyCategory="NAAConfig".*?<!\[CDATA\[https*://<mp>([^]]+)', text, re.DOTALL)
    assert found
    assert found[1] == f"/SMS_MP/.sms_pol?{ID}.2_00"
    # secrets, impacket: the first child of every Policy is the location
    root = parse_xml(text)
    assert [policy[0].tag for policy in root.iterfind(".//Policy")] == ["PolicyLocation"]
    # pxe: root children, no namespace
    location = root.findtext("PolicyAssignment/Policy/PolicyLocation")
    assert location == f"http://<mp>/SMS_MP/.sms_pol?{ID}.2_00"


@given(
    st.lists(
        st.builds(
            AssignedPolicy,
            assignment_id=TEXT.filter(bool),
            policy=st.builds(
                PolicyVersion, TEXT.filter(bool), st.from_regex(r"[0-9]{1,3}\.00", fullmatch=True)
            ),
            category=TEXT,
            flags=st.integers(0, 255),
            priority=st.integers(-(2**31), 2**31 - 1),
            policy_hash=TEXT,
            condition=st.none() | TEXT.filter(bool) | st.just("x]]>y"),
            action=st.sampled_from(["", "delete"]),
        ),
        max_size=4,
    ).map(tuple),
    st.sampled_from(["Full", "OnUpdate"]),
    TEXT,
)
@settings(max_examples=25, deadline=None, database=None)
def test_reply_round_trip(assignments: tuple[AssignedPolicy, ...], reply_type: str, cookie: str) -> None:
    reply = replace(
        REPLY,
        assignments=assignments,
        reply_type=reply_type,
        server_cookie=cookie,
        validation_data="0A1B2C3D",
    )
    assert ReplyAssignments.from_xml(reply.to_xml()) == reply


def test_nothing_new_is_a_value() -> None:
    reply = replace(REPLY, reply_type="OnUpdate", assignments=())
    assert ReplyAssignments.from_xml(reply.to_xml()).assignments == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ReplyAssignments", "Other"),
        ("Machine>", "Device>"),
        (SMSID, "nobody"),
        ("PolicyAssignmentID", "AssignmentID"),
        ("PolicyID", "ID"),
        ('PolicyFlags="30"', 'PolicyFlags="many"'),
        ('PolicyFlags="30"', 'PolicyFlags="99999999999999"'),
        ('PolicyPriority="25"', 'PolicyPriority=""x'),
        ("<PolicyAssignment ", "<PolicyAssignment/><PolicyAssignment "),
        ("<Condition/>", "<Condition>" * 100 + "</Condition>" * 100),
        ("]]>", ""),
        ("<mp>", "\0"),
    ],
)
def test_malformed_reply(old: str, new: str) -> None:
    text = REPLY.to_xml()
    assert old in text
    with pytest.raises(MalformedMessage):
        ReplyAssignments.from_xml(text.replace(old, new))


def test_damaged(example, damaged) -> None:
    for data in damaged(example.policy_reply.encode(), 300):
        with contextlib.suppress(MalformedMessage):
            ReplyAssignments.from_xml(data.decode("utf-8", "surrogateescape"))
    for data in damaged(example.policy_request.encode(), 200):
        with contextlib.suppress(MalformedMessage):
            RequestAssignments.from_xml(data.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_what_cannot_be_written(text: str) -> None:
    for assigned in (
        replace(ASSIGNED, condition=text),
        replace(ASSIGNED, action=text),
        replace(ASSIGNED, policy=PolicyVersion(text, "1.00")),
    ):
        with pytest.raises(MalformedMessage):
            replace(REPLY, assignments=(assigned,)).to_xml()
    with pytest.raises(MalformedMessage):
        RequestAssignments(SMSID, text, "", "").to_xml()


def test_validation_crc() -> None:
    other = replace(ASSIGNED, assignment_id="{1}")
    assert validation_crc(()) == "00000000"
    assert validation_crc((ASSIGNED, other)) == validation_crc((other, ASSIGNED))
    newer = replace(ASSIGNED, policy=PolicyVersion(ID, "3.00"))
    assert validation_crc((newer, other)) != validation_crc((ASSIGNED, other))
