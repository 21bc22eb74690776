//! Lock, generations, ownership, naming key.
