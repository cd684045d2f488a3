//! What is to be measured, and between which addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::whole::Load;

/// The command line behind `floor`.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where the measured side is.
    pub bind: IpAddr,
    /// Where the receivers and publishers are.
    pub to: IpAddr,
    /// The network namespace that `to` is in, by its name below `/run/netns`.
    pub namespace: Option<String>,
    /// Whether receivers take trains as a whole (`UDP_GRO`), as the load generator's do; others have the kernel cut
    /// each up, at the sender's expense.
    pub coalesce: bool,
    /// How often everything is measured.
    pub rounds: usize,
    /// One camera to its viewers.
    pub video: Load,
    /// Microphones to their listeners.
    pub audio: Load,
}

/// A command line that can't be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OptionError {
    /// There is no such option.
    #[error("unknown option {0} of floor")]
    Unknown(String),
    /// An option without its value.
    #[error("{0} needs a value")]
    Missing(String),
    /// A value that makes no sense there.
    #[error("{0} can't be {1}")]
    Value(String, String),
}

impl Options {
    /// Reads `--bind A --to B [--namespace NAME] [--coalesce BOOL] [--rounds N]` and
    /// `--video|--audio RECEIVERS,BYTES,TRAIN,TRAINS_PER_SECOND`.
    pub fn parse(args: &[String]) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(name) = args.next() {
            let value = args.next();
            let value = value.ok_or_else(|| OptionError::Missing(name.clone()))?;
            let wrong = || OptionError::Value(name.clone(), value.clone());
            match name.as_str() {
                "--bind" => options.bind = value.parse().map_err(|_| wrong())?,
                "--to" => options.to = value.parse().map_err(|_| wrong())?,
                "--namespace" => options.namespace = Some(value.clone()),
                "--coalesce" => options.coalesce = value.parse().map_err(|_| wrong())?,
                "--rounds" => {
                    let rounds = value
                        .parse()
                        .ok()
                        .filter(|rounds| (1..=1_000).contains(rounds));
                    options.rounds = rounds.ok_or_else(wrong)?;
                }
                "--video" => options.video = load(value).ok_or_else(wrong)?,
                "--audio" => options.audio = load(value).ok_or_else(wrong)?,
                _ => return Err(OptionError::Unknown(name.clone())),
            }
        }
        Ok(options)
    }
}

impl Default for Options {
    /// Loopback, and the loads of the scenarios `livestream` and `audio-rooms`.
    fn default() -> Self {
        Self {
            bind: Ipv4Addr::LOCALHOST.into(),
            to: Ipv4Addr::LOCALHOST.into(),
            namespace: None,
            coalesce: true,
            rounds: 5,
            video: Load {
                receivers: 100,
                bytes: 1_095,
                train: 6,
                trains_per_second: 30,
            },
            audio: Load {
                receivers: 50,
                bytes: 108,
                train: 1,
                trains_per_second: 500,
            },
        }
    }
}

fn load(text: &str) -> Option<Load> {
    let numbers: Result<Vec<usize>, _> = text.split(',').map(str::parse).collect();
    let &[receivers, bytes, train, trains_per_second] = numbers.ok()?.as_slice() else {
        return None;
    };
    let sensible = (1..=1_000).contains(&receivers)
        && (64..=1_400).contains(&bytes)
        && (1..=32).contains(&train)
        && (1..=10_000).contains(&trains_per_second);
    sensible.then_some(Load {
        receivers,
        bytes,
        train,
        trains_per_second,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, OptionError> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&args)
    }

    #[test]
    fn nothing_said_is_loopback_and_the_loads_of_the_scenarios() {
        assert_eq!(parse(""), Ok(Options::default()));
    }

    #[test]
    fn loads_and_addresses_can_be_said() {
        let line = "--bind 10.0.0.1 --to 10.0.0.2 --namespace load --video 30,1200,8,25 --rounds 3";
        let options = parse(line).expect("it is well formed");
        assert_eq!(options.to, IpAddr::from([10, 0, 0, 2]));
        assert_eq!(options.namespace.as_deref(), Some("load"));
        assert_eq!((options.video.receivers, options.video.train), (30, 8));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refused = |line| parse(line).expect_err("it is refused").to_string();
        assert_eq!(refused("--colour red"), "unknown option --colour of floor");
        assert_eq!(refused("--bind"), "--bind needs a value");
        assert_eq!(refused("--video 1,2"), "--video can't be 1,2");
        assert_eq!(refused("--audio 0,100,1,50"), "--audio can't be 0,100,1,50");
        assert_eq!(refused("--rounds 0"), "--rounds can't be 0");
    }
}
