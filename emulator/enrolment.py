"""Enrolment: what an administrator does to a computer before it can be a client of a site in native mode.

A site in native mode lets in only who shows a certificate that its authority issued. Issuing it is not
the site's business, nor the client's: here it is done outside of both, into the client's folder.
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from emulator.errors import CannotStart
from emulator.pki import Pki
from emulator.protocol.client_certificates import CLIENT, ClientCertificates
from emulator.protocol.signing import Signer
from emulator.spool import write_durably

KEY_BITS = 2048


def enrol(pki: Pki, fqdn: str, folder: Path, key: rsa.RSAPrivateKey | None = None) -> None:
    """Put a computer's certificate, and those it is to trust, into a folder.

    A computer that has its certificate keeps it: another one would be another client. Slow when a key has
    to be made (a sixteenth of a second).

    Raises:
        CannotStart: the folder cannot be written.
    """
    if (folder / CLIENT).exists():
        return
    key = key or rsa.generate_private_key(65537, KEY_BITS)
    certificates = ClientCertificates(
        client=Signer(key, pki.client_certificate(fqdn, key.public_key())),
        authority=pki.authority(),
        site_signing=pki.site_signing().certificate,
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The client's own comes last: where it lies, everything does.
        for name, content in reversed(certificates.to_files().items()):
            (folder / name).touch(mode=0o600)
            write_durably(folder / name, content)
            (folder / name).chmod(0o600)
    except OSError as exc:
        raise CannotStart(f"{folder}: the certificates cannot be written ({exc.strerror})") from exc
