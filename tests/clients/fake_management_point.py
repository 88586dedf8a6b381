"""A management point and a distribution point just big enough for a client, on real sockets.

They keep what they were told and answer from plain attributes, so that a test says in one
line what the site looks like. ``stop`` and ``start`` keep the port.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from aiohttp import web

from emulator.addresses import own_hosts
from emulator.management_point.ccm_post_server import CcmPostRunner
from emulator.protocol.content import hash_folder
from emulator.protocol.location import ContentLocation, ContentLocationReply, ContentLocationRequest
from emulator.protocol.message import Message, decode_message, encode_reply, verify_message
from emulator.protocol.names import normalize_smsid
from emulator.protocol.policy import AssignedPolicy, PolicyVersion, ReplyAssignments, RequestAssignments
from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse
from emulator.protocol.resync import InventoryResyncPolicy
from emulator.protocol.site_security import MPListEntry, mp_list
from emulator.protocol.software_distribution import SoftwareDistributionPolicy, policy_hash
from emulator.spool import write_durably

SITE_CODE = "S01"
SENT_TIME = "2009-06-01T08:00:00Z"


class FakeServer:
    """An aiohttp server that can go away and come back at the same address."""

    def __init__(self) -> None:
        (self.host,) = own_hosts(1)  # nobody else takes the port while this is away
        self.port = 0
        self.tls: ssl.SSLContext | None = None  # native mode
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    async def start(self) -> None:
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self.handle)
        self._runner = CcmPostRunner(app, shutdown_timeout=0.05)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self.tls)
        await site.start()
        self.port = site.port

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()
            self._runner = None


class FakeManagementPoint(FakeServer):
    """Registers clients, assigns policies, takes reports."""

    def __init__(self) -> None:
        super().__init__()
        self.certificates: dict[str, bytes] = {}
        self.assigned: dict[str, tuple[AssignedPolicy, bytes]] = {}  # policy id -> what, body
        self.changes: list[AssignedPolicy] | None = None  # an OnUpdate reply instead of everything
        self.locations: list[str] = []
        self.reports: list[Message] = []
        self.requests: list[str] = []  # endpoints and paths, in order
        self.failing: dict[str, int] = {}  # endpoint or "sms_pol" -> HTTP status
        self.registration_status = 0
        self.sign: Callable[[bytes], str] | None = None  # native mode: policy is signed
        self.tamper: Callable[[str], str] = lambda reply: reply  # what becomes of assignments on their way
        self.shown: list[dict[str, object]] = []  # certificates that were shown, one a message
        self.after_report: Callable[[], Awaitable[None]] | None = None

    # -- what the site holds ---------------------------------------------------------

    def assign(
        self, policy: PolicyVersion, content: SoftwareDistributionPolicy | InventoryResyncPolicy
    ) -> AssignedPolicy:
        body = content.to_body(policy, SITE_CODE)
        category = "SoftwareDistribution"
        if isinstance(content, InventoryResyncPolicy):
            category = "InventoryResync"
        assigned = AssignedPolicy(
            assignment_id=policy.policy_id.replace("00000000-", "A0000000-", 1),
            policy=policy,
            category=category,
            policy_type="Machine",
            flags=0,
            priority=25,
            policy_hash=policy_hash(body),
            condition=None,
        )
        self.assigned[policy.policy_id] = (assigned, body)
        return assigned

    def bodies(self, endpoint: str) -> list[str]:
        return [m.body_text for m in self.reports if m.target_endpoint == endpoint]

    # -- HTTP ------------------------------------------------------------------------

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "CCM_POST":
            return await self._message(request)
        query = unquote(request.rel_url.raw_query_string)
        self.requests.append(request.path)
        if request.path.endswith(".sms_aut"):
            return web.Response(text=mp_list([MPListEntry("MP1", "mp1.lab.test", "6487")], SITE_CODE))
        if "sms_pol" in self.failing:
            return web.Response(status=self.failing["sms_pol"], text="the body is not to be had")
        policy = PolicyVersion.from_query(query)
        for assigned, body in self.assigned.values():
            if assigned.policy == policy:
                assert request.headers["ClientToken"].startswith("GUID:")
                return web.Response(body=body)
        return web.Response(status=404, text="no such policy")

    async def _message(self, request: web.Request) -> web.Response:
        message = decode_message(request.headers["Content-Type"], await request.read(), 1 << 24)
        endpoint = message.target_endpoint
        self.requests.append(endpoint)
        self.shown.append(dict(request.get_extra_info("peercert") or {}))
        if endpoint in self.failing or "*" in self.failing:
            status = self.failing.get(endpoint, self.failing.get("*", 500))
            return web.Response(status=status, text="not now")
        if endpoint == "MP_ClientRegistration":
            text = self._register(message)
        else:
            certificate = self.certificates.get(normalize_smsid(message.source_id))
            if certificate is None:
                return web.Response(status=403, text="unknown client")
            verify_message(message, certificate)
            text = {"MP_PolicyManager": self._assignments, "MP_LocationManager": self._locate}.get(
                endpoint, self._report
            )(message)
            if endpoint not in ("MP_PolicyManager", "MP_LocationManager") and self.after_report:
                await self.after_report()
        reply = encode_reply(
            message, text, reply_id=message.message_id, sent_time=SENT_TIME, source_host="MP1"
        )
        boundary = re.match(rb"--([^\r]+)\r\n", reply)
        assert boundary
        kind = f'multipart/mixed; boundary="{boundary[1].decode()}"'
        return web.Response(body=reply, headers={"Content-Type": kind})

    def _register(self, message: Message) -> str:
        request = ClientRegistrationRequest.from_xml(message.body_text)
        if self.registration_status == 0:
            self.certificates[request.smsid] = request.signing
        return ClientRegistrationResponse(self.registration_status, request.smsid, SENT_TIME, 2).to_xml()

    def _assignments(self, message: Message) -> str:
        request = RequestAssignments.from_xml(message.body_text)
        update = request.request_type == "OnUpdate" and self.changes is not None
        given = (
            self.changes if update and self.changes is not None else [a for a, _ in self.assigned.values()]
        )
        reply = ReplyAssignments(
            client_id=request.client_id,
            fqdn=request.fqdn,
            netbios_name=request.netbios_name,
            site_code=SITE_CODE,
            reply_type="OnUpdate" if update else "Full",
            server_cookie=f"cookie {len(self.requests)}",
            assignments=tuple(given),
            validation_data="",
        )
        return self.tamper(reply.to_xml(self.sign))

    def _locate(self, message: Message) -> str:
        request = ContentLocationRequest.from_xml(message.body_text)
        name = f"{request.package_id}.{request.package_version}"
        return ContentLocationReply(
            SITE_CODE,
            tuple(
                ContentLocation(f"{url}/SMS_DP_SMSPKG$/{name}", f"\\\\DP\\SMSPKG$\\{name}", "DP")
                for url in self.locations
            ),
        ).to_xml()

    def _report(self, message: Message) -> str:
        self.reports.append(message)
        return '<Reply Status="0"/>'


class FakeDistributionPoint(FakeServer):
    """Serves folders with byte ranges; can break a connection after so many bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.packages: dict[str, Path] = {}  # "S0100001.1" -> folder
        self.break_after: int | None = None  # bytes of bodies, then connections are cut
        self.served = 0
        self.requests: list[tuple[str, str, str]] = []  # method, path, Range

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = unquote(request.path)
        self.requests.append((request.method, path, request.headers.get("Range", "")))
        name, _, inside = path.removeprefix("/SMS_DP_SMSPKG$/").partition("/")
        folder = self.packages.get(name)
        if folder is None:
            return web.Response(status=404)
        if request.method == "PROPFIND":
            return self._list(name, folder)
        return await self._file(request, folder / inside)

    def _list(self, name: str, folder: Path) -> web.Response:
        base = f"/SMS_DP_SMSPKG$/{name}"
        responses = [f"<a:response><a:href>{base}/</a:href></a:response>"]
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                responses.append(
                    f"<a:response><a:href>{base}/{quote(file.relative_to(folder).as_posix())}</a:href>"
                    f"<a:propstat><a:prop><a:getcontentlength>{file.stat().st_size}</a:getcontentlength>"
                    f"<a:getetag>{_etag(file)}</a:getetag></a:prop></a:propstat></a:response>"
                )
        text = f'<a:multistatus xmlns:a="DAV:">{"".join(responses)}</a:multistatus>'
        return web.Response(status=207, text=text, content_type="text/xml")

    async def _file(self, request: web.Request, file: Path) -> web.StreamResponse:
        data, etag = file.read_bytes(), _etag(file)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        headers = {"ETag": etag, "Accept-Ranges": "bytes"}
        status, part = 200, data
        if wanted and request.headers.get("If-Range", etag) == etag:
            start, end = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
            status, part = 206, data[start : end + 1]
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = len(part)
        await response.prepare(request)
        for offset in range(0, len(part), 1000):
            block = part[offset : offset + 1000]
            if self.break_after is not None and self.served + len(block) > self.break_after:
                assert request.transport
                request.transport.close()  # what was written goes out; the rest never comes
                return response
            self.served += len(block)
            await response.write(block)
        return response


