//! The seam: commands in, reports out, in batches; no logic. `ts/media/native.ts` is its only caller.

use std::sync::Arc;

use napi::bindgen_prelude::{Function, Object, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use sluice_net::{EngineConfig, SubmitError};

/// A call without arguments from any thread; at most one waits at a time, since the engine rings once.
type Wake = ThreadsafeFunction<(), Unknown<'static>, (), Status, false>;

/// All workers of a process.
#[napi]
pub struct Engine {
    /// None once closed. Dropping it also lets go of `wake`, which would keep the process alive.
    running: Option<sluice_net::Engine>,
    info: String,
}

#[napi]
impl Engine {
    /// Starts the workers; throws where the configuration can't work or a shared port is taken. `wake` is called
    /// on the event loop when `takeEvents` has something, once until that is called.
    #[napi(constructor)]
    #[allow(clippy::needless_pass_by_value)] // What JavaScript hands over arrives by value.
    pub fn new(
        config_json: String,
        wake: Function<'_, (), Unknown<'static>>,
    ) -> napi::Result<Self> {
        let config: EngineConfig = serde_json::from_str(&config_json)
            .map_err(|error| invalid(format!("malformed engine configuration: {error}")))?;
        let wake: Wake = wake.build_threadsafe_function::<()>().build()?;
        let ring = move || {
            // Refused only while the environment ends, when nobody listens any more.
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        };
        let engine = sluice_net::Engine::start(config, ring)
            .map_err(|error| napi::Error::new(Status::GenericFailure, error.to_string()))?;
        Ok(Self {
            info: engine.info().to_owned(),
            running: Some(engine),
        })
    }

    /// Hands a JSON array of commands to a worker, all or none; throws where it is malformed or the worker's
    /// mailbox is full. Nothing happens once closed.
    #[napi]
    #[allow(clippy::needless_pass_by_value)] // As above.
    pub fn submit(&self, worker: u32, commands_json: String) -> napi::Result<()> {
        let Some(engine) = &self.running else {
            return Ok(());
        };
        let worker = u16::try_from(worker).unwrap_or(u16::MAX);
        engine
            .submit(worker, &commands_json)
            .map_err(|error| match error {
                SubmitError::Full(_) => napi::Error::new(Status::QueueFull, error.to_string()),
                SubmitError::NoWorker(_) | SubmitError::Malformed(_) => invalid(error.to_string()),
            })
    }

    /// What TURN clients over TLS are shown from now on, in PEM; throws what is wrong with it, and keeps the former
    /// one then. Nothing happens once closed.
    #[napi]
    #[allow(clippy::needless_pass_by_value)] // As above.
    pub fn set_turn_certificate(&self, cert_pem: String, key_pem: String) -> napi::Result<()> {
        let Some(engine) = &self.running else {
            return Ok(());
        };
        engine
            .set_turn_certificate(&cert_pem, &key_pem)
            .map_err(|error| invalid(error.to_string()))
    }

    /// Everything reported since the last call, as a JSON array in the order of each worker; null where there is
    /// nothing.
    #[napi]
    pub fn take_events(&self) -> Option<String> {
        self.running.as_ref()?.take_events()
    }

    /// The engine's description as JSON: `workers`, `fingerprint`, `warnings`.
    #[napi]
    pub fn info(&self) -> String {
        self.info.clone()
    }

    /// Ends the workers behind the commands submitted before, within milliseconds; idempotent.
    #[napi]
    pub fn close(&mut self) {
        self.running = None;
    }
}

/// The client side of `sluice doctor`.
#[napi]
pub struct Prober {
    prober: Arc<sluice_net::Prober>,
}

#[napi]
impl Prober {
    /// Makes the certificate that all of its probes show.
    #[napi(constructor)]
    pub fn new() -> napi::Result<Self> {
        let prober = sluice_net::Prober::new()
            .map_err(|error| napi::Error::new(Status::GenericFailure, error.to_string()))?;
        Ok(Self {
            prober: Arc::new(prober),
        })
    }

    /// The certificate's SHA-256 fingerprint.
    #[napi]
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.prober.fingerprint()
    }

    /// Tries one way into a server, on a thread of its own; the report as JSON. Rejects for a malformed request.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn probe<'env>(&self, env: &'env Env, request_json: String) -> napi::Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let prober = self.prober.clone();
        std::thread::Builder::new()
            .name("probe".to_owned())
            .spawn(move || match prober.run(&request_json) {
                Ok(report) => deferred.resolve(move |_| Ok(report)),
                Err(error) => deferred.reject(invalid(error.to_string())),
            })
            .map_err(|error| napi::Error::new(Status::GenericFailure, error.to_string()))?;
        Ok(promise)
    }
}

fn invalid(reason: String) -> napi::Error {
    napi::Error::new(Status::InvalidArg, reason)
}
