CREATE SCHEMA erp;

CREATE TABLE erp.customers (
    customer_no  integer PRIMARY KEY,
    legal_name   text NOT NULL,
    trading_name text,
    email        text, -- often several addresses, split by semicolons or commas
    street_1     text,
    street_2     text,
    city         text,
    state        text,
    postal_code  text,
    country      text, -- as people typed it: US, USA, United States
    terms        text,
    terms_days   integer,
    credit_limit numeric(12, 2),
    sales_rep    text,
    bill_to      integer REFERENCES erp.customers (customer_no),
    updated_at   timestamptz NOT NULL
);

CREATE INDEX customers_updated_at ON erp.customers (updated_at);
