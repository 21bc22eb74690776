//! What a browser does for people, done with care: cookies of one host, redirects that are looked at before they are
//! followed, and the one form that is filled in.

mod form;
mod jar;
mod place;

pub(super) use form::{Form, forms};
pub(super) use jar::Jar;
pub(super) use place::{Place, below};
