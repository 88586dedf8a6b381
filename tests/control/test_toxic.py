"""A toxic is one of our faults, with Toxiproxy's names, units and zeros."""

import json
from typing import Any

import pytest

from emulator.control.toxic import TYPES, BadToxic, Toxic, ToxicBody, ToxicChange
from emulator.control.toxiproxy_body import BadBody, read_body
from emulator.faults.registry import read_fault


def toxic(**sent: Any) -> Toxic:
    return read_body(ToxicBody, json.dumps(sent).encode()).toxic()


@pytest.mark.parametrize(
    ("type_", "attributes", "fault"),
    [
        (
            "latency",
            {"latency": 700, "jitter": 50},
            {"kind": "latency", "seconds": 0.7, "jitter": 0.05, "direction": "replies"},
        ),
        ("bandwidth", {"rate": 5}, {"kind": "bandwidth", "bytes_per_second": 5000, "direction": "replies"}),
        ("bandwidth", {"rate": 0}, {"kind": "latency", "seconds": 3600.0, "direction": "replies"}),
        ("slow_close", {"delay": 1500}, {"kind": "slow_close", "seconds": 1.5}),
        ("timeout", {"timeout": 0}, {"kind": "hang", "part": "reply"}),
        ("timeout", {}, {"kind": "hang", "part": "reply"}),
        ("timeout", {"timeout": 1500}, {"kind": "hang", "part": "reply", "close_after": 1.5}),
        ("reset_peer", {"timeout": 0}, {"kind": "reset"}),
        ("reset_peer", {"timeout": 250}, {"kind": "reset", "seconds": 0.25}),
        (
            "slicer",
            {"average_size": 64, "size_variation": 32, "delay": 500},
            {"kind": "sliced", "bytes": 64, "variation": 32, "pause": 0.0005, "direction": "replies"},
        ),
        ("limit_data", {"bytes": 9}, {"kind": "byte_limit", "bytes": 9}),
        ("latency", {"latency": 0}, None),
        ("latency", None, None),
        ("slow_close", {"delay": 0}, None),
    ],
)
def test_it_is_a_fault_that_the_site_can_have(type_: str, attributes: Any, fault: Any) -> None:
    made = toxic(type=type_, attributes=attributes)
    assert made.fault() == fault
    assert made.view()["attributes"] == (attributes or {})
    if fault:
        read_fault({**fault, "on": "clients -> management_point"})


def test_what_is_not_said_is_toxiproxy_s_default() -> None:
    assert toxic(type="latency").view() == {
        "name": "latency_downstream",
        "type": "latency",
        "stream": "downstream",
        "toxicity": 1.0,
        "attributes": {},
    }
    assert toxic(type="latency", name="", stream="Upstream", attributes=None).name == "latency_upstream"
    assert toxic(type="latency", stream="").stream == "downstream"


def test_a_stream_that_is_stopped_upstream_is_a_request() -> None:
    upstream = toxic(type="timeout", stream="upstream", attributes={"timeout": 10})
    assert upstream.fault() == {"kind": "hang", "part": "request", "close_after": 0.01}


def test_toxicity_is_chance_and_without_any_there_is_no_fault() -> None:
    assert toxic(type="reset_peer", toxicity=1).fault() == {"kind": "reset"}
    assert toxic(type="reset_peer", toxicity=0.25).fault() == {"kind": "reset", "probability": 0.25}
    assert toxic(type="reset_peer", toxicity=0).fault() is None


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, "type: missing"),
        ({"type": "latency", "toxcity": 1}, "toxcity: unknown; valid: name, type, stream, toxicity, attrib"),
        ({"type": "latency", "toxicity": 5}, "toxicity: input should be less than or equal to 1, not 5"),
        ({"type": "latency", "stream": "sideways"}, "stream: input should be 'upstream' or 'downstream', no"),
        ({"type": "latency", "attributes": []}, "attributes: input should be an object, not []"),
        ({"type": "bandwidth", "attributes": {"rat": 5}}, "attributes.rat: unknown; valid: rate"),
        (
            {"type": "latency", "attributes": {"latency": -5}},
            "attributes.latency: input should be greater th",
        ),
        ({"type": "latency", "attributes": {"latency": "5"}}, "attributes.latency: input should be a valid "),
        ({"type": "latency", "attributes": {"latency": 5, "jitter": 6}}, "attributes: jitter: at most 5, th"),
        (
            {"type": "timeout", "attributes": {"timeout": -1}},
            "attributes.timeout: input should be greater th",
        ),
        ({"type": "slicer"}, "attributes.average_size: input should be greater than or equal to 1, not 0"),
        (
            {"type": "slicer", "attributes": {"average_size": 5, "size_variation": 5}},
            "attributes: size_variation: below 5, th",
        ),
        ({"type": "limit_data"}, "attributes.bytes: input should be greater than or equal to 1, not 0"),
    ],
)
def test_what_cannot_be_is_told_by_name_in_the_caller_s_words(sent: dict[str, Any], told: str) -> None:
    with pytest.raises(BadBody) as refused:
        toxic(**sent)
    assert str(refused.value).startswith(told)


def test_an_unknown_type_is_told_with_those_there_are() -> None:
    with pytest.raises(BadToxic, match=f"invalid toxic type 'slice'; valid: {', '.join(TYPES)}"):
        toxic(type="slice")


def test_a_change_keeps_what_it_does_not_name() -> None:
    old = toxic(type="latency", attributes={"latency": 700, "jitter": 50})
    new = old.changed(ToxicChange(toxicity=0.5, attributes={"latency": 900}))
    assert (new.name, new.toxicity) == (old.name, 0.5)
    assert new.view()["attributes"] == {"latency": 900, "jitter": 50}
    assert old.changed(ToxicChange(name=old.name, type="latency", stream="downstream")) == old


@pytest.mark.parametrize("fixed", [{"name": "other"}, {"type": "timeout"}, {"stream": "upstream"}])
def test_what_a_toxic_has_for_good_does_not_change(fixed: dict[str, Any]) -> None:
    (name,) = fixed
    with pytest.raises(BadBody, match=f"{name}: it stays .*; valid: toxicity, attributes"):
        toxic(type="latency").changed(ToxicChange(**fixed))
