//! The gate between changes and another schema: a change passes from its validation until it is committed or refused,
//! and while a schema takes over nobody passes.
//!
//! No lock: a pass goes along with its change, through an `await` and on to the store's thread.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

#[derive(Default)]
pub(super) struct SchemaGate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    passing: usize,
    closed: bool,
}

/// A change that is under way.
pub(super) struct Pass(Arc<SchemaGate>);

/// Nobody passes.
pub(super) struct Closed<'a>(&'a SchemaGate);

impl SchemaGate {
    /// A pass, unless the gate is closed.
    pub fn try_pass(self: &Arc<Self>) -> Option<Pass> {
        let mut state = self.state.lock();
        if state.closed {
            return None;
        }
        state.passing += 1;
        Some(Pass(Arc::clone(self)))
    }

    /// A pass, once the gate is open.
    pub fn pass(self: &Arc<Self>) -> Pass {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.closed);
        state.passing += 1;
        Pass(Arc::clone(self))
    }

    /// Closes the gate, and waits for those who pass.
    pub fn close(&self) -> Closed<'_> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.closed);
        state.closed = true;
        self.changed.wait_while(&mut state, |state| state.passing > 0);
        Closed(self)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.passing -= 1;
        if state.passing == 0 {
            self.0.changed.notify_all();
        }
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.state.lock().closed = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_closing_gate_waits_for_those_who_pass_and_lets_nobody_else_in() {
        let gate = Arc::new(SchemaGate::default());
        let (first, second) = (gate.pass(), gate.try_pass().unwrap());
        let (said, heard) = mpsc::channel();
        std::thread::scope(|scope| {
            let closing = Arc::clone(&gate);
            scope.spawn(move || {
                let closed = closing.close();
                said.send("closed").unwrap();
                std::thread::sleep(Duration::from_millis(20));
                said.send("opened").unwrap();
                drop(closed);
            });
            while gate.try_pass().is_some() {
                std::thread::yield_now();
            }
            drop(first);
            assert!(heard.recv_timeout(Duration::from_millis(20)).is_err(), "one still passes");
            drop(second);
            let third = gate.pass();
            assert_eq!(heard.try_iter().collect::<Vec<_>>(), ["closed", "opened"]);
            drop(third);
        });
    }
}
