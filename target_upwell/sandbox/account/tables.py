"""The tables of the account in SQLite, and the names of their constraints.

`sums` adds the requests up as they come in, so that no count has to read them all;
`refusals` says why a request was refused, and what was in it.
"""

from __future__ import annotations

# The API's own names are unknown; these are made the way PostgreSQL makes them.
PAIR_KEY = "customers_source_system_source_system_id_key"
PAIR_CHECK = "customers_source_system_pair_nullity_chk"
BILL_TO_KEY = "customers_bill_to_customer_id_fkey"
TABLES = f"""
CREATE TABLE IF NOT EXISTS customers (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  balance INTEGER NOT NULL,
  overdue_balance INTEGER NOT NULL,
  overdue_invoice_count INTEGER NOT NULL,
  addresses_last_updated_at TEXT,
  bill_to_customer_id TEXT
    CONSTRAINT {BILL_TO_KEY} REFERENCES customers (id),
  cc_email_addresses TEXT,
  collector_id TEXT,
  contacts_last_updated_at TEXT,
  deleted_at TEXT,
  email_address TEXT,
  metadata TEXT,
  name TEXT NOT NULL,
  source_system TEXT,
  source_system_id TEXT,
  times_updated INTEGER NOT NULL,
  changed_at TEXT NOT NULL,
  found_by TEXT NOT NULL,
  CONSTRAINT {PAIR_KEY} UNIQUE (source_system, source_system_id),
  CONSTRAINT {PAIR_CHECK}
    CHECK ((source_system IS NULL) = (source_system_id IS NULL))
);
CREATE INDEX IF NOT EXISTS customers_changed
  ON customers (changed_at, number, found_by);
CREATE TABLE IF NOT EXISTS related (
  number INTEGER PRIMARY KEY,
  customer INTEGER NOT NULL,
  relation TEXT NOT NULL,
  id TEXT NOT NULL,
  row TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS related_customer ON related (customer);
CREATE TABLE IF NOT EXISTS changes (
  number INTEGER PRIMARY KEY,
  request INTEGER NOT NULL,
  customer TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('created', 'updated')),
  properties TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS changes_request ON changes (request);
CREATE INDEX IF NOT EXISTS changes_customer ON changes (customer);
CREATE TABLE IF NOT EXISTS requests (
  number INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  route TEXT NOT NULL,
  rows INTEGER NOT NULL,
  status INTEGER,
  milliseconds REAL NOT NULL,
  fault TEXT,
  in_flight INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  source_system_ids TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS refusals (
  request INTEGER PRIMARY KEY,
  content TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS requests_refused ON requests (number)
  WHERE status >= 400;
CREATE TABLE IF NOT EXISTS sums (
  requests INTEGER NOT NULL,
  created INTEGER NOT NULL,
  updated INTEGER NOT NULL,
  refused INTEGER NOT NULL
);
INSERT INTO sums SELECT 0, 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM sums);
CREATE TRIGGER IF NOT EXISTS requests_add_up AFTER INSERT ON requests
BEGIN
  UPDATE sums SET
    requests = requests + 1,
    created = created + NEW.created,
    updated = updated + NEW.updated,
    refused = refused + coalesce(NEW.status >= 400, 0);
END;
"""  # noqa: S608 - names from here
