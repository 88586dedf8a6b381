#!/usr/bin/env bash
# A walk through the protocol with curl, openssl, iconv and xxd alone: become a client, ask for policies, fetch
# one, ask where content is, download it. Nothing of this project is used; it only has to be running:
#
#     cmemu up --site one-computer
#     docs/curl-walk.sh http://<management point> <site code> <package id> <version> [DOMAIN\\user:password]
#
# With an account the registration is authenticated (NTLM), so that the site approves the computer at once.
set -euo pipefail
mp=$1 site=$2 package=$3 version=$4 account=${5:-}
name=CURLPC
boundary=aAbBcCdDv1234567890VxXyYzZ
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
fetch() { curl --silent --show-error --globoff --noproxy '*' --max-time 60 "$@"; }
utf16() { iconv -f UTF-8 -t UTF-16LE; }
# Windows writes signatures the other way round: last byte first, in upper-case hex.
reversed_hex() { xxd -p -c1 | tac | tr -d '\n' | tr a-f A-F; }
sign() { openssl dgst -sha256 -sign key.pem | reversed_hex; }

echo "== a key and a certificate"
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 365 -subj '/CN=ConfigMgr Client' \
    -addext keyUsage=digitalSignature,dataEncipherment \
    -addext extendedKeyUsage=1.3.6.1.4.1.311.101.2,1.3.6.1.4.1.311.101 2>openssl.log
certificate=$(openssl x509 -in cert.pem -outform DER | xxd -p | tr -d '\n' | tr a-f A-F)

# A message: two parts, the header in UTF-16 with its mark, the payload in UTF-16 with a NUL at its end.
# send <endpoint> <directory> <sender> <yes|no: signed>, the payload's text on standard input.
send() {
    local endpoint=$1 directory=$2 sender=$3 signed=$4 hook=
    { utf16; printf '\0\0'; } >payload
    if [ "$signed" = yes ]; then
        local identity payload_signature
        identity=$({ printf %s "$sender" | utf16; printf '\0\0'; } | sign)
        payload_signature=$(sign <payload)
        hook="<Hook2 Name=\"clientauth\"><Property Name=\"AuthSenderMachine\">$name</Property>"
        hook+="<Property Name=\"ClientIDSignature\">$identity</Property>"
        hook+="<Property Name=\"PayloadSignature\">$payload_signature</Property>"
        hook+='<Property Name="ClientCapabilities">NonSSL</Property>'
        hook+='<Property Name="HashAlgorithm">1.2.840.113549.1.1.11</Property></Hook2>'
    fi
    {
        printf -- '--%s\r\ncontent-type: text/plain; charset=UTF-16\r\n\r\n\xff\xfe' "$boundary"
        utf16 <<<"<Msg ReplyCompression=\"none\" SchemaVersion=\"1.1\"><Body Type=\"ByteRange\"\
 Length=\"$(wc -c <payload)\" Offset=\"0\"/><Hooks>$hook</Hooks><ID>{$(cat /proc/sys/kernel/random/uuid)}</ID>\
<Payload Type=\"inline\"/><Priority>0</Priority><Protocol>http</Protocol><ReplyMode>Sync</ReplyMode>\
<ReplyTo>direct:$name:SccmMessaging</ReplyTo><SentTime>$(date -u +%Y-%m-%dT%H:%M:%SZ)</SentTime>\
<SourceID>$sender</SourceID><SourceHost>$name</SourceHost><TargetAddress>mp:$endpoint</TargetAddress>\
<TargetEndpoint>$endpoint</TargetEndpoint><TargetHost>mp</TargetHost><Timeout>60000</Timeout></Msg>"
        printf -- '\r\n--%s\r\ncontent-type: application/octet-stream\r\n\r\n' "$boundary"
        cat payload
        printf -- '\r\n--%s--' "$boundary"
    } >message
    fetch --fail-with-body -X CCM_POST --data-binary @message "${login[@]}" \
        -H "Content-Type: multipart/mixed; boundary=\"$boundary\"" "$mp/$directory/request" >reply ||
        { cat reply >&2; exit 1; }
    # The reply has two parts as well; without NULs and line ends its text is plain enough for grep.
    tr -d '\0\r\n' <reply | sed "s/.*octet-stream//; s/--$boundary.*//"
}

