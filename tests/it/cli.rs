//! The command line: exit codes, what goes where, precedence, and that files survive the round trip.

mod explain;
mod import;
mod policies;
mod server;
mod settings;
mod token;
mod token_backup;
