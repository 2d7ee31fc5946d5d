//! Round trips and refusals of each payload.
