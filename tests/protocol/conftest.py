"""The worked example of the wire protocol, and a key of our own to sign with."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emulator.protocol.report import ReportHeader
from emulator.protocol.signing import Signer, create_signer

BOUNDARY = b"--aAbBcCdDv1234567890VxXyYzZ"


@dataclass(frozen=True)
class WorkedExample:
    """Bytes and texts that were computed outside of this code."""

    certificate: bytes
    public_key_blob: str
    compressed_payload: bytes
    client_id_signature: str
    payload_signature: str
    token_signature: str
    registration_signature: str
    policy_request: str
    policy_reply: str
    request_header: str
    reply_header: str
    registration_data: str
    smsid: str = "GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A"
    content_type: str = 'multipart/mixed; boundary="aAbBcCdDv1234567890VxXyYzZ"'

    @property
    def request(self) -> bytes:
        """The entity of the policy request, as the public clients frame it."""
        return b"\r\n".join(
            (
                BOUNDARY,
                b"content-type: text/plain; charset=UTF-16",
                b"",
                b"\xff\xfe" + self.request_header.encode("utf-16-le"),
                BOUNDARY,
                b"content-type: application/octet-stream",
                b"",
                self.compressed_payload,
                BOUNDARY + b"--",
            )
        )

    @property
    def registration(self) -> str:
        return (
            f"<ClientRegistrationRequest>{self.registration_data}<Signature><SignatureValue>"
            f"{self.registration_signature}</SignatureValue></Signature></ClientRegistrationRequest>"
        )


@pytest.fixture(scope="session")
def example() -> WorkedExample:
    values = tomllib.loads(Path(__file__).with_name("worked_example.toml").read_text())
    for name in ("certificate", "public_key_blob", "compressed_payload"):
        values[name] = "".join(values[name].split())
    for name in [name for name in values if name.endswith("_signature")]:
        values[name] = "".join(values[name].split())
    for name, value in values.items():
        values[name] = (
            value.replace("[CERT]", values["certificate"])
            .replace("[PUBLICKEY]", values["public_key_blob"])
            .replace("[CLIENTIDSIG]", values["client_id_signature"])
            .replace("[PAYLOADSIG]", values["payload_signature"])
        )
    values["certificate"] = bytes.fromhex(values["certificate"])
    values["compressed_payload"] = bytes.fromhex(values["compressed_payload"])
    return WorkedExample(**values)


@pytest.fixture(scope="session")
def signer() -> Signer:
    return create_signer("ConfigMgr Client", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture(scope="session")
def header() -> ReportHeader:
    return ReportHeader(
        client_id="GUID:6D1A5F0C-3C2B-4E0B-9A54-0B7E6F1D2C3A",
        client_version="4.00.6487.2000",
        netbios_name="PC1",
        report_content="Inventory Data",
        report_type="Full",
        version="1.0",
        date=datetime(2026, 6, 1, 8, tzinfo=UTC),
        action_id="{00000000-0000-0000-0000-000000000001}",
        action_description="Hardware",
    )


@pytest.fixture(scope="session")
def damaged() -> Callable[[bytes], list[bytes]]:
    """Many slightly broken copies of some good bytes: cut, flipped, doubled, with a piece missing."""

    def damage(good: bytes, copies: int = 150) -> list[bytes]:
        rng = random.Random(len(good))
        broken = [good[:length] for length in (0, 1, 2, 3, len(good) // 2, len(good) - 1)]
        while len(broken) < copies:
            at, piece = rng.randrange(len(good)), rng.randrange(1, 9)
            middle = rng.choice(
                (rng.randbytes(piece), b"", b"\0" * piece, good[at : at + piece] * 2, b"<!DOCTYPE a>", b"&b;")
            )
            broken.append(good[:at] + middle + good[at + piece :])
        return broken

    return damage


@pytest.fixture(scope="session")
def another_signer() -> Signer:
    return create_signer("ConfigMgr Client", datetime(2026, 1, 1, tzinfo=UTC))
