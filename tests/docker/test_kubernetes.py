"""The Kubernetes manifests, against Kubernetes' own schemas; no cluster is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from emulator.faults.network import OUTSIDERS, arrows_between
from emulator.health import READY, SEEDED
from emulator.placement import ports
from fixtures.topologies import find_topology

FOLDER = Path(__file__).parents[2] / "docker" / "kubernetes"
VERSION = "1.31"  # the oldest that is supported at the time of writing; newer ones accept what it accepts
Manifest = dict[str, Any]


def manifests() -> list[Manifest]:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return [
        manifest
        for name in kustomization["resources"]
        for manifest in yaml.safe_load_all((FOLDER / name).read_text())
    ]


def of_kind(kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests() if manifest["kind"] == kind]


def title(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


@pytest.mark.parametrize("manifest", manifests(), ids=title)
def test_a_manifest_is_what_kubernetes_expects(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_a_wrong_manifest_would_be_seen() -> None:
    wrong = of_kind("StatefulSet")[0]
    wrong["spec"]["template"]["spec"]["containers"][0]["imagine"] = "cmemu"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_every_file_is_part_of_it() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(kustomization["resources"])


def test_every_computer_of_the_site_has_a_service_of_its_name_on_its_port() -> None:
    topology = find_topology("two-distribution-points")
    expected = {role.computer.lower(): ports(topology)[role.name][0] for role in topology.roles}
    services = {s["metadata"]["name"]: s["spec"]["ports"][0]["port"] for s in of_kind("Service")}
    assert services == expected
    sets = {
        s["metadata"]["name"]: s["spec"]["template"]["spec"]["containers"][0] for s in of_kind("StatefulSet")
    }
    assert {name: role["args"] for name, role in sets.items()} == {
        name: ["role", "--name", name.upper()] for name in expected
    }


@pytest.mark.parametrize("manifest", [*of_kind("StatefulSet"), *of_kind("Job")], ids=title)
def test_pods_are_nobody_in_particular_and_write_only_where_they_may(manifest: Manifest) -> None:
    pod = manifest["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("manifest", of_kind("StatefulSet"), ids=title)
def test_a_claim_is_opened_to_the_group_once_and_not_at_every_mount(manifest: Manifest) -> None:
    context = manifest["spec"]["template"]["spec"]["securityContext"]
    assert (context["fsGroup"], context["fsGroupChangePolicy"]) == (context["runAsGroup"], "OnRootMismatch")


@pytest.mark.parametrize("manifest", of_kind("StatefulSet"), ids=title)
def test_a_role_keeps_its_folder_and_is_probed(manifest: Manifest) -> None:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    claimed = {claim["metadata"]["name"] for claim in manifest["spec"]["volumeClaimTemplates"]}
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounted["/data"] in claimed
    stages = {
        probe: container[probe]["exec"]["command"][-1]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    # Nobody is restarted because another role is away.
    assert stages == {"startupProbe": SEEDED, "readinessProbe": READY, "livenessProbe": SEEDED}


@pytest.mark.parametrize("claim", of_kind("PersistentVolumeClaim"), ids=title)
def test_what_is_copied_into_a_claim_can_be_written_there(claim: Manifest) -> None:
    # `kubectl cp` writes from inside a container that has the claim mounted.
    writable = [
        mount["mountPath"]
        for stateful_set in of_kind("StatefulSet")
        for volume in stateful_set["spec"]["template"]["spec"]["volumes"]
        if volume.get("persistentVolumeClaim", {}).get("claimName") == claim["metadata"]["name"]
        for container in stateful_set["spec"]["template"]["spec"]["containers"]
        for mount in container["volumeMounts"]
        if mount["name"] == volume["name"] and not mount.get("readOnly")
    ]
    assert writable == ["/sources"]


def test_a_role_that_is_not_ready_is_found_all_the_same() -> None:
    assert all(service["spec"]["publishNotReadyAddresses"] for service in of_kind("Service"))


def test_every_role_is_reached_on_its_port_by_those_that_an_arrow_leads_from_and_by_nobody_else() -> None:
    topology = find_topology("two-distribution-points")
    kinds = {role.name: role.kind for role in topology.roles}
    expected: dict[str, tuple[set[str], set[int]]] = {"client": (set(), set())}  # nobody calls a client
    for arrow in arrows_between(topology.roles):
        sources, open_ports = expected.setdefault(component(kinds[arrow.target]), (set(), set()))
        sources.add(component(kinds.get(arrow.source, arrow.source)))
        open_ports.add(ports(topology)[arrow.target][0])
    assert {selected(policy["spec"]): let_in(policy) for policy in of_kind("NetworkPolicy")} == expected


def component(who: str) -> str:
    """The label of a kind of role, or of those who are no role."""
    return who.removesuffix("s").replace("_", "-") if who in OUTSIDERS else who.replace("_", "-")


def selected(part: Manifest) -> str:
    return str(part["podSelector"]["matchLabels"]["app.kubernetes.io/component"])


def let_in(policy: Manifest) -> tuple[set[str], set[int]]:
    """Who, and on which ports; a rule without ``from`` would let everybody in."""
    sources, open_ports = set(), set()
    for rule in policy["spec"].get("ingress", []):
        assert rule["from"]
        sources |= {selected(peer) for peer in rule["from"]}
        open_ports |= {port["port"] for port in rule["ports"]}
    return sources, open_ports


def test_the_fleet_is_indexed() -> None:
    (job,) = of_kind("Job")
    assert job["spec"]["completionMode"] == "Indexed"
    assert "--by-hostname" in job["spec"]["template"]["spec"]["containers"][0]["args"]
