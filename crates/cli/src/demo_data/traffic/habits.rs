//! Who calls what, when, from where, and what goes wrong.

use super::Trouble;

/// A method, a route, its share in calls of a thousand, and the status of a good answer.
pub type Route = (&'static str, &'static str, u64, u16);

const READS: &[Route] = &[("GET", "/v1/notes", 700, 200), ("GET", "/v1/notes/{id}", 300, 200)];
const WRITES: &[Route] = &[
    ("GET", "/v1/notes", 450, 200),
    ("GET", "/v1/notes/{id}", 200, 200),
    ("POST", "/v1/notes", 300, 201),
    ("PUT", "/v1/notes/{id}", 50, 200),
];
const LISTS: &[Route] = &[("GET", "/v1/notes", 1000, 200)];
const WHO: &[Route] = &[("GET", "/v1/whoami", 300, 200), ("GET", "/v1/notes", 700, 200)];

/// When the calls come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    /// Day and night.
    Always,
    /// On working days, and a little beside.
    Office,
    /// From one to four in the morning, UTC.
    Night,
}

/// How a caller calls.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// Calls in its busiest hours.
    pub per_hour: u64,
    /// When.
    pub hours: Hours,
    /// What.
    pub routes: &'static [Route],
    /// What goes wrong, with its share in calls of a thousand.
    pub troubles: &'static [(Trouble, u64)],
    /// From where.
    pub addresses: &'static [&'static str],
    /// What it calls itself.
    pub agent: &'static str,
}

const CURL: &str = "curl/8.11.1";
const PYTHON: &str = "python-requests/2.32.3";
const NODE: &str = "node-fetch/3.3.2";
const GO: &str = "Go-http-client/2.0";
const RUST: &str = "reqwest/0.12.9";
const OFFICE: &[&str] = &["198.51.100.23", "198.51.100.24"];

const SMALL: Habit = Habit {
    per_hour: 20,
    hours: Hours::Office,
    routes: READS,
    troubles: &[],
    addresses: OFFICE,
    agent: CURL,
};

pub const SERVER: Habit = Habit {
    per_hour: 420,
    hours: Hours::Office,
    routes: WRITES,
    troubles: &[
        (Trouble::Limit, 6),
        (Trouble::Scope("notes:read notes:delete", "notes:delete"), 3),
        (Trouble::Failed, 2),
    ],
    addresses: &["203.0.113.10", "203.0.113.11", "2001:db8:4a::10"],
    agent: GO,
};
pub const EXPORT: Habit = Habit {
    per_hour: 260,
    hours: Hours::Night,
    routes: LISTS,
    agent: PYTHON,
    addresses: &["203.0.113.40"],
    ..SMALL
};
pub const BUILDS: Habit = Habit {
    per_hour: 40,
    routes: WRITES,
    troubles: &[(Trouble::Address, 90)],
    addresses: &["192.0.2.15", "192.0.2.16"],
    agent: NODE,
    ..SMALL
};
pub const WAREHOUSE: Habit = Habit {
    per_hour: 150,
    hours: Hours::Always,
    routes: WRITES,
    troubles: &[(Trouble::Failed, 4)],
    addresses: &["203.0.113.77", "203.0.113.78"],
    agent: "Warehouse/4.2 (Java 21)",
};
pub const STAGING: Habit = Habit { per_hour: 15, agent: NODE, ..SMALL };
pub const FAIR: Habit = Habit { per_hour: 30, addresses: &["203.0.113.201"], agent: "Kiosk/1.0", ..SMALL };
pub const LAPTOP: Habit = Habit { per_hour: 12, routes: WRITES, addresses: &["198.51.100.90"], ..SMALL };
pub const LOAD: Habit = Habit {
    per_hour: 300,
    hours: Hours::Night,
    routes: READS,
    troubles: &[(Trouble::Limit, 240)],
    addresses: &["192.0.2.44"],
    agent: "k6/0.54.0",
};
pub const ANALYTICS: Habit = Habit {
    per_hour: 120,
    hours: Hours::Always,
    troubles: &[(Trouble::Scope("notes:write", "notes:write"), 12)],
    addresses: &["203.0.113.130"],
    agent: PYTHON,
    ..SMALL
};
pub const DISPLAY: Habit = Habit {
    per_hour: 60,
    hours: Hours::Always,
    routes: LISTS,
    addresses: &["198.51.100.60"],
    agent: RUST,
    ..SMALL
};
pub const GATEWAY: Habit = Habit {
    per_hour: 200,
    hours: Hours::Always,
    routes: WRITES,
    troubles: &[(Trouble::Limit, 4)],
    addresses: &["203.0.113.150", "2001:db8:77::5"],
    agent: GO,
};
pub const TERMINAL: Habit = Habit { per_hour: 8, routes: WHO, ..SMALL };
pub const NOTEBOOK: Habit = Habit { per_hour: 14, routes: WRITES, agent: PYTHON, ..SMALL };
pub const RELEASE: Habit = Habit { per_hour: 25, hours: Hours::Always, routes: WRITES, ..SMALL };
pub const ROBOT: Habit = Habit {
    per_hour: 35,
    hours: Hours::Always,
    routes: WRITES,
    addresses: &["203.0.113.9"],
    agent: GO,
    ..SMALL
};
pub const BOARDS: Habit = Habit {
    per_hour: 45,
    hours: Hours::Always,
    troubles: &[(Trouble::Scope("notes:write", "notes:write"), 25)],
    addresses: &["203.0.113.88"],
    agent: "InsightBoards/2.6",
    ..SMALL
};
pub const POCKET: Habit = Habit {
    per_hour: 9,
    routes: WRITES,
    addresses: &["198.51.100.140", "2001:db8:91::a2"],
    agent: "PocketNotes/1.4 (Android 15)",
    ..SMALL
};
