"""A provider world on this machine: speaks the providers' formats, draws photos, fails on purpose.

- `world`: which photos every venue has, from the seed alone
- `pictures`, `outdoors`, `indoors`, `brushes`: the photos themselves
- `faults`: how requests fail and when that passes
- `wikimedia` with `commons`, `google_places`: one outside API each
- `desk`, `ledger`: how replies go out, and what was counted
- `server`, `control`: the web server and its own paths
"""
