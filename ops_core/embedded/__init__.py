"""The embedded PostgreSQL and Valkey, and the supervisor behind `venue-ops up`."""
