# What every chaos script uses: words for deeds and for what a person should see. Needs docker and curl.
#
# The lab of docker/compose.yml has to be up. Settings, from the environment:
#   CMEMU_LAB     the lab's name                                     (cmemu)
#   CMEMU_NET     the first two numbers of its addresses             (172.30)
#   CMEMU_SECRET  what administrators show                           (lab-secret)
#   FAULT         killed, stopped, hung or partitioned               (killed)
set -euo pipefail

lab=${CMEMU_LAB:-cmemu}
net=${CMEMU_NET:-172.30}
secret=${CMEMU_SECRET:-lab-secret}
fault=${FAULT:-killed}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sources=$(dirname "$here")/sources/chaos
site_server=http://127.0.0.1:8080
management_point=http://127.0.0.1:8081
distribution_point=http://127.0.0.1:8082
me=CHAOS-$RANDOM # clients nobody has met before: a name stays with its key
other=OTHER-$RANDOM
failed=0
rounds=$(mktemp) # what clients have said
broken=()
addresses=

# -- telling ---------------------------------------------------------------------------------------

say() { printf '\n== %s\n' "$*"; }

# expect SENTENCE COMMAND...: the command must succeed; its last line is what was seen.
expect() {
    local sentence=$1 seen
    shift
    if seen=$("$@" 2>&1); then
        printf '   seen  %s\n' "$sentence"
    else
        printf '   NOT   %s\n' "$sentence"
        failed=1
    fi
    [ -z "$seen" ] || printf '           %s\n' "$(tail -n 1 <<<"$seen" | cut -c1-160)"
}

# expect_not SENTENCE COMMAND...: the command must fail.
expect_not() {
    local sentence=$1
    shift
    expect "$sentence" fails "$@"
}

fails() { ! "$@"; }

# eventually SECONDS COMMAND...: try until it succeeds.
eventually() {
    local deadline=$((SECONDS + $1)) seen
    shift
    until seen=$("$@" 2>&1); do
        [ $SECONDS -lt $deadline ] || { echo "$seen"; return 1; }
        sleep 1
    done
    echo "$seen"
}

finish() {
    heal
    echo
    if [ $failed = 0 ]; then echo "As documented."; else echo "Not as documented: see the lines with NOT."; fi
    exit $failed
}

# -- breaking and healing --------------------------------------------------------------------------

deed() { printf '   $ %s\n' "$*"; "$@" >/dev/null; }

networks_of() {
    docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' "$1"
}

# break_computer NAME: the whole container, in the way that FAULT says.
break_computer() {
    local name=$lab-$1 network
    broken+=("$1")
    case $fault in
    killed) deed docker kill "$name" ;;
    stopped) deed docker stop "$name" ;;
    hung) deed docker pause "$name" ;;
    partitioned)
        addresses+=$(docker inspect -f "{{range \$name, \$n := .NetworkSettings.Networks}}$name {{\$name}}\
 {{\$n.IPAddress}}{{\"\\n\"}}{{end}}" "$name")$'\n'
        for network in $(networks_of "$name"); do deed docker network disconnect "$network" "$name"; done
        ;;
    *) echo "FAULT=$fault; valid: killed, stopped, hung, partitioned" >&2; exit 2 ;;
    esac
}

heal() {
    local name
    for name in "${broken[@]}"; do heal_one "$name"; done
    broken=()
}

# heal_only NAME: one of those that are away.
heal_only() {
    local name others=()
    for name in "${broken[@]}"; do [ "$name" = "$1" ] || others+=("$name"); done
    heal_one "$1"
    broken=("${others[@]}")
}

heal_one() {
    local name=$lab-$1 whose network address
    case $fault in
    killed | stopped) deed docker start "$name" ;;
    hung) deed docker unpause "$name" ;;
    partitioned)
        while read -r whose network address; do
            [ "$whose" != "$name" ] || deed docker network connect --ip "$address" "$network" "$name"
        done <<<"$addresses"
        ;;
    esac
}
trap 'heal' EXIT

# -- the administrator -----------------------------------------------------------------------------

fetch() { curl --silent --show-error --globoff --noproxy '*' --max-time 8 --fail-with-body "$@"; }

# admin METHOD CLASS [JSON]: the SMS Provider's answer.
admin() {
    local method=$1 path=$2
    shift 2
    fetch -X "$method" -H "Authorization: Bearer $secret" -H 'Content-Type: application/json' \
        ${1:+--data "$1"} "$site_server/AdminService/wmi/$path"
}

# field NAME: the first value of this name in the JSON on standard input.
field() { grep -o "\"$1\": *\"[^\"]*\"" | head -n 1 | sed 's/.*: *"//; s/"$//'; }

