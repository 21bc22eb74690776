//! The only room that names bollard: observe, execute, converge.
