"""A registration is in the site database, or it did not happen."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.protocol.registration import ClientRegistrationRequest, ClientRegistrationResponse


async def registered(lab: Any) -> list[str]:
    return [row["smsid"] for row in await lab.database.run("SELECT SMSID FROM ClientKeyData ORDER BY SMSID")]


async def test_a_new_client_gets_an_identity(lab: Any, stranger: Any) -> None:
    reply = await stranger.register()
    response = ClientRegistrationResponse.from_xml(reply.text)
    assert (reply.status, response.status) == (200, 0)
    assert await registered(lab) == [response.smsid]


async def test_the_same_certificate_again_is_the_same_client(lab: Any, client: Any) -> None:
    before = client.smsid
    for known in before, "":
        client.smsid = known
        assert (await client.register()).status == 200
        assert client.smsid == before
    assert await registered(lab) == [before]


async def test_two_certificates_are_two_clients(lab: Any, client: Any, stranger: Any) -> None:
    await stranger.register()
    assert sorted([client.smsid, stranger.smsid]) == await registered(lab)
    assert client.smsid != stranger.smsid


async def test_no_registration_without_a_database(lab: Any, stranger: Any) -> None:
    await lab.database.away()
    reply = await stranger.register()
    assert (reply.status, b"site database" in reply.body) == (500, True)
    assert not list((lab.settings.data / "client_keys").iterdir())
    await lab.database.back()
    assert await registered(lab) == []
    assert (await stranger.register()).status == 200


async def test_a_registered_client_is_not_confirmed_from_memory(lab: Any, client: Any) -> None:
    await lab.database.away()
    assert (await client.register()).status == 500


async def test_a_request_that_is_not_signed_by_its_certificate(lab: Any, client: Any, stranger: Any) -> None:
    request = ClientRegistrationRequest(
        "", "4.00.6487.2000", "", stranger.signer.certificate, stranger.signer.certificate, "PC02", "pc02"
    )
    reply = await stranger.post(
        "MP_ClientRegistration", request.to_xml(client.signer), signed=False, source_id=""
    )
    assert reply.status == 403
    assert await registered(lab) == [client.smsid]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<Other/>",
        "<ClientRegistrationRequest/>",
        "<ClientRegistrationRequest><Data/></ClientRegistrationRequest>",
    ],
)
async def test_no_registration(lab: Any, stranger: Any, body: str) -> None:
    reply = await stranger.post("MP_ClientRegistration", body, signed=False, source_id="")
    assert reply.status in (400, 403)
    assert await registered(lab) == []
