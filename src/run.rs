//! The pipeline: load → unlock → observe → plan → apply → verify → report.
