//! The command line: exit codes, what goes where, precedence, and that files survive the round trip.

mod as_of;
mod audit;
mod doctor;
mod explain;
mod import;
mod lint;
mod policies;
mod prove;
mod replay;
mod reports;
mod search;
mod server;
mod settings;
mod token;
mod token_backup;
