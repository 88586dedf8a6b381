from __future__ import annotations

import contextlib
import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import BadSignature, MalformedMessage
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.protocol.signing import SHA1_OID, SHA256_OID, Signer

SMSID = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=30
)


def sign(signer: Signer, data: str, *, tail: str = "") -> str:
    """A request whose signature covers exactly this text."""
    signature = signer.sign((data + tail).encode("utf-16-le"))
    return (
        f"<ClientRegistrationRequest>{data}<Signature><SignatureValue>{signature}</SignatureValue>"
        "</Signature></ClientRegistrationRequest>"
    )


def data_of(signer: Signer, attributes: str = f'HashAlgorithm="{SHA256_OID}"', name: str = "PC1") -> str:
    certificate = signer.certificate.hex()
    return (
        f'<Data {attributes} SMSID=""><Certificates>\n <Signing>{certificate}</Signing>\n</Certificates>'
        f'<DiscoveryProperties><Property Name="NetBIOS Name" Value="{name}"/></DiscoveryProperties></Data>'
    )


def test_the_worked_example(example) -> None:
    data = example.registration_data.encode("utf-16-le")
    assert len(data) == 7118
    digest = "76ef30df1d432e11d7692e93499d5c237b4d2a838bae3ea609b9927a9b9bd9e9"
    assert hashlib.sha256(data).hexdigest() == digest
    assert len((example.registration + "\0").encode("utf-16-le")) == 8366
    assert ClientRegistrationRequest.from_xml(example.registration) == ClientRegistrationRequest(
        smsid="",
        agent_version="5.00.8325.0000",
        timestamp="2026-06-01T08:00:00Z",
        signing=example.certificate,
        encryption=example.certificate,
        netbios_name="pc1",
        fqdn="pc1.lab.test",
        locale_id="1033",
    )


def test_our_data_element_is_the_examples(example, signer: Signer) -> None:
    request = ClientRegistrationRequest.from_xml(example.registration)
    text = request.to_xml(signer)
    ours = text[text.index("<Data") : text.index("</Data>") + 7]
    assert ours == example.registration_data.replace(" />", "/>")


@given(TEXT, TEXT, st.sampled_from(["", SMSID]))
@settings(max_examples=15, deadline=None, database=None)
def test_round_trip(signer: Signer, name: str, fqdn: str, smsid: str) -> None:
    request = ClientRegistrationRequest(
        smsid, "4.00.6487.2000", "2026-06-01T08:00:00Z", signer.certificate, signer.certificate, name, fqdn
    )
    assert ClientRegistrationRequest.from_xml(request.to_xml(signer)) == request


def test_tolerated(signer: Signer, example) -> None:
    # line feeds inside the signed text, as three public clients have; a trailing NUL; no FQDN; a declaration
    for text in (
        sign(signer, data_of(signer)),
        sign(signer, data_of(signer), tail="\0"),
        '<?xml version="1.0" encoding="UTF-16"?>\r\n' + sign(signer, data_of(signer)),
    ):
        request = ClientRegistrationRequest.from_xml(text)
        assert (request.netbios_name, request.fqdn, request.encryption) == ("PC1", "PC1", signer.certificate)
    assert ClientRegistrationRequest.from_xml(
        example.registration.replace(
            example.registration_signature, "\r\n" + example.registration_signature.lower() + "\r\n"
        )
    )


def test_sha1_of_2007(signer: Signer) -> None:
    for attributes in (f'HashAlgorithm="{SHA1_OID}"', ""):
        data = data_of(signer, attributes)
        signature = signer.key.sign(data.encode("utf-16-le"), padding.PKCS1v15(), hashes.SHA1())[::-1].hex()
        text = sign(signer, data)
        start, end = text.index("<SignatureValue>") + 16, text.index("</SignatureValue>")
        assert ClientRegistrationRequest.from_xml(text[:start] + signature + text[end:]).netbios_name == "PC1"


def test_changed_after_signing(example) -> None:
    for old, new in (
        ("pc1.lab.test", "pc2.lab.test"),
        ("</Data>", " </Data>"),
        (example.registration_signature, example.payload_signature),
        (example.registration_signature, ""),
        (example.registration_signature, "xyz"),
        ("<Signature><SignatureValue>", "<Signature><Other>"),
    ):
        text = example.registration.replace(old, new)
        with pytest.raises((BadSignature, MalformedMessage)):
            ClientRegistrationRequest.from_xml(text)


