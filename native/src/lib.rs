//! The seam: commands in, events out, in batches; no logic.
