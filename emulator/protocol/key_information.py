"""Keys and certificates as ``.sms_aut`` hands them out before a client trusts anybody.

The trusted root key vouches for management points, the site's signing certificate for policy.
Element names of MPKEYINFORMATION, SMSTRC and SITESIGNCERT are those of a real site; where only
the messaging SDK speaks of a reply, they are our choice. What is signed is nobody's published
word either: it is said at each function.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from lxml import etree

from emulator.protocol.signing import SHA256_OID, Signer, public_key_blob
from emulator.protocol.xml import child, encode_utf16, new, serialize

CALG_SHA_256 = "32780"
_SITES = uuid.UUID("6f0a6a3c-6d3e-5b35-9d0c-3a7f9f3b6c11")  # the name space of our sites' own identities


@dataclass(frozen=True, slots=True)
class UnknownMachines:
    """The two identities under which computers that nobody knows yet ask for policy from boot media."""

    x86: str
    x64: str

    @classmethod
    def of_site(cls, site_code: str) -> UnknownMachines:
        """Made from the site's code, so that every management point of a site names the same two."""
        return cls(*(_identity(site_code, architecture) for architecture in ("x86", "x64")))


def _identity(site_code: str, architecture: str) -> str:
    return str(uuid.uuid5(_SITES, f"{site_code} {architecture} Unknown Computer"))


@dataclass(frozen=True, slots=True)
class KeyInformation:
    """What MPKEYINFORMATION tells of a management point and its site."""

    name: str
    fqdn: str
    site_code: str
    certificate: bytes  # the management point's, DER
    trusted_root_key: Signer = field(repr=False)


def detached_signature(signer: Signer, data: bytes) -> bytes:
    """PKCS#7 SignedData (DER) over ``data``, which it does not contain; nor the signer's certificate."""
    certificate = x509.load_der_x509_certificate(signer.certificate)
    builder = PKCS7SignatureBuilder().set_data(data).add_signer(certificate, signer.key, hashes.SHA256())
    options = [
        PKCS7Options.DetachedSignature,
        PKCS7Options.Binary,
        PKCS7Options.NoCerts,
        PKCS7Options.NoAttributes,
    ]
    return builder.sign(serialization.Encoding.DER, options)


def mp_key_information(information: KeyInformation) -> str:
    """The reply to MPKEYINFORMATION.

    The trusted root key signs its own PUBLICKEYBLOB (PKCS#7) and the certificate (reversed, as
    everywhere): whoever was given the key beforehand can check both.
    """
    root = new("MPKEYINFORMATION")
    _append(root, information)
    return serialize(root)


def mp_key_information_media(information: KeyInformation) -> str:
    """The reply to MPKEYINFORMATIONMEDIA: for boot media, which also need an identity to ask under."""
    root = new("MPKEYINFORMATIONMEDIA")
    _append(root, information)
    child(root, "ASSIGNEDSITECODE", information.site_code)
    _append_unknown_machines(root, information.site_code)
    return serialize(root)


def _append(root: etree._Element, information: KeyInformation) -> None:
    _append_root_key(root, "TRUSTEDROOTKEY", information.trusted_root_key)
    signature = information.trusted_root_key.sign(information.certificate)
    child(root, "CERTIFICATE", information.certificate.hex().upper(), Signature=signature)
    child(root, "MPNAME", information.name)
    child(root, "FQDN", information.fqdn)
    child(root, "SITECODE", information.site_code)


def _append_root_key(root: etree._Element, tag: str, key: Signer) -> None:
    blob = public_key_blob(key.certificate)
    signature = detached_signature(key, bytes.fromhex(blob)).hex().upper()
    child(root, tag, blob, Signature=signature)


def _append_unknown_machines(root: etree._Element, site_code: str) -> None:
    machines = UnknownMachines.of_site(site_code) if site_code else UnknownMachines("", "")
    child(root, "UnknownMachines", x86UnknownMachineGUID=machines.x86, x64UnknownMachineGUID=machines.x64)


def trusted_root_key(key: Signer) -> str:
    """The reply to MPTRK."""
    root = new("KeyData")
    _append_root_key(root, "TrustedRootKey", key)
    return serialize(root)


def sms_issuing_certificates(certificates: Iterable[bytes], signer: Signer) -> str:
    """The reply to SMSTRC; signed is the text of the ``Certs`` element in UTF-16LE."""
    certs = new("Certs")
    for certificate in certificates:
        child(certs, "Cert", certificate.hex().upper())
    root = new("SMSIssuingCerts", version="1.0")
    signature = child(root, "Signature")
    child(signature, "SignatureAlgorithm", SHA256_OID, AlgID=CALG_SHA_256)
    child(signature, "SignatureValue", signer.sign(encode_utf16(serialize(certs))))
    root.append(certs)
    return serialize(root)


def boot_media_location(information: KeyInformation | None) -> str:
    """The reply to MPLOCATION; everything is empty when the request was not recognised."""
    root = new("MPLocation")
    site_code = information.site_code if information else ""
    child(root, "AssignedSiteCode", site_code)
    child(root, "SiteCode", site_code)
    child(root, "FQDN", information.fqdn if information else "")
    certificates = child(root, "Certificates")
    if information:
        signature = information.trusted_root_key.sign(information.certificate)
        child(certificates, "Certificate", information.certificate.hex().upper(), Signature=signature)
    _append_unknown_machines(root, site_code)
    return serialize(root)