# advertise NAME PACKAGE [SECONDS] [FLAGS]: to every client, mandatory in so many seconds (at once); it runs once,
# unless the flags say otherwise. Prints the AdvertisementID.
advertise() {
    local time=$(($(date +%s) + ${3:-0}))
    time=$(date -u -d "@$time" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$time" +%Y-%m-%dT%H:%M:%SZ)
    admin POST SMS_Advertisement "{\"AdvertisementName\": \"$1\", \"PackageID\": \"$2\", \"ProgramName\": \"Install\",
        \"CollectionID\": \"SMS00001\", \"AdvertFlags\": 32, \"RemoteClientFlags\": ${4:-4144},
        \"PresentTime\": \"$time\"}" | field AdvertisementID
}

# package NAME: a package with files on every distribution point, and its program; prints the PackageID.
package() {
    local name=$1 id path
    mkdir -p "$sources/$name"
    printf 'setup of %s\n' "$name" >"$sources/$name/setup.exe"
    id=$(admin POST SMS_Package "{\"Name\": \"$name\", \"PkgSourcePath\": \"/sources/chaos/$name\",
        \"PkgSourceFlag\": 2}" | field PackageID)
    admin POST SMS_Program "{\"PackageID\": \"$id\", \"ProgramName\": \"Install\",
        \"CommandLine\": \"setup.exe /S\"}" >/dev/null
    admin GET "SMS_SystemResourceList?\$filter=RoleName%20eq%20'SMS%20Distribution%20Point'" |
        grep -oE '"NALPath": *"(\\.|[^"\\])*"' | sed 's/.*: *"//; s/"$//' | while read -r path; do
        admin POST SMS_DistributionPoint "{\"PackageID\": \"$id\", \"ServerNALPath\": \"$path\"}" >/dev/null
    done
    eventually 60 installed "$id" >/dev/null || echo "the package $id did not reach both distribution points" >&2
    echo "$id"
}

# installed PACKAGE: on both distribution points.
installed() {
    [ "$(admin GET "SMS_PackageStatus?\$filter=PackageID%20eq%20'$1'%20and%20Status%20eq%203" |
        grep -o '"PackageID"' | wc -l)" = 2 ]
}

# -- the client ------------------------------------------------------------------------------------

# One container on the clients' links, in which a client goes through everything once whenever it is told to.
start_client() {
    if ! eventually 60 admin GET SMS_Site >/dev/null; then
        echo "the lab does not answer at $site_server: cd docker && docker compose up -d" >&2
        exit 2
    fi
    docker rm -f "$lab-chaos-client" >/dev/null 2>&1 || true
    docker run -d --name "$lab-chaos-client" --network "${lab}_clients-mp1" --entrypoint sleep \
        "$(docker inspect -f '{{.Image}}' "$lab-mp1")" infinity >/dev/null
    docker network connect "${lab}_clients-dp1" "$lab-chaos-client"
    docker network connect "${lab}_clients-dp2" "$lab-chaos-client"
    trap 'heal; rm -f "$rounds"; docker rm -f "$lab-chaos-client" >/dev/null 2>&1' EXIT
}

# client NAME: one round: register, ask for policies, run what is due, report. Prints what happened.
client() {
    docker exec "$lab-chaos-client" cmemu client --once --name "$1" --mp "http://$net.1.3:8081" --data /data 2>&1 |
        tee -a "$rounds"
}

# client_says NAME PATTERN: one round in which this is seen.
client_says() {
    local told
    told=$(client "$1" || true)
    grep -E "$2" <<<"$told" || { echo "$told" | tail -n 1; return 1; }
}

# client_has NAME PATTERN: seen in any round until now, or in one more.
client_has() { grep -E "^$1 $2" "$rounds" || client_says "$1" "^$1 $2"; }

# client_runs NAME ADVERTISEMENT: the advertised program has run.
client_runs() { client_has "$1" "run_(assigned|waiting)_program ok .*\"state\": \"ran\".*\"$2\""; }

# client_waits NAME ADVERTISEMENT: it was due, and its files were not there.
client_waits() { client_has "$1" "run_(assigned|waiting)_program ok .*\"state\": \"waits_for_content\".*\"$2\""; }

# prepare NAME: the client NAME has run one program. Two more are advertised to it, due in a while: $again, whose
# files it has, and $new, whose files it does not have.
AHEAD=75          # seconds until they are due
RERUN_ALWAYS=2096 # the same program was run before
prepare() {
    local known
    start_client
    known=$(package "$1-known")
    new=$(package "$1-new")
    expect "the client receives an advertisement and runs it" ran_at_once "$1" "$known"
    again=$(advertise "$1 again" "$known" $AHEAD $RERUN_ALWAYS)
    new=$(advertise "$1 new" "$new" $AHEAD)
    expect "it is assigned two more" eventually 60 assigned "$1" "$again" "$new"
    expect "it knows both before they are due" client_says "$1" "request_policy_body ok"
    expect "nothing waits on the way to the site database" eventually 60 nothing_waits
    before=$(receipts)
}

ran_at_once() {
    client "$1" >/dev/null || true # it registers
    eventually 120 client_runs "$1" "$(advertise "$1 first" "$2")"
}

# -- looking ---------------------------------------------------------------------------------------

# assigned CLIENT ADVERTISEMENT ADVERTISEMENT: the site has made policies of them, for this client.
assigned() {
    [ "$(sql "SELECT count(*) FROM ResPolicyMap m JOIN PolicyAssignment a USING (PADBID)
        JOIN Policy p USING (PolicyID, Version) JOIN System_DISC s ON s.ItemKey = m.MachineID
        WHERE s.Netbios_Name0 = '$1' AND p.SourceID IN ('$2', '$3') AND NOT m.IsTombstoned")" = 2 ]
}

count() { docker exec "$1" sh -c "find $2 -type f -name '[0-9]*' ! -name '*.tmp' 2>/dev/null | wc -l"; }
in_outboxes() { count "$lab-mp1" /data/management_point/outboxes; }
in_inboxes() { count "$lab-sitesrv" '/data/site_server/inboxes -path "*.box*"'; }
receipts() { sql "SELECT count(*) FROM InboxReceipt"; }
sql() { docker exec "$lab-sql1" psql -h 127.0.0.1 -U postgres -At -c "$1" smsdb; }

nothing_waits() { [ "$(in_outboxes)" = 0 ] && [ "$(in_inboxes)" = 0 ]; }

some() { local n; n=$("$@"); echo "$n"; [ "$n" -gt 0 ]; }
none() { local n; n=$("$@"); echo "$n"; [ "$n" = 0 ]; }
more_than() { local least=$1 n; shift; n=$("$@"); echo "$n, before: $least"; [ "$n" -gt "$least" ]; }
