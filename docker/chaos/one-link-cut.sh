#!/usr/bin/env bash
# One cable is pulled, and everything else works: each network of the lab is one link.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
fault=partitioned
start_client

say "The link between management point and site server is cut"
expect "a client's reports arrive while it is whole" eventually 60 client_says $me ' 0 held'
expect "nothing waits" eventually 60 none in_outboxes
network=${lab}_mp1-sitesrv
deed docker network disconnect "$network" "$lab-mp1"
trap 'docker network connect --ip "$net.7.2" "$network" "$lab-mp1"; docker rm -f "$lab-chaos-client" >/dev/null' EXIT

expect "administrators reach the site server" admin GET SMS_Site
expect "clients reach the management point, and it reaches the database" \
    client_says $me 'request_policy_assignments ok'
expect "reports wait at the management point, as if the site server were off" eventually 30 some in_outboxes

say "The cable is plugged in again"
trap 'rm -f "$rounds"; docker rm -f "$lab-chaos-client" >/dev/null' EXIT
deed docker network connect --ip "$net.7.2" "$network" "$lab-mp1"
expect "the outboxes become empty" eventually 120 none in_outboxes
finish
