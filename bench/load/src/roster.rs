//! Who is to join which room, in which order: everybody who sends first, so that the rooms are alive when viewers come.

use crate::scenario::{Impair, Request};

/// One client to come.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// Number of the room.
    pub room: usize,
    /// Number of the group.
    pub group: usize,
    /// Counts all clients; its identity and seed.
    pub number: u32,
    /// How many streams others of the room send to it.
    pub expected: usize,
    /// What happens to what it receives.
    pub impair: Option<Impair>,
}

/// All seats of a request.
pub fn seats(request: &Request) -> Vec<Seat> {
    let scenario = &request.scenario;
    let tracks: usize = scenario
        .groups
        .iter()
        .map(|group| group.count * group.publish.plans().len())
        .sum();
    let mut slow = scenario.slow.as_ref().map_or(0, |slow| slow.count);
    let mut seats = Vec::new();
    for sends in [true, false] {
        for room in 0..scenario.rooms {
            for (number, group) in scenario.groups.iter().enumerate() {
                let own = group.publish.plans().len();
                if (own > 0 || group.publish.data.is_some()) != sends {
                    continue;
                }
                let thin = scenario
                    .slow
                    .as_ref()
                    .filter(|slow| slow.group == group.name);
                for _ in 0..group.count {
                    let impair = match thin.filter(|_| slow > 0) {
                        Some(thin) => {
                            slow -= 1;
                            Some(Impair {
                                rate_kbps: thin.rate_kbps,
                                ..group.impair.unwrap_or_default()
                            })
                        }
                        None => group.impair,
                    };
                    seats.push(Seat {
                        room,
                        group: number,
                        number: seats.len() as u32,
                        expected: if group.subscribe.plan().is_all() {
                            tracks - own
                        } else {
                            0
                        },
                        impair,
                    });
                }
            }
        }
    }
    seats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_come_first_and_the_slow_are_as_many_as_asked() {
        let request: Request = serde_json::from_str(
            r#"{ "target": { "kind": "livekit", "url": "ws://h:1", "apiKey": "k", "apiSecret": "s" }, "seconds": 1,
                 "scenario": { "name": "n", "rooms": 2, "join": { "atOnce": 8 },
                   "slow": { "group": "viewers", "count": 3, "rateKbps": 300 },
                   "groups": [ { "name": "viewers", "count": 2 },
                               { "name": "stage", "count": 1, "publish": { "audio": { "kbps": 32, "packetMs": 20 } } } ] } }"#,
        )
        .expect("a request");
        assert_eq!(request.refusal(), None);
        let seats = seats(&request);
        assert_eq!(
            seats.iter().map(|seat| seat.group).collect::<Vec<_>>(),
            [1, 1, 0, 0, 0, 0]
        );
        assert_eq!(
            seats.iter().map(|seat| seat.expected).collect::<Vec<_>>(),
            [0, 0, 1, 1, 1, 1]
        );
        assert_eq!(seats.iter().filter(|seat| seat.impair.is_some()).count(), 3);
    }

    #[test]
    fn keys_that_nobody_knows_are_named() {
        let error =
            serde_json::from_str::<Request>(r#"{ "secondz": 1 }"#).expect_err("no such key");
        assert!(error.to_string().contains("secondz"), "{error}");
    }
}
