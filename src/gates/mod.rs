//! Proofs: each gate is a small pure judgement over a recorded observation; deadline, retry, soak.
