from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import MalformedMessage
from emulator.protocol.policy import PolicyVersion
from emulator.protocol.policy_body import (
    cim_datetime,
    decode_body,
    encode_body,
    policy_hash,
    read_cim_datetime,
)
from emulator.protocol.resync import InventoryResyncPolicy
from emulator.protocol.software_distribution import SoftwareDistributionPolicy, decode_policy_body
from emulator.protocol.xml import decode_utf16, to_utf16

POLICY = PolicyVersion("{7C9E6679-7425-40DE-944B-E07FC1F90AE7}", "2.00")
TIME = datetime(2026, 6, 1, 8, tzinfo=UTC)
ADVERTISED = SoftwareDistributionPolicy(
    advertisement_id="S0120001",
    package_id="S0100001",
    package_name="Editor & tools <2>",
    package_version=3,
    content_size=5_000_000_000,
    source_hash="SHA256:" + "AB" * 32,
    contains_source_files=True,
    program_name="Per-system unattended",
    command_line='setup.exe /q "C:\\Program Files\\x" > log <!DOCTYPE',
    mandatory=True,
    active_time=TIME,
    expiration_time=TIME + timedelta(days=30),
    assigned_schedule="01C2A3B400000000",
    success_codes=(0, 3010, -1, 2147944309),
)
RESYNC = InventoryResyncPolicy("Hardware", TIME)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=40)
MOMENT = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))


def test_the_bodys_form() -> None:
    body = ADVERTISED.to_body(POLICY, "S01")
    assert body.startswith(b"\xff\xfe<\0?\0x\0m\0l\0")
    text = decode_utf16(body)
    assert "\n" not in text.replace("\r\n", "")
    assert text.startswith(
        '<?xml version="1.0" ?>\r\n<Policy PolicyType="Machine" SchemaVersion="1.00" '
        f'PolicyID="{POLICY.policy_id}" PolicyVersion="2.00" PolicySource="SMS:S01">\r\n'
    )
    assert '<instance class="CCM_SoftwareDistribution">' in text
    assert (
        '<property name="PKG_PackageID" type="8"><value><![CDATA[S0100001]]></value></property>'
        in "".join(line.strip() for line in text.split("\r\n"))
    )
    assert policy_hash(body) == f"SHA256:{hashlib.sha256(body).hexdigest().upper()}"


def test_a_body_as_a_site_writes_it() -> None:
    # the documented form of a policy without secrets, with a class that our clients do not act on
    text = f"""<?xml version="1.0" ?>
<Policy PolicyType="Machine" SchemaVersion="1.00" PolicyID="{POLICY.policy_id}" PolicyVersion="2.00"
 PolicySource="SMS:PS1">
 <PolicyRule PolicyRuleID="{{guid}}">
  <Condition><Expression ExpressionLanguage="WQL" ExpressionType="until-true"><![CDATA[@root\\ccm
SELECT 1]]></Expression></Condition>
  <PolicyAction PolicyActionType="WMI-XML">
   <instance class="CCM_NetworkAccessAccount">
    <property name="SiteSettingsKey" type="19"><value><![CDATA[1]]></value></property>
    <property name="NetworkAccessUsername" type="8" secret="1"><value><![CDATA[891300]]></value></property>
   </instance></PolicyAction></PolicyRule></Policy>""".replace("\n", "\r\n")
    for body in (to_utf16(text), to_utf16(text) + b"\0\0", text.encode()):
        instance = decode_body(body)
        assert instance.policy == POLICY
        assert instance.class_name == "CCM_NetworkAccessAccount"
        assert instance.properties == {"SiteSettingsKey": "1", "NetworkAccessUsername": "891300"}
        with pytest.raises(MalformedMessage):
            decode_policy_body(body)


@pytest.mark.parametrize(
    "advertised",
    [
        ADVERTISED,
        replace(ADVERTISED, expiration_time=None, assigned_schedule="", mandatory=False),
        replace(ADVERTISED, success_codes=(), reboot_codes=(), package_name=""),
        replace(ADVERTISED, rerun="NeverRerun", persist_in_cache=True, dependent_program="S0120002"),
        replace(ADVERTISED, contains_source_files=False, source_hash="", content_size=0),
    ],
)
def test_pairs(advertised: SoftwareDistributionPolicy) -> None:
    body = advertised.to_body(POLICY, "S01")
    assert decode_policy_body(body) == (POLICY, advertised)
    assert SoftwareDistributionPolicy.from_body(body) == (POLICY, advertised)


