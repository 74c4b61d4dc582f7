//! Chatting, sentence by sentence of PROTOCOL sections 1 to 4.

mod changing;
mod entering;
mod history;
mod joining;
mod messages;
mod moderation;
mod pipelining;
mod presence;
mod refusals;
mod signals;
mod welcome;
