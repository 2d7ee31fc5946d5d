//! Configuration files: what they mean, and what is said of their errors. A case is a file `NAME.conf` in `cases/`
//! with `NAME.txt`, which is what it means, or `NAME.err`, which is what is said of it.

mod corpus;
mod ipsecconf;
mod racoon;
