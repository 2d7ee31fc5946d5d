//! The texts in which setkey and ipsecctl show SAs and policies.
