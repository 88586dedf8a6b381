from __future__ import annotations

import pytest
from asn1crypto import cms

from emulator.protocol.key_information import (
    KeyInformation,
    UnknownMachines,
    boot_media_location,
    detached_signature,
    mp_key_information,
    mp_key_information_media,
    sms_issuing_certificates,
    trusted_root_key,
)
from emulator.protocol.names import normalize_smsid
from emulator.protocol.signing import Signer, public_key_blob, verify
from emulator.protocol.xml import parse_xml, text_of


@pytest.fixture
def information(signer: Signer, example) -> KeyInformation:
    return KeyInformation("MP1", "mp1.lab.test", "PS1", example.certificate, signer)


def test_a_signature_without_its_content(signer: Signer) -> None:
    signed = cms.ContentInfo.load(detached_signature(signer, b"what is signed"))["content"]
    assert signed["encap_content_info"]["content"].native is None
    assert len(signed["certificates"] or ()) == 0
    (info,) = signed["signer_infos"]
    assert info["digest_algorithm"]["algorithm"].native == "sha256"
    # The bare signature is the one that is written reversed elsewhere.
    verify(signer.certificate, b"what is signed", info["signature"].native[::-1].hex())


@pytest.mark.proves("sms_aut.MPKEYINFORMATION", "sms_aut.MPKEYINFORMATIONMEDIA")
def test_for_clients_and_for_media(information: KeyInformation) -> None:
    key = information.trusted_root_key
    plain, media = (
        parse_xml(mp_key_information(information)),
        parse_xml(mp_key_information_media(information)),
    )
    assert [e.tag for e in plain] == ["TRUSTEDROOTKEY", "CERTIFICATE", "MPNAME", "FQDN", "SITECODE"]
    assert [e.tag for e in media] == [*[e.tag for e in plain], "ASSIGNEDSITECODE", "UnknownMachines"]
    for root in (plain, media):
        assert text_of(root, "TRUSTEDROOTKEY") == public_key_blob(key.certificate)
        assert bytes.fromhex(text_of(root, "CERTIFICATE")) == information.certificate


@pytest.mark.proves("sms_aut.MPTRK")
def test_the_trusted_root_key_alone(signer: Signer) -> None:
    root = parse_xml(trusted_root_key(signer))
    assert (root.tag, text_of(root, "TrustedRootKey")) == ("KeyData", public_key_blob(signer.certificate))


@pytest.mark.proves("sms_aut.SMSTRC")
def test_certificates_that_vouch(signer: Signer, example) -> None:
    root = parse_xml(sms_issuing_certificates([example.certificate, signer.certificate], signer))
    assert [e.tag for e in root] == ["Signature", "Certs"]
    assert len(root.findall("Certs/Cert")) == 2


def test_identities_of_unknown_machines() -> None:
    machines = UnknownMachines.of_site("PS1")
    assert machines == UnknownMachines.of_site("PS1")
    for identity in (machines.x86, machines.x64):
        assert normalize_smsid(identity) == f"GUID:{identity.upper()}"  # a client id like any other
    everybody = {machines.x86, machines.x64, UnknownMachines.of_site("PS2").x86}
    assert len(everybody) == 3


@pytest.mark.proves("sms_aut.MPLOCATION")
def test_where_media_belong_to(information: KeyInformation) -> None:
    known, unknown = parse_xml(boot_media_location(information)), parse_xml(boot_media_location(None))
    assert [e.tag for e in known] == [e.tag for e in unknown]
    assert text_of(known, "SiteCode") == "PS1"
    assert "".join(unknown.itertext()) == "".join(unknown.find("UnknownMachines").attrib.values()) == ""


def test_a_key_is_not_shown_by_accident(information: KeyInformation) -> None:
    assert "Signer" not in repr(information)