@given(TEXT, TEXT, MOMENT, st.none() | MOMENT, st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1))
@settings(max_examples=25, deadline=None, database=None)
def test_round_trip(
    name: str, command: str, active: datetime, expiration: datetime | None, version: int, size: int
) -> None:
    advertised = replace(
        ADVERTISED,
        package_name=name,
        command_line=command.replace("]]>", ""),
        active_time=active,
        expiration_time=expiration,
        package_version=version,
        content_size=size,
    )
    assert decode_policy_body(advertised.to_body(POLICY, "S01")) == (POLICY, advertised)


@pytest.mark.parametrize("resync", [RESYNC, replace(RESYNC, action="Software")])
def test_resync(resync: InventoryResyncPolicy) -> None:
    body = resync.to_body(POLICY, "S01")
    assert decode_policy_body(body) == (POLICY, resync)
    with pytest.raises(MalformedMessage):
        SoftwareDistributionPolicy.from_body(body)
    with pytest.raises(MalformedMessage):
        InventoryResyncPolicy.from_body(ADVERTISED.to_body(POLICY, "S01"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PKG_SourceVersion", "three"),
        ("PKG_SourceVersion", "-1"),
        ("PKG_SourceVersion", "9" * 5000),
        ("PKG_ContentSize", ""),
        ("PKG_ContentSize", str(2**63)),
        ("PRG_MaxDuration", "1.5"),
        ("PRG_CustomSuccessReturnCodes", "0,x"),
        ("PRG_CustomRebootReturnCodes", "99999999999"),
        ("ADV_ActiveTime", ""),
        ("ADV_ActiveTime", "yesterday"),
        ("ADV_ExpirationTime", "20260631080000.000000+000"),
        ("ADV_RepeatRunBehavior", "Sometimes"),
        ("ADV_AdvertisementID", None),
        ("PKG_SourceHash", None),
    ],
)
def test_properties_that_are_wrong(name: str, value: str | None) -> None:
    properties = dict(decode_body(ADVERTISED.to_body(POLICY, "S01")).properties)
    assert name in properties
    if value is None:
        del properties[name]
    else:
        properties[name] = value
    with pytest.raises(MalformedMessage):
        decode_policy_body(encode_body(POLICY, "S01", "CCM_SoftwareDistribution", properties))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"<Policy/>",
        b"<Other/>",
        b'<Policy PolicyID="x" PolicyVersion="1"><PolicyRule/></Policy>',
        b"<Policy><PolicyRule><PolicyAction><instance/></PolicyAction></PolicyRule></Policy>",
        b'<Policy PolicyID="x" PolicyVersion="1"><PolicyRule><PolicyAction><instance/>'
        b"</PolicyAction></PolicyRule></Policy>",
        ADVERTISED.to_body(POLICY, "S01")[:-8],
        ADVERTISED.to_body(POLICY, "S01")[1:],
        RESYNC.to_body(POLICY, "S01").replace("Hardware".encode("utf-16-le"), "Firmware".encode("utf-16-le")),
        RESYNC.to_body(POLICY, "S01").replace("2026".encode("utf-16-le"), "x026".encode("utf-16-le")),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_policy_body(body)


def test_damaged(damaged) -> None:
    for good in (ADVERTISED.to_body(POLICY, "S01"), RESYNC.to_body(POLICY, "S01")):
        for body in damaged(good, 200):
            with contextlib.suppress(MalformedMessage):
                decode_policy_body(body)


@pytest.mark.parametrize("text", ["\0", "\ud800", "]]>"])
def test_what_cannot_be_written(text: str) -> None:
    with pytest.raises(MalformedMessage):
        replace(ADVERTISED, command_line=text).to_body(POLICY, "S01")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20260601080000.000000+000", TIME),
        ("20260601080000.000000", TIME),
        ("20260601080000.000000+***", TIME),
        (" 20260601100000.000000+120\n", TIME),
        ("20260601030000.000000-300", TIME),
        ("20260601080000.000001+000", TIME.replace(microsecond=1)),
    ],
)
def test_cim_datetimes(text: str, moment: datetime) -> None:
    assert read_cim_datetime(text) == moment


@given(MOMENT)
@settings(max_examples=40, deadline=None, database=None)
def test_moments_come_back_to_the_microsecond(moment: datetime) -> None:
    assert read_cim_datetime(cim_datetime(moment)) == moment
    east = moment.astimezone(timezone(timedelta(hours=5)))
    assert cim_datetime(east) == cim_datetime(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "\ud800",
        "20260601080000",
        "2026060108000a.000000+000",
        "20261301080000.000000+000",
        "20260601250000.000000+000",
        "20260601080000.000000+abc",
        "20260601080000.000000+" + "9" * 5000,
        "00010101000000.000000+999",
        "99991231235959.000000-999",
    ],
    ids=lambda text: ascii(text[:30]),
)
def test_no_cim_datetimes(text: str) -> None:
    with pytest.raises(MalformedMessage):
        read_cim_datetime(text)
