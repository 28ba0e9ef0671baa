//! Threads that serve connections: one for each processor, each with a runtime of its own, so that a connection stays
//! where it was begun, and nobody wakes another thread to answer it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tracing::{Dispatch, dispatcher};

/// The threads. Dropping them ends what they do.
pub struct Workers(Vec<Worker>);

struct Worker {
    runtime: Handle,
    /// Connections that it serves.
    open: Arc<AtomicUsize>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// A place on a worker, held as long as a connection is served.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// # Errors
    /// A thread that the system does not give.
    pub fn start() -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        // The log of whoever starts the server: it may not be the whole program's.
        let log = dispatcher::get_default(Dispatch::clone);
        (0..count).map(|_| Worker::start(log.clone())).collect::<io::Result<_>>().map(Self)
    }

    /// Has the worker with the fewest connections serve another one.
    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        let Some(worker) = self.0.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else { return };
        worker.open.fetch_add(1, Ordering::Relaxed);
        let place = Place(Arc::clone(&worker.open));
        worker.runtime.spawn(async move {
            let _place = place;
            connection.await;
        });
    }

    /// Ends the threads, and all that is still under way on them.
    pub async fn stop(self) {
        let ended = tokio::task::spawn_blocking(move || {
            for Worker { stop, thread, .. } in self.0 {
                // It may have ended.
                let _ = stop.send(());
                if thread.join().is_err() {
                    tracing::error!("a thread that served connections ended badly");
                }
            }
        });
        // Nobody is left to care.
        let _ = ended.await;
    }
}

impl Worker {
    fn start(log: Dispatch) -> io::Result<Self> {
        // For as long as the thread lives.
        let begin = move || std::mem::forget(dispatcher::set_default(&log));
        let runtime = Builder::new_current_thread().enable_all().on_thread_start(begin.clone()).build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("connections".to_owned()).spawn(move || {
            begin();
            // An error is an end, too.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, open: Arc::default(), stop, thread })
    }
}
