#!/usr/bin/env bash
# The site database is offline (DB1, DB3, DB4): nobody administers the site, no new policy is given out.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

say "Before: everything works"
prepare $me

say "The site database goes away ($fault)"
break_computer sql1

say "DB1: no site administration is possible, creating advertisements included"
expect_not "reading the site is refused" admin GET SMS_Site
expect_not "creating an advertisement is refused" advertise "during" S0100001

say "DB3: no new policy assignment request is serviced"
expect "a client that asks is refused" client_says $me 'request_policy_assignments (fail|unknown)'
expect "a new client cannot register" client_says $other 'register (fail|unknown)'
expect_not "the management point's own health test shows it" fetch "$management_point/SMS_MP/.sms_aut?MPLIST"

say "DB4: a program runs only if the client knows it and has its files"
expect "the one whose files are there runs" eventually 150 client_runs $me "$again"
expect "the other one waits for its files" eventually 60 client_waits $me "$new"

say "Reports are taken all the same, and wait at the site server"
expect "the client's reports are accepted" client_says $me ' 0 held'
expect "they wait in the site server's inboxes" eventually 60 some in_inboxes

say "The site database comes back"
heal
expect "the outboxes and inboxes become empty" eventually 180 nothing_waits
expect "the reports are in the site database" more_than "$before" receipts
expect "the program that waited runs" eventually 150 client_runs $me "$new"
expect "the client that could not register does now" eventually 60 client_says $other 'register ok'
finish