echo "== register"
data="<Data HashAlgorithm=\"1.2.840.113549.1.1.11\" SMSID=\"\" RequestType=\"Registration\"\
 TimeStamp=\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"><AgentInformation AgentIdentity=\"CCMSetup.exe\"\
 AgentVersion=\"5.00.8325.0000\" AgentType=\"0\"/><Certificates>\
<Encryption Encoding=\"HexBinary\" KeyType=\"1\">$certificate</Encryption>\
<Signing Encoding=\"HexBinary\" KeyType=\"1\">$certificate</Signing></Certificates><DiscoveryProperties>\
<Property Name=\"Netbios Name\" Value=\"$name\"/><Property Name=\"FQ Name\" Value=\"curlpc.lab.test\"/>\
</DiscoveryProperties></Data>"
signature=$(printf %s "$data" | utf16 | sign)
login=() directory=ccm_system
if [ -n "$account" ]; then login=(--ntlm -u "$account") directory=ccm_system_windowsauth; fi
printf %s "<ClientRegistrationRequest>$data<Signature><SignatureValue>$signature</SignatureValue></Signature>\
</ClientRegistrationRequest>" | send MP_ClientRegistration "$directory" "" no >registered
login=()
smsid=$(grep -o 'SMSID="GUID:[^"]*"' registered | cut -d'"' -f2)
echo "this computer is $smsid"

echo "== ask for policies"
# The site notices a new client by itself, a moment later.
for _ in $(seq 60); do
    printf %s "<RequestAssignments SchemaVersion=\"1.00\" ACK=\"false\" RequestType=\"Always\"><Identification>\
<Machine><ClientID>$smsid</ClientID><FQDN>curlpc.lab.test</FQDN><NetBIOSName>$name</NetBIOSName><SID/></Machine>\
<User/></Identification><PolicySource>SMS:$site</PolicySource><Resource ResourceType=\"Machine\"/><ServerCookie/>\
</RequestAssignments>" | send MP_PolicyManager ccm_system "$smsid" yes >assignments
    grep -o 'http://<mp>[^]]*' assignments >policies && break
    sleep 0.5
done
cat policies

echo "== fetch a policy"
path=$(head -1 policies | sed 's/.*<mp>//')
token="$smsid;$(date -u +%Y-%m-%dT%H:%M:%SZ);2"
token_signature=$({ printf %s "$token" | utf16; printf '\0\0'; } | sign)
fetch --fail -H "ClientToken: $token" -H "ClientTokenSignature: $token_signature" "$mp$path" >body
if [ "$(head -c1 body | xxd -p)" = 30 ]; then # it has secrets, so it comes encrypted for our certificate
    openssl cms -decrypt -inform DER -in body -inkey key.pem -recip cert.pem -binary >opened
    mv opened body
fi
iconv -f UTF-16 -t UTF-8 body | tr -d '\0' | head -c 300
echo

echo "== where is the content?"
printf %s "<ContentLocationRequest SchemaVersion=\"1.00\"><AssignedSite SiteCode=\"$site\"/>\
<Package ID=\"$package\" Version=\"$version\"/><ClientLocationInfo><ADSite Name=\"\"/>\
<IPAddresses><IPAddress SubnetAddress=\"127.0.0.0\" Address=\"127.0.0.9\"/></IPAddresses></ClientLocationInfo>\
</ContentLocationRequest>" | send MP_LocationManager ccm_system "$smsid" yes >locations
content=$(grep -o 'URL Name="[^"]*"' locations | head -1 | cut -d'"' -f2)
echo "$content"

echo "== download"
fetch --fail "$content/setup.exe" -o setup.exe
fetch --fail -r 0-99 "$content/setup.exe" -o beginning
cmp -n 100 setup.exe beginning
echo "setup.exe: $(wc -c <setup.exe) bytes, SHA-256 $(openssl dgst -sha256 -r setup.exe | cut -d' ' -f1)"
