"""Registration: which certificate is which client, and the other way round.

One certificate has one identity for ever, and one identity one certificate: the unique
constraints say so, whichever management points register at the same moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from emulator.errors import BadSignature, ObjectConflict
from emulator.protocol.registration import ClientRegistrationRequest
from emulator.site_database.database import Database, Session, SiteDatabase, UniqueViolation

PENDING, APPROVED = 0, 1
ATTEMPTS = 3  # two registrations of one certificate meet at most once


class Registered(NamedTuple):
    """What became of a registration."""

    smsid: str
    approval_status: int


class ClientKey(NamedTuple):
    """What is kept of a client's keys; certificates are DER."""

    signing: bytes
    encryption: bytes
    approved: bool


class _RegisteredMeanwhile(Exception):
    """The same certificate was registered while this registration was looking."""


async def register_client(
    db: SiteDatabase,
    request: ClientRegistrationRequest,
    *,
    site_code: str,
    new_smsid: str,
    now: datetime,
    approval_status: int = APPROVED,
    replace_taken: bool = True,
) -> Registered:
    """Make the sender a client of the site, with a resource of its own, in one transaction.

    A certificate that is known keeps its identity. A new one gets the identity it asks for if nobody has
    that, and ``new_smsid`` otherwise; or, without ``replace_taken``, nothing: another key in a known name
    is what an impostor shows. A client that is approved now stays so; one that was not may become it.

    Raises:
        BadSignature: the identity it asks for is registered with another key.
        ObjectConflict: ``new_smsid`` is somebody else's.
        SiteDatabaseUnavailable: nothing was registered, or nobody will be told; ask again.
    """
    for _ in range(ATTEMPTS):
        try:
            return await _register(db, request, site_code, new_smsid, now, approval_status, replace_taken)
        except (UniqueViolation, _RegisteredMeanwhile):
            continue  # somebody registered the same in the same moment: now it is known, or taken
    raise ObjectConflict(f"the identity {new_smsid} is taken")


async def certificate_of(db: Database, smsid: str) -> bytes | None:
    """The signing certificate (DER) of a registered client."""
    key = await client_key(db, smsid)
    return key.signing if key else None


async def client_key(db: Database, smsid: str) -> ClientKey | None:
    """The certificates of a registered client, and whether it is approved."""
    return (await client_keys(db, [smsid]))[0]


async def client_keys(db: Database, smsids: Sequence[str]) -> list[ClientKey | None]:
    """As ``client_key``, for many clients at one moment, in their order."""
    rows = await db.fetch("MP_GetClientKeys", list(set(smsids)))
    known = {
        smsid: ClientKey(signing, encryption, approval == APPROVED)
        for smsid, signing, encryption, approval in rows
    }
    return [known.get(smsid) for smsid in smsids]


async def approve(db: SiteDatabase, resource_ids: Sequence[int], approved: bool = True) -> int:
    """Approve clients, or take it back; secret policies come or go with their next request.

    Returns how many changed. Resources that are no registered clients stay what they are.
    """
    async with db.transaction() as session:
        return len(await approve_within(session, resource_ids, approved))


async def approve_within(session: Session, resource_ids: Sequence[int], approved: bool = True) -> list[int]:
    """As ``approve``, inside the caller's transaction; returns the resources that changed."""
    status = APPROVED if approved else PENDING
    rows = await session.fetch("registration_approve", list(resource_ids), status)
    changed = [row["machineid"] for row in rows]
    if changed:
        await session.execute("registration_secrets_change", changed)
    return changed


async def _register(
    db: SiteDatabase,
    request: ClientRegistrationRequest,
    site_code: str,
    new_smsid: str,
    now: datetime,
    approval_status: int,
    replace_taken: bool,
) -> Registered:
    thumbprint = hashlib.sha256(request.signing).hexdigest().upper()
    name, names = request.netbios_name, [request.fqdn] if request.fqdn else []
    async with db.transaction() as session:
        known = await session.fetchrow("registration_known", thumbprint)
        if known:
            await session.execute("registration_again", known["smsid"], request.encryption)
            await session.execute(
                "registration_rename", known["machine_id"], name, names, request.agent_version
            )
            if approval_status == APPROVED:
                await approve_within(session, [known["machine_id"]])
            return Registered(known["smsid"], max(known["approval_status"], approval_status))
        smsid = request.smsid
        if not smsid:
            smsid = new_smsid
        elif await session.fetchval("registration_taken", smsid):
            if await session.fetchval("registration_known", thumbprint):
                raise _RegisteredMeanwhile  # by its own twin, between the first look and this one
            if not replace_taken:
                raise BadSignature(f"{smsid} is registered with another key")
            smsid = new_smsid
        machine_id = await session.fetchval(
            "registration_resource", smsid, name, names, request.agent_version, [site_code], now
        )
        await session.execute(
            "registration_key",
            smsid,
            machine_id,
            request.signing,
            request.encryption,
            thumbprint,
            approval_status,
            now,
        )
    return Registered(smsid, approval_status)
