//! Proves: the program as a user meets it.
