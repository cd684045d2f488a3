//! Virtual clock, lossy links and model clients for simulations.
