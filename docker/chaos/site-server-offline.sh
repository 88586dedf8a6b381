#!/usr/bin/env bash
# The site server is offline (SS1 to SS4): nobody administers the site; clients do not notice.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

say "Before: everything works"
prepare $me

say "The site server goes away ($fault)"
break_computer sitesrv

say "SS1: no site administration is possible, creating advertisements included"
expect_not "reading the site is refused" admin GET SMS_Site
expect_not "creating an advertisement is refused" advertise "during" S0100001

say "SS2: the management point collects client information and keeps it until the site server is back"
expect "the client's reports are accepted" client_says $me ' 0 held'
expect "they wait in the management point's outboxes" some in_outboxes
expect_not "none of them is in the site database" more_than "$before" receipts

say "SS3: existing advertisements run. SS4: clients can find distribution points"
expect "the program whose files are not there is found, downloaded and run" eventually 150 client_runs $me "$new"

say "The site server comes back"
heal
expect "the outboxes and inboxes become empty" eventually 180 nothing_waits
expect "the reports are in the site database" more_than "$before" receipts
expect "an advertisement can be created" eventually 60 advertise "after" S0100001
finish
