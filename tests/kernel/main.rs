//! The kernels that hold SAs, held against what real ones do.

mod esp_vectors;
