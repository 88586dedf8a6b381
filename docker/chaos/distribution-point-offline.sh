#!/usr/bin/env bash
# Every distribution point is offline (DP1): clients run only what they have already downloaded.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

say "Before: everything works"
prepare $me

say "Both distribution points go away ($fault)"
break_computer dp1
break_computer dp2

say "DP1: a client runs an advertisement only if its source files are already there"
expect "the program whose files are there runs" eventually 150 client_runs $me "$again"
expect "the other one waits for its files" eventually 60 client_waits $me "$new"

say "Everything else works"
expect "administration" admin GET SMS_Site
expect "policy" client_says $me 'request_policy_assignments ok'
expect "reports" client_says $me ' 0 held'

say "One distribution point of two comes back, and that is enough"
heal_only dp2
expect "the program that waited runs" eventually 180 client_runs $me "$new"
finish
