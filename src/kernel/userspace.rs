//! The embedded IPsec stack: SAD, SPD and ESP in user space, over a TUN device and a raw socket, or over channels.

pub mod engine;
mod esp;
mod packet;
mod replay;
mod sad;
mod spd;
