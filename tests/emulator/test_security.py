"""What a topology file says of security is checked before anything starts."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from emulator.errors import TopologyError
from emulator.security import read_security
from emulator.topology import load_topology
from fixtures.topologies import find_topology

TEXT = """
[security]
verification = "lenient"
client_approval = "all"

[[user]]
name = 'LAB\\alice'
password = "P@ssw0rd"
administrator = true

[[policy]]
name = "naa"
category = "NAAConfig"
class = "CCM_NetworkAccessAccount"
[[policy.property]]
name = "NetworkAccessUsername"
value = 'LAB\\naa'
secret = true
"""


def test_everything_is_read() -> None:
    security = read_security(tomllib.loads(TEXT))
    assert (security.mode, security.verification, security.client_approval) == ("mixed", "lenient", "all")
    (user,) = security.users
    assert (user.domain, user.account, user.administrator) == ("LAB", "alice", True)
    (policy,) = security.policies
    assert (policy.class_name, policy.collection, policy.has_secrets) == (
        "CCM_NetworkAccessAccount",
        "SMS00001",
        True,
    )


def test_a_topology_without_it_is_a_plain_site() -> None:
    assert find_topology("four-computers").security == read_security({})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[security]\nmode = "naive"', r"security\.mode: input should be 'mixed' or 'native'"),
        ('[security]\nmod = "mixed"', r"security\.mod: unknown field; valid: mode, verification, client_app"),
        (
            "[[user]]\nname='LAB\\a'\npassword='x'\nadmin=true",
            r"user\[1\]\.admin: .*valid: name, password, adm",
        ),
        ("[security]\nusers = []", r"security: unknown field 'users'; users are \[\[user\]\] tables"),
        (
            '[[user]]\nname = "alice"\npassword = "x"',
            r"user\[1\]\.name: 'alice' is no account; valid: DOMAIN",
        ),
        ("[[user]]\nname = 'LAB\\alice'\npassword = 'a:b'", r"user\[1\]\.password: a password is"),
        ("[[user]]\nname = 'LAB\\alice'", r"user\[1\]\.password: field required"),
        ("[[user]]\nname='LAB\\a'\npassword='x'\n[[user]]\nname='lab\\A'\npassword='y'", r"user: .* twice"),
        ('[[policy]]\nname = "p"', r"policy\[1\]\.class: field required"),
        ('[[policy]]\nname = "p"\nclass = "C"\nflags = 128', r"policy\[1\]\.flags: input should be less"),
        (
            '[[policy]]\nname = "p"\nclass = "C"\n[[policy.property]]\nname = "n"',
            r"policy\[1\]\.property\[1\]",
        ),
    ],
)
def test_mistakes_name_their_place(text: str, says: str) -> None:
    with pytest.raises(TopologyError, match=says):
        read_security(tomllib.loads(text))


def test_a_mistake_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    computers = '[[computer]]\nname = "A"\nroles = ["site_server", "site_database", "management_point",'
    file.write_text(
        f'name = "x"\nsite_code = "S01"\n[security]\nmode = "x"\n{computers} "distribution_point"]\n',
        encoding="utf-8",
    )
    with pytest.raises(TopologyError, match=r"site\.toml: security\.mode"):
        load_topology(file)