def test_only_what_was_signed_is_read(signer: Signer) -> None:
    good = data_of(signer)
    whole = sign(signer, good)
    forged = good.replace("PC1", "EVIL")
    for text in (
        whole.replace(good, f"<Other>{good}</Other>{forged}"),
        whole.replace(good, f"{good}{forged}"),
        whole.replace(good, f"<!--{good}-->{forged}"),
        whole.replace(good, f"<![CDATA[{good}]]>{forged}"),
        whole.replace(good, f"{forged}{good}"),
    ):
        try:
            name = ClientRegistrationRequest.from_xml(text).netbios_name
        except (BadSignature, MalformedMessage):
            continue
        assert name == "PC1"


def test_another_clients_certificate(signer: Signer, example) -> None:
    data = data_of(signer).replace(signer.certificate.hex(), example.certificate.hex())
    with pytest.raises(BadSignature):
        ClientRegistrationRequest.from_xml(sign(signer, data))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace("<Signing>", "<Signing>x"),
        lambda data: data.replace("<Signing>", "<Signing>0"),
        lambda data: data.replace("<Signing>", "<Signing>00"),
        lambda data: data.replace("Signing>", "Other>"),
        lambda data: data[: data.index("<Signing>") + 9] + data[data.index("</Signing>") :],
        lambda data: data.replace("<Signing>", "<Encryption>zz</Encryption><Signing>"),
        lambda data: data.replace("NetBIOS Name", "Other Name"),
        lambda data: data.replace('SMSID=""', 'SMSID="GUID:1"'),
        lambda data: data.replace("Data", "Dota"),
        lambda data: data.replace("PC1", "&x;"),
        lambda data: data.replace("PC1", "\0"),
        lambda data: data.replace("<Certificates>", "<a>" * 100 + "</a>" * 100 + "<Certificates>"),
        lambda data: "",
    ],
)
def test_malformed(signer: Signer, change) -> None:
    with pytest.raises(MalformedMessage):
        ClientRegistrationRequest.from_xml(sign(signer, change(data_of(signer))))


@pytest.mark.filterwarnings("ignore")  # cryptography warns of odd serial numbers
def test_damaged(example, damaged) -> None:
    for data in damaged(example.registration.encode(), 300):
        with contextlib.suppress(MalformedMessage, BadSignature):
            ClientRegistrationRequest.from_xml(data.decode("utf-8", "surrogateescape"))


def test_the_documented_response() -> None:
    text = (
        '<ClientRegistrationResponse ResponseType="Registration" TimeStamp="2026-06-01T08:00:01Z" Status="0" '
        f'SMSID="{SMSID}" ApprovalStatus="2"/>'
    )
    response = ClientRegistrationResponse(0, SMSID, "2026-06-01T08:00:01Z", 2)
    assert ClientRegistrationResponse.from_xml(text) == response
    assert response.to_xml() == text
    rejected = ClientRegistrationResponse(3, "", "2026-06-01T08:00:01Z", 0)
    assert "SMSID" not in rejected.to_xml()
    assert ClientRegistrationResponse.from_xml(rejected.to_xml()) == rejected
    assert ClientRegistrationResponse.from_xml(replace(response, smsid=SMSID.lower()).to_xml()) == response


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<Other/>",
        "<ClientRegistrationResponse/>",
        '<ClientRegistrationResponse Status="x"/>',
        f'<ClientRegistrationResponse Status="{"9" * 5000}"/>',
        '<ClientRegistrationResponse Status="0" SMSID="GUID:x"/>',
        '<ClientRegistrationResponse Status="0" ApprovalStatus="y"/>',
    ],
)
def test_malformed_response(text: str) -> None:
    with pytest.raises(MalformedMessage):
        ClientRegistrationResponse.from_xml(text)


def test_what_cannot_be_written(signer: Signer) -> None:
    good = ClientRegistrationRequest("", "", "", signer.certificate, signer.certificate, "PC1", "pc1")
    for name in ("\ud800", "\0"):
        with pytest.raises(MalformedMessage):
            replace(good, netbios_name=name).to_xml(signer)
    with pytest.raises(MalformedMessage):
        ClientRegistrationResponse(0, "\0", "").to_xml()
