//! Who somebody is and how it is proved: PROTOCOL section 1.

mod accounts;
mod endings;
mod names;
mod origins;
mod tokens;
