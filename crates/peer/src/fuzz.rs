//! Bodies of the fuzz targets, shared with the corpus replay under `cargo test`.
