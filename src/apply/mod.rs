//! Walks the plan, stage by stage.
