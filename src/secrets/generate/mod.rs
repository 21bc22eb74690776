//! Values that nobody has to think of, and the record of those that were made in a checkout.

mod make;
mod record;

pub use make::{Made, make, opens, public_part};
pub use record::{Entry, RECORD, Record};
