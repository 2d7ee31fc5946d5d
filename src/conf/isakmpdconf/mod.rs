//! What isakmpd keeps under /etc/isakmpd.

pub mod tree;