def _etag(file: Path) -> str:
    return f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"'


class FakeSite:
    """A management point, two distribution points, and packages made on the spot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mp = FakeManagementPoint()
        self.dp = FakeDistributionPoint()
        self.dp2 = FakeDistributionPoint()
        self._policies = 0

    async def start(self) -> None:
        for server in (self.mp, self.dp, self.dp2):
            await server.start()
        self.mp.locations = [self.dp.url]

    async def stop(self) -> None:
        for server in (self.mp, self.dp, self.dp2):
            await server.stop()

    def package(self, package_id: str = "S0100001", version: int = 1, size: int = 20_000) -> Path:
        """A package's folder, put on both distribution points; returns the folder."""
        folder = self.folder / f"{package_id}.{version}"
        (folder / "data").mkdir(parents=True, exist_ok=True)
        block = hashlib.sha256(f"{package_id}/{version}".encode()).digest()
        write_durably(folder / "data" / "big file.bin", (block * (size // 32 + 1))[:size])
        write_durably(folder / "program.toml", b"[program.Install]\nexit_code = 0\n")
        for dp in (self.dp, self.dp2):
            dp.packages[f"{package_id}.{version}"] = folder
        return folder

    def advertise(
        self, advertisement_id: str = "S0120001", policy_version: str = "1.00", **changes: object
    ) -> tuple[PolicyVersion, SoftwareDistributionPolicy]:
        """Assign a software distribution policy; ``changes`` are its fields."""
        content = replace(self.distribution(advertisement_id), **changes)  # type: ignore[arg-type]
        folder = self.folder / f"{content.package_id}.{content.package_version}"
        if folder.exists() and not content.source_hash:
            digest, files = hash_folder(folder)
            content = replace(content, source_hash=digest, content_size=sum(f.size for f in files))
        policy = PolicyVersion(f"{{00000000-0000-0000-0000-0000{advertisement_id}}}", policy_version)
        self.mp.assign(policy, content)
        return policy, content

    @staticmethod
    def distribution(advertisement_id: str) -> SoftwareDistributionPolicy:
        return SoftwareDistributionPolicy(
            advertisement_id=advertisement_id,
            package_id="S0100001",
            package_name="Package",
            package_version=1,
            content_size=0,
            source_hash="",
            contains_source_files=True,
            program_name="Install",
            command_line="setup.exe",
            mandatory=False,
            active_time=datetime.now(UTC).replace(microsecond=0) - timedelta(days=1),
            expiration_time=None,
            assigned_schedule="",
            rerun="RerunIfFail",
            persist_in_cache=False,
            max_duration_minutes=0,
            dependent_program="",
            success_codes=(),
            reboot_codes=(),
        )
