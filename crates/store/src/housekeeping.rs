//! Deleting what has expired, in small batches.
