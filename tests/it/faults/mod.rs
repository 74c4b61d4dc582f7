//! What happens when something goes wrong: a killed server, clients that do not read or do not answer, a full disk.

mod full;
mod killed;
mod silent;
mod slow;
