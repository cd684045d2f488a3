//! The TURN listeners of all workers, and the servers behind them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use mio::Registry;
use rustls::ServerConfig;
use sluice_turn::Quotas;
use sluice_wire::id::WorkerId;

use super::{CertificateStore, Relay, server_config};
use crate::config::EngineConfig;
use crate::engine::{StartError, bind_error};
use crate::ports::PortBook;
use crate::socket::Socket;
use crate::stream::Listener;

/// What the servers of the workers are made of, one after the other.
pub struct Relays {
    sockets: std::vec::IntoIter<Vec<Socket>>,
    listeners: std::vec::IntoIter<Vec<Listener>>,
    quotas: Arc<Quotas>,
    tls: Option<Arc<ServerConfig>>,
}

impl Relays {
    /// Binds all listeners.
    ///
    /// # Errors
    /// [`StartError::Bind`], with the key of the configuration that the port comes from.
    pub fn bind(
        config: &EngineConfig,
        certificates: &Arc<CertificateStore>,
    ) -> Result<Self, StartError> {
        let turn = config.turn.as_ref();
        let tls = match turn.and_then(|turn| turn.tls) {
            Some(tls) if !tls.external => {
                Some(server_config(Arc::clone(certificates)).map_err(io::Error::other)?)
            }
            _ => None,
        };
        Ok(Self {
            sockets: sockets(config)?.into_iter(),
            listeners: listeners(config)?.into_iter(),
            quotas: Quotas::new(turn.map_or(0, |turn| turn.allocations_per_user)),
            tls,
        })
    }

    /// The next worker's server; none without TURN.
    ///
    /// # Errors
    /// Where its sockets can't be polled.
    pub fn next(
        &mut self,
        config: &EngineConfig,
        worker: WorkerId,
        book: Option<Arc<PortBook>>,
        registry: &Registry,
    ) -> io::Result<Option<Relay>> {
        let shared = (Arc::clone(&self.quotas), self.tls.clone());
        let relay = Relay::new(Instant::now(), worker, config, book, shared, registry)?;
        let Some(mut relay) = relay else {
            return Ok(None);
        };
        for socket in self.sockets.next().unwrap_or_default() {
            relay.listen_udp(socket)?;
        }
        for listener in self.listeners.next().unwrap_or_default() {
            relay.listen_tcp(listener)?;
        }
        Ok(Some(relay))
    }
}

/// The sockets for clients over UDP of each worker that has relay ports.
fn sockets(config: &EngineConfig) -> Result<Vec<Vec<Socket>>, StartError> {
    let Some((turn, port)) = config.turn.as_ref().and_then(|t| Some((t, t.udp_port?))) else {
        return Ok(Vec::new());
    };
    each_worker(config, |shared| {
        let bound = turn.bind_addresses.iter().map(|ip| {
            let address = SocketAddr::new(*ip, port);
            Socket::bind(address, shared, config.receive_buffer_bytes)
                .map_err(|error| bind_error("turn.udp_port: ", "UDP", address, error))
        });
        bound.collect()
    })
}

/// Likewise the listeners for clients over TCP or TLS.
fn listeners(config: &EngineConfig) -> Result<Vec<Vec<Listener>>, StartError> {
    let Some((turn, tls)) = config.turn.as_ref().and_then(|t| Some((t, t.tls?))) else {
        return Ok(Vec::new());
    };
    each_worker(config, |shared| {
        let bound = turn.bind_addresses.iter().map(|ip| {
            let address = SocketAddr::new(*ip, tls.port);
            Listener::bind(address, shared)
                .map_err(|error| bind_error("turn.tls_port: ", "TCP", address, error))
        });
        bound.collect()
    })
}

fn each_worker<T>(
    config: &EngineConfig,
    bind: impl Fn(bool) -> Result<Vec<T>, StartError>,
) -> Result<Vec<Vec<T>>, StartError> {
    let workers = config
        .turn
        .as_ref()
        .map_or(0, |turn| turn.share(config.workers));
    // As with media: see that nobody else has the port before we share it among ourselves.
    drop(bind(false)?);
    (0..workers).map(|_| bind(workers > 1)).collect()
}
