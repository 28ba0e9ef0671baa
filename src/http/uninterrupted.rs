//! Work that comes to its end, whatever becomes of whoever waits for it.
//!
//! It runs where it is waited for, as a part of that task, which costs nothing. Only when it is dropped half done, as
//! when a client goes away or its time is over, it goes on as a task of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that goes on when it is dropped. Never begun, it just goes.
pub struct Uninterrupted<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    /// Not there while it is polled, so that work that panicked is not tried again.
    work: Option<Pin<Box<F>>>,
    begun: bool,
}

impl<F> Uninterrupted<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    pub fn new(work: F) -> Self {
        Self { work: Some(Box::pin(work)), begun: false }
    }
}

impl<F> Future for Uninterrupted<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.begun = true;
        let Some(mut work) = self.work.take() else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<F> Drop for Uninterrupted<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        if let (true, Some(work), Ok(runtime)) = (self.begun, self.work.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;
    use tokio::sync::Notify;

    use super::*;

    /// Work of two steps, and how many of them are done.
    fn steps() -> (impl Future<Output = u32> + Send + 'static, Arc<AtomicU32>, Arc<Notify>) {
        let (done, go_on) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let (counted, waited) = (Arc::clone(&done), Arc::clone(&go_on));
        let work = async move {
            counted.fetch_add(1, Ordering::SeqCst);
            waited.notified().await;
            counted.fetch_add(1, Ordering::SeqCst) + 1
        };
        (work, done, go_on)
    }

    #[tokio::test]
    async fn work_that_is_waited_for_gives_what_it_gives() {
        let (work, done, go_on) = steps();
        go_on.notify_one();
        assert_eq!(Uninterrupted::new(work).await, 2);
        tokio::task::yield_now().await;
        assert_eq!(done.load(Ordering::SeqCst), 2, "once");
    }

    #[tokio::test]
    async fn work_that_was_begun_goes_on_when_nobody_waits_any_more() {
        let (work, done, go_on) = steps();
        let mut work = Uninterrupted::new(work);
        assert_eq!((&mut work).now_or_never(), None);
        drop(work);
        go_on.notify_one();
        while done.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn work_that_was_not_begun_is_not_done() {
        let (work, done, _) = steps();
        drop(Uninterrupted::new(work));
        tokio::task::yield_now().await;
        assert_eq!(done.load(Ordering::SeqCst), 0);
    }
}
