"""CCM_Incoming: where clients upload large messages with BITS, ``BITS_POST /CCM_Incoming/{guid}``.

What is uploaded is what a ``CCM_POST`` would have carried: the whole multipart message, signed and
framed as always; its first line names the boundary. The name below the directory is the client's
choice. Close-Session gives the message to its endpoint, and is acknowledged when the endpoint has
accepted it: a report is in its outbox then. Where that may succeed later the session stays, and
closing it can be tried again. (Directory naming and this order are our choice: nobody publishes
the product's.)
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import hdrs, web

from emulator.errors import (
    ConfigMgrError,
    MalformedMessage,
    MessageTooLarge,
    ObjectNotFound,
    TooManyUploads,
    UnknownUpload,
)
from emulator.logs import get_logger
from emulator.management_point.upload_sessions import Upload, UploadSessions
from emulator.protocol.bits_upload import (
    PACKET_TYPE,
    PROTOCOL,
    RECEIVED,
    SESSION_ID,
    ErrorCode,
    ErrorContext,
    Fragment,
    PacketType,
    acknowledgement,
    error_headers,
    packet_type_of,
    speaks,
)
from emulator.protocol.framing import content_type_of
from emulator.role import status_of

FOLDER = "/ccm_incoming/"

# status -> what BITS calls it; what is not here has failed for a reason of its own
_CODES = {
    400: ErrorCode.INVALID_ARGUMENT,
    401: ErrorCode.ACCESS_DENIED,
    403: ErrorCode.ACCESS_DENIED,
    413: ErrorCode.TOO_LARGE,
    507: ErrorCode.DISK_FULL,
}

Receive = Callable[[str, bytes], Awaitable[bytes]]


class BitsUpload:
    """Answers the packets of uploads."""

    log = get_logger("BITS")

    def __init__(self, sessions: UploadSessions, receive: Receive) -> None:
        self._sessions = sessions
        self._receive = receive  # content type and body of a message, as CCM_System takes them
        self._packets = {
            PacketType.PING: self._ping,
            PacketType.CREATE_SESSION: self._create,
            PacketType.FRAGMENT: self._fragment,
            PacketType.CLOSE_SESSION: self._close,
            PacketType.CANCEL_SESSION: self._cancel,
        }

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one packet; a refusal is an answer too, with BITS' own error headers.

        Raises:
            ObjectNotFound: nothing is uploaded to this path.
        """
        if len(request.path) <= len(FOLDER) or not request.path.lower().startswith(FOLDER):
            raise ObjectNotFound(f"{request.path}: uploads go to {FOLDER}<name>")
        try:
            packet = packet_type_of(request.headers.get(PACKET_TYPE, ""))
            return await self._packets[packet](request)
        except UnknownUpload as exc:
            return self._refuse(request, 404, ErrorCode.SESSION_NOT_FOUND, str(exc))
        except TooManyUploads as exc:
            return self._refuse(request, 503, ErrorCode.NO_RESOURCES, str(exc))
        except ConfigMgrError as exc:
            status = status_of(exc)
            return self._refuse(request, status, _CODES.get(status, ErrorCode.FAILED), str(exc))
        except web.HTTPRequestEntityTooLarge as exc:
            return self._refuse(request, 413, ErrorCode.TOO_LARGE, exc.text or "the fragment is too large")
        except OSError as exc:
            full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
            code = ErrorCode.DISK_FULL if full else ErrorCode.FAILED
            return self._refuse(request, 507 if full else 500, code, f"the disk refused ({exc.strerror})")

    def _refuse(
        self,
        request: web.Request,
        status: int,
        code: str,
        reason: str,
        context: str = ErrorContext.REMOTE_FILE,
    ) -> web.Response:
        self.log.warning("packet refused", path=request.path, status=status, code=code, reason=reason)
        text = f"{HTTPStatus(status).phrase}: {reason}\n"
        response = web.Response(status=status, text=text, headers=error_headers(code, context))
        if not request.content.is_eof():
            response.force_close()  # its rest will not be read, and the client is told so
        return response

    # -- packets -------------------------------------------------------------------

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response(headers=acknowledgement())

    async def _create(self, request: web.Request) -> web.Response:
        if not speaks(request.headers.get("BITS-Supported-Protocols", "")):
            raise MalformedMessage(f"BITS-Supported-Protocols must name {PROTOCOL}")
        upload = await self._sessions.create(request.path)
        headers = acknowledgement(
            BITS_Protocol=PROTOCOL, BITS_Session_Id=f"{{{upload.session_id}}}", Accept_Encoding="Identity"
        )
        return web.Response(headers=headers)

    async def _fragment(self, request: web.Request) -> web.Response:
        upload = self._upload(request)
        fragment = Fragment.from_header(request.headers.get(hdrs.CONTENT_RANGE, ""))
        if fragment.total > self._sessions.max_bytes:
            raise MessageTooLarge(
                f"an upload of {fragment.total} bytes; at most {self._sessions.max_bytes} are accepted"
            )
        content = await request.read()
        if len(content) != fragment.length:
            raise MalformedMessage(f"{len(content)} bytes arrived where Content-Range says {fragment.length}")
        async with upload.lock:
            self._sessions.get(upload.session_id)  # somebody may have closed it meanwhile
            if fragment.first > upload.received:
                response = web.Response(
                    status=416, text=f"byte {upload.received} is the next one\n", headers=acknowledgement()
                )
            else:
                await self._sessions.append(upload, fragment, content)
                response = web.Response(headers=acknowledgement(**{SESSION_ID: f"{{{upload.session_id}}}"}))
        response.headers[RECEIVED] = str(upload.received)
        return response

    async def _close(self, request: web.Request) -> web.Response:
        upload = self._upload(request)
        async with upload.lock:
            self._sessions.get(upload.session_id)
            if not upload.complete:
                raise MalformedMessage(f"{upload.received} of {upload.total} bytes have arrived")
            try:
                content = upload.content()
                await self._receive(content_type_of(content), content)
            except ConfigMgrError as exc:
                return self._not_taken(request, upload, status_of(exc), str(exc))
            except web.HTTPException as exc:
                return self._not_taken(request, upload, exc.status, (exc.text or exc.reason).strip())
            self._sessions.remove(upload)
        self.log.info("upload taken", session=upload.session_id, name=upload.name, size=upload.total)
        return web.Response(headers=acknowledgement(**{SESSION_ID: f"{{{upload.session_id}}}"}))

    def _not_taken(self, request: web.Request, upload: Upload, status: int, reason: str) -> web.Response:
        """The endpoint refused the message: for ever, or only for now."""
        if status < 500:
            self._sessions.remove(upload)
        code = _CODES.get(status, ErrorCode.FAILED)
        return self._refuse(request, status, code, reason, ErrorContext.REMOTE_APPLICATION)

    async def _cancel(self, request: web.Request) -> web.Response:
        upload = self._upload(request)
        async with upload.lock:
            self._sessions.remove(upload)
        return web.Response(headers=acknowledgement(**{SESSION_ID: f"{{{upload.session_id}}}"}))

    def _upload(self, request: web.Request) -> Upload:
        return self._sessions.get(request.headers.get(SESSION_ID, ""))
