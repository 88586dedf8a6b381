"""What a client of a site in native mode is given before its first word: three files in one folder.

A real client finds them in its computer's certificate store and on the command line of its setup
(``/native``, ``SMSSIGNCERT``); somebody else has put them there. Here they are PEM files:

``client.pem``        the computer's key and its certificate, issued by the authority the site trusts
``authority.pem``     the authority itself: whom to believe that a site system is one
``site_signing.pem``  the site server's signing certificate: whose policy to believe
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from emulator.errors import MalformedMessage
from emulator.protocol.signing import Signer, signer_from_pem, signer_to_pem

CLIENT, AUTHORITY, SITE_SIGNING = "client.pem", "authority.pem", "site_signing.pem"
CERTIFICATES = "certificates"  # the folder, in the client's own
FILES = (CLIENT, AUTHORITY, SITE_SIGNING)


@dataclass(frozen=True, slots=True)
class ClientCertificates:
    """The three, certificates as DER."""

    client: Signer
    authority: bytes
    site_signing: bytes

    def to_files(self) -> dict[str, bytes]:
        """Name and content of each file."""
        return {
            CLIENT: signer_to_pem(self.client),
            AUTHORITY: _to_pem(self.authority),
            SITE_SIGNING: _to_pem(self.site_signing),
        }

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Self:
        """Read what ``to_files`` wrote, or what somebody else's authority did.

        Raises:
            MalformedMessage: names the file and what is wrong with it.
        """
        try:
            client = signer_from_pem(files[CLIENT])
        except MalformedMessage as exc:
            raise MalformedMessage(f"{CLIENT}: {exc}") from exc
        return cls(client, _from_pem(files, AUTHORITY), _from_pem(files, SITE_SIGNING))


def _to_pem(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)


def _from_pem(files: Mapping[str, bytes], name: str) -> bytes:
    try:
        return x509.load_pem_x509_certificate(files[name]).public_bytes(Encoding.DER)
    except ValueError as exc:
        raise MalformedMessage(f"{name}: no certificate in PEM ({exc})") from exc
