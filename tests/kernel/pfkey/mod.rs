//! The PF_KEY codecs against what real kernels took and said.

mod abi;
mod builders;
mod corpus;
mod differences;
mod document;
mod linux;
mod properties;
mod readers;
mod recordings;
mod replay;
mod requests;
mod shown;
