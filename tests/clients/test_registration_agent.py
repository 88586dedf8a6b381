from __future__ import annotations

import pytest

from emulator.errors import ManagementPointUnavailable
from tests.clients.conftest import MakeClient
from tests.clients.fake_management_point import FakeSite


async def test_a_client_is_registered_once(make_client: MakeClient, site: FakeSite) -> None:
    client = make_client()
    result = await client.register()
    assert result.registered
    assert list(site.mp.certificates) == [client.smsid] == [result.smsid]
    await client.register()
    assert site.mp.requests == ["MP_ClientRegistration"]


async def test_identity_survives(make_client: MakeClient) -> None:
    first = make_client()
    await first.register()
    first.abandon()
    second = make_client()
    assert second.registration.registered
    assert second.smsid == first.smsid
    assert second.identity.signer.certificate == first.identity.signer.certificate


def test_two_names_are_two_clients_and_ids_never_return(make_client: MakeClient) -> None:
    one, other = make_client(), make_client("PC02")
    assert one.smsid != other.smsid
    assert {one.identity.new_id() for _ in range(5)}.isdisjoint(
        make_client().identity.new_id() for _ in range(5)
    )


@pytest.mark.parametrize(("status", "registered"), [(1, False), (3, False)])
async def test_pending_and_rejected_are_not_registered(
    make_client: MakeClient, site: FakeSite, status: int, registered: bool
) -> None:
    site.mp.registration_status = status
    client = make_client()
    assert (await client.register()).registered is registered
    assert client.registration.registered is registered


async def test_send_again_is_an_outage(make_client: MakeClient, site: FakeSite) -> None:
    site.mp.registration_status = 2
    with pytest.raises(ManagementPointUnavailable, match="send again"):
        await make_client().register()


async def test_an_error_status_is_seen(make_client: MakeClient, site: FakeSite) -> None:
    site.mp.failing["MP_ClientRegistration"] = 500
    client = make_client()
    with pytest.raises(ManagementPointUnavailable, match="HTTP 500") as caught:
        await client.register()
    assert caught.value.status == 500
    site.mp.failing.clear()
    assert (await client.register()).registered
