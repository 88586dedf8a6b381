"""Certificates of a client in native mode: read from its folder, where somebody else has put them.

With its own one the client speaks TLS and signs its messages; with the authority's it knows site systems;
with the site server's it knows which policy is the site's.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from emulator.errors import CannotStart, MalformedMessage
from emulator.protocol.client_certificates import AUTHORITY, CLIENT, FILES, ClientCertificates


def read_certificates(folder: Path) -> ClientCertificates:
    """The certificates in a folder.

    Raises:
        CannotStart: names the file that is missing or is none, and who issues it.
    """
    try:
        return ClientCertificates.from_files({name: (folder / name).read_bytes() for name in FILES})
    except OSError as exc:
        raise CannotStart(
            f"{exc.filename}: cannot be read ({exc.strerror}); a client that speaks https:// needs "
            f"{', '.join(FILES)}; `cmemu enrol` issues them"
        ) from exc
    except MalformedMessage as exc:
        raise CannotStart(f"{folder}: {exc}") from exc


def tls_context(folder: Path) -> ssl.SSLContext:
    """How the client speaks TLS: it shows its certificate, and believes only the site's authority.

    Raises:
        CannotStart: what lies in the folder cannot be used for it.
    """
    try:
        context = ssl.create_default_context(cafile=folder / AUTHORITY)
        context.load_cert_chain(folder / CLIENT)
    except (OSError, ssl.SSLError) as exc:
        raise CannotStart(f"{folder}: TLS cannot be spoken with {AUTHORITY} and {CLIENT} ({exc})") from exc
    return context
