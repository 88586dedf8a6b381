"""The site's certificates: made once, by whoever wants them first, and fit for their use."""

from __future__ import annotations

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from emulator.addresses import own_hosts
from emulator.clock import Clock, ClockSettings
from emulator.errors import ConfigMgrError
from emulator.pki import Pki
from emulator.settings import RoleAddress

(HOST,) = own_hosts(1)
ROLE = RoleAddress(name="site_server", kind="site_server", computer="SITESRV", host=HOST, port=1)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path / "pki", Clock(ClockSettings()))


@pytest.mark.parametrize(
    "name", [ROLE.host, "sitesrv.lab.test", "localhost"], ids=["address", "name", "localhost"]
)
async def test_a_role_answers_tls_that_the_authority_vouches_for(pki: Pki, name: str) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, HOST, 0, ssl=pki.server_context(ROLE))
    async with server:
        trusting = ssl.create_default_context(cafile=str(pki.authority_certificate()))
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(HOST, port, ssl=trusting, server_hostname=name)
        assert await reader.read() == b"hello"
        writer.close()


def test_each_thing_is_made_once_whoever_asks(tmp_path: Path) -> None:
    def ask(_: int) -> bytes:
        return Pki(tmp_path, Clock(ClockSettings())).site_signing().certificate

    with ThreadPoolExecutor(4) as pool:
        made = set(pool.map(ask, range(4)))
    assert len(made) == 1
    certificate = x509.load_der_x509_certificate(made.pop())
    assert certificate.issuer.rfc4514_string() == "CN=Site Server"
    assert (tmp_path / "site_signing.pem").stat().st_mode & 0o077 == 0


def test_a_damaged_key_is_said_plainly(pki: Pki, tmp_path: Path) -> None:
    pki.site_signing()
    (tmp_path / "pki" / "site_signing.pem").write_text("not a key", encoding="utf-8")
    with pytest.raises(ConfigMgrError, match=r"site_signing\.pem: no key"):
        pki.site_signing()


def test_a_client_certificate_chains_to_the_authority(pki: Pki) -> None:
    key = pki.site_signing().key.public_key()
    certificate = x509.load_der_x509_certificate(pki.client_certificate("PC1", key))
    authority = x509.load_pem_x509_certificate(pki.authority_certificate().read_bytes())
    certificate.verify_directly_issued_by(authority)
