#!/usr/bin/env bash
# The management point is offline (MP1 to MP4): administrators do not notice, clients keep to what they have.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

say "Before: everything works"
prepare $me

say "The management point goes away ($fault)"
break_computer mp1

say "MP1: new advertisements can be created"
package=$(admin GET SMS_Package | field PackageID)
expect "an advertisement is created" advertise "during" "$package"

say "MP2: clients do not receive it until the management point is back"
expect "a client that asks gets no answer" client_says $me 'request_policy_assignments (fail|unknown)'

say "MP3: clients still collect inventory and status, and keep it"
expect "reports are kept in the client's own queue" client_says $me ' [1-9][0-9]* held'
expect_not "none of them is in the site database" more_than "$before" receipts

say "MP4: a program runs only if the client knows it and has its files"
expect "the one whose files are there runs" eventually 150 client_runs $me "$again"
expect "the other one waits for its files" eventually 60 client_waits $me "$new"

say "The management point comes back"
heal
expect "the program that waited runs" eventually 180 client_runs $me "$new"
expect "what the client kept is in the site database" eventually 60 more_than "$before" receipts
expect "the client has no report left" eventually 60 client_says $me ' 0 held'
finish
