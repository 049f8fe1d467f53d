//! Running servers and what runs beside them, and ending all of it in order.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use keyway_guard::{Guard, Running};
use keyway_portal::metrics::GuardSizes;
use tokio::task::JoinHandle;

/// How long requests may take to end once a server was asked to.
const PATIENCE_SECONDS: u64 = 5;

/// Servers and tasks of this process.
pub struct Servers {
    servers: Vec<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
    tasks: Vec<JoinHandle<()>>,
    farewells: Vec<Box<dyn FnOnce() + Send>>,
    guards: Vec<Running>,
    guard_sizes: GuardSizes,
}

impl Servers {
    /// Without any.
    ///
    /// # Errors
    /// Never, unless two metrics have one name.
    pub fn new() -> anyhow::Result<Self> {
        let guard_sizes = GuardSizes::new()?;
        Ok(Self {
            servers: Vec::new(),
            tasks: Vec::new(),
            farewells: Vec::new(),
            guards: Vec::new(),
            guard_sizes,
        })
    }

    /// Serves what `configure` says on `listeners`, until [`Self::stop`].
    ///
    /// # Errors
    /// When the sockets cannot be used.
    pub fn serve<F>(
        &mut self,
        listeners: Vec<TcpListener>,
        workers: usize,
        configure: F,
    ) -> std::io::Result<()>
    where
        F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
    {
        let mut server = HttpServer::new(move || App::new().configure(configure.clone()))
            .workers(workers)
            .disable_signals()
            .shutdown_timeout(PATIENCE_SECONDS);
        for listener in listeners {
            server = server.listen(listener)?;
        }
        let running = server.run();
        let handle = running.handle();
        self.servers.push((handle, tokio::spawn(running)));
        Ok(())
    }

    /// Runs `task` beside the servers; it may be dropped at any of its `await`s.
    pub fn beside(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(task));
    }

    /// Does `farewell` before the servers are asked to end: what would keep answers from ending, ends.
    pub fn when_stopping(&mut self, farewell: impl FnOnce() + Send + 'static) {
        self.farewells.push(Box::new(farewell));
    }

    /// Lets `guard`, that of `place`, follow the change feed and write its records, until the servers have stopped.
    pub fn guard(&mut self, place: &'static str, guard: &Guard) {
        self.guard_sizes.watch(place, guard);
        self.guards.push(guard.start());
    }

    /// How full the guards are, those to come included.
    pub const fn guard_sizes(&self) -> &GuardSizes {
        &self.guard_sizes
    }

    /// Stops accepting, finishes what is under way, and ends the tasks.
    pub async fn stop(self) {
        for farewell in self.farewells {
            farewell();
        }
        let stopping: Vec<_> =
            self.servers.iter().map(|(handle, _)| tokio::spawn(handle.stop(true))).collect();
        for stopped in stopping {
            drop(stopped.await);
        }
        for (_, server) in self.servers {
            match server.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a server ended with an error"),
                Err(error) => tracing::error!(%error, "a server ended in a panic"),
            }
        }
        // They write what they saw of the last calls.
        for guard in self.guards {
            guard.stop().await;
        }
        for task in self.tasks {
            task.abort();
            drop(tokio::time::timeout(Duration::from_secs(1), task).await);
        }
    }
}

/// SIGTERM and SIGINT. Listened for before anything is served, so that neither ends the process by itself.
#[cfg(unix)]
pub struct StopSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl StopSignals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }
    /// Waits for one of them.
    pub async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
pub struct StopSignals;

#[cfg(not(unix))]
impl StopSignals {
    /// Begins to listen.
    ///
    /// # Errors
    /// Never.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }
    /// Waits for it.
    pub async fn received(self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "signals cannot be listened for");
        }
    }
}
