"""What a caller of Toxiproxy's API sends: read, or refused in words of that API."""

from typing import Any

import pytest

from emulator.control.toxiproxy_body import BadBody, NamedProxy, ProxyBody, read_body


def test_a_proxy_is_read_with_all_that_a_client_library_sends_of_it() -> None:
    sent = b'{"name":"a-to-b","listen":"127.0.0.1:1","upstream":"127.0.0.1:2","enabled":false,"toxics":[]}'
    assert read_body(ProxyBody, sent).enabled is False
    assert read_body(ProxyBody, b"{}").enabled is None
    assert [each.name for each in read_body(list[NamedProxy], b'[{"name":"a-to-b"}]')] == ["a-to-b"]


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        (ProxyBody, b"", "the body is not JSON (EOF while parsing a value at line 1 column 0)"),
        (ProxyBody, b"\xff", "the body is not JSON (expected value at line 1 column 1)"),
        (ProxyBody, b"[]", "the body: input should be an object, not []"),
        (ProxyBody, b'{"enabled":"false"}', 'enabled: input should be a valid boolean, not "false"'),
        (ProxyBody, b'{"enable":true}', "enable: unknown; valid: name, listen, upstream, enabled, toxics"),
        (list[NamedProxy], b"{}", "the body: input should be a valid array, not {}"),
        (list[NamedProxy], b"[{}]", "0.name: missing"),
        (list[NamedProxy], b'[{"nam":1}]', "0.nam: unknown; valid: name, listen, upstream, enabled, toxics"),
    ],
)
def test_a_wrong_body_is_told_by_name(kind: Any, body: bytes, told: str) -> None:
    with pytest.raises(BadBody) as refused:
        read_body(kind, body)
    assert str(refused.value) == told


def test_a_long_wrong_value_is_not_repeated_whole() -> None:
    with pytest.raises(BadBody) as refused:
        read_body(ProxyBody, b'{"enabled":"' + b"x" * 100_000 + b'"}')
    assert len(str(refused.value)) < 200
