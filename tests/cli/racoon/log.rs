//! The whole log of what two daemons do together.
