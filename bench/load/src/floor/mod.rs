//! `sluice-load floor`: the least that each step of forwarding costs on this machine, and a whole loop of nothing but
//! those steps, so that a server's figures can be read as a share of what is possible.
//!
//! All of it is CPU time of the measuring thread, which the kernel's work on behalf of a send is part of. Each step is
//! measured once a round, so that a clock that wanders moves all of them alike; figures are medians over the rounds.

mod cpu;
mod figure;
mod options;
mod receive;
mod seal;
mod send;
mod whole;
mod wire;

use serde_json::{Value, json};

pub use cpu::thread_time;
pub use options::OptionError;

use figure::{Figure, Figures};
use options::Options;
use whole::Load;
use wire::Wire;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// The command line is wrong.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// A socket, an address or a namespace can't be had.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        error: std::io::Error,
    },
}

/// Measures what the arguments behind `floor` ask for.
///
/// # Errors
/// See [`FloorError`].
pub fn run(args: &[String]) -> Result<Value, FloorError> {
    let options = Options::parse(args)?;
    let mut wire = Wire::open(&options)?;
    let mut figures = Figures::default();
    let (video, audio) = (&options.video, &options.audio);
    for _ in 0..options.rounds {
        for bytes in [video.bytes, audio.bytes] {
            seal::measure(bytes, &mut figures);
        }
        send::measure(video.bytes, &TRAINS, &mut wire, &mut figures);
        send::measure(audio.bytes, &[1], &mut wire, &mut figures);
        receive::measure(video.bytes, &mut wire, &mut figures);
        receive::measure(audio.bytes, &mut wire, &mut figures);
        for (name, load) in [("video", video), ("audio", audio)] {
            figures.add(whole::measure(name, load, &mut wire)?);
            figures.add(whole::measure_saturated(name, load, &mut wire)?);
        }
    }
    Ok(report(&options, &figures))
}

fn report(options: &Options, figures: &Figures) -> Value {
    let loops = |name: &str, load: &Load| {
        let nanoseconds = |step| figures.median(step, load.bytes, load.train, name);
        json!({
            "perPacketNs": nanoseconds("loop"),
            "saturatedNs": nanoseconds("saturatedLoop"),
            "receivers": load.receivers,
            "bytes": load.bytes,
            "train": load.train,
            "trainsPerSecond": load.trains_per_second,
        })
    };
    json!({
        "path": {
            "from": options.bind,
            "to": options.to,
            "namespace": options.namespace,
            "receiversCoalesce": options.coalesce,
        },
        "rounds": options.rounds,
        "steps": figures.all().iter().map(Figure::to_json).collect::<Vec<_>>(),
        "loops": { "video": loops("video", &options.video), "audio": loops("audio", &options.audio) },
        "perPacketNs": {
            "video": figures.median("loop", options.video.bytes, options.video.train, "video"),
            "audio": figures.median("loop", options.audio.bytes, options.audio.train, "audio"),
        },
    })
}

/// Datagrams in one send.
const TRAINS: [usize; 5] = [1, 2, 4, 8, 16];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_and_both_loops_have_a_figure() {
        let args = "--rounds 1 --video 3,400,2,100 --audio 2,100,1,200".split_whitespace();
        let args: Vec<String> = args.map(str::to_owned).collect();
        let told = run(&args).expect("loopback is there");
        let steps = told["steps"].as_array().expect("steps");
        for (step, count) in [("seal", 8), ("open", 2), ("send", 8), ("receive", 8)] {
            let found = steps.iter().filter(|figure| figure["step"] == step).count();
            assert_eq!(found, count, "{step}: {told}");
        }
        assert!(
            steps.iter().all(|figure| figure["ns"].as_f64() > Some(0.0)),
            "{told}"
        );
        for kind in ["video", "audio"] {
            let floor = told["perPacketNs"][kind].as_f64();
            assert!(floor > Some(100.0), "{told}");
            assert!(
                told["loops"][kind]["saturatedNs"].as_f64() > Some(100.0),
                "{told}"
            );
        }
    }

    #[test]
    fn a_namespace_that_is_not_there_is_said() {
        let args = ["--namespace", "nobody-has-this"].map(str::to_owned);
        let error = run(&args).expect_err("there is none").to_string();
        assert!(error.starts_with("sockets at the far end: "), "{error}");
    }
}
