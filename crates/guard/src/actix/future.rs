//! The futures of the middlewares: no heap of their own where there is nothing to wait for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use pin_project_lite::pin_project;

/// An answer that has to be waited for elsewhere than in the inner service.
pub(super) type Boxed = Pin<Box<dyn Future<Output = Result<ServiceResponse<BoxBody>, Error>>>>;

pin_project! {
    /// The answer of an inner service, and what a middleware does with it; or an answer of the middleware's own.
    #[project = Project]
    pub enum Answering<F, D> {
        /// The inner service answers.
        Inner {
            #[pin]
            answer: F,
            done: Option<D>,
        },
        /// It is there.
        Here { answer: Option<ServiceResponse<BoxBody>> },
        /// It comes from elsewhere.
        Elsewhere { answer: Boxed },
    }
}

/// What a middleware does with an answer of the service within.
pub(super) trait Finish {
    /// The answer that goes out.
    fn finish(self, answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody>;
}

impl<F, D> Answering<F, D> {
    pub(super) const fn inner(answer: F, done: D) -> Self {
        Self::Inner { answer, done: Some(done) }
    }
    pub(super) const fn here(answer: ServiceResponse<BoxBody>) -> Self {
        Self::Here { answer: Some(answer) }
    }
}

impl<F, D, B> Future for Answering<F, D>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
    D: Finish,
{
    type Output = Result<ServiceResponse<BoxBody>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Project::Inner { answer, done } => {
                let answer = ready!(answer.poll(cx))?.map_into_boxed_body();
                Poll::Ready(Ok(match done.take() {
                    Some(done) => done.finish(answer),
                    None => answer,
                }))
            }
            // Nobody polls after the end; whoever does waits for ever.
            Project::Here { answer } => answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer))),
            Project::Elsewhere { answer } => answer.as_mut().poll(cx),
        }
    }
}
