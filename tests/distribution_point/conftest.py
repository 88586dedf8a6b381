"""A distribution point on a real socket, and tars to fill it with."""

from __future__ import annotations

import asyncio
import hashlib
import io
import ssl
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emulator.addresses import free_port, own_hosts
from emulator.distribution_point.distribution_point import DistributionPoint
from emulator.protocol.content import package_hash
from emulator.security import Security
from emulator.settings import RoleAddress, RoleSettings
from tests.clients.until import until

MIXED = Security()
SECRET = "the site's secret"
FILES = {"setup.exe": b"MZ" + bytes(range(256)) * 40, "Data/read me.txt": b"hello\n", "Data/sub/empty": b""}


def tar_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_243_843_200
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def hash_of(files: Mapping[str, bytes]) -> str:
    return package_hash(
        (name, len(content), hashlib.sha256(content).hexdigest().upper()) for name, content in files.items()
    )


class Lab:
    """One distribution point and somebody who talks to it."""

    FILES = FILES
    tar_of = staticmethod(tar_of)
    hash_of = staticmethod(hash_of)
    until = staticmethod(until)

    def __init__(self, data: Path, security: Security = MIXED, tls: bool = False) -> None:
        (host,) = own_hosts(1)  # its own: nobody else picks its port while it is closed
        address = RoleAddress(
            name="distribution_point",
            kind="distribution_point",
            computer="DP1",
            host=host,
            port=free_port(host),
            https_port=free_port(host) if tls else None,
        )
        self.settings = RoleSettings(
            role=address, site_code="S01", roles=(address,), data=data, secret=SECRET, security=security
        )
        self.role = DistributionPoint(self.settings)
        self.http = aiohttp.ClientSession(address.url)

    @property
    def url(self) -> str:
        return self.settings.role.url

    async def restart(self) -> None:
        await self.role.stop()
        self.role = DistributionPoint(self.settings)
        await self.role.start()

    async def put(
        self, body: bytes, announced: str, name: str = "S0100001.1", secret: str = SECRET
    ) -> tuple[int, str]:
        headers = {"X-Package-Hash": announced, "Authorization": f"Bearer {secret}"}
        async with self.http.put(f"/SMSPKG/{name}", data=io.BytesIO(body), headers=headers) as response:
            return response.status, await response.text()

    async def fill(self, files: Mapping[str, bytes] = FILES, name: str = "S0100001.1") -> None:
        assert (await self.put(tar_of(files), hash_of(files), name))[0] == 201

    async def text(self, url: str) -> str:
        """What is read at a path."""
        async with self.http.get(url) as response:
            assert response.status == 200, (url, response.status)
            return await response.text()

    async def raw(self, request: str) -> bytes:
        """What comes back for these bytes, until the connection is closed."""
        reader, writer = await asyncio.open_connection(self.settings.role.host, self.settings.role.port)
        writer.write(request.encode())
        reply = await reader.read()
        writer.close()
        await writer.wait_closed()
        return reply

    def tls(self, *, certificate: bool) -> ssl.SSLContext:
        """How a client of the site speaks TLS, with or without a certificate of its own."""
        pki = self.role.pki
        context = ssl.create_default_context(cafile=str(pki.authority_certificate()))
        if certificate:
            key = ec.generate_private_key(ec.SECP256R1())
            shown = x509.load_der_x509_certificate(pki.client_certificate("PC1", key.public_key()))
            file = self.settings.data / "client.pem"
            file.write_bytes(
                key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                + shown.public_bytes(Encoding.PEM)
            )
            context.load_cert_chain(file)
        return context

    def nothing_left(self) -> bool:
        folders = [self.settings.data / "packages", self.settings.data / "staging"]
        return not any(path for folder in folders for path in folder.iterdir())


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    lab = Lab(tmp_path / "dp")
    await lab.role.start()
    yield lab
    await lab.http.close()
    await lab.role.stop()


@pytest.fixture
async def make_lab(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Lab]]]:
    """Makes filled distribution points of sites with other security settings."""
    labs: list[Lab] = []

    async def make(security: Security, *, tls: bool = False) -> Lab:
        labs.append(lab := Lab(tmp_path / f"dp{len(labs)}", security, tls))
        await lab.role.start()
        await lab.fill()
        return lab

    yield make
    for lab in labs:
        await lab.http.close()
        await lab.role.stop()


@pytest.fixture
async def filled(lab: Lab) -> Lab:
    """With package S0100001, version 1."""
    assert (await lab.put(tar_of(FILES), hash_of(FILES)))[0] == 201
    return lab
