//! Two endpoints, two kernels of memory and a network, on virtual time and seeded: every run can be repeated.

mod aggressive;
mod edges;
mod fuzz_corpus;
mod grants;
mod kernel;
mod keys;
mod net;
mod operator;
mod pair;
mod policy;
mod reload;
mod road_warrior;
mod scenarios;
mod seeds;
mod states;
mod traffic;
mod upkeep;
