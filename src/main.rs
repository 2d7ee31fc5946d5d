//! coati.
fn main() {}
