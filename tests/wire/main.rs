//! The wire format against recordings of real peers, against random values, and against the documents that define it.

mod capture;
mod properties;
mod recorded;
mod vendor_ids;
