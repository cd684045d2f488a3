//! What is counted, by name.

mod data;
mod feedback;
mod join;
mod media;

use crate::counted::Tally;

/// One case.
pub struct Case {
    /// Its name on the command line and in `budgets.json`.
    pub name: &'static str,
    /// What it counts by.
    pub unit: &'static str,
    /// Runs it.
    pub run: fn() -> Tally,
}

/// Every case.
pub const ALL: [Case; 10] = [
    Case {
        name: "video",
        unit: "packet forwarded",
        run: media::video,
    },
    Case {
        name: "video-bwe",
        unit: "packet forwarded",
        run: media::video_with_feedback,
    },
    Case {
        name: "audio",
        unit: "packet forwarded",
        run: media::audio,
    },
    Case {
        name: "meeting",
        unit: "packet forwarded",
        run: media::meeting,
    },
    Case {
        name: "data-lossy",
        unit: "message forwarded",
        run: data::lossy,
    },
    Case {
        name: "data-reliable",
        unit: "message forwarded",
        run: data::reliable,
    },
    Case {
        name: "reports",
        unit: "receiver report handled",
        run: feedback::reports,
    },
    Case {
        name: "repairs",
        unit: "packet sent again",
        run: feedback::repairs,
    },
    Case {
        name: "idle",
        unit: "second of a connected peer",
        run: feedback::idle,
    },
    Case {
        name: "join",
        unit: "transport connected",
        run: join::join,
    },
];
