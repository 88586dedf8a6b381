"""The control API of a site and what stands behind it: journal, readiness, snapshots."""
