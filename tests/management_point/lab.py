"""One management point, what stands around it, and the messages of a client."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from emulator.addresses import free_port, own_hosts
from emulator.clock import ClockSettings
from emulator.management_point.management_point import ManagementPoint
from emulator.protocol.framing import CONTENT_TYPE
from emulator.protocol.message import Message, decode_reply, encode_message
from emulator.protocol.names import new_guid
from emulator.protocol.policy import ReplyAssignments, RequestAssignments
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.protocol.signing import Signer
from emulator.settings import RoleAddress, RoleSettings
from tests.clients.until import until
from tests.management_point.database import Database
from tests.management_point.inboxes import Inboxes

SECRET = "the site's secret"
NOW = datetime(2009, 6, 1, 8, tzinfo=UTC)
SPEED = 600.0  # the 30 seconds of mpfdm last 50 ms


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        return decode_reply(self.headers["Content-Type"], self.body)


class Lab:
    """One management point and what stands around it."""

    until = staticmethod(until)

    def __init__(self, data: Path, database: Database) -> None:
        self.database = database
        # Addresses of their own: nobody else picks their ports while they are closed.
        host, inboxes_host = own_hosts(2)
        self.inboxes = Inboxes(inboxes_host)
        address = RoleAddress(
            name="management_point",
            kind="management_point",
            computer="MP1",
            host=host,
            port=free_port(host),
        )
        site_server = RoleAddress(
            name="site_server",
            kind="site_server",
            computer="SITE",
            host=inboxes_host,
            port=self.inboxes.port,
        )
        self.settings = RoleSettings(
            role=address,
            site_code="S01",
            roles=(address, site_server),
            data=data,
            secret=SECRET,
            database=database.dsn,
            database_timeout=30.0,
            link_timeout=30.0,
            max_body=100_000,
            clock=ClockSettings(speed=SPEED),
        )
        self.role = ManagementPoint(self.settings)
        self.http = aiohttp.ClientSession(address.url)

    async def restart(self, role: type[ManagementPoint] = ManagementPoint, **settings: object) -> None:
        await self.role.stop()
        self.settings = self.settings.model_copy(update=settings)
        self.role = role(self.settings)
        await self.role.start()

    async def send(self, body: bytes, content_type: str = CONTENT_TYPE) -> Reply:
        headers = {"Content-Type": content_type}
        async with self.http.request("CCM_POST", "/ccm_system/request", data=body, headers=headers) as r:
            return Reply(r.status, r.headers, await r.read())

    async def get(self, path: str) -> Reply:
        async with self.http.get(path) as response:
            return Reply(response.status, response.headers, await response.read())

    def held(self, box: str) -> list[Path]:
        return sorted(p for p in (self.settings.data / "outboxes" / box).iterdir() if p.is_file())

    def nothing_held(self) -> bool:
        return not any(p for p in (self.settings.data / "outboxes").rglob("*") if p.is_file())


class Client:
    """The messages of one client computer, and nothing else of it."""

    def __init__(self, lab: Lab, name: str, signer: Signer) -> None:
        self.lab, self.name, self.signer = lab, name, signer
        self.rng = random.Random(name)
        self.smsid = ""

    def message(self, endpoint: str, body: str, **fields: Any) -> Message:
        return replace(
            Message(
                message_id=f"{{{new_guid(self.rng)}}}",
                source_id=self.smsid,
                source_host=self.name,
                target_endpoint=endpoint,
                body_text=body,
                sent_time="2009-06-01T08:00:00Z",
            ),
            **fields,
        )

    async def post(
        self, endpoint: str, body: str, *, signer: Signer | None = None, signed: bool = True, **fields: Any
    ) -> Reply:
        message = self.message(endpoint, body, **fields)
        return await self.lab.send(encode_message(message, (signer or self.signer) if signed else None))

    async def register(self) -> Reply:
        request = ClientRegistrationRequest(
            smsid=self.smsid,
            agent_version="4.00.6487.2000",
            timestamp="2009-06-01T08:00:00Z",
            signing=self.signer.certificate,
            encryption=self.signer.certificate,
            netbios_name=self.name,
            fqdn=f"{self.name.lower()}.lab.test",
        )
        reply = await self.post(
            "MP_ClientRegistration", request.to_xml(self.signer), signed=False, source_id=""
        )
        if reply.status == 200:
            self.smsid = ClientRegistrationResponse.from_xml(reply.text).smsid
        return reply

    def request(self, **fields: Any) -> RequestAssignments:
        return replace(
            RequestAssignments(
                client_id=self.smsid, fqdn="pc01.lab.test", netbios_name=self.name, site_code="S01"
            ),
            **fields,
        )

    async def ask_policy(self, **fields: Any) -> Reply:
        return await self.post("MP_PolicyManager", self.request(**fields).to_xml())

    async def assignments(self, **fields: Any) -> ReplyAssignments:
        reply = await self.ask_policy(**fields)
        assert reply.status == 200, reply.body
        return ReplyAssignments.from_xml(reply.text)
