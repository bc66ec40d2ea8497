"""Commands of `venue-ops` with modules of their own; `ops_core.cli` puts them together."""
