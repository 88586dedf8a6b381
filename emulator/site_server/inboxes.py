"""The inboxes: where management points leave the reports of clients.

In the product a management point copies files over SMB; here it PUTs each one, or POSTs several
together. The file's name is its key, made from message id, sender and payload, so putting a file
again changes nothing. 201 means written, synced and renamed: from then on the file is the site
server's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from aiohttp import web

from emulator.errors import MalformedMessage, MessageTooLarge, ObjectNotFound, UnsafePath
from emulator.message_journal import tell_each
from emulator.protocol.report_batch import MOST_BYTES, decode_batch
from emulator.protocol.report_file import INBOX, SUFFIX, ReportFile, ReportKind
from emulator.settings import RoleSettings
from emulator.spool import Spool


class Door(Protocol):
    """What the inboxes need of the role they stand in."""

    settings: RoleSettings

    def require_secret(self, request: web.Request) -> None: ...


class Inboxes:
    """One folder of files for every kind of report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spools = {
            kind: Spool(folder.joinpath(*INBOX[kind].split("/")), SUFFIX[kind]) for kind in ReportKind
        }
        self._kinds = {inbox: kind for kind, inbox in INBOX.items()}

    def routes(self, app: web.Application, role: Door) -> None:
        """Add ``PUT /inboxes/<inbox>/<key><suffix>``, and ``POST /inboxes/<inbox>`` for several files."""

        async def put(request: web.Request) -> web.Response:
            role.require_secret(request)
            kind = self.kind_of(request.match_info["inbox"])
            key = self.key_of(kind, request.match_info["name"])
            # A message of at most max_body bytes grows when its UTF-16 text becomes UTF-8, by half
            # at the most; refusing here what a management point has accepted would block its outbox.
            body = await _read(request, limit=2 * role.settings.max_body)
            stored = await self.put(kind, key, body)
            return web.Response(status=201 if stored else 200, text=f"{key}\n")

        async def post(request: web.Request) -> web.Response:
            role.require_secret(request)
            kind = self.kind_of(request.match_info["inbox"])
            files = decode_batch(await _read(request, limit=2 * role.settings.max_body + MOST_BYTES))
            await self.put_all(kind, files)
            return web.Response(status=201, text=f"{len(files)} files\n")

        app.router.add_put("/inboxes/{inbox:.+}/{name}", put)
        app.router.add_post("/inboxes/{inbox:.+}", post)

    def kind_of(self, inbox: str) -> ReportKind:
        """Which reports an inbox takes.

        Raises:
            ObjectNotFound: there is no such inbox.
        """
        kind = self._kinds.get(inbox)
        if kind is None:
            raise ObjectNotFound(f"there is no inbox {inbox!r}; the inboxes are {', '.join(self._kinds)}")
        return kind

    @staticmethod
    def key_of(kind: ReportKind, name: str) -> str:
        """The key in a file's name.

        Raises:
            UnsafePath: the name is not a key followed by the inbox's suffix.
        """
        key = name.removesuffix(SUFFIX[kind])
        if key == name or not (key.isascii() and key.isalnum()):
            raise UnsafePath(f"{name!r} is not a key of letters and digits followed by {SUFFIX[kind]}")
        return key

    async def put(self, kind: ReportKind, key: str, body: bytes) -> bool:
        """Keep a file; False when it is held already.

        Raises:
            MalformedMessage: the body is no report file, or another one than its name says.
        """
        if key in self.spools[kind]:
            self._check(kind, key, body)
            return False
        await self.put_all(kind, [(key, body)])
        return True

    async def put_all(self, kind: ReportKind, files: Sequence[tuple[str, bytes]]) -> None:
        """Keep several files; those that are held already stay as they are.

        Raises:
            MalformedMessage: one of them is no report file, or another one than its name says; none is kept.
        """
        reports = [self._check(kind, key, body) for key, body in files]
        tell_each(
            {
                "kind": report.kind.value,
                "smsid": report.sender,
                "message_id": report.message_id,
                "body": report.payload.encode("utf-8", "surrogatepass"),
            }
            for report in reports
        )
        try:
            await self.spools[kind].put_all(files)
        except OSError as exc:
            raise web.HTTPInsufficientStorage(
                text=f"the inbox cannot be written ({exc.strerror}); try again later\n"
            ) from exc

    @staticmethod
    def _check(kind: ReportKind, key: str, body: bytes) -> ReportFile:
        file = ReportFile.from_bytes(body)
        if file.kind is not kind:
            raise MalformedMessage(f"a {file.kind} report does not belong into {INBOX[kind]}", raw=body)
        if file.key != key:
            raise MalformedMessage(f"the file's name is {key}, its content's key is {file.key}", raw=body)
        return file

    def backlog(self) -> dict[ReportKind, int]:
        """How many files wait in each inbox; growing means no database or a stopped component."""
        return {kind: len(spool) for kind, spool in self.spools.items()}


async def _read(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise MessageTooLarge(f"at most {limit} bytes are accepted")
    return bytes(body)
