"""Windows authentication (NTLM) as IIS does it: it belongs to the connection, not to the request.

A request without credentials is answered 401 with ``WWW-Authenticate: NTLM``; then the requester
sends Type 1, gets a challenge (401 again), sends Type 3, and from then on every request on
that connection is theirs, with or without an ``Authorization`` header, whatever the verb (wire.md 1.3).
pyspnego does the arithmetic; the accounts are those of the site's topology.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

import spnego
from aiohttp import hdrs, web

from emulator.errors import CannotStart
from emulator.logs import get_logger
from emulator.security import User
from emulator.spool import write_durably

SCHEMES = ("NTLM", "Negotiate")  # clients answer with either name; the token is NTLM's in both
_STORE = "NTLM_USER_FILE"
TYPE_2_FLAGS, TYPE_3_FLAGS = 20, 60  # where the negotiate flags stand, little-endian
UNICODE = 1  # NTLMSSP_NEGOTIATE_UNICODE
_environment = threading.Lock()


class WindowsAuthentication:
    """The accounts of the site, and who has shown which of them on which connection."""

    log = get_logger("IIS")

    def __init__(self, users: Sequence[User], folder: Path, domain_suffix: str = "lab.test") -> None:
        self._users = {(user.domain.lower(), user.account.lower()): user for user in users}
        self._by_account = {user.account.lower(): user for user in users}
        self._store = folder / "accounts"
        # Keyed by the connection's transport: it dies with the connection.
        self._shown: WeakKeyDictionary[object, User] = WeakKeyDictionary()
        self._begun: WeakKeyDictionary[object, tuple[spnego.ContextProxy, bytes]] = WeakKeyDictionary()
        lines = [line for user in users for line in _lines(user, domain_suffix)]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_durably(self._store, "".join(f"{line}\n" for line in lines).encode())
            self._store.chmod(0o600)
        except OSError as exc:
            raise CannotStart(f"{self._store}: the file cannot be written ({exc.strerror})") from exc

    def shown_by(self, request: web.Request) -> User | None:
        """Whose connection this is, if somebody has authenticated on it; asks for nothing."""
        return self._shown.get(_connection(request))

    async def user(self, request: web.Request) -> User:
        """Who is asking, after one more step of the handshake where it is not finished.

        Raises:
            HTTPUnauthorized: with the challenge that the requester has to answer next.
        """
        token = _token(request)
        if token is None:
            known = self.shown_by(request)
            if known is not None:
                return known
            await request.read()  # or the connection could not be used for the next step
            raise _unauthorized()
        if token[8:12] == b"\x01\0\0\0":  # a new handshake; whoever was known here is forgotten
            self._shown.pop(_connection(request), None)
        step = self._step(request, token)
        if step is not None:
            await request.read()
            raise _unauthorized(step, _scheme(request))
        return self._shown[_connection(request)]

    def _step(self, request: web.Request, token: bytes) -> bytes | None:
        """Feed a token to the connection's handshake; None when that ended well."""
        connection = _connection(request)
        with self._accounts():
            context, challenge = self._begun.pop(connection, (None, b""))
            token = _as_negotiated(token, challenge)
            try:
                if context is None:
                    context = spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)
                answer = context.step(token)
            except Exception as exc:  # the library reads strangers' bytes, and fails in ways of its own
                reason = f"{type(exc).__name__}: {exc}".splitlines()[0]
                self.log.warning("authentication failed", path=request.path, reason=reason)
                raise _unauthorized() from exc
        if not context.complete:
            self._begun[connection] = context, answer or b""
            return answer or b""
        principal = context.client_principal or ""
        self._shown[connection] = self._user(principal)
        self.log.info("authenticated", user=self._shown[connection].name, path=request.path)
        return None

    def _user(self, principal: str) -> User:
        domain, _, account = principal.rpartition("\\")
        account = account.partition("@")[0].lower()
        return self._users.get((domain.lower(), account)) or self._by_account[account]

    @contextmanager
    def _accounts(self) -> Iterator[None]:
        """pyspnego finds accounts through an environment variable only; sites in one process differ."""
        with _environment:
            before = os.environ.get(_STORE)
            os.environ[_STORE] = str(self._store)
            try:
                yield
            finally:
                if before is None:
                    del os.environ[_STORE]
                else:
                    os.environ[_STORE] = before


def _as_negotiated(token: bytes, challenge: bytes) -> bytes:
    """A Type 3 message whose flags say of its texts what the challenge said.

    wget negotiates OEM texts, sends them, and marks them as Unicode all the same. Windows goes by what was
    negotiated; the library would go by the mark.
    """
    if token[8:12] != b"\x03\0\0\0" or len(token) < TYPE_3_FLAGS + 4 or len(challenge) < TYPE_2_FLAGS + 4:
        return token
    flags = token[TYPE_3_FLAGS] & ~UNICODE | challenge[TYPE_2_FLAGS] & UNICODE
    return token[:TYPE_3_FLAGS] + bytes([flags]) + token[TYPE_3_FLAGS + 1 :]


def _lines(user: User, suffix: str) -> list[str]:
    """One account in every spelling that clients use: with domain, without, as UPN."""
    domains = [user.domain, user.domain.upper(), f"{user.domain.lower()}.{suffix}", suffix, ".", ""]
    lines = [f"{domain}:{user.account}:{user.password}" for domain in dict.fromkeys(domains)]
    return [*lines, *(f":{user.account}@{d}:{user.password}" for d in (user.domain.lower(), suffix))]


def _connection(request: web.Request) -> object:
    if request.transport is None:
        raise ConnectionResetError("the requester has gone")
    return request.transport


def _scheme(request: web.Request) -> str:
    return request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")[0]


def _token(request: web.Request) -> bytes | None:
    """The NTLM message in the ``Authorization`` header, if there is one."""
    scheme, _, text = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() not in (known.lower() for known in SCHEMES):
        return None
    try:
        token = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        return b""
    return token


def _unauthorized(token: bytes = b"", scheme: str = "NTLM") -> web.HTTPUnauthorized:
    value = f"{scheme} {base64.b64encode(token).decode()}" if token else "NTLM"
    return web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: value}, text="401 - Unauthorized\n")
