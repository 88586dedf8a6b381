"""What anybody may ask; the list of management points is the health test."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from emulator.protocol.client_affinity import users_of
from emulator.protocol.key_information import UnknownMachines
from emulator.protocol.signing import public_key_blob, verify
from emulator.protocol.site_security import parse_mp_list

KEYWORDS = [
    "MPLIST", "MPLIST1", "MPCERT", "MPCERT1", "MPCERT2", "MPKEYINFORMATION", "MPKEYINFORMATIONMEDIA",
    "MPTRK", "SMSTRC", "SITESIGNCERT", "MPLOCATION",
]  # fmt: skip


async def ask(lab: Any, query: str) -> etree._Element:
    reply = await lab.get(f"/SMS_MP/.sms_aut?{query}")
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert reply.body.startswith(b"<"), "no byte order mark"
    return etree.fromstring(reply.body)


@pytest.mark.proves("sms_aut.MPLIST", "sms_aut.MPLIST1", "http.query_case")
@pytest.mark.parametrize("query", ["MPLIST", "mplist", "MPLIST1", "MPLIST1&S01", "mplist1&s01", "%4DPLIST"])
async def test_the_list_of_management_points(lab: Any, query: str) -> None:
    reply = await lab.get(f"/SMS_MP/.sms_aut?{query}")
    (entry,) = parse_mp_list(reply.body)
    assert (reply.status, entry.name, entry.fqdn, entry.version) == (200, "MP1", "mp1.lab.test", "6487")
    assert entry.ssl_state == 0
    root = await ask(lab, query)
    assert root[0].get("SiteCode") == ("S01" if "1" in query else None)


async def test_mixed_mode_has_no_management_points_for_the_internet(lab: Any) -> None:
    assert (await lab.get("/SMS_MP/.sms_aut?MPLIST2")).status == 500


@pytest.mark.proves("sms_aut.health_test")
async def test_a_management_point_without_sql_is_not_healthy(lab: Any) -> None:
    await lab.database.away()
    reply = await lab.get("/SMS_MP/.sms_aut?MPLIST")
    assert (reply.status, b"site database" in reply.body) == (500, True)
    await lab.database.back()
    assert (await lab.get("/SMS_MP/.sms_aut?MPLIST")).status == 200


@pytest.mark.proves("sms_aut.keys_survive")
@pytest.mark.parametrize("query", KEYWORDS[2:])
async def test_keys_are_the_same_after_a_restart_without_a_database(lab: Any, query: str) -> None:
    first = await lab.get(f"/SMS_MP/.sms_aut?{query}")
    assert first.status == 200
    etree.fromstring(first.body)
    await lab.database.away()
    await lab.restart()
    assert (await lab.get(f"/SMS_MP/.sms_aut?{query}")).body == first.body


@pytest.mark.proves("sms_aut.MPCERT", "sms_aut.MPCERT1", "sms_aut.MPCERT2")
@pytest.mark.parametrize("query", ["MPCERT", "mpcert1", "MPCERT2"])
async def test_the_management_points_certificate(lab: Any, query: str) -> None:
    root = await ask(lab, query)
    mine = lab.role.pki.management_point(lab.settings.role).certificate
    assert [bytes.fromhex(element.text) for element in root] == [mine, mine]


@pytest.mark.proves("sms_aut.SITESIGNCERT")
@pytest.mark.parametrize("query", ["SITESIGNCERT", "sitesigncert"])
async def test_the_site_signing_certificate(lab: Any, query: str) -> None:
    root = await ask(lab, query)
    element = root.find("X509Certificate")
    certificate = bytes.fromhex(element.text)
    assert (root.tag, element.get("EncodingType"), len(element.get("Signature"))) == (
        "X509Data",
        "hexBinary",
        512,
    )
    verify(certificate, certificate, element.get("Signature"))
    assert certificate == lab.role.pki.site_signing().certificate


@pytest.mark.proves("sms_aut.MPKEYINFORMATION")
async def test_key_information(lab: Any) -> None:
    root = await ask(lab, "MPKEYINFORMATION")
    key = root.find("TRUSTEDROOTKEY")
    assert root.tag == "MPKEYINFORMATION"
    assert key.text.startswith("0602000000A40000525341310008000001000100")
    assert key.get("Signature").startswith("308201")  # as a real site's: no certificate inside
    assert key.get("Signature")[8:].startswith("06092A864886F70D010702")
    assert (root.findtext("FQDN"), root.findtext("SITECODE")) == ("mp1.lab.test", "S01")
    certificate = root.find("CERTIFICATE")
    trusted = lab.role.pki.trusted_root_key().certificate
    assert public_key_blob(trusted) == key.text
    verify(trusted, bytes.fromhex(certificate.text), certificate.get("Signature"))


@pytest.mark.proves("sms_aut.signatures_openssl", "sms_aut.MPTRK")
@pytest.mark.parametrize(
    ("query", "tag"), [("MPKEYINFORMATION", "TRUSTEDROOTKEY"), ("MPTRK", "TrustedRootKey")]
)
async def test_openssl_verifies_the_trusted_root_key(lab: Any, tmp_path: Path, query: str, tag: str) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key = (await ask(lab, query)).find(tag)
    (tmp_path / "signature").write_bytes(bytes.fromhex(key.get("Signature")))
    trusted = lab.role.pki.trusted_root_key().certificate
    (tmp_path / "trusted.der").write_bytes(trusted)
    pem = await run(openssl, "x509", "-inform", "DER", "-in", str(tmp_path / "trusted.der"))
    (tmp_path / "trusted.pem").write_bytes(pem[1])
    verify_cms = ["cms", "-verify", "-binary", "-noverify", "-inform", "DER"]
    for content, good in ((bytes.fromhex(key.text), True), (bytes.fromhex(key.text)[:-1] + b"\0", False)):
        (tmp_path / "blob").write_bytes(content)
        status, _ = await run(
            openssl, *verify_cms, "-in", str(tmp_path / "signature"), "-content", str(tmp_path / "blob"),
            "-certfile", str(tmp_path / "trusted.pem"), "-out", str(tmp_path / "out"),
        )  # fmt: skip
        assert (status == 0) == good


async def run(*command: str) -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output


@pytest.mark.proves("sms_aut.MPKEYINFORMATIONMEDIA")
async def test_key_information_for_media(lab: Any) -> None:
    root = await ask(lab, "MPKEYINFORMATIONMEDIA")
    machines = root.find("UnknownMachines")
    expected = UnknownMachines.of_site("S01")
    assert machines.get("x86UnknownMachineGUID") == expected.x86
    assert machines.get("x64UnknownMachineGUID") == expected.x64
    assert expected.x86 != expected.x64 != UnknownMachines.of_site("S02").x64
    assert root.findtext("ASSIGNEDSITECODE") == "S01"
    assert root.find("TRUSTEDROOTKEY") is not None


@pytest.mark.proves("sms_aut.SMSTRC")
async def test_issuing_certificates(lab: Any) -> None:
    root = await ask(lab, "SMSTRC")
    assert (root.tag, root.get("version")) == ("SMSIssuingCerts", "1.0")
    algorithm, value = root.find("Signature")
    assert (algorithm.get("AlgID"), algorithm.text) == ("32780", "1.2.840.113549.1.1.11")
    certificates = [bytes.fromhex(cert.text) for cert in root.iterfind("Certs/Cert")]
    signing = lab.role.pki.site_signing().certificate
    assert certificates == [signing, lab.role.pki.trusted_root_key().certificate]
    text = etree.tostring(root.find("Certs"), encoding="unicode")
    assert len(value.text) == 512
    verify(signing, text.encode("utf-16-le"), value.text)


@pytest.mark.proves("sms_aut.MPLOCATION")
@pytest.mark.parametrize(
    ("query", "site_code"),
    [
        ("MPLOCATION&ir=10.0.0.7&ip=10.0.0.0", "S01"),
        ("mplocation&10.0.0.7&10.0.0.0", "S01"),
        ("MPLOCATION", ""),
        ("MPLOCATION&ir=here", ""),
    ],
)
async def test_the_location_of_boot_media(lab: Any, query: str, site_code: str) -> None:
    root = await ask(lab, query)
    assert (root.findtext("SiteCode"), root.findtext("AssignedSiteCode")) == (site_code, site_code)
    assert root.findtext("FQDN") == ("mp1.lab.test" if site_code else "")
    assert (len(root.find("Certificates")) == 1) == bool(site_code)
    assert bool(root.find("UnknownMachines").get("x64UnknownMachineGUID")) == bool(site_code)


@pytest.mark.proves("sms_aut.GETCLIENTAFFINITY")
async def test_whose_computer_a_client_is(lab: Any, client: Any) -> None:
    await lab.database.run(
        "UPDATE System_DISC SET User_Name0 = 'LAB\\ann' WHERE SMS_Unique_Identifier0 = $1", client.smsid
    )
    bare = client.smsid.removeprefix("GUID:")
    for form in (client.smsid, bare, f"%7B{bare.lower()}%7D", f"SMSID={client.smsid}"):
        root = await ask(lab, f"GETCLIENTAFFINITY&{form}")
        assert [user.text for user in root.iter("User")] == ["LAB\\ann"]
        assert users_of(etree.tostring(root)) == ["LAB\\ann"]
    nobody = await ask(lab, "GETCLIENTAFFINITY&GUID:00000000-0000-4000-8000-000000000000")
    assert list(nobody.iter("User")) == []


@pytest.mark.proves("sms_aut.refusals")
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("NOTHING", 400),
        ("MPLIST1&PS1", 500),  # as a real site answers for another one
        ("MPLIST&PS1", 500),
        ("GETCLIENTAFFINITY", 400),
        ("GETCLIENTAFFINITY&nobody", 400),
    ],
)
async def test_refusals(lab: Any, query: str, status: int) -> None:
    reply = await lab.get(f"/SMS_MP/.sms_aut?{query}")
    assert (reply.status, len(reply.body) > 20) == (status, True)
